/*
 * Owns: the WebSocket dialogue on a connection: upgrade, messages, frames, pings, the Close.
 * Invariant: one Close is sent at most, and no frame after it.
 * Thread: the core's.
 * Does not know: what the messages say.
 */
#include "net/state.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

/* Between two looks at whether a core has read what came before a pong was overdue. */
#define READ_LOOK_MS 500

/* ---- the upgrade ---------------------------------------------------------------------------- */

static size_t upgrade_answer(struct connection *c, const char *subprotocol, char *answer,
			     size_t bytes)
{
	const char *accept = c->passage != NULL ? passage_accept(c->passage)
						: http_request_manner(c->http)->accept;
	int length =
		snprintf(answer, bytes,
			 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
			 accept, subprotocol == NULL ? "" : "Sec-WebSocket-Protocol: ",
			 subprotocol == NULL ? "" : subprotocol, subprotocol == NULL ? "" : "\r\n");
	check(length > 0 && (size_t)length < bytes);
	return (size_t)length;
}

void net_upgrade(struct net *net, struct conn_id conn, const char *subprotocol)
{
	struct connection *c = connection_find(net, conn);
	if (c == NULL || c->state != CONN_REQUEST)
		return;
	check(c->is_upgrade && !c->has_begun && !c->answered);
	char answer[512];
	size_t length = upgrade_answer(c, subprotocol, answer, sizeof(answer));
	if (!connection_put(net, c, answer, length)) {
		connection_finish(net, c, CLOSE_INTERNAL);
		return;
	}
	http_session_release(net, c);
	passage_done(&c->passage);
	c->state = CONN_WEBSOCKET;
	c->heard_ms = (uint32_t)net->now_ms;
	net_count(net, NET_COUNTER_UPGRADES, 1);
	net->websocket_count++;
	counter_set(&net->config.counters[NET_COUNTER_WEBSOCKETS], net->websocket_count);
	connection_rearm(net, c);
	connection_ready(net, c);
}

/* ---- what comes ----------------------------------------------------------------------------- */

struct receiving {
	struct net *net;
	struct connection *c;
};

static bool on_message(void *context, const void *bytes, size_t length, bool is_binary)
{
	struct receiving *receiving = context;
	struct net *net = receiving->net;
	struct connection *c = receiving->c;
	/* After our Close nothing counts but the peer's. */
	if (c->state != CONN_WEBSOCKET)
		return true;
	net_count(net, NET_COUNTER_MESSAGES_IN, 1);
	connection_more(net, c)->message_ms = (uint32_t)net->now_ms;
	if (is_binary)
		net->config.handler->binary(net->config.context, connection_id(c), bytes, length);
	else
		net->config.handler->message(net->config.context, connection_id(c), bytes, length);
	return true;
}

static void on_answer(void *context, const void *bytes, size_t length)
{
	struct receiving *receiving = context;
	struct connection *c = receiving->c;
	bool is_open = c->state == CONN_WEBSOCKET;
	/* A peer that pings and reads nothing gets no more answers, and a Close says it all. */
	if (!is_open || buffer_length(c->gathering) + length > NET_SEND_BYTES_MAX)
		return;
	if (!connection_put(receiving->net, c, bytes, length))
		c->resets = true;
}

static enum close_reason reason_of(uint16_t code)
{
	switch (code) {
	case WEBSOCKET_UNSUPPORTED:
		return CLOSE_UNSUPPORTED;
	case WEBSOCKET_NOT_UTF8:
		return CLOSE_NOT_UTF8;
	case WEBSOCKET_TOO_BIG:
		return CLOSE_TOO_BIG;
	case WEBSOCKET_INTERNAL:
		return CLOSE_INTERNAL;
	default:
		return CLOSE_PROTOCOL;
	}
}

