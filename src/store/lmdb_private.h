/*
 * Owns: the only use of lmdb.h: what an environment is made of, for the files that make it up.
 * Invariant: see lmdb.h of this folder.
 * Thread: see lmdb.h of this folder.
 * Does not know: who uses the environment.
 */
#ifndef NEARBY_STORE_LMDB_PRIVATE_H
#define NEARBY_STORE_LMDB_PRIVATE_H

#include "store/lmdb.h"

#include <lmdb.h>
#include <pthread.h>

enum { LMDB_MAGIC = 0x6c6d6462 };

struct lmdb {
	uint32_t magic;
	struct lmdb_config config;
	char *path;
	MDB_env *env; /* NULL: could not be opened anew */
	pthread_rwlock_t gate;
	MDB_dbi tables[LMDB_TABLES_MAX];
};

/* The negative errno for what LMDB returned: its own numbers are negative, the system's positive. */
int lmdb_errno(int rc);

/* Opens the environment anew, with the gate held alone. Its memory of pages and errors is lost. */
void lmdb_reopen(struct lmdb *lmdb);

/* Writes the format number. Returns what LMDB does. */
int lmdb_format_write(MDB_txn *txn, MDB_dbi root, uint64_t format);

#endif
