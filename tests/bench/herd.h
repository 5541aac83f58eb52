/*
 * Owns: what the herd's parent tells its workers, and what they tell it.
 * Invariant: one shared mapping. The parent alone writes an order, and only to a worker that has done
 *   the one before; a tally has one writer, its worker, and is emptied with each order.
 * Thread: the parent and the workers, as said.
 * Does not know: who reads the numbers.
 *
 * An order is released by its `turn`, after the fields that go with it; the worker answers with the
 * same number in `done`, so that the parent then sees all that was counted.
 */
#ifndef NEARBY_BENCH_HERD_H
#define NEARBY_BENCH_HERD_H

#include "app/token.h"
#include "bench/address.h"
#include "bench/latency.h"

#include <stdatomic.h>
#include <stdbool.h>

#define HERD_WORKERS_MAX 128

enum herd_verb {
	HERD_JOIN,  /* opens all sessions that are not open */
	HERD_STORM, /* drops all, then as HERD_JOIN */
	HERD_MOVE,  /* each session in turn says where it is, once in `period_s`, for `seconds` */
	HERD_DROP,  /* drops all */
	HERD_END,
};

struct herd_order {
	_Atomic uint32_t turn;
	enum herd_verb verb;
	uint32_t seconds;   /* how long to move, or the most that a join may take */
	uint32_t period_s;
	uint32_t in_flight; /* handshakes at once, 0: all */
};

struct herd_tally {
	_Atomic uint32_t done;
	uint32_t open;	   /* now; kept from order to order, as is `lost` */
	uint64_t lost;	   /* sessions that ended although nobody asked */
	uint64_t refused;  /* 503 and its kind; each is tried again when it says */
	uint64_t failed;   /* connections that ended on their way; tried again as well */
	uint64_t sent;	   /* locations */
	uint64_t unsent;   /* locations of sessions that are not open */
	uint64_t frames;   /* of type update */
	uint64_t entries;  /* in them */
	struct latency join;	 /* from the first attempt to the welcome */
	struct latency lateness; /* from a location's due time to its sending */
	struct latency push;	 /* from a location's due time to a friend's receipt */
};

struct herd_options {
	const char *server, *key_path;
	uint32_t workers, sessions; /* sessions of each worker */
	uint32_t first_user;
	uint32_t side_m; /* of the square that all live in */
	uint32_t greets; /* 1: a session says where it is as soon as it is in */
};

struct herd {
	struct herd_options options;
	struct address target;
	struct token_key *key;
	struct herd_order orders[HERD_WORKERS_MAX];
	struct herd_tally tallies[HERD_WORKERS_MAX];
};

/* The life of worker `number`, until HERD_END. */
void herd_worker(struct herd *herd, uint32_t number);

#endif
