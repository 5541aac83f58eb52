/*
 * Owns: the free lists.
 * Invariant: see the header.
 * Thread: the core's.
 * Does not know: see the header.
 */
#include "net/buffer.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { CLASS_NONE = BUFFER_CLASSES };

static uint32_t class_bytes(uint32_t class)
{
	return 1024u << (2 * class);
}

static uint32_t class_for(size_t bytes)
{
	uint32_t class = 0;
	while (class < BUFFER_CLASSES && class_bytes(class) < bytes + sizeof(struct buffer))
		class ++;
	return class;
}

void buffer_pool_fini(struct buffer_pool *pool)
{
	check(pool->taken_bytes == 0);
	for (uint32_t class = 0; class < BUFFER_CLASSES; class ++) {
		while (pool->free[class] != NULL) {
			struct buffer *buffer = pool->free[class];
			pool->free[class] = buffer->next;
			free(buffer);
		}
		pool->free_count[class] = 0;
	}
}

static struct buffer *allocate(uint32_t class, size_t bytes)
{
	size_t whole = class == CLASS_NONE ? sizeof(struct buffer) + bytes : class_bytes(class);
	if (whole > UINT32_MAX)
		return NULL;
	struct buffer *buffer = malloc(whole);
	if (buffer == NULL)
		return NULL;
	buffer->class = class;
	buffer->capacity = (uint32_t)(whole - sizeof(struct buffer));
	return buffer;
}

struct buffer *buffer_take(struct buffer_pool *pool, size_t bytes)
{
	uint32_t class = class_for(bytes);
	struct buffer *buffer = class == CLASS_NONE ? NULL : pool->free[class];
	if (buffer != NULL) {
		pool->free[class] = buffer->next;
		pool->free_count[class]--;
	} else {
		buffer = allocate(class, bytes);
		if (buffer == NULL)
			return NULL;
	}
	buffer->next = NULL;
	buffer->start = buffer->end = 0;
	pool->taken_bytes += buffer->capacity;
	return buffer;
}

void buffer_give(struct buffer_pool *pool, struct buffer **buffer)
{
	struct buffer *it = *buffer;
	if (it == NULL)
		return;
	*buffer = NULL;
	check(pool->taken_bytes >= it->capacity);
	pool->taken_bytes -= it->capacity;
	uint32_t class = it->class;
	if (class == CLASS_NONE ||
	    (pool->free_count[class] + 1) * class_bytes(class) > BUFFER_KEPT_BYTES) {
		free(it);
		return;
	}
	it->next = pool->free[class];
	pool->free[class] = it;
	pool->free_count[class]++;
}

uint8_t *buffer_reserve(struct buffer_pool *pool, struct buffer **buffer, size_t bytes)
{
	struct buffer *old = *buffer;
	if (old != NULL && old->capacity - old->end >= bytes)
		return old->bytes + old->end;
	size_t held = buffer_length(old);
	/* Twice what is held, at least: what grows in portions is then copied twice in all. */
	struct buffer *larger = buffer_take(pool, held + (bytes > held ? bytes : held));
	if (larger == NULL)
		return NULL;
	if (held > 0)
		memcpy(larger->bytes, old->bytes + old->start, held);
	larger->end = (uint32_t)held;
	buffer_give(pool, buffer);
	*buffer = larger;
	return larger->bytes + larger->end;
}

void buffer_trim(struct buffer_pool *pool, struct buffer **buffer)
{
	struct buffer *old = *buffer;
	size_t held = buffer_length(old);
	if (class_for(held) + 2 > old->class)
		return;
	struct buffer *smaller = buffer_take(pool, held);
	if (smaller == NULL)
		return;
	memcpy(smaller->bytes, old->bytes + old->start, held);
	smaller->end = (uint32_t)held;
	buffer_give(pool, buffer);
	*buffer = smaller;
}
