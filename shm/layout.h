/*
 * Owns: the bytes of a segment, and the one way in which a shared word is loaded and stored.
 * Invariant: offsets and sizes below are the format of version SEGMENT_VERSION; whoever changes one
 *   raises the version. Nothing in a segment is an address.
 * Thread: no state.
 * Does not know: what happens in which order; that is in table.c and segment.c.
 *
 * Private to shm/. nearby-shm(5) describes the same bytes for readers in other languages.
 */
#ifndef NEARBYSHM_LAYOUT_H
#define NEARBYSHM_LAYOUT_H

#include "nearbyshm.h"

#include <stdatomic.h>
#include <stdlib.h>

/* "nearbysh" as little-endian bytes; stored last, so a segment that has it is complete. */
#define SEGMENT_MAGIC	UINT64_C(0x687379627261656e)
#define SEGMENT_VERSION 4

/* A bug of ours or of the caller. The library stands alone, so it brings its own. */
#define shm_check(condition)                                                                       \
	do {                                                                                       \
		if (__builtin_expect(!(condition), 0))                                             \
			abort();                                                                   \
	} while (0)

/* ---- words ---------------------------------------------------------------------------------- */

typedef _Atomic uint64_t shm_word;

/*
 * Every shared word is stored with release and loaded with acquire order. So whoever has seen a
 * store has seen all that its writer stored before it; the arguments in table.c rest on this alone,
 * need no fences, and ThreadSanitizer understands them. On x86-64 both are plain moves.
 */
#ifdef NEARBYSHM_TEST_STEPS
/* Built into the tests' own copy only: stands before every load and every store. */
void nearbyshm_test_load(void);
void nearbyshm_test_store(void);
#else
#define nearbyshm_test_load()  ((void)0)
#define nearbyshm_test_store() ((void)0)
#endif

static inline uint64_t word_load(shm_word *word)
{
	nearbyshm_test_load();
	return atomic_load_explicit(word, memory_order_acquire);
}

static inline void word_store(shm_word *word, uint64_t value)
{
	nearbyshm_test_store();
	atomic_store_explicit(word, value, memory_order_release);
}

/* ---- table ---------------------------------------------------------------------------------- */

enum { VERSION_PLACE, VERSION_CLIENT_MS, VERSION_RECEIPT, VERSION_WORDS };

/* One location: latitude in the low and longitude in the high half of the first word, the mark in
 * the highest byte of the last. */
struct slot_version {
	shm_word words[VERSION_WORDS];
};

/* The last word, and what it holds. */
enum { MARK_SHIFT = 56 };

static inline uint64_t receipt_join(uint64_t receipt_us, uint8_t mark)
{
	return (receipt_us & NEARBYSHM_RECEIPT_MAX_US) | (uint64_t)mark << MARK_SHIFT;
}

static inline uint64_t receipt_us_of(uint64_t word)
{
	return word & NEARBYSHM_RECEIPT_MAX_US;
}

static inline uint8_t receipt_mark_of(uint64_t word)
{
	return (uint8_t)(word >> MARK_SHIFT);
}

/* Slots whose tags are one word; bucket.h says what a tag is. Partitions hold whole buckets. */
enum { BUCKET_SLOTS = 8 };

/* One cache line. A slot with key 0 is empty, whatever else stands in it. */
struct slot {
	_Alignas(64) shm_word key; /* user + 1 */
	shm_word meta;		   /* low half: sequence; META_LIVE */
	struct slot_version versions[2];
};

/* The entry is valid. Without it the slot is dead: its user is gone, but its tag still stands. */
#define META_LIVE (UINT64_C(1) << 32)

/* The low bit of the sequence names the version that holds. */
static inline uint32_t meta_current(uint64_t meta)
{
	return (uint32_t)(meta & 1);
}

/* What the meta word of a slot becomes at its next change; the sequence never starts over. */
static inline uint64_t meta_next(uint64_t meta, uint64_t live)
{
	return (uint64_t)(uint32_t)(meta + 1) | live;
}

/* What a partition has beside its slots. */
struct partition {
	_Alignas(64) shm_word moves; /* grows at every move of an entry; odd while a chain is moved */
	shm_word count;		     /* live entries; exact at rest */
	shm_word changes; /* odd while an entry is inserted or removed: a partition not at rest */
};

