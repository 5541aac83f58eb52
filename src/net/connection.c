/*
 * Owns: the table of connections and what all of them have in common.
 * Invariant: see the header.
 * Thread: the core's.
 * Does not know: see the header.
 */
#include "net/connection.h"

#include "base/check.h"
#include "base/reserve.h"
#include "net/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the table ------------------------------------------------------------------------------ */

int connections_open(struct net *net)
{
	net->connection_slots = net->config.connections_max + NET_REFUSALS_MAX;
	net->connections = reserve_take(net->connection_slots * sizeof(*net->connections));
	net->more = reserve_take(net->connection_slots * sizeof(*net->more));
	return net->connections == NULL || net->more == NULL ? -ENOMEM : 0;
}

static void release_lent(struct net *net, struct connection *c)
{
	http_session_release(net, c);
	websocket_session_release(net, c);
	tls_close(&connection_more(net, c)->tls);
	passage_done(&c->passage);
	buffer_give(&net->buffers, &c->rest);
	buffer_give(&net->buffers, &c->gathering);
	if (!c->is_sending)
		buffer_give(&net->buffers, &c->sending);
}

void connections_close(struct net *net)
{
	for (uint32_t slot = 0; slot < net->connection_fresh; slot++) {
		struct connection *c = &net->connections[slot];
		c->is_sending = false;
		/* It may be another core's, which may have freed it by now. */
		c->passage = NULL;
		if (c->state != CONN_FREE)
			release_lent(net, c);
	}
	reserve_give(net->connections, net->connection_slots * sizeof(*net->connections));
	reserve_give(net->more, net->connection_slots * sizeof(*net->more));
	net->connections = NULL;
	net->more = NULL;
}

struct connection *connection_find(const struct net *net, struct conn_id id)
{
	if (id.slot >= net->connection_fresh)
		return NULL;
	struct connection *c = &net->connections[id.slot];
	return c->generation == id.generation && c->is_known ? c : NULL;
}

void connection_forget_id(struct connection *c)
{
	c->generation++;
	if (c->generation == 0)
		c->generation = 1;
}

static struct connection *take_slot(struct net *net)
{
	struct connection *c = connection_at(net, net->free_connections);
	if (c != NULL) {
		net->free_connections = c->next_ready;
		return c;
	}
	if (net->connection_fresh == net->connection_slots)
		return NULL;
	c = &net->connections[net->connection_fresh];
	c->slot = net->connection_fresh++;
	c->generation = 1;
	return c;
}

struct connection_more *connection_more(const struct net *net, const struct connection *c)
{
	return &net->more[c->slot];
}

struct connection *connection_take(struct net *net, uint32_t ring, uint32_t file,
				   const struct address *peer)
{
	struct connection *c = take_slot(net);
	if (c == NULL)
		return NULL;
	uint32_t slot = c->slot, generation = c->generation;
	*c = (struct connection){
		.slot = slot,
		.generation = generation,
		.state = CONN_HEAD,
		.ring = (uint8_t)ring,
		.file = file,
		.since_ms = (uint32_t)net->now_ms,
		.heard_ms = (uint32_t)net->now_ms,
	};
	*connection_more(net, c) = (struct connection_more){ .peer = *peer };
	net->connection_count++;
	counter_set(&net->config.counters[NET_COUNTER_CONNECTIONS], net->connection_count);
	return c;
}

static void let_go(struct net *net, struct connection *c)
{
	timer_clear(&net->wheel, &c->timer);
	uring_close_file(net_uring(net, c), c->file, c->resets);
	release_lent(net, c);
	connection_forget_id(c);
	c->state = CONN_FREE;
	c->next_ready = net->free_connections;
	net->free_connections = c->slot + 1;
	net->connection_count--;
	counter_set(&net->config.counters[NET_COUNTER_CONNECTIONS], net->connection_count);
	rings_release(net, c->ring);
	net->files_freed = true;
}

/* ---- receiving ------------------------------------------------------------------------------ */

