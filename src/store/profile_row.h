/*
 * Owns: the rows of the table of profiles: name, picture and what the user shows everybody.
 * Invariant: who is named in any other table (save the bars) has a row here.
 * Thread: a transaction's.
 * Does not know: requests, friendships.
 *
 * u64 user -> u8 bytes of name (and 0x80 when a sharing follows), u16 bytes of picture, [u8 mode, i64
 * until], name, picture. No sharing: precise, for ever.
 */
#ifndef NEARBY_STORE_PROFILE_ROW_H
#define NEARBY_STORE_PROFILE_ROW_H

#include "store/lmdb.h"
#include "store/store.h"

struct profile_row {
	struct store_profile profile;
	struct sharing sharing; /* as it was said, lapsed or not */
};

/* What somebody has who never said anything. */
extern const struct profile_row profile_row_empty;

/* False: broken. */
bool profile_row_decode(struct bytes value, struct profile_row *row);
/* False: unknown, or the transaction has failed. */
bool profile_row_get(struct lmdb_txn *txn, struct user_id user, struct profile_row *row);
/* False when there is one already (LMDB_ADD), or the transaction has failed. */
bool profile_row_put(struct lmdb_txn *txn, struct user_id user, const struct profile_row *row,
		     enum lmdb_put how);
bool profile_row_exists(struct lmdb_txn *txn, struct user_id user);
/* Adds an empty row when there is none; whether it did. */
bool profile_row_make(struct lmdb_txn *txn, struct user_id user);

#endif
