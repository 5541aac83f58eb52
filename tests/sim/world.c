/*
 * Owns: throwing a world.
 * Invariant: see world.h.
 * Thread: one.
 * Does not know: what happens in it.
 */
#include "world.h"

#include "base/check.h"
#include "globe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SECOND_US 1000000u

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static uint64_t throw_id_in(struct world *world, uint32_t partition)
{
	uint64_t id;
	do
		id = dice_throw(&world->dice) >> 1;
	while (nearby_partition(id) != partition);
	return id;
}

/* Small ones, or anywhere in the 63 bits with both ends, or all in one partition of the table. */
static void throw_ids(struct world *world, uint32_t count)
{
	bool is_dense = dice_chance(&world->dice, 50);
	uint32_t partition = dice_below(&world->dice, NEARBYSHM_PARTITIONS);
	for (uint32_t i = 0; i < count; i++)
		world->ids[i] = world->is_crowded ? throw_id_in(world, partition)
				: is_dense	  ? i
						  : dice_throw(&world->dice) >> 1;
	if (!is_dense && !world->is_crowded) {
		world->ids[0] = USER_ID_MAX;
		world->ids[1] = 0;
	}
	qsort(world->ids, count, sizeof(*world->ids), compare_ids);
	for (uint32_t i = 0; i < count; i++) {
		check(i == 0 || world->ids[i] != world->ids[i - 1]);
		snprintf(world->label_texts[i], sizeof(world->label_texts[i]), "u%u", i);
		world->labels[i] = world->label_texts[i];
	}
}

static uint32_t throw_user_count(struct world *world)
{
	if (world->is_small)
		return dice_from(&world->dice, 2, 4);
	uint32_t kind = dice_below(&world->dice, 100);
	world->is_crowded = kind >= 95;
	if (kind < 70)
		return dice_from(&world->dice, 2, 16);
	if (world->is_crowded)
		return dice_from(&world->dice, 48, 70);
	if (kind < 92)
		return dice_from(&world->dice, 17, 60);
	return dice_from(&world->dice, 140, 300);
}

static struct nearby_place throw_city(struct world *world)
{
	double lon = dice_fraction(&world->dice) * 360 - 180;
	switch (dice_below(&world->dice, 6)) {
	case 0:
		return globe_place(90, lon);
	case 1:
		return globe_place(-90, lon);
	case 2:
		return globe_place(dice_fraction(&world->dice) * 178 - 89, 180);
	case 3:
		return globe_place(0, 0);
	default:
		return globe_place(dice_fraction(&world->dice) * 178 - 89, lon);
	}
}

uint64_t world_interval_us(struct world *world)
{
	static const uint32_t intervals_ms[] = { 0, 0, 100, 1000, 5000 };
	return intervals_ms[dice_below(&world->dice, ARRAY_COUNT(intervals_ms))] * 1000ull;
}

static void throw_machine(struct world *world, uint32_t user_count)
{
	static const double radii_m[] = { 8046.72, 8046.72, 8046.72, 8046.72,
					  50,	   1000,    300000,  15000000 };
	static const uint32_t ttls_s[] = { 600, 600, 60, 20 };
	static const uint32_t rooms[] = { 1, 2, 3, 16, 256 };
	struct dice *dice = &world->dice;
	struct cluster_config *config = &world->config;
	config->cores = dice_chance(dice, 30) ? 2 : dice_from(dice, 1, 8);
	config->user_count = user_count;
	config->ids = world->ids;
	config->devices_max = user_count * 2 + 4;
	config->radius_m = radii_m[dice_below(dice, ARRAY_COUNT(radii_m))];
	config->ttl_us = (uint64_t)ttls_s[dice_below(dice, ARRAY_COUNT(ttls_s))] * SECOND_US;
	config->interval_us = world_interval_us(world);
	config->friends_max = user_count;
	config->cell_length = dice_chance(dice, 60) ? 5 : dice_from(dice, 1, 8);
	config->strangers_max = dice_chance(dice, 50) ? dice_from(dice, 1, 4) : STRANGERS_MAX;
	/* Room for all, or seldom for fewer. */
	config->sessions_max = dice_chance(dice, 3) ? dice_from(dice, 2, 8) : config->devices_max;
	config->channels_max = dice_chance(dice, 10)
				       ? dice_from(dice, user_count / 2 + 1, user_count)
				       : user_count + 8;
	config->subscriptions_max = dice_chance(dice, 3) ? dice_from(dice, 8, 4 * user_count + 8)
							 : config->devices_max * user_count + 8;
	/* The least that a partition takes is 51 users. */
	config->table_users_max = 1;
	config->may_be_full = world->is_crowded;
	config->link_room = rooms[dice_below(dice, ARRAY_COUNT(rooms))];
	config->start_us = 1 + (uint64_t)dice_below(dice, 2000) * SECOND_US;
	config->start_ms = 1700000000000;
	if (dice_chance(dice, 2)) {
		snprintf(world->instance, sizeof(world->instance), "sim-%d", (int)getpid());
		config->instance = world->instance;
	}
}

