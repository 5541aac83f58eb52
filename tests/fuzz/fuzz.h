/*
 * Owns: the seam between a fuzz target and what feeds it: libFuzzer, or replay.c.
 * Invariant: a target returns 0 for every input, and stops the process by check() when a promise is
 *   broken.
 * Thread: one.
 * Does not know: where inputs come from.
 */
#ifndef NEARBY_TESTS_FUZZ_H
#define NEARBY_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One input, which is the caller's. The name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
