/*
 * Owns: taking the points of deleted users out of the file.
 * Invariant: a row of "hidden" stays until no block, and no byte of the file, holds what it hides;
 *   each step is one small transaction; a pass that ends early is begun anew, and loses nothing.
 * Thread: the one that writes history.
 * Does not know: when it is called.
 *
 * Why a pass through the runs meets all. A row hides windows before its own; all of these were in runs
 * when it came. From then on a merge leaves its user's hidden points out, and windows come later than
 * it; so runs that come after it hold none, and a run that was gone through stays without. A pass takes
 * the rows that are there when it begins and goes through the runs by tier and window. What moves
 * meanwhile moves into a later tier, and there is nothing hidden in what moved.
 * The points that a run of later windows holds are the user's new ones: they stay.
 */
#include "base/check.h"
#include "base/clock.h"
#include "store/history.h"
#include "store/recent.h"
#include "store/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one step may cost: looking for a user in a run, and changing a block. */
enum { LOOK_COST = 1, CHANGE_COST = 16, STEP_COST = 4096 };

/* ---- blocks --------------------------------------------------------------------------------- */

/* The block where a cursor stands, decoded, and where in it the points of a user lie. */
struct found {
	uint8_t key[RUN_BLOCK_KEY_BYTES];
	size_t bytes;
	uint32_t count;
	uint32_t from, end;
	struct store_point points[BLOCK_POINTS_MAX];
};

/* Whether the block where the reader stands holds the user. */
static bool block_has(struct run_reader *reader, struct user_id user, struct found *found)
{
	struct lmdb_cursor *cursor = &reader->cursor;
	int error = block_decode(cursor->value.at, cursor->value.length, found->points, &found->count);
	if (error != 0) {
		lmdb_fail(cursor->txn, error);
		return false;
	}
	memcpy(found->key, cursor->key.at, sizeof(found->key));
	found->bytes = cursor->value.length;
	for (found->from = 0; found->from < found->count; found->from++)
		if (found->points[found->from].user.value >= user.value)
			break;
	for (found->end = found->from; found->end < found->count; found->end++)
		if (!user_id_equal(found->points[found->end].user, user))
			break;
	return found->end > found->from;
}

/* The first block with points of the user: the last that begins before them, or the one after it. */
static bool block_find(struct lmdb_txn *txn, const struct run *run, struct user_id user,
		       struct found *found)
{
	struct run_reader reader;
	run_reader_open(&reader, txn, run, user.value);
	bool has = reader.has_block && block_has(&reader, user, found);
	if (reader.has_block && !has && txn->error == 0) {
		run_reader_pass(&reader);
		has = reader.has_block && run_block_key_user(reader.cursor.key) == user.value &&
		      block_has(&reader, user, found);
	}
	run_reader_close(&reader);
	return has;
}

/*
 * Writes one block of whole users, as many as fit, with the number that the block had. Nearly always all
 * fit where more did; but heads may be told by other parameters than before, which can cost some more.
 */
static uint32_t part_write(struct lmdb_txn *txn, struct run *run, struct bytes old_key,
			   const struct store_point *points, uint32_t count)
{
	uint8_t block[BLOCK_BUFFER_BYTES];
	struct bytes value = { .at = block };
	uint32_t taken = block_encode(points, count, block, &value.length);
	while (taken < count) {
		count = taken;
		while (count > 0 && user_id_equal(points[count - 1].user, points[taken].user))
			count--;
		if (count == 0) {
			lmdb_fail(txn, -EIO);
			return 0;
		}
		taken = block_encode(points, count, block, &value.length);
	}
	struct run_block_key key = run_block_key_with_user(old_key, points[0].user.value);
	lmdb_put(txn, RUN_TABLE_TIER0 + run->tier, (struct bytes){ key.bytes, sizeof(key.bytes) }, value,
		 LMDB_REPLACE);
	run->record.blocks++;
	run->record.bytes += value.length;
	return count;
}

/* Writes the block anew without them, in its place among the others. */
static void block_rewrite(struct lmdb_txn *txn, struct run *run, struct found *found)
{
	uint32_t removed = found->end - found->from, kept = found->count - removed;
	struct bytes key = { found->key, sizeof(found->key) };
	lmdb_remove(txn, RUN_TABLE_TIER0 + run->tier, key, NULL);
	run->record.blocks--;
	run->record.bytes -= found->bytes;
	run->record.points -= removed;
	memmove(found->points + found->from, found->points + found->end,
		(found->count - found->end) * sizeof(*found->points));
	for (uint32_t at = 0; at < kept && txn->error == 0;)
		at += part_write(txn, run, key, found->points + at, kept - at);
}

