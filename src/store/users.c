/*
 * Owns: the order in which requests are answered, and their way to the tables of users.mdb.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/users.h"

#include "base/check.h"
#include "store/bars.h"
#include "store/consent.h"
#include "store/exception_row.h"
#include "store/name_cache.h"
#include "store/people.h"
#include "store/profile_row.h"
#include "store/reason.h"
#include "store/relation.h"
#include "store/user_sharing.h"
#include "store/user_tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { USERS_MAGIC = 0x75736572 };

struct users {
	uint32_t magic;
	uint32_t friends_max;
	uint8_t secret[USERS_SECRET_BYTES];
	struct lmdb *lmdb;
	/* Filled while only reading, and told of every change. */
	struct name_cache *names;
};

static int secret_read(struct users *users, const char **reason)
{
	struct lmdb_txn txn;
	lmdb_begin_read(users->lmdb, &txn);
	bool found = users_secret_read(&txn, users->secret);
	lmdb_abort(&txn);
	if (!found)
		*reason = reason_format("users.mdb has no secret");
	return found ? 0 : -EBADMSG;
}

int users_open(struct users **users, const struct users_config *config, const char **reason)
{
	struct users *fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->magic = USERS_MAGIC;
	fresh->friends_max = config->friends_max;
	*users = fresh;
	int error = name_cache_open(&fresh->names, config->names_max);
	if (error == 0)
		error = users_database_open(&fresh->lmdb, config->data_dir, config->map_bytes,
					    LMDB_SERVE, reason);
	if (error == 0)
		error = secret_read(fresh, reason);
	if (error != 0)
		users_close(users);
	return error;
}

void users_close(struct users **users)
{
	if (*users == NULL)
		return;
	check_object(*users, USERS_MAGIC);
	lmdb_close(&(*users)->lmdb);
	name_cache_close(&(*users)->names);
	(*users)->magic = 0;
	free(*users);
	*users = NULL;
}

struct lmdb *users_lmdb(struct users *users)
{
	check_object(users, USERS_MAGIC);
	return users->lmdb;
}

int users_copy(struct users *users, const char *path)
{
	return lmdb_copy(users->lmdb, path);
}

void users_secret(const struct users *users, uint8_t secret[USERS_SECRET_BYTES])
{
	memcpy(secret, users->secret, USERS_SECRET_BYTES);
}

