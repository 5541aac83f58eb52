/*
 * Owns: making and opening users.mdb, and the secret in it.
 * Invariant: a file of this format has a secret.
 * Thread: the one that opens; a transaction's.
 * Does not know: what requests do to the tables.
 */
#include "store/users_file.h"

#include "store/reason.h"
#include "store/user_tables.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>

enum { USERS_FORMAT = 2, USERS_FORMAT_FROM = 1 };

static const struct lmdb_table tables[USERS_TABLE_COUNT] = {
	[USERS_TABLE_PROFILES] = { .name = "profiles", .integer_keys = true },
	[USERS_TABLE_FRIENDS] = { .name = "friends", .integer_keys = true, .integer_dups = true },
	[USERS_TABLE_ASKED] = { .name = "asked", .integer_keys = true, .integer_dups = true },
	[USERS_TABLE_ASKING] = { .name = "asking", .integer_keys = true, .integer_dups = true },
	[USERS_TABLE_BLOCKED] = { .name = "blocked", .integer_keys = true, .integer_dups = true },
	[USERS_TABLE_BLOCKED_BY] = { .name = "blocked_by",
				     .integer_keys = true,
				     .integer_dups = true },
	[USERS_TABLE_SHOWN] = { .name = "shown", .integer_keys = true, .fixed_dups = true },
	[USERS_TABLE_SEEN] = { .name = "seen", .integer_keys = true, .fixed_dups = true },
	[USERS_TABLE_LAPSES] = { .name = "lapses", .integer_keys = true, .fixed_dups = true },
	[USERS_TABLE_BARS] = { .name = "bars", .integer_keys = true },
	[USERS_TABLE_META] = { .name = "meta" },
};

static const struct bytes secret_key = { "secret", 6 };

/* What format 1 did not have: all else of it reads the same. */
static void secret_make(struct lmdb_txn *txn)
{
	uint8_t secret[USERS_SECRET_BYTES];
	if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		lmdb_fail(txn, -EIO);
	lmdb_put(txn, USERS_TABLE_META, secret_key, (struct bytes){ secret, sizeof(secret) },
		 LMDB_REPLACE);
}

bool users_secret_read(struct lmdb_txn *txn, uint8_t secret[USERS_SECRET_BYTES])
{
	struct bytes value;
	if (!lmdb_get(txn, USERS_TABLE_META, secret_key, &value) ||
	    value.length != USERS_SECRET_BYTES)
		return false;
	memcpy(secret, value.at, USERS_SECRET_BYTES);
	return true;
}

int users_database_open(struct lmdb **lmdb, const char *data_dir, uint64_t map_bytes,
			enum lmdb_access access, const char **reason)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/users.mdb", data_dir) >= (int)sizeof(path)) {
		*reason = reason_format("the path of the data directory is too long");
		return -ENAMETOOLONG;
	}
	struct lmdb_config config = {
		.path = path,
		.format = USERS_FORMAT,
		.format_from = USERS_FORMAT_FROM,
		.begin = secret_make,
		.tables = tables,
		.table_count = USERS_TABLE_COUNT,
		.map_bytes = map_bytes,
		.access = access,
	};
	return lmdb_open(lmdb, &config, reason);
}
