/*
 * Owns: PUT /v1/users/{id}/friends: afterwards the user's friends are exactly those whom the body lists.
 * Invariant: all of it is done or nothing; memory is bounded by friends-max, whatever comes.
 * Thread: the core's.
 * Does not know: who was a friend before.
 */
#include "app/app_private.h"
#include "app/lines.h"

#include <errno.h>
#include <stdlib.h>

struct sync {
	struct exchange *exchange;
	struct lines lines;
	uint32_t count, count_max;
	struct user_id ids[]; /* count_max of them */
};

static const enum change_step steps[] = { CHANGE_STORE, CHANGE_PAIRS, CHANGE_END };

static void answer(struct exchange *exchange, struct store_request *request)
{
	if (request->status == -EDQUOT) {
		exchange_problem(exchange, 409, "the list has more than %llu users, and no one may have more friends (friends-max)",
				 (unsigned long long)exchange->app->config->friends_max);
	} else if (request->status == -EMLINK) {
		exchange_problem(exchange, 409, "one of the list has %llu friends, and no one may have more (friends-max): nothing was changed",
				 (unsigned long long)exchange->app->config->friends_max);
	} else if (exchange_is_good(exchange, request)) {
		char body[80];
		struct writer writer = writer_init(body, sizeof(body));
		writer_put_format(&writer, "{\"added\":%u,\"removed\":%u}\n", request->sync_removed_from,
				  request->sync_count - request->sync_removed_from);
		check(!writer.overflow);
		exchange_answer(exchange, 200, "application/json", body, writer_length(&writer));
	}
}

static int compare(const void *a, const void *b)
{
	const struct user_id *x = a, *y = b;
	return x->value < y->value ? -1 : x->value > y->value;
}

/* The store takes them in order, each once. */
static void sort(struct sync *sync)
{
	uint32_t kept = 0;
	qsort(sync->ids, sync->count, sizeof(sync->ids[0]), compare);
	for (uint32_t i = 0; i < sync->count; i++)
		if (kept == 0 || !user_id_equal(sync->ids[kept - 1], sync->ids[i]))
			sync->ids[kept++] = sync->ids[i];
	sync->count = kept;
}

static void submit(struct sync *sync)
{
	struct exchange *exchange = sync->exchange;
	sort(sync);
	exchange->change.request.ids = sync->ids;
	exchange->change.request.id_count = sync->count;
	exchange_order(exchange, STORE_FRIENDS_SYNC, steps, answer);
}

/* False: the line was refused, and with it the request, which is over. */
static bool take_line(struct sync *sync, const char *line, size_t length)
{
	struct exchange *exchange = sync->exchange;
	unsigned long long number = sync->lines.number;
	struct user_id id;
	if (length == 0 || line[0] == '#')
		return true;
	if (!user_id_parse(line, length, &id)) {
		exchange_problem(exchange, 400, "line %llu: a user is a decimal number from 0 to %llu", number,
				 (unsigned long long)USER_ID_MAX);
		return false;
	}
	if (user_id_equal(id, exchange->user)) {
		exchange_problem(exchange, 422, "line %llu: nobody is a friend of themselves", number);
		return false;
	}
	if (sync->count == sync->count_max) {
		exchange_problem(exchange, 409, "line %llu: no one may have more than %u friends (friends-max)", number,
				 sync->count_max);
		return false;
	}
	sync->ids[sync->count++] = id;
	return true;
}

static void on_body(struct exchange *exchange, const void *bytes, size_t length, bool last)
{
	struct sync *sync = exchange->own;
	const char *at = length > 0 ? bytes : "", *end = at + length, *line;
	size_t line_length;
	enum lines_result result;
	while ((result = lines_feed(&sync->lines, &at, end, last, &line, &line_length)) != LINES_MORE)
		/* A line over the bound is no number either. */
		if (!take_line(sync, result == LINES_LONG ? "?" : line, result == LINES_LONG ? 1 : line_length))
			return;
	if (last)
		submit(sync);
}

static void on_end(struct exchange *exchange)
{
	free(exchange->own);
}

void sync_friends(struct exchange *exchange, const struct net_request *request)
{
	struct net_text type = net_request_header(request, "content-type");
	uint32_t most = (uint32_t)exchange->app->config->friends_max;
	if (!media_type_is(type, "text/plain")) {
		exchange_problem(exchange, 415, "Content-Type: text/plain is taken here, one user a line");
		return;
	}
	struct sync *sync = calloc(1, sizeof(*sync) + (size_t)most * sizeof(sync->ids[0]));
	if (sync == NULL) {
		exchange_problem(exchange, 503, "no memory for a list of friends");
		return;
	}
	sync->exchange = exchange;
	sync->count_max = most;
	exchange->own = sync;
	exchange->on_end = on_end;
	exchange->on_body = on_body;
	if (!request->has_body)
		submit(sync);
}
