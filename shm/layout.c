/*
 * Owns: the sums that give a segment its size, and the number that names its layout.
 * Invariant: the same users_max gives the same layout on every machine.
 * Thread: any, no state.
 * Does not know: files, writers, readers.
 */
#include "bucket.h"
#include "layout.h"

#define SLOTS_A_PAGE 64

static uint64_t root_ceil(uint64_t value)
{
	uint64_t root = 0;
	for (uint64_t bit = UINT64_C(1) << 31; bit != 0; bit >>= 1) {
		if ((root + bit) * (root + bit) < value)
			root += bit;
	}
	return root + 1;
}

uint32_t layout_partition_slots(uint64_t users_max)
{
	shm_check(users_max > 0 && users_max <= USERS_MAX_MAX);
	uint64_t mean = (users_max + NEARBYSHM_PARTITIONS - 1) / NEARBYSHM_PARTITIONS;
	uint64_t users = mean + 7 * root_ceil(mean) + 16;
	uint64_t slots = (users * 4 + 2) / 3;
	return (uint32_t)((slots + SLOTS_A_PAGE - 1) / SLOTS_A_PAGE * SLOTS_A_PAGE);
}

uint64_t layout_bytes(uint64_t partition_slots)
{
	return layout_slots_offset(partition_slots) +
	       partition_slots * NEARBYSHM_PARTITIONS * sizeof(struct slot);
}

/* FNV-1a over the bytes of words, lowest first. */
static uint64_t hash_words(const uint64_t *words, size_t count)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < count; i++) {
		for (unsigned shift = 0; shift < 64; shift += 8) {
			hash ^= words[i] >> shift & 0xff;
			hash *= UINT64_C(0x100000001b3);
		}
	}
	return hash;
}

uint64_t layout_hash(uint64_t partition_slots)
{
	const uint64_t words[] = {
		SEGMENT_VERSION,
		sizeof(struct slot),
		offsetof(struct slot, key),
		offsetof(struct slot, meta),
		offsetof(struct slot, versions),
		sizeof(struct slot_version),
		META_LIVE,
		sizeof(struct partition),
		offsetof(struct partition, moves),
		offsetof(struct partition, count),
		offsetof(struct partition, changes),
		PARTITIONS_OFFSET,
		COUNTERS_OFFSET,
		BLOCKS_OFFSET,
		TAGS_OFFSET,
		BUCKET_SLOTS,
		NEARBYSHM_PARTITIONS,
		nearby_user_hash(1),	     /* stands for the hash function */
		tag_of(nearby_user_hash(1)), /* ... and for the tags */
		partition_slots,
	};
	return hash_words(words, sizeof(words) / sizeof(words[0]));
}
