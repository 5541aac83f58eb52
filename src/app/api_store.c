/*
 * Owns: the requests that are a question to the store or a change in it: users, friendships,
 *   nearby lists for HTTP, backups.
 * Invariant: a change is answered when it is durable and every core has applied it.
 * Thread: the core's.
 * Does not know: LMDB, other cores' state.
 */
#include "app/app_private.h"
#include "app/profile.h"

#include "base/clock.h"
#include "proto/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* True when the store did what was asked; else the exchange is answered and over. */
static bool store_was_good(struct exchange *exchange, const struct store_request *request)
{
	if (request->status == 0)
		return true;
	const char *text;
	unsigned status = exchange_store_failure(request->status, &text);
	exchange_problem(exchange, status, "%s", text);
	return false;
}

static void ask(struct exchange *exchange, enum store_op op,
		void (*on_store)(struct exchange *, struct store_request *))
{
	exchange->request.op = op;
	exchange->request.user = exchange->user;
	exchange->on_store = on_store;
	exchange_ask(exchange, &exchange->request);
}

/* As a change, by way of core 0. */
static void ask_change(struct exchange *exchange, enum store_op op, const enum change_step *steps,
		       void (*on_change)(struct exchange *, struct store_request *))
{
	exchange->change.request.op = op;
	exchange->change.request.user = exchange->user;
	exchange->on_store = on_change;
	exchange_change(exchange, &exchange->change, steps);
}

/* ---- one user --------------------------------------------------------------------------------- */

static void put_profile(struct writer *writer, struct user_id user, const struct store_profile *profile)
{
	writer_put_text(writer, "{\"user\":\"");
	writer_put_u64(writer, user.value);
	writer_put_text(writer, "\",\"name\":");
	json_encode_string(writer, profile->name, profile->name_length);
	writer_put_text(writer, ",\"picture\":");
	json_encode_string(writer, profile->picture, profile->picture_length);
	writer_put_text(writer, "}\n");
}

static void answer_user(struct exchange *exchange, struct store_request *request)
{
	if (!store_was_good(exchange, request))
		return;
	char body[128 + 6 * (STORE_NAME_BYTES_MAX + STORE_PICTURE_BYTES_MAX)];
	struct writer writer = writer_init(body, sizeof(body));
	put_profile(&writer, exchange->user, &request->profile);
	check(!writer.overflow);
	exchange_answer(exchange, 200, "application/json", body, writer_length(&writer));
}

void api_user_get(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	/* The bearer of a token is a user by that; under /v1/users it must be known. */
	ask(exchange, exchange->route == ROUTE_ME ? STORE_LOAD : STORE_USER_GET, answer_user);
}

/* ---- putting a user --------------------------------------------------------------------------- */

static const enum change_step put_steps[] = { CHANGE_STORE, CHANGE_RENAME, CHANGE_END };

static void answer_no_content(struct exchange *exchange, struct store_request *request)
{
	if (store_was_good(exchange, request))
		exchange_answer(exchange, 204, NULL, NULL, 0);
}

static void answer_user_put(struct exchange *exchange, struct store_request *request)
{
	if (store_was_good(exchange, request))
		exchange_answer(exchange, exchange->put.created ? 201 : 204, NULL, NULL, 0);
}

static void put_user(struct exchange *exchange)
{
	struct decode_error error;
	struct json_reader *reader = exchange->app->reader;
	exchange->put.user = exchange->user;
	if (exchange->body_length > 0 &&
	    (!json_read(reader, exchange->body, exchange->body_length, &error) ||
	     !profile_read(reader, &exchange->put, &error))) {
		exchange_problem(exchange, 400, "%s", error.message);
		return;
	}
	exchange->change.request.users = &exchange->put;
	exchange->change.request.user_count = 1;
	ask_change(exchange, STORE_USERS_PUT, put_steps, answer_user_put);
}

void api_user_put(struct exchange *exchange, const struct net_request *request)
{
	exchange_gather(exchange, request, put_user);
}

