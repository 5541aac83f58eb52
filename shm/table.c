/*
 * Owns: the location table: probing, the two versions of a slot, removal by moving back.
 * Invariant: a probe that starts at a user's first bucket reaches the user's entry before it ends, at
 *   every moment; an entry is at rest in one slot, and never in none while it is moved.
 * Thread: put, remove and sweep of a partition are its home core's; all else is any thread's.
 * Does not know: when an entry is too old, or who asks.
 *
 * Who touches a slot: one writer, any number of readers, in any process. Either may be killed or
 * stopped between any two instructions. All words are stored with release and loaded with acquire
 * order (layout.h), so a reader that has seen one store has seen every store before it.
 *
 * Eight slots are a bucket. Its tags, a word that stands apart, have a byte for each: 0 says empty,
 * else seven bits of the hash say who it may be. So a probe reads tags, eight bytes for eight slots,
 * and then as a rule the one slot that it came for. It goes from bucket to bucket and ends with the
 * first that has an empty tag. A tag may stand without an entry, but no entry without its tag, and
 * none behind a bucket with an empty tag that its probe has to pass.
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
 * An insert takes an empty slot of the bucket where the probe ended. It writes the tag, a version,
 * then meta, and the key last. As a slot with key 0 is empty whatever else stands in it, that last
 * store is the insertion.
 *
 * A removal stores meta without META_LIVE: the entry is gone, but its tag still lets probes pass.
 * The hole must be closed so that probes stay short. Is another slot of its bucket empty, no probe
 * passes here. Else an entry of a later bucket whose probe passes the hole's is moved into it, if
 * there is one before the probe would end, and leaves a hole behind it in its turn:
 *   1. moves becomes odd (once in a chain of moves),
 *   2. tag, version and key are written into the hole, which is still dead, its bucket still full,
 *   3. the hole's meta is stored live: the entry now stands in both slots, with the same location,
 *   4. moves grows by 2, so it stays odd,
 *   5. the old slot's meta is stored dead: it is the hole now.
 * When no entry is left that may move, the hole's key becomes 0, then its tag, and moves even.
 * A present user can only be missed by a reader that passed the hole before 3 and looked at the old
 * slot, or at a tag stored there later, after 5. Having seen 5 it sees 4; had it seen 4 before it
 * began, it had seen 3. So moves has changed between its start and its end, and it looks again. The
 * same holds when its probe ends too early, at a tag that became 0: for that, the entry must have
 * been moved from behind it. If moves is the same, a miss is a miss, and a reader never waits for
 * moves to be even.
 * The writer killed after 1 or 2: the entry is where it was. After 3 or 4: it is in two slots, which
 * say the same, and nobody will write either before table_repair (repair.c) has made one of them
 * dead. After 5: it is in the new slot. In each case the dead slot's tag keeps its bucket full; what
 * is lost is one slot of room, until the repair closes the hole by the same steps. A tag without a
 * key, as an insertion or a removal may leave it, is a slot that looks taken until then.
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

/* So many users get_many takes from one stage to the next together. Some two dozen lines of memory
 * can be on their way to a core at once; more are asked for together, so that it never has fewer. */
enum { PARTY_MAX = 32 };

enum slot_sight { SLOT_EMPTY, SLOT_OTHER, SLOT_WHOLE };

