/*
 * Owns: the only use of ck_ring.
 * Invariant: see the header.
 * Thread: one poster, one drainer.
 * Does not know: see the header.
 *
 * ThreadSanitizer does not see ck's fences (they are inline assembly), so the same order is told to
 * it in words: a release on the ring before posting, an acquire after draining, and the other way
 * round for the room that draining frees. The copy of the record itself stands between fences that it
 * cannot see, so it is told to look away there, also from memcpy.
 */
#include "base/ring.h"

#include "base/check.h"

#include <ck_ring.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define RING_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RING_TSAN 1
#endif
#endif

#ifdef RING_TSAN
#include <sanitizer/tsan_interface.h>
#define ring_released(address) __tsan_release(address)
#define ring_acquired(address) __tsan_acquire(address)
#define RING_UNCHECKED	       __attribute__((no_sanitize("thread")))
/* In the runtime of gcc and clang alike, and in no header of theirs. */
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#define ring_look_away()                                                                           \
	(AnnotateIgnoreReadsBegin(__FILE__, __LINE__), AnnotateIgnoreWritesBegin(__FILE__, __LINE__))
#define ring_look_back()                                                                           \
	(AnnotateIgnoreWritesEnd(__FILE__, __LINE__), AnnotateIgnoreReadsEnd(__FILE__, __LINE__))
#else
#define ring_released(address) ((void)(address))
#define ring_acquired(address) ((void)(address))
#define RING_UNCHECKED
#define ring_look_away() ((void)0)
#define ring_look_back() ((void)0)
#endif

enum { RING_MAGIC = 0x72696e67 };

struct ring {
	uint32_t magic;
	uint32_t record_bytes;
	ck_ring_t ck;
	/* Addresses that stand for the two orders of the top comment. */
	char posted;
	char freed;
	_Alignas(64) uint8_t records[];
};

int ring_open(struct ring **ring, uint32_t capacity, uint32_t record_bytes)
{
	check(capacity >= 2 && (capacity & (capacity - 1)) == 0);
	check(record_bytes > 0 && record_bytes <= 64 && record_bytes % 8 == 0);
	size_t bytes = sizeof(struct ring) + (size_t)capacity * record_bytes;
	bytes = (bytes + 63) / 64 * 64;
	struct ring *fresh = aligned_alloc(64, bytes);
	if (fresh == NULL)
		return -ENOMEM;
	memset(fresh, 0, sizeof(*fresh));
	fresh->magic = RING_MAGIC;
	fresh->record_bytes = record_bytes;
	ck_ring_init(&fresh->ck, capacity);
	*ring = fresh;
	return 0;
}

void ring_close(struct ring **ring)
{
	if (*ring == NULL)
		return;
	check_object(*ring, RING_MAGIC);
	(*ring)->magic = 0;
	free(*ring);
	*ring = NULL;
}

/*
 * ck copies a record of any size by memcpy; the buffer type is only a name for it. Where the compiler knows the
 * size that is a few moves and no call, so the sizes that records have are told apart.
 */
#define RING_ALWAYS_INLINE static inline __attribute__((always_inline))

RING_UNCHECKED RING_ALWAYS_INLINE bool post_sized(struct ring *ring, const void *record, uint32_t bytes)
{
	return _ck_ring_enqueue_sp(&ring->ck, ring->records, record, bytes, NULL);
}

RING_UNCHECKED RING_ALWAYS_INLINE uint32_t drain_sized(struct ring *ring, uint8_t *records, uint32_t max,
						       uint32_t bytes)
{
	uint32_t count = 0;
	while (count < max && _ck_ring_dequeue_sc(&ring->ck, ring->records, records, bytes)) {
		records += bytes;
		count++;
	}
	return count;
}

RING_UNCHECKED static bool post_unchecked(struct ring *ring, const void *record)
{
	switch (ring->record_bytes) {
	case 8:
		return post_sized(ring, record, 8);
	case 16:
		return post_sized(ring, record, 16);
	case 32:
		return post_sized(ring, record, 32);
	default:
		return post_sized(ring, record, ring->record_bytes);
	}
}

RING_UNCHECKED static uint32_t drain_unchecked(struct ring *ring, uint8_t *records, uint32_t max)
{
	switch (ring->record_bytes) {
	case 8:
		return drain_sized(ring, records, max, 8);
	case 16:
		return drain_sized(ring, records, max, 16);
	case 32:
		return drain_sized(ring, records, max, 32);
	default:
		return drain_sized(ring, records, max, ring->record_bytes);
	}
}

RING_UNCHECKED static uint32_t size_unchecked(const struct ring *ring)
{
	return ck_ring_size(&ring->ck);
}

bool ring_post(struct ring *ring, const void *record)
{
	check_object(ring, RING_MAGIC);
	ring_acquired(&ring->freed);
	ring_released(&ring->posted);
	ring_look_away();
	bool posted = post_unchecked(ring, record);
	ring_look_back();
	return posted;
}

uint32_t ring_drain(struct ring *ring, void *records, uint32_t max)
{
	check_object(ring, RING_MAGIC);
	ring_look_away();
	uint32_t count = drain_unchecked(ring, records, max);
	ring_look_back();
	ring_acquired(&ring->posted);
	ring_released(&ring->freed);
	return count;
}

uint32_t ring_room(const struct ring *ring)
{
	return ck_ring_capacity(&ring->ck) - 1 - size_unchecked(ring);
}

bool ring_is_empty(const struct ring *ring)
{
	return size_unchecked(ring) == 0;
}
