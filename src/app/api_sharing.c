/*
 * Owns: the requests about what a user shares of where it is.
 * Invariant: each is answered with the whole of what holds.
 * Thread: the core's.
 * Does not know: what a change does on its way (sharing.c).
 */
#include "app/app_private.h"

#include <errno.h>

/* Bytes of an exception in JSON at most, and of the rest. */
#define EXCEPTION_BYTES 96
#define REST_BYTES	256

static void answer_state(struct exchange *exchange, struct store_request *request)
{
	if (!exchange_is_good(exchange, request))
		return;
	char body[REST_BYTES + SHARING_EXCEPTIONS_MAX * EXCEPTION_BYTES];
	struct writer writer = writer_init(body, sizeof(body));
	writer_put_text(&writer, "{");
	json_encode_sharing_state(&writer, &request->sharing, request->exceptions, request->exception_count);
	writer_put_text(&writer, "}\n");
	check(!writer.overflow);
	exchange_answer(exchange, 200, "application/json", body, writer_length(&writer));
}

void api_sharing_get(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	exchange_question(exchange, STORE_SHARING_GET, answer_state);
}

/* ---- changing ---------------------------------------------------------------------------------- */

static void answer_full(struct exchange *exchange, struct store_request *request)
{
	(void)request;
	exchange_problem(exchange, 409, "there are %u friends who are shown something of their own, and more are not kept",
			 SHARING_EXCEPTIONS_MAX);
}

static void answer_change(struct exchange *exchange, struct store_request *request)
{
	bool is_end = request->asked.mode == SHARING_DEFAULT;
	if (sharing_is_undone(request)) {
		request->op = STORE_SHARING_GET;
		exchange->on_store = answer_full;
		exchange_change(exchange, &exchange->change, sharing_undo);
	} else if (request->status == -EDQUOT) {
		answer_full(exchange, request);
	} else if (request->status == -ENOENT && is_end) {
		/* There is none, as was asked. */
		api_sharing_get(exchange, NULL);
	} else if (request->status == -ENOENT) {
		exchange_problem(exchange, 404, "what one user sees can be said of a friend only");
	} else {
		answer_state(exchange, request);
	}
}

static void order(struct exchange *exchange)
{
	struct store_request *request = &exchange->change.request;
	const char *why = sharing_judge(request);
	exchange->change.otherwise = sharing_failed;
	if (why != NULL)
		exchange_problem(exchange, 400, "%s", why);
	else
		exchange_order(exchange, STORE_SHARING_PUT, sharing_steps(request), answer_change);
}

static void put(struct exchange *exchange)
{
	struct decode_error error;
	struct json_reader *reader = exchange->app->reader;
	struct store_request *request = &exchange->change.request;
	if (exchange->body_length == 0)
		exchange_problem(exchange, 400, "a body is needed: {\"mode\":\"precise\"}, \"approximate\" or \"off\", "
						"and \"until\" in milliseconds since 1970 if it is to end");
	else if (json_read(reader, exchange->body, exchange->body_length, &error) &&
		 json_take_sharing(reader, request->has_other, &request->asked, &error))
		order(exchange);
	else
		exchange_problem(exchange, 400, "%s", error.message);
}

void api_sharing_put(struct exchange *exchange, const struct net_request *request)
{
	exchange_gather(exchange, request, put);
}

static void name_friend(struct exchange *exchange)
{
	exchange->change.request.has_other = true;
	exchange->change.request.other = exchange->other;
}

void api_exception_put(struct exchange *exchange, const struct net_request *request)
{
	name_friend(exchange);
	exchange_gather(exchange, request, put);
}

void api_exception_delete(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	name_friend(exchange);
	order(exchange);
}
