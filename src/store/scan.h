/*
 * Owns: reading several runs at once, in the order of users.
 * Invariant: batches come in ascending order of users, each user in one batch, with all their visible
 *   points; a batch is sorted (point.h).
 * Thread: that of the transaction.
 * Does not know: what the points are read for.
 *
 * Blocks are decoded some way ahead in each run. What lies before the place that all runs have
 * reached is one batch: spread by user from where it lies, which costs a point less than choosing the
 * least of many runs.
 */
#ifndef NEARBY_STORE_SCAN_H
#define NEARBY_STORE_SCAN_H

#include "store/point.h"
#include "store/run.h"

struct scan_input;

/* Points for which there is room before those of a batch, for what the caller has left of the one
 * before. */
enum { SCAN_ROOM_BEFORE = BLOCK_POINTS_MAX };

struct scan {
	struct lmdb_txn *txn;
	struct scan_input *inputs; /* in the order of the runs, which is nearly that of time */
	struct points_row *rows;   /* what a batch takes of each */
	uint32_t input_count;
	uint32_t ahead;		    /* points that are decoded of each before a batch is made */
	uint64_t next_user;	    /* those before are done */
	struct store_point *points; /* the batch */
	size_t count;
	struct store_point *memory; /* of the batch, with the room before it */
	struct store_point *scratch;
	size_t capacity; /* of the batch, and of the scratch */
};

/*
 * Reads these runs, each for the users it answers for, from `user_from` on, in batches of about
 * `batch_points`. Of those that have points in `rows` (as many rows as runs, or NULL) it takes these, and
 * does not look at the file. In the order of their windows they cost least. The runs, and the points of rows, stay the caller's and unchanged until the scan
 * is closed. Errors are the transaction's.
 */
void scan_open(struct scan *scan, struct lmdb_txn *txn, const struct run *const *runs,
	       const struct points_row *rows, uint32_t count, uint64_t user_from, size_t batch_points);
void scan_close(struct scan *scan);
/* The next batch, of at least one point. False at the end or on failure. */
bool scan_next(struct scan *scan);

/* How many of the first points make up whole users, at least `wanted` when there are so many. */
size_t scan_whole_users(const struct store_point *points, size_t count, size_t wanted);

#endif
