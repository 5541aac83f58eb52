/*
 * Owns: the environment: its file, its format, copies of it.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/lmdb_private.h"

#include "base/check.h"
#include "store/reason.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0600 };

/* Where the format number stands. */
static const char meta_name[] = "format";

int lmdb_errno(int rc)
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

int lmdb_format_write(MDB_txn *txn, MDB_dbi root, uint64_t format)
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
		return lmdb_format_write(txn, root, config->format);
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
	return *begins ? lmdb_format_write(txn, root, config->format)
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
	return lmdb_errno(rc);
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

void lmdb_reopen(struct lmdb *lmdb)
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
	int error = lmdb->env == NULL ? -EIO : lmdb_errno(mdb_env_copy(lmdb->env, path));
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
	int error = lmdb->env == NULL ? -EIO : lmdb_errno(mdb_env_sync(lmdb->env, 1));
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
