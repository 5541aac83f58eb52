/*
 * Owns: order and room of rolls.
 * Invariant: see roll.h.
 * Thread: the owner's.
 * Does not know: what a channel is, what the tags mean.
 */
#include "engine/roll.h"

#include "base/check.h"

#include <errno.h>
#include <stdbool.h>

/* What a growing roll gets beyond what it needs is this part of it: the copying stays in proportion to
 * the shifting of entries, which is half of them each time. Short ones get what blocks are rounded up to. */
#define SLACK_PART 32

struct rolls rolls_init(struct arena *arena, uint32_t slot_max)
{
	bool is_short = slot_max <= ROLL_SHORT_MAX;
	return (struct rolls){
		.arena = arena,
		.entry_bytes = is_short ? 3 : 4,
		.entry_mask = is_short ? 0xffffffu : UINT32_MAX,
	};
}

static uint8_t *entry_at(const struct rolls *rolls, const struct roll *roll, uint32_t idx)
{
	return roll_entries(rolls, roll) + (size_t)idx * rolls->entry_bytes;
}

static void write_entry(const struct rolls *rolls, const struct roll *roll, uint32_t idx,
			uint32_t entry)
{
	uint32_t bytes = htole32(entry);
	memcpy(entry_at(rolls, roll, idx), &bytes, rolls->entry_bytes);
}

/* Where the slot is, or would be. */
static uint32_t position_of(const struct rolls *rolls, const struct roll *roll, uint32_t slot)
{
	uint32_t from = 0, count = roll->count;
	while (count > 0) {
		uint32_t half = count / 2;
		if (roll_slot(roll_get(rolls, roll, from + half)) < slot) {
			from += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return from;
}

uint32_t roll_find(const struct rolls *rolls, const struct roll *roll, uint32_t slot)
{
	uint32_t at = position_of(rolls, roll, slot);
	return at < roll->count && roll_slot(roll_get(rolls, roll, at)) == slot ? at : ROLL_NOWHERE;
}

void roll_tag(const struct rolls *rolls, const struct roll *roll, uint32_t idx, uint32_t tags)
{
	check(idx < roll->count && tags <= ROLL_TAG_MASK);
	write_entry(rolls, roll, idx, (roll_get(rolls, roll, idx) & ~ROLL_TAG_MASK) | tags);
}

static uint32_t words_for(const struct rolls *rolls, uint32_t count)
{
	return (uint32_t)(((uint64_t)count * rolls->entry_bytes + 3) / 4);
}

static bool has_room(const struct rolls *rolls, const struct roll *roll, uint32_t count)
{
	return roll->span != 0 &&
	       words_for(rolls, count) <= arena_capacity(rolls->arena, roll->span);
}

static int make_room(const struct rolls *rolls, struct roll *roll, uint32_t count)
{
	if (has_room(rolls, roll, count))
		return 0;
	uint32_t words = words_for(rolls, count + count / SLACK_PART);
	uint32_t span = roll->span == 0 ? arena_take(rolls->arena, words)
					: arena_resize(rolls->arena, roll->span, words);
	if (span == 0)
		return -ENOSPC;
	roll->span = span;
	return 0;
}

int roll_insert(const struct rolls *rolls, struct roll *roll, uint32_t slot)
{
	uint32_t key_max = rolls->entry_mask >> ROLL_TAG_BITS;
	check(slot <= key_max);
	int status = make_room(rolls, roll, roll->count + 1);
	if (status < 0)
		return status;
	uint32_t at = position_of(rolls, roll, slot);
	check(at == roll->count || roll_slot(roll_get(rolls, roll, at)) != slot);
	memmove(entry_at(rolls, roll, at + 1), entry_at(rolls, roll, at),
		(size_t)(roll->count - at) * rolls->entry_bytes);
	write_entry(rolls, roll, at, slot << ROLL_TAG_BITS);
	roll->count++;
	return 0;
}

void roll_remove(const struct rolls *rolls, struct roll *roll, uint32_t idx)
{
	check(idx < roll->count);
	roll->count--;
	memmove(entry_at(rolls, roll, idx), entry_at(rolls, roll, idx + 1),
		(size_t)(roll->count - idx) * rolls->entry_bytes);
	if (roll->count == 0) {
		arena_give(rolls->arena, roll->span);
		roll->span = 0;
	} else if (words_for(rolls, roll->count) < arena_capacity(rolls->arena, roll->span) / 2) {
		arena_resize(rolls->arena, roll->span, words_for(rolls, roll->count));
	}
}

void roll_check(const struct rolls *rolls, const struct roll *roll)
{
	check((roll->count == 0) == (roll->span == 0));
	check(roll->count == 0 || has_room(rolls, roll, roll->count));
	for (uint32_t i = 1; i < roll->count; i++)
		check(roll_slot(roll_get(rolls, roll, i - 1)) <
		      roll_slot(roll_get(rolls, roll, i)));
}
