/*
 * Owns: the life of one worker process: it joins its users' sessions, sends what its plan says, and
 *   carries out the parent's orders.
 * Invariant: every wait is bounded; a worker ends when it is told to, or when its parent is gone.
 * Thread: a process of its own, single-threaded.
 * Does not know: the other workers, but for what the world says of their users.
 */
#ifndef NEARBY_BENCH_WORKER_H
#define NEARBY_BENCH_WORKER_H

#include "bench/address.h"
#include "bench/control.h"
#include "bench/plan.h"
#include "app/token.h"

/* What a run is made of; ready before the workers are forked, and the same in all. */
struct bench {
	struct world *world;
	struct control *control;
	const struct plan_class *plan;
	const void *plan_source;
	uint64_t steps; /* of the whole plan; 0: it has no end */
	struct address target;
	const struct token_key *key; /* signs the sessions' tokens */
	uint32_t workers;
	uint32_t joining_max; /* handshakes under way at once, in all workers */
	/* Locations on their way at once, in all workers, each proven taken by a pong before the same
	 * user sends the next; 0: sent when due, whatever the server does. */
	uint32_t in_flight_max;
	bool has_guest; /* as in struct crew */
	uint64_t guest;
};

/* Longer than any run. */
#define BENCH_TOKEN_VALID_S (24 * 3600)

/* A token of that key for one user, with the right to administer or without. 0, or -EINVAL. */
int bench_token(const struct token_key *key, uint64_t user, bool is_admin,
		char text[TOKEN_BYTES_MAX + 1]);

/* The worker's whole life. Returns its exit status. */
int worker_run(const struct bench *bench, uint32_t number);

#endif
