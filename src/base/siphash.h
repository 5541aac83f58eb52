/*
 * Owns: SipHash-2-4, a hash that nobody can foresee who has not the key (Aumasson, Bernstein 2012).
 * Invariant: the same on every machine.
 * Thread: any, no state.
 * Does not know: what it is used for.
 */
#ifndef NEARBY_BASE_SIPHASH_H
#define NEARBY_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define SIPHASH_KEY_BYTES 16

/* Of `words`, as a message of 8 bytes each with the lowest first. */
uint64_t siphash_words(const uint8_t key[SIPHASH_KEY_BYTES], const uint64_t *words, size_t count);

#endif
