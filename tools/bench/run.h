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

/* The exit status of the program. */
enum run_exit {
#define EXIT(name, status, meaning) RUN_##name = status,
#include "bench/exits.tbl"
#undef EXIT
};

/* Runs and prints the report. */
enum run_exit run(struct bench *bench, const struct options *options);

#endif