static inline void version_load(struct slot_version *version, struct nearby_location *location)
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
static inline enum slot_sight slot_read(struct slot *slot, uint64_t wanted, uint64_t *key,
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

static nearby_hint hint_of(const struct nearby_segment *segment, const struct slot *slot)
{
	return (nearby_hint)(slot - segment->slots) + 1;
}

/* What the tags of the first bucket say: nearly always the user's slot, and no more than a hint. NULL
 * when nobody looks like the user there. */
static struct slot *slot_likely(const struct nearby_segment *segment, uint64_t hash)
{
	uint64_t bucket = table_home(segment, hash);
	uint64_t same = tags_same(word_load(&segment->tags[bucket]), tag_of(hash));
	return same != 0 ? &segment->slots[bucket * BUCKET_SLOTS + set_first(same)] : NULL;
}

/* One walk to the user. */
static bool table_probe(const struct nearby_segment *segment, uint64_t user, uint64_t hash,
			nearby_hint *hint, struct nearby_location *location)
{
	uint64_t key;
	uint32_t at;
	struct walk walk = walk_begin(segment, hash);
	while (walk_next(&walk, &at)) {
		if (slot_read(&walk.span.slots[at], user + 1, &key, location) != SLOT_WHOLE)
			continue;
		*hint = walk.span.first + at + 1;
		return true;
	}
	return false;
}

/* Walks until the user is found, or is known to be absent. */
static bool table_read(const struct nearby_segment *segment, uint64_t user, uint64_t hash,
		       nearby_hint *hint, struct nearby_location *location)
{
	struct partition *partition = &segment->partitions[hash % NEARBYSHM_PARTITIONS];
	for (;;) {
		uint64_t moves = word_load(&partition->moves);
		if (table_probe(segment, user, hash, hint, location))
			return true;
		if (word_load(&partition->moves) == moves)
			return false;
	}
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
	return table_read(segment, user, nearby_user_hash(user), hint, location) ? 0 : -ENOENT;
}

/* ---- reading ahead -------------------------------------------------------------------------- */

/* All who look like the user, in the first bucket in which anybody does. */
static __attribute__((noinline)) void prefetch_all(const struct nearby_segment *segment,
						   uint64_t hash)
{
	uint32_t at;
	struct walk walk = walk_begin(segment, hash);
	while (walk_next(&walk, &at)) {
		__builtin_prefetch(&walk.span.slots[at]);
		if (walk.same == 0)
			break;
	}
}

/* The tags have come: asks for the slot. It is returned where there can be but one. */
static inline struct slot *prefetch_slot(const struct nearby_segment *segment, uint64_t hash)
{
	uint64_t bucket = table_home(segment, hash);
	uint64_t tags = word_load(&segment->tags[bucket]), same = tags_same(tags, tag_of(hash));
	if (same == 0 ? tags_empty(tags) == 0 : set_rest(same) != 0) {
		prefetch_all(segment, hash);
		return NULL;
	}
	if (same == 0)
		return NULL;
	struct slot *slot = &segment->slots[bucket * BUCKET_SLOTS + set_first(same)];
	__builtin_prefetch(slot);
	return slot;
}

void nearby_table_prefetch_tags(const struct nearby_segment *segment, uint64_t user)
{
	__builtin_prefetch(&segment->tags[table_home(segment, nearby_user_hash(user))]);
}

void nearby_table_prefetch(const struct nearby_segment *segment, uint64_t user, nearby_hint hint)
{
	struct slot *hinted = slot_hinted(segment, hint);
	if (hinted != NULL)
		__builtin_prefetch(hinted);
	else
		prefetch_slot(segment, nearby_user_hash(user));
}

/* Some of the users of get_many, on their way. */
struct party {
	uint32_t first, count;
	uint64_t hashes[PARTY_MAX];	/* of those without a hint */
	struct slot *slots[PARTY_MAX]; /* where they are likely to be; or NULL */
};

/* Asks for the slots that are known by hints, and for the tags of all others. */
static void party_gather(const struct nearby_segment *segment, struct party *party,
			 const uint64_t *users, const nearby_hint *hints)
{
	for (uint32_t i = 0; i < party->count; i++) {
		party->slots[i] = hints != NULL ? slot_hinted(segment, hints[i]) : NULL;
		if (party->slots[i] != NULL) {
			__builtin_prefetch(party->slots[i]);
			continue;
		}
		party->hashes[i] = nearby_user_hash(users[i]);
		__builtin_prefetch(&segment->tags[table_home(segment, party->hashes[i])]);
	}
}

/* The tags have come. */
static void party_approach(const struct nearby_segment *segment, struct party *party)
{
	for (uint32_t i = 0; i < party->count; i++)
		if (party->slots[i] == NULL)
			party->slots[i] = prefetch_slot(segment, party->hashes[i]);
}

/* The slots have come. */
static uint32_t party_read(const struct nearby_segment *segment, const struct party *party,
			   const uint64_t *users, nearby_hint *hints,
			   struct nearby_location *locations, bool *found)
{
	uint32_t found_count = 0;
	for (uint32_t i = 0; i < party->count; i++) {
		uint64_t key;
		struct slot *slot = party->slots[i];
		nearby_hint hint = 0;
		if (slot != NULL && users[i] <= NEARBYSHM_USER_MAX &&
		    slot_read(slot, users[i] + 1, &key, &locations[i]) == SLOT_WHOLE) {
			hint = hint_of(segment, slot);
			found[i] = true;
		} else {
			found[i] = nearby_table_get(segment, users[i], &hint, &locations[i]) == 0;
		}
		found_count += found[i];
		if (hints != NULL && found[i])
			hints[i] = hint;
	}
	return found_count;
}

uint32_t nearby_table_get_many(const struct nearby_segment *segment, uint32_t count,
			       const uint64_t *users, nearby_hint *hints,
			       struct nearby_location *locations, bool *found)
{
	struct party parties[3];
	parties[1].count = parties[2].count = 0;
	uint32_t found_count = 0;
	for (uint64_t first = 0; first < (uint64_t)count + 2 * PARTY_MAX; first += PARTY_MAX) {
		uint32_t turn = (uint32_t)(first / PARTY_MAX % 3);
		struct party *new = &parties[turn], *old = &parties[(turn + 1) % 3];
		uint64_t left = first < count ? count - first : 0;
		new->first = (uint32_t)first;
		new->count = left < PARTY_MAX ? (uint32_t)left : PARTY_MAX;
		party_gather(segment, new, users + new->first,
			     hints != NULL ? hints + new->first : NULL);
		party_approach(segment, &parties[(turn + 2) % 3]);
		found_count += party_read(segment, old, users + old->first,
					  hints != NULL ? hints + old->first : NULL,
					  locations + old->first, found + old->first);
	}
	return found_count;
}

/* ---- all of a partition --------------------------------------------------------------------- */

bool nearby_table_next(const struct nearby_segment *segment, uint32_t partition, uint32_t *cursor,
		       uint64_t *user, struct nearby_location *location)
{
	struct span span = span_of(segment, partition);
	while (*cursor < span_slots(&span)) {
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
	for (uint32_t at = 0; at < span_slots(&span); at++) {
		uint64_t key = word_load(&span.slots[at].key);
		if (key == 0 || (word_load(&span.slots[at].meta) & META_LIVE) == 0)
			continue;
		uint32_t home = span_home(&span, nearby_user_hash(key - 1));
		uint32_t looked = span_distance(&span, home, at / BUCKET_SLOTS) + 1;
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

/* The slot of a user as its writer knows it, or else an empty one where the probe ended. */
static struct slot *walk_find(struct walk *walk, uint64_t user, uint32_t *at, bool *is_found)
{
	*is_found = false;
	while (walk_next(walk, at)) {
		*is_found = slot_is_of(&walk->span.slots[*at], user);
		if (*is_found)
			return &walk->span.slots[*at];
	}
	if (walk->empty == 0)
		return NULL;
	*at = walk->bucket * BUCKET_SLOTS + set_first(walk->empty);
	return &walk->span.slots[*at];
}

static bool span_is_full(const struct span *span)
{
	return word_load(&span->partition->count) >= layout_partition_capacity(span_slots(span));
}

/* The key is the insertion, all before it is unseen. */
static void entry_insert(const struct span *span, uint32_t at, uint64_t user, uint64_t tag,
			 const struct nearby_location *location)
{
	struct slot *empty = &span->slots[at];
	span_change_begin(span);
	span_tag_store(span, at, tag);
	slot_update(empty, location);
	word_store(&empty->key, user + 1);
	word_store(&span->partition->count, word_load(&span->partition->count) + 1);
	span_change_end(span);
}

/* Not where it was likely: it is searched for, and inserted when it is not there. */
static int table_put(struct nearby_segment *segment, uint64_t user, uint64_t hash, nearby_hint *hint,
		     const struct nearby_location *location)
{
	uint32_t at;
	bool is_found;
	struct walk walk = walk_begin(segment, hash);
	struct slot *slot = walk_find(&walk, user, &at, &is_found);
	if (slot == NULL || (!is_found && span_is_full(&walk.span)))
		return -ENOSPC;
	if (is_found)
		slot_update(slot, location);
	else
		entry_insert(&walk.span, at, user, walk.tag, location);
	*hint = walk.span.first + at + 1;
	return 0;
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
	uint64_t hash = nearby_user_hash(user);
	slot = slot_likely(segment, hash);
	if (slot == NULL || !slot_is_of(slot, user))
		return table_put(segment, user, hash, hint, location);
	slot_update(slot, location);
	*hint = hint_of(segment, slot);
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
	span_tag_store(span, hole_idx, span_tag(span, from_idx));
	version_load(&from->versions[meta_current(from_meta)], &location);
	version_store(&hole->versions[meta_current(hole_meta)], &location);
	word_store(&hole->key, word_load(&from->key));
	word_store(&hole->meta, hole_meta);
	word_store(&span->partition->moves, moves + 2);
	word_store(&from->meta, meta_next(from_meta, 0));
}

/* Whether an entry is here whose probe passes the bucket `past`, which is before its own. */
static bool entry_passes(const struct span *span, uint32_t at, uint32_t past)
{
	uint64_t key = word_load(&span->slots[at].key);
	if (key == 0 || (word_load(&span->slots[at].meta) & META_LIVE) == 0)
		return false;
	uint32_t home = span_home(span, nearby_user_hash(key - 1)), bucket = at / BUCKET_SLOTS;
	return span_distance(span, home, bucket) >= span_distance(span, past, bucket);
}

/* The first entry that may be moved into the hole. False: there is none. */
static bool mover_find(const struct span *span, uint32_t hole, uint32_t *from)
{
	uint32_t into = hole / BUCKET_SLOTS, bucket = into;
	while (tags_empty(word_load(&span->tags[bucket])) == 0) {
		bucket = span_next(span, bucket);
		if (bucket == into)
			return false;
		*from = bucket * BUCKET_SLOTS;
		for (uint32_t i = 0; i < BUCKET_SLOTS; i++, ++*from)
			if (entry_passes(span, *from, into))
				return true;
	}
	return false;
}

void span_close_hole(const struct span *span, uint32_t hole)
{
	uint32_t from;
	while (mover_find(span, hole, &from)) {
		entry_move(span, from, hole);
		hole = from;
	}
	word_store(&span->slots[hole].key, 0);
	span_tag_store(span, hole, 0);
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
	struct walk walk = walk_begin(segment, nearby_user_hash(user));
	if (walk_find(&walk, user, &at, &is_found) == NULL || !is_found)
		return -ENOENT;
	entry_remove(&walk.span, at);
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

/* Whether this is the first slot of a bucket in which there is none: its tags say so for all eight. */
static bool bucket_begins_empty(const struct span *span, uint32_t at)
{
	return at % BUCKET_SLOTS == 0 && word_load(&span->tags[at / BUCKET_SLOTS]) == 0;
}

uint32_t nearby_table_sweep(struct nearby_segment *segment, uint32_t partition, uint32_t *cursor,
			    uint32_t slots, uint64_t before_us, uint64_t *removed)
{
	shm_check(segment->is_owner);
	struct span span = span_of(segment, partition);
	uint32_t count = 0, end = span_slots(&span), at = *cursor < end ? *cursor : 0;
	for (uint32_t looked = 0; looked < slots;) {
		uint32_t stop = (at / BUCKET_SLOTS + 1) * BUCKET_SLOTS;
		if (slots - looked >= BUCKET_SLOTS && bucket_begins_empty(&span, at)) {
			looked += BUCKET_SLOTS;
			at = stop;
		}
		for (; at < stop && looked < slots; looked++) {
			struct slot *slot = &span.slots[at];
			if (!slot_is_older(slot, before_us)) {
				at++;
				continue;
			}
			removed[count++] = word_load(&slot->key) - 1;
			entry_remove(&span, at);
			/* Another entry may have moved in here: then it is the next to be looked at. */
			at += word_load(&slot->key) == 0;
		}
		at = at < end ? at : 0;
	}
	*cursor = at;
	return count;
}
