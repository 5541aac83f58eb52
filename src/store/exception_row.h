/*
 * Owns: the rows of who shows what to whom beside what everybody sees, and of what lapses.
 * Invariant: an exception is written from both sides, and among the lapses exactly when it has an end.
 * Thread: a transaction's.
 * Does not know: friendship, what is shown everybody, what time it is.
 *
 * Values of these tables: u64 other, most significant byte first; u64 mode, i64 until as the host has
 * them.
 */
#ifndef NEARBY_STORE_EXCEPTION_ROW_H
#define NEARBY_STORE_EXCEPTION_ROW_H

#include "base/sharing.h"
#include "store/lmdb.h"

/* In the lapses, where others have a viewer: what everybody sees. No user has this id. */
#define EXCEPTION_EVERYBODY ((struct user_id){ UINT64_MAX })

/* False: broken. */
bool exception_row_decode(struct bytes value, struct sharing_exception *exception);

/* What the sharer shows the viewer; false: nothing special. */
bool exception_row_get(struct lmdb_txn *txn, struct user_id sharer, struct user_id viewer,
		       struct sharing *sharing);
/* Adds one, or takes the place of the one before. */
void exception_row_put(struct lmdb_txn *txn, struct user_id sharer, struct user_id viewer,
		       struct sharing sharing);
/* Does nothing when there is none. */
void exception_row_remove(struct lmdb_txn *txn, struct user_id sharer, struct user_id viewer);
/* Removes all in which the user has a part, and all its lapses. */
void exception_row_remove_all(struct lmdb_txn *txn, struct user_id user);
/* Keeps in the lapses when what everybody sees ends; not when it has no end. */
void exception_row_lapse(struct lmdb_txn *txn, struct user_id sharer, struct sharing sharing);

/* What one of the tables tells of this user, looked for as `other`; false: nothing. */
bool exception_row_find(struct lmdb_txn *txn, uint32_t table, struct user_id user,
			struct user_id other, struct sharing *sharing);
/*
 * The exceptions of a user in USERS_TABLE_SHOWN (by viewer) or USERS_TABLE_SEEN (by sharer), by id;
 * returns how many. *list is the caller's to free, NULL when there are none.
 */
uint32_t exception_row_list(struct lmdb_txn *txn, uint32_t table, struct user_id user,
			    struct sharing_exception **list);

#endif
