/*
 * Owns: whether a chunked body is framed as RFC 9112 section 7.1 says, to the letter.
 * Invariant: it judges the same however the bytes are split; from the first wrong byte on nothing is right.
 * Thread: any, no state but the struct.
 * Does not know: what the chunks hold.
 *
 * The parser, as Debian builds it, passes over a missing CR or LF and over line ends within an
 * extension; a proxy in front may not, and then the two see different requests in the same bytes.
 */
#ifndef NEARBY_NET_CHUNKS_H
#define NEARBY_NET_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

/* All zero: before the first chunk. */
struct chunks {
	uint8_t state;
	uint64_t left; /* of the chunk at hand */
};

/*
 * Takes bytes of a chunked body, in order, and returns how many are right: it stops behind the data of a chunk, at
 * the end of the body and at the first wrong byte. So 0 of some bytes says that the first one is wrong.
 */
size_t chunks_feed(struct chunks *chunks, const void *bytes, size_t length);

#endif
