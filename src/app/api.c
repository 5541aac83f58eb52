/*
 * Owns: which request goes where: routes, tokens, parameters; and the requests answered at once.
 * Invariant: nothing below this file sees a request that its route does not allow.
 * Thread: the core's.
 * Does not know: sockets; what the store does.
 */
#include "app/app_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "proto/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum where { PUBLIC = 1, ADMIN = 2, BOTH = 3 };
enum who { NOBODY, USER, SERVICE };

/* Of a path, decoded: the longest route with two ids has 60. */
#define PATH_BYTES_MAX 256
/* Of the methods of one path. */
#define ALLOW_BYTES_MAX 64

struct route_row {
	const char *method, *pattern;
	enum where where;
	enum who who;
	void (*handler)(struct exchange *exchange, const struct net_request *request);
};

static const struct route_row rows[ROUTE_COUNT] = {
#define ROUTE(name, text, method, pattern, where, who, handler)                                          \
	[ROUTE_##name] = { method, pattern, where, who, handler },
#include "app/routes.tbl"
#undef ROUTE
};

/* ---- finding the route ------------------------------------------------------------------------ */

/* Whether a path is of a pattern; its ids go to ids[0..1]. */
static bool path_matches(struct net_text path, const char *pattern, struct user_id ids[2])
{
	const char *at = path.bytes, *end = path.bytes + path.length;
	uint32_t found = 0;
	while (*pattern != '\0') {
		if (pattern[0] != '{') {
			if (at == end || *at++ != *pattern++)
				return false;
			continue;
		}
		const char *stop = at;
		while (stop < end && *stop != '/')
			stop++;
		if (!user_id_parse(at, (size_t)(stop - at), &ids[found++]))
			return false;
		at = stop;
		pattern += 2;
	}
	return at == end;
}

/* What is asked for with GET may be asked for with HEAD: then only the head of the answer is sent. */
static bool method_matches(struct net_text method, enum route route)
{
	return text_equal(method, rows[route].method) ||
	       (text_equal(method, "HEAD") && strcmp(rows[route].method, "GET") == 0 && route != ROUTE_WS);
}

/* The route, or ROUTE_COUNT; then `allowed` has the methods that the path is known for, if any. */
static enum route find_route(const struct net_request *request, struct writer *allowed, struct user_id ids[2])
{
	enum where where = request->listener == LISTENER_PUBLIC ? PUBLIC : ADMIN;
	char memory[PATH_BYTES_MAX];
	struct net_text path = path_decode(request->path, memory, sizeof(memory));
	for (uint32_t i = 0; i < ROUTE_COUNT; i++) {
		if ((rows[i].where & where) == 0 || !path_matches(path, rows[i].pattern, ids))
			continue;
		if (method_matches(request->method, (enum route)i))
			return (enum route)i;
		writer_put_text(allowed, writer_length(allowed) == 0 ? "" : ", ");
		writer_put_text(allowed, rows[i].method);
		if (strcmp(rows[i].method, "GET") == 0 && i != ROUTE_WS)
			writer_put_text(allowed, ", HEAD");
	}
	return ROUTE_COUNT;
}

/* ---- who asks --------------------------------------------------------------------------------- */

/* The token of a request, from the header or the query; empty when there is none. */
static struct net_text request_token(const struct net_request *request, char *memory, size_t bytes)
{
	struct net_text header = net_request_header(request, "authorization");
	static const char scheme[] = "bearer ";
	size_t length = sizeof(scheme) - 1;
	if (header.length > length && strncasecmp(header.bytes, scheme, length) == 0)
		return (struct net_text){ header.bytes + length, header.length - length };
	if (header.bytes != NULL)
		return (struct net_text){ NULL, 0 };
	return query_value(request->query, "access_token", memory, bytes);
}

enum token_verdict api_judge(struct app *app, const char *text, size_t length, struct token *token)
{
	const struct token_rules rules = { .now_s = wall_ms() / 1000,
					   .leeway_s = app->config->token_leeway_s,
					   .audience = app->config->token_audience };
	enum token_verdict verdict = token_verify(app->key, app->reader, text, length, &rules, token);
	if (verdict == TOKEN_GOOD && !token->is_nobody)
		verdict = bars_judge(app->bars, token->user, token->issued_s);
	return verdict;
}

/* NULL, or why the request is not let in; *status says how to answer. */
static const char *authenticate(struct app *app, const struct net_request *request, enum who who,
				struct token *token, unsigned *status)
{
	token->is_nobody = true;
	/* The control socket's file is the daemon's user's alone. */
	if (who == NOBODY || (who == SERVICE && request->listener == LISTENER_CONTROL))
		return NULL;
	char memory[TOKEN_BYTES_MAX];
	struct net_text text = request_token(request, memory, sizeof(memory));
	*status = 401;
	if (text.length == 0)
		return "a token is needed: Authorization: Bearer TOKEN, or access_token=TOKEN in the query";
	enum token_verdict verdict = api_judge(app, text.bytes, text.length, token);
	if (verdict == TOKEN_GOOD && who == USER && token->is_nobody)
		verdict = TOKEN_SUBJECT;
	if (verdict == TOKEN_GOOD && (who == USER || token->is_admin))
		return NULL;
	if (verdict == TOKEN_GOOD || verdict == TOKEN_BARRED)
		*status = 403;
	return verdict == TOKEN_GOOD ? "this needs a service token, whose scope contains admin"
				     : token_verdict_help(verdict);
}

/* A browser says where its page is from; when a list is configured it must be on it. */
static bool origin_is_allowed(const struct app *app, const struct net_request *request)
{
	struct net_text origin = net_request_header(request, "origin");
	if (origin.bytes == NULL || app->config->allowed_origins.count == 0)
		return true;
	for (uint32_t i = 0; i < app->config->allowed_origins.count; i++)
		if (text_equal(origin, app->config->allowed_origins.texts[i]))
			return true;
	return false;
}

/* ---- parameters ------------------------------------------------------------------------------- */

/* Reads limit, cursor, from and to where they are given; NULL, or what is wrong. */
static const char *read_parameters(struct exchange *exchange, const struct net_request *request)
{
	char memory[64];
	struct user_id number;
	exchange->limit = PAGE_LIMIT_DEFAULT;
	exchange->from_ms = INT64_MIN;
	exchange->to_ms = INT64_MAX;
	struct net_text value = query_value(request->query, "limit", memory, sizeof(memory));
	if (value.bytes != NULL) {
		if (!user_id_parse(value.bytes, value.length, &number) || number.value < 1 ||
		    number.value > PAGE_LIMIT_MAX)
			return "limit: a number from 1 to 100";
		exchange->limit = (uint32_t)number.value;
	}
	value = query_value(request->query, "cursor", memory, sizeof(memory));
	if (value.bytes != NULL) {
		if (!page_cursor_parse(value.bytes, value.length, &exchange->cursor))
			return "cursor: the `next` of the page before";
		exchange->has_cursor = true;
	}
	value = query_value(request->query, "from", memory, sizeof(memory));
	if (value.bytes != NULL && !time_parse(value, &exchange->from_ms))
		return "from: milliseconds since 1970, or RFC 3339 as 2026-01-31T08:00:00Z";
	value = query_value(request->query, "to", memory, sizeof(memory));
	if (value.bytes != NULL && !time_parse(value, &exchange->to_ms))
		return "to: milliseconds since 1970, or RFC 3339 as 2026-01-31T08:00:00Z";
	struct net_text accept = net_request_header(request, "accept");
	/* Lines of JSON, unless another is preferred by name. */
	for (enum stream_format format = STREAM_NDJSON; format < STREAM_FORMAT_COUNT; format++)
		if (accept_weight(accept, stream_type(format)) > accept_weight(accept, stream_type(exchange->format)))
			exchange->format = format;
	return NULL;
}

/* ---- taking it in ----------------------------------------------------------------------------- */

static void refuse_unknown(struct app *app, struct conn_id conn, const char *allowed)
{
	counter_add(&app->counters.app[APP_COUNTER_UNROUTED], 1);
	if (allowed[0] != '\0')
		api_refuse_method(app, conn, allowed);
	else
		api_refuse(app, conn, 404, "there is no such address; see nearby-protocol(7)");
}

static bool is_within_rate(struct app *app, struct user_id user)
{
	uint32_t per_s = app->config->requests_per_s;
	return quota_take(app->shared->requests, user.value, boot_us(), per_s,
			  per_s > 0 ? REQUESTS_BURST_S * per_s : 1);
}

static void refuse_entry(struct exchange *exchange, unsigned status, const char *why)
{
	counter_word *counters = exchange->app->counters.app;
	counter_add(&counters[status == 401 ? APP_COUNTER_AUTH_FAILED : APP_COUNTER_FORBIDDEN], 1);
	exchange_problem(exchange, status, "%s", why);
}

void api_request(void *context, struct conn_id conn, const struct net_request *request)
{
	struct app *app = context;
	struct user_id ids[2] = { { 0 }, { 0 } };
	char methods[ALLOW_BYTES_MAX];
	struct writer allowed = writer_init(methods, sizeof(methods));
	enum route route = find_route(request, &allowed, ids);
	if (route == ROUTE_COUNT) {
		writer_put(&allowed, "", 1);
		check(!allowed.overflow);
		refuse_unknown(app, conn, methods);
		return;
	}
	bool is_full = app->exchange_count >= EXCHANGES_MAX && rows[route].who != NOBODY;
	struct exchange *exchange = is_full ? NULL : exchange_begin(app, conn, route);
	if (exchange == NULL) {
		counter_add(&app->counters.app[APP_COUNTER_REQUESTS_REFUSED], 1);
		api_refuse(app, conn, 503, "too many requests wait for the databases: try again");
		return;
	}
	struct token token = { 0 };
	unsigned status = 403;
	const char *why = origin_is_allowed(app, request)
				  ? authenticate(app, request, rows[route].who, &token, &status)
				  : "this origin is not among allowed-origins";
	if (why != NULL) {
		refuse_entry(exchange, status, why);
		return;
	}
	if (rows[route].who == USER && !is_within_rate(app, token.user)) {
		counter_add(&app->counters.app[APP_COUNTER_REQUESTS_TOO_FAST], 1);
		exchange_problem(exchange, 429, "at most %u requests a second of one user are answered here",
				 app->config->requests_per_s);
		return;
	}
	exchange->user = rows[route].who == USER ? token.user : ids[0];
	exchange->expires_s = token.expiry_s;
	exchange->issued_s = token.issued_s;
	exchange->is_nobodys = token.is_nobody;
	exchange->bearer = token.user;
	exchange->other = rows[route].who == USER ? ids[0] : ids[1];
	exchange->is_head = text_equal(request->method, "HEAD");
	why = read_parameters(exchange, request);
	if (why != NULL)
		exchange_problem(exchange, 400, "%s", why);
	else
		rows[route].handler(exchange, request);
}

void api_body(void *context, struct conn_id conn, const void *bytes, size_t length, bool last)
{
	struct app *app = context;
	uint64_t cookie = net_cookie(app->net, conn);
	/* A body that nobody asked for, or of a request that was refused, is read and dropped. */
	if (COOKIE_KIND(cookie) != COOKIE_EXCHANGE)
		return;
	struct exchange *exchange = COOKIE_POINTER(cookie);
	check_object(exchange, EXCHANGE_MAGIC);
	if (exchange->on_body != NULL)
		exchange->on_body(exchange, bytes, length, last);
}

/* ---- answered at once ------------------------------------------------------------------------- */

void api_metrics(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	size_t length;
	char *text = metrics_text(exchange->app->shared->segment, &length);
	if (text == NULL)
		exchange_problem(exchange, 503, "no memory for the metrics");
	else
		exchange_answer(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", text, length);
	free(text);
}

void api_healthz(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	struct app_shared *shared = exchange->app->shared;
	uint64_t now_us = boot_us();
	for (uint32_t core = 0; core < shared->cores; core++) {
		uint64_t beat_us = nearby_segment_last_beat(shared->segment, core);
		if (beat_us + CORE_STALLED_US < now_us) {
			exchange_problem(exchange, 503, "core %u has not ended a turn for %llu ms", core,
					 (unsigned long long)((now_us - beat_us) / 1000));
			return;
		}
	}
	exchange_answer(exchange, 200, "text/plain", "ok\n", 3);
}

void api_readyz(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	if (atomic_load_explicit(&exchange->app->shared->draining, memory_order_relaxed))
		exchange_problem(exchange, 503, "the server drains");
	else
		exchange_answer(exchange, 200, "text/plain", "ready\n", 6);
}

void api_drain(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	log_notice("drain: asked for over the admin listener");
	atomic_store_explicit(&exchange->app->shared->draining, true, memory_order_relaxed);
	exchange_answer(exchange, 204, NULL, NULL, 0);
}
