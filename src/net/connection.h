/*
 * Owns: one connection: its descriptor, what waits to be sent, its timer, its way to the end.
 * Invariant: at most one receive, one send and one shutdown are under way; the record is freed only
 *   when the kernel has let go of all. Receiving side and sending side end apart: see enum conn_state.
 * Thread: the core's.
 * Does not know: HTTP or WebSocket; http_session.c and websocket_session.c speak over it.
 */
#ifndef NEARBY_NET_CONNECTION_H
#define NEARBY_NET_CONNECTION_H

#include "net/buffer.h"
#include "net/http.h"
#include "net/net.h"
#include "net/timer.h"
#include "net/websocket.h"

#include <stdbool.h>
#include <stdint.h>

enum conn_state {
	CONN_FREE,
	CONN_HEAD,	/* a request is awaited, or its head partly read */
	CONN_REQUEST,	/* the layer above has a request; its body may still come */
	CONN_PASSING,	/* its descriptor is on the way to another core */
	CONN_WEBSOCKET, /* open */
	CONN_CLOSING,	/* our Close is given, the peer's is awaited */
	CONN_FINISHING, /* what waits is still sent, what comes is thrown away */
	CONN_LINGERING, /* all is sent and our side shut; the peer's end is awaited */
	CONN_DYING,	/* over; the kernel still holds an operation */
};

struct passage;
struct tls;

/*
 * What an idle connection costs: this record. What it may hold besides is lent while it is needed:
 * `http` and `rest` during a request, a lease in `websocket` during a message, `sending` and
 * `gathering` while the peer has not taken everything.
 */
struct connection {
	/* Bumped when it is over for the layer above: old ids then name nothing. Never 0. */
	uint32_t generation;
	uint32_t slot;
	uint32_t file;
	uint8_t ring;
	uint8_t state;	/* enum conn_state */
	uint8_t reason; /* enum close_reason, once it is ending */
	uint8_t pass_tries;

	bool is_known : 1;     /* shown to the layer above, which so gets closed() */
	bool is_receiving : 1; /* a receive is under way */
	bool is_sending : 1;   /* a send is under way */
	bool is_leaving : 1;   /* a pass to another core is under way */
	bool is_shutting : 1;  /* a shutdown is under way */
	bool is_dirty : 1;     /* in the list of those with something to send */
	bool is_ready : 1;     /* in the list of those that may go on */
	bool wants_room : 1;   /* was told that there is no room: owes a writable() */
	bool peer_ended : 1;   /* nothing more will come */
	bool resets : 1;       /* ends with a reset */

	/* HTTP: the request at hand. */
	bool is_reused : 1; /* not the first request */
	bool has_begun : 1; /* an answer in parts */
	bool answered : 1;  /* completely */
	bool body_done : 1; /* nothing more of the body will be asked for */
	bool is_paused : 1; /* body() must not be called */
	bool is_head : 1;   /* see struct http_manner */
	bool is_old : 1;
	bool closes : 1;
	bool is_upgrade : 1;

	bool is_tls : 1;
	bool awaits_proxy : 1; /* a PROXY header comes before all else */
	bool is_pinged : 1; /* WebSocket: an answer to our ping is awaited */
	bool is_silent : 1; /* and has not come in time, unless it waits for us to read it */

	uint8_t listener; /* the number that net_listen was given */
	/* Low bits of net.now_ms, see connection_ms. */
	uint32_t since_ms; /* when the present wait began */
	uint32_t heard_ms; /* last bytes of the peer */
	uint32_t taken_ms; /* when the peer last took something, or began to owe it */

	struct http *http;
	struct buffer *rest; /* received, but its time has not come */
	struct passage *passage;
	struct websocket websocket;
	struct buffer *sending, *gathering;
	uint32_t next_dirty, next_ready; /* slot + 1; 0 ends the list */
	uint64_t cookie;
	struct timer timer;
};

/* All of an idle connection in user memory, of the 512 bytes that a session may take in all: two lines
 * of the cache. */
_Static_assert(sizeof(struct connection) <= 128, "an idle connection outgrew its budget");

/* What is seldom asked for of a connection, in a table of its own beside that of the records. */
struct connection_more {
	struct address peer;
	struct tls *tls; /* from its first byte on, where TLS is spoken */
	uint32_t frames_s; /* the second in which `frames` of a WebSocket came */
	uint32_t frames;
	uint32_t message_ms; /* as since_ms: when the message at hand began */
};

static inline struct conn_id connection_id(const struct connection *c)
{
	return (struct conn_id){ .slot = c->slot, .generation = c->generation };
}

/* The table: `connections_max` and a few more, to refuse the next in good form. */
int connections_open(struct net *net);
void connections_close(struct net *net);
/* NULL when gone, or over for the layer above. */
struct connection *connection_find(const struct net *net, struct conn_id id);

/* A record for a fresh descriptor, in state HEAD; NULL when the table is full. */
struct connection *connection_take(struct net *net, uint32_t ring, uint32_t file,
				   const struct address *peer);
struct connection_more *connection_more(const struct net *net, const struct connection *c);
/* Old ids name it no more. */
void connection_forget_id(struct connection *c);
/* Another core has it now: lets go of record and file, and reports nothing. */
void connection_leave(struct net *net, struct connection *c);

/* Starts the receive of its state, unless one is under way. */
void connection_receive(struct net *net, struct connection *c);
/* Keeps bytes for later, in front of none (there are no others). False: no memory. */
bool connection_keep(struct net *net, struct connection *c, const void *bytes, size_t length);

/* Room for `bytes` at the end of what waits to be sent, or NULL when there is no memory. The caller
 * writes there and tells connection_sent how much. */
uint8_t *connection_reserve(struct net *net, struct connection *c, size_t bytes);
void connection_commit(struct net *net, struct connection *c, size_t bytes);
bool connection_put(struct net *net, struct connection *c, const void *bytes, size_t length);
/* Has connection_flush called before the turn ends. */
void connection_dirty(struct net *net, struct connection *c);
/* Starts a send of all that waits, unless one is under way. */
void connection_flush(struct net *net, struct connection *c);

/* Bytes that come behind a PROXY header, or where there is none. */
void connection_pass_on(struct net *net, struct connection *c, const void *bytes, size_t length);
/* Bytes that are HTTP or WebSocket, to whoever speaks it; and that the peer says no more of them. */
void connection_deliver(struct net *net, struct connection *c, const void *bytes, size_t length);
void connection_deliver_end(struct net *net, struct connection *c);

/* Everything that was given has left. */
bool connection_is_drained(const struct net *net, const struct connection *c);

/* Has it looked at again before the turn ends, when what it waited for may be there. */
void connection_ready(struct net *net, struct connection *c);
/* Sets the timer for what it waits for now. */
void connection_rearm(struct net *net, struct connection *c);

/* From here on only what waits is sent; then our side is shut. */
void connection_finish(struct net *net, struct connection *c, enum close_reason reason);
/* Over, now. Reports it, and lets go as soon as the kernel does. */
void connection_end(struct net *net, struct connection *c, enum close_reason reason);
/* As above, but what waits is thrown away and the peer gets a reset. */
void connection_abort(struct net *net, struct connection *c, enum close_reason reason);

/* Events. `result` as the operation gave it. */
void connection_received(struct net *net, struct connection *c, int32_t result, const void *bytes,
			 bool more);
void connection_sent(struct net *net, struct connection *c, int32_t result);
void connection_was_shut(struct net *net, struct connection *c);
void connection_due(struct net *net, struct connection *c);
/* Its turn in the list of those that may go on. */
void connection_proceed(struct net *net, struct connection *c);

#endif
