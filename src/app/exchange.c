/*
 * Owns: the life of an HTTP request from its head to the end of its answer.
 * Invariant: answered or abandoned exactly once, counted as such; memory goes when it is done and
 *   nothing that was asked of store or cores is in flight any more.
 * Thread: the core's.
 * Does not know: what is asked.
 */
#include "app/app_private.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *status_title(unsigned status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 409:
		return "Conflict";
	case 413:
		return "Content Too Large";
	case 415:
		return "Unsupported Media Type";
	case 422:
		return "Unprocessable Content";
	case 426:
		return "Upgrade Required";
	case 429:
		return "Too Many Requests";
	case 503:
		return "Service Unavailable";
	case 507:
		return "Insufficient Storage";
	default:
		return "Internal Server Error";
	}
}

static void refuse_with(struct app *app, struct conn_id conn, unsigned status, const char *detail,
			const struct net_header *headers, uint32_t header_count)
{
	char body[1024];
	struct writer writer = writer_init(body, sizeof(body));
	writer_put_format(&writer, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":",
			  status_title(status), status);
	json_encode_string(&writer, detail, strlen(detail));
	writer_put_text(&writer, "}\n");
	check(!writer.overflow);
	net_respond(app->net, conn, status, "application/problem+json", headers, header_count, body,
		    writer_length(&writer));
}

void api_refuse(struct app *app, struct conn_id conn, unsigned status, const char *detail)
{
	static const struct net_header bearer[] = { { "WWW-Authenticate", "Bearer realm=\"nearby\"" } };
	static const struct net_header retry[] = { { "Retry-After", "2" } };
	static const struct net_header upgrade[] = { { "Upgrade", "websocket" },
						     { "Sec-WebSocket-Version", "13" } };
	bool is_for_later = status == 429 || status == 503;
	const struct net_header *headers = status == 401 ? bearer : is_for_later ? retry : upgrade;
	uint32_t count = status == 401 || is_for_later ? 1 : status == 426 ? 2 : 0;
	refuse_with(app, conn, status, detail, headers, count);
}

void api_refuse_method(struct app *app, struct conn_id conn, const char *allowed)
{
	const struct net_header allow = { "Allow", allowed };
	refuse_with(app, conn, 405, "this address has no such method, see Allow and nearby-protocol(7)", &allow, 1);
}

struct exchange *exchange_begin(struct app *app, struct conn_id conn, enum route route)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	if (exchange == NULL)
		return NULL;
	exchange->magic = EXCHANGE_MAGIC;
	exchange->app = app;
	exchange->conn = conn;
	exchange->route = route;
	exchange->began_us = boot_us();
	exchange->next = app->exchanges;
	if (app->exchanges != NULL)
		app->exchanges->previous = exchange;
	app->exchanges = exchange;
	app->exchange_count++;
	net_set_cookie(app->net, conn, cookie_of_pointer(COOKIE_EXCHANGE, exchange));
	return exchange;
}

static void exchange_unlink(struct exchange *exchange)
{
	if (exchange->previous != NULL)
		exchange->previous->next = exchange->next;
	else
		exchange->app->exchanges = exchange->next;
	if (exchange->next != NULL)
		exchange->next->previous = exchange->previous;
	exchange->app->exchange_count--;
}

/* Lets go of the connection, and frees when nothing is in flight. */
static void finish(struct exchange *exchange)
{
	if (!exchange->is_done) {
		exchange->is_done = true;
		if (!exchange->conn_gone)
			net_set_cookie(exchange->app->net, exchange->conn, 0);
	}
	if (exchange->in_flight > 0)
		return;
	if (exchange->on_end != NULL)
		exchange->on_end(exchange);
	store_request_fini(&exchange->request);
	store_request_fini(&exchange->change.request);
	free(exchange->body);
	exchange_unlink(exchange);
	exchange->magic = 0;
	free(exchange);
}

static void count_end(struct exchange *exchange, bool is_good)
{
	counter_word *route = exchange->app->counters.routes + (size_t)exchange->route * ROUTE_WORDS;
	if (exchange->conn_gone)
		counter_add(&route[ROUTE_ABANDONED], 1);
	else if (is_good)
		histogram_add(route, boot_us() - exchange->began_us);
	else
		counter_add(&route[ROUTE_FAILED], 1);
}

void exchange_answer(struct exchange *exchange, unsigned status, const char *type, const void *body,
		     size_t length)
{
	check(!exchange->is_done);
	if (!exchange->conn_gone)
		net_respond(exchange->app->net, exchange->conn, status, type, NULL, 0, body, length);
	count_end(exchange, status < 400);
	finish(exchange);
}

void exchange_problem(struct exchange *exchange, unsigned status, const char *format, ...)
{
	check(!exchange->is_done);
	char detail[400];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(detail, sizeof(detail), format, arguments);
	va_end(arguments);
	if (!exchange->conn_gone)
		api_refuse(exchange->app, exchange->conn, status, detail);
	count_end(exchange, false);
	finish(exchange);
}

