/*
 * Owns: the blocks of an arena and their free lists.
 * Invariant: see arena.h.
 * Thread: the owner's.
 * Does not know: what the words mean.
 *
 * A block starts with a header: its size in granules of 4 words, and two bits. A free block also
 * holds next and previous of its free list, and its size once more in its last word, where the
 * block behind finds it. The last granule is a block that is never given back.
 */
#include "engine/arena.h"

#include "base/check.h"

#include <stdbool.h>
#include <string.h>

#define GRANULE 4u
#define FREE 1u
#define BEFORE_IS_FREE 2u
#define NO_BLOCK UINT32_MAX

static uint32_t *header_of(const struct arena *arena, uint32_t block)
{
	return &arena->words[block];
}

static uint32_t granules_of(const struct arena *arena, uint32_t block)
{
	return *header_of(arena, block) >> 2;
}

static bool is_free(const struct arena *arena, uint32_t block)
{
	return (*header_of(arena, block) & FREE) != 0;
}

static uint32_t block_after(const struct arena *arena, uint32_t block)
{
	return block + granules_of(arena, block) * GRANULE;
}

static uint32_t *next_of(const struct arena *arena, uint32_t block)
{
	return &arena->words[block + 1];
}

static uint32_t *previous_of(const struct arena *arena, uint32_t block)
{
	return &arena->words[block + 2];
}

static unsigned log2_of(uint32_t value)
{
	return 31 - (unsigned)__builtin_clz(value);
}

/* The class that holds blocks of this size: exact below 8 granules, eighths of a doubling above. */
static void class_of(uint32_t granules, unsigned *level, unsigned *class)
{
	if (granules < ARENA_CLASSES) {
		*level = 0;
		*class = granules;
		return;
	}
	unsigned log = log2_of(granules);
	*level = log - 2;
	*class = (granules >> (log - 3)) & (ARENA_CLASSES - 1);
}

static void list_push(struct arena *arena, uint32_t block)
{
	unsigned level, class;
	class_of(granules_of(arena, block), &level, &class);
	uint32_t first = arena->heads[level][class];
	*next_of(arena, block) = first;
	*previous_of(arena, block) = NO_BLOCK;
	if (first != NO_BLOCK)
		*previous_of(arena, first) = block;
	arena->heads[level][class] = block;
	arena->levels |= 1u << level;
	arena->classes[level] |= (uint8_t)(1u << class);
}

static void list_unlink(struct arena *arena, uint32_t block)
{
	unsigned level, class;
	class_of(granules_of(arena, block), &level, &class);
	uint32_t next = *next_of(arena, block), previous = *previous_of(arena, block);
	if (next != NO_BLOCK)
		*previous_of(arena, next) = previous;
	if (previous != NO_BLOCK) {
		*next_of(arena, previous) = next;
		return;
	}
	arena->heads[level][class] = next;
	if (next != NO_BLOCK)
		return;
	arena->classes[level] &= (uint8_t) ~(1u << class);
	if (arena->classes[level] == 0)
		arena->levels &= ~(1u << level);
}

/* The first free block of a class in which every block is large enough. */
static uint32_t list_find(const struct arena *arena, uint32_t granules)
{
	unsigned level, class;
	if (granules >= ARENA_CLASSES)
		granules += (1u << (log2_of(granules) - 3)) - 1;
	class_of(granules, &level, &class);
	if (level >= ARENA_LEVELS)
		return NO_BLOCK;
	uint32_t classes = arena->classes[level] & (0xffu << class);
	if (classes == 0) {
		uint32_t levels = arena->levels & (~0u << (level + 1));
		if (levels == 0)
			return NO_BLOCK;
		level = (unsigned)__builtin_ctz(levels);
		classes = arena->classes[level];
	}
	return arena->heads[level][__builtin_ctz(classes)];
}

/* Makes [block, block + granules) a free block of the lists; its neighbours are taken. */
static void block_free(struct arena *arena, uint32_t block, uint32_t granules)
{
	*header_of(arena, block) = granules << 2 | FREE;
	arena->words[block + granules * GRANULE - 1] = granules;
	*header_of(arena, block + granules * GRANULE) |= BEFORE_IS_FREE;
	list_push(arena, block);
}

/* Takes a block out of the lists, whole. */
static void block_unfree(struct arena *arena, uint32_t block)
{
	list_unlink(arena, block);
	*header_of(arena, block) &= ~FREE;
	*header_of(arena, block_after(arena, block)) &= ~BEFORE_IS_FREE;
}

/* Gives back what a taken block has beyond `granules`, merged with a free block behind it. */
static void block_trim(struct arena *arena, uint32_t block, uint32_t granules)
{
	uint32_t rest = granules_of(arena, block) - granules;
	if (rest == 0)
		return;
	uint32_t after = block_after(arena, block);
	if (is_free(arena, after)) {
		rest += granules_of(arena, after);
		block_unfree(arena, after);
	}
	*header_of(arena, block) = granules << 2 | (*header_of(arena, block) & 3);
	block_free(arena, block + granules * GRANULE, rest);
}

static uint32_t granules_for(uint32_t words)
{
	return (uint32_t)(((uint64_t)words + 1 + GRANULE - 1) / GRANULE);
}

