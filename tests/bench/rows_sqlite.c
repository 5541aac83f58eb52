/*
 * Owns: rows in SQLite; the only use of sqlite3.h.
 * Invariant: see rows.h.
 * Thread: one.
 * Does not know: LMDB.
 */
#include "rows.h"

#include "config.h"

#include <stdio.h>

#ifdef HAVE_SQLITE

#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>

/* A log that is synced at each commit; as much memory as a machine of its own would give it. */
static const char setup_sql[] =
	"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-1000000;"
	"PRAGMA mmap_size=17179869184;"
	"CREATE TABLE locations(user INTEGER, ts INTEGER, lat INTEGER, lon INTEGER,"
	" PRIMARY KEY(user, ts)) WITHOUT ROWID";

struct rows {
	sqlite3 *db;
	sqlite3_stmt *insert;
	char path[4096];
};

static void must(struct rows *rows, int rc)
{
	if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW)
		return;
	fprintf(stderr, "SQLite: %s\n", sqlite3_errmsg(rows->db));
	exit(1);
}

static void *rows_open(const char *directory)
{
	struct rows *rows = calloc(1, sizeof(*rows));
	if (rows == NULL)
		return NULL;
	snprintf(rows->path, sizeof(rows->path), "%s/rows.sqlite", directory);
	must(rows, sqlite3_open(rows->path, &rows->db));
	must(rows, sqlite3_exec(rows->db, setup_sql, NULL, NULL, NULL));
	must(rows, sqlite3_prepare_v2(rows->db, "INSERT OR REPLACE INTO locations VALUES(?,?,?,?)",
				      -1, &rows->insert, NULL));
	return rows;
}

static void rows_put(void *memory, const struct store_point *points, uint32_t count)
{
	struct rows *rows = memory;
	must(rows, sqlite3_exec(rows->db, "BEGIN", NULL, NULL, NULL));
	for (uint32_t i = 0; i < count; i++) {
		sqlite3_bind_int64(rows->insert, 1, (sqlite3_int64)points[i].user.value);
		sqlite3_bind_int64(rows->insert, 2, points[i].ts_ms);
		sqlite3_bind_int(rows->insert, 3, points[i].place.lat_e7);
		sqlite3_bind_int(rows->insert, 4, points[i].place.lon_e7);
		must(rows, sqlite3_step(rows->insert));
		must(rows, sqlite3_reset(rows->insert));
	}
	must(rows, sqlite3_exec(rows->db, "COMMIT", NULL, NULL, NULL));
}

static uint64_t rows_count(void *memory)
{
	struct rows *rows = memory;
	sqlite3_stmt *count;
	must(rows,
	     sqlite3_prepare_v2(rows->db, "SELECT count(*) FROM locations", -1, &count, NULL));
	must(rows, sqlite3_step(count));
	uint64_t value = (uint64_t)sqlite3_column_int64(count, 0);
	sqlite3_finalize(count);
	return value;
}

static uint64_t rows_close(void *memory)
{
	struct rows *rows = memory;
	struct stat file = { .st_size = 0 };
	sqlite3_finalize(rows->insert);
	must(rows, sqlite3_close(rows->db)); /* the log goes into the file */
	stat(rows->path, &file);
	free(rows);
	return (uint64_t)file.st_size;
}

static const char *rows_version(void)
{
	return sqlite3_libversion();
}

#else

static void *rows_open(const char *directory)
{
	(void)directory;
	fprintf(stderr, "SQLite: skipped, built without it (Debian: libsqlite3-dev)\n");
	return NULL;
}

static const char *rows_version(void)
{
	return "not there";
}

/* Never called, as nothing opens. */
#define rows_put NULL
#define rows_count NULL
#define rows_close NULL

#endif

const struct rows_kind rows_sqlite = { "SQLite", rows_version, rows_open,
				       rows_put, rows_count,   rows_close };