/* The token may have been revoked while the body came: then the exchange is refused, and over. */
static bool is_revoked(struct exchange *exchange)
{
	if (exchange->is_nobodys)
		return false;
	enum token_verdict verdict = bars_judge(exchange->app->bars, exchange->bearer, exchange->issued_s);
	if (verdict == TOKEN_GOOD)
		return false;
	exchange_problem(exchange, verdict == TOKEN_BARRED ? 403 : 401, "%s", token_verdict_help(verdict));
	return true;
}

static void gather(struct exchange *exchange, const void *bytes, size_t length, bool last)
{
	if (exchange->body_length + length > exchange->gather_bytes_max) {
		exchange_problem(exchange, 413, "a body of at most %zu bytes is taken here",
				 exchange->gather_bytes_max);
		return;
	}
	if (length > 0)
		memcpy(exchange->body + exchange->body_length, bytes, length);
	exchange->body_length += length;
	if (!last)
		return;
	exchange->gather_bytes_max = 0;
	if (!is_revoked(exchange))
		exchange->on_gathered(exchange);
}

void exchange_tick(struct app *app, uint64_t now_us)
{
	uint64_t timeout_us = (uint64_t)app->config->handshake_timeout_s * 1000000u;
	struct exchange *next;
	for (struct exchange *exchange = app->exchanges; exchange != NULL; exchange = next) {
		next = exchange->next;
		if (exchange->gather_bytes_max > 0 && !exchange->is_done &&
		    elapsed_us(exchange->began_us, now_us) > timeout_us)
			exchange_problem(exchange, 408, "the body must be here within %u s",
					 app->config->handshake_timeout_s);
	}
}

void exchange_gather(struct exchange *exchange, const struct net_request *request,
		     void (*then)(struct exchange *))
{
	if (!request->has_body) {
		then(exchange);
		return;
	}
	exchange->gather_bytes_max = exchange->app->config->body_bytes_max;
	exchange->body = malloc(exchange->gather_bytes_max);
	exchange->on_gathered = then;
	if (exchange->body == NULL)
		exchange_problem(exchange, 503, "no memory for the body");
	else
		exchange->on_body = gather;
}

void exchange_end(struct exchange *exchange, bool is_whole)
{
	if (!exchange->is_done) {
		counter_word *route =
			exchange->app->counters.routes + (size_t)exchange->route * ROUTE_WORDS;
		if (is_whole)
			histogram_add(route, boot_us() - exchange->began_us);
		else
			counter_add(&route[ROUTE_ABANDONED], 1);
	}
	finish(exchange);
}

void exchange_close_all(struct app *app)
{
	while (app->exchanges != NULL) {
		app->exchanges->conn_gone = true;
		app->exchanges->in_flight = 0;
		exchange_end(app->exchanges, false);
	}
}

void exchange_came_back(struct exchange *exchange, struct store_request *request)
{
	check_object(exchange, EXCHANGE_MAGIC);
	exchange->in_flight--;
	if (exchange->is_done) {
		store_request_fini(request);
		exchange_end(exchange, false);
	} else {
		exchange->on_store(exchange, request);
	}
}

void exchange_ask(struct exchange *exchange, struct store_request *request)
{
	request->context = (void *)(uintptr_t)cookie_of_pointer(COOKIE_EXCHANGE, exchange);
	exchange->in_flight++;
	app_submit(exchange->app, request);
}

static void change_came_back(struct app *app, struct change *change)
{
	(void)app;
	exchange_came_back(change->context, &change->request);
}

void exchange_change(struct exchange *exchange, struct change *change, const enum change_step *steps)
{
	change->steps = steps;
	change->done = change_came_back;
	change->context = exchange;
	exchange->in_flight++;
	change_submit(exchange->app, change);
}

unsigned exchange_store_failure(int status, const char **text)
{
	switch (status) {
	case -ENOENT:
		*text = "there is no such user";
		return 404;
	case -ENOSPC:
		*text = "the disk, or the database's map, is full: nothing was changed";
		return 507;
	case -EEXIST:
	case -ENOTEMPTY:
		*text = "the directory holds something already";
		return 409;
	case -ECANCELED:
		*text = "the server stops";
		return 503;
	default:
		*text = strerror(-status);
		return 500;
	}
}

bool exchange_is_good(struct exchange *exchange, const struct store_request *request)
{
	if (request->status == 0)
		return true;
	const char *text;
	unsigned status = exchange_store_failure(request->status, &text);
	exchange_problem(exchange, status, "%s", text);
	return false;
}

void exchange_answer_nothing(struct exchange *exchange, struct store_request *request)
{
	if (exchange_is_good(exchange, request))
		exchange_answer(exchange, 204, NULL, NULL, 0);
}

void exchange_question(struct exchange *exchange, enum store_op op,
		       void (*on_store)(struct exchange *, struct store_request *))
{
	exchange->request.op = op;
	exchange->request.user = exchange->user;
	exchange->request.now_ms = wall_ms();
	exchange->on_store = on_store;
	exchange_ask(exchange, &exchange->request);
}

void exchange_order(struct exchange *exchange, enum store_op op, const enum change_step *steps,
		    void (*on_store)(struct exchange *, struct store_request *))
{
	exchange->change.request.op = op;
	exchange->change.request.user = exchange->user;
	exchange->change.request.now_ms = wall_ms();
	exchange->on_store = on_store;
	exchange_change(exchange, &exchange->change, steps);
}
