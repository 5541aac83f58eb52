/*
 * Owns: what the command line of a load comes to: a file, a judged run, or a load.
 * Invariant: what was made is released on every way out.
 * Thread: the parent's.
 * Does not know: how a run goes.
 */
#ifndef NEARBY_BENCH_LOAD_COMMAND_H
#define NEARBY_BENCH_LOAD_COMMAND_H

#include "bench/options.h"
#include "bench/run.h"

/* Carries the command out. `key` NULL: none was named, as none is needed. */
enum run_exit load_command(const struct options *options, const struct token_key *key);

#endif
