/*
 * Owns: the requests about friendships, and the lists of them.
 * Invariant: a change is answered when it is durable and every core has applied it.
 * Thread: the core's.
 * Does not know: LMDB, other cores' state.
 */
#include "app/app_private.h"

#include "proto/json.h"

/* ---- friendships ------------------------------------------------------------------------------ */

static const enum change_step pair_steps[] = { CHANGE_STORE, CHANGE_PAIRS, CHANGE_END };

static void answer_pair(struct exchange *exchange, struct store_request *request)
{
	if (!exchange_is_good(exchange, request))
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
	exchange_order(exchange, op, pair_steps, answer_pair);
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

static void answer_friends(struct exchange *exchange, struct store_request *request)
{
	if (!exchange_is_good(exchange, request))
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
	api_put_next(&writer, request->friend_total, has_next, &next);
	check(!writer.overflow);
	exchange_answer(exchange, 200, "application/json", body, writer_length(&writer));
}

void api_friends_get(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	exchange->request.has_after = exchange->has_cursor;
	exchange->request.after = exchange->cursor.user;
	exchange->request.limit = exchange->limit + 1;
	exchange_question(exchange, STORE_FRIENDS_GET, answer_friends);
}
