/*
 * Owns: users.mdb: profiles, friendships, and what users consent to.
 * Invariant: everything that two users have is written from both sides, both are known users and
 *   nobody has it with themselves; of two at most one holds: friends, one asked the other, one or
 *   each blocked the other (consent.h); exceptions of sharing are for friends; nobody has more than
 *   friends_max, STORE_ASKS_MAX, STORE_BLOCKS_MAX, SHARING_EXCEPTIONS_MAX; a change is on disk when
 *   it is answered.
 * Thread: the users thread; copying also on another.
 * Does not know: rings, clients, history.
 *
 * Format 2, an LMDB file of these tables, numbers in the byte order of the host (as LMDB's own) where
 * nothing else is said; "many" are values of one key, sorted:
 *   "profiles"   u64 user -> what profile_row.h says
 *   "friends"    u64 user -> u64 friend, many
 *   "asked"      u64 who asked -> u64 who is to answer, many; "asking" the other way round
 *   "blocked"    u64 who blocked -> u64 whom, many; "blocked_by" the other way round
 *   "shown"      u64 sharer -> u64 viewer and what only they are shown (exception_row.h), many
 *   "seen"       u64 viewer -> u64 sharer and the same, many
 *   "lapses"     u64 sharer -> of the rows of "shown" those that end, and with 2^64-1 for the viewer
 *                what everybody is shown, when that ends
 *   "bars"       u64 user, known or not -> i64 seconds since 1970: tokens from before are refused.
 *                Stays when the user is deleted, or a token from before would make them anew
 *   "meta"       "secret" -> 16 random bytes, made with the file
 * Format 1 had the first two only, and reads the same; it becomes 2 when the daemon opens it.
 */
#ifndef NEARBY_STORE_USERS_H
#define NEARBY_STORE_USERS_H

#include "store/lmdb.h"
#include "store/store.h"
#include "store/users_file.h"

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

void users_secret(const struct users *users, uint8_t secret[USERS_SECRET_BYTES]);

/* For the users thread's scrubs. */
struct lmdb *users_lmdb(struct users *users);
/* Copies the running database to a new file. */
int users_copy(struct users *users, const char *path);

/* Walks a database of another (or no) process and checks the invariant, save for friends_max. */
int users_check(const char *data_dir, const char **reason);

/* A profile of somebody who shows all friends where they are, for who makes a whole file at once. False
 * when there is one already (LMDB_ADD), or the transaction has failed. */
bool users_profile_put(struct lmdb_txn *txn, struct user_id user,
		       const struct store_profile *profile, enum lmdb_put how);

#endif
