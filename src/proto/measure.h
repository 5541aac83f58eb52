/*
 * Owns: how much room the bytes of a message to a client take at most.
 * Invariant: never less than a codec writes whose sizes these are.
 * Thread: any, no state.
 * Does not know: what the bytes look like.
 */
#ifndef NEARBY_PROTO_MEASURE_H
#define NEARBY_PROTO_MEASURE_H

#include "proto/message.h"

/* The most bytes that a codec makes of the parts of a message. */
struct measure {
	size_t head;	  /* everything but its lists, names and the text of an error */
	size_t entry;	  /* an entry but for its name */
	size_t gone;	  /* one who is gone */
	size_t exception; /* an exception of sharing */
	size_t text_byte; /* a byte of a name, or of the text of an error */
};

size_t measure_message(const struct measure *measure, const struct server_msg *msg);

#endif
