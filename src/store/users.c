/*
 * Owns: the two tables of users.mdb.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/users.h"

#include "base/check.h"
#include "store/name_cache.h"
#include "store/reason.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USERS_MAGIC = 0x75736572, USERS_FORMAT = 1 };
enum { PROFILE_HEAD_BYTES = 3 };
enum { PROFILE_BYTES_MAX = PROFILE_HEAD_BYTES + STORE_NAME_BYTES_MAX + STORE_PICTURE_BYTES_MAX };

static const struct lmdb_table tables[USERS_TABLE_COUNT] = {
	[USERS_TABLE_PROFILES] = { .name = "profiles", .integer_keys = true },
	[USERS_TABLE_FRIENDS] = { .name = "friends", .integer_keys = true, .integer_dups = true },
};

struct users {
	uint32_t magic;
	uint32_t friends_max;
	struct lmdb *lmdb;
	/* Filled while only reading, and told of every change. */
	struct name_cache *names;
};

static struct bytes id_bytes(const struct user_id *id)
{
	return (struct bytes){ &id->value, sizeof(id->value) };
}

static struct user_id id_of(struct bytes bytes)
{
	struct user_id id;
	memcpy(&id.value, bytes.at, sizeof(id.value));
	return id;
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
		.tables = tables,
		.table_count = USERS_TABLE_COUNT,
		.map_bytes = map_bytes,
		.access = access,
	};
	return lmdb_open(lmdb, &config, reason);
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

int users_copy(struct users *users, const char *path)
{
	return lmdb_copy(users->lmdb, path);
}

/* ---- profiles ------------------------------------------------------------------------------- */

/* Users ahead of which a name is asked of the memory. */
enum { NAMES_AHEAD = 12 };

static bool profile_decode(struct bytes value, struct store_profile *profile)
{
	const uint8_t *at = value.at;
	uint16_t picture_length;
	if (value.length < PROFILE_HEAD_BYTES)
		return false;
	memcpy(&picture_length, at + 1, sizeof(picture_length));
	profile->name_length = at[0];
	profile->picture_length = picture_length;
	if (profile->name_length > STORE_NAME_BYTES_MAX ||
	    picture_length > STORE_PICTURE_BYTES_MAX ||
	    value.length != (size_t)PROFILE_HEAD_BYTES + at[0] + picture_length)
		return false;
	memcpy(profile->name, at + PROFILE_HEAD_BYTES, profile->name_length);
	memcpy(profile->picture, at + PROFILE_HEAD_BYTES + profile->name_length, picture_length);
	return true;
}

bool users_profile_put(struct lmdb_txn *txn, struct user_id user,
		       const struct store_profile *profile, enum lmdb_put how)
{
	uint8_t value[PROFILE_BYTES_MAX];
	uint16_t picture_length = (uint16_t)profile->picture_length;
	value[0] = (uint8_t)profile->name_length;
	memcpy(value + 1, &picture_length, sizeof(picture_length));
	memcpy(value + PROFILE_HEAD_BYTES, profile->name, profile->name_length);
	memcpy(value + PROFILE_HEAD_BYTES + profile->name_length, profile->picture, picture_length);
	size_t length = (size_t)PROFILE_HEAD_BYTES + profile->name_length + picture_length;
	return lmdb_put(txn, USERS_TABLE_PROFILES, id_bytes(&user), (struct bytes){ value, length },
			how);
}

/* False: unknown, or the transaction has failed. */
static bool profile_get(struct lmdb_txn *txn, struct user_id user, struct store_profile *profile)
{
	struct bytes value;
	if (!lmdb_get(txn, USERS_TABLE_PROFILES, id_bytes(&user), &value))
		return false;
	if (!profile_decode(value, profile)) {
		lmdb_fail(txn, -EIO);
		return false;
	}
	return true;
}

static bool user_is_known(struct lmdb_txn *txn, struct user_id user)
{
	struct bytes value;
	return lmdb_get(txn, USERS_TABLE_PROFILES, id_bytes(&user), &value);
}