void connection_receive(struct net *net, struct connection *c)
{
	if (c->is_receiving || c->peer_ended)
		return;
	c->is_receiving = true;
	uring_tag tag = uring_tag_make(EVENT_RECEIVE, c->slot);
	/* Until the upgrade one at a time: a receive under way would keep the descriptor from being
	 * passed to another core, and bytes must not come before their time. */
	if (c->state == CONN_WEBSOCKET || c->state == CONN_CLOSING)
		uring_receive_many(net_uring(net, c), c->file, tag);
	else
		uring_receive(net_uring(net, c), c->file, tag);
}

bool connection_keep(struct net *net, struct connection *c, const void *bytes, size_t length)
{
	if (length == 0)
		return true;
	check(c->rest == NULL);
	uint8_t *room = buffer_reserve(&net->buffers, &c->rest, length);
	if (room == NULL)
		return false;
	memcpy(room, bytes, length);
	c->rest->end += (uint32_t)length;
	return true;
}

void connection_deliver(struct net *net, struct connection *c, const void *bytes, size_t length)
{
	switch ((enum conn_state)c->state) {
	case CONN_HEAD:
	case CONN_REQUEST:
		http_session_received(net, c, bytes, length);
		break;
	case CONN_WEBSOCKET:
	case CONN_CLOSING:
		websocket_session_received(net, c, bytes, length);
		break;
	case CONN_FINISHING:
	case CONN_LINGERING:
	case CONN_DYING:
	case CONN_PASSING:
	case CONN_FREE:
		break;
	}
}

void connection_pass_on(struct net *net, struct connection *c, const void *bytes, size_t length)
{
	if (c->is_tls)
		tls_session_received(net, c, bytes, length);
	else
		connection_deliver(net, c, bytes, length);
}

static void received_bytes(struct net *net, struct connection *c, const void *bytes, size_t length)
{
	net_count(net, NET_COUNTER_BYTES_IN, length);
	c->heard_ms = (uint32_t)net->now_ms;
	if (c->awaits_proxy && c->state == CONN_HEAD)
		proxy_session_received(net, c, bytes, length);
	else
		connection_pass_on(net, c, bytes, length);
}

/* The end of a request's head, or between two. */
static void end_in_head(struct net *net, struct connection *c)
{
	bool is_within = c->awaits_proxy ? c->rest != NULL : c->http != NULL && http_is_within(c->http);
	if (is_within || tls_session_is_cut(net, c))
		connection_end(net, c, CLOSE_RESET);
	else if (c->is_tls)
		/* Its word that nothing more comes is answered by ours. */
		connection_finish(net, c, CLOSE_PEER);
	else
		connection_end(net, c, CLOSE_PEER);
}

void connection_deliver_end(struct net *net, struct connection *c)
{
	c->peer_ended = true;
	switch ((enum conn_state)c->state) {
	case CONN_HEAD:
		end_in_head(net, c);
		break;
	case CONN_REQUEST:
	case CONN_WEBSOCKET:
		connection_end(net, c, CLOSE_RESET);
		break;
	case CONN_CLOSING:
	case CONN_LINGERING:
		connection_end(net, c, (enum close_reason)c->reason);
		break;
	case CONN_FINISHING:
	case CONN_PASSING:
	case CONN_DYING:
	case CONN_FREE:
		break;
	}
}

/* The kernel gives up on a peer that takes nothing (TCP_USER_TIMEOUT) at about the time that we do. */
static enum close_reason reason_of_error(int32_t error)
{
	return error == -ETIMEDOUT ? CLOSE_SEND_TIMEOUT : CLOSE_RESET;
}

void connection_received(struct net *net, struct connection *c, int32_t result, const void *bytes,
			 bool more)
{
	c->is_receiving = more;
	if (c->state == CONN_DYING) {
		if (!more)
			connection_end(net, c, (enum close_reason)c->reason);
		return;
	}
	if (result > 0)
		received_bytes(net, c, bytes, (size_t)result);
	else if (result == 0)
		connection_deliver_end(net, c);
	else if (result == -ENOBUFS)
		net_count(net, NET_COUNTER_BUFFERS_EMPTY, 1);
	else if (result != -EINTR && result != -EAGAIN)
		connection_end(net, c, reason_of_error(result));
	connection_ready(net, c);
}

/* ---- sending -------------------------------------------------------------------------------- */

