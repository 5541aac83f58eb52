/*
 * Owns: a histogram of times, fine enough for percentiles.
 * Invariant: a value is counted in a bucket at most 1/32 wider than itself; plain words, so it may
 *   lie in memory that processes share and sums of histograms are sums of words.
 * Thread: one writer; readers see single words.
 * Does not know: what is timed.
 */
#ifndef NEARBY_BENCH_LATENCY_H
#define NEARBY_BENCH_LATENCY_H

#include <stdint.h>

/* 32 buckets for each power of two of µs, up to 2^32 µs (71 minutes). */
#define LATENCY_STEPS	32
#define LATENCY_BUCKETS (LATENCY_STEPS * 29)

struct latency {
	uint64_t count;
	uint64_t max_us;
	uint64_t sum_us;
	uint64_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *latency, uint64_t value_us);
void latency_merge(struct latency *to, const struct latency *from);
/* The least time that `share` (0 .. 1) of the values do not exceed; 0 when there is none. */
uint64_t latency_at_us(const struct latency *latency, double share);
/* The largest value of a bucket. */
uint64_t latency_bucket_us(unsigned bucket);

#endif