static void user_create(struct lmdb_txn *txn, struct user_id user)
{
	static const struct store_profile empty;
	users_profile_put(txn, user, &empty, LMDB_REPLACE);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Friends of an answer with room for `count`, and for that many of the longest names. */
static bool friends_reserve(struct store_request *request, uint64_t count)
{
	if (count == 0)
		return true;
	request->friends = malloc(count * sizeof(*request->friends));
	request->names = malloc(count * STORE_NAME_BYTES_MAX);
	return request->friends != NULL && request->names != NULL;
}

/* Most names are far shorter than the longest. */
static void names_trim(struct store_request *request, uint32_t length)
{
	if (request->names == NULL)
		return;
	char *trimmed = realloc(request->names, length == 0 ? 1 : length);
	if (trimmed != NULL)
		request->names = trimmed;
}

/* Adds the friends after `after` (all when it is NULL) from where the cursor stands. */
static void friends_copy(struct lmdb_cursor *cursor, struct store_request *request,
			 const struct user_id *after, uint64_t limit)
{
	for (bool more = lmdb_values(cursor); more; more = lmdb_more_values(cursor)) {
		const uint8_t *at = cursor->value.at, *end = at + cursor->value.length;
		for (; at < end; at += sizeof(uint64_t)) {
			struct user_id id = id_of((struct bytes){ at, sizeof(uint64_t) });
			if (after != NULL && id.value <= after->value)
				continue;
			if (request->friend_count == limit)
				return;
			request->friends[request->friend_count++].user = id;
		}
	}
}

/* Copies a name to memory with room for the longest; returns its length. `names`: NULL in a
 * transaction that changes some. */
static uint32_t name_copy(struct name_cache *names, struct lmdb_txn *txn, struct user_id user,
			  char *to)
{
	struct store_profile profile;
	uint32_t length;
	if (names != NULL && name_cache_get(names, user, to, &length))
		return length;
	if (!profile_get(txn, user, &profile))
		return 0;
	memcpy(to, profile.name, profile.name_length);
	if (names != NULL)
		name_cache_put(names, user, profile.name, profile.name_length);
	return profile.name_length;
}

/* Adds the names of all friends in the answer. */
static void names_copy(struct name_cache *names, struct lmdb_txn *txn,
		       struct store_request *request)
{
	uint32_t names_length = 0;
	for (uint32_t i = 0; i < request->friend_count; i++) {
		struct store_friend *friend = &request->friends[i];
		if (names != NULL && i + NAMES_AHEAD < request->friend_count)
			name_cache_prefetch(names, request->friends[i + NAMES_AHEAD].user);
		friend->name_offset = names_length;
		friend->name_length =
			name_copy(names, txn, friend->user, request->names + names_length);
		names_length += friend->name_length;
	}
	names_trim(request, names_length);
}

/* Fills in the friends after `after` (all when it is NULL), `limit` at most. */
static void friends_read(struct name_cache *names, struct lmdb_txn *txn,
			 struct store_request *request, const struct user_id *after, uint64_t limit)
{
	struct lmdb_cursor cursor;
	lmdb_cursor_open(&cursor, txn, USERS_TABLE_FRIENDS);
	if (lmdb_seek(&cursor, id_bytes(&request->user))) {
		uint64_t total = lmdb_value_count(&cursor);
		request->friend_total = (uint32_t)total;
		bool found = true;
		if (after != NULL) {
			struct user_id from = { after->value + 1 };
			found = lmdb_seek_value_from(&cursor, id_bytes(&request->user),
						     id_bytes(&from));
		}
		if (limit > total)
			limit = total;
		if (found && !friends_reserve(request, limit))
			lmdb_fail(txn, -ENOMEM);
		else if (found)
			friends_copy(&cursor, request, after, limit);
	}
	lmdb_cursor_close(&cursor);
	names_copy(names, txn, request);
}

static bool request_only_reads(const struct store_request *request)
{
	return request->op == STORE_LOAD || request->op == STORE_USER_GET ||
	       request->op == STORE_FRIENDS_GET;
}

/* What an earlier try, or an earlier use of the object, may have left. */
static void answer_clear(struct store_request *request)
{
	free(request->friends);
	free(request->names);
	request->friends = NULL;
	request->names = NULL;
	request->friend_count = 0;
	request->friend_total = 0;
	request->created = false;
	request->profile.name_length = 0;
	request->profile.picture_length = 0;
	request->status = 0;
}

/* False: it is a STORE_LOAD of an unknown user, which takes a write. */
static bool request_read(struct name_cache *names, struct lmdb_txn *txn,
			 struct store_request *request)
{
	answer_clear(request);
	if (request->op == STORE_FRIENDS_GET) {
		friends_read(names, txn, request, request->has_after ? &request->after : NULL,
			     request->limit);
		return true;
	}
	bool known = profile_get(txn, request->user, &request->profile);
	if (request->op == STORE_USER_GET) {
		request->status = known ? 0 : -ENOENT;
		return true;
	}
	if (known)
		friends_read(names, txn, request, NULL, UINT64_MAX);
	return known || txn->error != 0;
}

/* ---- changing ------------------------------------------------------------------------------- */

static void user_put(struct users *users, struct lmdb_txn *txn, struct store_user *user)
{
	struct store_profile profile = { .name_length = 0 };
	check(!user->has_name || user->profile.name_length <= STORE_NAME_BYTES_MAX);
	check(!user->has_picture || user->profile.picture_length <= STORE_PICTURE_BYTES_MAX);
	user->created = !profile_get(txn, user->user, &profile);
	name_cache_forget(users->names, user->user);
	if (user->has_name) {
		memcpy(profile.name, user->profile.name, user->profile.name_length);
		profile.name_length = user->profile.name_length;
	}
	if (user->has_picture) {
		memcpy(profile.picture, user->profile.picture, user->profile.picture_length);
		profile.picture_length = user->profile.picture_length;
	}
	if (user->created || user->has_name || user->has_picture)
		users_profile_put(txn, user->user, &profile, LMDB_REPLACE);
}

/* A user with friends is known, so only one without needs a look into the profiles. */
static uint64_t friend_count_make_known(struct lmdb_cursor *friends, struct user_id user)
{
	if (lmdb_seek(friends, id_bytes(&user)))
		return lmdb_value_count(friends);
	if (!user_is_known(friends->txn, user))
		user_create(friends->txn, user);
	return 0;
}

/* The names of an answer while they are gathered. */
struct names {
	char *text;
	uint32_t length;
	uint32_t capacity;
};

/* Adds the name of a user, whom the transaction knows. */
static void names_add(struct names *names, struct lmdb_txn *txn, struct user_id user,
		      uint32_t *offset, uint32_t *length)
{
	struct store_profile profile;
	*offset = names->length;
	*length = 0;
	if (!profile_get(txn, user, &profile) || profile.name_length == 0)
		return;
	if (names->capacity - names->length < STORE_NAME_BYTES_MAX) {
		uint32_t capacity = names->capacity * 2 + 4 * STORE_NAME_BYTES_MAX;
		char *text = realloc(names->text, capacity);
		if (text == NULL) {
			lmdb_fail(txn, -ENOMEM);
			return;
		}
		names->text = text;
		names->capacity = capacity;
	}
	memcpy(names->text + names->length, profile.name, profile.name_length);
	names->length += profile.name_length;
	*length = profile.name_length;
}

static void pair_put(const struct users *users, struct lmdb_cursor *friends, struct names *names,
		     struct store_pair *pair)
{
	struct lmdb_txn *txn = friends->txn;
	if (user_id_equal(pair->a, pair->b)) {
		pair->result = STORE_PAIR_SELF;
	} else if (lmdb_seek_value(friends, id_bytes(&pair->a), id_bytes(&pair->b))) {
		pair->result = STORE_PAIR_PRESENT;
	} else if (friend_count_make_known(friends, pair->a) >= users->friends_max ||
		   friend_count_make_known(friends, pair->b) >= users->friends_max) {
		pair->result = STORE_PAIR_LIMIT;
	} else {
		pair->result = STORE_PAIR_ADDED;
		lmdb_put(txn, USERS_TABLE_FRIENDS, id_bytes(&pair->a), id_bytes(&pair->b),
			 LMDB_ADD);
		lmdb_put(txn, USERS_TABLE_FRIENDS, id_bytes(&pair->b), id_bytes(&pair->a),
			 LMDB_ADD);
		names_add(names, txn, pair->a, &pair->a_name_offset, &pair->a_name_length);
		names_add(names, txn, pair->b, &pair->b_name_offset, &pair->b_name_length);
	}
}

static void friendship_remove(struct lmdb_txn *txn, struct user_id a, struct user_id b)
{
	struct bytes value_a = id_bytes(&a), value_b = id_bytes(&b);
	lmdb_remove(txn, USERS_TABLE_FRIENDS, value_b, &value_a);
}

static void pair_remove(struct lmdb_txn *txn, struct store_pair *pair)
{
	struct bytes b = id_bytes(&pair->b);
	if (user_id_equal(pair->a, pair->b)) {
		pair->result = STORE_PAIR_SELF;
	} else if (lmdb_remove(txn, USERS_TABLE_FRIENDS, id_bytes(&pair->a), &b)) {
		pair->result = STORE_PAIR_ADDED;
		friendship_remove(txn, pair->a, pair->b);
	} else {
		pair->result = STORE_PAIR_PRESENT;
	}
}

static void user_delete(struct users *users, struct lmdb_txn *txn, struct store_request *request)
{
	if (!profile_get(txn, request->user, &request->profile)) {
		request->status = -ENOENT;
		return;
	}
	friends_read(NULL, txn, request, NULL, UINT64_MAX);
	name_cache_forget(users->names, request->user);
	for (uint32_t i = 0; i < request->friend_count; i++)
		friendship_remove(txn, request->user, request->friends[i].user);
	lmdb_remove(txn, USERS_TABLE_FRIENDS, id_bytes(&request->user), NULL);
	lmdb_remove(txn, USERS_TABLE_PROFILES, id_bytes(&request->user), NULL);
}

static void pairs_change(struct users *users, struct lmdb_txn *txn, struct store_request *request)
{
	struct lmdb_cursor friends;
	struct names names = { .text = NULL };
	lmdb_cursor_open(&friends, txn, USERS_TABLE_FRIENDS);
	for (uint32_t i = 0; i < request->pair_count && txn->error == 0; i++) {
		if (request->op == STORE_FRIENDS_PUT)
			pair_put(users, &friends, &names, &request->pairs[i]);
		else
			pair_remove(txn, &request->pairs[i]);
	}
	lmdb_cursor_close(&friends);
	request->names = names.text; /* the request frees it, also when the transaction fails */
}

static void request_write(struct users *users, struct lmdb_txn *txn, struct store_request *request)
{
	if (request_only_reads(request)) {
		if (!request_read(NULL, txn, request)) {
			user_create(txn, request->user);
			request->created = true;
		}
		return;
	}
	answer_clear(request);
	if (request->op == STORE_USERS_PUT) {
		for (uint32_t i = 0; i < request->user_count; i++)
			user_put(users, txn, &request->users[i]);
	} else if (request->op == STORE_USER_DELETE) {
		user_delete(users, txn, request);
	} else {
		pairs_change(users, txn, request);
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

/* ---- check ---------------------------------------------------------------------------------- */

static int profiles_check(struct lmdb_txn *txn, const char **reason)
{
	struct lmdb_cursor cursor;
	struct store_profile profile;
	int error = 0;
	lmdb_cursor_open(&cursor, txn, USERS_TABLE_PROFILES);
	for (bool more = lmdb_first(&cursor); more && error == 0; more = lmdb_next(&cursor)) {
		if (profile_decode(cursor.value, &profile) &&
		    id_of(cursor.key).value <= USER_ID_MAX)
			continue;
		*reason = reason_format("users.mdb: the profile of user %llu is broken",
					(unsigned long long)id_of(cursor.key).value);
		error = -EBADMSG;
	}
	lmdb_cursor_close(&cursor);
	return error;
}

static const char *friendship_fault(struct lmdb_txn *txn, struct lmdb_cursor *other,
				    struct user_id user, struct user_id friend)
{
	if (user_id_equal(user, friend))
		return "is their own friend";
	if (!user_is_known(txn, user))
		return "has friends and no profile";
	if (!lmdb_seek_value(other, id_bytes(&friend), id_bytes(&user)))
		return "has a friend who does not have them";
	return NULL;
}

static int friends_check(struct lmdb_txn *txn, const char **reason)
{
	struct lmdb_cursor cursor, other;
	const char *fault = NULL;
	lmdb_cursor_open(&cursor, txn, USERS_TABLE_FRIENDS);
	lmdb_cursor_open(&other, txn, USERS_TABLE_FRIENDS);
	for (bool more = lmdb_first(&cursor); more && fault == NULL; more = lmdb_next(&cursor)) {
		fault = friendship_fault(txn, &other, id_of(cursor.key), id_of(cursor.value));
		if (fault != NULL)
			*reason = reason_format("users.mdb: user %llu %s",
						(unsigned long long)id_of(cursor.key).value, fault);
	}
	lmdb_cursor_close(&other);
	lmdb_cursor_close(&cursor);
	return fault == NULL ? 0 : -EBADMSG;
}

int users_check(const char *data_dir, const char **reason)
{
	struct lmdb *lmdb;
	int error = users_database_open(&lmdb, data_dir, 0, LMDB_LOOK, reason);
	if (error != 0)
		return error;
	struct lmdb_txn txn;
	lmdb_begin_read(lmdb, &txn);
	error = profiles_check(&txn, reason);
	if (error == 0)
		error = friends_check(&txn, reason);
	if (error == 0 && txn.error != 0) {
		error = txn.error;
		*reason = reason_format("users.mdb cannot be read: %s", strerror(-error));
	}
	lmdb_abort(&txn);
	lmdb_close(&lmdb);
	return error;
}
