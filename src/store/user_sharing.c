/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/user_sharing.h"

#include "base/check.h"
#include "store/exception_row.h"
#include "store/relation.h"
#include "store/user_tables.h"

#include <errno.h>
#include <stdlib.h>

static const struct sharing off = { .mode = SHARING_OFF };

static bool is_over(const struct sharing *sharing, int64_t now_ms)
{
	return sharing->until_ms != 0 && now_ms >= sharing->until_ms;
}

/* What is left of it at this time. */
static struct sharing held(struct sharing sharing, int64_t now_ms)
{
	return is_over(&sharing, now_ms) ? off : sharing;
}

/* ---- telling ---------------------------------------------------------------------------------- */

void user_sharing_read(struct lmdb_txn *txn, struct store_request *request,
		       const struct profile_row *row)
{
	int64_t now_ms = request->now_ms;
	request->sharing = held(row->sharing, now_ms);
	/* A lapse ends the exceptions; those that are still there wait for its being written. */
	if (row->sharing.until_ms != 0 && request->sharing.mode == SHARING_OFF)
		return;
	request->exception_count =
		exception_row_list(txn, USERS_TABLE_SHOWN, request->user, &request->exceptions);
	for (uint32_t i = 0; i < request->exception_count; i++) {
		struct sharing *sharing = &request->exceptions[i].sharing;
		*sharing = held(*sharing, now_ms);
	}
}

/* Whether a lapse has ended what this friend made an exception of. */
static bool has_lapsed(struct lmdb_txn *txn, struct user_id sharer, int64_t now_ms)
{
	struct profile_row row;
	return profile_row_get(txn, sharer, &row) && row.sharing.until_ms != 0 &&
	       now_ms >= row.sharing.until_ms;
}

void user_sharing_complete(struct lmdb_txn *txn, struct store_request *request)
{
	struct sharing_exception *seen;
	uint32_t count = exception_row_list(txn, USERS_TABLE_SEEN, request->user, &seen);
	for (uint32_t i = 0, at = 0; i < count; i++) {
		while (at < request->friend_count &&
		       request->friends[at].user.value < seen[i].user.value)
			at++;
		if (at == request->friend_count)
			break;
		struct store_friend *friend = &request->friends[at];
		if (!user_id_equal(friend->user, seen[i].user))
			continue;
		if (!friend->is_off || !has_lapsed(txn, friend->user, request->now_ms))
			friend->exception = sharing_now(&seen[i].sharing, request->now_ms);
	}
	free(seen);
}

/* ---- changing --------------------------------------------------------------------------------- */

static void exceptions_end(struct lmdb_txn *txn, struct store_request *request)
{
	request->ended_count =
		exception_row_list(txn, USERS_TABLE_SHOWN, request->user, &request->ended);
	for (uint32_t i = 0; i < request->ended_count; i++)
		exception_row_remove(txn, request->user, request->ended[i].user);
}

static void default_put(struct lmdb_txn *txn, struct name_cache *names, struct user_id user,
			struct profile_row *row, struct sharing sharing)
{
	row->sharing = sharing;
	name_cache_forget(names, user);
	profile_row_put(txn, user, row, LMDB_REPLACE);
	exception_row_lapse(txn, user, sharing);
}

static void exception_put(struct lmdb_txn *txn, const struct store_request *request)
{
	struct sharing asked = held(request->asked, request->now_ms);
	if (asked.mode == SHARING_DEFAULT)
		exception_row_remove(txn, request->user, request->other);
	else
		exception_row_put(txn, request->user, request->other, asked);
}

/* Whether the exception that is asked for may be. */
static int exception_judge(struct lmdb_txn *txn, const struct store_request *request, bool lapsed)
{
	struct sharing before;
	if (!relation_has(txn, &relation_friends, request->user, request->other))
		return -ENOENT;
	if (request->asked.mode == SHARING_DEFAULT || lapsed ||
	    exception_row_get(txn, request->user, request->other, &before))
		return 0;
	return relation_count(txn, USERS_TABLE_SHOWN, request->user) < SHARING_EXCEPTIONS_MAX
		       ? 0
		       : -EDQUOT;
}

