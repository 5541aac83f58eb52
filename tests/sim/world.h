/*
 * Owns: the world of a random run: who lives in it, where, friends of whom, on which machine.
 * Invariant: all of it is thrown from the seed, with borders and crowds more often than chance
 *   alone would have it: poles, the antimeridian, one partition for all, a user with all as friends.
 * Thread: one.
 * Does not know: what happens in it.
 */
#ifndef NEARBY_SIM_WORLD_H
#define NEARBY_SIM_WORLD_H

#include "cluster.h"
#include "dice.h"

#define WORLD_CITIES_MAX 3

struct world {
	struct dice dice; /* also for what happens later */
	struct cluster *cluster;
	struct cluster_config config;
	uint64_t *ids;
	char (*label_texts)[16];
	const char **labels;	     /* u0, u1, ... */
	struct nearby_place *places; /* where each user is, also while it sends nothing */
	struct nearby_place cities[WORLD_CITIES_MAX];
	uint32_t city_count;
	bool is_small;
	bool is_crowded; /* all users in one partition, which may be too small for them */
	char instance[NEARBYSHM_INSTANCE_BYTES + 1];
};

/* `received` and `context` are those of cluster_config. */
void world_open(struct world *world, uint64_t seed, bool is_small,
		void (*received)(void *context, uint32_t device, bool is_answer,
				 const struct server_msg *msg),
		void *context);
void world_close(struct world *world);

/* A step: from a thousandth of the radius to twice it. */
double world_distance_m(struct world *world);
double world_bearing(struct world *world);
/* Somewhere in one of the cities. */
struct nearby_place world_place(struct world *world);
/* Between two frames to one device. */
uint64_t world_interval_us(struct world *world);

#endif
