/*
 * Owns: the dialogue of requests and answers on a connection.
 * Invariant: one request at a time is shown to the layer above; the next is read when that one is
 *   answered and its body done. Callbacks come from received and proceed only, never from within a
 *   call of the layer above.
 * Thread: the core's.
 * Does not know: what is asked.
 */
#include "net/state.h"

#include "base/check.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Status line, Date, Connection, framing; headers of the layer above come on top. */
enum { HEAD_BYTES_MAX = 512 };

/* ---- writing answers ------------------------------------------------------------------------ */

static const char *date_text(struct net *net)
{
	uint64_t now_s = (uint64_t)wall_ms() / 1000;
	if (now_s != net->date_s) {
		time_t seconds = (time_t)now_s;
		struct tm utc;
		gmtime_r(&seconds, &utc);
		/* Names of days and months are English in the C locale, which nobody here leaves. */
		strftime(net->date_text, sizeof(net->date_text), "%a, %d %b %Y %H:%M:%S GMT", &utc);
		net->date_s = now_s;
	}
	return net->date_text;
}

static size_t headers_length(const struct net_header *headers, uint32_t count)
{
	size_t length = 0;
	for (uint32_t i = 0; i < count; i++)
		length += strlen(headers[i].name) + strlen(headers[i].value) + 4;
	return length;
}

static void put_header(struct writer *writer, const char *name, const char *value)
{
	writer_put_text(writer, name);
	writer_put_text(writer, ": ");
	writer_put_text(writer, value);
	writer_put_text(writer, "\r\n");
}

static void put_status(struct net *net, struct writer *writer, unsigned status)
{
	writer_put_text(writer, "HTTP/1.1 ");
	writer_put_u64(writer, status);
	writer_put_text(writer, " ");
	writer_put_text(writer, http_status_text(status));
	writer_put_text(writer, "\r\n");
	put_header(writer, "Date", date_text(net));
}

static void put_connection(struct writer *writer, const struct connection *c)
{
	if (c->closes)
		put_header(writer, "Connection", "close");
	else if (c->is_old)
		put_header(writer, "Connection", "keep-alive");
}

/* RFC 9110: neither has content, and 204 must not even say so. */
static bool status_has_body(unsigned status)
{
	return status >= 200 && status != 204 && status != 304;
}

static void fail_for_memory(struct net *net, struct connection *c)
{
	c->answered = true;
	c->closes = true;
	connection_finish(net, c, CLOSE_INTERNAL);
}

static void put_answer(struct net *net, struct connection *c, unsigned status,
		       const char *content_type, const struct net_header *headers,
		       uint32_t header_count, const void *body, size_t length)
{
	size_t bytes = HEAD_BYTES_MAX + headers_length(headers, header_count) +
		       (content_type == NULL ? 0 : strlen(content_type)) + length;
	uint8_t *room = connection_reserve(net, c, bytes);
	if (room == NULL) {
		fail_for_memory(net, c);
		return;
	}
	struct writer writer = writer_init(room, bytes);
	put_status(net, &writer, status);
	put_connection(&writer, c);
	for (uint32_t i = 0; i < header_count; i++)
		put_header(&writer, headers[i].name, headers[i].value);
	if (content_type != NULL)
		put_header(&writer, "Content-Type", content_type);
	if (status_has_body(status)) {
		writer_put_text(&writer, "Content-Length: ");
		writer_put_u64(&writer, content_type == NULL ? 0 : length);
		writer_put_text(&writer, "\r\n");
	}
	writer_put_text(&writer, "\r\n");
	if (content_type != NULL && status_has_body(status) && !c->is_head)
		writer_put(&writer, body, length);
	check(!writer.overflow);
	connection_commit(net, c, writer_length(&writer));
}

void net_respond(struct net *net, struct conn_id conn, unsigned status, const char *content_type,
		 const struct net_header *headers, uint32_t header_count, const void *body,
		 size_t length)
{
	struct connection *c = connection_find(net, conn);
	if (c == NULL || c->state != CONN_REQUEST)
		return;
	check(!c->has_begun && !c->answered);
	/* The rest of the body is not waited for. */
	if (!c->body_done)
		c->closes = true;
	put_answer(net, c, status, content_type, headers, header_count, body, length);
	c->answered = true;
	connection_ready(net, c);
}

