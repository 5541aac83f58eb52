/*
 * Owns: the WebSocket byte machine: frames in, whole messages and answers out.
 * Invariant: a session holds a parsing context only while a frame is partly read or a message is
 *   unfinished; between messages `struct websocket` is all there is of it.
 * Thread: the core's.
 * Does not know: sockets, time, what a message means. It is fed bytes in any portions.
 */
#ifndef NEARBY_NET_WEBSOCKET_H
#define NEARBY_NET_WEBSOCKET_H

#include "net/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum websocket_code {
	WEBSOCKET_NORMAL = 1000,
	WEBSOCKET_PROTOCOL = 1002,
	WEBSOCKET_UNSUPPORTED = 1003,
	WEBSOCKET_NO_CODE = 1005, /* the peer's Close named none; never sent */
	WEBSOCKET_NOT_UTF8 = 1007,
	WEBSOCKET_TOO_BIG = 1009,
	WEBSOCKET_INTERNAL = 1011,
};

enum websocket_opcode {
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

/* The largest header of a frame that a server sends. */
#define WEBSOCKET_HEADER_BYTES_MAX 10
/* Payload of a control frame. */
#define WEBSOCKET_CONTROL_BYTES_MAX 125

struct websocket_lease;

/* One session. All zero: between messages. */
struct websocket {
	struct websocket_lease *lease;
};

/* What feeding gives back. The context is the caller's. */
struct websocket_sink {
	/* A whole message, UTF-8 checked when it is text; lent for the call. False: feed no more. */
	bool (*message)(void *context, const void *bytes, size_t length, bool is_binary);
	/* Bytes for the peer: a Pong, or the last Close. */
	void (*answer)(void *context, const void *bytes, size_t length);
};

struct websocket_pool {
	uint32_t message_bytes_max;
	bool accepts_binary;
	struct buffer_pool *buffers;
	struct websocket_lease *free;
	uint32_t free_count;
	uint32_t lent_count;
};

void websocket_pool_init(struct websocket_pool *pool, struct buffer_pool *buffers,
			 uint32_t message_bytes_max, bool accepts_binary);
void websocket_pool_fini(struct websocket_pool *pool);

/* How a session goes on after it was fed. */
struct websocket_end {
	uint16_t code; /* 0: it goes on. Else it is over; the Close was answered. */
	bool by_peer;  /* the peer's Close, and `code` its; else our verdict on what came */
	uint32_t frames; /* that came to their end, control frames and fragments too */
};

struct websocket_end websocket_feed(struct websocket_pool *pool, struct websocket *websocket,
				    const void *bytes, size_t length,
				    const struct websocket_sink *sink, void *context);
/* Gives back what is lent; the session is over. */
void websocket_fini(struct websocket_pool *pool, struct websocket *websocket);

/* Writes the header of an unfragmented, unmasked frame and returns its length. */
size_t websocket_header_put(uint8_t header[WEBSOCKET_HEADER_BYTES_MAX],
			    enum websocket_opcode opcode, size_t payload_bytes);
size_t websocket_header_length(size_t payload_bytes);
/* Writes a whole Close frame and returns its length; `text` beyond 123 bytes is cut. */
size_t websocket_close_put(uint8_t frame[2 + WEBSOCKET_CONTROL_BYTES_MAX], unsigned code,
			   const char *text);

#endif
