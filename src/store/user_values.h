/*
 * Owns: reading all that a table of users.mdb has of one user.
 * Invariant: see users.h.
 * Thread: a transaction's.
 * Does not know: what the values mean.
 */
#ifndef NEARBY_STORE_USER_VALUES_H
#define NEARBY_STORE_USER_VALUES_H

#include "base/id.h"
#include "store/lmdb.h"

#include <stddef.h>

/* Fills one item of a list from a value. False: it is broken. */
typedef bool user_value_decode(struct bytes value, void *item);

/*
 * The values of the user in the order of the table, each made an item of this many bytes. The list is the
 * caller's to free, NULL when there are none. A broken value fails the transaction.
 */
void *user_values_read(struct lmdb_txn *txn, uint32_t table, struct user_id user,
		       user_value_decode *decode, size_t item_bytes, uint32_t *count);

#endif
