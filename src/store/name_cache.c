/*
 * Owns: see the header.
 * Invariant: a user is in their own line only, once at most.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/name_cache.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	NAME_CACHE_MAGIC = 0x6e616d65,
	LINE_BYTES = 64,
	LINE_NAMES = 2,
	KEPT_BYTES_MAX = 23,
	IS_OFF = 0x80
};

struct kept_name {
	uint64_t user_plus_1; /* 0: none */
	uint8_t length;	      /* and IS_OFF */
	char name[KEPT_BYTES_MAX];
};

/* The one that came last stands first. */
struct line {
	struct kept_name names[LINE_NAMES];
};

struct name_cache {
	uint32_t magic;
	unsigned line_bits; /* there are 2^line_bits */
	void *memory;
	struct line *lines; /* in it, aligned */
};

int name_cache_open(struct name_cache **cache, uint64_t names_max)
{
	_Static_assert(sizeof(struct line) == LINE_BYTES, "a line is a line of the processor's");
	struct name_cache *fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->magic = NAME_CACHE_MAGIC;
	while ((uint64_t)LINE_NAMES << fresh->line_bits < names_max && fresh->line_bits < 40)
		fresh->line_bits++;
	size_t bytes = sizeof(struct line) << fresh->line_bits;
	/* Zeros fresh from the system, so that what is never used takes nothing. */
	fresh->memory = calloc(1, bytes + LINE_BYTES);
	*cache = fresh;
	if (fresh->memory == NULL) {
		name_cache_close(cache);
		return -ENOMEM;
	}
	uintptr_t end = (uintptr_t)fresh->memory + LINE_BYTES - 1;
	fresh->lines = (struct line *)(end - end % LINE_BYTES);
	return 0;
}

void name_cache_close(struct name_cache **cache)
{
	if (*cache == NULL)
		return;
	check_object(*cache, NAME_CACHE_MAGIC);
	free((*cache)->memory);
	(*cache)->magic = 0;
	free(*cache);
	*cache = NULL;
}

/* Neighbours in number stay together; what the numbers have above that spreads them. */
static struct line *line_of(const struct name_cache *cache, struct user_id user)
{
	uint64_t mask = ((uint64_t)1 << cache->line_bits) - 1;
	uint64_t pair = user.value / LINE_NAMES, above = pair >> cache->line_bits;
	return &cache->lines[(pair ^ (above == 0 ? 0 : hash_u64(above))) & mask];
}

void name_cache_prefetch(const struct name_cache *cache, struct user_id user)
{
	__builtin_prefetch(line_of(cache, user));
}

bool name_cache_get(const struct name_cache *cache, struct user_id user, char *name,
		    uint32_t *length, bool *is_off)
{
	const struct line *line = line_of(cache, user);
	for (unsigned i = 0; i < LINE_NAMES; i++) {
		const struct kept_name *kept = &line->names[i];
		if (kept->user_plus_1 != user.value + 1)
			continue;
		memcpy(name, kept->name, KEPT_BYTES_MAX);
		*length = kept->length & ~(uint32_t)IS_OFF;
		*is_off = (kept->length & IS_OFF) != 0;
		return true;
	}
	return false;
}

void name_cache_forget(struct name_cache *cache, struct user_id user)
{
	struct line *line = line_of(cache, user);
	for (unsigned i = 0; i < LINE_NAMES; i++)
		if (line->names[i].user_plus_1 == user.value + 1)
			line->names[i].user_plus_1 = 0;
}

void name_cache_put(struct name_cache *cache, struct user_id user, const char *name,
		    uint32_t length, bool is_off)
{
	struct line *line = line_of(cache, user);
	name_cache_forget(cache, user);
	if (length > KEPT_BYTES_MAX)
		return;
	if (line->names[0].user_plus_1 != 0)
		line->names[1] = line->names[0];
	line->names[0].user_plus_1 = user.value + 1;
	line->names[0].length = (uint8_t)(length | (is_off ? IS_OFF : 0));
	memcpy(line->names[0].name, name, length);
}
