/*
 * Owns: where TLS stands between a connection's bytes and HTTP or WebSocket.
 * Invariant: plaintext waits in `gathering` as without TLS, with the same bounds, and is sealed when a send
 *   begins; so what is sealed is on its way, or is of the handshake.
 * Thread: the core's.
 * Does not know: what is said.
 */
#include "net/state.h"

#include "base/check.h"
#include "net/tls.h"

/* Of the handshake, and answers of libssl's own: more waits only for a peer that asks and does not read. */
enum { OUTPUT_BYTES_MAX = 64 * 1024 };

void net_set_tls(struct net *net, struct tls_server *server)
{
	if (net->tls_server == server)
		return;
	tls_server_drop(&net->tls_server);
	net->tls_server = tls_server_hold(server);
}

/* ---- what comes ----------------------------------------------------------------------------- */

/* Only when the first byte has come: who says nothing costs nothing. */
static bool begin(struct net *net, struct connection *c)
{
	struct connection_more *more = connection_more(net, c);
	check(net->tls_server != NULL);
	if (more->tls == NULL)
		more->tls = tls_open(net->tls_server, &net->buffers);
	if (more->tls == NULL)
		connection_end(net, c, CLOSE_INTERNAL);
	return more->tls != NULL;
}

static enum net_counter counter_of(enum tls_fault fault)
{
	switch (fault) {
	case TLS_FAULT_MISMATCH:
		return NET_COUNTER_TLS_MISMATCHES;
	case TLS_FAULT_REFUSED:
		return NET_COUNTER_TLS_REFUSALS;
	case TLS_FAULT_HTTP:
		return NET_COUNTER_TLS_PLAIN;
	case TLS_FAULT_NONE:
	case TLS_FAULT_RECORDS:
	case TLS_FAULT_MEMORY:
		break;
	}
	return NET_COUNTER_TLS_BROKEN;
}

/* An alert is still sent. */
static void fail(struct net *net, struct connection *c, enum tls_fault fault)
{
	net_count(net, counter_of(fault), 1);
	buffer_give(&net->buffers, &c->gathering);
	if (fault != TLS_FAULT_HTTP) {
		connection_finish(net, c, fault == TLS_FAULT_MEMORY ? CLOSE_INTERNAL : CLOSE_TLS);
		return;
	}
	tls_close(&connection_more(net, c)->tls);
	c->is_tls = false;
	http_session_refuse(net, c, 400, "TLS is spoken here: use https or wss.", CLOSE_TLS);
}

static bool is_over(const struct connection *c)
{
	return c->state == CONN_FREE || c->state == CONN_DYING || c->state == CONN_FINISHING ||
	       c->state == CONN_LINGERING;
}

void tls_session_received(struct net *net, struct connection *c, const void *bytes, size_t length)
{
	if (is_over(c) || !begin(net, c))
		return;
	struct tls *tls = connection_more(net, c)->tls;
	struct tls_news news = tls_feed(tls, bytes, length, net->plain);
	if (news.is_opened)
		net_count(net, news.is_resumed ? NET_COUNTER_TLS_RESUMED : NET_COUNTER_TLS_FULL, 1);
	size_t output_bytes = tls_output_bytes(tls);
	if (output_bytes > 0)
		connection_dirty(net, c);
	if (c->is_sending && output_bytes > OUTPUT_BYTES_MAX) {
		net_count(net, NET_COUNTER_TLS_BROKEN, 1);
		connection_abort(net, c, CLOSE_TLS);
		return;
	}
	/* What it says may end the connection, and its TLS with it. */
	if (news.plain_bytes > 0)
		connection_deliver(net, c, net->plain, news.plain_bytes);
	if (is_over(c))
		return;
	if (news.state == TLS_ENDED)
		connection_deliver_end(net, c);
	else if (news.state == TLS_BROKEN)
		fail(net, c, news.fault);
}

bool tls_session_is_cut(const struct net *net, const struct connection *c)
{
	const struct tls *tls = c->is_tls ? connection_more(net, c)->tls : NULL;
	return tls != NULL && !tls_is_ended(tls);
}

/* ---- what goes ------------------------------------------------------------------------------ */

static void fail_to_seal(struct net *net, struct connection *c)
{
	if (is_over(c))
		return;
	c->resets = true;
	connection_finish(net, c, CLOSE_INTERNAL);
}

struct buffer *tls_session_seal(struct net *net, struct connection *c)
{
	struct tls *tls = connection_more(net, c)->tls;
	struct buffer *plain = c->gathering;
	size_t length = buffer_length(plain);
	c->gathering = NULL;
	/* Who never said a byte of TLS is told nothing. */
	if (length > 0 && tls != NULL && !tls_write(tls, plain->bytes + plain->start, length))
		fail_to_seal(net, c);
	buffer_give(&net->buffers, &plain);
	if (tls == NULL)
		return NULL;
	if (c->state == CONN_FINISHING)
		tls_shut(tls);
	return tls_take_output(tls);
}

bool tls_session_has_output(const struct net *net, const struct connection *c)
{
	const struct tls *tls = c->is_tls ? connection_more(net, c)->tls : NULL;
	return tls != NULL && tls_output_bytes(tls) > 0;
}
