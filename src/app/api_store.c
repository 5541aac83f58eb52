/*
 * Owns: the lists of who is near, for HTTP, and backups.
 * Invariant: a list is as the engine's gate shows it.
 * Thread: the core's.
 * Does not know: LMDB, other cores' state.
 */
#include "app/app_private.h"

#include "base/clock.h"
#include "proto/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- who is near ------------------------------------------------------------------------------ */

void api_put_next(struct writer *writer, uint32_t total, bool has_next, const struct page_cursor *next)
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

static void put_nearby(struct writer *writer, const struct server_msg *msg)
{
	writer_put_text(writer, "{\"friends\":[");
	for (uint32_t i = 0; i < msg->nearby.count; i++) {
		if (i > 0)
			writer_put_text(writer, ",");
		json_encode_entry(writer, &msg->nearby.entries[i]);
	}
	api_put_next(writer, msg->nearby.total, msg->nearby.has_next, &msg->nearby.next);
}

static void say_nearby(struct exchange *exchange, struct store_request *request)
{
	if (!exchange_is_good(exchange, request))
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

static void ask_nearby(struct exchange *exchange);

static void answer_nearby(struct exchange *exchange, struct store_request *request)
{
	exchange->app->nearby_count--;
	if (exchange->is_outdated)
		ask_nearby(exchange);
	else
		say_nearby(exchange, request);
}

static void ask_nearby(struct exchange *exchange)
{
	exchange->is_outdated = false;
	exchange->app->nearby_count++;
	exchange_question(exchange, STORE_LOAD, answer_nearby);
}

void api_nearby_outdate(struct app *app, struct user_id user)
{
	struct exchange *exchange = app->nearby_count > 0 ? app->exchanges : NULL;
	for (; exchange != NULL; exchange = exchange->next)
		if (exchange->on_store == answer_nearby && user_id_equal(exchange->user, user))
			exchange->is_outdated = true;
}

/* With what its friends show it; of nobody when it is unknown. */
static void load_known(struct exchange *exchange, struct store_request *request)
{
	if (request->status == -ENOENT)
		request->status = 0;
	else if (request->status == 0) {
		ask_nearby(exchange);
		return;
	}
	say_nearby(exchange, request);
}

void api_nearby_get(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	/* Asking for a user does not make it one; the bearer of a token is a user by that. */
	if (exchange->route == ROUTE_ME_NEARBY)
		ask_nearby(exchange);
	else
		exchange_question(exchange, STORE_USER_GET, load_known);
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
		if (exchange_is_good(exchange, request))
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
	/* The body is read; its memory keeps the path for as long as the store needs. */
	memmove(exchange->body, directory, length);
	exchange->body[length] = '\0';
	exchange->request.directory = (const char *)exchange->body;
	exchange_question(exchange, STORE_BACKUP, answer_backup);
}

void api_backup(struct exchange *exchange, const struct net_request *request)
{
	exchange_gather(exchange, request, begin_backup);
}
