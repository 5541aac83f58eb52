/*
 * Owns: queues of fixed-size records from one thread to one other.
 * Invariant: one posting thread, one draining thread, first in first out; a full ring refuses and
 *   loses nothing that it took.
 * Thread: `ring_post` on the posting thread, `ring_drain` on the draining one, open/close while
 *   neither runs.
 * Does not know: what the records mean, who waits for them or how they are woken.
 *
 * Two threads touch it: the poster writes a record and then the tail, the drainer reads the tail
 * and then the record; ck's fences order the two. A stale tail costs the drainer a record that it
 * sees at its next look; a stale head costs the poster a refusal that was one record too early.
 */
#ifndef NEARBY_BASE_RING_H
#define NEARBY_BASE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

/*
 * `capacity` is a power of two; capacity-1 records fit. `record_bytes` is a multiple of 8, at most
 * 64. 0, or -ENOMEM. The caller closes it.
 */
int ring_open(struct ring **ring, uint32_t capacity, uint32_t record_bytes);
void ring_close(struct ring **ring);

/* Copies the record in. False when the ring is full. */
bool ring_post(struct ring *ring, const void *record);
/* Copies up to `max` records out, oldest first, and returns how many. */
uint32_t ring_drain(struct ring *ring, void *records, uint32_t max);
/* How many records would fit now; on the posting thread it can only grow until the next post. */
uint32_t ring_room(const struct ring *ring);
/* Whether nothing is waiting; exact on the draining thread only when no post is under way. */
bool ring_is_empty(const struct ring *ring);

#endif
