/*
 * Owns: the WebSocket connections of one process: sockets, handshakes, frames, one epoll, one batch.
 * Invariant: nothing waits but fleet_poll, and what was said before it goes out in it, if not earlier; a
 *   client that ended is reported once; what a server sends is bounded by a frame's limit, what waits for
 *   it by FLEET_PENDING_BYTES_MAX a client.
 * Thread: one fleet per process, used by one thread.
 * Does not know: tokens, users, or what the messages mean.
 *
 * A client between two messages costs its record here and its socket in the kernel: bytes are held
 * only while a message has come or gone in part.
 */
#ifndef NEARBY_BENCH_FLEET_H
#define NEARBY_BENCH_FLEET_H

#include "bench/address.h"
#include "bench/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that a client holds back for a server that does not read; more is refused. */
#define FLEET_PENDING_BYTES_MAX (64u * 1024)
/*
 * Connections from one source address. Of the 28,232 ephemeral ports of a Linux default, connect
 * takes those of one parity first; beyond half of them each connect looks through all of those in
 * vain, which takes 2 ms instead of 30 us.
 */
#define FLEET_CLIENTS_PER_SOURCE 10000

/* Why a client ended. */
struct fleet_end {
	int error;		/* errno of the socket, or 0 */
	unsigned http_status;	/* when the upgrade was refused, or 0 */
	unsigned retry_after_s; /* of that answer, or 0 */
	unsigned close_code;	/* of the server's close frame, or 0 */
};

struct fleet_handler {
	/* The upgrade was accepted. */
	void (*opened)(void *context, uint32_t client);
	/* A whole message, lent for the call. `now_us`: when its bytes were read. */
	void (*text)(void *context, uint32_t client, const char *text, size_t length,
		     uint64_t now_us);
	/* The answer to a ping that fleet_ping sent. */
	void (*pong)(void *context, uint32_t client);
	/* It is over. The client's number may be connected again, once fleet_poll has returned. */
	void (*ended)(void *context, uint32_t client, const struct fleet_end *end);
};

struct fleet_config {
	struct address target;
	uint32_t clients_max;
	uint32_t first_client; /* clients of other processes before these, to choose sources by */
	const char *path;
	const char *subprotocol; /* NULL: none is asked for */
	bool is_binary;		 /* messages of both sides; the other kind ends a client */
	const struct fleet_handler *handler;
	void *context;
};

struct fleet;

/* 0, or negative errno. The config is copied. */
int fleet_open(struct fleet **fleet, const struct fleet_config *config);
/* Drops all connections without a word to the handler. */
void fleet_close(struct fleet **fleet);

/*
 * Starts client `client` (0 .. clients_max-1, not connected now). `token` NULL: none is shown. 0, or
 * negative errno.
 */
int fleet_connect(struct fleet *fleet, uint32_t client, const char *token);
/* With the next poll. False: not open, or too much waits already. */
bool fleet_send(struct fleet *fleet, uint32_t client, const void *text, size_t length);
bool fleet_ping(struct fleet *fleet, uint32_t client);
/* Cuts the connection off as a lost network does, with a reset; ended() is not called. */
void fleet_drop(struct fleet *fleet, uint32_t client);
/* Says goodbye; ended() follows when the server has answered. */
void fleet_shut(struct fleet *fleet, uint32_t client);
/* Whether nothing waits to be written to this client. */
bool fleet_is_drained(const struct fleet *fleet, uint32_t client);
uint32_t fleet_open_count(const struct fleet *fleet);

/* Sends what there is to be sent; where there is nothing, waits for events, `timeout_us` at most. Handles
 * the events. 0, or negative errno. */
int fleet_poll(struct fleet *fleet, uint64_t timeout_us);
/* Bytes received by all clients so far. */
uint64_t fleet_received_bytes(const struct fleet *fleet);

#endif
