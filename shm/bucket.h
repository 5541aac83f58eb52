/*
 * Owns: what the tags of a bucket say: which of its slots are empty, and which may be a user's.
 * Invariant: no state. A set of slots is a word with the high bit of a byte for each of them.
 * Thread: any.
 * Does not know: where the tags stand, and what stands in the slots.
 *
 * A tag has its high bit set and seven bits of the hash below it, so that 0 is that of an empty slot
 * and one of 128 others looks like the user's.
 */
#ifndef NEARBYSHM_BUCKET_H
#define NEARBYSHM_BUCKET_H

#include "layout.h"

#define TAG_LOWS  UINT64_C(0x0101010101010101)
#define TAG_HIGHS UINT64_C(0x8080808080808080)

/* Of bits that chose neither partition nor bucket. */
static inline uint64_t tag_of(uint64_t hash)
{
	return 0x80 | (hash >> 8 & 0x7f);
}

static inline uint64_t tags_empty(uint64_t tags)
{
	return ~tags & TAG_HIGHS;
}

/* The slots with this tag and no others: no byte borrows from the next. */
static inline uint64_t tags_same(uint64_t tags, uint64_t tag)
{
	uint64_t differs = tags ^ tag * TAG_LOWS;
	return (TAG_HIGHS - (differs & ~TAG_HIGHS)) & ~differs & TAG_HIGHS;
}

/* The first slot of a set that is not empty: 0 to 7. */
static inline uint32_t set_first(uint64_t set)
{
	return (uint32_t)__builtin_ctzll(set) / 8;
}

static inline uint64_t set_rest(uint64_t set)
{
	return set & (set - 1);
}

static inline uint64_t tags_get(uint64_t tags, uint32_t slot)
{
	return tags >> (8 * slot) & 0xff;
}

static inline uint64_t tags_with(uint64_t tags, uint32_t slot, uint64_t tag)
{
	return (tags & ~(UINT64_C(0xff) << (8 * slot))) | tag << (8 * slot);
}

#endif
