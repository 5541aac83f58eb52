/*
 * Owns: byte buffers in a few sizes, for what is sent, gathered or kept for later.
 * Invariant: a buffer holds bytes[start..end), end <= capacity; it belongs to whoever took it, until
 *   given back.
 * Thread: the core's.
 * Does not know: what the bytes are.
 */
#ifndef NEARBY_NET_BUFFER_H
#define NEARBY_NET_BUFFER_H

#include <stddef.h>
#include <stdint.h>

/* 1, 4, 16, 64 and 256 KiB, less the head; what is larger is allocated for itself. */
#define BUFFER_CLASSES 5
/* Kept for reuse in each class: what the sends of one busy turn need. The rest goes back to the
 * system, so that a burst does not hold memory for ever. */
#define BUFFER_KEPT_BYTES (2u << 20)

struct buffer {
	struct buffer *next; /* in the pool */
	uint32_t class;
	uint32_t capacity;
	uint32_t start, end;
	uint8_t bytes[];
};

struct buffer_pool {
	struct buffer *free[BUFFER_CLASSES];
	uint32_t free_count[BUFFER_CLASSES];
	uint64_t taken_bytes; /* capacity of all that are out */
};

/* An all-zero pool is ready. Frees what is kept; nothing may be out. */
void buffer_pool_fini(struct buffer_pool *pool);
/* An empty buffer of at least `bytes`, or NULL when there is no memory. */
struct buffer *buffer_take(struct buffer_pool *pool, size_t bytes);
/* Gives *buffer back, if there is one, and clears it. */
void buffer_give(struct buffer_pool *pool, struct buffer **buffer);
/*
 * Makes room for `bytes` more behind what *buffer holds: takes one (*buffer was NULL) or moves to a
 * larger one. Returns where to write; the caller raises `end`. NULL when there is no memory; then
 * *buffer is as before.
 */
uint8_t *buffer_reserve(struct buffer_pool *pool, struct buffer **buffer, size_t bytes);

/* Moves what *buffer holds to a much smaller one, if it fits there: whoever reserves asks for the most
 * that may come. Copies a sixteenth of the capacity at most. */
void buffer_trim(struct buffer_pool *pool, struct buffer **buffer);

static inline size_t buffer_length(const struct buffer *buffer)
{
	return buffer == NULL ? 0 : buffer->end - buffer->start;
}

#endif