uint8_t *connection_reserve(struct net *net, struct connection *c, size_t bytes)
{
	return buffer_reserve(&net->buffers, &c->gathering, bytes);
}

void connection_commit(struct net *net, struct connection *c, size_t bytes)
{
	c->gathering->end += (uint32_t)bytes;
	check(c->gathering->end <= c->gathering->capacity);
	buffer_trim(&net->buffers, &c->gathering);
	connection_dirty(net, c);
}

void connection_dirty(struct net *net, struct connection *c)
{
	if (c->is_dirty)
		return;
	c->is_dirty = true;
	c->next_dirty = net->dirty;
	net->dirty = c->slot + 1;
}

bool connection_put(struct net *net, struct connection *c, const void *bytes, size_t length)
{
	uint8_t *room = connection_reserve(net, c, length);
	if (room == NULL)
		return false;
	memcpy(room, bytes, length);
	connection_commit(net, c, length);
	return true;
}

static void send_more(struct net *net, struct connection *c)
{
	c->is_sending = true;
	c->taken_ms = (uint32_t)net->now_ms;
	uring_send(net_uring(net, c), c->file, c->sending->bytes + c->sending->start,
		   buffer_length(c->sending), uring_tag_make(EVENT_SEND, c->slot));
}

static struct buffer *take_gathering(struct connection *c)
{
	struct buffer *gathering = c->gathering;
	if (buffer_length(gathering) == 0)
		return NULL;
	c->gathering = NULL;
	return gathering;
}

void connection_flush(struct net *net, struct connection *c)
{
	if (c->is_sending || c->state == CONN_DYING || c->state == CONN_LINGERING)
		return;
	struct buffer *next = c->is_tls ? tls_session_seal(net, c) : take_gathering(c);
	if (next == NULL)
		return;
	c->sending = next;
	send_more(net, c);
	connection_rearm(net, c);
}

bool connection_is_drained(const struct net *net, const struct connection *c)
{
	return !c->is_sending && buffer_length(c->gathering) == 0 && !tls_session_has_output(net, c);
}

static bool has_room(const struct connection *c)
{
	size_t waiting = buffer_length(c->gathering);
	return waiting == 0 || (!c->is_sending && waiting < NET_ROOM_BYTES);
}

bool net_send_room(const struct net *net, struct conn_id id)
{
	struct connection *c = connection_find(net, id);
	if (c == NULL)
		return false;
	bool has = has_room(c);
	if (!has)
		c->wants_room = true;
	return has;
}

static void sent_bytes(struct net *net, struct connection *c, uint32_t bytes)
{
	net_count(net, NET_COUNTER_SENDS, 1);
	net_count(net, NET_COUNTER_BYTES_OUT, bytes);
	check(bytes <= buffer_length(c->sending));
	c->sending->start += bytes;
	if (buffer_length(c->sending) > 0) {
		send_more(net, c);
		return;
	}
	buffer_give(&net->buffers, &c->sending);
	connection_flush(net, c);
	if (c->wants_room && c->is_known && has_room(c)) {
		c->wants_room = false;
		net->config.handler->writable(net->config.context, connection_id(c));
	}
	connection_ready(net, c);
}

void connection_sent(struct net *net, struct connection *c, int32_t result)
{
	c->is_sending = false;
	if (c->state == CONN_DYING)
		connection_end(net, c, (enum close_reason)c->reason);
	else if (result == -EINTR || result == -EAGAIN)
		send_more(net, c);
	else if (result <= 0)
		connection_end(net, c, reason_of_error(result));
	else
		sent_bytes(net, c, (uint32_t)result);
}

/* ---- going on ------------------------------------------------------------------------------- */

void connection_ready(struct net *net, struct connection *c)
{
	if (c->is_ready || c->state == CONN_FREE || c->state == CONN_DYING)
		return;
	c->is_ready = true;
	c->next_ready = net->ready;
	net->ready = c->slot + 1;
}

static void report(struct net *net, struct connection *c)
{
	counter_add(&net->config.close_counters[c->reason], 1);
	if (!c->is_known)
		return;
	/* Known until the layer above has looked at its cookie for the last time. */
	net->config.handler->closed(net->config.context, connection_id(c), (enum close_reason)c->reason);
	c->is_known = false;
}