/* Counts frames by the second. False when there are more than a peer may send. */
static bool frames_are_within_rate(struct net *net, struct connection *c, uint32_t frames)
{
	struct connection_more *more = connection_more(net, c);
	uint32_t now_s = (uint32_t)(net->now_ms / 1000);
	if (more->frames_s != now_s) {
		more->frames_s = now_s;
		more->frames = 0;
	}
	more->frames += frames;
	return net->config.frames_per_s == 0 || more->frames <= net->config.frames_per_s;
}

static void end_with_1008(struct net *net, struct connection *c, const char *why,
			  enum close_reason reason)
{
	uint8_t frame[2 + WEBSOCKET_CONTROL_BYTES_MAX];
	size_t length = websocket_close_put(frame, 1008, why);
	if (!connection_put(net, c, frame, length))
		c->resets = true;
	connection_finish(net, c, reason);
}

/* The peer is within a message now, and has until message_timeout_ms to end it. */
static void begin_message(struct net *net, struct connection *c)
{
	connection_more(net, c)->message_ms = (uint32_t)net->now_ms;
	connection_rearm(net, c);
}

static uint64_t message_due_ms(const struct net *net, const struct connection *c)
{
	if (c->websocket.lease == NULL)
		return UINT64_MAX;
	return connection_ms(net, connection_more(net, c)->message_ms) + net->config.message_timeout_ms;
}

uint64_t websocket_session_due_ms(const struct net *net, const struct connection *c)
{
	uint64_t due_ms = c->is_silent	 ? connection_ms(net, c->since_ms) + READ_LOOK_MS
			  : c->is_pinged ? connection_ms(net, c->since_ms) + net->config.pong_timeout_ms
					 : connection_ms(net, c->heard_ms) + net->config.ping_interval_ms;
	uint64_t message_ms = message_due_ms(net, c);
	return message_ms < due_ms ? message_ms : due_ms;
}

static void send_ping(struct net *net, struct connection *c)
{
	static const uint8_t ping[2] = { 0x80 | WEBSOCKET_PING, 0 };
	net_count(net, NET_COUNTER_PINGS, 1);
	c->is_pinged = true;
	c->since_ms = (uint32_t)net->now_ms;
	if (!connection_put(net, c, ping, sizeof(ping)))
		connection_abort(net, c, CLOSE_INTERNAL);
}

/* An answer that came in time may wait for a core that is behind, or that did not run for a while. So all
 * that came until the time was over is read first. */
static void await_read(struct net *net, struct connection *c)
{
	c->is_silent = true;
	c->since_ms = (uint32_t)net->now_ms;
}

static bool is_read(const struct net *net, const struct connection *c)
{
	return net->rings[c->ring].read_ms >= connection_ms(net, c->since_ms);
}

void websocket_session_overdue(struct net *net, struct connection *c)
{
	if (message_due_ms(net, c) <= net->now_ms)
		end_with_1008(net, c, "a message took too long to end", CLOSE_MESSAGE_TIMEOUT);
	else if (!c->is_pinged)
		send_ping(net, c);
	else if (c->is_silent && is_read(net, c))
		connection_abort(net, c, CLOSE_PONG_TIMEOUT);
	else
		await_read(net, c);
}

void websocket_session_received(struct net *net, struct connection *c, const void *bytes,
				size_t length)
{
	static const struct websocket_sink sink = { .message = on_message, .answer = on_answer };
	struct receiving receiving = { .net = net, .c = c };
	c->is_pinged = c->is_silent = false;
	bool was_within = c->websocket.lease != NULL;
	struct websocket_end end =
		websocket_feed(&net->websockets, &c->websocket, bytes, length, &sink, &receiving);
	counter_set(&net->config.counters[NET_COUNTER_LENT], net->websockets.lent_count);
	bool is_flood = !frames_are_within_rate(net, c, end.frames);
	if (end.code == 0 && is_flood && c->state == CONN_WEBSOCKET) {
		net_count(net, NET_COUNTER_FRAMES_TOO_FAST, 1);
		end_with_1008(net, c, "more frames a second than this server takes", CLOSE_POLICY);
		return;
	}
	if (end.code == 0) {
		if (!was_within && c->websocket.lease != NULL)
			begin_message(net, c);
		return;
	}
	/* In CLOSING the reason is ours already, whatever the peer still said. */
	if (c->state == CONN_CLOSING)
		connection_finish(net, c, (enum close_reason)c->reason);
	else
		connection_finish(net, c, end.by_peer ? CLOSE_PEER : reason_of(end.code));
}

