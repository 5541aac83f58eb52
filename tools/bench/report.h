/*
 * Owns: how the counts of a run read, for people and for programs.
 * Invariant: the same numbers in both.
 * Thread: the parent's.
 * Does not know: how they came to be.
 */
#ifndef NEARBY_BENCH_REPORT_H
#define NEARBY_BENCH_REPORT_H

#include "bench/control.h"

#include <stdio.h>

struct report {
	const char *what; /* "replay" or "walk" */
	const struct world *world;
	const struct tally *sum;
	double run_s;	     /* of sending, without the checks */
	uint32_t checks;     /* how many were carried to their end */
	const char *cut_off; /* why the run ended early, or NULL */
	bool is_broken_off;  /* ... and that by no one's wish */
};

void report_print(FILE *file, const struct report *report);
void report_print_json(FILE *file, const struct report *report);
/* Nothing was wrong or missing, and the run was not broken off. */
bool report_is_right(const struct report *report);

#endif
