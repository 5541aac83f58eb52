/*
 * Owns: recorded movement as a plan.
 * Invariant: moves come in the order of the recording; ts is the recording's time.
 * Thread: see plan.h.
 * Does not know: files.
 */
#ifndef NEARBY_BENCH_REPLAY_H
#define NEARBY_BENCH_REPLAY_H

#include "bench/dataset.h"
#include "bench/plan.h"

/* The source of a replay. */
struct replay {
	const struct fixes *fixes;
	const uint32_t *users; /* of each fix; UINT32_MAX: takes no part */
	double speed;	       /* seconds of the recording in one of the run; 0: all is due at once */
};

extern const struct plan_class replay_plan;

#endif
