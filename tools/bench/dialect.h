/*
 * Owns: the seam between a load and the language of the server that it is driven against.
 * Invariant: a dialect keeps no state of its own: what is heard goes to the loader at once.
 * Thread: the worker that hears.
 * Does not know: rates, times, who is where.
 */
#ifndef NEARBY_BENCH_DIALECT_H
#define NEARBY_BENCH_DIALECT_H

#include "nearbyshm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loader;

/* Bytes of a location's message at most. */
#define DIALECT_LOCATION_BYTES_MAX 512

/* Where a user is, to be said. */
struct announcement {
	uint64_t id;
	struct nearby_place place;
	int64_t ts_ms;
};

struct dialect {
	const char *name;
	const char *path;	 /* of the WebSocket */
	const char *subprotocol; /* or NULL */
	bool is_binary;
	bool has_tokens;  /* a key is needed to sign them, */
	bool shows_token; /* ... and they go with the handshake */
	/* The server sends every location of a friend, and the client has to filter by distance. */
	bool is_unfiltered;
	/* The upgrade was accepted: says what has to be said first. */
	void (*greet)(struct loader *loader, uint32_t local);
	/* Writes a location to `text`; returns its bytes. */
	size_t (*announce)(char text[DIALECT_LOCATION_BYTES_MAX], const struct announcement *said);
	/* Hears one message, and tells the loader what is in it. */
	void (*hear)(struct loader *loader, uint32_t local, const char *text, size_t length,
		     uint64_t now_us);
};

/* NULL: there is none of that name. */
const struct dialect *dialect_find(const char *name);

extern const struct dialect dialect_nearby, dialect_centrifuge, dialect_nats;

#endif
