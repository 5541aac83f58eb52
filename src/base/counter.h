/*
 * Owns: how a counter and a histogram are written and read.
 * Invariant: a counter has one writing thread; anyone may read it at any time, in any process.
 * Thread: see above. Reads are of single words: a set of counters is no snapshot.
 * Does not know: where counters live or what they are called; each layer has a table (*.tbl) of
 *   its own and is lent an array with the rows of that table.
 */
#ifndef NEARBY_BASE_COUNTER_H
#define NEARBY_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t counter_word;

/* One writer, so a relaxed load and a relaxed store make an increment: no locked instruction. */
static inline void counter_add(counter_word *counter, uint64_t amount)
{
	uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, before + amount, memory_order_relaxed);
}

/* For gauges: replaces the value. */
static inline void counter_set(counter_word *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* From any thread. */
static inline uint64_t counter_get(const counter_word *counter)
{
	return atomic_load_explicit((counter_word *)counter, memory_order_relaxed);
}

/*
 * A histogram of microseconds is HISTOGRAM_WORDS counters in a row: the sum, then how many values
 * were at most 2^i µs for bucket i = 0 .. HISTOGRAM_BUCKETS-2, each counted once, in the lowest
 * that holds it; the last bucket takes the rest. 2^26 µs is 67 s.
 */
#define HISTOGRAM_BUCKETS 28
#define HISTOGRAM_WORDS	  (1 + HISTOGRAM_BUCKETS)

/* Adds a value to the sum and counts it in its bucket. */
static inline void histogram_add(counter_word *histogram, uint64_t value_us)
{
	unsigned bucket = value_us <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(value_us - 1);
	if (bucket > HISTOGRAM_BUCKETS - 1)
		bucket = HISTOGRAM_BUCKETS - 1;
	counter_add(&histogram[0], value_us);
	counter_add(&histogram[1 + bucket], 1);
}

#endif
