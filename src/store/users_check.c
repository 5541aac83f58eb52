/*
 * Owns: walking users.mdb and telling the first thing in it that breaks the invariant.
 * Invariant: see users.h.
 * Thread: the caller's, of a process that does not have the store open.
 * Does not know: how rows come to be.
 */
#include "store/users.h"

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

static const char *ends_fault(struct lmdb_txn *txn, struct user_id user, struct user_id other)
{
	if (user_id_equal(user, other))
		return "has something with themselves";
	if (!profile_row_exists(txn, user))
		return "has others and no profile";
	return NULL;
}

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

static bool has_inverse(struct lmdb_txn *txn, const struct relation *relation, struct user_id user,
			struct user_id other)
{
	const struct relation back = { relation->inverse, relation->table };
	return relation_has(txn, &back, other, user);
}

static const char *asked_fault(struct lmdb_txn *txn, struct bytes key, struct bytes value)
{
	struct user_id user = id_of(key), other = id_of(value);
	if (!has_inverse(txn, &relation_asks, user, other))
		return "asked somebody who does not know";
	if (relation_has(txn, &relation_asks, other, user))
		return "asked somebody who asked them";
	if (relation_has(txn, &relation_friends, user, other))
		return "asked a friend";
	if (relation_has(txn, &relation_blocks, user, other) ||
	    relation_has(txn, &relation_blocks, other, user))
		return "asked somebody across a block";
	if (relation_count(txn, USERS_TABLE_ASKED, user) > STORE_ASKS_MAX)
		return "asked more than anybody may";
	return ends_fault(txn, user, other);
}

static const char *asking_fault(struct lmdb_txn *txn, struct bytes key, struct bytes value)
{
	struct user_id user = id_of(key), other = id_of(value);
	if (!relation_has(txn, &relation_asks, other, user))
		return "is asked by somebody who did not";
	if (relation_count(txn, USERS_TABLE_ASKING, user) > STORE_ASKS_MAX)
		return "is asked by more than may";
	return ends_fault(txn, user, other);
}

static const char *blocked_fault(struct lmdb_txn *txn, struct bytes key, struct bytes value)
{
	struct user_id user = id_of(key), other = id_of(value);
	if (!has_inverse(txn, &relation_blocks, user, other))
		return "blocked somebody of whom that is not known";
	if (relation_has(txn, &relation_friends, user, other))
		return "blocked a friend";
	if (relation_count(txn, USERS_TABLE_BLOCKED, user) > STORE_BLOCKS_MAX)
		return "blocked more than anybody may";
	return ends_fault(txn, user, other);
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

static row_fault *const faults[USERS_TABLE_COUNT] = {
	[USERS_TABLE_PROFILES] = profile_fault, [USERS_TABLE_FRIENDS] = friend_fault,
	[USERS_TABLE_ASKED] = asked_fault,	[USERS_TABLE_ASKING] = asking_fault,
	[USERS_TABLE_BLOCKED] = blocked_fault,	[USERS_TABLE_BLOCKED_BY] = blocked_by_fault,
	[USERS_TABLE_SHOWN] = shown_fault,	[USERS_TABLE_SEEN] = seen_fault,
	[USERS_TABLE_LAPSES] = lapse_fault,	[USERS_TABLE_BARS] = bar_fault,
};

static int table_check(struct lmdb_txn *txn, uint32_t table, const char **reason)
{
	struct lmdb_cursor cursor;
	const char *fault = NULL;
	lmdb_cursor_open(&cursor, txn, table);
	for (bool more = lmdb_first(&cursor); more && fault == NULL; more = lmdb_next(&cursor)) {
		fault = faults[table](txn, cursor.key, cursor.value);
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
		if (faults[i] != NULL)
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
