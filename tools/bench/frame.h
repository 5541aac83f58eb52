/*
 * Owns: the bytes of WebSocket frames, as a client writes and reads them (RFC 6455).
 * Invariant: what is written is masked and minimal; what is read must be an unmasked, whole message
 *   of a server, as nearbyd and its peers send them. Anything else is an error, never a guess.
 * Thread: the caller's, no state.
 * Does not know: sockets, and what is in a message.
 */
#ifndef NEARBY_BENCH_FRAME_H
#define NEARBY_BENCH_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum frame_opcode {
	FRAME_TEXT = 1,
	FRAME_BINARY = 2,
	FRAME_CLOSE = 8,
	FRAME_PING = 9,
	FRAME_PONG = 10
};

/* A client's header at most: 2 bytes, 8 of length, 4 of mask. */
#define FRAME_HEADER_BYTES_MAX 14
/* A server's message at most; a full update takes about 70 KB, what others batch some hundred. */
#define FRAME_PAYLOAD_BYTES_MAX (1024u * 1024)

struct frame {
	enum frame_opcode opcode;
	const char *payload; /* lent from the bytes that were read */
	size_t length;
};

/*
 * Writes a frame to `to`, which has FRAME_HEADER_BYTES_MAX + length bytes. `mask` should differ from
 * frame to frame. Returns the bytes written.
 */
size_t frame_write(uint8_t *to, enum frame_opcode opcode, const void *payload, size_t length,
		   uint32_t mask);

/* Reads one frame. The bytes it took; 0: more are needed; -EPROTO: no frame a server may send us. */
ssize_t frame_read(const uint8_t *bytes, size_t length, struct frame *frame);

#endif