/* ---- deleting a user -------------------------------------------------------------------------- */

/*
 * The user's sessions end, so that nothing more is added to the history that the store is to drop; the store
 * deletes; the friends hear of it as of any friendship that ends; the location goes, with what joined meanwhile.
 */
static const enum change_step delete_steps[] = { CHANGE_LOGOUT, CHANGE_STORE, CHANGE_DELETED, CHANGE_FORGET,
						 CHANGE_END };

void api_user_delete(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	ask_change(exchange, STORE_USER_DELETE, delete_steps, answer_no_content);
}

/* Who is kicked may come back with the same token: it ends sessions, not the right to have them. */
void api_user_kick(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	static const enum change_step steps[] = { CHANGE_LOGOUT, CHANGE_END };
	ask_change(exchange, STORE_USER_GET, steps, answer_no_content);
}

/* ---- friendships ------------------------------------------------------------------------------ */

static const enum change_step pair_steps[] = { CHANGE_STORE, CHANGE_PAIRS, CHANGE_END };

static void answer_pair(struct exchange *exchange, struct store_request *request)
{
	if (!store_was_good(exchange, request))
		return;
	if (exchange->pair.result == STORE_PAIR_LIMIT)
		exchange_problem(exchange, 409, "one of the two has %llu friends, and no one may have more (friends-max)",
				 (unsigned long long)exchange->app->config->friends_max);
	else
		exchange_answer(exchange, 204, NULL, NULL, 0);
}

static void change_pair(struct exchange *exchange, enum store_op op)
{
	if (user_id_equal(exchange->user, exchange->other)) {
		exchange_problem(exchange, 422, "nobody is a friend of themselves");
		return;
	}
	exchange->pair = (struct store_pair){ .a = exchange->user, .b = exchange->other };
	exchange->change.request.pairs = &exchange->pair;
	exchange->change.request.pair_count = 1;
	ask_change(exchange, op, pair_steps, answer_pair);
}

void api_friend_put(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	change_pair(exchange, STORE_FRIENDS_PUT);
}

void api_friend_delete(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	change_pair(exchange, STORE_FRIENDS_DELETE);
}

/* ---- lists ------------------------------------------------------------------------------------ */

static void put_next(struct writer *writer, uint32_t total, bool has_next, const struct page_cursor *next)
{
	char text[PAGE_CURSOR_TEXT_BYTES];
	writer_put_text(writer, "],\"total\":");
	writer_put_u64(writer, total);
	writer_put_text(writer, ",\"next\":");
	if (has_next) {
		page_cursor_format(next, text);
		writer_put_text(writer, "\"");
		writer_put_text(writer, text);
		writer_put_text(writer, "\"}\n");
	} else {
		writer_put_text(writer, "null}\n");
	}
}

static void answer_friends(struct exchange *exchange, struct store_request *request)
{
	if (!store_was_good(exchange, request))
		return;
	char body[256 + PAGE_LIMIT_MAX * (64 + 6 * STORE_NAME_BYTES_MAX)];
	struct writer writer = writer_init(body, sizeof(body));
	struct page_cursor next = { 0 };
	/* One more than the page was asked for, to know whether there is a next one. */
	bool has_next = request->friend_count > exchange->limit;
	uint32_t count = has_next ? exchange->limit : request->friend_count;
	writer_put_text(&writer, "{\"friends\":[");
	for (uint32_t i = 0; i < count; i++) {
		const struct store_friend *friend = &request->friends[i];
		writer_put_text(&writer, i == 0 ? "{\"user\":\"" : ",{\"user\":\"");
		writer_put_u64(&writer, friend->user.value);
		writer_put_text(&writer, "\",\"name\":");
		json_encode_string(&writer, request->names + friend->name_offset, friend->name_length);
		writer_put_text(&writer, "}");
		next.user = friend->user;
	}
	put_next(&writer, request->friend_total, has_next, &next);
	check(!writer.overflow);
	exchange_answer(exchange, 200, "application/json", body, writer_length(&writer));
}

