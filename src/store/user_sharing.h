/*
 * Owns: what users show of where they are: changing it, telling it, and when it ends by itself.
 * Invariant: an exception is for a friend; a user has SHARING_EXCEPTIONS_MAX at most, and none that
 *   counts once what everybody sees is OFF, said or lapsed, and it was not said after that.
 * Thread: the users thread.
 * Does not know: who must hear of a change.
 */
#ifndef NEARBY_STORE_USER_SHARING_H
#define NEARBY_STORE_USER_SHARING_H

#include "store/name_cache.h"
#include "store/profile_row.h"

/* Fills in sharing and exceptions of the request, whose user has this row. */
void user_sharing_read(struct lmdb_txn *txn, struct store_request *request,
		       const struct profile_row *row);
/* Fills in what the friends of the answer show its user, who has a row. */
void user_sharing_complete(struct lmdb_txn *txn, struct store_request *request);
/* STORE_SHARING_PUT. */
void user_sharing_put(struct lmdb_txn *txn, struct name_cache *names,
		      struct store_request *request);

/* STORE_SHARING_LAPSE. */
void user_sharing_lapse(struct lmdb_txn *txn, struct name_cache *names,
			struct store_request *request);

/* STORE_LAPSES: the next portion. */
void user_sharing_lapses(struct lmdb_txn *txn, struct store_request *request);

#endif
