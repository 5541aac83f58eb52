/*
 * Owns: merging of runs and retention.
 * Invariant: each upkeep is one transaction after which every point can be read exactly once.
 * Thread: the one that writes history.
 * Does not know: when it is called.
 */
#include "base/check.h"
#include "store/history.h"
#include "store/recent.h"
#include "store/run.h"
#include "store/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Blocks dropped in one upkeep for their age. */
enum { RETIRE_BLOCKS_MAX = 4096 };
/* Points of a batch that is merged: it stays in the processor's cache while it is sorted. */
enum { BATCH_POINTS = 8 * BLOCK_POINTS_MAX };

/* Makes full blocks of points as they come. */
struct run_writer {
	struct lmdb_txn *txn;
	struct run *run;
	size_t count; /* that are left, and may be too few for a block */
	struct store_point points[BLOCK_POINTS_MAX];
};

_Static_assert(SCAN_ROOM_BEFORE >= BLOCK_POINTS_MAX, "what is left fits before a batch");

/* Writes those that were left and these, before which there is room for the former. */
static void writer_add(struct run_writer *writer, struct store_point *points, size_t count)
{
	points -= writer->count;
	count += writer->count;
	memcpy(points, writer->points, writer->count * sizeof(*points));
	size_t at = 0;
	while (count - at > BLOCK_POINTS_MAX && writer->txn->error == 0)
		at += run_append(writer->txn, writer->run, points + at, count - at);
	if (writer->txn->error != 0)
		return;
	writer->count = count - at;
	memcpy(writer->points, points + at, writer->count * sizeof(*points));
}

static void writer_end(struct run_writer *writer)
{
	for (size_t at = 0; at < writer->count && writer->txn->error == 0;)
		at += run_append(writer->txn, writer->run, writer->points + at, writer->count - at);
}

/* ---- merging -------------------------------------------------------------------------------- */

/* Those of the inputs whose points are still in memory; of others no points. */
static void rows_find(const struct recent *recent, const struct run *const *inputs, uint32_t count,
		      struct points_row rows[RUN_FAN_IN_MAX])
{
	for (uint32_t i = 0; i < count; i++)
		rows[i] = inputs[i]->tier == 0 ? recent_find(recent, inputs[i]->first_window)
					       : (struct points_row){ NULL, 0 };
}

/* Merges whole users until about `points_max` points are moved. Returns the first user not merged. */
static uint64_t merge_users(struct lmdb_txn *txn, const struct recent *recent, struct run *building,
			    const struct run *const *inputs, uint32_t count, uint64_t points_max)
{
	struct points_row rows[RUN_FAN_IN_MAX];
	struct run_writer *writer = malloc(sizeof(*writer));
	if (writer == NULL) {
		lmdb_fail(txn, -ENOMEM);
		return 0;
	}
	writer->txn = txn;
	writer->run = building;
	writer->count = 0;
	struct scan scan;
	uint64_t moved = 0, next_user = RUN_USER_END;
	rows_find(recent, inputs, count, rows);
	scan_open(&scan, txn, inputs, rows, count, building->record.next_user, BATCH_POINTS);
	while (next_user == RUN_USER_END && scan_next(&scan)) {
		size_t taken = scan_whole_users(scan.points, scan.count, points_max - moved);
		writer_add(writer, scan.points, taken);
		moved += taken;
		if (moved >= points_max)
			next_user = scan.points[taken - 1].user.value + 1;
	}
	scan_close(&scan);
	writer_end(writer);
	free(writer);
	return next_user;
}

/* The inputs are read to the end: what was built stands for them. */
static void merge_end(struct lmdb_txn *txn, struct run *building, struct run **inputs,
		      uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		run_remove(txn, inputs[i]);
	building->record.state = RUN_WHOLE;
	building->record.next_user = 0;
	if (building->record.points == 0)
		run_remove(txn, building);
	else
		run_put(txn, building);
}

static bool merge_step(struct lmdb_txn *txn, const struct recent *recent, struct run *building,
		       struct run **inputs, uint32_t count, uint64_t points_max)
{
	uint64_t next_user =
		merge_users(txn, recent, building, (const struct run *const *)inputs, count, points_max);
	for (uint32_t i = 0; i < count; i++)
		run_times_join(building, inputs[i]);
	for (uint32_t i = 0; i < count && txn->error == 0; i++)
		run_consume(txn, inputs[i], next_user, UINT32_MAX);
	if (next_user == RUN_USER_END) {
		merge_end(txn, building, inputs, count);
		return true;
	}
	building->record.next_user = next_user;
	run_put(txn, building);
	for (uint32_t i = 0; i < count; i++)
		run_put(txn, inputs[i]);
	return false;
}

static struct run *building_find(const struct run_list *list, uint32_t tier)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (list->runs[i].tier == tier && list->runs[i].record.state == RUN_BUILDING)
			return &list->runs[i];
	return NULL;
}

