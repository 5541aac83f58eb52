/*
 * Owns: who stands in which relation to whom: friendships, asks, blocks.
 * Invariant: each is written from both sides, so that either finds the other.
 * Thread: a transaction's.
 * Does not know: which of them exclude each other (consent.h).
 */
#ifndef NEARBY_STORE_RELATION_H
#define NEARBY_STORE_RELATION_H

#include "base/id.h"
#include "store/lmdb.h"

/* From a to b in one table, from b to a in the other; friendship has one for both. */
struct relation {
	uint32_t table;
	uint32_t inverse;
};

extern const struct relation relation_friends; /* a and b are friends */
extern const struct relation relation_asks;    /* a has asked b to be friends */
extern const struct relation relation_blocks;  /* a has blocked b */

bool relation_has(struct lmdb_txn *txn, const struct relation *relation, struct user_id a,
		  struct user_id b);
/* Does nothing when it is there. */
void relation_put(struct lmdb_txn *txn, const struct relation *relation, struct user_id a,
		  struct user_id b);
/* Whether it was there. */
bool relation_remove(struct lmdb_txn *txn, const struct relation *relation, struct user_id a,
		     struct user_id b);
/* Removes all that start at the user; that start or end there. */
void relation_remove_from(struct lmdb_txn *txn, const struct relation *relation,
			  struct user_id user);
void relation_remove_all(struct lmdb_txn *txn, const struct relation *relation,
			 struct user_id user);

/* Users at the other end, in one of the tables. */
uint64_t relation_count(struct lmdb_txn *txn, uint32_t table, struct user_id user);
/* The same users, ascending; returns how many. *ids is the caller's to free, NULL when there are none. */
uint32_t relation_list(struct lmdb_txn *txn, uint32_t table, struct user_id user,
		       struct user_id **ids);

#endif