void net_respond_begin(struct net *net, struct conn_id conn, unsigned status,
		       const char *content_type)
{
	struct connection *c = connection_find(net, conn);
	if (c == NULL || c->state != CONN_REQUEST)
		return;
	check(!c->has_begun && !c->answered);
	/* Without chunks only the end of the connection tells the end of the answer. */
	if (c->is_old)
		c->closes = true;
	c->has_begun = true;
	size_t bytes = HEAD_BYTES_MAX + strlen(content_type);
	uint8_t *room = connection_reserve(net, c, bytes);
	if (room == NULL) {
		fail_for_memory(net, c);
		return;
	}
	struct writer writer = writer_init(room, bytes);
	put_status(net, &writer, status);
	put_connection(&writer, c);
	put_header(&writer, "Content-Type", content_type);
	if (!c->is_old)
		put_header(&writer, "Transfer-Encoding", "chunked");
	writer_put_text(&writer, "\r\n");
	check(!writer.overflow);
	connection_commit(net, c, writer_length(&writer));
}

static bool is_answering(const struct connection *c)
{
	return c != NULL && c->state == CONN_REQUEST && c->has_begun && !c->answered;
}

void net_respond_part(struct net *net, struct conn_id conn, const void *bytes, size_t length)
{
	struct connection *c = connection_find(net, conn);
	/* A chunk of no bytes would end the answer. */
	if (!is_answering(c) || c->is_head || length == 0)
		return;
	char head[24];
	int head_bytes = c->is_old ? 0 : snprintf(head, sizeof(head), "%zx\r\n", length);
	uint8_t *room = connection_reserve(net, c, (size_t)head_bytes + length + 2);
	if (room == NULL) {
		fail_for_memory(net, c);
		return;
	}
	struct writer writer = writer_init(room, (size_t)head_bytes + length + 2);
	writer_put(&writer, head, (size_t)head_bytes);
	writer_put(&writer, bytes, length);
	if (!c->is_old)
		writer_put(&writer, "\r\n", 2);
	connection_commit(net, c, writer_length(&writer));
}

void net_respond_end(struct net *net, struct conn_id conn)
{
	struct connection *c = connection_find(net, conn);
	if (!is_answering(c))
		return;
	c->answered = true;
	static const char last[] = "0\r\n\r\n";
	if (!c->is_old && !c->is_head && !connection_put(net, c, last, sizeof(last) - 1))
		fail_for_memory(net, c);
	connection_ready(net, c);
}

/* RFC 9457. `why` is text of ours: it needs no escaping. */
void http_session_refuse(struct net *net, struct connection *c, unsigned status, const char *why,
			 enum close_reason reason)
{
	static const struct net_header version = { "Sec-WebSocket-Version", "13" };
	static const struct net_header upgrade = { "Upgrade", "websocket" };
	static const struct net_header later = { "Retry-After", "5" };
	struct net_header headers[2];
	uint32_t count = 0;
	if (status == 426) {
		headers[count++] = version;
		headers[count++] = upgrade;
	} else if (status == 429 || status == 503) {
		headers[count++] = later;
	}
	char problem[512];
	int length = snprintf(
		problem, sizeof(problem),
		"{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":\"%s\"}\n",
		http_status_text(status), status, why);
	c->closes = true;
	/* In the middle of an answer only the end of the connection says that something is wrong. */
	if (!c->has_begun && !c->answered)
		put_answer(net, c, status, "application/problem+json", headers, count, problem,
			   (size_t)length);
	c->answered = true;
	if (c->state != CONN_FINISHING)
		connection_finish(net, c, reason);
}

/* ---- reading requests ----------------------------------------------------------------------- */

static void begin_request(struct net *net, struct connection *c)
{
	const struct net_request *request = http_request(c->http);
	const struct http_manner *manner = http_request_manner(c->http);
	net_count(net, NET_COUNTER_REQUESTS, 1);
	c->state = CONN_REQUEST;
	c->is_known = true;
	c->has_begun = false;
	c->answered = false;
	c->is_paused = false;
	c->body_done = !request->has_body;
	c->is_head = manner->is_head;
	c->is_old = manner->is_old;
	c->closes = manner->closes;
	c->is_upgrade = manner->is_upgrade;
	bool awaits_continue = manner->awaits_continue;
	/* The machine's request names no listener. */
	struct net_request shown = *request;
	shown.listener = c->listener;
	net->config.handler->request(net->config.context, connection_id(c), &shown);
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	if (awaits_continue && c->state == CONN_REQUEST && !c->has_begun && !c->answered &&
	    !connection_put(net, c, go_on, sizeof(go_on) - 1))
		fail_for_memory(net, c);
}