static const uint32_t fan_ins[RUN_TIERS - 1] = { RUN_FAN_IN, RUN_FAN_IN_OF_1, RUN_FAN_IN_OF_2 };

/* The runs that the next merge of a tier takes; with one under way, those it has taken. */
static uint32_t inputs_find(const struct run_list *list, uint32_t tier, bool under_way,
			    struct run *inputs[RUN_FAN_IN_MAX])
{
	uint32_t count = 0, most = under_way ? RUN_FAN_IN_MAX : fan_ins[tier];
	for (uint32_t i = 0; i < list->count && count < most; i++) {
		struct run *run = &list->runs[i];
		if (run->tier == tier && run->record.state == RUN_WHOLE &&
		    run->is_input == under_way)
			inputs[count++] = run;
	}
	return count;
}

static struct run building_begin(struct run *const *inputs, uint32_t count)
{
	struct run run = run_empty(inputs[0]->tier + 1, inputs[0]->first_window,
				   inputs[count - 1]->record.last_window);
	run.record.state = RUN_BUILDING;
	for (uint32_t i = 0; i < count; i++) {
		const struct run_record *input = &inputs[i]->record;
		if (input->receipt_min_ms < run.record.receipt_min_ms)
			run.record.receipt_min_ms = input->receipt_min_ms;
		if (input->receipt_max_ms > run.record.receipt_max_ms)
			run.record.receipt_max_ms = input->receipt_max_ms;
	}
	return run;
}

/* Goes on with the merge of a tier, or begins one when there are enough runs. Whether it did. */
static bool tier_merge(struct lmdb_txn *txn, const struct recent *recent, uint32_t tier,
		       uint64_t points_max, struct history_upkeep *done)
{
	struct run_list list;
	struct run *inputs[RUN_FAN_IN_MAX];
	if (!run_list_load(&list, txn))
		return false;
	struct run *found = building_find(&list, tier + 1);
	uint32_t count = inputs_find(&list, tier, found != NULL, inputs);
	bool merges = found != NULL || count == fan_ins[tier];
	if (merges) {
		struct run building = found != NULL ? *found : building_begin(inputs, count);
		bool has_ended = merge_step(txn, recent, &building, inputs, count, points_max);
		done->merges += has_ended;
		if (has_ended && tier == 0)
			done->past_window = building.record.last_window;
	}
	run_list_free(&list);
	return merges;
}

/* ---- retention ------------------------------------------------------------------------------ */

/* Drops blocks of runs that are past their time, oldest first; those in a merge wait for its end. */
static bool runs_retire(struct lmdb_txn *txn, const struct run_list *list, int64_t retain_from_ms,
			struct history_upkeep *done)
{
	uint32_t room = RETIRE_BLOCKS_MAX;
	for (uint32_t i = list->count; i > 0 && room > 0; i--) {
		struct run *run = &list->runs[i - 1];
		if (run->record.receipt_max_ms >= retain_from_ms || run->is_input ||
		    run->record.state == RUN_BUILDING)
			continue;
		uint32_t dropped = run_consume(txn, run, RUN_USER_END, room);
		room -= dropped;
		done->retired += dropped;
		if (run->tier == 0 && run->record.last_window > done->past_window)
			done->past_window = run->record.last_window;
		if (run->record.blocks == 0)
			run_remove(txn, run);
		else
			run_put(txn, run);
	}
	return room == 0;
}

static void sums_take(const struct run_list *list, struct history_upkeep *done)
{
	for (uint32_t i = 0; i < list->count; i++) {
		done->blocks += list->runs[i].record.blocks;
		done->bytes += list->runs[i].record.bytes;
	}
}

static void upkeep(struct lmdb_txn *txn, const struct recent *recent, uint64_t points_max,
		   int64_t retain_from_ms, struct history_upkeep *done)
{
	struct run_list list;
	*done = (struct history_upkeep){ .merges = 0 };
	for (uint32_t tier = 0; tier + 1 < RUN_TIERS; tier++)
		done->more |= tier_merge(txn, recent, tier, points_max, done);
	if (run_list_load(&list, txn)) {
		done->more |= runs_retire(txn, &list, retain_from_ms, done);
		run_list_free(&list);
	}
	if (run_list_load(&list, txn)) {
		sums_take(&list, done);
		run_list_free(&list);
	}
}

int history_upkeep(struct history *history, const struct history_window *window, uint64_t points_max,
		   int64_t retain_from_ms, struct history_upkeep *done)
{
	struct recent *recent = history_recent(history);
	uint64_t number = 0;
	int error;
	do {
		struct lmdb_txn txn;
		lmdb_begin_write(history_lmdb(history), &txn);
		if (window != NULL)
			number = history_append(&txn, window);
		upkeep(&txn, recent, points_max, retain_from_ms, done);
		error = lmdb_commit(&txn);
	} while (error == -EAGAIN);
	if (error == 0 && window != NULL)
		recent_keep(recent, window->points, window->count, number);
	if (error == 0)
		recent_forget(recent, done->past_window);
	return error;
}
