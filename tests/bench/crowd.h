/*
 * Owns: who is whose friend, and where everybody is in each round.
 * Invariant: all of it follows from the seed and takes no memory to speak of; friendship among the
 *   connected is symmetric, and everybody has equally many friends.
 * Thread: any once it is made.
 * Does not know: engines, tables.
 *
 * User 0 .. count-1 are connected. A friend's number is that of the user plus or minus one of a few
 * distances drawn once: far apart in memory, and known without a table. A quarter of the distances
 * are short, which makes neighbours in number of a quarter of the friends, and neighbours live in
 * one city.
 */
#ifndef NEARBY_BENCH_CROWD_H
#define NEARBY_BENCH_CROWD_H

#include "nearbyshm.h"

#include <stdint.h>

#define CROWD_FRIENDS_MAX 5000

enum placement {
	PLACEMENT_UNIFORM, /* anywhere on the sphere: next to nobody is near a friend */
	PLACEMENT_CITY,	   /* normally distributed around the middle of a city, by CITY_SIGMA_M */
};

/* Neighbours in number that share a city. */
#define CITY_USERS 8192
/* Then one in five of them is within 5 miles: two of 40 friends. */
#define CITY_SIGMA_M 8500.0
/* From round to round everybody stays within this of home, so that nobody moves the 5 % of the
 * radius that make a list be evaluated at once. */
#define STROLL_M 100.0

struct crowd {
	uint32_t count;
	uint32_t active;    /* connected friends of each, even */
	uint32_t idle;	    /* friends of each who are not */
	uint32_t strangers; /* those are drawn from so many: a power of two */
	uint64_t seed;
	uint32_t distances[CROWD_FRIENDS_MAX / 2];
};

/* count > active + 2; active is even. */
void crowd_init(struct crowd *crowd, uint32_t count, uint32_t active, uint32_t idle, uint64_t seed);

/* The connected friend `idx` of 0 .. active-1. */
static inline uint32_t crowd_friend(const struct crowd *crowd, uint32_t user, uint32_t idx)
{
	uint32_t distance = crowd->distances[idx / 2];
	if (idx % 2)
		return user >= distance ? user - distance : user + crowd->count - distance;
	uint64_t sum = (uint64_t)user + distance;
	return (uint32_t)(sum >= crowd->count ? sum - crowd->count : sum);
}

/* The friend `idx` of 0 .. idle-1 who is not connected, as 0 .. strangers-1. */
uint32_t crowd_stranger(const struct crowd *crowd, uint32_t user, uint32_t idx);

struct nearby_place crowd_place(const struct crowd *crowd, enum placement placement, uint32_t user,
				uint32_t round);

/* Along the great circle, by the haversine formula: not as the engine does it. */
double crowd_distance_m(struct nearby_place a, struct nearby_place b);

/* A walk over 0 .. count-1 in an order without order: the place `i` of it in a round. */
uint32_t crowd_turn(const struct crowd *crowd, uint32_t round, uint32_t i);

#endif