/* Takes a user's points out of at most `blocks_max` blocks; returns of how many. */
static uint32_t user_erase(struct lmdb_txn *txn, struct run *run, struct user_id user, uint32_t blocks_max)
{
	struct found *found = malloc(sizeof(*found));
	uint32_t changed = 0;
	if (found == NULL)
		lmdb_fail(txn, -ENOMEM);
	while (changed < blocks_max && txn->error == 0 && block_find(txn, run, user, found)) {
		block_rewrite(txn, run, found);
		changed++;
	}
	free(found);
	return changed;
}

/* ---- runs ----------------------------------------------------------------------------------- */

/* Whether a run comes at or after the place of the pass. */
static bool is_ahead(const struct history_pass *pass, const struct run *run)
{
	return run->tier > pass->tier || (run->tier == pass->tier && run->first_window >= pass->window);
}

static void put_or_remove(struct lmdb_txn *txn, const struct run *run)
{
	if (run->record.blocks == 0 && run->record.state == RUN_WHOLE && !run->is_input)
		run_remove(txn, run);
	else
		run_put(txn, run);
}

/* Takes all users out of a run. False: the step has cost enough; the pass goes on at its place. */
static bool run_erase(struct lmdb_txn *txn, struct history_pass *pass, struct run *run, uint32_t *cost)
{
	uint32_t changed = 0;
	for (; pass->mark < pass->mark_count && *cost < STEP_COST && txn->error == 0; pass->mark++) {
		const struct run_mark *mark = &pass->marks[pass->mark];
		if (run->record.last_window >= mark->window)
			continue;
		uint32_t most = (STEP_COST - *cost) / CHANGE_COST + 1;
		uint32_t count = user_erase(txn, run, mark->user, most);
		*cost += LOOK_COST + count * CHANGE_COST;
		changed += count;
		if (count == most)
			break;
	}
	if (changed > 0)
		put_or_remove(txn, run);
	pass->changed += changed;
	return pass->mark == pass->mark_count;
}

/* Goes on through the runs until the step has cost enough, or they are all done. */
static void runs_erase(struct lmdb_txn *txn, struct history_pass *pass, const struct run_list *list)
{
	uint32_t cost = 0;
	for (uint32_t i = 0; i < list->count && txn->error == 0; i++) {
		struct run *run = &list->runs[i];
		if (!is_ahead(pass, run))
			continue;
		if (run->tier != pass->tier || run->first_window != pass->window)
			pass->mark = 0;
		pass->tier = run->tier;
		pass->window = run->first_window;
		if (!run_erase(txn, pass, run, &cost))
			return;
	}
	pass->is_through = txn->error == 0;
}

/* ---- passes --------------------------------------------------------------------------------- */

int history_pass_begin(struct history *history, struct history_pass *pass)
{
	struct lmdb_txn txn;
	*pass = (struct history_pass){ .began_ms = wall_ms() };
	lmdb_begin_read(history_lmdb(history), &txn);
	run_marks_load(&txn, &pass->marks, &pass->mark_count);
	int error = txn.error;
	lmdb_abort(&txn);
	if (error != 0)
		history_pass_end(pass);
	/* What the pass takes out of the file is in no merge's memory either. */
	recent_forget(history_recent(history), UINT64_MAX);
	return error;
}

void history_pass_end(struct history_pass *pass)
{
	free(pass->marks);
	*pass = (struct history_pass){ .marks = NULL };
}

int history_pass_step(struct history *history, struct history_pass *pass)
{
	struct history_pass before = *pass;
	int error;
	do {
		struct lmdb_txn txn;
		struct run_list list;
		*pass = before;
		lmdb_begin_write(history_lmdb(history), &txn);
		if (run_list_load(&list, &txn)) {
			runs_erase(&txn, pass, &list);
			run_list_free(&list);
		}
		error = lmdb_commit(&txn);
	} while (error == -EAGAIN);
	if (error != 0)
		*pass = before;
	return error;
}

int history_unhide(struct history *history, const struct history_pass *pass)
{
	int error;
	check(pass->is_through);
	do {
		struct lmdb_txn txn;
		lmdb_begin_write(history_lmdb(history), &txn);
		for (uint64_t i = 0; i < pass->mark_count && txn.error == 0; i++)
			run_unhide(&txn, pass->marks[i].user, pass->marks[i].window);
		/* Rows that are left came after the pass began. */
		run_set_erasing_since(&txn, pass->began_ms);
		error = lmdb_commit(&txn);
	} while (error == -EAGAIN);
	return error;
}

int history_hidden(struct history *history, uint64_t *count, int64_t *since_ms)
{
	struct lmdb_txn txn;
	lmdb_begin_read(history_lmdb(history), &txn);
	*count = lmdb_count(&txn, RUN_TABLE_HIDDEN);
	*since_ms = run_erasing_since(&txn);
	int error = txn.error;
	lmdb_abort(&txn);
	return error;
}
