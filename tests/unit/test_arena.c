/*
 * Owns: what arenas, tagged lists and rolls promise, against the plainest model of each.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: what the engine keeps in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/id.h"
#include "engine/roll.h"
#include "engine/taglist.h"

enum { WORDS = 1 << 16, SPANS = 400 };

static uint32_t words[WORDS];

/* The same numbers in every run. */
static uint32_t dice(uint32_t sides)
{
	static uint64_t thrown;
	return (uint32_t)(hash_u64(thrown++) % sides);
}

static void fill(const struct arena *arena, uint32_t span, uint32_t count, uint32_t mark)
{
	for (uint32_t i = 0; i < count; i++)
		arena_words(arena, span)[i] = mark;
}

static void is_filled(const struct arena *arena, uint32_t span, uint32_t count, uint32_t mark)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(arena_words(arena, span)[i], mark);
}

static void spans_keep_their_content_and_never_overlap(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, words, WORDS);
	uint32_t spans[SPANS] = { 0 }, counts[SPANS] = { 0 };
	for (uint32_t turn = 0; turn < 30000; turn++) {
		uint32_t at = dice(SPANS), count = 1 + dice(dice(10) == 0 ? 2000 : 100);
		if (spans[at] == 0) {
			spans[at] = arena_take(&arena, count);
			counts[at] = spans[at] == 0 ? 0 : count;
		} else if (dice(2) == 0) {
			is_filled(&arena, spans[at], counts[at], at);
			arena_give(&arena, spans[at]);
			spans[at] = counts[at] = 0;
		} else {
			uint32_t span = arena_resize(&arena, spans[at], count);
			uint32_t kept = span != 0 && count < counts[at] ? count : counts[at];
			if (span != 0)
				spans[at] = span;
			is_filled(&arena, spans[at], kept, at);
			counts[at] = span != 0 ? count : counts[at];
		}
		if (spans[at] != 0)
			fill(&arena, spans[at], counts[at], at);
		if (turn % 100 == 0)
			arena_check(&arena);
	}
	for (uint32_t at = 0; at < SPANS; at++)
		if (spans[at] != 0)
			arena_give(&arena, spans[at]);
	arena_check(&arena);
	assert_int_equal(arena.used_words, 0);
	/* All is one block again; of a block an eighth may be beyond what is looked for. */
	assert_int_not_equal(arena_take(&arena, WORDS / 8 * 7 - 8), 0);
}

static void a_full_arena_refuses_and_has_little_lost_between(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, words, WORDS);
	uint32_t spans[SPANS] = { 0 };
	uint32_t refused = 0;
	uint64_t least_used = WORDS;
	/* Spans as long as friend lists are, coming and going at the brim. */
	for (uint32_t turn = 0; turn < 20000; turn++) {
		uint32_t at = dice(SPANS);
		if (spans[at] != 0)
			arena_give(&arena, spans[at]);
		spans[at] = arena_take(&arena, 50 + dice(400));
		if (spans[at] != 0)
			continue;
		refused++;
		if (turn > 1000 && arena.used_words < least_used)
			least_used = arena.used_words;
	}
	arena_check(&arena);
	assert_true(refused > 0);
	/* 13 % here; in arenas a hundred times as large it is 6 %. */
	assert_true(least_used > WORDS / 20 * 17);
}

static void a_list_is_the_set_that_was_put_into_it(void **state)
{
	(void)state;
	enum { KEYS = 500 };
	struct arena arena;
	struct taglist list = { 0 };
	bool is_in[KEYS] = { false };
	arena_init(&arena, words, WORDS);
	for (uint32_t turn = 0; turn < 20000; turn++) {
		uint32_t key = dice(KEYS);
		uint32_t *item = taglist_find(&arena, &list, key);
		assert_int_equal(item != NULL, is_in[key]);
		if (item == NULL) {
			assert_int_equal(taglist_insert(&arena, &list, key), 0);
			*taglist_find(&arena, &list, key) |= key & TAG_MASK;
		} else {
			assert_int_equal(*item & TAG_MASK, key & TAG_MASK);
			taglist_remove(&arena, &list, key);
		}
		is_in[key] = item == NULL;
		if (turn % 64 == 0)
			taglist_check(&arena, &list);
	}
	taglist_clear(&arena, &list);
	assert_int_equal(arena.used_words, 0);
}

static void keys_in_any_order_are_sorted(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, words, WORDS);
	for (uint32_t count = 1; count < 200; count++) {
		struct taglist list = { 0 };
		assert_int_equal(taglist_reserve(&arena, &list, count), 0);
		for (uint32_t i = 0; i < count; i++)
			taglist_append(&arena, &list, (i * 7919 + count) % 65521);
		taglist_sort(&arena, &list);
		taglist_check(&arena, &list);
		for (uint32_t i = 0; i < count; i++)
			assert_non_null(taglist_find(&arena, &list, (i * 7919 + count) % 65521));
		taglist_clear(&arena, &list);
	}
	assert_int_equal(arena.used_words, 0);
}

