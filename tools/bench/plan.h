/*
 * Owns: the seam between who moves when and how it is sent.
 * Invariant: a plan gives the moves of one worker's users in the order of their due times.
 * Thread: a plan belongs to one worker; its source is made before the workers are forked, and is
 *   only read by them.
 * Does not know: sessions, or whether a move could be sent.
 */
#ifndef NEARBY_BENCH_PLAN_H
#define NEARBY_BENCH_PLAN_H

#include "bench/world.h"

/* The next move of a plan. */
struct plan_step {
	uint32_t user;
	uint64_t due_us; /* on the clock of the run, which stands still during checks */
};

struct plan_class {
	/* For the users of worker `worker`: those with user % workers == worker. NULL: no memory. */
	void *(*open)(const void *source, uint32_t worker, uint32_t workers);
	void (*close)(void *plan);
	/* What comes next. False: nothing ever. */
	bool (*next)(void *plan, struct plan_step *step);
	/* Takes that step off: where the user is then, and the ts to say. */
	void (*take)(void *plan, struct sighting *sighting);
};

#endif
