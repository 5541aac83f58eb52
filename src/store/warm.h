/*
 * Owns: having pages of history read from disk many at a time.
 * Invariant: changes nothing; whoever reads afterwards finds more in memory, and no less is right.
 * Thread: that of the transaction, which waits.
 * Does not know: what is done with what is read.
 *
 * The running day of a user lies in some dozens of runs, a page or two in each, and one after the other each would
 * wait for the disk. A disk serves many at once in the same time; so the ways to the user in all runs
 * are gone at once, level by level: each level's pages are asked for before the first is waited for.
 */
#ifndef NEARBY_STORE_WARM_H
#define NEARBY_STORE_WARM_H

#include "store/run.h"

/* Times that this thread waited for a page from disk. */
uint64_t warm_waits(void);

/* Whether the block of this run with which the user begins is in memory; true where that cannot be told. */
bool warm_is_here(struct lmdb_txn *txn, const struct run *run, struct user_id user);

/* Has the blocks of these runs that hold the user in memory, or on their way to it. */
void warm_user(struct lmdb_txn *txn, const struct run *const *runs, uint32_t count,
	       struct user_id user);

#endif