static void a_list_without_room_stays_as_it_was(void **state)
{
	(void)state;
	struct arena arena;
	struct taglist list = { 0 };
	arena_init(&arena, words, 64);
	uint32_t key = 0;
	while (taglist_insert(&arena, &list, key) == 0)
		key++;
	assert_in_range(key, 30, 64);
	assert_int_equal(taglist_insert(&arena, &list, TAG_KEY_MAX), -ENOSPC);
	taglist_check(&arena, &list);
	assert_int_equal(list.count, key);
	taglist_remove(&arena, &list, 0);
	assert_int_equal(taglist_insert(&arena, &list, TAG_KEY_MAX), 0);
	taglist_check(&arena, &list);
}

/* A roll is the set of slots that was put into it, with their tags, up to the largest slot. */
static void is_a_set_with_tags(uint32_t slot_max, uint32_t entry_bytes)
{
	enum { SLOTS = 500 };
	struct arena arena;
	struct roll roll = { 0 };
	uint32_t tags[SLOTS];
	arena_init(&arena, words, WORDS);
	struct rolls rolls = rolls_init(&arena, slot_max);
	assert_int_equal(rolls.entry_bytes, entry_bytes);
	memset(tags, 0xff, sizeof(tags));
	for (uint32_t turn = 0; turn < 20000; turn++) {
		uint32_t idx = dice(SLOTS), slot = slot_max - idx * 3;
		uint32_t at = roll_find(&rolls, &roll, slot);
		assert_int_equal(at == ROLL_NOWHERE, tags[idx] == UINT32_MAX);
		if (at == ROLL_NOWHERE) {
			assert_int_equal(roll_insert(&rolls, &roll, slot), 0);
			tags[idx] = 0;
		} else if (dice(3) > 0) {
			assert_int_equal(roll_get(&rolls, &roll, at), slot << ROLL_TAG_BITS | tags[idx]);
			tags[idx] = dice(ROLL_TAG_MASK + 1);
			roll_tag(&rolls, &roll, at, tags[idx]);
		} else {
			roll_remove(&rolls, &roll, at);
			tags[idx] = UINT32_MAX;
		}
		if (turn % 64 == 0)
			roll_check(&rolls, &roll);
	}
	arena_check(&arena);
	while (roll.count > 0)
		roll_remove(&rolls, &roll, 0);
	assert_int_equal(arena.used_words, 0);
}

static void a_roll_is_a_set_with_tags_in_three_bytes_or_four(void **state)
{
	(void)state;
	is_a_set_with_tags(ROLL_SHORT_MAX, 3);
	is_a_set_with_tags(ROLL_SHORT_MAX + 1, 4);
	is_a_set_with_tags(ROLL_SLOT_MAX, 4);
}

/* Of many that grow by turns, as when everybody joins: what they take, and what is lost between. */
static void rolls_that_grow_together_have_little_slack(void **state)
{
	(void)state;
	enum { ROLLS = 400, EACH = 40 };
	struct arena arena;
	struct roll grown[ROLLS] = { 0 };
	arena_init(&arena, words, WORDS);
	struct rolls rolls = rolls_init(&arena, ROLL_SHORT_MAX);
	for (uint32_t slot = 0; slot < EACH; slot++)
		for (uint32_t i = 0; i < ROLLS; i++)
			assert_int_equal(roll_insert(&rolls, &grown[(i * 7 + slot) % ROLLS], slot), 0);
	arena_check(&arena);
	/* 3 bytes each, a word for the block. */
	assert_int_equal(arena.used_words * 4, ROLLS * (3 * EACH + 8));
}

static void a_roll_without_room_stays_as_it_was(void **state)
{
	(void)state;
	struct arena arena;
	struct roll roll = { 0 };
	arena_init(&arena, words, 64);
	struct rolls rolls = rolls_init(&arena, ROLL_SHORT_MAX);
	uint32_t slot = 0;
	while (roll_insert(&rolls, &roll, slot) == 0)
		slot++;
	assert_in_range(slot, 40, 80);
	roll_check(&rolls, &roll);
	assert_int_equal(roll.count, slot);
	roll_remove(&rolls, &roll, 0);
	assert_int_equal(roll_insert(&rolls, &roll, ROLL_SHORT_MAX), 0);
	roll_check(&rolls, &roll);
	arena_check(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_keep_their_content_and_never_overlap),
		cmocka_unit_test(a_full_arena_refuses_and_has_little_lost_between),
		cmocka_unit_test(a_list_is_the_set_that_was_put_into_it),
		cmocka_unit_test(keys_in_any_order_are_sorted),
		cmocka_unit_test(a_list_without_room_stays_as_it_was),
		cmocka_unit_test(a_roll_is_a_set_with_tags_in_three_bytes_or_four),
		cmocka_unit_test(rolls_that_grow_together_have_little_slack),
		cmocka_unit_test(a_roll_without_room_stays_as_it_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