void api_friends_get(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	exchange->request.has_after = exchange->has_cursor;
	exchange->request.after = exchange->cursor.user;
	exchange->request.limit = exchange->limit + 1;
	ask(exchange, STORE_FRIENDS_GET, answer_friends);
}

static void put_nearby(struct writer *writer, const struct server_msg *msg)
{
	writer_put_text(writer, "{\"friends\":[");
	for (uint32_t i = 0; i < msg->nearby.count; i++) {
		if (i > 0)
			writer_put_text(writer, ",");
		json_encode_entry(writer, &msg->nearby.entries[i]);
	}
	put_next(writer, msg->nearby.total, msg->nearby.has_next, &msg->nearby.next);
}

static void answer_nearby(struct exchange *exchange, struct store_request *request)
{
	if (!store_was_good(exchange, request))
		return;
	struct friend_info *friends = app_friends(request);
	if (friends == NULL) {
		exchange_problem(exchange, 503, "no memory for the list");
		return;
	}
	struct server_msg msg;
	int error = engine_list(exchange->app->engine, boot_us(), exchange->user, friends,
				request->friend_count, exchange->has_cursor ? &exchange->cursor : NULL,
				exchange->limit, &msg);
	free(friends);
	if (error != 0) {
		exchange_problem(exchange, 409, "no_location: the user has sent no location in the last %llu s",
				 (unsigned long long)exchange->app->config->ttl_s);
		return;
	}
	char body[ENCODED_BYTES_MAX];
	struct writer writer = writer_init(body, sizeof(body));
	put_nearby(&writer, &msg);
	check(!writer.overflow);
	exchange_answer(exchange, 200, "application/json", body, writer_length(&writer));
}

void api_nearby_get(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	/* Asking for a user does not make it one; the bearer of a token is a user by that. */
	exchange->request.limit = (uint32_t)exchange->app->config->friends_max;
	ask(exchange, exchange->route == ROUTE_ME_NEARBY ? STORE_LOAD : STORE_FRIENDS_GET, answer_nearby);
}

/* ---- backup ----------------------------------------------------------------------------------- */

static void answer_backup(struct exchange *exchange, struct store_request *request)
{
	switch (request->status) {
	case -ENOENT:
	case -ENOTDIR:
	case -ENAMETOOLONG:
	case -EACCES:
	case -EPERM:
	case -EROFS:
		exchange_problem(exchange, 422, "directory: cannot be made or written: %s", strerror(-request->status));
		return;
	default:
		if (store_was_good(exchange, request))
			exchange_answer(exchange, 204, NULL, NULL, 0);
	}
}

static void begin_backup(struct exchange *exchange)
{
	struct decode_error error;
	struct json_reader *reader = exchange->app->reader;
	const char *directory;
	size_t length;
	if (exchange->body_length == 0) {
		exchange_problem(exchange, 400, "a body is needed: {\"directory\":\"/an/absolute/path\"}");
		return;
	}
	if (!json_read(reader, exchange->body, exchange->body_length, &error) ||
	    !json_take_text(reader, "directory", 1, 4000, &directory, &length, &error)) {
		exchange_problem(exchange, 400, "%s", error.message);
		return;
	}
	if (directory[0] != '/' || memchr(directory, '\0', length) != NULL) {
		exchange_problem(exchange, 400, "directory: an absolute path");
		return;
	}
	/* The body is read; its memory (BODY_BYTES_MAX) keeps the path for as long as the store needs. */
	memmove(exchange->body, directory, length);
	exchange->body[length] = '\0';
	exchange->request.directory = (const char *)exchange->body;
	ask(exchange, STORE_BACKUP, answer_backup);
}

void api_backup(struct exchange *exchange, const struct net_request *request)
{
	exchange_gather(exchange, request, begin_backup);
}
