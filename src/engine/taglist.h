/*
 * Owns: sorted lists of 27-bit keys with 5 tag bits each, in spans of an arena.
 * Invariant: keys ascend, each once; a list without entries has no span.
 * Thread: the owner's.
 * Does not know: what keys and tags mean.
 */
#ifndef NEARBY_ENGINE_TAGLIST_H
#define NEARBY_ENGINE_TAGLIST_H

#include "engine/arena.h"

#include <stdint.h>

#define TAG_BITS 5
#define TAG_KEY_MAX ((1u << (32 - TAG_BITS)) - 1)
#define TAG_MASK ((1u << TAG_BITS) - 1)

/* Zeroed is empty. */
struct taglist {
	uint32_t span;
	uint32_t count;
};

static inline uint32_t tag_key(uint32_t item)
{
	return item >> TAG_BITS;
}

static inline uint32_t *taglist_items(const struct arena *arena, const struct taglist *list)
{
	return arena_words(arena, list->span);
}

/* Room for `count` items in all. 0 or -ENOSPC. */
int taglist_reserve(struct arena *arena, struct taglist *list, uint32_t count);
/* Puts a key at the end, in any order, into room that was reserved; sort before anything else. */
void taglist_append(struct arena *arena, struct taglist *list, uint32_t key);
void taglist_sort(struct arena *arena, struct taglist *list);

/* The item with this key, or NULL; lent until the list changes. */
uint32_t *taglist_find(const struct arena *arena, const struct taglist *list, uint32_t key);
/* Adds a key that is not there, without tags. 0 or -ENOSPC, and then nothing changed. */
int taglist_insert(struct arena *arena, struct taglist *list, uint32_t key);
/* Removes a key that is there. Gives memory back now and then. */
void taglist_remove(struct arena *arena, struct taglist *list, uint32_t key);
/* Makes it empty. */
void taglist_clear(struct arena *arena, struct taglist *list);

void taglist_check(const struct arena *arena, const struct taglist *list);

#endif
