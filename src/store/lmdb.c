/*
 * Owns: the only use of lmdb.h.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/lmdb.h"

#include "base/check.h"
#include "store/reason.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Static_assert(MDB_VERSION_MAJOR == 0 && MDB_VERSION_MINOR == 9, "page.h describes the files of LMDB 0.9");

enum { LMDB_MAGIC = 0x6c6d6462, FILE_MODE = 0600 };

/* Where the format number stands. */
static const char meta_name[] = "format";

struct lmdb {
	uint32_t magic;
	struct lmdb_config config;
	char *path;
	MDB_env *env;
	pthread_rwlock_t gate;
	MDB_dbi tables[LMDB_TABLES_MAX];
};

static MDB_val val_of(struct bytes bytes)
{
	return (MDB_val){ bytes.length, (void *)bytes.at };
}

static struct bytes bytes_of(MDB_val val)
{
	return (struct bytes){ val.mv_data, val.mv_size };
}

/* LMDB's own numbers are negative, the system's positive. */
static int errno_of(int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case MDB_MAP_FULL:
	case EFBIG:
	case EDQUOT:
		return -ENOSPC;
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
		return -EPROTO;
	default:
		return rc > 0 ? -rc : -EIO;
	}
}

static void keep_error(struct lmdb_txn *txn, int rc)
{
	if (txn->error != 0)
		return;
	txn->error = errno_of(rc);
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

/* ---- environment ---------------------------------------------------------------------------- */

/* So large that it is long until the map has to grow. */
static uint64_t map_bytes_of(const struct lmdb *lmdb)
{
	struct stat file;
	uint64_t bytes = lmdb->config.map_bytes;
	if (stat(lmdb->path, &file) == 0)
		while (bytes < 2 * (uint64_t)file.st_size)
			bytes *= 2;
	return bytes;
}

static int env_open(struct lmdb *lmdb)
{
	const struct lmdb_config *config = &lmdb->config;
	/* NOTLS: a read transaction is bound to its object and not to the thread, so none lingers in
	 * a thread that ends. NORDAHEAD: look-ups are scattered. */
	static const unsigned access_flags[] = {
		[LMDB_SERVE] = 0, [LMDB_LOOK] = MDB_RDONLY, [LMDB_FILL] = MDB_NOSYNC
	};
	unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD | access_flags[config->access];
	int dead = 0;
	int rc = mdb_env_create(&lmdb->env);
	if (rc != 0)
		return rc;
	rc = mdb_env_set_maxdbs(lmdb->env, LMDB_TABLES_MAX + 1);
	if (rc == 0 && config->access != LMDB_LOOK)
		rc = mdb_env_set_mapsize(lmdb->env, map_bytes_of(lmdb));
	if (rc == 0)
		rc = mdb_env_open(lmdb->env, lmdb->path, flags, FILE_MODE);
	if (rc == 0 && config->access != LMDB_LOOK)
		rc = mdb_reader_check(lmdb->env, &dead);
	if (rc != 0) {
		mdb_env_close(lmdb->env);
		lmdb->env = NULL;
	}
	return rc;
}

static int tables_open(struct lmdb *lmdb, MDB_txn *txn)
{
	int rc = 0;
	for (uint32_t i = 0; i < lmdb->config.table_count && rc == 0; i++) {
		const struct lmdb_table *table = &lmdb->config.tables[i];
		unsigned flags = lmdb->config.access == LMDB_LOOK ? 0 : MDB_CREATE;
		if (table->integer_keys)
			flags |= MDB_INTEGERKEY;
		if (table->integer_dups)
			flags |= MDB_DUPSORT | MDB_DUPFIXED | MDB_INTEGERDUP;
		if (table->fixed_dups)
			flags |= MDB_DUPSORT | MDB_DUPFIXED;
		rc = mdb_dbi_open(txn, table->name, flags, &lmdb->tables[i]);
	}
	return rc;
}

static int format_write(MDB_txn *txn, MDB_dbi root, uint64_t format)
{
	MDB_val key = { sizeof(meta_name) - 1, (void *)meta_name };
	MDB_val value = { sizeof(format), &format };
	return mdb_put(txn, root, &key, &value, 0);
}

static int format_refuse(const struct lmdb *lmdb, uint64_t format, bool is_older,
			 const char **reason)
{
	unsigned long long theirs = format, ours = lmdb->config.format;
	if (is_older)
		*reason = reason_format(
			"%s has format %llu, which becomes %llu when nearbyd starts with it",
			lmdb->path, theirs, ours);
	else
		*reason = reason_format(
			"%s has format %llu; this program reads and writes format %llu only",
			lmdb->path, theirs, ours);
	return MDB_VERSION_MISMATCH;
}

/* A new file gets its format, and so does an older one; that of others must be ours. */
static int format_agree(struct lmdb *lmdb, MDB_txn *txn, bool *begins, const char **reason)
{
	const struct lmdb_config *config = &lmdb->config;
	MDB_dbi root;
	MDB_stat stat;
	uint64_t format;
	MDB_val key = { sizeof(meta_name) - 1, (void *)meta_name }, value;
	int rc = mdb_dbi_open(txn, NULL, 0, &root);
	if (rc == 0)
		rc = mdb_stat(txn, root, &stat);
	if (rc != 0)
		return rc;
	*begins = stat.ms_entries == 0 && config->access != LMDB_LOOK;
	if (*begins)
		return format_write(txn, root, config->format);
	rc = mdb_get(txn, root, &key, &value);
	if (rc == MDB_NOTFOUND || (rc == 0 && value.mv_size != sizeof(format))) {
		*reason = reason_format("%s is an LMDB file, but not one of nearby's", lmdb->path);
		return MDB_VERSION_MISMATCH;
	}
	if (rc != 0)
		return rc;
	memcpy(&format, value.mv_data, sizeof(format));
	if (format == config->format)
		return 0;
	bool is_older =
		config->format_from > 0 && format >= config->format_from && format < config->format;
	*begins = is_older && config->access != LMDB_LOOK;
	return *begins ? format_write(txn, root, config->format)
		       : format_refuse(lmdb, format, is_older, reason);
}

static int contents_begin(struct lmdb *lmdb, MDB_txn *handle)
{
	struct lmdb_txn txn = { .lmdb = lmdb, .handle = handle };
	if (lmdb->config.begin != NULL)
		lmdb->config.begin(&txn);
	return -txn.error;
}

static int contents_open(struct lmdb *lmdb, const char **reason)
{
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(lmdb->env, NULL, lmdb->config.access == LMDB_LOOK ? MDB_RDONLY : 0,
			       &txn);
	if (rc != 0)
		return rc;
	bool begins = false;
	rc = format_agree(lmdb, txn, &begins, reason);
	if (rc == 0)
		rc = tables_open(lmdb, txn);
	if (rc == 0 && begins)
		rc = contents_begin(lmdb, txn);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static int gate_init(pthread_rwlock_t *gate)
{
	pthread_rwlockattr_t attributes;
	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	int error = pthread_rwlock_init(gate, &attributes);
	pthread_rwlockattr_destroy(&attributes);
	return error;
}

int lmdb_open(struct lmdb **lmdb, const struct lmdb_config *config, const char **reason)
{
	check(config->table_count <= LMDB_TABLES_MAX &&
	      (config->map_bytes > 0 || config->access == LMDB_LOOK));
	struct lmdb *fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->magic = LMDB_MAGIC;
	fresh->config = *config;
	fresh->path = strdup(config->path);
	int rc = fresh->path == NULL ? ENOMEM : gate_init(&fresh->gate);
	check(rc == 0 || rc == ENOMEM);
	*reason = NULL;
	if (rc == 0)
		rc = env_open(fresh);
	if (rc == 0)
		rc = contents_open(fresh, reason);
	if (rc != 0 && *reason == NULL)
		*reason = reason_format("%s: %s", config->path, mdb_strerror(rc));
	*lmdb = fresh;
	if (rc != 0)
		lmdb_close(lmdb);
	return errno_of(rc);
}

void lmdb_close(struct lmdb **lmdb)
{
	if (*lmdb == NULL)
		return;
	check_object(*lmdb, LMDB_MAGIC);
	if ((*lmdb)->env != NULL)
		mdb_env_close((*lmdb)->env);
	pthread_rwlock_destroy(&(*lmdb)->gate);
	free((*lmdb)->path);
	(*lmdb)->magic = 0;
	free(*lmdb);
	*lmdb = NULL;
}

const char *lmdb_version(void)
{
	return MDB_VERSION_STRING;
}

static int grow(struct lmdb *lmdb)
{
	pthread_rwlock_wrlock(&lmdb->gate);
	MDB_envinfo info;
	int rc = mdb_env_info(lmdb->env, &info);
	if (rc == 0)
		rc = mdb_env_set_mapsize(lmdb->env, info.me_mapsize * 2);
	pthread_rwlock_unlock(&lmdb->gate);
	return errno_of(rc);
}

/* With the gate held alone. */
static void reopen_alone(struct lmdb *lmdb)
{
	const char *reason;
	if (lmdb->env != NULL)
		mdb_env_close(lmdb->env);
	lmdb->env = NULL;
	if (env_open(lmdb) == 0 && contents_open(lmdb, &reason) != 0) {
		mdb_env_close(lmdb->env);
		lmdb->env = NULL;
	}
}

/* A write of LMDB's own header that failed makes it refuse for ever; a new start reads it anew. */
static void reopen(struct lmdb *lmdb)
{
	pthread_rwlock_wrlock(&lmdb->gate);
	reopen_alone(lmdb);
	pthread_rwlock_unlock(&lmdb->gate);
}

static int file_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return error;
}

int lmdb_copy(struct lmdb *lmdb, const char *path)
{
	check_object(lmdb, LMDB_MAGIC);
	if (access(path, F_OK) == 0)
		return -EEXIST;
	pthread_rwlock_rdlock(&lmdb->gate);
	int error = lmdb->env == NULL ? -EIO : errno_of(mdb_env_copy(lmdb->env, path));
	pthread_rwlock_unlock(&lmdb->gate);
	if (error == 0)
		error = file_sync(path);
	if (error != 0)
		unlink(path);
	return error;
}

int lmdb_sync(struct lmdb *lmdb)
{
	pthread_rwlock_rdlock(&lmdb->gate);
	int error = lmdb->env == NULL ? -EIO : errno_of(mdb_env_sync(lmdb->env, 1));
	pthread_rwlock_unlock(&lmdb->gate);
	return error;
}

uint64_t lmdb_file_bytes(struct lmdb *lmdb)
{
	MDB_envinfo info;
	MDB_stat stat;
	pthread_rwlock_rdlock(&lmdb->gate);
	uint64_t bytes = 0;
	if (lmdb->env != NULL && mdb_env_info(lmdb->env, &info) == 0 &&
	    mdb_env_stat(lmdb->env, &stat) == 0)
		bytes = (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize;
	pthread_rwlock_unlock(&lmdb->gate);
	return bytes;
}

/* ---- transaction ---------------------------------------------------------------------------- */

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

void lmdb_begin_beside(const struct lmdb_txn *holder, struct lmdb_txn *txn)
{
	/* Not through the gate: who waits to grow would keep it out, and waits for the holder. */
	*txn = (struct lmdb_txn){ .lmdb = holder->lmdb, .is_beside = true };
	txn_open(txn, MDB_RDONLY);
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
	if (txn->is_beside)
		return;
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

/* ---- pages ---------------------------------------------------------------------------------- */

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
		rc = format_write(txn, root, lmdb->config.format);
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
	return errno_of(rc);
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
	reopen_alone(lmdb);
	int rc = commit_once(lmdb, txn_id);
	pthread_rwlock_unlock(&lmdb->gate);
	return errno_of(rc);
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
	return errno_of(rc == 0 ? look_fill(look, lmdb->env) : rc);
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
		return errno_of(rc);
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
	return rc == MDB_NOTFOUND ? 0 : errno_of(rc);
}