/* ---- counters ------------------------------------------------------------------------------- */

/*
 * The room for counters is fixed, so that a version with more of them adopts the table of one with
 * fewer. 512 rows are five times what a daemon has; 2,048 words are 512 plus 50 histograms.
 */
enum { COUNTERS_MAX = 512, BLOCKS_MAX = 2 * NEARBYSHM_CORES_MAX, BLOCK_WORDS = 2048 };

struct counter_block {
	_Alignas(64) shm_word words[BLOCK_WORDS];
};

struct beat {
	_Alignas(64) shm_word at_us;
};

/* ---- header --------------------------------------------------------------------------------- */

struct header {
	shm_word magic;
	uint64_t version;
	uint64_t layout_hash;
	uint64_t bytes;
	uint64_t partition_slots;
	int64_t birth_ms;
	char boot_id[40];
	char instance[40];
	/* These change at an adoption, while readers may look. */
	shm_word users_max;
	shm_word adopted_ms;
	shm_word pid;
	shm_word cores;
	shm_word blocks;
	shm_word counter_count; /* 0 while the rows are being replaced */
};

/* ---- the whole ------------------------------------------------------------------------------ */

enum {
	HEADER_OFFSET = 0,
	BEATS_OFFSET = 4096,
	PARTITIONS_OFFSET = 8192,
	COUNTERS_OFFSET = 24576,
	BLOCKS_OFFSET = 155648,
	TAGS_OFFSET = 2252800, /* a byte for each slot; behind them the slots */
};

_Static_assert(sizeof(struct slot) == 64, "a slot is one cache line");
_Static_assert(offsetof(struct slot, meta) == 8, "slot: meta");
_Static_assert(offsetof(struct slot, versions) == 16, "slot: versions");
_Static_assert(sizeof(struct slot_version) == 24, "slot: version");
_Static_assert(sizeof(struct partition) == 64, "partition");
_Static_assert(offsetof(struct partition, count) == 8, "partition: count");
_Static_assert(offsetof(struct partition, changes) == 16, "partition: changes");
_Static_assert(sizeof(struct nearby_counter_info) == 256, "counter row");
_Static_assert(offsetof(struct nearby_counter_info, label) == 48, "counter row: label");
_Static_assert(offsetof(struct nearby_counter_info, help) == 80, "counter row: help");
_Static_assert(offsetof(struct nearby_counter_info, kind) == 240, "counter row: kind");
_Static_assert(offsetof(struct nearby_counter_info, word_idx) == 248, "counter row: word_idx");
_Static_assert(offsetof(struct header, version) == 8, "header: version");
_Static_assert(offsetof(struct header, layout_hash) == 16, "header: layout_hash");
_Static_assert(offsetof(struct header, bytes) == 24, "header: bytes");
_Static_assert(offsetof(struct header, partition_slots) == 32, "header: partition_slots");
_Static_assert(offsetof(struct header, birth_ms) == 40, "header: birth_ms");
_Static_assert(offsetof(struct header, boot_id) == 48, "header: boot_id");
_Static_assert(offsetof(struct header, instance) == 88, "header: instance");
_Static_assert(offsetof(struct header, users_max) == 128, "header: users_max");
_Static_assert(offsetof(struct header, adopted_ms) == 136, "header: adopted_ms");
_Static_assert(offsetof(struct header, pid) == 144, "header: pid");
_Static_assert(offsetof(struct header, cores) == 152, "header: cores");
_Static_assert(offsetof(struct header, blocks) == 160, "header: blocks");
_Static_assert(offsetof(struct header, counter_count) == 168, "header: counter_count");
_Static_assert(sizeof(struct header) <= BEATS_OFFSET, "header fits");
_Static_assert(BEATS_OFFSET + NEARBYSHM_CORES_MAX * sizeof(struct beat) == PARTITIONS_OFFSET,
	       "beats fit");
_Static_assert(PARTITIONS_OFFSET + NEARBYSHM_PARTITIONS * sizeof(struct partition) ==
		       COUNTERS_OFFSET,
	       "partitions fit");
_Static_assert(COUNTERS_OFFSET + COUNTERS_MAX * sizeof(struct nearby_counter_info) == BLOCKS_OFFSET,
	       "counter rows fit");
