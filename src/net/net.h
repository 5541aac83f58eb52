/*
 * Owns: one core's network: its io_uring rings, listeners, connections, HTTP/1.1 and WebSocket.
 * Invariant: no call waits but net_turn; every wait of a peer has a timeout, every buffer a bound,
 *   every refusal and drop a counter; a connection that is gone is never reported twice.
 * Thread: one `struct net` per core, used by that core only; net_wake is the exception.
 * Does not know: what a payload means, who the users are, or that there is anything but bytes.
 *
 * The layer above gives a table of functions. They are called from net_turn, on the core's thread,
 * and may call anything here but net_turn and net_close.
 */
#ifndef NEARBY_NET_NET_H
#define NEARBY_NET_NET_H

#include "base/address.h"
#include "base/counter.h"
#include "base/writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum net_counter {
#define COUNTER(name, text, label, kind, help) NET_COUNTER_##name,
#include "net/net_counters.tbl"
#undef COUNTER
	NET_COUNTER_COUNT
};

/* Why a connection ended: enum, counter and text come from one table. */
enum close_reason {
#define CLOSE_REASON(name, text, help) CLOSE_##name,
#include "net/close_reasons.tbl"
#undef CLOSE_REASON
	CLOSE_REASON_COUNT
};
const char *close_reason_text(enum close_reason reason);

struct net;
struct quota;
struct tls_server;

/* A connection of this core: an index and a generation. Calls with one that is gone do nothing. */
struct conn_id {
	uint32_t slot;
	uint32_t generation;
};

/* A slice of bytes that is lent for the call. */
struct net_text {
	const char *bytes;
	size_t length;
};

#define NET_REQUEST_HEADERS_MAX 64
/* Request line and headers together at most, whatever the config says. */
#define NET_REQUEST_BYTES_MAX (16 * 1024)

/* A request whose head is complete. Everything is lent for the call. */
struct net_request {
	uint32_t listener;	/* the number that net_listen was given */
	struct net_text method; /* "GET" */
	struct net_text path;	/* still percent-encoded, without the query */
	struct net_text query;	/* without '?', or empty */
	struct {
		struct net_text name, value;
	} headers[NET_REQUEST_HEADERS_MAX];
	uint32_t header_count;
	bool has_body; /* body() follows until its `last` */
	/* Valid RFC 6455 upgrade with version 13 and a key: net_upgrade may answer it. */
	bool is_upgrade;
	/* Offered subprotocols as sent, comma-separated; empty when none. */
	struct net_text subprotocols;
};

/* The value of a header, name in lower case; an empty slice with bytes == NULL when absent. */
struct net_text net_request_header(const struct net_request *request, const char *name);

struct net_handler {
	/*
	 * Answer with net_respond, net_respond_begin, net_upgrade or net_handover, now or later; until
	 * then no further request of this connection is read (pipelining waits).
	 */
	void (*request)(void *context, struct conn_id conn, const struct net_request *request);
	/* The next bytes of a request's body, in order; `last` with the end of it (bytes may be 0). */
	void (*body)(void *context, struct conn_id conn, const void *bytes, size_t length,
		     bool last);
	/* A connection that another core passed by net_handover, with what it sent along. Accept it with
	 * net_upgrade, or refuse it with net_respond. */
	void (*adopted)(void *context, struct conn_id conn, void *baggage);
	/* A pass by net_handover that failed (the other core is full): the connection is answered 503,
	 * and what was to be sent along comes back, on the core that sent it. Also from net_close, for
	 * a pass that was under way. */
	void (*handover_failed)(void *context, void *baggage);
	/* A hint: bytes have come for the open WebSocket of this cookie, and will be handled in this turn,
	 * most often after those of some that were expected before. NULL: not wanted. */
	void (*expected)(void *context, uint64_t cookie);
	/* A whole text message (UTF-8 checked) of an open WebSocket. */
	void (*message)(void *context, struct conn_id conn, const void *text, size_t length);
	/* The same for a binary message. NULL: binary messages are refused with 1003. */
	void (*binary)(void *context, struct conn_id conn, const void *bytes, size_t length);
	/* What was sent has left, after net_send_room had said no: there is room again. */
	void (*writable)(void *context, struct conn_id conn);
	/* It is over, whoever ended it. The last call for this connection; there is none for one that
	 * was never shown by request() or adopted(). Never from within a call of the layer above. */
	void (*closed)(void *context, struct conn_id conn, enum close_reason reason);
	/* net_wake was called, or another core rang. Once a turn at most. */
	void (*woken)(void *context);
};

