/*
 * Owns: bringing a partition to rest whose writer was killed.
 * Invariant: readers may look all the while, and a repair may itself be killed and done again; it
 *   takes the steps of table.c only, in their order.
 * Thread: the new owner's, before it writes.
 * Does not know: who died when.
 *
 * What can be found (see table.c for the steps): a dead slot whose hole was not closed; moves odd;
 * and then perhaps one entry in two slots, of which the one nearer to its start holds. First the
 * farther one is made dead, after a growth of moves as in a move. Then all dead slots are closed. A
 * tag may be left without a key, which no probe has to pass; it becomes 0.
 * The count is taken anew, as the writer may have died just before it stored it. All these are left
 * only between the two stores of changes that stand around every insertion and removal, so where
 * changes is even there is nothing to find, and adopting a large table takes no time.
 */
#include "partition.h"

static bool slot_is_live(struct slot *slot)
{
	return word_load(&slot->key) != 0 && (word_load(&slot->meta) & META_LIVE) != 0;
}

/* Whether the entry stands in a bucket too that its probe passes before this one. */
static bool entry_is_double(const struct span *span, uint32_t at)
{
	uint64_t key = word_load(&span->slots[at].key);
	uint32_t bucket = span_home(span, nearby_user_hash(key - 1));
	for (; bucket != at / BUCKET_SLOTS; bucket = span_next(span, bucket)) {
		struct slot *slots = &span->slots[bucket * BUCKET_SLOTS];
		for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
			if (word_load(&slots[i].key) == key && slot_is_live(&slots[i]))
				return true;
	}
	return false;
}

static void doubles_kill(const struct span *span)
{
	for (uint32_t at = 0; at < span_slots(span); at++) {
		struct slot *slot = &span->slots[at];
		if (!slot_is_live(slot) || !entry_is_double(span, at))
			continue;
		word_store(&span->partition->moves, word_load(&span->partition->moves) + 2);
		word_store(&slot->meta, meta_next(word_load(&slot->meta), 0));
	}
}

static uint64_t live_count(const struct span *span, bool *has_holes)
{
	uint64_t count = 0;
	*has_holes = false;
	for (uint32_t at = 0; at < span_slots(span); at++) {
		if (slot_is_live(&span->slots[at]))
			count++;
		else if (word_load(&span->slots[at].key) != 0)
			*has_holes = true;
	}
	return count;
}

static void holes_close(const struct span *span)
{
	for (uint32_t at = 0; at < span_slots(span); at++) {
		if (word_load(&span->slots[at].key) != 0 && !slot_is_live(&span->slots[at]))
			span_close_hole(span, at);
	}
}

static void tags_mend(const struct span *span)
{
	for (uint32_t at = 0; at < span_slots(span); at++) {
		if (word_load(&span->slots[at].key) == 0 && span_tag(span, at) != 0)
			span_tag_store(span, at, 0);
	}
}

static void partition_mend(const struct span *span)
{
	bool has_holes;
	if (word_load(&span->partition->moves) % 2 == 1)
		doubles_kill(span);
	uint64_t count = live_count(span, &has_holes);
	if (has_holes)
		holes_close(span);
	tags_mend(span);
	uint64_t moves = word_load(&span->partition->moves);
	if (moves % 2 == 1)
		word_store(&span->partition->moves, moves + 1);
	if (word_load(&span->partition->count) != count)
		word_store(&span->partition->count, count);
}

void table_repair(struct nearby_segment *segment, uint32_t partition)
{
	struct span span = span_of(segment, partition);
	if (word_load(&span.partition->changes) % 2 == 0)
		return;
	partition_mend(&span);
	span_change_end(&span);
}

uint64_t table_copy(const struct nearby_segment *from, struct nearby_segment *to)
{
	uint64_t refused = 0, user;
	struct nearby_location location;
	for (uint32_t partition = 0; partition < NEARBYSHM_PARTITIONS; partition++) {
		uint32_t cursor = 0;
		while (nearby_table_next(from, partition, &cursor, &user, &location)) {
			nearby_hint hint = 0;
			refused += nearby_table_put(to, user, &hint, &location) != 0;
		}
	}
	return refused;
}
