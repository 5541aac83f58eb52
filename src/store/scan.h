/*
 * Owns: reading several runs at once, user by user.
 * Invariant: users come in ascending order, each once, with all their visible points by time.
 * Thread: that of the transaction.
 * Does not know: what the points are read for.
 */
#ifndef NEARBY_STORE_SCAN_H
#define NEARBY_STORE_SCAN_H

#include "store/run.h"

struct scan_input;

/* An input that has points left, and the user of the next. */
struct scan_top {
	uint64_t user;
	uint32_t input;
};

struct scan {
	struct lmdb_txn *txn;
	struct scan_input *inputs;
	struct scan_top *heap; /* the least user on top */
	uint32_t heap_count;
	uint32_t input_count;
	struct lmdb_cursor hidden;
	uint64_t hidden_user; /* the next user with deleted points */
	uint64_t hidden_before;
	struct store_point *points; /* of the current user */
	size_t count;
	size_t capacity;
};

/*
 * Reads these runs, each for the users it answers for, from `user_from` on.
 * The runs stay the caller's and unchanged until the scan is closed. Errors are the transaction's.
 */
void scan_open(struct scan *scan, struct lmdb_txn *txn, const struct run *const *runs,
	       uint32_t count, uint64_t user_from);
void scan_close(struct scan *scan);
/* The next user that has points, in scan->points and scan->count. False at the end or on failure. */
bool scan_next(struct scan *scan);

#endif