static uint32_t block_of_span(const struct arena *arena, uint32_t span)
{
	check(span % GRANULE == 1 && span < arena->word_count);
	check(!is_free(arena, span - 1));
	return span - 1;
}

void arena_init(struct arena *arena, uint32_t *words, uint64_t word_count)
{
	check(word_count >= 2 * GRANULE && word_count % GRANULE == 0);
	check(word_count <= ARENA_WORDS_MAX);
	memset(arena, 0, sizeof(*arena));
	memset(arena->heads, 0xff, sizeof(arena->heads));
	arena->words = words;
	arena->word_count = word_count;
	uint32_t last = (uint32_t)(word_count - GRANULE);
	*header_of(arena, last) = 1 << 2;
	block_free(arena, 0, last / GRANULE);
}

uint32_t arena_take(struct arena *arena, uint32_t words)
{
	check(words > 0);
	uint32_t granules = granules_for(words);
	uint32_t block = list_find(arena, granules);
	if (block == NO_BLOCK)
		return 0;
	block_unfree(arena, block);
	block_trim(arena, block, granules);
	arena->used_words += (uint64_t)granules * GRANULE;
	return block + 1;
}

void arena_give(struct arena *arena, uint32_t span)
{
	uint32_t block = block_of_span(arena, span);
	uint32_t granules = granules_of(arena, block), after = block_after(arena, block);
	arena->used_words -= (uint64_t)granules * GRANULE;
	if (is_free(arena, after)) {
		granules += granules_of(arena, after);
		block_unfree(arena, after);
	}
	if (*header_of(arena, block) & BEFORE_IS_FREE) {
		uint32_t before = arena->words[block - 1];
		block -= before * GRANULE;
		granules += before;
		block_unfree(arena, block);
	}
	block_free(arena, block, granules);
}

/* Grows a block over a free one behind it. */
static bool block_extend(struct arena *arena, uint32_t block, uint32_t granules)
{
	uint32_t after = block_after(arena, block), have = granules_of(arena, block);
	if (!is_free(arena, after) || have + granules_of(arena, after) < granules)
		return false;
	uint32_t together = have + granules_of(arena, after);
	block_unfree(arena, after);
	*header_of(arena, block) = together << 2 | (*header_of(arena, block) & 3);
	block_trim(arena, block, granules);
	return true;
}

uint32_t arena_resize(struct arena *arena, uint32_t span, uint32_t words)
{
	uint32_t block = block_of_span(arena, span), granules = granules_for(words);
	uint32_t have = granules_of(arena, block);
	if (granules <= have) {
		block_trim(arena, block, granules);
		arena->used_words -= (uint64_t)(have - granules) * GRANULE;
		return span;
	}
	if (block_extend(arena, block, granules)) {
		arena->used_words += (uint64_t)(granules - have) * GRANULE;
		return span;
	}
	uint32_t fresh = arena_take(arena, words);
	if (fresh == 0)
		return 0;
	memcpy(arena_words(arena, fresh), arena_words(arena, span),
	       arena_capacity(arena, span) * sizeof(uint32_t));
	arena_give(arena, span);
	return fresh;
}

uint32_t arena_capacity(const struct arena *arena, uint32_t span)
{
	return granules_of(arena, block_of_span(arena, span)) * GRANULE - 1;
}

static uint64_t check_blocks(const struct arena *arena)
{
	uint32_t last = (uint32_t)(arena->word_count - GRANULE);
	uint64_t used = 0, free_blocks = 0;
	bool before_is_free = false;
	for (uint32_t block = 0; block < last; block = block_after(arena, block)) {
		uint32_t granules = granules_of(arena, block);
		check(granules > 0 && granules <= (last - block) / GRANULE);
		check(((*header_of(arena, block) & BEFORE_IS_FREE) != 0) == before_is_free);
		check(!(before_is_free && is_free(arena, block)));
		before_is_free = is_free(arena, block);
		if (before_is_free) {
			check(arena->words[block + granules * GRANULE - 1] == granules);
			free_blocks++;
		} else {
			used += (uint64_t)granules * GRANULE;
		}
	}
	check(((*header_of(arena, last) & BEFORE_IS_FREE) != 0) == before_is_free);
	check(used == arena->used_words);
	return free_blocks;
}

static uint64_t check_list(const struct arena *arena, unsigned level, unsigned class)
{
	uint64_t blocks = 0;
	uint32_t previous = NO_BLOCK;
	for (uint32_t block = arena->heads[level][class]; block != NO_BLOCK;
	     block = *next_of(arena, block)) {
		unsigned level_of, class_within;
		class_of(granules_of(arena, block), &level_of, &class_within);
		check(is_free(arena, block));
		check(level_of == level && class_within == class);
		check(*previous_of(arena, block) == previous);
		previous = block;
		blocks++;
	}
	check((blocks > 0) == ((arena->classes[level] >> class & 1) != 0));
	return blocks;
}

void arena_check(const struct arena *arena)
{
	uint64_t listed = 0;
	for (unsigned level = 0; level < ARENA_LEVELS; level++) {
		for (unsigned class = 0; class < ARENA_CLASSES; class ++)
			listed += check_list(arena, level, class);
		check((arena->classes[level] != 0) == ((arena->levels >> level & 1) != 0));
	}
	check(listed == check_blocks(arena));
}
