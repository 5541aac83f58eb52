/*
 * Owns: how the figures of a load read, for people and for programs.
 * Invariant: the same numbers in both.
 * Thread: the parent's.
 * Does not know: how they came to be.
 */
#ifndef NEARBY_BENCH_LOAD_REPORT_H
#define NEARBY_BENCH_LOAD_REPORT_H

#include "bench/load.h"

#include <stdio.h>

/* One line, as soon as a step is over. */
void load_report_step(FILE *file, const struct load_report *report, const struct load_step *step);
void load_report_print(FILE *file, const struct load_report *report);
void load_report_print_json(FILE *file, const struct load_report *report);
/* Lines of rate, upper bound in µs and count, one for each bucket that is not empty. 0, or negative
 * errno. */
int load_report_histogram(const char *path, const struct load_report *report);
/* Things that were wrong: messages, and, but for a search, sessions that were lost. */
uint64_t load_report_findings(const struct load_report *report);

#endif
