/*
 * Owns: the shape of one core's network, for the files of this folder.
 * Invariant: ring 0 is the one that is waited on; each further ring tells it by an eventfd.
 * Thread: the core's, save the two atomic members.
 * Does not know: anything; it is a structure.
 */
#ifndef NEARBY_NET_STATE_H
#define NEARBY_NET_STATE_H

#include "net/buffer.h"
#include "net/connection.h"
#include "net/http.h"
#include "net/net.h"
#include "net/timer.h"
#include "net/tls.h"
#include "net/uring.h"
#include "net/websocket.h"

#include <stdatomic.h>

enum { NET_MAGIC = 0x6e657477 };

/* 64 rings of 20,000 descriptors hold 1.28 million connections on one core. */
#define NET_RINGS_MAX 64
/* Events that a turn does not wait beyond: half of a ring's receive buffers. */
#define NET_GATHER_EVENTS (NET_BUFFERS / 2)
/* Receive buffers of the first ring, and of each further one: that opens only beyond so many connections
 * that each can say little, and the 256 KiB cost each of them 15 bytes. */
#define NET_BUFFERS	    URING_BUFFERS_MAX
#define NET_BUFFERS_FURTHER (URING_BUFFERS_MAX / 4)
/* Addresses that one core listens on. */
#define NET_LISTENERS_MAX 16
/* Accepts under way on one listener, as far as a 128th of a ring's files go: what a burst brings within one
 * turn. What the kernel's queue cannot hold would try again after a second, then after two, and so on. */
#define NET_ACCEPTS	  128
#define NET_ACCEPTS_LEAST 16
/* Records beyond connections_max, in which the next ones are told that there is no room. */
#define NET_REFUSALS_MAX 64
/* What may wait for one peer: four of the largest frames (64 KiB) that the layer above makes. */
#define NET_SEND_BYTES_MAX (256 * 1024)
/* Before a connection is offered again to a core that had no room. */
#define NET_PASS_RETRY_MS 32
/* Beyond this, more in the same turn has no room: it is what one send takes at once. */
#define NET_ROOM_BYTES (16 * 1024)

/* A record of TLS that one receive completes, and all that comes behind it. */
#define NET_PLAIN_BYTES (TLS_RECORD_BYTES + URING_BUFFER_BYTES)

/* What an event is about: the kind of its tag. */
enum event_kind {
	EVENT_NONE,
	EVENT_ACCEPT,	/* listener * NET_ACCEPTS + number */
	EVENT_RECEIVE,	/* slot */
	EVENT_SEND,	/* slot */
	EVENT_SHUT,	/* slot */
	EVENT_WAKE,	/* the eventfd of net_wake was written */
	EVENT_SIGNAL,	/* number of the ring that has events */
	EVENT_DOORBELL, /* from another core */
	EVENT_RANG,	/* ringing failed; number of the core */
	EVENT_ADOPT,	/* a passage from another core; the result is the file */
	EVENT_PASSED,	/* slot; what became of a pass */
	EVENT_REJECTED, /* a passage that the other core has no room for */
	EVENT_CROWDED,	/* another core met a full table here */
};

struct net_ring {
	struct uring *uring;
	uint32_t files;	     /* size of its table */
	uint32_t files_used; /* with those that accepts may bring */
	int eventfd;	     /* -1 for ring 0 */
	uint64_t eventfd_count;
	bool is_signalled; /* has, or may have, events that were not taken */
	uint64_t read_ms;  /* all that had come by then was handled */
};

struct net_accept {
	bool is_armed;
	uint8_t ring;
	struct uring_peer peer; /* of whom it brings */
};

struct net_listener {
	int descriptor; /* -1: unused, or stopped */
	uint32_t number;
	uint16_t port;
	unsigned manner; /* enum net_manner */
	char path[108]; /* of a Unix socket, else "" */
	uint32_t credit; /* connections that may still be read from; UINT32_MAX: all */
	uint32_t waiting_first, waiting_last; /* the others in order, by next_ready as slot + 1 */
	struct net_accept accepts[NET_ACCEPTS];
};

struct net_peer {
	struct net *net;
	bool is_rung; /* at the next submit */
};

struct net {
	uint32_t magic;
	struct net_config config;
	uint64_t now_ms; /* as of this turn */
	uint64_t submitted_ms; /* before this turn took what came */
	uint32_t gather_us;
	bool had_events; /* in the turn before */
	uint32_t shown_max; /* events that the kernel shows of ring 0 in this turn at most */

	struct net_ring rings[NET_RINGS_MAX];
	uint32_t ring_count;
	uint32_t ring_first; /* of those beside ring 0: modulo their number, whose turn is next */
	struct net_listener listeners[NET_LISTENERS_MAX];
	bool accepts_wait; /* some accept found no room: tried again when files_freed, or at the time */
	bool files_freed;
	uint64_t accepts_retry_ms;

	struct connection *connections;
	struct connection_more *more; /* by slot, as the connections */
	uint32_t connection_slots, connection_count, connection_fresh;
	uint32_t free_connections; /* linked by next_ready, as slot + 1 */
	uint32_t dirty, ready; /* lists, as slot + 1 */
	struct passage *passages; /* that this core made */

