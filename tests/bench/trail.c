/*
 * Owns: see trail.h.
 * Invariant: see trail.h.
 * Thread: one.
 * Does not know: what the locations are kept in.
 */
#include "trail.h"

#include "bench/dataset.h"

#include "base/check.h"
#include "base/id.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define METRES_A_DEGREE 111195.0
#define CITY_RADIUS_M 15000.0
/* Walkers of one city; cities lie on a grid of this many a row. */
#define CITY_WALKERS 4096
#define CITIES_A_ROW 50
/* The phone's error, one standard deviation of each axis, and the most of its clock's. */
#define NOISE_M 4.0
#define JITTER_MS 200
#define START_MS INT64_C(1700000000000)
/* One in so many users moves. */
#define USERS_A_WALKER 10

struct walker {
	float east_m, north_m; /* from the middle of their city */
	float to_east_m, to_north_m;
	float stride_m; /* in a period */
	uint32_t random;
};

struct trail {
	/* Walkers. */
	struct walker *walkers;
	uint32_t *order; /* who is seen when: a period's share each second */
	uint32_t count;
	uint64_t second;
	struct store_point *points; /* of the second */
	/* A file. */
	struct fixes fixes;
	size_t at;
};

/* A generator by Marsaglia (xorshift): 30 bits or so that look random, for next to nothing. */
static uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static float random_share(uint32_t *state)
{
	return (float)(random_next(state) >> 8) * 0x1p-24f;
}

/* Nearly normal: a sum of three. */
static float random_error(uint32_t *state)
{
	return (random_share(state) + random_share(state) + random_share(state) - 1.5f) * 2;
}

static void walker_choose(struct walker *walker, float *east_m, float *north_m)
{
	float angle = 2 * (float)M_PI * random_share(&walker->random);
	float distance_m = (float)CITY_RADIUS_M * random_share(&walker->random);
	*east_m = distance_m * cosf(angle);
	*north_m = distance_m * sinf(angle);
}

static void walker_init(struct walker *walker, uint64_t seed, uint32_t number)
{
	static const float paces_m_s[] = { 1.4f, 1.2f, 5, 12 };
	uint64_t random = hash_u64(seed * 0x10001 + number);
	walker->random = (uint32_t)random | 1;
	walker->stride_m = paces_m_s[random >> 62] * TRAIL_PERIOD_S;
	walker_choose(walker, &walker->east_m, &walker->north_m);
	walker_choose(walker, &walker->to_east_m, &walker->to_north_m);
}

static void walker_step(struct walker *walker)
{
	float east_m = walker->to_east_m - walker->east_m;
	float north_m = walker->to_north_m - walker->north_m;
	float left_m = sqrtf(east_m * east_m + north_m * north_m);
	if (left_m <= walker->stride_m) {
		walker->east_m = walker->to_east_m;
		walker->north_m = walker->to_north_m;
		walker_choose(walker, &walker->to_east_m, &walker->to_north_m);
		return;
	}
	walker->east_m += east_m * walker->stride_m / left_m;
	walker->north_m += north_m * walker->stride_m / left_m;
}

static struct nearby_place walker_place(struct walker *walker, uint32_t number)
{
	uint32_t city = number / CITY_WALKERS;
	double lat = (double)(city / CITIES_A_ROW % CITIES_A_ROW) * 2 - 50;
	double lon = (double)(city % CITIES_A_ROW) * 6 - 150;
	double north_m = walker->north_m + NOISE_M * (double)random_error(&walker->random);
	double east_m = walker->east_m + NOISE_M * (double)random_error(&walker->random);
	double e7_a_metre = 1e7 / METRES_A_DEGREE;
	return (struct nearby_place){
		(int32_t)(lat * 1e7 + north_m * e7_a_metre),
		(int32_t)(lon * 1e7 + east_m * e7_a_metre / cos(lat * M_PI / 180)),
	};
}

static void *need(void *memory)
{
	if (memory == NULL) {
		fprintf(stderr, "out of memory for the walkers\n");
		exit(1);
	}
	return memory;
}

struct trail *trail_open(uint32_t users, uint64_t seed)
{
	struct trail *trail = need(calloc(1, sizeof(*trail)));
	trail->count = users;
	trail->walkers = need(malloc(users * sizeof(*trail->walkers)));
	trail->order = need(malloc(users * sizeof(*trail->order)));
	trail->points = need(malloc((users / TRAIL_PERIOD_S + 1) * sizeof(*trail->points)));
	for (uint32_t i = 0; i < users; i++) {
		walker_init(&trail->walkers[i], seed, i);
		uint32_t at = (uint32_t)(hash_u64(seed ^ (uint64_t)i << 32) % (i + 1));
		trail->order[i] = trail->order[at];
		trail->order[at] = i;
	}
	return trail;
}

struct trail *trail_read(const char *path)
{
	struct trail *trail = need(calloc(1, sizeof(*trail)));
	struct columns columns = { .count = 0 };
	if (fixes_load(&trail->fixes, path, &columns, SIZE_MAX) != 0 || trail->fixes.count == 0) {
		fprintf(stderr, "%s: no locations can be read from it\n", path);
		exit(1);
	}
	trail->points = need(malloc(trail->fixes.count * sizeof(*trail->points)));
	return trail;
}

void trail_close(struct trail **trail)
{
	free((*trail)->walkers);
	free((*trail)->order);
	free((*trail)->points);
	free((*trail)->fixes.rows);
	free(*trail);
	*trail = NULL;
}

struct user_id trail_user(const struct trail *trail, uint32_t walker)
{
	check(walker < trail->count);
	return (struct user_id){ (uint64_t)walker * USERS_A_WALKER +
				 hash_u64(walker) % USERS_A_WALKER };
}

static uint32_t second_of_walkers(struct trail *trail)
{
	uint64_t part = trail->second % TRAIL_PERIOD_S;
	uint32_t from = (uint32_t)(trail->count * part / TRAIL_PERIOD_S);
	uint32_t to = (uint32_t)(trail->count * (part + 1) / TRAIL_PERIOD_S);
	for (uint32_t i = from; i < to; i++) {
		uint32_t number = trail->order[i];
		struct walker *walker = &trail->walkers[number];
		walker_step(walker);
		trail->points[i - from] = (struct store_point){
			trail_user(trail, number),
			START_MS + (int64_t)trail->second * 1000 +
				random_next(&walker->random) % JITTER_MS,
			walker_place(walker, number),
		};
	}
	trail->second++;
	return to - from;
}

static uint32_t second_of_file(struct trail *trail)
{
	const struct fix *rows = trail->fixes.rows;
	uint32_t count = 0;
	int64_t time_s = trail_is_over(trail) ? 0 : rows[trail->at].time_s;
	for (; !trail_is_over(trail) && rows[trail->at].time_s == time_s; trail->at++)
		trail->points[count++] = (struct store_point){ { rows[trail->at].user },
							       time_s * 1000,
							       rows[trail->at].place };
	return count;
}

uint32_t trail_second(struct trail *trail, const struct store_point **points)
{
	*points = trail->points;
	return trail->walkers != NULL ? second_of_walkers(trail) : second_of_file(trail);
}

bool trail_is_over(const struct trail *trail)
{
	return trail->walkers == NULL && trail->at == trail->fixes.count;
}
