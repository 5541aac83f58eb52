/*
 * Owns: the proof that a history.mdb is what run.h says.
 * Invariant: reads only.
 * Thread: the caller's.
 * Does not know: how it came to be so.
 */
#include "store/history.h"
#include "store/reason.h"
#include "store/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What was counted while walking a run. */
struct walk {
	uint64_t blocks;
	uint64_t bytes;
	uint64_t points;
	uint64_t last_user;
	int64_t last_ts_ms;
};

static const char *block_fault(struct walk *walk, const struct run *run,
			       const struct lmdb_cursor *cursor)
{
	struct store_point points[BLOCK_POINTS_MAX];
	uint32_t count;
	if (block_decode(cursor->value.at, cursor->value.length, points, &count) != 0)
		return "a block cannot be decoded";
	if (run_block_key_user(cursor->key) != points[0].user.value)
		return "a block begins with another user than its key says";
	for (uint32_t i = 0; i < count; i++) {
		uint64_t user = points[i].user.value;
		int64_t ts_ms = points[i].ts_ms;
		if (walk->points > 0 && (user < walk->last_user ||
					 (user == walk->last_user && ts_ms < walk->last_ts_ms)))
			return "points are not in order";
		if (ts_ms < run->record.ts_min_ms || ts_ms > run->record.ts_max_ms)
			return "a point is outside the times of its run";
		if (user >= run->user_end)
			return "a run that is being built has a user that its inputs answer for";
		walk->last_user = user;
		walk->last_ts_ms = ts_ms;
		walk->points++;
	}
	walk->blocks++;
	walk->bytes += cursor->value.length;
	return NULL;
}

static const char *run_fault(struct lmdb_txn *txn, const struct run *run, uint64_t next_window)
{
	struct walk walk = { .points = 0 };
	struct run_block_key start = run_block_key(run->first_window, 0, 0);
	struct lmdb_cursor cursor;
	const char *fault = NULL;
	lmdb_cursor_open(&cursor, txn, RUN_TABLE_TIER0 + run->tier);
	bool more = lmdb_seek_from(&cursor, (struct bytes){ start.bytes, sizeof(start.bytes) });
	while (more && fault == NULL && run_block_key_window(cursor.key) == run->first_window) {
		fault = block_fault(&walk, run, &cursor);
		more = lmdb_next(&cursor);
	}
	lmdb_cursor_close(&cursor);
	if (fault != NULL)
		return fault;
	if (walk.blocks != run->record.blocks || walk.bytes != run->record.bytes)
		return "it has other blocks than its record says";
	/* An input of a merge, and a run that is being retired, has lost some. */
	if (walk.points > run->record.points)
		return "it has more points than its record says";
	if (run->record.last_window >= next_window)
		return "it holds windows that are still to come";
	return NULL;
}

/* Within a tier the windows of one run lie before those of the next. */
static const char *order_fault(const struct run_list *list, uint32_t i)
{
	if (i == 0 || list->runs[i - 1].tier != list->runs[i].tier)
		return NULL;
	return list->runs[i - 1].record.last_window < list->runs[i].first_window
		       ? NULL
		       : "its windows overlap those of the run before";
}

static int runs_check(struct lmdb_txn *txn, const struct run_list *list, const char **reason)
{
	uint64_t next_window = run_next_window(txn);
	uint64_t blocks[RUN_TIERS] = { 0 };
	for (uint32_t i = 0; i < list->count; i++) {
		const struct run *run = &list->runs[i];
		const char *fault = order_fault(list, i);
		if (fault == NULL)
			fault = run_fault(txn, run, next_window);
		if (fault != NULL) {
			*reason = reason_format("history.mdb: run %llu of tier %u: %s",
						(unsigned long long)run->first_window, run->tier,
						fault);
			return -EBADMSG;
		}
		blocks[run->tier] += run->record.blocks;
	}
	for (uint32_t tier = 0; tier < RUN_TIERS; tier++) {
		if (lmdb_count(txn, RUN_TABLE_TIER0 + tier) == blocks[tier])
			continue;
		*reason = reason_format("history.mdb: tier %u has blocks that belong to no run",
					tier);
		return -EBADMSG;
	}
	return 0;
}

/* What is hidden lies in windows that came before; such rows are left only while it is erased. */
static int marks_check(struct lmdb_txn *txn, const char **reason)
{
	struct run_mark *marks;
	uint64_t count, next_window = run_next_window(txn);
	int error = 0;
	run_marks_load(txn, &marks, &count);
	for (uint64_t i = 0; i < count && txn->error == 0 && error == 0; i++) {
		if (marks[i].user.value <= USER_ID_MAX && marks[i].window <= next_window)
			continue;
		*reason = reason_format("history.mdb: the deletion of user %llu names a window still to come",
					(unsigned long long)marks[i].user.value);
		error = -EBADMSG;
	}
	free(marks);
	return error;
}

int history_check(const char *data_dir, const char **reason)
{
	struct lmdb *lmdb;
	int error = history_database_open(&lmdb, data_dir, 0, LMDB_LOOK, reason);
	if (error != 0)
		return error;
	struct lmdb_txn txn;
	struct run_list list;
	lmdb_begin_read(lmdb, &txn);
	if (run_list_load(&list, &txn)) {
		error = runs_check(&txn, &list, reason);
		run_list_free(&list);
	}
	if (error == 0)
		error = marks_check(&txn, reason);
	if (error == 0 && txn.error != 0) {
		error = txn.error;
		*reason = reason_format("history.mdb cannot be read: %s", strerror(-error));
	}
	lmdb_abort(&txn);
	lmdb_close(&lmdb);
	return error;
}
