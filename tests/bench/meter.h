/*
 * Owns: what a piece of work cost this process: CPU time, instructions, cache misses.
 * Invariant: a difference of two readings covers what ran in between, of this process alone.
 * Thread: the one that opened the meter.
 * Does not know: what is being measured.
 */
#ifndef NEARBY_BENCH_METER_H
#define NEARBY_BENCH_METER_H

#include <stdbool.h>
#include <stdint.h>

struct meter {
	int instructions_fd; /* -1: the system does not count */
	int misses_fd;
};

struct cost {
	double cpu_s;	       /* user and system */
	uint64_t instructions; /* in user space */
	uint64_t misses;       /* of the last level of cache */
};

void meter_open(struct meter *meter);
void meter_close(struct meter *meter);
bool meter_counts_instructions(const struct meter *meter);
bool meter_counts_misses(const struct meter *meter);

/* What the process has cost so far. */
struct cost meter_read(const struct meter *meter);
/* What it has cost since an earlier reading. */
struct cost meter_since(const struct meter *meter, const struct cost *before);

#endif
