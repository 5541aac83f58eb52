/*
 * Owns: the identity of users, and the one hash of it.
 * Invariant: a user id is 0 to 2^63-1; in text it is decimal without sign or leading zeros.
 * Thread: any, no state.
 * Does not know: what a user has or does.
 */
#ifndef NEARBY_BASE_ID_H
#define NEARBY_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A person. A struct of one member, so that nothing else can be passed for it. */
struct user_id {
	uint64_t value;
};

#define USER_ID_MAX  ((uint64_t)INT64_MAX)
/* Digits of USER_ID_MAX. */
#define USER_ID_TEXT_BYTES 19

/* Whether both name the same person. */
static inline bool user_id_equal(struct user_id a, struct user_id b)
{
	return a.value == b.value;
}

/* Reads exactly `length` bytes as a decimal id. False, and *id untouched, when they are not one. */
bool user_id_parse(const char *text, size_t length, struct user_id *id);

/* Writes the decimal form without a closing NUL and returns its length. */
size_t user_id_format(struct user_id id, char text[USER_ID_TEXT_BYTES]);

/*
 * The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a bijection on 64 bits, so it
 * spreads dense ids. For tables private to a process; the segment has its own, fixed by its layout.
 */
static inline uint64_t hash_u64(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

#endif
