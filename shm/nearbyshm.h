/*
 * Owns: the segment of a nearbyd instance: latest locations, counters, heartbeats, in shared memory.
 * Invariant: one whole version of every location is readable at any moment, also when the daemon
 *   was killed in the middle of a write; a segment of another layout is refused, never misread.
 * Thread: each partition of the table and each block of counters has one writing thread; any
 *   thread of any process reads without waiting.
 * Does not know: friendship, sockets, threads; a user is a number here.
 *
 * This header is installed: it stands alone, and programs on the same machine link libnearbyshm to
 * read what the daemon knows. nearby-shm(5) describes the bytes.
 */
#ifndef NEARBYSHM_H
#define NEARBYSHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Hash partitions of the table; a user's partition never depends on the number of cores. */
#define NEARBYSHM_PARTITIONS 256
/* Users are 0 to NEARBYSHM_USER_MAX. */
#define NEARBYSHM_USER_MAX ((uint64_t)INT64_MAX)
/* An instance's name: letters, digits, '-' and '_', 1 to 32 of them. */
#define NEARBYSHM_INSTANCE_BYTES 32
#define NEARBYSHM_CORES_MAX	 64

/* A place in units of 1e-7 degrees: latitude -900000000..900000000, longitude ±1800000000. */
struct nearby_place {
	int32_t lat_e7;
	int32_t lon_e7;
};

struct nearby_location {
	struct nearby_place place;
	/* The phone's clock, ms since 1970. */
	int64_t client_ms;
	/* When the daemon received it, µs of CLOCK_BOOTTIME. Age counts from here. At most
	 * NEARBYSHM_RECEIPT_MAX_US is kept, which is 2,283 years. */
	uint64_t receipt_us;
	/* The writer's own: what it notes about the location, changed together with it. */
	uint8_t mark;
};
#define NEARBYSHM_RECEIPT_MAX_US ((UINT64_C(1) << 56) - 1)

/* ---- segment -------------------------------------------------------------------------------- */

enum nearby_counter_kind {
	NEARBY_COUNTER,	  /* one word that only grows; blocks add up */
	NEARBY_GAUGE,	  /* one word; blocks add up */
	NEARBY_HISTOGRAM, /* sum and buckets of µs: see NEARBY_HISTOGRAM_WORDS */
	NEARBY_ALERT,	  /* one word: 0, or the wall time in ms since when it holds; max over blocks */
};

/* Sum, then NEARBY_HISTOGRAM_BUCKETS counts; bucket i holds values of at most 2^i µs, the last all
 * that is more. A histogram takes that many words in a row. */
#define NEARBY_HISTOGRAM_BUCKETS 28
#define NEARBY_HISTOGRAM_WORDS	 (1 + NEARBY_HISTOGRAM_BUCKETS)

/* What one counter is; kept in the segment, so that a reader needs no table of its own. */
struct nearby_counter_info {
	char name[48];	/* as in Prometheus, without the "nearby_" in front */
	char label[32]; /* one Prometheus label, `key="value"` without braces, or "" */
	char help[160];
	uint32_t kind;	   /* enum nearby_counter_kind */
	uint32_t level;	   /* of an alert: 1 low, 2 medium, 3 high, 4 critical; else 0 */
	uint32_t word_idx; /* first word within a block; filled in by nearby_segment_create */
	uint32_t reserved;
};

struct nearby_segment;

struct nearby_segment_config {
	/* NULL: private memory of this process that no other can open (tests, simulation). */
	const char *instance;
	/* Writing threads of the table, 1 to NEARBYSHM_CORES_MAX. */
	uint32_t cores;
	/* Blocks of counters: one a core, and further ones for threads beside the cores. At least
	 * `cores`, at most 2 * NEARBYSHM_CORES_MAX. */
	uint32_t blocks;
	/* Locations to be held at once, 1 to 2e9; the table is made large enough for that many. */
	uint64_t users_max;
	const struct nearby_counter_info *counters;
	uint32_t counter_count;
};

enum nearby_segment_birth {
	NEARBY_SEGMENT_FRESH,	/* created empty: there was none */
	NEARBY_SEGMENT_ADOPTED, /* taken over with its locations from a daemon that is gone */
	NEARBY_SEGMENT_REPLACED /* there was one of another boot or layout; started empty */
};

/* What stands in the segment's header. */
struct nearby_segment_info {
	uint32_t version;
	uint32_t cores;
	uint32_t blocks;
	uint32_t counter_count;
	uint64_t layout_hash;
	uint64_t users_max;
	uint64_t slot_count;
	uint64_t bytes;
	int32_t pid;	    /* of the daemon that owns it, or owned it last */
	bool is_owned;	    /* that process holds the segment's lock, so it lives */
	int64_t birth_ms;   /* wall clock of creation */
	int64_t adopted_ms; /* wall clock of the last create or adoption */
	char boot_id[40];
	char instance[NEARBYSHM_INSTANCE_BYTES + 1];
};

/*
 * For the daemon: makes the instance's segment, or adopts the one that is there when it is of this
 * boot and layout (with any number of cores and any counters; the repair of a partition that was
 * being changed when its writer died happens here). One for another users_max is adopted too: its
 * locations are copied into a new one. Counters and heartbeats start at zero. All memory is
 * reserved here, so no write can fail for want of it later.
 * 0, or: -EBUSY another living daemon owns it; -EINVAL a config value out of range; -ENOMEM or
 * -ENOSPC it does not fit, -EACCES. On failure *reason, when not NULL, is a thread-local text with
 * the figures that are needed; on success it is NULL, or says why the old segment was replaced or
 * how many locations a smaller table had no room for. The caller closes the segment; that leaves it
 * in place for the next. Ownership is a lock of the process and of children that it forks.
 */
