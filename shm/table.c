/*
 * Owns: the location table: probing, the two versions of a slot, removal by shifting back.
 * Invariant: a probe that starts at a user's place reaches the user's entry before an empty slot, at
 *   every moment; an entry is at rest in one slot, and never in none while it is moved.
 * Thread: put, remove and sweep of a partition are its home core's; all else is any thread's.
 * Does not know: when an entry is too old, or who asks.
 *
 * Who touches a slot: one writer, any number of readers, in any process. Either may be killed or
 * stopped between any two instructions. All words are stored with release and loaded with acquire
 * order (layout.h), so a reader that has seen one store has seen every store before it.
 *
 * An update writes the version that does not hold, word by word, then stores meta with the next
 * sequence, whose low bit makes it the one that holds. Before that store the old version is whole,
 * after it the new one; a writer killed anywhere leaves one of the two. A reader loads meta, key
 * and the words of the version that meta names, then meta again. The words it read can only have
 * been overwritten by the update after the next one, which began after the next one had stored
 * meta; so if any word is of that update, the second load sees another meta. Equal means whole. The
 * sequence never starts over, so a slot that was freed and taken again cannot look the same (save
 * after 2^32 changes between two loads). The reader goes round again only when a change was
 * completed under its hands: a writer that is dead or stopped costs it nothing.
 *
 * An insert writes a version, then meta, and the key last, into a slot whose key is 0. As a slot
 * with key 0 is empty whatever else stands in it, that last store is the insertion.
 *
 * A removal stores meta without META_LIVE: the entry is gone, but its key still lets probes pass.
 * The hole must be closed so that probes stay short. Walking on from it until an empty slot, each
 * entry whose probe passes the hole is moved into it:
 *   1. moves becomes odd (once in a chain of moves),
 *   2. version and key are written into the hole, which is still dead, and its chain unbroken,
 *   3. the hole's meta is stored live: the entry now stands in both slots, with the same location,
 *   4. moves grows by 2, so it stays odd,
 *   5. the old slot's meta is stored dead: it is the hole now.
 * When no entry is left that may move, the hole's key becomes 0, and moves even.
 * A present user can only be missed by a reader that passed the hole before 3 and looked at the old
 * slot after 5. Having seen 5 it sees 4; had it seen 4 before it began, it had seen 3. So moves has
 * changed between its start and its end, and it looks again. The same holds when it stops at the
 * emptied hole: to be emptied, it must have been moved from. If moves is the same, a miss is a
 * miss, and a reader never waits for moves to be even.
 * The writer killed after 1 or 2: the entry is where it was. After 3 or 4: it is in two slots, which
 * say the same, and nobody will write either before table_repair (repair.c) has made one of them
 * dead. After 5: it is in the new slot. In each case the dead slot keeps the chain whole; what is
 * lost is one slot of room, until the repair closes the hole by the same steps.
 *
 * Around an insertion and around a removal the writer makes changes odd, and even again. It does so
 * for its successor alone: where it finds changes even, count is right and no slot is dead, so it
 * need not walk the partition. Readers do not look at it.
 */
#include "partition.h"

#include <errno.h>

