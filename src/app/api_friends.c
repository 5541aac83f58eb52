/*
 * Owns: the requests about one pair of users: friendships, asks and blocks; and the lists of them.
 * Invariant: a change is answered when it is durable and every core has applied it.
 * Thread: the core's.
 * Does not know: LMDB, other cores' state.
 */
#include "app/app_private.h"

#include "proto/json.h"

#include <string.h>

/* ---- one pair --------------------------------------------------------------------------------- */

static const enum change_step pair_steps[] = { CHANGE_STORE, CHANGE_PAIRS, CHANGE_END };
static const enum change_step block_steps[] = { CHANGE_STORE, CHANGE_BLOCK, CHANGE_END };

static void change_pair(struct exchange *exchange, enum store_op op, const enum change_step *steps,
			void (*then)(struct exchange *, struct store_request *))
{
	exchange->pair = (struct store_pair){ .a = exchange->user, .b = exchange->other };
	exchange->change.request.pairs = &exchange->pair;
	exchange->change.request.pair_count = 1;
	exchange_order(exchange, op, steps, then);
}

static void refuse_limit(struct exchange *exchange)
{
	unsigned long long friends_max = exchange->app->config->friends_max;
	if (exchange->route == ROUTE_ME_BLOCK)
		exchange_problem(exchange, 409, "no one may block more than %d users", STORE_BLOCKS_MAX);
	else if (exchange->route == ROUTE_ME_FRIEND_PUT)
		exchange_problem(exchange, 409, "one of the two has %llu friends, and no one may have more (friends-max); "
						"or %d asks are open that it made or received, and no more may be",
				 friends_max, STORE_ASKS_MAX);
	else
		exchange_problem(exchange, 409, "one of the two has %llu friends, and no one may have more (friends-max)",
				 friends_max);
}

/* True when the pair is as it was to be; else the exchange is answered and over. */
static bool pair_was_good(struct exchange *exchange, const struct store_request *request)
{
	if (!exchange_is_good(exchange, request))
		return false;
	bool is_operator = exchange->route == ROUTE_FRIEND_PUT;
	switch (exchange->pair.result) {
	case STORE_PAIR_ADDED:
	case STORE_PAIR_PRESENT:
	case STORE_PAIR_ASKED:
		return true;
	case STORE_PAIR_SELF:
		exchange_problem(exchange, 422, exchange->route == ROUTE_ME_BLOCK ? "nobody can block themselves"
										  : "nobody is a friend of themselves");
		return false;
	case STORE_PAIR_LIMIT:
		refuse_limit(exchange);
		return false;
	case STORE_PAIR_BLOCKED:
		exchange_problem(exchange, is_operator ? 409 : 403, "one of the two has blocked the other, and has to lift that first");
		return false;
	case STORE_PAIR_UNKNOWN:
		exchange_problem(exchange, 404, "there is no such user");
		return false;
	}
	check(!"pair result");
}

static void answer_pair(struct exchange *exchange, struct store_request *request)
{
	if (pair_was_good(exchange, request))
		exchange_answer(exchange, 204, NULL, NULL, 0);
}

void api_friend_put(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	change_pair(exchange, STORE_FRIENDS_PUT, pair_steps, answer_pair);
}

/* What holds between the two ends, a friendship or an ask of either. */
void api_friend_delete(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	change_pair(exchange, STORE_END, pair_steps, answer_pair);
}

/* ---- what users ask of each other ------------------------------------------------------------- */

static void answer_ask(struct exchange *exchange, struct store_request *request)
{
	if (!pair_was_good(exchange, request))
		return;
	static const char friends[] = "{\"state\":\"friends\"}\n", asked[] = "{\"state\":\"asked\"}\n";
	const char *state = request->is_friend ? friends : asked;
	exchange_answer(exchange, 200, "application/json", state, strlen(state));
}

void api_me_friend_put(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	change_pair(exchange, STORE_ASK, pair_steps, answer_ask);
}

/* Always 204, so that nobody learns anything from it. */
void api_me_friend_delete(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	change_pair(exchange, STORE_END, pair_steps, exchange_answer_nothing);
}

void api_me_block(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	change_pair(exchange, STORE_BLOCK, block_steps, answer_pair);
}

void api_me_unblock(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	change_pair(exchange, STORE_UNBLOCK, block_steps, exchange_answer_nothing);
}

/* ---- lists ------------------------------------------------------------------------------------ */

static void answer_list(struct exchange *exchange, struct store_request *request)
{
	if (!exchange_is_good(exchange, request))
		return;
	char body[256 + PAGE_LIMIT_MAX * (64 + 6 * STORE_NAME_BYTES_MAX)];
	struct writer writer = writer_init(body, sizeof(body));
	struct page_cursor next = { 0 };
	/* One more than the page was asked for, to know whether there is a next one. */
	bool has_next = request->friend_count > exchange->limit;
	uint32_t count = has_next ? exchange->limit : request->friend_count;
	writer_put_text(&writer, request->list == STORE_LIST_BLOCKED ? "{\"people\":[" : "{\"friends\":[");
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

static void list(struct exchange *exchange, enum store_list list)
{
	exchange->request.list = list;
	exchange->request.has_after = exchange->has_cursor;
	exchange->request.after = exchange->cursor.user;
	exchange->request.limit = exchange->limit + 1;
	exchange_question(exchange, STORE_FRIENDS_GET, answer_list);
}

void api_friends_get(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	list(exchange, STORE_LIST_FRIENDS);
}

void api_asked_get(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	list(exchange, STORE_LIST_ASKED);
}

void api_asking_get(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	list(exchange, STORE_LIST_ASKING);
}

void api_blocked_get(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	list(exchange, STORE_LIST_BLOCKED);
}
