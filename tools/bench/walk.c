/*
 * Owns: the walkers of one worker.
 * Invariant: see the header.
 * Thread: see plan.h.
 * Does not know: sessions.
 */
#include "bench/walk.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/id.h"

#include <math.h>
#include <stdlib.h>

#define METRES_PER_DEGREE 111195.0
/* Circles of friends: this many numbers to either side. */
#define CIRCLE 25

struct walker {
	double east_m, north_m; /* from the centre */
	double to_east_m, to_north_m;
	double pace_m_s;
	uint64_t random;
};

/* When, within a round, a walker moves. */
struct turn {
	uint32_t local; /* number of the walker */
	uint64_t phase_us;
};

struct walk {
	const struct city *city;
	uint32_t worker, workers;
	uint32_t count;
	uint64_t round; /* every walker moves once a round, in an order fixed by its phase */
	uint32_t at;
	struct turn *order;
	struct walker *walkers;
};

static uint64_t random_next(uint64_t *state)
{
	*state = hash_u64(*state);
	return *state;
}

/* 0 <= value < 1 */
static double random_share(uint64_t *state)
{
	return (double)(random_next(state) >> 11) * 0x1p-53;
}

struct pair *city_pairs(const struct city *city, size_t *count)
{
	/* A friendship counts for both of its two. */
	size_t wanted = (size_t)(city->friends_mean * city->users / 2);
	struct pair *pairs = calloc(wanted > 0 ? wanted : 1, sizeof(*pairs));
	uint64_t random = hash_u64(city->seed ^ 0xf71e2d5);
	*count = 0;
	for (size_t i = 0; pairs != NULL && i < wanted; i++) {
		uint32_t a = (uint32_t)(random_next(&random) % city->users);
		uint32_t far = (uint32_t)(random_next(&random) % city->users);
		uint32_t near = (a + 1 + (uint32_t)(random_next(&random) % CIRCLE)) % city->users;
		pairs[(*count)++] = (struct pair){ .a = a, .b = i % 2 == 0 ? near : far };
	}
	return pairs;
}

/* Anywhere in the city, denser towards its centre. */
static void walker_choose(const struct city *city, uint64_t *random, double *east_m,
			  double *north_m)
{
	double angle = 2 * M_PI * random_share(random);
	double distance_m = city->radius_km * 1000 * random_share(random);
	*east_m = distance_m * cos(angle);
	*north_m = distance_m * sin(angle);
}

/* Two in four walk, one cycles, one drives. */
static double walker_pace_m_s(uint64_t random)
{
	static const double paces_m_s[] = { 1.4, 1.2, 5, 12 };
	return paces_m_s[random % ARRAY_COUNT(paces_m_s)];
}

static void walker_init(struct walker *walker, const struct city *city, uint32_t user)
{
	walker->random = hash_u64(city->seed * 0x10001 + user);
	walker->pace_m_s = walker_pace_m_s(random_next(&walker->random));
	walker_choose(city, &walker->random, &walker->east_m, &walker->north_m);
	walker_choose(city, &walker->random, &walker->to_east_m, &walker->to_north_m);
}

static void walker_step(struct walker *walker, const struct city *city)
{
	double east_m = walker->to_east_m - walker->east_m;
	double north_m = walker->to_north_m - walker->north_m;
	double left_m = hypot(east_m, north_m), stride_m = walker->pace_m_s * WALK_UPDATE_S;
	if (left_m <= stride_m) {
		walker->east_m = walker->to_east_m;
		walker->north_m = walker->to_north_m;
		walker_choose(city, &walker->random, &walker->to_east_m, &walker->to_north_m);
		return;
	}
	walker->east_m += east_m * stride_m / left_m;
	walker->north_m += north_m * stride_m / left_m;
}

static struct nearby_place walker_place(const struct walker *walker, const struct city *city)
{
	double lat = city->centre.lat_e7 / 1e7 + walker->north_m / METRES_PER_DEGREE;
	double lon = city->centre.lon_e7 / 1e7 +
		     walker->east_m /
			     (METRES_PER_DEGREE * cos(city->centre.lat_e7 / 1e7 * M_PI / 180));
	lon = remainder(lon, 360);
	return (struct nearby_place){ .lat_e7 = (int32_t)lround(lat * 1e7),
				      .lon_e7 = (int32_t)lround(lon * 1e7) };
}

static void walk_close(void *plan)
{
	struct walk *walk = plan;
	if (walk != NULL) {
		free(walk->order);
		free(walk->walkers);
	}
	free(walk);
}

static int phase_order(const void *left, const void *right)
{
	const struct turn *l = left, *r = right;
	return l->phase_us < r->phase_us ? -1 : l->phase_us > r->phase_us;
}

static uint64_t walk_round_us(const struct city *city)
{
	return (uint64_t)(WALK_UPDATE_S * 1e6 / city->speed);
}

static void *walk_open(const void *source, uint32_t worker, uint32_t workers)
{
	const struct city *city = source;
	struct walk *walk = calloc(1, sizeof(*walk));
	if (walk == NULL)
		return NULL;
	walk->city = city;
	walk->worker = worker;
	walk->workers = workers;
	walk->count = city->users / workers + (worker < city->users % workers);
	walk->order = calloc(walk->count, sizeof(*walk->order));
	walk->walkers = calloc(walk->count, sizeof(*walk->walkers));
	if (walk->order == NULL || walk->walkers == NULL) {
		walk_close(walk);
		return NULL;
	}
	for (uint32_t local = 0; local < walk->count; local++) {
		uint32_t user = local * workers + worker;
		walker_init(&walk->walkers[local], city, user);
		walk->order[local].local = local;
		walk->order[local].phase_us = hash_u64(user) % walk_round_us(city);
	}
	qsort(walk->order, walk->count, sizeof(*walk->order), phase_order);
	return walk;
}

static bool walk_next(void *plan, struct plan_step *step)
{
	struct walk *walk = plan;
	if (walk->count == 0)
		return false;
	step->user = walk->order[walk->at].local * walk->workers + walk->worker;
	step->due_us = walk->round * walk_round_us(walk->city) + walk->order[walk->at].phase_us;
	return true;
}

static void walk_take(void *plan, struct sighting *sighting)
{
	struct walk *walk = plan;
	struct walker *walker = &walk->walkers[walk->order[walk->at].local];
	sighting->place = walker_place(walker, walk->city);
	sighting->ts_ms = wall_ms();
	walker_step(walker, walk->city);
	if (++walk->at == walk->count) {
		walk->at = 0;
		walk->round++;
	}
}

const struct plan_class walk_plan = { walk_open, walk_close, walk_next, walk_take };