int nearby_segment_create(struct nearby_segment **segment, const struct nearby_segment_config *config,
			  enum nearby_segment_birth *birth, const char **reason);

/*
 * For readers in any process: maps it read-only, and keeps a descriptor until it is closed.
 * -ENOENT there is none, -EPROTO another layout, version or boot, or one that is half made, -EACCES,
 * -ENOMEM; *reason, when not NULL, is a thread-local text. A segment that was replaced since stays
 * readable and is no longer owned (nearby_segment_info): then close it and open again.
 */
int nearby_segment_open(struct nearby_segment **segment, const char *instance, const char **reason);
void nearby_segment_close(struct nearby_segment **segment);
/* Removes the name. Those who have it mapped keep it. 0, -ENOENT or -EACCES. */
int nearby_segment_unlink(const char *instance);

/*
 * For the owner, after the start, from any one thread: makes the next 2 MiB of the segment one huge
 * page, where the kernel has one to give. False when all was tried, or when it gives none. A step
 * takes about a millisecond, and whoever touches these 2 MiB meanwhile waits for it. Readers and
 * later owners profit too.
 */
bool nearby_segment_make_huge(struct nearby_segment *segment);

/* Copies what stands in the header. Never fails. */
void nearby_segment_info(const struct nearby_segment *segment, struct nearby_segment_info *info);

#ifndef __cplusplus
/* The words of a block, for its one writer. (C++ has no word for their type.) */
_Atomic uint64_t *nearby_segment_block(struct nearby_segment *segment, uint32_t block);
#endif
const struct nearby_counter_info *nearby_segment_counter(const struct nearby_segment *segment,
							 uint32_t counter);
/* Sum over blocks (maximum for an alert) of word `word` of a counter; word 0 save for histograms.
 * Counters are numbered as in the config, 0 to the info's counter_count - 1. */
uint64_t nearby_segment_read(const struct nearby_segment *segment, uint32_t counter, uint32_t word);

/* A core says that it lives, once a turn: time in µs of the boot clock. Readers compare with now. */
void nearby_segment_beat(struct nearby_segment *segment, uint32_t core, uint64_t now_us);
uint64_t nearby_segment_last_beat(const struct nearby_segment *segment, uint32_t core);

/* ---- table ---------------------------------------------------------------------------------- */

/* The hash that places users; fixed by the layout. The partition is its low byte. */
uint64_t nearby_user_hash(uint64_t user);
static inline uint32_t nearby_partition(uint64_t user)
{
	return (uint32_t)(nearby_user_hash(user) % NEARBYSHM_PARTITIONS);
}
/* The core that alone writes this user's slot. */
static inline uint32_t nearby_home_core(uint64_t user, uint32_t cores)
{
	return nearby_partition(user) % cores;
}

/*
 * Where a user's slot was last seen: makes the next access one slot while it stays there. Start
 * with 0; any value is safe.
 */
typedef uint32_t nearby_hint;

/* Inserts or replaces. Home core only. 0, or -ENOSPC: the partition is full, that is filled to seven
 * eighths, so that probes stay short (nothing changed). */
int nearby_table_put(struct nearby_segment *segment, uint64_t user, nearby_hint *hint,
		     const struct nearby_location *location);
/* Copies the latest whole location, whatever its age. 0, or -ENOENT. Never waits for a writer. */
int nearby_table_get(const struct nearby_segment *segment, uint64_t user, nearby_hint *hint,
		     struct nearby_location *location);
/* Frees the slot. Home core only. 0, or -ENOENT. */
int nearby_table_remove(struct nearby_segment *segment, uint64_t user);
/*
 * A request to the processor: this user will be got or put soon, with this hint. Without one (0) it
 * reads where the slot is, which may have to come from memory itself: see the next.
 */
void nearby_table_prefetch(const struct nearby_segment *segment, uint64_t user, nearby_hint hint);
/* The same, some time before nearby_table_prefetch, for a user without a hint. It touches nothing. */
void nearby_table_prefetch_tags(const struct nearby_segment *segment, uint64_t user);
/*
 * nearby_table_get for each of many users, all on their way from memory together: several times as
 * fast as one after another. found[i] says whether users[i] has a location; locations[i] is not
 * touched when it has none. `hints`, when not NULL, holds one for each and is updated. Returns how
 * many were found.
 */
uint32_t nearby_table_get_many(const struct nearby_segment *segment, uint32_t count,
			       const uint64_t *users, nearby_hint *hints,
			       struct nearby_location *locations, bool *found);

/*
 * Looks at the next `slots` slots of a partition and removes those that were received before
 * `before_us`; their users are written to `removed` (room for `slots`). *cursor is where to go on,
 * 0 at first; it wraps. Home core only. Returns how many were removed. An entry that a removal
 * shifts back over the cursor is seen in the next round at the latest.
 */
uint32_t nearby_table_sweep(struct nearby_segment *segment, uint32_t partition, uint32_t *cursor,
			    uint32_t slots, uint64_t before_us, uint64_t *removed);

/*
 * The next entry of a partition, for any reader: *cursor 0 at first. False at the end. While the
 * partition changes an entry may be seen twice or missed; at rest each is seen once.
 */
bool nearby_table_next(const struct nearby_segment *segment, uint32_t partition, uint32_t *cursor,
		       uint64_t *user, struct nearby_location *location);

/* Entries in a partition; slots of each partition; longest probe of a present key, in buckets of eight
 * slots (scans). */
uint64_t nearby_table_count(const struct nearby_segment *segment, uint32_t partition);
uint64_t nearby_table_partition_slots(const struct nearby_segment *segment);
uint32_t nearby_table_longest_probe(const struct nearby_segment *segment, uint32_t partition);

#ifdef __cplusplus
}
#endif

#endif
