/*
 * Owns: rows in LMDB, as one would write it first.
 * Invariant: see rows.h.
 * Thread: one.
 * Does not know: SQLite.
 */
#include "rows.h"

#include "store/lmdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers in keys sort as bytes. */
struct row_key {
	uint64_t user_be;
	uint64_t ts_be;
};

static const struct lmdb_table table = { .name = "locations" };

static void *rows_open(const char *directory)
{
	char path[4096];
	struct lmdb *lmdb;
	const char *reason = "";
	snprintf(path, sizeof(path), "%s/rows.mdb", directory);
	struct lmdb_config config = { .path = path,
				      .format = 1,
				      .tables = &table,
				      .table_count = 1,
				      .map_bytes = (uint64_t)1 << 36 };
	if (lmdb_open(&lmdb, &config, &reason) == 0)
		return lmdb;
	fprintf(stderr, "%s\n", reason);
	return NULL;
}

static void rows_put(void *rows, const struct store_point *points, uint32_t count)
{
	struct lmdb_txn txn;
	lmdb_begin_write(rows, &txn);
	for (uint32_t i = 0; i < count; i++) {
		struct row_key key = { __builtin_bswap64(points[i].user.value),
				       __builtin_bswap64((uint64_t)points[i].ts_ms) };
		lmdb_put(&txn, 0, (struct bytes){ &key, sizeof(key) },
			 (struct bytes){ &points[i].place, sizeof(points[i].place) }, LMDB_REPLACE);
	}
	int error = lmdb_commit(&txn);
	if (error == 0)
		return;
	fprintf(stderr, "LMDB: %s\n", strerror(-error));
	exit(1);
}

static uint64_t rows_count(void *rows)
{
	struct lmdb_txn txn;
	lmdb_begin_read(rows, &txn);
	uint64_t count = lmdb_count(&txn, 0);
	lmdb_abort(&txn);
	return count;
}

static uint64_t rows_close(void *rows)
{
	struct lmdb *lmdb = rows;
	uint64_t bytes = lmdb_file_bytes(lmdb);
	lmdb_close(&lmdb);
	return bytes;
}

static const char *rows_version(void)
{
	return lmdb_version();
}

const struct rows_kind rows_lmdb = { "LMDB, a put each", rows_version, rows_open,
				     rows_put,		 rows_count,   rows_close };
