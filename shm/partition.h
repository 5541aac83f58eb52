/*
 * Owns: walking over the slots of one partition, which are a ring.
 * Invariant: positions are 0 .. count-1 within the partition; slot numbers of the whole table only
 *   stand in hints.
 * Thread: no state.
 * Does not know: what stands in the slots, save the one operation that table.c lends to repair.c.
 */
#ifndef NEARBYSHM_PARTITION_H
#define NEARBYSHM_PARTITION_H

#include "layout.h"

/* One partition of a mapped segment. */
struct span {
	struct slot *slots;
	struct partition *partition;
	uint32_t count; /* of slots */
	uint32_t first; /* the number of slots[0] in the whole table */
};

static inline struct span span_of(const struct nearby_segment *segment, uint32_t partition)
{
	shm_check(partition < NEARBYSHM_PARTITIONS);
	uint32_t first = partition * segment->partition_slots;
	return (struct span){ .slots = segment->slots + first,
			      .partition = &segment->partitions[partition],
			      .count = segment->partition_slots,
			      .first = first };
}

/* Where a user's chain starts: by the high half of the hash, as its low byte chose the partition. */
static inline uint32_t span_start(const struct span *span, uint64_t user)
{
	return (uint32_t)((nearby_user_hash(user) >> 32) * span->count >> 32);
}

static inline uint32_t span_next(const struct span *span, uint32_t at)
{
	return at + 1 == span->count ? 0 : at + 1;
}

/* Steps forward from one position to another. */
static inline uint32_t span_distance(const struct span *span, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + span->count - from;
}

/* Stand around every insertion and removal: changes is odd between them, and only there. */
static inline void span_change_begin(const struct span *span)
{
	word_store(&span->partition->changes, word_load(&span->partition->changes) | 1);
}

static inline void span_change_end(const struct span *span)
{
	word_store(&span->partition->changes, word_load(&span->partition->changes) + 1);
}

/*
 * Closes the hole that a dead slot is: moves later entries back over it, empties the last hole and
 * makes the partition's moves even. table.c says in which order and why.
 */
void span_close_hole(const struct span *span, uint32_t hole);

#endif
