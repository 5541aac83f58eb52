/*
 * Owns: generated movement as a plan: people in a city who walk, cycle or drive from one place to
 *   the next.
 * Invariant: the same city gives the same people, friendships and ways, however many workers there
 *   are and however fast it runs.
 * Thread: see plan.h.
 * Does not know: sessions.
 */
#ifndef NEARBY_BENCH_WALK_H
#define NEARBY_BENCH_WALK_H

#include "bench/plan.h"

/* A phone says where it is this often, on the walkers' clock. */
#define WALK_UPDATE_S 30

/* The source of a walk. */
struct city {
	uint32_t users;
	double friends_mean;
	uint64_t seed;
	struct nearby_place centre;
	double radius_km;
	double speed; /* seconds of the walkers in one of the run */
};

/*
 * Friendships of the city: half of them among neighbours in number, as circles of friends, half with
 * anyone. Pairs to be freed by the caller; NULL when there is no memory.
 */
struct pair *city_pairs(const struct city *city, size_t *count);

extern const struct plan_class walk_plan;

#endif
