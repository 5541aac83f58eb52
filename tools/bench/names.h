/*
 * Owns: names for generated people.
 * Invariant: a number always has the same name; numbers below 4,096 have different ones.
 * Thread: any, no state.
 * Does not know: who is called so.
 */
#ifndef NEARBY_BENCH_NAMES_H
#define NEARBY_BENCH_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* "Ann Berg", NUL-terminated, cut to fit. */
void name_make(uint32_t number, char *name, size_t bytes);

#endif
