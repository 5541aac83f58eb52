/*
 * Owns: history.mdb: every location that was kept, by user and time.
 * Invariant: append only: a commit window is written once; merging and retention move and drop whole
 *   blocks; deleting a user hides their points at once, and passes then take them out of the file.
 * Thread: one thread writes (commit, hide, upkeep, passes); another may read and copy at the same time.
 * Does not know: rings, clients, friends. run.h describes the file.
 */
#ifndef NEARBY_STORE_HISTORY_H
#define NEARBY_STORE_HISTORY_H

#include "store/lmdb.h"
#include "store/store.h"

struct history;

/* 0, or negative errno with *reason. */
int history_open(struct history **history, const char *data_dir, uint64_t map_bytes, const char **reason);
void history_close(struct history **history);

/* ---- writing -------------------------------------------------------------------------------- */

/* Locations that are committed together. */
struct history_window {
	const struct store_point *points; /* sorted (point.h), at least one; best where history_room said */
	size_t count;
	int64_t receipt_min_ms; /* of the first and the last receipt, by the wall clock */
	int64_t receipt_max_ms;
};

/*
 * Memory for the points of the next window, so many: the caller's until the window is appended, or this is
 * called again. Windows whose points lie there are merged from memory for the first time. At most
 * RECENT_POINTS_MAX (recent.h).
 */
struct store_point *history_room(struct history *history, size_t count);

/* Appends a window, synced. 0, or negative errno and nothing was changed. */
int history_commit(struct history *history, const struct history_window *window);

/*
 * Hides all points that these users have so far, synced. They stay in the file until a pass has taken
 * them out.
 */
int history_hide(struct history *history, const struct user_id *users, uint32_t count);

/* What one upkeep did, and what there is. */
struct history_upkeep {
	uint64_t merges;  /* ended */
	uint64_t retired; /* blocks */
	uint64_t blocks;  /* there are now, all tiers */
	uint64_t bytes;
	uint64_t past_window; /* no run of tier 0 that goes up to it is whole any more; 0: none ended */
	bool more; /* there is more to do at once */
};

/*
 * Appends a window, unless that is NULL, merges about `points_max` points of each tier that has enough
 * runs, and drops runs all of whose points were received before `retain_from_ms`: all in one
 * transaction, synced, as a sync of its own for each would cost more than small windows do. 0, or
 * negative errno and nothing was changed; then the window may still be committed alone.
 */
int history_upkeep(struct history *history, const struct history_window *window, uint64_t points_max,
		   int64_t retain_from_ms, struct history_upkeep *done);

/* ---- erasing (erase.c) ---------------------------------------------------------------------- */

/*
 * A pass takes all points that were hidden when it began out of the blocks, in steps; then a scrub
 * (scrub.h) takes what is left of them out of the file; then the rows that hid them may go. Where it ends
 * before, whatever for, the rows are still there and the next pass does it all.
 */
struct history_pass {
	struct run_mark *marks; /* that it is for, by user */
	uint64_t mark_count;
	uint32_t tier; /* the run that it is at, and the mark there */
	uint64_t window;
	uint64_t mark;
	uint64_t changed; /* blocks */
	int64_t began_ms; /* by the wall clock */
	bool is_through;  /* no block holds any of them */
};
/* 0, or negative errno and nothing is begun. */
int history_pass_begin(struct history *history, struct history_pass *pass);
/* One small transaction, synced. 0, or negative errno and nothing was changed. */
int history_pass_step(struct history *history, struct history_pass *pass);
/* Forgets that those were hidden: the pass is through, and what it left was scrubbed. */
int history_unhide(struct history *history, const struct history_pass *pass);
void history_pass_end(struct history_pass *pass);
/* How many users have hidden points, and since when the first, at the latest (ms since 1970). */
int history_hidden(struct history *history, uint64_t *count, int64_t *since_ms);

/* ---- reading -------------------------------------------------------------------------------- */

/* The next portion of STORE_HISTORY or STORE_EXPORT: fills in points and resume; returns status. */
int history_read(struct history *history, struct store_request *request);

uint64_t history_file_bytes(struct history *history);
int history_copy(struct history *history, const char *path);

/* Walks a database of another (or no) process and checks all that run.h says. */
int history_check(const char *data_dir, const char **reason);

/* For the files of history only. */
struct recent;
/* Returns the window's number. */
uint64_t history_append(struct lmdb_txn *txn, const struct history_window *window);
struct recent *history_recent(struct history *history);
struct lmdb *history_lmdb(struct history *history);
int history_database_open(struct lmdb **lmdb, const char *data_dir, uint64_t map_bytes,
			  enum lmdb_access access, const char **reason);

#endif
