/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "bench/town.h"

#include "base/check.h"
#include "base/id.h"

#include <math.h>
#include <stdlib.h>

#define EARTH_RADIUS_M 6371008.8
#define METRES_A_DEGREE (EARTH_RADIUS_M * M_PI / 180)
/* A block to walk around, and half a minute's way at 1 to 1.8 m/s. */
#define BLOCK_LEAST_M 300.0
#define BLOCK_MOST_M 1500.0
#define STEP_LEAST_M 30.0
#define STEP_MOST_M 54.0
/* No town where everybody is near everybody, nor one larger than a continent. */
#define SHARE_MOST 0.999
#define SHARE_LEAST 1e-5
/* What a number is drawn for, so that draws are independent. */
enum draw { DRAW_FAR, DRAW_WHERE, DRAW_BLOCK, DRAW_PACE, DRAW_START };

/* 0 <= value < 1 */
static double draw(const struct town *town, uint32_t user, enum draw what)
{
	uint64_t of = hash_u64(town->seed ^ 0x70776e) ^ ((uint64_t)user * 8 + what);
	return (double)(hash_u64(of) >> 11) * 0x1p-53;
}

static int compare_ways(const void *left, const void *right)
{
	const struct town_way *a = left, *b = right;
	return (a->distance > b->distance) - (a->distance < b->distance);
}

void town_init(struct town *town, const struct town_config *config)
{
	check(config->active <= config->friends);
	*town = (struct town){ .count = config->users,
			       .active = config->active,
			       .idle = config->friends - config->active,
			       .seed = config->seed,
			       .centre = config->centre };
	crowd_init(&town->crowd, town->count, town->active, town->idle, town->seed);
	for (uint32_t i = 0; i < town->active / 2; i++)
		town->ways[i] = (struct town_way){ town->crowd.distances[i], i };
	qsort(town->ways, town->active / 2, sizeof(town->ways[0]), compare_ways);
	/*
	 * Both coordinates of a home are normally distributed, so the square of the distance of two is
	 * exponentially distributed with the mean 4 sigma^2.
	 */
	double share = fmin(SHARE_MOST, fmax(SHARE_LEAST, config->near / config->active));
	town->sigma_m = TOWN_RADIUS_M / (2 * sqrt(-log(1 - share)));
}

int town_friend_idx(const struct town *town, uint32_t user, uint32_t friend)
{
	uint32_t ahead = friend >= user ? friend - user : friend + town->count - user;
	bool is_behind = ahead > town->count - ahead;
	uint32_t wanted = is_behind ? town->count - ahead : ahead;
	uint32_t low = 0, high = town->active / 2;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (town->ways[middle].distance < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == town->active / 2 || town->ways[low].distance != wanted)
		return -1;
	return (int)(2 * town->ways[low].idx + is_behind);
}

uint32_t town_stranger(const struct town *town, uint32_t user, uint32_t idx)
{
	return town->count + crowd_stranger(&town->crowd, user, idx);
}

uint64_t town_population(const struct town *town)
{
	return (uint64_t)town->count + (town->idle > 0 ? town->crowd.strangers : 0);
}

struct nearby_place town_place(const struct town *town, uint32_t user, uint64_t step)
{
	double far_m = town->sigma_m * sqrt(-2 * log(1 - draw(town, user, DRAW_FAR)));
	double where = 2 * M_PI * draw(town, user, DRAW_WHERE);
	double block_m =
		BLOCK_LEAST_M + (BLOCK_MOST_M - BLOCK_LEAST_M) * draw(town, user, DRAW_BLOCK);
	double step_m = STEP_LEAST_M + (STEP_MOST_M - STEP_LEAST_M) * draw(town, user, DRAW_PACE);
	double turn = 2 * M_PI * draw(town, user, DRAW_START) + step_m / block_m * (double)step;
	double north_m = far_m * sin(where) + block_m * sin(turn);
	double east_m = far_m * cos(where) + block_m * cos(turn);
	double lat = fmax(-89, fmin(89, town->centre.lat_e7 / 1e7 + north_m / METRES_A_DEGREE));
	double lon = town->centre.lon_e7 / 1e7 + east_m / (METRES_A_DEGREE * cos(lat * M_PI / 180));
	return (struct nearby_place){ (int32_t)lrint(lat * 1e7),
				      (int32_t)lrint(remainder(lon, 360) * 1e7) };
}

static void vector_of(struct nearby_place place, double to[3])
{
	double lat = place.lat_e7 * (M_PI / 180e7), lon = place.lon_e7 * (M_PI / 180e7);
	to[0] = EARTH_RADIUS_M * cos(lat) * cos(lon);
	to[1] = EARTH_RADIUS_M * cos(lat) * sin(lon);
	to[2] = EARTH_RADIUS_M * sin(lat);
}

struct spot town_spot(const struct town *town, struct nearby_place place)
{
	double at[3], centre[3];
	vector_of(place, at);
	vector_of(town->centre, centre);
	return (struct spot){ (float)(at[0] - centre[0]), (float)(at[1] - centre[1]),
			      (float)(at[2] - centre[2]) };
}
