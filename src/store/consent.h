/*
 * Owns: what becomes of friendships, asks and blocks when somebody acts.
 * Invariant: of two users at most one holds: they are friends; one has asked the other; one, or each,
 *   has blocked the other. An exception of sharing ends with the friendship. No more than
 *   friends_max, STORE_ASKS_MAX and STORE_BLOCKS_MAX.
 * Thread: a transaction's.
 * Does not know: groups of requests, names in memory.
 */
#ifndef NEARBY_STORE_CONSENT_H
#define NEARBY_STORE_CONSENT_H

#include "store/lmdb.h"
#include "store/store.h"

/* STORE_FRIENDS_PUT and STORE_FRIENDS_DELETE. */
void consent_pairs_change(struct lmdb_txn *txn, uint32_t friends_max,
			  struct store_request *request);
/* STORE_ASK, STORE_END, STORE_BLOCK and STORE_UNBLOCK. */
void consent_act(struct lmdb_txn *txn, uint32_t friends_max, struct store_request *request);
/* STORE_FRIENDS_SYNC. */
void consent_sync(struct lmdb_txn *txn, uint32_t friends_max, struct store_request *request);
/* Ends all friendships and asks of a user, whoever they are with, and its blocks of others. Others' blocks of it
 * stay: by a token it may come back, and must not be rid of them by that. */
void consent_leave(struct lmdb_txn *txn, struct user_id user);

#endif
