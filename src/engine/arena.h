/*
 * Owns: spans of 32-bit words out of one block of memory given at init.
 * Invariant: spans do not overlap, no two free blocks are neighbours; take, give and resize cost
 *   the same however many spans there are.
 * Thread: the owner's.
 * Does not know: what the words mean.
 *
 * Two-level segregated fit (Masmano, Ripoll, Crespo, Real, ECRTS 2004): free blocks are kept by
 * size class, eight classes to each doubling; neighbours merge at once. Blocks are multiples of 4
 * words and have one word of header, so a span of n words takes at most n + 4. Memory that was
 * never taken is never touched.
 */
#ifndef NEARBY_ENGINE_ARENA_H
#define NEARBY_ENGINE_ARENA_H

#include <stdint.h>

#define ARENA_LEVELS 30
#define ARENA_CLASSES 8

struct arena {
	uint32_t *words;
	uint64_t word_count;
	uint64_t used_words; /* in blocks that are taken, headers included */
	uint32_t levels;     /* bit per level that has a free block */
	uint8_t classes[ARENA_LEVELS];
	uint32_t heads[ARENA_LEVELS][ARENA_CLASSES];
};

/* Words of the largest arena: spans are named by 32 bits. */
#define ARENA_WORDS_MAX ((uint64_t)UINT32_MAX - 7)

/* `words` are zeroed or not, 8 or more, a multiple of 4, at most ARENA_WORDS_MAX. */
void arena_init(struct arena *arena, uint32_t *words, uint64_t word_count);

/* A span of at least `words` (1 or more), or 0 when there is no room. */
uint32_t arena_take(struct arena *arena, uint32_t words);
void arena_give(struct arena *arena, uint32_t span);

/* Makes a span hold `words`, fewer or more; what fits of the content stays. The span's new name, or
 * 0 when there is no room: then the old one is untouched. Never fails when `words` is no more than
 * the capacity, and then keeps the name. */
uint32_t arena_resize(struct arena *arena, uint32_t span, uint32_t words);

/* Words that the span has room for. */
uint32_t arena_capacity(const struct arena *arena, uint32_t span);

static inline uint32_t *arena_words(const struct arena *arena, uint32_t span)
{
	return &arena->words[span];
}

/* Walks all blocks and free lists. */
void arena_check(const struct arena *arena);

#endif
