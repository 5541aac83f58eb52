/*
 * Owns: what a server said, as a struct.
 * Invariant: an answer that answer_read took has every field that nearby-protocol(7) promises for
 *   its type; fields and types that are not known are passed over.
 * Thread: the caller's; slices are lent from the text that was read.
 * Does not know: whether what is said is true; the oracle does.
 */
#ifndef NEARBY_BENCH_ANSWER_H
#define NEARBY_BENCH_ANSWER_H

#include "bench/scan.h"
#include "nearbyshm.h"

/* More entries than the protocol puts into a frame make the message bad. */
#define ANSWER_ENTRIES_MAX 128

enum answer_type {
	ANSWER_WELCOME,
	ANSWER_NEARBY,
	ANSWER_UPDATE,
	ANSWER_GONE,
	ANSWER_ERROR,
	ANSWER_RECONNECT,
	ANSWER_OTHER, /* a type that we do not know */
};

struct answer_entry {
	uint64_t user;
	struct slice name;
	struct nearby_place place;
	int64_t ts_ms;
	double distance_m;
};

struct answer_gone {
	uint64_t user;
	struct slice why;
};

struct answer {
	enum answer_type type;
	uint32_t count; /* of entries or gone */
	struct answer_entry entries[ANSWER_ENTRIES_MAX];
	struct answer_gone gone[ANSWER_ENTRIES_MAX];
	uint32_t total;	   /* nearby */
	struct slice next; /* nearby: the cursor of the next page; bytes NULL on the last */
	struct slice code; /* error */
	struct slice message;
	uint64_t user; /* welcome */
	double radius_m;
	double ttl_s;
	double after_ms; /* reconnect */
};

/* Reads one text message. False: it is not as nearby-protocol(7) says. */
bool answer_read(struct answer *answer, const char *text, size_t length);

#endif
