/*
 * Owns: transactions and cursors, and what one that failed for lack of room leaves to do.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/lmdb_private.h"

#include "base/check.h"

#include <errno.h>
#include <unistd.h>

static MDB_val val_of(struct bytes bytes)
{
	return (MDB_val){ bytes.length, (void *)bytes.at };
}

static struct bytes bytes_of(MDB_val val)
{
	return (struct bytes){ val.mv_data, val.mv_size };
}

static void keep_error(struct lmdb_txn *txn, int rc)
{
	if (txn->error != 0)
		return;
	txn->error = lmdb_errno(rc);
	txn->must_grow = rc == MDB_MAP_FULL;
	txn->must_reopen = rc == MDB_PANIC;
}

/* Whether it was found, or done. */
static bool judge(struct lmdb_txn *txn, int rc)
{
	if (rc != 0 && rc != MDB_NOTFOUND && rc != MDB_KEYEXIST)
		keep_error(txn, rc);
	return rc == 0;
}

void lmdb_fail(struct lmdb_txn *txn, int error)
{
	check(error < 0);
	if (txn->error == 0)
		txn->error = error;
}

static int grow(struct lmdb *lmdb)
{
	pthread_rwlock_wrlock(&lmdb->gate);
	MDB_envinfo info;
	int rc = mdb_env_info(lmdb->env, &info);
	if (rc == 0)
		rc = mdb_env_set_mapsize(lmdb->env, info.me_mapsize * 2);
	pthread_rwlock_unlock(&lmdb->gate);
	return lmdb_errno(rc);
}

/* A write of LMDB's own header that failed makes it refuse for ever; a new start reads it anew. */
static void reopen(struct lmdb *lmdb)
{
	pthread_rwlock_wrlock(&lmdb->gate);
	lmdb_reopen(lmdb);
	pthread_rwlock_unlock(&lmdb->gate);
}

/* Inside the gate. */
static void txn_open(struct lmdb_txn *txn, unsigned flags)
{
	struct lmdb *lmdb = txn->lmdb;
	MDB_txn *handle = NULL;
	int rc = lmdb->env == NULL ? MDB_PANIC : mdb_txn_begin(lmdb->env, NULL, flags, &handle);
	txn->handle = handle;
	if (rc != 0)
		keep_error(txn, rc);
}

static void txn_begin(struct lmdb *lmdb, struct lmdb_txn *txn, unsigned flags)
{
	check_object(lmdb, LMDB_MAGIC);
	*txn = (struct lmdb_txn){ .lmdb = lmdb };
	pthread_rwlock_rdlock(&lmdb->gate);
	txn_open(txn, flags);
}

void lmdb_begin_read(struct lmdb *lmdb, struct lmdb_txn *txn)
{
	txn_begin(lmdb, txn, MDB_RDONLY);
}

void lmdb_begin_write(struct lmdb *lmdb, struct lmdb_txn *txn)
{
	txn_begin(lmdb, txn, 0);
}

/* What an end of a transaction has to do once the gate is free. */
static int txn_repair(struct lmdb_txn *txn)
{
	if (txn->must_reopen)
		reopen(txn->lmdb);
	if (!txn->must_grow)
		return txn->error;
	int error = grow(txn->lmdb);
	return error == 0 ? -EAGAIN : error;
}

/*
 * LMDB calls a write that was cut short an I/O error, and a full disk cuts writes short. So a page more is
 * tried: what lies behind the last page of the file means nothing to LMDB.
 */
static int error_of_commit(struct lmdb *lmdb, int rc)
{
	static const char page[4096];
	int fd;
	if (rc != EIO || mdb_env_get_fd(lmdb->env, &fd) != 0)
		return rc;
	off_t end = lseek(fd, 0, SEEK_END);
	ssize_t written = end < 0 ? -1 : pwrite(fd, page, sizeof(page), end);
	if (written < 0)
		return errno;
	return written < (ssize_t)sizeof(page) ? ENOSPC : rc;
}

int lmdb_commit(struct lmdb_txn *txn)
{
	MDB_txn *handle = txn->handle;
	if (txn->error != 0) {
		if (handle != NULL)
			mdb_txn_abort(handle);
	} else {
		int rc = mdb_txn_commit(handle);
		if (rc != 0)
			keep_error(txn, error_of_commit(txn->lmdb, rc));
	}
	pthread_rwlock_unlock(&txn->lmdb->gate);
	return txn_repair(txn);
}

void lmdb_abort(struct lmdb_txn *txn)
{
	if (txn->handle != NULL)
		mdb_txn_abort(txn->handle);
	pthread_rwlock_unlock(&txn->lmdb->gate);
	txn_repair(txn);
}

static MDB_dbi table_of(const struct lmdb_txn *txn, uint32_t table)
{
	check(table < txn->lmdb->config.table_count);
	return txn->lmdb->tables[table];
}

bool lmdb_get(struct lmdb_txn *txn, uint32_t table, struct bytes key, struct bytes *value)
{
	MDB_val k = val_of(key), v;
	if (txn->error != 0 || !judge(txn, mdb_get(txn->handle, table_of(txn, table), &k, &v)))
		return false;
	*value = bytes_of(v);
	return true;
}

