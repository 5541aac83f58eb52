/*
 * Owns: walking users.mdb and telling the first thing in it that breaks the invariant.
 * Invariant: see users.h.
 * Thread: the caller's, of a process that does not have the store open.
 * Does not know: how rows come to be.
 */
#include "store/users.h"

#include "base/check.h"
#include "store/bars.h"
#include "store/exception_row.h"
#include "store/profile_row.h"
#include "store/reason.h"
#include "store/relation.h"
#include "store/user_tables.h"

#include <errno.h>
#include <string.h>

/* What is wrong with a row, or NULL. */
typedef const char *row_fault(struct lmdb_txn *txn, struct bytes key, struct bytes value);

static bool is_same(struct sharing a, struct sharing b)
{
	return a.mode == b.mode && a.until_ms == b.until_ms;
}

/* ---- profiles --------------------------------------------------------------------------------- */

static const char *profile_fault(struct lmdb_txn *txn, struct bytes key, struct bytes value)
{
	struct profile_row row;
	struct sharing lapse = { .until_ms = 0 };
	if (!profile_row_decode(value, &row) || id_of(key).value > USER_ID_MAX)
		return "has a broken profile";
	bool lapses = exception_row_find(txn, USERS_TABLE_LAPSES, id_of(key), EXCEPTION_EVERYBODY,
					 &lapse);
	if (lapses != (row.sharing.until_ms != 0) || (lapses && !is_same(lapse, row.sharing)))
		return "shows everybody something until another time than is kept for it";
	return NULL;
}

/* ---- relations -------------------------------------------------------------------------------- */

static const char *friend_fault(struct lmdb_txn *txn, struct bytes key, struct bytes value)
{
	struct user_id user = id_of(key), friend = id_of(value);
	if (user_id_equal(user, friend))
		return "is their own friend";
	if (!profile_row_exists(txn, user))
		return "has friends and no profile";
	if (!relation_has(txn, &relation_friends, friend, user))
		return "has a friend who does not have them";
	return NULL;
}

static const struct relation relation_asked_by = { USERS_TABLE_ASKING, USERS_TABLE_ASKED };
static const struct relation relation_blocked_by = { USERS_TABLE_BLOCKED_BY, USERS_TABLE_BLOCKED };

/* A relation that may not be beside this one, from the user to the other. */
struct conflict {
	const struct relation *relation;
	const char *fault;
};

/* What holds of the rows of a relation that has two sides. */
struct side {
	const struct relation *inverse;
	const char *alone; /* the inverse is not there */
	struct conflict conflicts[4];
	uint64_t limit;
	const char *over_limit;
};

static const struct side sides[USERS_TABLE_COUNT] = {
	[USERS_TABLE_ASKED] = {
		.inverse = &relation_asked_by,
		.alone = "asked somebody who does not know",
		.conflicts = { { &relation_asked_by, "asked somebody who asked them" },
			       { &relation_friends, "asked a friend" },
			       { &relation_blocks, "asked somebody across a block" },
			       { &relation_blocked_by, "asked somebody across a block" } },
		.limit = STORE_ASKS_MAX,
		.over_limit = "asked more than anybody may",
	},
	[USERS_TABLE_ASKING] = {
		.inverse = &relation_asks,
		.alone = "is asked by somebody who did not",
		.limit = STORE_ASKS_MAX,
		.over_limit = "is asked by more than may",
	},
	[USERS_TABLE_BLOCKED] = {
		.inverse = &relation_blocked_by,
		.alone = "blocked somebody of whom that is not known",
		.conflicts = { { &relation_friends, "blocked a friend" } },
		.limit = STORE_BLOCKS_MAX,
		.over_limit = "blocked more than anybody may",
	},
};

static const char *side_fault(struct lmdb_txn *txn, const struct side *side, struct bytes key,
			      struct bytes value)
{
	struct user_id user = id_of(key), other = id_of(value);
	if (!relation_has(txn, side->inverse, other, user))
		return side->alone;
	for (unsigned i = 0; i < ARRAY_COUNT(side->conflicts); i++)
		if (side->conflicts[i].relation != NULL &&
		    relation_has(txn, side->conflicts[i].relation, user, other))
			return side->conflicts[i].fault;
	if (relation_count(txn, side->inverse->inverse, user) > side->limit)
		return side->over_limit;
	if (user_id_equal(user, other))
		return "has something with themselves";
	if (!profile_row_exists(txn, user))
		return "has others and no profile";
	return NULL;
}

static const char *blocked_by_fault(struct lmdb_txn *txn, struct bytes key, struct bytes value)
{
	struct user_id user = id_of(key), other = id_of(value);
	/* Also when it has left. */
	return relation_has(txn, &relation_blocks, other, user)
		       ? NULL
		       : "is blocked by somebody who did not";
}

/* ---- sharing ---------------------------------------------------------------------------------- */