struct net_config {
	uint32_t core, cores;
	uint32_t connections_max; /* on this core */
	/* All timeouts in ms; none may be 0. */
	uint32_t handshake_timeout_ms; /* from accept to the end of the request's head */
	uint32_t request_timeout_ms;   /* between two parts of a body, and idle keep-alive */
	uint32_t ping_interval_ms;     /* of silence on a WebSocket until a ping is sent */
	uint32_t pong_timeout_ms;      /* until its answer */
	uint32_t send_timeout_ms;      /* that a peer may take no byte of what waits for it */
	uint32_t close_timeout_ms;     /* for the close handshake */
	uint32_t head_bytes_max;       /* of a request; over it: 431. At most NET_REQUEST_BYTES_MAX */
	uint32_t message_bytes_max;    /* over it: close 1009 */
	uint32_t message_timeout_ms;   /* from the first byte of a message to its last; over it: close 1008 */
	uint32_t frames_per_s;	       /* of a WebSocket; over it: close 1008. 0: no limit */
	/* Connections of one address (of IPv6: of one block of 64 bits) that are taken; more are answered
	 * 429, or closed before TLS begins. 0: no limit. Ten seconds' worth at once. */
	uint32_t connections_per_s;
	struct quota *arrivals;	    /* shared by all cores, lent; NULL without a limit */
	uint32_t arrivals_listener; /* the one it is for */
	uint32_t files_max; /* direct descriptors of one ring; 0: what the system allows */
	const struct net_handler *handler;
	void *context;
	counter_word *counters; /* NET_COUNTER_COUNT words, lent */
	/* CLOSE_REASON_COUNT words, lent */
	counter_word *close_counters;
};

/*
 * What this kernel lacks of what net needs, as a text that names it, or NULL when it lacks nothing.
 */
const char *net_probe(void);

/* Called on the core's own thread (the ring belongs to the thread that makes it). 0, or negative
 * errno with *reason a text. */
int net_open(struct net **net, const struct net_config *config, const char **reason);
/* All cores have stopped turning. Connections end without closed(). */
void net_close(struct net **net);

/* What a connection begins with, as bits. */
enum net_manner {
	NET_PLAIN = 0, /* with HTTP */
	NET_TLS = 1,   /* with the handshake of TLS, after net_set_tls */
	NET_PROXIED = 2, /* before that, if it is from a listed proxy, with a PROXY header */
};

/* The certificates for TLS, net/tls.h; for connections from now on. The net is one more holder. */
void net_set_tls(struct net *net, struct tls_server *server);

/* Proxies in front, whose connections must begin with a PROXY header of version 2 that says who the client
 * is: then that is the peer. Lent until other ones are set. Nobody is listed at first. */
void net_set_proxies(struct net *net, const struct address_block *blocks, uint32_t count);

/*
 * Listens on `address`: "127.0.0.1:7600", "[::1]:7600", "localhost:7600", "*:7600" or
 * "unix:/path/to/socket". Each core calls it with the same addresses (SO_REUSEPORT), core 0 first:
 * it fails where anybody listens already, the others share with it. A Unix socket is made by core 0
 * alone. `listener`, 255 at most, is given back in requests. `manner` is of enum net_manner; a Unix
 * socket has none. Port 0 picks a free one, see net_listen_port. 0, or negative errno with *reason.
 */
int net_listen(struct net *net, const char *address, uint32_t listener, unsigned manner,
	       const char **reason);
/* The TCP port that `listener` is bound to with TLS, or without it, as `manner` says; or 0. */
uint16_t net_listen_port(const struct net *net, uint32_t listener, unsigned manner);
/* From now on at most `count` further connections of this listener are read from, first come first served;
 * the others are accepted, and wait without a timeout. UINT32_MAX, as it is at first: all. */
void net_listen_admit(struct net *net, uint32_t listener, uint32_t count);
/* Accepts no more on this listener. */
void net_listen_stop(struct net *net, uint32_t listener);