bool lmdb_put(struct lmdb_txn *txn, uint32_t table, struct bytes key, struct bytes value,
	      enum lmdb_put how)
{
	static const unsigned flags[] = { 0, MDB_APPEND, MDB_NODUPDATA };
	MDB_val k = val_of(key), v = val_of(value);
	if (txn->error != 0)
		return false;
	int rc = mdb_put(txn->handle, table_of(txn, table), &k, &v, flags[how]);
	/* An appended key that is not the greatest: what is in the file contradicts itself. */
	if (rc == MDB_KEYEXIST && how == LMDB_APPEND)
		lmdb_fail(txn, -EIO);
	return judge(txn, rc);
}

bool lmdb_append_values(struct lmdb_txn *txn, uint32_t table, struct bytes key,
			const uint64_t *values, size_t count)
{
	MDB_cursor *handle;
	MDB_val k = val_of(key), list[] = { { sizeof(*values), (void *)values }, { count, NULL } };
	if (txn->error != 0 ||
	    !judge(txn, mdb_cursor_open(txn->handle, table_of(txn, table), &handle)))
		return false;
	int rc = mdb_cursor_put(handle, &k, list, MDB_APPEND | MDB_APPENDDUP | MDB_MULTIPLE);
	mdb_cursor_close(handle);
	if (rc == MDB_KEYEXIST)
		lmdb_fail(txn, -EIO);
	return judge(txn, rc);
}

bool lmdb_remove(struct lmdb_txn *txn, uint32_t table, struct bytes key, const struct bytes *value)
{
	MDB_val k = val_of(key), v;
	if (value != NULL)
		v = val_of(*value);
	return txn->error == 0 && judge(txn, mdb_del(txn->handle, table_of(txn, table), &k,
						     value == NULL ? NULL : &v));
}

uint64_t lmdb_count(struct lmdb_txn *txn, uint32_t table)
{
	MDB_stat stat;
	if (txn->error != 0 || !judge(txn, mdb_stat(txn->handle, table_of(txn, table), &stat)))
		return 0;
	return stat.ms_entries;
}

/* ---- cursor --------------------------------------------------------------------------------- */

void lmdb_cursor_open(struct lmdb_cursor *cursor, struct lmdb_txn *txn, uint32_t table)
{
	MDB_cursor *handle = NULL;
	*cursor = (struct lmdb_cursor){ .txn = txn };
	if (txn->error == 0)
		judge(txn, mdb_cursor_open(txn->handle, table_of(txn, table), &handle));
	cursor->handle = handle;
}

void lmdb_cursor_close(struct lmdb_cursor *cursor)
{
	if (cursor->handle != NULL)
		mdb_cursor_close(cursor->handle);
	cursor->handle = NULL;
}

static bool cursor_get(struct lmdb_cursor *cursor, MDB_val key, MDB_val value, MDB_cursor_op op)
{
	if (cursor->txn->error != 0 || cursor->handle == NULL ||
	    !judge(cursor->txn, mdb_cursor_get(cursor->handle, &key, &value, op)))
		return false;
	cursor->key = bytes_of(key);
	cursor->value = bytes_of(value);
	return true;
}

static const MDB_val nothing;

bool lmdb_first(struct lmdb_cursor *cursor)
{
	return cursor_get(cursor, nothing, nothing, MDB_FIRST);
}

bool lmdb_last(struct lmdb_cursor *cursor)
{
	return cursor_get(cursor, nothing, nothing, MDB_LAST);
}

bool lmdb_next(struct lmdb_cursor *cursor)
{
	return cursor_get(cursor, nothing, nothing, MDB_NEXT);
}

bool lmdb_prev(struct lmdb_cursor *cursor)
{
	return cursor_get(cursor, nothing, nothing, MDB_PREV);
}

bool lmdb_seek(struct lmdb_cursor *cursor, struct bytes key)
{
	return cursor_get(cursor, val_of(key), nothing, MDB_SET_KEY);
}

bool lmdb_seek_from(struct lmdb_cursor *cursor, struct bytes key)
{
	return cursor_get(cursor, val_of(key), nothing, MDB_SET_RANGE);
}

bool lmdb_seek_value(struct lmdb_cursor *cursor, struct bytes key, struct bytes value)
{
	return cursor_get(cursor, val_of(key), val_of(value), MDB_GET_BOTH);
}

bool lmdb_seek_value_from(struct lmdb_cursor *cursor, struct bytes key, struct bytes value)
{
	return cursor_get(cursor, val_of(key), val_of(value), MDB_GET_BOTH_RANGE);
}

bool lmdb_next_value(struct lmdb_cursor *cursor)
{
	return cursor_get(cursor, nothing, nothing, MDB_NEXT_DUP);
}

bool lmdb_values(struct lmdb_cursor *cursor)
{
	struct bytes key = cursor->key, value = cursor->value;
	bool found = cursor_get(cursor, nothing, nothing, MDB_GET_MULTIPLE);
	cursor->key = key;
	/* One value alone lies in no page of values, and is then left to us. */
	if (found && cursor->value.at == NULL)
		cursor->value = value;
	return found;
}

bool lmdb_more_values(struct lmdb_cursor *cursor)
{
	struct bytes key = cursor->key;
	bool found = cursor_get(cursor, nothing, nothing, MDB_NEXT_MULTIPLE);
	cursor->key = key;
	return found;
}

uint64_t lmdb_value_count(struct lmdb_cursor *cursor)
{
	size_t count = 0;
	if (cursor->txn->error != 0 ||
	    !judge(cursor->txn, mdb_cursor_count(cursor->handle, &count)))
		return 0;
	return count;
}

void lmdb_cursor_remove(struct lmdb_cursor *cursor)
{
	if (cursor->txn->error == 0)
		judge(cursor->txn, mdb_cursor_del(cursor->handle, 0));
}