/* The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a bijection on 64 bits. */
uint64_t nearby_user_hash(uint64_t user)
{
	uint64_t x = user + UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* get_many asks for a user's first slot so many users ahead, and so many ahead, when the slot has
 * come, for those behind it. Some 16 lines can be on their way to a core at once. */
enum { AHEAD_FAR = 32, AHEAD_NEAR = 16, CHAIN_AHEAD = 3 };

enum slot_sight { SLOT_EMPTY, SLOT_OTHER, SLOT_WHOLE };

static void version_load(struct slot_version *version, struct nearby_location *location)
{
	uint64_t place = word_load(&version->words[VERSION_PLACE]);
	location->place.lat_e7 = (int32_t)(uint32_t)place;
	location->place.lon_e7 = (int32_t)(uint32_t)(place >> 32);
	location->client_ms = (int64_t)word_load(&version->words[VERSION_CLIENT_MS]);
	uint64_t receipt = word_load(&version->words[VERSION_RECEIPT]);
	location->receipt_us = receipt_us_of(receipt);
	location->mark = receipt_mark_of(receipt);
}

/* Copies the entry out when it has this key, or, for key 0, any entry; *key is what it has. */
static enum slot_sight slot_read(struct slot *slot, uint64_t wanted, uint64_t *key,
				 struct nearby_location *location)
{
	uint64_t meta = word_load(&slot->meta);
	for (;;) {
		*key = word_load(&slot->key);
		if (*key == 0)
			return SLOT_EMPTY;
		if ((wanted != 0 && *key != wanted) || (meta & META_LIVE) == 0)
			return SLOT_OTHER;
		version_load(&slot->versions[meta_current(meta)], location);
		uint64_t again = word_load(&slot->meta);
		if (again == meta)
			return SLOT_WHOLE;
		meta = again;
	}
}

/* The slot of the hint, or NULL when there is none of that number. */
static struct slot *slot_hinted(const struct nearby_segment *segment, nearby_hint hint)
{
	uint64_t slot_count = (uint64_t)segment->partition_slots * NEARBYSHM_PARTITIONS;
	return hint != 0 && hint <= slot_count ? &segment->slots[hint - 1] : NULL;
}

/* One walk along the user's chain. */
static bool table_probe(const struct span *span, uint64_t user, nearby_hint *hint,
			struct nearby_location *location)
{
	uint64_t key;
	uint32_t at = span_start(span, user);
	for (uint32_t looked = 0; looked < span->count; looked++) {
		enum slot_sight sight = slot_read(&span->slots[at], user + 1, &key, location);
		if (sight == SLOT_WHOLE) {
			*hint = span->first + at + 1;
			return true;
		}
		if (sight == SLOT_EMPTY)
			return false;
		at = span_next(span, at);
	}
	return false;
}

int nearby_table_get(const struct nearby_segment *segment, uint64_t user, nearby_hint *hint,
		     struct nearby_location *location)
{
	if (user > NEARBYSHM_USER_MAX)
		return -ENOENT;
	uint64_t key;
	struct slot *hinted = slot_hinted(segment, *hint);
	if (hinted != NULL && slot_read(hinted, user + 1, &key, location) == SLOT_WHOLE)
		return 0;
	struct span span = span_of(segment, nearby_partition(user));
	for (;;) {
		uint64_t moves = word_load(&span.partition->moves);
		if (table_probe(&span, user, hint, location))
			return 0;
		if (word_load(&span.partition->moves) == moves)
			return -ENOENT;
	}
}

/* Where the next access will look first: a hint when it is one, else the start of the chain, where
 * two of three users are. */
static nearby_hint hint_or_start(const struct nearby_segment *segment, uint64_t user,
				 nearby_hint hint)
{
	if (slot_hinted(segment, hint) != NULL)
		return hint;
	struct span span = span_of(segment, nearby_partition(user));
	return span.first + span_start(&span, user) + 1;
}

void nearby_table_prefetch(const struct nearby_segment *segment, uint64_t user, nearby_hint hint)
{
	__builtin_prefetch(slot_hinted(segment, hint_or_start(segment, user, hint)));
}

/* The slot has come: does the walk go on behind it, so are the next ones asked for. */
static void prefetch_rest(const struct nearby_segment *segment, uint64_t user, nearby_hint hint)
{
	struct slot *slot = slot_hinted(segment, hint);
	uint64_t key = word_load(&slot->key);
	if (key == user + 1 || key == 0)
		return;
	for (int i = 1; i <= CHAIN_AHEAD; i++)
		__builtin_prefetch(slot + i);
}

/* Each user passes three stages: its first slot is asked for; then those behind it, if need be; then
 * it is read. */
uint32_t nearby_table_get_many(const struct nearby_segment *segment, uint32_t count,
			       const uint64_t *users, nearby_hint *hints,
			       struct nearby_location *locations, bool *found)
{
	nearby_hint ahead[AHEAD_FAR];
	uint32_t found_count = 0;
	for (uint64_t far = 0; far < (uint64_t)count + AHEAD_FAR; far++) {
		uint64_t near = far - (AHEAD_FAR - AHEAD_NEAR), now = far - AHEAD_FAR;
		if (now < count) {
			nearby_hint hint = ahead[now % AHEAD_FAR];
			found[now] = nearby_table_get(segment, users[now], &hint,
						      &locations[now]) == 0;
			found_count += found[now];
			if (hints != NULL)
				hints[now] = hint;
		}
		if (far < count) {
			ahead[far % AHEAD_FAR] = hint_or_start(segment, users[far],
							       hints != NULL ? hints[far] : 0);
			__builtin_prefetch(slot_hinted(segment, ahead[far % AHEAD_FAR]));
		}
		if (near < count)
			prefetch_rest(segment, users[near], ahead[near % AHEAD_FAR]);
	}
	return found_count;
}

bool nearby_table_next(const struct nearby_segment *segment, uint32_t partition, uint32_t *cursor,
		       uint64_t *user, struct nearby_location *location)
{
	struct span span = span_of(segment, partition);
	while (*cursor < span.count) {
		uint64_t key;
		if (slot_read(&span.slots[(*cursor)++], 0, &key, location) != SLOT_WHOLE)
			continue;
		*user = key - 1;
		return true;
	}
	return false;
}

uint64_t nearby_table_count(const struct nearby_segment *segment, uint32_t partition)
{
	return word_load(&span_of(segment, partition).partition->count);
}

uint64_t nearby_table_partition_slots(const struct nearby_segment *segment)
{
	return segment->partition_slots;
}

uint32_t nearby_table_longest_probe(const struct nearby_segment *segment, uint32_t partition)
{
	struct span span = span_of(segment, partition);
	uint32_t longest = 0;
	for (uint32_t at = 0; at < span.count; at++) {
		uint64_t key = word_load(&span.slots[at].key);
		if (key == 0 || (word_load(&span.slots[at].meta) & META_LIVE) == 0)
			continue;
		uint32_t looked = span_distance(&span, span_start(&span, key - 1), at) + 1;
		if (looked > longest)
			longest = looked;
	}
	return longest;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void version_store(struct slot_version *version, const struct nearby_location *location)
{
	uint64_t place = (uint64_t)(uint32_t)location->place.lat_e7 |
			 (uint64_t)(uint32_t)location->place.lon_e7 << 32;
	word_store(&version->words[VERSION_PLACE], place);
	word_store(&version->words[VERSION_CLIENT_MS], (uint64_t)location->client_ms);
	word_store(&version->words[VERSION_RECEIPT],
		   receipt_join(location->receipt_us, location->mark));
}

static void slot_update(struct slot *slot, const struct nearby_location *location)
{
	uint64_t next = meta_next(word_load(&slot->meta), META_LIVE);
	version_store(&slot->versions[meta_current(next)], location);
	word_store(&slot->meta, next);
}

static bool slot_is_of(struct slot *slot, uint64_t user)
{
	return word_load(&slot->key) == user + 1 && (word_load(&slot->meta) & META_LIVE) != 0;
}

/* The slot of a user as its writer knows it, or else the empty slot that ends the chain. */
static struct slot *table_find(const struct span *span, uint64_t user, uint32_t *at, bool *is_found)
{
	*at = span_start(span, user);
	for (uint32_t looked = 0; looked < span->count; looked++) {
		struct slot *slot = &span->slots[*at];
		*is_found = slot_is_of(slot, user);
		if (*is_found || word_load(&slot->key) == 0)
			return slot;
		*at = span_next(span, *at);
	}
	return NULL;
}

static bool span_is_full(const struct span *span)
{
	return word_load(&span->partition->count) >= layout_partition_capacity(span->count);
}

/* The key is the insertion, all before it is unseen. */
static void entry_insert(const struct span *span, struct slot *empty, uint64_t user,
			 const struct nearby_location *location)
{
	span_change_begin(span);
	slot_update(empty, location);
	word_store(&empty->key, user + 1);
	word_store(&span->partition->count, word_load(&span->partition->count) + 1);
	span_change_end(span);
}

int nearby_table_put(struct nearby_segment *segment, uint64_t user, nearby_hint *hint,
		     const struct nearby_location *location)
{
	shm_check(segment->is_owner && user <= NEARBYSHM_USER_MAX);
	struct slot *slot = slot_hinted(segment, *hint);
	if (slot != NULL && slot_is_of(slot, user)) {
		slot_update(slot, location);
		return 0;
	}
	uint32_t at;
	bool is_found;
	struct span span = span_of(segment, nearby_partition(user));
	slot = table_find(&span, user, &at, &is_found);
	if (slot == NULL || (!is_found && span_is_full(&span)))
		return -ENOSPC;
	if (is_found)
		slot_update(slot, location);
	else
		entry_insert(&span, slot, user, location);
	*hint = span.first + at + 1;
	return 0;
}

/* Steps 1 to 5 of the top comment. */
static void entry_move(const struct span *span, uint32_t from_idx, uint32_t hole_idx)
{
	struct slot *from = &span->slots[from_idx], *hole = &span->slots[hole_idx];
	uint64_t moves = word_load(&span->partition->moves);
	if (moves % 2 == 0)
		word_store(&span->partition->moves, ++moves);
	struct nearby_location location;
	uint64_t from_meta = word_load(&from->meta);
	uint64_t hole_meta = meta_next(word_load(&hole->meta), META_LIVE);
	version_load(&from->versions[meta_current(from_meta)], &location);
	version_store(&hole->versions[meta_current(hole_meta)], &location);
	word_store(&hole->key, word_load(&from->key));
	word_store(&hole->meta, hole_meta);
	word_store(&span->partition->moves, moves + 2);
	word_store(&from->meta, meta_next(from_meta, 0));
}

void span_close_hole(const struct span *span, uint32_t hole)
{
	uint32_t at = hole;
	for (uint32_t looked = 1; looked < span->count; looked++) {
		at = span_next(span, at);
		uint64_t key = word_load(&span->slots[at].key);
		if (key == 0)
			break;
		if ((word_load(&span->slots[at].meta) & META_LIVE) == 0)
			continue;
		uint32_t start = span_start(span, key - 1);
		if (span_distance(span, start, at) < span_distance(span, hole, at))
			continue;
		entry_move(span, at, hole);
		hole = at;
	}
	word_store(&span->slots[hole].key, 0);
	uint64_t moves = word_load(&span->partition->moves);
	if (moves % 2 == 1)
		word_store(&span->partition->moves, moves + 1);
}

static void entry_remove(const struct span *span, uint32_t at)
{
	struct slot *slot = &span->slots[at];
	span_change_begin(span);
	word_store(&slot->meta, meta_next(word_load(&slot->meta), 0));
	span_close_hole(span, at);
	word_store(&span->partition->count, word_load(&span->partition->count) - 1);
	span_change_end(span);
}

int nearby_table_remove(struct nearby_segment *segment, uint64_t user)
{
	shm_check(segment->is_owner && user <= NEARBYSHM_USER_MAX);
	uint32_t at;
	bool is_found;
	struct span span = span_of(segment, nearby_partition(user));
	if (table_find(&span, user, &at, &is_found) == NULL || !is_found)
		return -ENOENT;
	entry_remove(&span, at);
	return 0;
}

static bool slot_is_older(struct slot *slot, uint64_t before_us)
{
	uint64_t meta = word_load(&slot->meta);
	if (word_load(&slot->key) == 0 || (meta & META_LIVE) == 0)
		return false;
	struct slot_version *version = &slot->versions[meta_current(meta)];
	return receipt_us_of(word_load(&version->words[VERSION_RECEIPT])) < before_us;
}

uint32_t nearby_table_sweep(struct nearby_segment *segment, uint32_t partition, uint32_t *cursor,
			    uint32_t slots, uint64_t before_us, uint64_t *removed)
{
	shm_check(segment->is_owner);
	struct span span = span_of(segment, partition);
	uint32_t count = 0, at = *cursor < span.count ? *cursor : 0;
	for (uint32_t looked = 0; looked < slots; looked++) {
		struct slot *slot = &span.slots[at];
		if (!slot_is_older(slot, before_us)) {
			at = span_next(&span, at);
			continue;
		}
		removed[count++] = word_load(&slot->key) - 1;
		entry_remove(&span, at);
		/* Another entry may have moved in here: then it is the next to be looked at. */
		if (word_load(&slot->key) == 0)
			at = span_next(&span, at);
	}
	*cursor = at;
	return count;
}