/* Peers: after all cores have opened and before any is handed a connection. nets[core]. */
void net_link(struct net *net, struct net *const *nets);

/*
 * One turn: submits, waits until `until_us` of the boot clock at most (not at all when `until_us` is
 * past), handles all that came, runs timers. Returns 0 or a negative errno that the core cannot
 * live with.
 */
int net_turn(struct net *net, uint64_t until_us);

/* A hint that changes nothing: a frame for this connection will be begun soon. */
void net_expect(const struct net *net, struct conn_id conn);

/*
 * How long a turn may wait for more, once events come turn by turn, so that they are handled together
 * and the thread sleeps and wakes less often; 0, as at first, for not at all. After a silence the
 * first event ends the wait at once in any case.
 */
void net_set_gather(struct net *net, uint32_t gather_us);

/* From any thread: ends the wait of `net`, or of its next turn, and calls woken(). Never blocks. */
void net_wake(struct net *net);
/* On core `net`'s thread: the same for core `peer`, by its ring, at the next submit. */
void net_ring_doorbell(struct net *net, uint32_t peer);

/* A word of the layer above for each connection. */
void net_set_cookie(struct net *net, struct conn_id conn, uint64_t cookie);
uint64_t net_cookie(const struct net *net, struct conn_id conn);
/* Where it comes from, as the proxy says where one is listed. `::` for one that is gone, and for a Unix socket. */
struct address net_peer_address(const struct net *net, struct conn_id conn);
/* Connections open now. */
uint32_t net_connection_count(const struct net *net);

/* ---- HTTP ----------------------------------------------------------------------------------- */

struct net_header {
	const char *name;
	const char *value;
};

/* A whole answer; everything is copied. `content_type` NULL: no body. Keeps the connection unless
 * the request or an error said otherwise. Content-Length and Date are net's. */
void net_respond(struct net *net, struct conn_id conn, unsigned status, const char *content_type,
		 const struct net_header *headers, uint32_t header_count, const void *body,
		 size_t length);
/* An answer in parts (chunked). After each part ask net_send_room; wait for writable(). */
void net_respond_begin(struct net *net, struct conn_id conn, unsigned status,
		       const char *content_type);
void net_respond_part(struct net *net, struct conn_id conn, const void *bytes, size_t length);
void net_respond_end(struct net *net, struct conn_id conn);
/* Stops and restarts body() calls: backpressure on an upload. */
void net_body_pause(struct net *net, struct conn_id conn);
void net_body_resume(struct net *net, struct conn_id conn);

/* ---- WebSocket ------------------------------------------------------------------------------ */

/* Answers the upgrade with 101; `subprotocol` NULL: none. From here on it is a WebSocket. */
void net_upgrade(struct net *net, struct conn_id conn, const char *subprotocol);
/* Passes a connection whose upgrade request is not yet answered to another core; here it is over
 * (closed() is not called). `baggage` reaches adopted() there, or handover_failed() here. To the own
 * core: adopted() is called at once, with a new id. */
void net_handover(struct net *net, struct conn_id conn, uint32_t core, void *baggage);

/*
 * Builds a text frame in place: begin lends a writer for at most `bytes_max` of payload, commit
 * sends what was written, with the end of the turn. Nothing else of net may be called in between.
 * NULL: the connection is gone or closing, there is no memory, or 256 KiB wait already; in the last
 * case writable() follows.
 */
struct writer *net_frame_begin(struct net *net, struct conn_id conn, size_t bytes_max);
void net_frame_commit(struct net *net, struct conn_id conn);
void net_frame_commit_binary(struct net *net, struct conn_id conn);
/* Whether another frame or part may be given without heaping up what a slow peer gets too late: one
 * send may be under way and one may wait. It is advice: up to 256 KiB more is taken, for what must be
 * said. After a no, writable() follows. */
bool net_send_room(const struct net *net, struct conn_id conn);

/* Starts the close handshake with an RFC 6455 code and a text of at most 120 bytes; what was given
 * before is still sent. closed() follows with `reason`. On an HTTP connection it just ends. */
void net_shut(struct net *net, struct conn_id conn, unsigned code, const char *text,
	      enum close_reason reason);

#endif
