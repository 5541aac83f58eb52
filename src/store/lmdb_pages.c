/*
 * Owns: looking at the pages of the file, and what has LMDB use them anew.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/lmdb_private.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

_Static_assert(MDB_VERSION_MAJOR == 0 && MDB_VERSION_MINOR == 9, "page.h describes the files of LMDB 0.9");

/* How long opening anew keeps new readers out while it waits for one to end. */
enum { RENEW_WAIT_MS = 50 };

/* Changes nothing, and is a transaction all the same. Inside the gate. */
static int commit_once(struct lmdb *lmdb, uint64_t *txn_id)
{
	MDB_txn *txn;
	MDB_dbi root;
	int rc = lmdb->env == NULL ? EIO : mdb_txn_begin(lmdb->env, NULL, 0, &txn);
	if (rc != 0)
		return rc;
	*txn_id = mdb_txn_id(txn);
	rc = mdb_dbi_open(txn, NULL, 0, &root);
	if (rc == 0)
		rc = lmdb_format_write(txn, root, lmdb->config.format);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

int lmdb_touch(struct lmdb *lmdb, uint64_t *txn_id)
{
	check_object(lmdb, LMDB_MAGIC);
	pthread_rwlock_rdlock(&lmdb->gate);
	int rc = commit_once(lmdb, txn_id);
	pthread_rwlock_unlock(&lmdb->gate);
	return lmdb_errno(rc);
}

int lmdb_renew(struct lmdb *lmdb, uint64_t *txn_id)
{
	check_object(lmdb, LMDB_MAGIC);
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += RENEW_WAIT_MS * 1000000l;
	until.tv_sec += until.tv_nsec / 1000000000l;
	until.tv_nsec %= 1000000000l;
	if (pthread_rwlock_timedwrlock(&lmdb->gate, &until) != 0)
		return -EBUSY;
	lmdb_reopen(lmdb);
	int rc = commit_once(lmdb, txn_id);
	pthread_rwlock_unlock(&lmdb->gate);
	return lmdb_errno(rc);
}

/* One line of mdb_reader_list: process, thread, and snapshot of a reader or "-". */
static int reader_note(const char *line, void *context)
{
	uint64_t *oldest = context;
	char text[32] = "";
	if (strstr(line, "txnid") != NULL || strstr(line, "no active readers") != NULL)
		return 0;
	sscanf(line, "%*s %*s %31s", text);
	if (strcmp(text, "-") == 0)
		return 0;
	/* What is not understood is no number, and then nothing is old enough. */
	uint64_t txn_id = strtoull(text, NULL, 10);
	if (txn_id < *oldest)
		*oldest = txn_id;
	return 0;
}

static int look_fill(struct lmdb_look *look, MDB_env *env)
{
	MDB_envinfo info;
	MDB_stat stat;
	struct stat file;
	int rc = mdb_env_info(env, &info);
	if (rc == 0)
		rc = mdb_env_stat(env, &stat);
	if (rc == 0)
		rc = mdb_env_get_fd(env, &look->fd);
	if (rc == 0 && fstat(look->fd, &file) != 0)
		rc = errno;
	if (rc != 0)
		return rc;
	look->page_bytes = stat.ms_psize;
	look->last_page = info.me_last_pgno;
	look->file_pages = (uint64_t)file.st_size / look->page_bytes;
	look->oldest = mdb_txn_id(look->write) - 1;
	rc = mdb_reader_list(env, reader_note, &look->oldest);
	return rc < 0 ? rc : 0;
}

int lmdb_look_open(struct lmdb *lmdb, struct lmdb_look *look)
{
	int dead;
	MDB_txn *write = NULL, *read = NULL;
	check_object(lmdb, LMDB_MAGIC);
	*look = (struct lmdb_look){ .lmdb = lmdb };
	pthread_rwlock_rdlock(&lmdb->gate);
	int rc = lmdb->env == NULL ? EIO : mdb_reader_check(lmdb->env, &dead);
	if (rc == 0)
		rc = mdb_txn_begin(lmdb->env, NULL, 0, &write);
	look->write = write;
	if (rc == 0)
		rc = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &read);
	look->read = read;
	return lmdb_errno(rc == 0 ? look_fill(look, lmdb->env) : rc);
}

void lmdb_look_close(struct lmdb_look *look)
{
	if (look->read != NULL)
		mdb_txn_abort(look->read);
	if (look->write != NULL)
		mdb_txn_abort(look->write);
	pthread_rwlock_unlock(&look->lmdb->gate);
}

int lmdb_look_states(const struct lmdb_look *look, uint64_t first, uint64_t count, uint8_t *states)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	for (uint64_t i = 0; i < count; i++)
		states[i] = first + i > look->last_page ? LMDB_PAGE_FREE : LMDB_PAGE_IN_USE;
	/* The table of free pages is LMDB's number 0, and may be read as any. */
	int rc = mdb_cursor_open(look->read, 0, &cursor);
	if (rc != 0)
		return lmdb_errno(rc);
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		/* A record: by whom they were freed; a count, and as many numbers. */
		const uint64_t *list = value.mv_data;
		uint64_t freed_by;
		memcpy(&freed_by, key.mv_data, sizeof(freed_by));
		for (uint64_t i = 1; i <= list[0]; i++)
			if (list[i] >= first && list[i] - first < count)
				states[list[i] - first] =
					freed_by < look->oldest ? LMDB_PAGE_FREE : LMDB_PAGE_IN_TRANSIT;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : lmdb_errno(rc);
}

/* ---- trees ---------------------------------------------------------------------------------- */

/* LMDB's number of the table of tables, which may be read as any; and what its cursors can stand in. */
enum { TABLE_OF_TABLES = 1, DEPTH_MAX = 32 };

/* A table's record there (mdb.c, MDB_db). */
struct record {
	uint32_t pad;
	uint16_t flags;
	uint16_t depth;
	uint64_t branch_pages, leaf_pages, overflow_pages;
	uint64_t entries;
	uint64_t root;
};

bool lmdb_tree(struct lmdb_txn *txn, uint32_t table, struct lmdb_tree *tree)
{
	MDB_stat stat;
	struct record record;
	check(table < txn->lmdb->config.table_count);
	const char *name = txn->lmdb->config.tables[table].name;
	MDB_val key = { strlen(name), (void *)name }, value;
	if (txn->error != 0 || mdb_get(txn->handle, TABLE_OF_TABLES, &key, &value) != 0 ||
	    value.mv_size != sizeof(record) || mdb_env_stat(txn->lmdb->env, &stat) != 0 ||
	    mdb_env_get_fd(txn->lmdb->env, &tree->fd) != 0)
		return false;
	memcpy(&record, value.mv_data, sizeof(record));
	tree->page_bytes = stat.ms_psize;
	tree->root = record.root;
	tree->depth = record.depth;
	return record.depth <= DEPTH_MAX;
}