_Static_assert(BLOCKS_OFFSET + BLOCKS_MAX * sizeof(struct counter_block) == TAGS_OFFSET,
	       "counter blocks fit");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics work between processes");

/*
 * Slots of a partition for users_max users. The hash throws the users at 256 partitions, so one
 * partition gets mean = users_max / 256 of them with a deviation of sqrt(mean). Room for mean +
 * 7 deviations + 16: a partition goes beyond with a probability under 1e-11, any of the 256 under
 * 1e-8 (the 16 make up for the heavier tail of small means). That many fill three quarters of the
 * slots: nineteen of twenty users are then in their first bucket, so a user is found by one word of
 * tags and one slot, and an absent one is known by the word alone. Rounded up to whole pages. For
 * ten million users: 39,063 + 7 * 198 + 16 = 40,465, so 54,016 slots, and 0.90 GB in all.
 */
uint32_t layout_partition_slots(uint64_t users_max);
/* How many entries a partition takes before it is full: more than it is made for, yet so few that
 * an absent user is known after two buckets in the mean. */
static inline uint64_t layout_partition_capacity(uint64_t slots)
{
	return slots * 7 / 8;
}
/* Where the slots stand, behind a byte of tag for each. */
static inline uint64_t layout_slots_offset(uint64_t partition_slots)
{
	return TAGS_OFFSET + partition_slots * NEARBYSHM_PARTITIONS;
}
uint64_t layout_bytes(uint64_t partition_slots);
/* A hash over everything above that the table's meaning depends on. Counters are left out. */
uint64_t layout_hash(uint64_t partition_slots);

/* The most users a table can be made for: 2.7e9 slots, whose numbers fit in a hint. */
#define USERS_MAX_MAX UINT64_C(2000000000)

/* ---- a mapping of it ------------------------------------------------------------------------ */

/* A process's view. The sizes are copies that were judged: a header that changes later misleads
 * nobody into reading outside. */
struct nearby_segment {
	struct header *header;
	struct beat *beats;
	struct partition *partitions;
	struct nearby_counter_info *counters;
	struct counter_block *blocks;
	shm_word *tags; /* of each bucket of the whole table */
	struct slot *slots;
	uint64_t bytes;
	uint64_t huge_bytes; /* of them huge pages were tried for */
	uint32_t partition_slots;
	uint32_t huge_failures;
	int fd; /* holds the lock of an owner; -1 for private memory */
	bool is_owner;
};

/* ---- between the files of the library ------------------------------------------------------- */

/* Brings a partition to rest that its writer left at any point, and counts it. One that is at rest
 * is not walked. repair.c */
void table_repair(struct nearby_segment *segment, uint32_t partition);
/* Puts all entries of one table into an empty other one; returns how many did not fit. repair.c */
uint64_t table_copy(const struct nearby_segment *from, struct nearby_segment *to);
/* Whether rows and words fit the room; *words is how many words a block needs. counters.c */
bool counters_fit(const struct nearby_segment_config *config, uint64_t *words);
/* Replaces rows, cores and blocks; all words and beats become 0. counters.c */
void counters_lay(struct nearby_segment *segment, const struct nearby_segment_config *config);
/* Gives a new object all its memory. 0 or -errno with *reason. memory.c */
int memory_reserve(int fd, uint64_t bytes, const char **reason);
/* Maps an object, or private memory for fd -1, where huge pages fit. 0 or -errno. memory.c */
int memory_map(int fd, uint64_t bytes, bool is_writable, void **memory);
/* The id of this boot as text; 0 or -errno. header.c */
int boot_id_read(char boot_id[40]);
/* Fills a header of zeros, all but the magic. header.c */
void header_format(struct nearby_segment *segment, const struct nearby_segment_config *config,
		   const char *boot_id);
/* The owner says who it is and since when; then the magic makes the segment complete. header.c */
void header_own(struct nearby_segment *segment, const struct nearby_segment_config *config);
/*
 * Whether a segment of that many bytes can be read by this library in this boot; 0 or -EPROTO with
 * *reason. On 0 *partition_slots says how large it is. header.c
 */
int header_judge(struct header *header, uint64_t bytes, const char *boot_id,
		 uint32_t *partition_slots, const char **reason);
/* Writes a thread-local text and returns `error`. header.c */
int refuse(const char **reason, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
