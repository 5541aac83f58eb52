/*
 * Owns: walking over the buckets of one partition, which are a ring.
 * Invariant: positions are 0 .. BUCKET_SLOTS * count - 1 within the partition; slot numbers of the
 *   whole table only stand in hints.
 * Thread: no state.
 * Does not know: what stands in the slots, save the one operation that table.c lends to repair.c.
 */
#ifndef NEARBYSHM_PARTITION_H
#define NEARBYSHM_PARTITION_H

#include "bucket.h"
#include "layout.h"

/* One partition of a mapped segment. */
struct span {
	struct slot *slots;
	shm_word *tags; /* of each bucket */
	struct partition *partition;
	uint32_t count; /* of buckets */
	uint32_t first; /* the number of slots[0] in the whole table */
};

static inline struct span span_of(const struct nearby_segment *segment, uint32_t partition)
{
	shm_check(partition < NEARBYSHM_PARTITIONS);
	uint32_t first = partition * segment->partition_slots;
	return (struct span){ .slots = segment->slots + first,
			      .tags = segment->tags + first / BUCKET_SLOTS,
			      .partition = &segment->partitions[partition],
			      .count = segment->partition_slots / BUCKET_SLOTS,
			      .first = first };
}

static inline struct span span_of_hash(const struct nearby_segment *segment, uint64_t hash)
{
	return span_of(segment, hash % NEARBYSHM_PARTITIONS);
}

static inline uint32_t span_slots(const struct span *span)
{
	return span->count * BUCKET_SLOTS;
}

/* A user's first bucket: by the high half of the hash, as its low byte chose the partition. */
static inline uint32_t span_home(const struct span *span, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * span->count >> 32);
}

/* The same as the number of a bucket of the whole table. */
static inline uint64_t table_home(const struct nearby_segment *segment, uint64_t hash)
{
	uint64_t count = segment->partition_slots / BUCKET_SLOTS;
	return hash % NEARBYSHM_PARTITIONS * count + ((hash >> 32) * count >> 32);
}

static inline uint32_t span_next(const struct span *span, uint32_t bucket)
{
	return bucket + 1 == span->count ? 0 : bucket + 1;
}

/* Buckets forward from one to another. */
static inline uint32_t span_distance(const struct span *span, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + span->count - from;
}

/* ---- the way to a user ---------------------------------------------------------------------- */

/* From bucket to bucket, through the first that has an empty slot. */
struct walk {
	struct span span;
	uint64_t tag;
	uint64_t same;	/* slots of this bucket that are still to be looked at */
	uint64_t empty; /* slots of this bucket that are empty */
	uint32_t bucket;
	uint32_t left; /* buckets behind it */
};

static inline void walk_look(struct walk *walk)
{
	uint64_t tags = word_load(&walk->span.tags[walk->bucket]);
	walk->same = tags_same(tags, walk->tag);
	walk->empty = tags_empty(tags);
}

static inline struct walk walk_begin(const struct nearby_segment *segment, uint64_t hash)
{
	struct walk walk = { .span = span_of_hash(segment, hash), .tag = tag_of(hash) };
	walk.bucket = span_home(&walk.span, hash);
	walk.left = walk.span.count - 1;
	walk_look(&walk);
	return walk;
}

/* The next position that may be the user's; false at the end. */
static inline bool walk_next(struct walk *walk, uint32_t *at)
{
	while (walk->same == 0) {
		if (walk->empty != 0 || walk->left == 0)
			return false;
		walk->left--;
		walk->bucket = span_next(&walk->span, walk->bucket);
		walk_look(walk);
	}
	*at = walk->bucket * BUCKET_SLOTS + set_first(walk->same);
	walk->same = set_rest(walk->same);
	return true;
}

/* ---- for the writer ------------------------------------------------------------------------- */

static inline uint64_t span_tag(const struct span *span, uint32_t at)
{
	return tags_get(word_load(&span->tags[at / BUCKET_SLOTS]), at % BUCKET_SLOTS);
}

static inline void span_tag_store(const struct span *span, uint32_t at, uint64_t tag)
{
	shm_word *tags = &span->tags[at / BUCKET_SLOTS];
	word_store(tags, tags_with(word_load(tags), at % BUCKET_SLOTS, tag));
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
