/*
 * Owns: the users of a load: who is whose friend, and where each is at each of its steps.
 * Invariant: all of it follows from the seed and takes no memory to speak of, so every process knows
 *   it without being told.
 * Thread: any once it is made.
 * Does not know: when a step is made, sessions.
 *
 * User 0 .. count-1 connect. All live in one city, whose size is such that of two of them taken at
 * random so many are in range as are wanted; each walks around a block near its home, and a step is
 * what a walker covers in half a minute.
 */
#ifndef NEARBY_BENCH_TOWN_H
#define NEARBY_BENCH_TOWN_H

#include "bench/crowd.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

struct town_config {
	uint32_t users;	  /* who connect */
	uint32_t friends; /* of each */
	uint32_t active;  /* ... of whom so many connect: even, less than users - 2 */
	double near;	  /* ... and so many of these are in range */
	uint64_t seed;
	struct nearby_place centre;
};

struct town {
	struct crowd crowd;
	uint32_t count, active, idle;
	uint64_t seed;
	struct nearby_place centre;
	double sigma_m; /* of the homes around the centre */
	/* The ways in number to half of the friends, ascending, and which of the crowd's they are. */
	struct town_way {
		uint32_t distance, idx;
	} ways[CROWD_FRIENDS_MAX / 2];
};

/* A place in space, in metres from the town's centre: cheap to compare. */
struct spot {
	float x, y, z;
};

/* Near nobody. */
#define TOWN_NOWHERE ((struct spot){ NAN, NAN, NAN })

/* Here friends are near when they are so near. */
#define TOWN_RADIUS_M 8046.72

void town_init(struct town *town, const struct town_config *config);

/* The friend `idx` of 0 .. active-1, who connects. */
static inline uint32_t town_friend(const struct town *town, uint32_t user, uint32_t idx)
{
	return crowd_friend(&town->crowd, user, idx);
}
/* Which of user's friends that is: 0 .. active-1; or -1. */
int town_friend_idx(const struct town *town, uint32_t user, uint32_t friend);
/* The friend `idx` of 0 .. idle-1 who never connects: count or more. */
uint32_t town_stranger(const struct town *town, uint32_t user, uint32_t idx);
/* One more than the highest number of any friend. */
uint64_t town_population(const struct town *town);

/* Where a user is at that step. */
struct nearby_place town_place(const struct town *town, uint32_t user, uint64_t step);
struct spot town_spot(const struct town *town, struct nearby_place place);
/* Whether they are in range, but for a metre. */
static inline bool spots_are_near(struct spot a, struct spot b)
{
	float x = a.x - b.x, y = a.y - b.y, z = a.z - b.z;
	return x * x + y * y + z * z <= (float)(TOWN_RADIUS_M * TOWN_RADIUS_M);
}

#endif
