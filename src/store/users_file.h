/*
 * Owns: making and opening users.mdb, and the secret in it.
 * Invariant: a file of this format has a secret; one of format 1 becomes one of this when it is opened.
 * Thread: the one that opens; a transaction's.
 * Does not know: what requests do to the tables.
 */
#ifndef NEARBY_STORE_USERS_FILE_H
#define NEARBY_STORE_USERS_FILE_H

#include "store/lmdb.h"

enum { USERS_SECRET_BYTES = 16 };

/* 0, or negative errno with *reason. For users.c, and for who makes a whole file at once. */
int users_database_open(struct lmdb **lmdb, const char *data_dir, uint64_t map_bytes,
			enum lmdb_access access, const char **reason);

/* False: there is none, or the transaction has failed. */
bool users_secret_read(struct lmdb_txn *txn, uint8_t secret[USERS_SECRET_BYTES]);

#endif