static void refuse_request(struct net *net, struct connection *c, const struct http_news *news)
{
	net_count(net, NET_COUNTER_BAD_REQUESTS, 1);
	http_session_refuse(net, c, news->status, news->why, CLOSE_BAD_HTTP);
}

/* Whether bytes may be given to the machine now. */
static bool takes_bytes(const struct connection *c)
{
	if (c->state == CONN_REQUEST)
		return !c->body_done && !c->is_paused && !c->answered;
	return c->state == CONN_HEAD;
}

static void handle_news(struct net *net, struct connection *c, const struct http_news *news)
{
	const struct net_handler *handler = net->config.handler;
	switch (news->kind) {
	case HTTP_NEWS_MORE:
		break;
	case HTTP_NEWS_HEAD:
		begin_request(net, c);
		break;
	case HTTP_NEWS_BODY:
		handler->body(net->config.context, connection_id(c), news->body, news->body_bytes,
			      false);
		break;
	case HTTP_NEWS_END:
		c->body_done = true;
		handler->body(net->config.context, connection_id(c), "", 0, true);
		break;
	case HTTP_NEWS_BAD:
		refuse_request(net, c, news);
		break;
	}
}

void http_session_received(struct net *net, struct connection *c, const void *bytes, size_t length)
{
	if (c->http == NULL) {
		c->http = http_open(&net->buffers, net->config.head_bytes_max);
		if (c->http == NULL) {
			connection_end(net, c, CLOSE_INTERNAL);
			return;
		}
	}
	/* The second request's time to be complete runs from its first byte. */
	if (c->state == CONN_HEAD && c->is_reused && !http_is_within(c->http)) {
		c->since_ms = (uint32_t)net->now_ms;
		connection_rearm(net, c);
	}
	const uint8_t *at = bytes;
	while (length > 0 && takes_bytes(c)) {
		struct http_news news = http_feed(c->http, at, length);
		at += news.used;
		length -= news.used;
		/* A request may be handed over with what came after it, so that is put away first. */
		if (news.kind == HTTP_NEWS_HEAD) {
			if (!connection_keep(net, c, at, length))
				connection_end(net, c, CLOSE_INTERNAL);
			else
				handle_news(net, c, &news);
			return;
		}
		handle_news(net, c, &news);
	}
	if ((c->state == CONN_HEAD || c->state == CONN_REQUEST) &&
	    !connection_keep(net, c, at, length))
		connection_end(net, c, CLOSE_INTERNAL);
}

static void next_request(struct net *net, struct connection *c)
{
	/* Where a body that was answered early would end, nobody looks. */
	if (c->closes || !c->body_done) {
		connection_finish(net, c, CLOSE_SERVER);
		return;
	}
	/* An upgrade that came from another core was refused here: the next one has a key of its own. */
	passage_done(&c->passage);
	c->state = CONN_HEAD;
	c->is_reused = true;
	c->since_ms = (uint32_t)net->now_ms;
	if (c->rest == NULL)
		http_close(&c->http);
}

static void feed_rest(struct net *net, struct connection *c)
{
	struct buffer *rest = c->rest;
	c->rest = NULL;
	http_session_received(net, c, rest->bytes + rest->start, buffer_length(rest));
	buffer_give(&net->buffers, &rest);
	connection_ready(net, c);
}

void http_session_proceed(struct net *net, struct connection *c)
{
	if (c->state == CONN_REQUEST && c->answered)
		next_request(net, c);
	if (takes_bytes(c)) {
		if (c->rest != NULL) {
			feed_rest(net, c);
			return;
		}
		/* The wait for a body begins when it is asked for. */
		if (!c->is_receiving && c->state == CONN_REQUEST)
			c->heard_ms = (uint32_t)net->now_ms;
		connection_receive(net, c);
	}
	connection_rearm(net, c);
}

void http_session_release(struct net *net, struct connection *c)
{
	(void)net;
	http_close(&c->http);
}

void net_body_pause(struct net *net, struct conn_id conn)
{
	struct connection *c = connection_find(net, conn);
	if (c != NULL)
		c->is_paused = true;
}

void net_body_resume(struct net *net, struct conn_id conn)
{
	struct connection *c = connection_find(net, conn);
	if (c == NULL)
		return;
	c->is_paused = false;
	connection_ready(net, c);
}
