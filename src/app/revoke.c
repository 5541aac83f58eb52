/*
 * Owns: the requests that revoke tokens of a user, and that let them be good again.
 * Invariant: what revokes is in force on every core at once, before it is durable, and stays so until a restart
 *   if that fails; what lets in again is durable first. Answered when it is both.
 * Thread: the core's, which is core 0: the admin listener is there alone.
 * Does not know: how tokens are judged (bars.h), LMDB.
 */
#include "app/app_private.h"

#include "base/clock.h"
#include "proto/json.h"

#include <string.h>

/* Seconds since 1970 that not_before may be; as those of a token's claims. */
#define NOT_BEFORE_S_MAX ((INT64_C(1) << 53) - 1)

/* Told again after the store's answer: in the order in which it became durable among other such changes. */
static const enum change_step revoke_steps[] = { CHANGE_REVOKE, CHANGE_STORE, CHANGE_REVOKE, CHANGE_END };
static const enum change_step kick_steps[] = { CHANGE_REVOKE, CHANGE_LOGOUT, CHANGE_STORE, CHANGE_REVOKE, CHANGE_END };
static const enum change_step lift_steps[] = { CHANGE_STORE, CHANGE_REVOKE, CHANGE_END };

static void order(struct exchange *exchange, int64_t not_before_s, const enum change_step *steps)
{
	exchange->change.request.bar = (struct store_bar){ exchange->user, not_before_s };
	exchange_order(exchange, STORE_BAR_PUT, steps, exchange_answer_nothing);
}

/* Sessions end, and tokens issued before now are refused, unless more are already. */
void api_user_kick(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	int64_t now_s = wall_ms() / 1000, before_s = bars_get(exchange->app->bars, exchange->user);
	order(exchange, before_s > now_s ? before_s : now_s, kick_steps);
}

static bool read_not_before(struct exchange *exchange, int64_t *not_before_s, struct decode_error *error)
{
	struct json_reader *reader = exchange->app->reader;
	const char *text;
	size_t length;
	if (!json_read(reader, exchange->body, exchange->body_length, error))
		return false;
	if (json_kind(reader, "not_before") != JSON_KIND_TEXT)
		return json_take_integer(reader, "not_before", 0, NOT_BEFORE_S_MAX, not_before_s, error);
	if (json_take_text(reader, "not_before", 1, 64, &text, &length, error) &&
	    memchr(text, 'T', length) != NULL && time_parse((struct net_text){ text, length }, not_before_s) &&
	    *not_before_s >= 0) {
		*not_before_s /= 1000;
		return true;
	}
	decode_error_set(error, ERROR_BAD_FIELD,
			 "not_before: seconds since 1970, or RFC 3339 as \"2026-01-31T08:00:00Z\"");
	return false;
}

static void put_not_before(struct exchange *exchange)
{
	struct decode_error error;
	int64_t not_before_s;
	if (exchange->body_length == 0)
		exchange_problem(exchange, 400, "a body is needed: {\"not_before\":SECONDS}, of 0 for no bound");
	else if (!read_not_before(exchange, &not_before_s, &error))
		exchange_problem(exchange, 400, "%s", error.message);
	else if (bars_get(exchange->app->bars, exchange->user) == BARS_ALTOGETHER)
		exchange_problem(exchange, 409, "the user is barred altogether, which `unblock` lifts");
	else
		order(exchange, not_before_s,
		      not_before_s > bars_get(exchange->app->bars, exchange->user) ? revoke_steps : lift_steps);
}

void api_not_before_put(struct exchange *exchange, const struct net_request *request)
{
	exchange_gather(exchange, request, put_not_before);
}

void api_block_put(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	order(exchange, BARS_ALTOGETHER, revoke_steps);
}

void api_block_delete(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	/* What is refused for another reason than being barred stays so. */
	if (bars_get(exchange->app->bars, exchange->user) == BARS_ALTOGETHER)
		order(exchange, 0, lift_steps);
	else
		exchange_answer(exchange, 204, NULL, NULL, 0);
}
