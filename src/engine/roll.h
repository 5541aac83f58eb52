/*
 * Owns: the list of those who follow a channel: session slots in ascending order, each with a few tags.
 * Invariant: no slot twice; without followers there is no span.
 * Thread: the owner's.
 * Does not know: what a channel is, what the tags mean.
 *
 * These lists are half of what subscriptions take, and most of them are of users who are not connected
 * and wait to be read. So an entry takes three bytes as long as all slots are below 2^20, and four in an
 * engine of more sessions. An entry is read with the byte behind it, which is the arena's at worst, and
 * written alone.
 */
#ifndef NEARBY_ENGINE_ROLL_H
#define NEARBY_ENGINE_ROLL_H

#include "engine/arena.h"

#include <endian.h>
#include <string.h>

#define ROLL_TAG_BITS 4
#define ROLL_TAG_MASK ((1u << ROLL_TAG_BITS) - 1)
#define ROLL_SLOT_MAX ((1u << (32 - ROLL_TAG_BITS)) - 1)
#define ROLL_SHORT_MAX ((1u << (24 - ROLL_TAG_BITS)) - 1)
#define ROLL_NOWHERE UINT32_MAX

/* Zeroed is empty. */
struct roll {
	uint32_t span;
	uint32_t count;
};

/* Where the rolls of an engine are kept, and how. */
struct rolls {
	struct arena *arena;
	uint32_t entry_bytes;
	uint32_t entry_mask;
};

/* For slots up to `slot_max`, at most ROLL_SLOT_MAX. */
struct rolls rolls_init(struct arena *arena, uint32_t slot_max);

static inline uint32_t roll_slot(uint32_t entry)
{
	return entry >> ROLL_TAG_BITS;
}

/* The first entry; the others follow at a distance of entry_bytes. */
static inline uint8_t *roll_entries(const struct rolls *rolls, const struct roll *roll)
{
	return (uint8_t *)arena_words(rolls->arena, roll->span);
}

static inline uint32_t roll_read(const struct rolls *rolls, const uint8_t *at)
{
	uint32_t entry;
	memcpy(&entry, at, sizeof(entry));
	return le32toh(entry) & rolls->entry_mask;
}

static inline uint32_t roll_get(const struct rolls *rolls, const struct roll *roll, uint32_t idx)
{
	return roll_read(rolls, roll_entries(rolls, roll) + (size_t)idx * rolls->entry_bytes);
}

/* Lines of a roll that are asked for; the rest follows in order. */
#define ROLL_LINES 3

/* Asks for the memory of a roll that will be walked or changed soon. */
static inline void roll_expect(const struct rolls *rolls, const struct roll *roll)
{
	const uint8_t *at = roll_entries(rolls, roll);
	const uint8_t *end = at + (size_t)roll->count * rolls->entry_bytes;
	for (uint32_t line = 0; line < ROLL_LINES && at <= end; line++, at += 64)
		__builtin_prefetch(at, 1);
}

/* Where a slot is, or ROLL_NOWHERE. */
uint32_t roll_find(const struct rolls *rolls, const struct roll *roll, uint32_t slot);
/* The entry at idx has these tags from now on. */
void roll_tag(const struct rolls *rolls, const struct roll *roll, uint32_t idx, uint32_t tags);
/* Adds a slot that is not there, without tags. 0, or -ENOSPC and nothing changed. */
int roll_insert(const struct rolls *rolls, struct roll *roll, uint32_t slot);
/* Removes the entry at idx. Gives memory back now and then. */
void roll_remove(const struct rolls *rolls, struct roll *roll, uint32_t idx);

void roll_check(const struct rolls *rolls, const struct roll *roll);

#endif