/* All is sent: our side is shut, and the peer has a while to see it and to shut its own. */
static void start_lingering(struct net *net, struct connection *c)
{
	c->state = CONN_LINGERING;
	c->since_ms = (uint32_t)net->now_ms;
	report(net, c);
	connection_forget_id(c);
	tls_close(&connection_more(net, c)->tls);
	if (c->peer_ended) {
		connection_end(net, c, (enum close_reason)c->reason);
		return;
	}
	c->is_shutting = true;
	uring_shutdown(net_uring(net, c), c->file, SHUT_WR, uring_tag_make(EVENT_SHUT, c->slot));
	connection_receive(net, c);
	connection_rearm(net, c);
}

void connection_proceed(struct net *net, struct connection *c)
{
	switch ((enum conn_state)c->state) {
	case CONN_HEAD:
	case CONN_REQUEST:
		if (c->awaits_proxy)
			connection_receive(net, c);
		else
			http_session_proceed(net, c);
		break;
	case CONN_WEBSOCKET:
	case CONN_CLOSING:
		websocket_session_proceed(net, c);
		break;
	case CONN_FINISHING:
		/* The last that TLS says is not waited for by anybody else. */
		if (c->is_tls)
			connection_flush(net, c);
		if (connection_is_drained(net, c))
			start_lingering(net, c);
		break;
	case CONN_LINGERING:
		connection_receive(net, c);
		break;
	case CONN_PASSING:
		handover_proceed(net, c);
		break;
	case CONN_DYING:
	case CONN_FREE:
		break;
	}
}

/* ---- ending --------------------------------------------------------------------------------- */

static void count_websocket_out(struct net *net, const struct connection *c)
{
	if (c->state != CONN_WEBSOCKET && c->state != CONN_CLOSING)
		return;
	check(net->websocket_count > 0);
	net->websocket_count--;
	counter_set(&net->config.counters[NET_COUNTER_WEBSOCKETS], net->websocket_count);
}

void connection_finish(struct net *net, struct connection *c, enum close_reason reason)
{
	count_websocket_out(net, c);
	c->state = CONN_FINISHING;
	c->reason = (uint8_t)reason;
	connection_rearm(net, c);
	connection_ready(net, c);
}

/* The kernel, and the lists of the turn, let go of it first. A shutdown too: the kernel looks its
 * file up only when it runs, and would by then find the next connection there. */
static void die(struct net *net, struct connection *c)
{
	timer_clear(&net->wheel, &c->timer);
	release_lent(net, c);
	if (!c->is_receiving && !c->is_sending && !c->is_leaving && !c->is_shutting && !c->is_dirty && !c->is_ready)
		let_go(net, c);
}

static void cancel_all(struct net *net, const struct connection *c)
{
	if (c->is_receiving)
		uring_cancel(net_uring(net, c), uring_tag_make(EVENT_RECEIVE, c->slot));
	if (c->is_sending)
		uring_cancel(net_uring(net, c), uring_tag_make(EVENT_SEND, c->slot));
}

void connection_end(struct net *net, struct connection *c, enum close_reason reason)
{
	if (c->state != CONN_DYING) {
		bool was_reported = c->state == CONN_LINGERING;
		if (c->state == CONN_PASSING)
			handover_cut(net, c);
		count_websocket_out(net, c);
		c->state = CONN_DYING;
		c->reason = (uint8_t)reason;
		if (!was_reported)
			report(net, c);
		cancel_all(net, c);
	}
	die(net, c);
}

void connection_was_shut(struct net *net, struct connection *c)
{
	c->is_shutting = false;
	if (c->state == CONN_DYING)
		die(net, c);
}

void connection_leave(struct net *net, struct connection *c)
{
	c->state = CONN_DYING;
	die(net, c);
}

void connection_abort(struct net *net, struct connection *c, enum close_reason reason)
{
	c->resets = true;
	connection_end(net, c, reason);
}

/* ---- waiting -------------------------------------------------------------------------------- */

