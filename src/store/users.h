/*
 * Owns: users.mdb: profiles and friendships.
 * Invariant: b is a friend of a exactly when a is one of b, both are known users, nobody is their
 *   own friend and nobody has more than friends_max; a change is on disk when it is answered.
 * Thread: the users thread; copying also on another.
 * Does not know: rings, clients, history.
 *
 * Format 1, an LMDB file with two tables, numbers in the byte order of the host (as LMDB's own):
 *   "profiles"  u64 user -> u8 bytes of name, u16 bytes of picture, name, picture (UTF-8, no NUL)
 *   "friends"   u64 user -> u64 friend, many, sorted
 */
#ifndef NEARBY_STORE_USERS_H
#define NEARBY_STORE_USERS_H

#include "store/lmdb.h"
#include "store/store.h"

struct users;

struct users_config {
	const char *data_dir;
	uint64_t map_bytes;
	uint32_t friends_max;
	uint64_t names_max; /* that are kept in memory */
};

/* 0, or negative errno with *reason. */
int users_open(struct users **users, const struct users_config *config, const char **reason);
void users_close(struct users **users);

/*
 * Answers all of them: fills in status and answer. What only reads is answered from a snapshot
 * unless the same client asked for a change before it in the list; the rest goes, in order, into
 * one synced transaction, so that it holds for all of these or for none. Returns whether a
 * transaction was synced.
 */
bool users_execute(struct users *users, struct store_request *const *requests, uint32_t count);

/* Copies the running database to a new file. */
int users_copy(struct users *users, const char *path);

/* Walks a database of another (or no) process and checks the invariant, save for friends_max. */
int users_check(const char *data_dir, const char **reason);

/* For users.c, and for who makes a whole file at once. */
enum { USERS_TABLE_PROFILES, USERS_TABLE_FRIENDS, USERS_TABLE_COUNT };
int users_database_open(struct lmdb **lmdb, const char *data_dir, uint64_t map_bytes,
			enum lmdb_access access, const char **reason);
/* False when there is one already (LMDB_ADD), or the transaction has failed. */
bool users_profile_put(struct lmdb_txn *txn, struct user_id user,
		       const struct store_profile *profile, enum lmdb_put how);

#endif
