/*
 * Owns: the movement of a load as a plan, for a run that judges everything.
 * Invariant: the same steps at the same times as the load without judging.
 * Thread: see plan.h.
 * Does not know: sessions.
 */
#ifndef NEARBY_BENCH_TOWN_PLAN_H
#define NEARBY_BENCH_TOWN_PLAN_H

#include "bench/plan.h"
#include "bench/timetable.h"
#include "bench/town.h"

/* The source of it; the pace starts at 0, as a run's own clock does. */
struct town_walk {
	const struct town *town;
	struct pace pace;
};

extern const struct plan_class town_plan;

#endif