/* When its state has lasted too long; UINT64_MAX when it may last for ever. */
static uint64_t state_due_ms(const struct net *net, const struct connection *c)
{
	const struct net_config *config = &net->config;
	switch ((enum conn_state)c->state) {
	case CONN_HEAD:
		if (c->is_reused && (c->http == NULL || !http_is_within(c->http)))
			return connection_ms(net, c->since_ms) + config->request_timeout_ms;
		return connection_ms(net, c->since_ms) + config->handshake_timeout_ms;
	case CONN_REQUEST:
		if (c->is_receiving && !c->is_paused)
			return connection_ms(net, c->heard_ms) + config->request_timeout_ms;
		return UINT64_MAX;
	case CONN_PASSING:
		if (c->is_leaving || !connection_is_drained(net, c))
			return UINT64_MAX;
		return connection_ms(net, c->since_ms) + NET_PASS_RETRY_MS;
	case CONN_WEBSOCKET:
		return websocket_session_due_ms(net, c);
	case CONN_CLOSING:
	case CONN_LINGERING:
		return connection_ms(net, c->since_ms) + config->close_timeout_ms;
	case CONN_FINISHING:
	case CONN_DYING:
	case CONN_FREE:
		return UINT64_MAX;
	}
	return UINT64_MAX;
}

static uint64_t send_due_ms(const struct net *net, const struct connection *c)
{
	if (!c->is_sending)
		return UINT64_MAX;
	return connection_ms(net, c->taken_ms) + net->config.send_timeout_ms;
}

void connection_rearm(struct net *net, struct connection *c)
{
	uint64_t due_ms = state_due_ms(net, c);
	uint64_t send_ms = send_due_ms(net, c);
	if (send_ms < due_ms)
		due_ms = send_ms;
	if (due_ms == UINT64_MAX) {
		timer_clear(&net->wheel, &c->timer);
		return;
	}
	/* What is due already comes with the next turn, not again in this one. */
	timer_set(&net->wheel, &c->timer, due_ms > net->now_ms ? due_ms : net->now_ms + 1);
}

static void state_overdue(struct net *net, struct connection *c)
{
	switch ((enum conn_state)c->state) {
	case CONN_HEAD:
		if (c->http != NULL && http_is_within(c->http))
			http_session_refuse(net, c, 408, "The request did not come in time.",
					    CLOSE_HANDSHAKE_TIMEOUT);
		else
			connection_end(net, c,
				       c->is_reused ? CLOSE_REQUEST_TIMEOUT
						    : CLOSE_HANDSHAKE_TIMEOUT);
		break;
	case CONN_REQUEST:
		http_session_refuse(net, c, 408, "The body did not come in time.",
				    CLOSE_REQUEST_TIMEOUT);
		break;
	case CONN_PASSING:
		handover_retry(net, c);
		break;
	case CONN_WEBSOCKET:
		websocket_session_overdue(net, c);
		break;
	case CONN_CLOSING:
	case CONN_LINGERING:
		connection_end(net, c, (enum close_reason)c->reason);
		break;
	case CONN_FINISHING:
	case CONN_DYING:
	case CONN_FREE:
		break;
	}
}

void connection_due(struct net *net, struct connection *c)
{
	if (send_due_ms(net, c) <= net->now_ms)
		connection_abort(net, c, CLOSE_SEND_TIMEOUT);
	else if (state_due_ms(net, c) <= net->now_ms)
		state_overdue(net, c);
	if (c->state != CONN_FREE && c->state != CONN_DYING)
		connection_rearm(net, c);
}

/* ---- what the layer above asks -------------------------------------------------------------- */

void net_set_cookie(struct net *net, struct conn_id conn, uint64_t cookie)
{
	struct connection *c = connection_find(net, conn);
	if (c != NULL)
		c->cookie = cookie;
}

uint64_t net_cookie(const struct net *net, struct conn_id conn)
{
	const struct connection *c = connection_find(net, conn);
	return c == NULL ? 0 : c->cookie;
}

struct address net_peer_address(const struct net *net, struct conn_id conn)
{
	const struct connection *c = connection_find(net, conn);
	return c == NULL ? (struct address){ 0 } : connection_more(net, c)->peer;
}

uint32_t net_connection_count(const struct net *net)
{
	return net->connection_count;
}