bool users_profile_put(struct lmdb_txn *txn, struct user_id user,
		       const struct store_profile *profile, enum lmdb_put how)
{
	struct profile_row row = profile_row_empty;
	row.profile = *profile;
	return profile_row_put(txn, user, &row, how);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Who has blocked the user or is blocked by it, both lists joined in order. */
static void barred_read(struct lmdb_txn *txn, struct store_request *request)
{
	struct user_id *blocked, *by;
	uint32_t blocked_count = relation_list(txn, USERS_TABLE_BLOCKED, request->user, &blocked);
	uint32_t by_count = relation_list(txn, USERS_TABLE_BLOCKED_BY, request->user, &by);
	size_t total = (size_t)blocked_count + by_count;
	if (total > 0)
		request->barred = malloc(total * sizeof(*request->barred));
	if (total > 0 && request->barred == NULL)
		lmdb_fail(txn, -ENOMEM);
	for (uint32_t i = 0, k = 0;
	     request->barred != NULL && (i < blocked_count || k < by_count);) {
		bool from_blocked =
			k == by_count || (i < blocked_count && blocked[i].value <= by[k].value);
		struct user_id next = from_blocked ? blocked[i] : by[k];
		i += i < blocked_count && user_id_equal(blocked[i], next);
		k += k < by_count && user_id_equal(by[k], next);
		request->barred[request->barred_count++] = next;
	}
	free(blocked);
	free(by);
}

static void load(struct name_cache *names, struct lmdb_txn *txn, struct store_request *request,
		 const struct profile_row *row)
{
	people_read(names, txn, request, USERS_TABLE_FRIENDS, NULL, UINT64_MAX);
	user_sharing_read(txn, request, row);
	user_sharing_complete(txn, request);
	barred_read(txn, request);
}

static void list_read(struct name_cache *names, struct lmdb_txn *txn, struct store_request *request)
{
	static const uint32_t list_tables[] = {
		[STORE_LIST_FRIENDS] = USERS_TABLE_FRIENDS,
		[STORE_LIST_ASKED] = USERS_TABLE_ASKED,
		[STORE_LIST_ASKING] = USERS_TABLE_ASKING,
		[STORE_LIST_BLOCKED] = USERS_TABLE_BLOCKED,
	};
	people_read(names, txn, request, list_tables[request->list],
		    request->has_after ? &request->after : NULL, request->limit);
}

static bool request_only_reads(const struct store_request *request)
{
	switch (request->op) {
	case STORE_LOAD:
	case STORE_USER_GET:
	case STORE_FRIENDS_GET:
	case STORE_SHARING_GET:
	case STORE_LAPSES:
	case STORE_BARS:
		return true;
	default:
		return false;
	}
}

/* What an earlier try, or an earlier use of the object, may have left. Where the next portion begins
 * stays, as a try may be one of several. */
static void answer_clear(struct store_request *request)
{
	bool more = request->more;
	store_request_fini(request);
	request->more = more;
	request->friend_total = 0;
	request->created = false;
	request->is_friend = request->was_friend = false;
	request->was_asked = request->still_barred = false;
	request->profile.name_length = 0;
	request->profile.picture_length = 0;
	request->sharing = profile_row_empty.sharing;
	request->status = 0;
}

/* False: the user is unknown, or the transaction has failed. */
static bool user_read(struct name_cache *names, struct lmdb_txn *txn, struct store_request *request)
{
	struct profile_row row;
	if (!profile_row_get(txn, request->user, &row))
		return false;
	request->profile = row.profile;
	if (request->op == STORE_LOAD)
		load(names, txn, request, &row);
	else if (request->op == STORE_SHARING_GET)
		user_sharing_read(txn, request, &row);
	return true;
}

/* False: it is a STORE_LOAD of an unknown user, which takes a write. */
static bool request_read(struct name_cache *names, struct lmdb_txn *txn,
			 struct store_request *request)
{
	answer_clear(request);
	if (request->op == STORE_FRIENDS_GET) {
		list_read(names, txn, request);
	} else if (request->op == STORE_LAPSES) {
		user_sharing_lapses(txn, request);
	} else if (request->op == STORE_BARS) {
		bars_read(txn, request);
	} else if (!user_read(names, txn, request)) {
		if (request->op == STORE_LOAD)
			return txn->error != 0;
		if (request->op == STORE_USER_GET)
			request->status = -ENOENT;
	}
	return true;
}

/* Notes, once the answer stands, where the next portion begins. */
static void portion_settle(struct store_request *request)
{
	request->more = false;
	if (request->op == STORE_LAPSES && request->lapse_count == STORE_PORTION_MAX) {
		const struct store_lapse *last = &request->lapses[STORE_PORTION_MAX - 1];
		request->more = true;
		request->resume.user = last->sharer.value;
		request->resume.skip =
			last->has_viewer ? last->viewer.value : EXCEPTION_EVERYBODY.value;
	} else if (request->op == STORE_BARS && request->bar_count == STORE_PORTION_MAX) {
		request->more = true;
		request->resume.user = request->bars[STORE_PORTION_MAX - 1].user.value;
	}
}

/* ---- changing ------------------------------------------------------------------------------- */

static void user_put(struct users *users, struct lmdb_txn *txn, struct store_user *user)
{
	struct profile_row row = profile_row_empty;
	struct store_profile *profile = &row.profile;
	check(!user->has_name || user->profile.name_length <= STORE_NAME_BYTES_MAX);
	check(!user->has_picture || user->profile.picture_length <= STORE_PICTURE_BYTES_MAX);
	user->created = !profile_row_get(txn, user->user, &row);
	name_cache_forget(users->names, user->user);
	if (user->has_name) {
		memcpy(profile->name, user->profile.name, user->profile.name_length);
		profile->name_length = user->profile.name_length;
	}
	if (user->has_picture) {
		memcpy(profile->picture, user->profile.picture, user->profile.picture_length);
		profile->picture_length = user->profile.picture_length;
	}
	if (user->created || user->has_name || user->has_picture)
		profile_row_put(txn, user->user, &row, LMDB_REPLACE);
}

static void user_delete(struct users *users, struct lmdb_txn *txn, struct store_request *request)
{
	struct profile_row row;
	if (!profile_row_get(txn, request->user, &row)) {
		request->status = -ENOENT;
		return;
	}
	request->profile = row.profile;
	people_read(NULL, txn, request, USERS_TABLE_FRIENDS, NULL, UINT64_MAX);
	name_cache_forget(users->names, request->user);
	consent_leave(txn, request->user);
	lmdb_remove(txn, USERS_TABLE_PROFILES, id_bytes(&request->user), NULL);
}

static void request_change(struct users *users, struct lmdb_txn *txn, struct store_request *request)
{
	answer_clear(request);
	switch (request->op) {
	case STORE_USERS_PUT:
		for (uint32_t i = 0; i < request->user_count; i++)
			user_put(users, txn, &request->users[i]);
		break;
	case STORE_USER_DELETE:
		user_delete(users, txn, request);
		break;
	case STORE_FRIENDS_PUT:
	case STORE_FRIENDS_DELETE:
		consent_pairs_change(txn, users->friends_max, request);
		break;
	case STORE_FRIENDS_SYNC:
		consent_sync(txn, users->friends_max, request);
		break;
	case STORE_ASK:
	case STORE_END:
	case STORE_BLOCK:
	case STORE_UNBLOCK:
		consent_act(txn, users->friends_max, request);
		break;
	case STORE_SHARING_PUT:
		user_sharing_put(txn, users->names, request);
		break;
	case STORE_SHARING_LAPSE:
		user_sharing_lapse(txn, users->names, request);
		break;
	case STORE_BAR_PUT:
		bars_put(txn, &request->bar);
		break;
	default:
		check(false);
	}
}

static void request_write(struct users *users, struct lmdb_txn *txn, struct store_request *request)
{
	if (!request_only_reads(request)) {
		request_change(users, txn, request);
	} else if (!request_read(NULL, txn, request)) {
		bool created = profile_row_make(txn, request->user);
		/* Others may have blocked it before. */
		request_read(NULL, txn, request);
		request->created = created;
	}
}

/* ---- groups --------------------------------------------------------------------------------- */

/* A failed transaction answers all that went into it, with empty answers. */
static void requests_fail(struct store_request *const *requests, uint32_t count, int status)
{
	for (uint32_t i = 0; i < count; i++) {
		answer_clear(requests[i]);
		requests[i]->status = status;
	}
}

/* Answers what only reads; writes the others to `rest`, in order, and returns how many. */
static uint32_t group_read(struct users *users, struct store_request *const *requests,
			   uint32_t count, struct store_request **rest)
{
	uint64_t changing = 0; /* clients that have a change in `rest`: their reads must see it */
	uint32_t rest_count = 0;
	struct lmdb_txn txn;
	lmdb_begin_read(users->lmdb, &txn);
	for (uint32_t i = 0; i < count; i++) {
		struct store_request *request = requests[i];
		uint64_t client = (uint64_t)1 << (request->client % 64);
		bool reads = (changing & client) == 0 && request_only_reads(request);
		if (!reads || !request_read(users->names, &txn, request)) {
			rest[rest_count++] = request;
			changing |= client;
		} else if (txn.error != 0) {
			/* A row that cannot be read is the trouble of who asks for it only. */
			requests_fail(&request, 1, txn.error);
			lmdb_abort(&txn);
			lmdb_begin_read(users->lmdb, &txn);
		} else {
			portion_settle(request);
		}
	}
	lmdb_abort(&txn);
	return rest_count;
}

static void group_write(struct users *users, struct store_request *const *requests, uint32_t count)
{
	int error;
	do {
		struct lmdb_txn txn;
		lmdb_begin_write(users->lmdb, &txn);
		for (uint32_t i = 0; i < count; i++)
			request_write(users, &txn, requests[i]);
		error = lmdb_commit(&txn);
	} while (error == -EAGAIN);
	if (error != 0)
		requests_fail(requests, count, error);
	for (uint32_t i = 0; i < count && error == 0; i++)
		portion_settle(requests[i]);
}

bool users_execute(struct users *users, struct store_request *const *requests, uint32_t count)
{
	check_object(users, USERS_MAGIC);
	struct store_request **rest = malloc(count * sizeof(struct store_request *));
	if (rest == NULL) {
		requests_fail(requests, count, -ENOMEM);
		return false;
	}
	uint32_t rest_count = group_read(users, requests, count, rest);
	if (rest_count > 0)
		group_write(users, rest, rest_count);
	free(rest);
	return rest_count > 0;
}
