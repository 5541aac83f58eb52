/*
 * Owns: the requests about one user: profile, deletion, sessions.
 * Invariant: a change is answered when it is durable and every core has applied it.
 * Thread: the core's.
 * Does not know: LMDB, other cores' state.
 */
#include "app/app_private.h"
#include "app/profile.h"

#include "proto/json.h"

#include <errno.h>

/* ---- reading --------------------------------------------------------------------------------- */

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
	if (!exchange_is_good(exchange, request))
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
	exchange_question(exchange, exchange->route == ROUTE_ME ? STORE_LOAD : STORE_USER_GET, answer_user);
}

/* ---- putting a user --------------------------------------------------------------------------- */

static const enum change_step put_steps[] = { CHANGE_STORE, CHANGE_RENAME, CHANGE_END };

static void answer_user_put(struct exchange *exchange, struct store_request *request)
{
	if (exchange_is_good(exchange, request))
		exchange_answer(exchange, exchange->put.created ? 201 : 204, NULL, NULL, 0);
}

/* Reads the body into what is to be put; false: it was wrong, and the exchange is over. */
static bool read_profile(struct exchange *exchange)
{
	struct decode_error error;
	struct json_reader *reader = exchange->app->reader;
	exchange->put.user = exchange->user;
	exchange->change.request.users = &exchange->put;
	exchange->change.request.user_count = 1;
	if (exchange->body_length == 0 || (json_read(reader, exchange->body, exchange->body_length, &error) &&
					   profile_read(reader, &exchange->put, &error)))
		return true;
	exchange_problem(exchange, 400, "%s", error.message);
	return false;
}

static void put_user(struct exchange *exchange)
{
	if (read_profile(exchange))
		exchange_order(exchange, STORE_USERS_PUT, put_steps, answer_user_put);
}

void api_user_put(struct exchange *exchange, const struct net_request *request)
{
	exchange_gather(exchange, request, put_user);
}

static void read_back(struct exchange *exchange, struct store_request *request)
{
	if (exchange_is_good(exchange, request))
		exchange_question(exchange, STORE_USER_GET, answer_user);
}

static void patch_me(struct exchange *exchange)
{
	if (exchange->body_length == 0) {
		exchange_problem(exchange, 400, "a body is needed: {\"name\":\"Ann\",\"picture\":\"https://...\"}, "
						"either or both, null to take it away");
		return;
	}
	if (read_profile(exchange))
		exchange_order(exchange, STORE_USERS_PUT, put_steps, read_back);
}

void api_me_patch(struct exchange *exchange, const struct net_request *request)
{
	exchange_gather(exchange, request, patch_me);
}

/* ---- deleting a user -------------------------------------------------------------------------- */

/*
 * No session of the user begins any more, and those that there are end, so that nothing more is added to the
 * history that the store is to erase; the store deletes; the friends hear of it as of any friendship that ends;
 * the location goes; from then on who comes by a good token is a new user.
 */
static const enum change_step delete_steps[] = { CHANGE_BAR,	 CHANGE_LOGOUT, CHANGE_STORE, CHANGE_DELETED,
						 CHANGE_FORGET, CHANGE_UNBAR,  CHANGE_END };
static const enum change_step stay_steps[] = { CHANGE_UNBAR, CHANGE_END };

static void delete_user(struct exchange *exchange,
			void (*answer)(struct exchange *exchange, struct store_request *request))
{
	exchange->change.otherwise = stay_steps;
	exchange_order(exchange, STORE_USER_DELETE, delete_steps, answer);
}

void api_user_delete(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	delete_user(exchange, exchange_answer_nothing);
}

/* Who was never seen, and so is not known, has left all the same. */
static void answer_me_delete(struct exchange *exchange, struct store_request *request)
{
	if (request->status == -ENOENT)
		exchange_answer(exchange, 204, NULL, NULL, 0);
	else
		exchange_answer_nothing(exchange, request);
}

void api_me_delete(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	delete_user(exchange, answer_me_delete);
}