	const struct address_block *proxies;
	uint32_t proxy_count;
	struct tls_server *tls_server; /* for connections that begin; NULL: none */
	uint8_t *plain; /* what one receive brings, unsealed: NET_PLAIN_BYTES */

	struct timer_wheel wheel;
	struct buffer_pool buffers;
	struct websocket_pool websockets;
	uint32_t websocket_count;

	/* The frame that is being built. */
	struct writer frame;
	struct connection *frame_of;
	size_t frame_header_bytes;

	uint64_t date_s; /* of date_text */
	char date_text[40];

	int wake_eventfd;
	uint64_t wake_count;
	bool was_woken;
	struct net_peer *peers; /* config.cores of them, after net_link */

	/*
	 * Other threads write `rung` and read `intake`. rung: whether an event that wakes this core is
	 * on its way; set by an exchange by who rings, cleared by an exchange here before woken() is
	 * called, so whatever was posted before a ring that was spared is seen after it. intake: the
	 * descriptor of the ring that takes connections from others; a stale one costs a retry.
	 */
	_Atomic bool rung;
	_Atomic int intake;
};

static inline void net_count(struct net *net, enum net_counter counter, uint64_t amount)
{
	counter_add(&net->config.counters[counter], amount);
}

/* Of a list of connections: the one that `link` names, or NULL at its end. */
static inline struct connection *connection_at(const struct net *net, uint32_t link)
{
	return link == 0 ? NULL : &net->connections[link - 1];
}

/* The whole of a time of which a connection keeps the low 32 bits; it lies at most 49 days back. */
static inline uint64_t connection_ms(const struct net *net, uint32_t ms)
{
	return net->now_ms - (uint32_t)((uint32_t)net->now_ms - ms);
}

static inline struct uring *net_uring(struct net *net, const struct connection *c)
{
	return net->rings[c->ring].uring;
}

/* rings.c */
/* Counts a file in and returns the number of a ring that has room for it, opening one where there is
 * none; NET_RINGS_MAX when that is not possible. */
uint32_t rings_reserve(struct net *net);
void rings_release(struct net *net, uint32_t ring);
int rings_open(struct net *net, const char **reason);
void rings_close(struct net *net);
/* Chooses the ring for connections from other cores. */
void rings_choose_intake(struct net *net);

/* listener.c */
/* Charges the connection to its peer's address. False: it was one too many, and is refused. */
bool listener_charge(struct net *net, struct connection *c);
void listener_accepted(struct net *net, uint64_t which, int32_t result);
/* Arms the accepts that found no room before. */
void listeners_arm(struct net *net);
void listeners_close(struct net *net);

/* http_session.c */
void http_session_received(struct net *net, struct connection *c, const void *bytes, size_t length);
void http_session_proceed(struct net *net, struct connection *c);
/* Refuses what the peer sent (or failed to send) and ends the connection. */
void http_session_refuse(struct net *net, struct connection *c, unsigned status, const char *why,
			 enum close_reason reason);
void http_session_release(struct net *net, struct connection *c);

/* websocket_session.c */
void websocket_session_received(struct net *net, struct connection *c, const void *bytes,
				size_t length);
void websocket_session_proceed(struct net *net, struct connection *c);
/* When a WebSocket has been silent, or within a message, for too long; and what is done then. */
uint64_t websocket_session_due_ms(const struct net *net, const struct connection *c);
void websocket_session_overdue(struct net *net, struct connection *c);
void websocket_session_release(struct net *net, struct connection *c);

/* proxy_session.c */
bool proxy_session_is_listed(const struct net *net, const struct address *peer);
void proxy_session_received(struct net *net, struct connection *c, const void *bytes, size_t length);

/* tls_session.c */
void tls_session_received(struct net *net, struct connection *c, const void *bytes, size_t length);
/* Whether an end of the stream now is a cut: TLS has begun and the peer has not ended it. */
bool tls_session_is_cut(const struct net *net, const struct connection *c);
/* All that waits, sealed, the caller's; NULL when nothing does. */
struct buffer *tls_session_seal(struct net *net, struct connection *c);
/* Whether libssl has something to send beside what was given. */
bool tls_session_has_output(const struct net *net, const struct connection *c);

/* handover.c */
void handover_arrived(struct net *net, uint32_t ring, struct passage *passage, int32_t file);
void handover_passed(struct net *net, struct connection *c, int32_t result);
void handover_rejected(struct net *net, struct passage *passage);
void handover_retry(struct net *net, struct connection *c);
/* What was sent before has left, so it may go. */
void handover_proceed(struct net *net, struct connection *c);
/* Its connection has ended before it went: the baggage goes back. */
void handover_cut(struct net *net, struct connection *c);
/* Frees what both cores are done with. */
void handovers_sweep(struct net *net);
/* Frees the rest; baggage that nobody took goes to handover_failed(). */
void handovers_close(struct net *net);
/* The accept key of a passage, and that it is needed no more. */
const char *passage_accept(const struct passage *passage);
void passage_done(struct passage **passage);

#endif
