/*
 * Owns: runs: rows of blocks that together hold each point of some commit windows once, by user.
 * Invariant: the runs of all tiers, each taken for the users that it answers for, hold every point
 *   of history exactly once; within a tier later windows have greater keys, so all is appended.
 * Thread: that of the transaction.
 * Does not know: when runs are merged or dropped.
 *
 * history.mdb, format 2, an LMDB file with these tables; numbers are big-endian in keys and in the
 * byte order of the host (as LMDB's own) in values:
 *   "meta"    "next_window" -> u64: the number of the next commit window. It orders history, so that
 *             a wall clock that steps back does not.
 *             "erasing_since" -> i64 ms since 1970, at or before the oldest row of "hidden" came.
 *   "runs"    u8 tier, u64 first window -> struct run_record
 *   "hidden"  u64 user -> u64 window: points of this user in earlier windows are deleted. Nobody reads
 *             them from then on, no merge takes them along, and erase.c takes them out of the blocks; the
 *             row goes when the file holds them no more.
 *   "tier0" to "tier3"  u64 first window of the run, u64 first user in the block, u32 number of the
 *             block in its run -> block (block.h). A user's points in a run are one look-up: the
 *             last block that begins at or before the user, and those after it that begin with them.
 * Format 1 had blocks of form 1 only: its file becomes one of format 2 when it is opened to write, and
 * its blocks are read until they are merged or dropped.
 *
 * A commit window makes one run of tier 0. A number of runs of a tier are merged into one of the next,
 * in bounded steps by users. While that goes on the new run is RUN_BUILDING: it answers for users
 * below `next_user`, and its inputs (the runs of the tier before it with windows in its range) for the
 * others; so each step is whole, and after a crash the merge goes on where it was.
 */
#ifndef NEARBY_STORE_RUN_H
#define NEARBY_STORE_RUN_H

#include "store/block.h"
#include "store/lmdb.h"
#include "store/store.h"

/*
 * How many runs of a tier become one of the next. 60 windows of a second make a minute, in which users have
 * two points each, so that a place is told by the one before it, and most have neither more nor less, so that
 * branches on their number are foreseen; 20 of those 20 minutes, 24 of those 8 hours: each point is merged three
 * times, a past day is three or four look-ups and the running one 101 more at most. A merge that an earlier
 * program began has 64 inputs, or 32.
 */
enum { RUN_TIERS = 4, RUN_FAN_IN_MAX = 64 };
enum { RUN_FAN_IN = 60, RUN_FAN_IN_OF_1 = 20, RUN_FAN_IN_OF_2 = 24 };

enum {
	RUN_TABLE_META,
	RUN_TABLE_RUNS,
	RUN_TABLE_HIDDEN,
	RUN_TABLE_TIER0,
	RUN_TABLE_COUNT = RUN_TABLE_TIER0 + RUN_TIERS
};

enum run_state { RUN_WHOLE, RUN_BUILDING };

struct run_record {
	uint64_t last_window;
	uint64_t state;
	uint64_t next_user; /* RUN_BUILDING: users from here on are still in the inputs */
	int64_t ts_min_ms;  /* no point is before or after, by the phones */
	int64_t ts_max_ms;
	int64_t receipt_min_ms; /* when they were received, by our wall clock */
	int64_t receipt_max_ms;
	uint64_t blocks; /* an input of a merge loses blocks as they are merged */
	uint64_t bytes;	 /* of the blocks */
	uint64_t points; /* an input of a merge: what it had before */
};

struct run {
	uint32_t tier;
	uint64_t first_window;
	struct run_record record;
	/* The users it answers for: user_from <= user < user_end. Not stored. */
	uint64_t user_from;
	uint64_t user_end;
	bool is_input; /* of a merge that goes on */
};

struct run_list {
	struct run *runs; /* by tier, then window */
	uint32_t count;
};

/* All runs. False when the transaction has failed. The caller frees it. */
bool run_list_load(struct run_list *list, struct lmdb_txn *txn);
void run_list_free(struct run_list *list);

/* A run without points. */
struct run run_empty(uint32_t tier, uint64_t first_window, uint64_t last_window);
/* Writes or removes its record. */
void run_put(struct lmdb_txn *txn, const struct run *run);
void run_remove(struct lmdb_txn *txn, const struct run *run);

/* Adds the first points as one block and returns how many; its record is the caller's to put, and the times
 * there are the caller's, too. They are sorted and come after all that the run has; the run is the last of its
 * tier. */
uint32_t run_append(struct lmdb_txn *txn, struct run *run, const struct store_point *points,
		    size_t count);
/* Widens its times so that they hold those of the points, or all of another run. */
void run_times_add(struct run *run, const struct store_point *points, size_t count);
void run_times_join(struct run *run, const struct run *other);
/* Removes blocks whose users are all below `user`, `blocks_max` at most; returns how many. */
uint32_t run_consume(struct lmdb_txn *txn, struct run *run, uint64_t user, uint32_t blocks_max);

#define RUN_USER_END (USER_ID_MAX + 1)

/* The window before which the user's points are deleted; 0 when they are not. */
uint64_t run_hidden_before(struct lmdb_txn *txn, struct user_id user);
void run_hide_before(struct lmdb_txn *txn, struct user_id user, uint64_t window);
/* Whether any of the users from <= user < end has deleted points. */
bool run_any_hidden(struct lmdb_txn *txn, uint64_t from, uint64_t end);
/* Forgets a deletion, unless the user was deleted again in a later window. */
void run_unhide(struct lmdb_txn *txn, struct user_id user, uint64_t window);

/* All deletions, by user. */
struct run_mark {
	struct user_id user;
	uint64_t window;
};
/* Fresh memory that the caller frees; false when the transaction has failed. */
bool run_marks_load(struct lmdb_txn *txn, struct run_mark **marks, uint64_t *count);

int64_t run_erasing_since(struct lmdb_txn *txn);
void run_set_erasing_since(struct lmdb_txn *txn, int64_t since_ms);

uint64_t run_next_window(struct lmdb_txn *txn);
void run_set_next_window(struct lmdb_txn *txn, uint64_t window);

/* Keys. */
enum { RUN_KEY_BYTES = 9, RUN_BLOCK_KEY_BYTES = 20 };
struct run_block_key {
	uint8_t bytes[RUN_BLOCK_KEY_BYTES];
};
struct run_block_key run_block_key(uint64_t first_window, uint64_t first_user, uint32_t number);
/* The same with another first user. */
struct run_block_key run_block_key_with_user(struct bytes key, uint64_t first_user);
uint64_t run_block_key_window(struct bytes key);
uint64_t run_block_key_user(struct bytes key);

/* Reads a run from some user on, block by block. */
struct run_reader {
	const struct run *run;
	struct lmdb_cursor cursor;
	bool has_block; /* that can be read */
};

/* Stands at the first block that may hold points of users >= `user`; it may begin with others. */
void run_reader_open(struct run_reader *reader, struct lmdb_txn *txn, const struct run *run,
		     uint64_t user);
void run_reader_close(struct run_reader *reader);
/* Decodes the block where it stands; returns how many points, 0 when the transaction has failed. There
 * is a block. */
uint32_t run_reader_take(struct run_reader *reader, struct store_point points[BLOCK_POINTS_MAX]);
/* Goes on to the next block without a look at this one. */
void run_reader_pass(struct run_reader *reader);

#endif