static const char *shown_fault(struct lmdb_txn *txn, struct bytes key, struct bytes value)
{
	struct user_id user = id_of(key);
	struct sharing_exception row;
	struct sharing other = { .until_ms = 0 };
	if (!exception_row_decode(value, &row))
		return "has a broken exception";
	if (!relation_has(txn, &relation_friends, user, row.user))
		return "has an exception for somebody who is no friend";
	if (!exception_row_find(txn, USERS_TABLE_SEEN, row.user, user, &other) ||
	    !is_same(other, row.sharing))
		return "has an exception that is not found from the other side";
	bool lapses = exception_row_find(txn, USERS_TABLE_LAPSES, user, row.user, &other);
	if (lapses != (row.sharing.until_ms != 0) || (lapses && !is_same(other, row.sharing)))
		return "has an exception until another time than is kept for it";
	if (relation_count(txn, USERS_TABLE_SHOWN, user) > SHARING_EXCEPTIONS_MAX)
		return "has more exceptions than anybody may";
	return NULL;
}

static const char *seen_fault(struct lmdb_txn *txn, struct bytes key, struct bytes value)
{
	struct sharing_exception row;
	struct sharing other;
	if (!exception_row_decode(value, &row) ||
	    !exception_row_get(txn, row.user, id_of(key), &other) || !is_same(other, row.sharing))
		return "sees by an exception that nobody made";
	return NULL;
}

static const char *lapse_fault(struct lmdb_txn *txn, struct bytes key, struct bytes value)
{
	struct user_id user = id_of(key);
	struct sharing_exception row;
	struct profile_row profile;
	struct sharing other = { .until_ms = 0 };
	if (!exception_row_decode(value, &row) || row.sharing.until_ms == 0)
		return "has a broken lapse";
	if (!user_id_equal(row.user, EXCEPTION_EVERYBODY))
		return exception_row_get(txn, user, row.user, &other) && is_same(other, row.sharing)
			       ? NULL
			       : "has a lapse of an exception that is not there";
	return profile_row_get(txn, user, &profile) && is_same(profile.sharing, row.sharing)
		       ? NULL
		       : "has a lapse of what everybody is shown for ever";
}

/* ---- the rest --------------------------------------------------------------------------------- */

static const char *bar_fault(struct lmdb_txn *txn, struct bytes key, struct bytes value)
{
	int64_t not_before_s;
	(void)txn;
	return bars_decode(value, &not_before_s) && id_of(key).value <= USER_ID_MAX
		       ? NULL
		       : "has a broken bar";
}

/* Of the tables that are none of `sides`. */
static row_fault *const faults[USERS_TABLE_COUNT] = {
	[USERS_TABLE_PROFILES] = profile_fault,
	[USERS_TABLE_FRIENDS] = friend_fault,
	[USERS_TABLE_BLOCKED_BY] = blocked_by_fault,
	[USERS_TABLE_SHOWN] = shown_fault,
	[USERS_TABLE_SEEN] = seen_fault,
	[USERS_TABLE_LAPSES] = lapse_fault,
	[USERS_TABLE_BARS] = bar_fault,
};

static const char *row_check(struct lmdb_txn *txn, uint32_t table, struct bytes key,
			     struct bytes value)
{
	if (sides[table].inverse != NULL)
		return side_fault(txn, &sides[table], key, value);
	return faults[table] == NULL ? NULL : faults[table](txn, key, value);
}

static int table_check(struct lmdb_txn *txn, uint32_t table, const char **reason)
{
	struct lmdb_cursor cursor;
	const char *fault = NULL;
	lmdb_cursor_open(&cursor, txn, table);
	for (bool more = lmdb_first(&cursor); more && fault == NULL; more = lmdb_next(&cursor)) {
		fault = row_check(txn, table, cursor.key, cursor.value);
		if (fault != NULL)
			*reason = reason_format("users.mdb: user %llu %s",
						(unsigned long long)id_of(cursor.key).value, fault);
	}
	lmdb_cursor_close(&cursor);
	return fault == NULL ? 0 : -EBADMSG;
}

static int tables_check(struct lmdb_txn *txn, const char **reason)
{
	uint8_t secret[USERS_SECRET_BYTES];
	int error = 0;
	for (uint32_t i = 0; i < USERS_TABLE_COUNT && error == 0; i++)
		error = table_check(txn, i, reason);
	if (error == 0 && !users_secret_read(txn, secret)) {
		*reason = reason_format("users.mdb has no secret");
		error = -EBADMSG;
	}
	if (txn->error != 0) {
		error = txn->error;
		*reason = reason_format("users.mdb cannot be read: %s", strerror(-error));
	}
	return error;
}

int users_check(const char *data_dir, const char **reason)
{
	struct lmdb *lmdb;
	int error = users_database_open(&lmdb, data_dir, 0, LMDB_LOOK, reason);
	if (error != 0)
		return error;
	struct lmdb_txn txn;
	lmdb_begin_read(lmdb, &txn);
	error = tables_check(&txn, reason);
	lmdb_abort(&txn);
	lmdb_close(&lmdb);
	return error;
}
