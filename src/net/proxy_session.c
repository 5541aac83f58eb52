/*
 * Owns: what a connection says before anything else, when it comes from a proxy that is listed.
 * Invariant: until the header is whole its bytes wait in `rest`, PROXY_HEADER_BYTES_MAX and one receive of
 *   them at most; from then on the connection's peer is who the proxy says.
 * Thread: the core's.
 * Does not know: what is spoken afterwards.
 */
#include "net/state.h"

#include "net/proxy_header.h"

#include <string.h>

void net_set_proxies(struct net *net, const struct address_block *blocks, uint32_t count)
{
	net->proxies = blocks;
	net->proxy_count = count;
}

bool proxy_session_is_listed(const struct net *net, const struct address *peer)
{
	for (uint32_t i = 0; i < net->proxy_count; i++)
		if (address_block_has(&net->proxies[i], peer))
			return true;
	return false;
}

static bool keep(struct net *net, struct connection *c, const void *bytes, size_t length)
{
	uint8_t *room = buffer_reserve(&net->buffers, &c->rest, length);
	if (room == NULL)
		return false;
	memcpy(room, bytes, length);
	c->rest->end += (uint32_t)length;
	return true;
}

/* The client that the header names is the peer from here on, with what an address may open. */
static bool is_let_in(struct net *net, struct connection *c, const struct proxy_header *header)
{
	if (!header->has_address)
		return true;
	connection_more(net, c)->peer = header->address;
	return listener_charge(net, c);
}

void proxy_session_received(struct net *net, struct connection *c, const void *bytes, size_t length)
{
	if (!keep(net, c, bytes, length)) {
		connection_end(net, c, CLOSE_INTERNAL);
		return;
	}
	const uint8_t *start = c->rest->bytes + c->rest->start;
	size_t held = buffer_length(c->rest);
	struct proxy_header header = proxy_header_read(start, held);
	if (header.verdict == PROXY_MORE)
		return;
	if (header.verdict == PROXY_BAD) {
		net_count(net, NET_COUNTER_PROXY_REFUSED, 1);
		connection_end(net, c, CLOSE_PROXY);
		return;
	}
	c->awaits_proxy = false;
	struct buffer *rest = c->rest;
	c->rest = NULL;
	if (is_let_in(net, c, &header) && held > header.length)
		connection_pass_on(net, c, start + header.length, held - header.length);
	buffer_give(&net->buffers, &rest);
}