void websocket_session_proceed(struct net *net, struct connection *c)
{
	struct buffer *rest = c->rest;
	c->rest = NULL;
	if (rest != NULL)
		websocket_session_received(net, c, rest->bytes + rest->start, buffer_length(rest));
	buffer_give(&net->buffers, &rest);
	connection_receive(net, c);
}

void websocket_session_release(struct net *net, struct connection *c)
{
	websocket_fini(&net->websockets, &c->websocket);
	counter_set(&net->config.counters[NET_COUNTER_LENT], net->websockets.lent_count);
}

/* ---- what goes ------------------------------------------------------------------------------ */

struct writer *net_frame_begin(struct net *net, struct conn_id conn, size_t bytes_max)
{
	struct connection *c = connection_find(net, conn);
	check(net->frame_of == NULL);
	if (c == NULL || c->state != CONN_WEBSOCKET)
		return NULL;
	size_t waiting = buffer_length(c->gathering);
	size_t header = websocket_header_length(bytes_max);
	if (waiting > 0 && waiting + header + bytes_max > NET_SEND_BYTES_MAX) {
		c->wants_room = true;
		return NULL;
	}
	uint8_t *room = connection_reserve(net, c, header + bytes_max);
	if (room == NULL)
		return NULL;
	net->frame_of = c;
	net->frame_header_bytes = header;
	net->frame = writer_init(room + header, bytes_max);
	return &net->frame;
}

static void frame_commit(struct net *net, struct conn_id conn, enum websocket_opcode opcode)
{
	struct connection *c = net->frame_of;
	check(c != NULL && c->slot == conn.slot && c->generation == conn.generation);
	check(!net->frame.overflow);
	net->frame_of = NULL;
	size_t payload = writer_length(&net->frame);
	uint8_t *start = net->frame.start - net->frame_header_bytes;
	/* A shorter payload than announced may need a shorter header; one that is longer than need be
	 * is a protocol error. That moves 125 bytes at most, or a frame that was to exceed 64 KiB. */
	size_t header = websocket_header_put(start, opcode, payload);
	if (header != net->frame_header_bytes)
		memmove(start + header, net->frame.start, payload);
	connection_commit(net, c, header + payload);
	net_count(net, NET_COUNTER_MESSAGES_OUT, 1);
}

void net_frame_commit(struct net *net, struct conn_id conn)
{
	frame_commit(net, conn, WEBSOCKET_TEXT);
}

void net_frame_commit_binary(struct net *net, struct conn_id conn)
{
	frame_commit(net, conn, WEBSOCKET_BINARY);
}

void net_shut(struct net *net, struct conn_id conn, unsigned code, const char *text,
	      enum close_reason reason)
{
	struct connection *c = connection_find(net, conn);
	if (c == NULL)
		return;
	if (c->state == CONN_HEAD || c->state == CONN_REQUEST) {
		connection_finish(net, c, reason);
		return;
	}
	if (c->state != CONN_WEBSOCKET)
		return;
	uint8_t frame[2 + WEBSOCKET_CONTROL_BYTES_MAX];
	size_t length = websocket_close_put(frame, code, text);
	if (!connection_put(net, c, frame, length)) {
		connection_finish(net, c, CLOSE_INTERNAL);
		return;
	}
	c->state = CONN_CLOSING;
	c->reason = (uint8_t)reason;
	c->since_ms = (uint32_t)net->now_ms;
	connection_rearm(net, c);
}
