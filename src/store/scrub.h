/*
 * Owns: clearing the file of a database of what is in its tables no more.
 * Invariant: it changes no byte that LMDB, or any reader of the file, may still read.
 * Thread: the one that writes to the database, outside its transactions.
 * Does not know: why, and how fast (scrubber.h).
 *
 * A scrub goes once over the whole file, in bounded steps, after which no byte of it is left that was in
 * no table any more when the scrub began: what was removed or replaced before is gone from it. (LMDB
 * alone leaves such bytes in free pages, in the free part of pages in use, and in memory that it uses
 * again.) Others read and copy meanwhile, and this thread may write between two steps.
 */
#ifndef NEARBY_STORE_SCRUB_H
#define NEARBY_STORE_SCRUB_H

#include "store/lmdb.h"

struct scrub {
	uint64_t begun_txn;  /* what this and later transactions freed held nothing that is to go */
	uint64_t page;	     /* the next */
	uint64_t cleared;    /* pages in which something was cleared */
	uint64_t *again;     /* pages to be looked at once more, from again_at on */
	uint32_t again_count, again_capacity, again_at;
	bool is_held; /* the last step came no further: somebody reads what is to be cleared */
	bool is_done; /* and the file is synced */
};

/* 0; -EBUSY: a copy is under way, or a long read, try again later; or negative errno. */
int scrub_begin(struct scrub *scrub, struct lmdb *lmdb);
/* Looks at about so many pages. 0, or negative errno; then it may be called again. */
int scrub_step(struct scrub *scrub, struct lmdb *lmdb, uint32_t pages_max);
/* Frees what it holds; a scrub that is begun is ended by it, done or not. */
void scrub_end(struct scrub *scrub);

#endif
