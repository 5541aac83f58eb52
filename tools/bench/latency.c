/*
 * Owns: counting times and finding percentiles.
 * Invariant: see the header.
 * Thread: the caller's.
 * Does not know: what is timed.
 */
#include "bench/latency.h"

#include "base/check.h"

#include <math.h>

/* Below 32 each value has its own bucket; above, the five bits below the highest choose one. */
static unsigned bucket_of(uint64_t value_us)
{
	if (value_us < LATENCY_STEPS)
		return (unsigned)value_us;
	unsigned high = 63 - (unsigned)__builtin_clzll(value_us);
	unsigned bucket = (high - 4) * LATENCY_STEPS + (unsigned)((value_us >> (high - 5)) & 31);
	return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

uint64_t latency_bucket_us(unsigned bucket)
{
	if (bucket < LATENCY_STEPS)
		return bucket;
	unsigned high = bucket / LATENCY_STEPS + 4;
	uint64_t step = (uint64_t)1 << (high - 5);
	return ((uint64_t)1 << high) + (bucket % LATENCY_STEPS + 1) * step - 1;
}

void latency_add(struct latency *latency, uint64_t value_us)
{
	latency->count++;
	latency->sum_us += value_us;
	latency->buckets[bucket_of(value_us)]++;
	if (value_us > latency->max_us)
		latency->max_us = value_us;
}

void latency_merge(struct latency *to, const struct latency *from)
{
	to->count += from->count;
	to->sum_us += from->sum_us;
	if (from->max_us > to->max_us)
		to->max_us = from->max_us;
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
}

uint64_t latency_at_us(const struct latency *latency, double share)
{
	check(share >= 0 && share <= 1);
	uint64_t wanted = (uint64_t)ceil(share * (double)latency->count), seen = 0;
	for (unsigned i = 0; i < LATENCY_BUCKETS && wanted > 0; i++) {
		seen += latency->buckets[i];
		if (seen >= wanted) {
			uint64_t top_us = latency_bucket_us(i);
			return top_us < latency->max_us ? top_us : latency->max_us;
		}
	}
	return latency->max_us;
}