void user_sharing_put(struct lmdb_txn *txn, struct name_cache *names, struct store_request *request)
{
	struct profile_row row;
	struct sharing asked = held(request->asked, request->now_ms);
	check(request->asked.until_ms >= 0);
	check(request->has_other || asked.mode != SHARING_DEFAULT);
	request->created = profile_row_make(txn, request->user);
	if (!profile_row_get(txn, request->user, &row))
		return;
	bool lapsed = is_over(&row.sharing, request->now_ms);
	if (request->has_other)
		request->status = exception_judge(txn, request, lapsed);
	if (request->status != 0)
		return;
	/* What lapsed unseen is written now, so that what is said after it holds. */
	if (lapsed || (!request->has_other && asked.mode == SHARING_OFF))
		exceptions_end(txn, request);
	if (!request->has_other)
		default_put(txn, names, request->user, &row, asked);
	else if (lapsed)
		default_put(txn, names, request->user, &row, off);
	if (request->has_other)
		exception_put(txn, request);
	user_sharing_read(txn, request, &row);
}

/* Writes the exceptions that have lapsed as what they are. */
static void exceptions_lapse(struct lmdb_txn *txn, const struct store_request *request)
{
	struct sharing_exception *list;
	uint32_t count = exception_row_list(txn, USERS_TABLE_SHOWN, request->user, &list);
	for (uint32_t i = 0; i < count; i++)
		if (is_over(&list[i].sharing, request->now_ms))
			exception_row_put(txn, request->user, list[i].user, off);
	free(list);
}

void user_sharing_lapse(struct lmdb_txn *txn, struct name_cache *names, struct store_request *request)
{
	struct profile_row row;
	if (!profile_row_get(txn, request->user, &row)) {
		request->status = -ENOENT;
		return;
	}
	if (is_over(&row.sharing, request->now_ms)) {
		exceptions_end(txn, request);
		default_put(txn, names, request->user, &row, off);
	}
	exceptions_lapse(txn, request);
	user_sharing_read(txn, request, &row);
}

/* ---- lapses ----------------------------------------------------------------------------------- */

/* Puts the cursor behind what the last portion ended with; false: there is no more. */
static bool lapses_seek(struct lmdb_cursor *cursor, const struct store_request *request)
{
	if (!request->more)
		return lmdb_first(cursor);
	struct user_id sharer = { request->resume.user };
	if (!lmdb_seek_from(cursor, id_bytes(&sharer)))
		return false;
	struct sharing_exception lapse;
	bool more = true;
	while (more && id_of(cursor->key).value == sharer.value &&
	       exception_row_decode(cursor->value, &lapse) &&
	       lapse.user.value <= request->resume.skip)
		more = lmdb_next(cursor);
	return more;
}

static bool lapse_of(const struct lmdb_cursor *cursor, struct store_lapse *lapse)
{
	struct sharing_exception row;
	if (!exception_row_decode(cursor->value, &row))
		return false;
	*lapse = (struct store_lapse){ .sharer = id_of(cursor->key), .sharing = row.sharing };
	lapse->has_viewer = !user_id_equal(row.user, EXCEPTION_EVERYBODY);
	if (lapse->has_viewer)
		lapse->viewer = row.user;
	return true;
}

void user_sharing_lapses(struct lmdb_txn *txn, struct store_request *request)
{
	struct lmdb_cursor cursor;
	request->lapses = malloc(STORE_PORTION_MAX * sizeof(*request->lapses));
	if (request->lapses == NULL) {
		lmdb_fail(txn, -ENOMEM);
		return;
	}
	lmdb_cursor_open(&cursor, txn, USERS_TABLE_LAPSES);
	for (bool more = lapses_seek(&cursor, request);
	     more && request->lapse_count < STORE_PORTION_MAX; more = lmdb_next(&cursor))
		if (!lapse_of(&cursor, &request->lapses[request->lapse_count++]))
			lmdb_fail(txn, -EIO);
	lmdb_cursor_close(&cursor);
}
