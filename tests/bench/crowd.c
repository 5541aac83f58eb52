/*
 * Owns: see crowd.h.
 * Invariant: see crowd.h.
 * Thread: see crowd.h.
 * Does not know: engines, tables.
 */
#include "crowd.h"

#include "base/check.h"
#include "base/id.h"

#include <math.h>
#include <stdbool.h>

#define EARTH_RADIUS_M 6371008.8
#define METRES_A_DEGREE (EARTH_RADIUS_M * M_PI / 180)
/* What a number is drawn for, so that draws are independent. */
enum draw { DRAW_DISTANCE, DRAW_STRANGER, DRAW_CITY, DRAW_HOME, DRAW_STROLL, DRAW_TURN };

/* 0 <= value < 1 for (seed, what for, who, which). */
static double draw(const struct crowd *crowd, enum draw what, uint64_t who, uint32_t which)
{
	uint64_t of = hash_u64(crowd->seed * 8 + what) ^ hash_u64(who * 16 + which);
	return (double)(hash_u64(of) >> 11) / 9007199254740992.0;
}

static bool is_drawn(const struct crowd *crowd, uint32_t drawn, uint32_t distance)
{
	for (uint32_t i = 0; i < drawn; i++)
		if (crowd->distances[i] == distance)
			return true;
	return false;
}

static uint32_t power_of_two(uint64_t least)
{
	uint32_t power = 1;
	while (power < least)
		power *= 2;
	return power;
}

void crowd_init(struct crowd *crowd, uint32_t count, uint32_t active, uint32_t idle, uint64_t seed)
{
	check(active % 2 == 0 && active >= 2 && active <= CROWD_FRIENDS_MAX);
	check(count > active + 2 && count <= UINT32_MAX / 4);
	*crowd = (struct crowd){ .count = count, .active = active, .idle = idle, .seed = seed };
	/* As many as give each of them `active` friends who are connected, too; at least twice the
	 * friends of one, so that nobody has one twice. */
	uint64_t strangers = (uint64_t)count * idle / active;
	crowd->strangers = power_of_two(strangers > 2 * idle ? strangers : 2 * idle);
	uint32_t half = (count - 1) / 2, near = half < CITY_USERS / 16 ? half : CITY_USERS / 16;
	uint64_t throws = 0;
	for (uint32_t i = 0; i < active / 2; i++) {
		uint32_t range = i < active / 8 && near > active ? near : half, distance;
		do
			distance = 1 + (uint32_t)(draw(crowd, DRAW_DISTANCE, throws++, 0) * range);
		while (is_drawn(crowd, i, distance));
		crowd->distances[i] = distance;
	}
}

uint32_t crowd_stranger(const struct crowd *crowd, uint32_t user, uint32_t idx)
{
	/* An odd step goes through a power of two without coming to the same twice. */
	uint64_t start = hash_u64(crowd->seed * 8 + DRAW_STRANGER) ^ user;
	return (uint32_t)((hash_u64(start) + idx * UINT64_C(2654435761)) % crowd->strangers);
}

static struct nearby_place place_at(double lat, double lon)
{
	lat = fmax(-90, fmin(90, lat));
	lon = remainder(lon, 360);
	return (struct nearby_place){ (int32_t)lrint(lat * 1e7), (int32_t)lrint(lon * 1e7) };
}

/* Degrees by which a user is away from a middle: two normally distributed numbers. */
static void scatter(const struct crowd *crowd, uint32_t user, double *lat, double *lon)
{
	double length = CITY_SIGMA_M * sqrt(-2 * log(1 - draw(crowd, DRAW_HOME, user, 2)));
	double angle = 2 * M_PI * draw(crowd, DRAW_HOME, user, 3);
	*lat += length * sin(angle) / METRES_A_DEGREE;
	*lon += length * cos(angle) / METRES_A_DEGREE / cos(*lat * M_PI / 180);
}

static void find_home(const struct crowd *crowd, enum placement placement, uint32_t user,
		      double *lat, double *lon)
{
	if (placement == PLACEMENT_UNIFORM) {
		*lat = asin(2 * draw(crowd, DRAW_HOME, user, 0) - 1) * 180 / M_PI;
		*lon = 360 * draw(crowd, DRAW_HOME, user, 1) - 180;
		return;
	}
	*lat = 110 * draw(crowd, DRAW_CITY, user / CITY_USERS, 0) - 50;
	*lon = 360 * draw(crowd, DRAW_CITY, user / CITY_USERS, 1) - 180;
	scatter(crowd, user, lat, lon);
}

struct nearby_place crowd_place(const struct crowd *crowd, enum placement placement, uint32_t user,
				uint32_t round)
{
	double lat, lon;
	find_home(crowd, placement, user, &lat, &lon);
	double angle = 2 * M_PI * draw(crowd, DRAW_STROLL, user, round % 16);
	double near_pole = fmax(0.01, cos(lat * M_PI / 180));
	return place_at(lat + STROLL_M * sin(angle) / METRES_A_DEGREE,
			lon + STROLL_M * cos(angle) / METRES_A_DEGREE / near_pole);
}

double crowd_distance_m(struct nearby_place a, struct nearby_place b)
{
	double lat_a = a.lat_e7 * (M_PI / 180e7), lat_b = b.lat_e7 * (M_PI / 180e7);
	double half_lat = sin((lat_b - lat_a) / 2);
	double half_lon = sin(((double)b.lon_e7 - a.lon_e7) * (M_PI / 180e7) / 2);
	double square = half_lat * half_lat + cos(lat_a) * cos(lat_b) * half_lon * half_lon;
	return 2 * EARTH_RADIUS_M * asin(fmin(1, sqrt(square)));
}

uint32_t crowd_turn(const struct crowd *crowd, uint32_t round, uint32_t i)
{
	/* A prime larger than any count: every user once. */
	uint64_t start = (uint64_t)(draw(crowd, DRAW_TURN, round, 0) * crowd->count);
	return (uint32_t)((start + i * UINT64_C(2654435761)) % crowd->count);
}
