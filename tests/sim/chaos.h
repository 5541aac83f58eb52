/*
 * Owns: random runs: a world and a life in it, both thrown from a seed.
 * Invariant: a seed gives the same run on every machine.
 * Thread: one.
 * Does not know: what is right; the cluster's oracle does.
 */
#ifndef NEARBY_SIM_CHAOS_H
#define NEARBY_SIM_CHAOS_H

#include "engine/engine.h"

#include <stdint.h>
#include <stdio.h>

struct chaos_options {
	bool is_small; /* a handful of users and steps, to find a short story of a fault */
	FILE *trace;   /* every event and message in words, or NULL */
};

struct chaos_report {
	char violation[512]; /* empty when all was right */
	uint32_t steps;
	uint64_t messages;
	uint64_t counters[ENGINE_COUNTER_COUNT];
};

void chaos_run(uint64_t seed, const struct chaos_options *options, struct chaos_report *report);

#endif
