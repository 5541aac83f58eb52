/*
 * Owns: order and room of tagged lists.
 * Invariant: see taglist.h.
 * Thread: the owner's.
 * Does not know: what keys and tags mean.
 */
#include "engine/taglist.h"

#include "base/check.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

int taglist_reserve(struct arena *arena, struct taglist *list, uint32_t count)
{
	if (count == 0)
		return 0;
	uint32_t span = list->span == 0 ? arena_take(arena, count)
			: count > arena_capacity(arena, list->span)
				? arena_resize(arena, list->span, count)
				: list->span;
	if (span == 0)
		return -ENOSPC;
	list->span = span;
	return 0;
}

void taglist_append(struct arena *arena, struct taglist *list, uint32_t key)
{
	check(list->span != 0 && list->count < arena_capacity(arena, list->span));
	taglist_items(arena, list)[list->count++] = key << TAG_BITS;
}

static void sift_down(uint32_t *items, uint32_t at, uint32_t count)
{
	uint32_t item = items[at];
	for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && items[child + 1] > items[child])
			child++;
		if (items[child] <= item)
			break;
		items[at] = items[child];
	}
	items[at] = item;
}

/* Heapsort: in place, and no list makes it slow; libc's qsort may ask for memory. */
void taglist_sort(struct arena *arena, struct taglist *list)
{
	uint32_t *items = taglist_items(arena, list), count = list->count;
	for (uint32_t i = count / 2; i-- > 0;)
		sift_down(items, i, count);
	while (count > 1) {
		uint32_t largest = items[0];
		items[0] = items[--count];
		items[count] = largest;
		sift_down(items, 0, count);
	}
}

/* Where the key is, or would be. */
static uint32_t position_of(const struct arena *arena, const struct taglist *list, uint32_t key)
{
	const uint32_t *items = taglist_items(arena, list);
	uint32_t from = 0, count = list->count;
	while (count > 0) {
		uint32_t half = count / 2;
		if (tag_key(items[from + half]) < key) {
			from += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return from;
}

uint32_t *taglist_find(const struct arena *arena, const struct taglist *list, uint32_t key)
{
	uint32_t at = position_of(arena, list, key);
	uint32_t *items = taglist_items(arena, list);
	return at < list->count && tag_key(items[at]) == key ? &items[at] : NULL;
}

int taglist_insert(struct arena *arena, struct taglist *list, uint32_t key)
{
	check(key <= TAG_KEY_MAX);
	uint32_t needed = list->count + 1;
	if (list->span == 0 || needed > arena_capacity(arena, list->span)) {
		/* An eighth more than needed keeps the copying of a growing list in proportion. */
		int status = taglist_reserve(arena, list, needed + needed / 8);
		if (status < 0)
			return status;
	}
	uint32_t at = position_of(arena, list, key);
	uint32_t *items = taglist_items(arena, list);
	check(at == list->count || tag_key(items[at]) != key);
	memmove(&items[at + 1], &items[at], (list->count - at) * sizeof(*items));
	items[at] = key << TAG_BITS;
	list->count++;
	return 0;
}

void taglist_remove(struct arena *arena, struct taglist *list, uint32_t key)
{
	uint32_t *item = taglist_find(arena, list, key);
	check(item != NULL);
	uint32_t *end = taglist_items(arena, list) + list->count;
	memmove(item, item + 1, (size_t)(end - item - 1) * sizeof(*item));
	list->count--;
	if (list->count == 0)
		taglist_clear(arena, list);
	else if (list->count < arena_capacity(arena, list->span) / 2)
		arena_resize(arena, list->span, list->count + list->count / 8);
}

void taglist_clear(struct arena *arena, struct taglist *list)
{
	if (list->span != 0)
		arena_give(arena, list->span);
	*list = (struct taglist){ 0 };
}

void taglist_check(const struct arena *arena, const struct taglist *list)
{
	check((list->span == 0) == (list->count == 0));
	if (list->span == 0)
		return;
	check(list->count <= arena_capacity(arena, list->span));
	const uint32_t *items = taglist_items(arena, list);
	for (uint32_t i = 1; i < list->count; i++)
		check(tag_key(items[i - 1]) < tag_key(items[i]));
}