/* Friendships and names that were there before the run: everybody's, and one user's with all. */
static void throw_friends(struct world *world)
{
	uint32_t percent = dice_from(&world->dice, 5, 100), hub = ORACLE_NOBODY;
	uint32_t count = world->config.user_count;
	if (count > 60) {
		percent = dice_from(&world->dice, 1, 4);
		hub = dice_below(&world->dice, count);
	}
	for (uint32_t user = 0; user < count; user++)
		oracle_named(cluster_oracle(world->cluster), user, world->labels[user]);
	for (uint32_t a = 0; a < count; a++)
		for (uint32_t b = a + 1; b < count; b++)
			if (dice_chance(&world->dice, percent) || a == hub || b == hub)
				book_befriend(cluster_book(world->cluster), a, b);
	/* Nobody is there to hear of them. */
	book_restart(cluster_book(world->cluster), world->config.cores);
}

double world_distance_m(struct world *world)
{
	static const double scales[] = { 0.001, 0.03, 0.06, 0.5, 1, 2 };
	double scale = scales[dice_below(&world->dice, ARRAY_COUNT(scales))];
	return scale * world->config.radius_m * dice_fraction(&world->dice);
}

double world_bearing(struct world *world)
{
	return dice_fraction(&world->dice) * 2 * acos(-1);
}

struct nearby_place world_place(struct world *world)
{
	struct nearby_place city = world->cities[dice_below(&world->dice, world->city_count)];
	return globe_travel(city, world_bearing(world), world_distance_m(world));
}

static void throw_places(struct world *world)
{
	world->city_count = dice_from(&world->dice, 1, WORLD_CITIES_MAX);
	for (uint32_t i = 0; i < world->city_count; i++)
		world->cities[i] = throw_city(world);
	for (uint32_t user = 0; user < world->config.user_count; user++)
		world->places[user] = world_place(world);
}

void world_open(struct world *world, uint64_t seed, bool is_small,
		void (*received)(void *context, uint32_t device, bool is_answer,
				 const struct server_msg *msg),
		void *context)
{
	*world = (struct world){ .dice = { hash_u64(seed) }, .is_small = is_small };
	uint32_t count = throw_user_count(world);
	world->ids = calloc(count, sizeof(*world->ids));
	world->labels = calloc(count, sizeof(*world->labels));
	world->label_texts = calloc(count, sizeof(*world->label_texts));
	world->places = calloc(count, sizeof(*world->places));
	check(world->ids && world->labels && world->label_texts && world->places);
	throw_ids(world, count);
	throw_machine(world, count);
	world->config.received = received;
	world->config.context = context;
	world->cluster = cluster_open(&world->config);
	throw_friends(world);
	throw_places(world);
}

void world_close(struct world *world)
{
	cluster_close(&world->cluster);
	free(world->ids);
	free(world->labels);
	free(world->label_texts);
	free(world->places);
}
