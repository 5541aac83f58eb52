/*
 * Owns: reading the options of a benchmark.
 * Invariant: what is not understood ends the program with the options that there are.
 * Thread: one.
 * Does not know: what they mean.
 */
#ifndef NEARBY_BENCH_OPTIONS_H
#define NEARBY_BENCH_OPTIONS_H

#include <stdint.h>

/* --NAME=VALUE; of `number` and `text` one is set. */
struct option_row {
	const char *name;
	const char *help;
	uint32_t *number;
	uint32_t least, most;
	const char **text;
};

/* `rows` end with one that has no name. */
void options_read(const struct option_row *rows, int argc, char **argv);

#endif
