/*
 * Owns: a run from the first fork to the report.
 * Invariant: every phase ends: when all workers have done it, when nothing moves any more, when time
 *   is up, or on SIGINT; no worker outlives it.
 * Thread: the parent.
 * Does not know: what moves; a plan does.
 */
#ifndef NEARBY_BENCH_RUN_H
#define NEARBY_BENCH_RUN_H

#include "bench/options.h"
#include "bench/worker.h"

/* Workers that a user count needs under the process's limit of descriptors. */
uint32_t run_workers_needed(uint32_t users);

/* Runs and prints the report. The exit status of the program, see nearby-bench(1). */
int run(struct bench *bench, const struct options *options);

/* Exit statuses. */
#define RUN_RIGHT     0 /* nothing was wrong or missing */
#define RUN_WRONG     1 /* something was */
#define RUN_USAGE     2 /* the command line */
#define RUN_NOT_BEGUN 3 /* files, key, admin listener or processes */

#endif
