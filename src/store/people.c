/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/people.h"

#include "store/profile_row.h"
#include "store/user_tables.h"

#include <errno.h>
#include <stdlib.h>

/* Users ahead of which a name is asked of the memory. */
enum { NAMES_AHEAD = 12 };

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
			request->friends[request->friend_count++] =
				(struct store_friend){ .user = id };
		}
	}
}

/* Copies a friend's name to memory with room for the longest, and fills in the rest of it. */
static void friend_complete(struct name_cache *names, struct lmdb_txn *txn,
			    struct store_friend *friend, int64_t now_ms, char *to)
{
	struct profile_row row;
	if (names != NULL &&
	    name_cache_get(names, friend->user, to, &friend->name_length, &friend->is_off))
		return;
	if (!profile_row_get(txn, friend->user, &row))
		return;
	friend->name_length = row.profile.name_length;
	friend->is_off = sharing_now(&row.sharing, now_ms) == SHARING_OFF;
	memcpy(to, row.profile.name, row.profile.name_length);
	if (names != NULL && row.sharing.until_ms == 0)
		name_cache_put(names, friend->user, to, friend->name_length, friend->is_off);
}

/* Completes all friends in the answer. */
static void friends_complete(struct name_cache *names, struct lmdb_txn *txn,
			     struct store_request *request)
{
	uint32_t names_length = 0;
	for (uint32_t i = 0; i < request->friend_count; i++) {
		struct store_friend *friend = &request->friends[i];
		if (names != NULL && i + NAMES_AHEAD < request->friend_count)
			name_cache_prefetch(names, request->friends[i + NAMES_AHEAD].user);
		friend->name_offset = names_length;
		friend_complete(names, txn, friend, request->now_ms, request->names + names_length);
		names_length += friend->name_length;
	}
	names_trim(request, names_length);
}

void people_read(struct name_cache *names, struct lmdb_txn *txn, struct store_request *request,
		 uint32_t table, const struct user_id *after, uint64_t limit)
{
	struct lmdb_cursor cursor;
	lmdb_cursor_open(&cursor, txn, table);
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
	friends_complete(names, txn, request);
}

static void name_add(struct people_names *names, struct lmdb_txn *txn, struct user_id user,
		     uint32_t *offset, uint32_t *length)
{
	struct profile_row row;
	*offset = names->length;
	*length = 0;
	if (!profile_row_get(txn, user, &row) || row.profile.name_length == 0)
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
	memcpy(names->text + names->length, row.profile.name, row.profile.name_length);
	names->length += row.profile.name_length;
	*length = row.profile.name_length;
}

void people_name_pair(struct people_names *names, struct lmdb_txn *txn, struct store_pair *pair)
{
	name_add(names, txn, pair->a, &pair->a_name_offset, &pair->a_name_length);
	name_add(names, txn, pair->b, &pair->b_name_offset, &pair->b_name_length);
}
