/*
 * Owns: the environment of history.mdb and the writing of commit windows.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: merging (upkeep.c), erasing (erase.c), reading (portion.c), checking (history_check.c).
 */
#include "store/history.h"

#include "base/check.h"
#include "base/clock.h"
#include "store/reason.h"
#include "store/recent.h"
#include "store/run.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY_MAGIC = 0x68697374, HISTORY_FORMAT = 2, HISTORY_FORMAT_FROM = 1 };

static const struct lmdb_table tables[RUN_TABLE_COUNT] = {
	[RUN_TABLE_META] = { .name = "meta" },	     [RUN_TABLE_RUNS] = { .name = "runs" },
	[RUN_TABLE_HIDDEN] = { .name = "hidden" },   [RUN_TABLE_TIER0 + 0] = { .name = "tier0" },
	[RUN_TABLE_TIER0 + 1] = { .name = "tier1" }, [RUN_TABLE_TIER0 + 2] = { .name = "tier2" },
	[RUN_TABLE_TIER0 + 3] = { .name = "tier3" },
};

struct history {
	uint32_t magic;
	struct lmdb *lmdb;
	struct recent recent;
};

int history_database_open(struct lmdb **lmdb, const char *data_dir, uint64_t map_bytes,
			  enum lmdb_access access, const char **reason)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/history.mdb", data_dir) >= (int)sizeof(path)) {
		*reason = reason_format("the path of the data directory is too long");
		return -ENAMETOOLONG;
	}
	struct lmdb_config config = {
		.path = path,
		.format = HISTORY_FORMAT,
		.format_from = HISTORY_FORMAT_FROM,
		.tables = tables,
		.table_count = RUN_TABLE_COUNT,
		.map_bytes = map_bytes,
		.access = access,
	};
	return lmdb_open(lmdb, &config, reason);
}

int history_open(struct history **history, const char *data_dir, uint64_t map_bytes,
		 const char **reason)
{
	struct history *fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->magic = HISTORY_MAGIC;
	*history = fresh;
	int error = recent_open(&fresh->recent);
	if (error == 0)
		error = history_database_open(&fresh->lmdb, data_dir, map_bytes, LMDB_SERVE, reason);
	if (error != 0)
		history_close(history);
	return error;
}

void history_close(struct history **history)
{
	if (*history == NULL)
		return;
	check_object(*history, HISTORY_MAGIC);
	lmdb_close(&(*history)->lmdb);
	recent_close(&(*history)->recent);
	(*history)->magic = 0;
	free(*history);
	*history = NULL;
}

struct lmdb *history_lmdb(struct history *history)
{
	check_object(history, HISTORY_MAGIC);
	return history->lmdb;
}

struct recent *history_recent(struct history *history)
{
	return &history->recent;
}

uint64_t history_file_bytes(struct history *history)
{
	return lmdb_file_bytes(history->lmdb);
}

int history_copy(struct history *history, const char *path)
{
	return lmdb_copy(history->lmdb, path);
}

struct store_point *history_room(struct history *history, size_t count)
{
	return recent_room(&history->recent, count);
}

uint64_t history_append(struct lmdb_txn *txn, const struct history_window *window)
{
	check(window->count > 0);
	uint64_t number = run_next_window(txn);
	struct run run = run_empty(0, number, number);
	run.record.receipt_min_ms = window->receipt_min_ms;
	run.record.receipt_max_ms = window->receipt_max_ms;
	run_times_add(&run, window->points, window->count);
	for (size_t done = 0; done < window->count && txn->error == 0;)
		done += run_append(txn, &run, window->points + done, window->count - done);
	run_put(txn, &run);
	run_set_next_window(txn, number + 1);
	return number;
}

int history_commit(struct history *history, const struct history_window *window)
{
	uint64_t number;
	int error;
	do {
		struct lmdb_txn txn;
		lmdb_begin_write(history_lmdb(history), &txn);
		number = history_append(&txn, window);
		error = lmdb_commit(&txn);
	} while (error == -EAGAIN);
	if (error == 0)
		recent_keep(&history->recent, window->points, window->count, number);
	return error;
}

int history_hide(struct history *history, const struct user_id *users, uint32_t count)
{
	int error;
	do {
		struct lmdb_txn txn;
		lmdb_begin_write(history_lmdb(history), &txn);
		uint64_t window = run_next_window(&txn);
		if (lmdb_count(&txn, RUN_TABLE_HIDDEN) == 0)
			run_set_erasing_since(&txn, wall_ms());
		for (uint32_t i = 0; i < count; i++)
			run_hide_before(&txn, users[i], window);
		error = lmdb_commit(&txn);
	} while (error == -EAGAIN);
	return error;
}
