/*
 * Owns: the choice of what happens next in a random run.
 * Invariant: every choice comes from the dice; a run ends after a bounded number of steps.
 * Thread: one.
 * Does not know: what is right.
 *
 * Which kinds of events are frequent is itself thrown for each run: a run in which nobody ever
 * leaves, or in which links are read once in a hundred steps, finds what an even mixture hides.
 */
#include "chaos.h"

#include "base/check.h"
#include "cluster.h"
#include "dice.h"
#include "globe.h"
#include "tell.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CITIES_MAX 3
#define SECOND_US 1000000u
/* A list is evaluated again 10 s after a small movement; sweeps and timers get a few more. */
#define QUIET_US (13u * SECOND_US)

/* Between two frames to one device. */
static const uint32_t intervals_ms[] = { 0, 0, 100, 1000 };

/* ACTION(name, weight when frequent) */
#define ACTIONS(ACTION)                                                                            \
	ACTION(load, 30)                                                                           \
	ACTION(enter, 60)                                                                          \
	ACTION(leave, 8)                                                                           \
	ACTION(walk, 120)                                                                          \
	ACTION(jump, 20)                                                                           \
	ACTION(rush, 2)                                                                            \
	ACTION(odd_time, 4)                                                                        \
	ACTION(page, 10)                                                                           \
	ACTION(pages, 8)                                                                           \
	ACTION(list, 6)                                                                            \
	ACTION(subscribe, 10)                                                                      \
	ACTION(unsubscribe, 8)                                                                     \
	ACTION(befriend, 15)                                                                       \
	ACTION(unfriend, 10)                                                                       \
	ACTION(rename, 6)                                                                          \
	ACTION(pause, 8)                                                                           \
	ACTION(resume, 16)                                                                         \
	ACTION(hear, 60)                                                                           \
	ACTION(pull, 200)                                                                          \
	ACTION(deliver, 200)                                                                       \
	ACTION(flush, 150)                                                                         \
	ACTION(tick, 60)                                                                           \
	ACTION(wait, 100)                                                                          \
	ACTION(long_wait, 3)                                                                       \
	ACTION(clock_jump, 2)                                                                      \
	ACTION(pace, 2)                                                                            \
	ACTION(settle, 6)                                                                          \
	ACTION(quiet, 3)                                                                           \
	ACTION(restart, 1)

enum action {
#define ACTION(name, weight) ACTION_##name,
	ACTIONS(ACTION)
#undef ACTION
		ACTION_COUNT
};

struct chaos {
	struct dice dice;
	const struct chaos_options *options;
	struct chaos_report *report;
	struct cluster *cluster;
	struct cluster_config config;
	uint64_t *ids;
	char (*label_texts)[16];
	const char **labels;
	struct nearby_place *places; /* where each user is, also while it sends nothing */
	struct nearby_place cities[CITIES_MAX];
	uint32_t city_count;
	uint32_t steps_max;
	uint32_t weights[ACTION_COUNT];
	uint32_t weight_sum;
	uint32_t interval_ms;
	uint64_t pause_max_us; /* between two steps */
	bool is_crowded;       /* all users in one partition, which may be too small for them */
	bool pages_at_once;    /* clients take all pages after their first location */
	char instance[NEARBYSHM_INSTANCE_BYTES + 1];
};

static void trace(const struct chaos *chaos, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void trace(const struct chaos *chaos, const char *format, ...)
{
	if (chaos->options->trace == NULL)
		return;
	struct moment moment = cluster_moment(chaos->cluster);
	fprintf(chaos->options->trace, "%10.3f s  ",
		(double)(moment.now_us - chaos->config.start_us) / SECOND_US);
	va_list arguments;
	va_start(arguments, format);
	vfprintf(chaos->options->trace, format, arguments);
	va_end(arguments);
	fputc('\n', chaos->options->trace);
}

static void received(void *context, uint32_t device, bool is_answer, const struct server_msg *msg)
{
	struct chaos *chaos = context;
	chaos->report->messages++;
	FILE *to = chaos->options->trace;
	if (to == NULL)
		return;
	char name[32];
	snprintf(name, sizeof(name), "%s/d%u",
		 chaos->labels[cluster_device_user(chaos->cluster, device)], device);
	fprintf(to, "%14s%s ", "", is_answer ? "=>" : "->");
	tell_message(to, cluster_oracle(chaos->cluster), chaos->labels, name, msg);
	fputc('\n', to);
}

/* ---- the world ------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static uint64_t throw_id_in(struct chaos *chaos, uint32_t partition)
{
	uint64_t id;
	do
		id = dice_throw(&chaos->dice) >> 1;
	while (nearby_partition(id) != partition);
	return id;
}

/* Small ones, or anywhere in the 63 bits with both ends, or all in one partition of the table. */
static void throw_ids(struct chaos *chaos, uint32_t count)
{
	bool is_dense = dice_chance(&chaos->dice, 50);
	uint32_t partition = dice_below(&chaos->dice, NEARBYSHM_PARTITIONS);
	for (uint32_t i = 0; i < count; i++)
		chaos->ids[i] = chaos->is_crowded ? throw_id_in(chaos, partition)
				: is_dense	  ? i
						  : dice_throw(&chaos->dice) >> 1;
	if (!is_dense && !chaos->is_crowded) {
		chaos->ids[0] = USER_ID_MAX;
		chaos->ids[1] = 0;
	}
	qsort(chaos->ids, count, sizeof(*chaos->ids), compare_ids);
	for (uint32_t i = 0; i < count; i++) {
		check(i == 0 || chaos->ids[i] != chaos->ids[i - 1]);
		snprintf(chaos->label_texts[i], sizeof(chaos->label_texts[i]), "u%u", i);
		chaos->labels[i] = chaos->label_texts[i];
	}
}

static uint32_t throw_user_count(struct chaos *chaos)
{
	if (chaos->options->is_small)
		return dice_from(&chaos->dice, 2, 4);
	uint32_t kind = dice_below(&chaos->dice, 100);
	chaos->is_crowded = kind >= 95;
	if (kind < 70)
		return dice_from(&chaos->dice, 2, 16);
	if (chaos->is_crowded)
		return dice_from(&chaos->dice, 48, 70);
	if (kind < 92)
		return dice_from(&chaos->dice, 17, 60);
	return dice_from(&chaos->dice, 140, 300);
}

static struct nearby_place throw_city(struct chaos *chaos)
{
	double lon = dice_fraction(&chaos->dice) * 360 - 180;
	switch (dice_below(&chaos->dice, 6)) {
	case 0:
		return globe_place(90, lon);
	case 1:
		return globe_place(-90, lon);
	case 2:
		return globe_place(dice_fraction(&chaos->dice) * 178 - 89, 180);
	case 3:
		return globe_place(0, 0);
	default:
		return globe_place(dice_fraction(&chaos->dice) * 178 - 89, lon);
	}
}

static void throw_machine(struct chaos *chaos, uint32_t user_count)
{
	static const double radii_m[] = { 8046.72, 8046.72, 8046.72, 8046.72, 50, 1000, 300000 };
	static const uint32_t ttls_s[] = { 600, 600, 60, 20 };
	static const uint32_t rooms[] = { 1, 2, 3, 16, 256 };
	struct dice *dice = &chaos->dice;
	struct cluster_config *config = &chaos->config;
	config->cores = dice_chance(dice, 30) ? 2 : dice_from(dice, 1, 8);
	config->user_count = user_count;
	config->ids = chaos->ids;
	config->devices_max = user_count * 2 + 4;
	config->radius_m = radii_m[dice_below(dice, ARRAY_COUNT(radii_m))];
	config->ttl_us = (uint64_t)ttls_s[dice_below(dice, ARRAY_COUNT(ttls_s))] * SECOND_US;
	chaos->interval_ms = intervals_ms[dice_below(dice, ARRAY_COUNT(intervals_ms))];
	config->interval_us = chaos->interval_ms * 1000ull;
	config->friends_max = user_count;
	/* Room for all, or seldom for fewer. */
	config->sessions_max = dice_chance(dice, 3) ? dice_from(dice, 2, 8) : config->devices_max;
	config->channels_max = dice_chance(dice, 10)
				       ? dice_from(dice, user_count / 2 + 1, user_count)
				       : user_count + 8;
	config->subscriptions_max = dice_chance(dice, 3) ? dice_from(dice, 8, 4 * user_count + 8)
							 : config->devices_max * user_count + 8;
	/* The least that a partition takes is 51 users. */
	config->table_users_max = 1;
	config->may_be_full = chaos->is_crowded;
	config->link_room = rooms[dice_below(dice, ARRAY_COUNT(rooms))];
	config->start_us = 1 + (uint64_t)dice_below(dice, 2000) * SECOND_US;
	config->start_ms = 1700000000000;
	config->received = received;
	config->context = chaos;
	if (dice_chance(dice, 2)) {
		snprintf(chaos->instance, sizeof(chaos->instance), "sim-%d", (int)getpid());
		config->instance = chaos->instance;
	}
}

/* How often each thing happens in this run. */
static void throw_weights(struct chaos *chaos)
{
	static const uint32_t usual[] = {
#define ACTION(name, weight) weight,
		ACTIONS(ACTION)
#undef ACTION
	};
	for (uint32_t i = 0; i < ACTION_COUNT; i++) {
		uint32_t kind = dice_below(&chaos->dice, 10);
		chaos->weights[i] = kind == 0	? (usual[i] + 19) / 20
				    : kind == 1 ? usual[i] * 4
				    : kind == 2 ? usual[i] / 4
						: usual[i];
	}
	uint32_t kind = dice_below(&chaos->dice, 10);
	if (kind < 5)
		chaos->weights[ACTION_restart] = 0;
	for (uint32_t i = 0; i < ACTION_COUNT; i++)
		chaos->weight_sum += chaos->weights[i];
}

/* Friendships and names that were there before the run: everybody's, and one user's with all. */
static void throw_friends(struct chaos *chaos)
{
	uint32_t percent = dice_from(&chaos->dice, 5, 100), hub = ORACLE_NOBODY;
	uint32_t count = chaos->config.user_count;
	if (count > 60) {
		percent = dice_from(&chaos->dice, 1, 4);
		hub = dice_below(&chaos->dice, count);
	}
	for (uint32_t user = 0; user < count; user++)
		oracle_named(cluster_oracle(chaos->cluster), user, chaos->labels[user]);
	for (uint32_t a = 0; a < count; a++)
		for (uint32_t b = a + 1; b < count; b++)
			if (dice_chance(&chaos->dice, percent) || a == hub || b == hub)
				book_befriend(cluster_book(chaos->cluster), a, b);
	/* Nobody is there to hear of them. */
	book_restart(cluster_book(chaos->cluster), chaos->config.cores);
}

static double throw_distance_m(struct chaos *chaos)
{
	static const double scales[] = { 0.001, 0.03, 0.06, 0.5, 1, 2 };
	double scale = scales[dice_below(&chaos->dice, ARRAY_COUNT(scales))];
	return scale * chaos->config.radius_m * dice_fraction(&chaos->dice);
}

static double throw_bearing(struct chaos *chaos)
{
	return dice_fraction(&chaos->dice) * 2 * acos(-1);
}

static struct nearby_place throw_place(struct chaos *chaos)
{
	struct nearby_place city = chaos->cities[dice_below(&chaos->dice, chaos->city_count)];
	return globe_travel(city, throw_bearing(chaos), throw_distance_m(chaos));
}

static void throw_places(struct chaos *chaos)
{
	chaos->city_count = dice_from(&chaos->dice, 1, CITIES_MAX);
	for (uint32_t i = 0; i < chaos->city_count; i++)
		chaos->cities[i] = throw_city(chaos);
	for (uint32_t user = 0; user < chaos->config.user_count; user++)
		chaos->places[user] = throw_place(chaos);
}

static void open_world(struct chaos *chaos)
{
	uint32_t count = throw_user_count(chaos);
	chaos->ids = calloc(count, sizeof(*chaos->ids));
	chaos->labels = calloc(count, sizeof(*chaos->labels));
	chaos->label_texts = calloc(count, sizeof(*chaos->label_texts));
	chaos->places = calloc(count, sizeof(*chaos->places));
	check(chaos->ids && chaos->labels && chaos->label_texts && chaos->places);
	throw_ids(chaos, count);
	throw_machine(chaos, count);
	throw_weights(chaos);
	chaos->pages_at_once = dice_chance(&chaos->dice, 60);
	chaos->pause_max_us = dice_chance(&chaos->dice, 50) ? 20000 : 2 * SECOND_US;
	chaos->steps_max = chaos->options->is_small ? dice_from(&chaos->dice, 10, 80)
						    : dice_from(&chaos->dice, 200, 2000);
	chaos->cluster = cluster_open(&chaos->config);
	throw_friends(chaos);
	throw_places(chaos);
	trace(chaos,
	      "%u users, %u cores, radius %.2f m, ttl %" PRIu64 " s, interval %" PRIu64 " ms, "
	      "links of %u, %u steps",
	      count, chaos->config.cores, chaos->config.radius_m, chaos->config.ttl_us / SECOND_US,
	      chaos->config.interval_us / 1000, chaos->config.link_room, chaos->steps_max);
}

static void close_world(struct chaos *chaos)
{
	cluster_close(&chaos->cluster);
	free(chaos->ids);
	free(chaos->labels);
	free(chaos->label_texts);
	free(chaos->places);
}

/* ---- what can happen ------------------------------------------------------------------------- */

static uint32_t throw_user(struct chaos *chaos)
{
	return dice_below(&chaos->dice, chaos->config.user_count);
}

static uint32_t throw_core(struct chaos *chaos)
{
	return dice_below(&chaos->dice, cluster_cores(chaos->cluster));
}

/* A living device where there is one, seldom a dead one. */
static uint32_t throw_device(struct chaos *chaos)
{
	struct oracle *oracle = cluster_oracle(chaos->cluster);
	uint32_t count = chaos->config.devices_max, start = dice_below(&chaos->dice, count);
	if (dice_chance(&chaos->dice, 3))
		return start;
	for (uint32_t i = 0; i < count; i++)
		if (oracle_is_alive(oracle, (start + i) % count))
			return (start + i) % count;
	return start;
}

static const char *label_of_device(struct chaos *chaos, uint32_t device)
{
	return chaos->labels[cluster_device_user(chaos->cluster, device)];
}

static void do_load(struct chaos *chaos)
{
	uint32_t user = throw_user(chaos), load = book_load(cluster_book(chaos->cluster), user);
	if (load != ORACLE_NOBODY)
		trace(chaos, "%s connects: load %u", chaos->labels[user], load);
}

static void enter(struct chaos *chaos, uint32_t load)
{
	uint32_t user;
	if (!book_is_loaded(cluster_book(chaos->cluster), load, &user))
		return;
	uint32_t device = cluster_join(chaos->cluster, load);
	trace(chaos, "%s joins core %u as d%d (load %u)", chaos->labels[user],
	      cluster_home(chaos->cluster, user), (int)device, load);
}

static void do_enter(struct chaos *chaos)
{
	uint32_t start = dice_below(&chaos->dice, BOOK_LOADS_MAX), user;
	for (uint32_t i = 0; i < BOOK_LOADS_MAX; i++) {
		uint32_t load = (start + i) % BOOK_LOADS_MAX;
		if (book_is_loaded(cluster_book(chaos->cluster), load, &user)) {
			enter(chaos, load);
			return;
		}
	}
}

static void do_leave(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos);
	trace(chaos, "%s/d%u leaves", label_of_device(chaos, device), device);
	cluster_leave(chaos->cluster, device);
}

static void locate(struct chaos *chaos, uint32_t device, int64_t ts_ms)
{
	struct oracle *oracle = cluster_oracle(chaos->cluster);
	uint32_t user = cluster_device_user(chaos->cluster, device);
	struct nearby_place place = chaos->places[user];
	bool was_started = oracle_is_started(oracle, device);
	trace(chaos, "%s/d%u is at %d %d", chaos->labels[user], device, place.lat_e7, place.lon_e7);
	cluster_locate(chaos->cluster, device, place, ts_ms);
	if (!was_started && oracle_is_alive(oracle, device) && oracle_is_started(oracle, device) &&
	    chaos->pages_at_once)
		cluster_pages(chaos->cluster, device, PAGE_LIMIT_MAX);
}

/* Now, by the device's clock, which most do not let step back. */
static int64_t throw_ts(struct chaos *chaos, uint32_t device)
{
	int64_t now_ms = cluster_moment(chaos->cluster).wall_ms;
	int64_t last_ms = oracle_last_ts(cluster_oracle(chaos->cluster), device);
	return last_ms > now_ms && last_ms <= now_ms + 60000 && dice_chance(&chaos->dice, 80)
		       ? last_ms
		       : now_ms;
}

static void do_walk(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos), user = cluster_device_user(chaos->cluster, device);
	if (dice_chance(&chaos->dice, 85))
		chaos->places[user] = globe_travel(chaos->places[user], throw_bearing(chaos),
						   throw_distance_m(chaos));
	locate(chaos, device, throw_ts(chaos, device));
}

/* To another city, to where another user is, to the radius from it, or to the other side. */
static void do_jump(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos), user = cluster_device_user(chaos->cluster, device);
	struct nearby_place other = chaos->places[throw_user(chaos)];
	switch (dice_below(&chaos->dice, 4)) {
	case 0:
		chaos->places[user] = other;
		break;
	case 1:
		chaos->places[user] =
			globe_travel(other, throw_bearing(chaos), chaos->config.radius_m);
		break;
	case 2:
		chaos->places[user] = globe_place(-other.lat_e7 * 1e-7, other.lon_e7 * 1e-7 + 180);
		break;
	default:
		chaos->places[user] = throw_place(chaos);
	}
	locate(chaos, device, throw_ts(chaos, device));
}

/* Everybody sends at once: more than waits for a core at most, when the links are slow. */
static void do_rush(struct chaos *chaos)
{
	for (uint32_t device = 0; device < chaos->config.devices_max; device++) {
		if (!oracle_is_alive(cluster_oracle(chaos->cluster), device))
			continue;
		uint32_t user = cluster_device_user(chaos->cluster, device);
		chaos->places[user] = globe_travel(chaos->places[user], throw_bearing(chaos),
						   throw_distance_m(chaos));
		locate(chaos, device, throw_ts(chaos, device));
	}
}

static void do_odd_time(struct chaos *chaos)
{
	static const int64_t offsets_ms[] = { 60000, 60001, 3600000, -1, -30000, -3600000, 30000 };
	int64_t offset_ms = offsets_ms[dice_below(&chaos->dice, ARRAY_COUNT(offsets_ms))];
	uint32_t device = throw_device(chaos);
	trace(chaos, "%s/d%u has a clock off by %" PRId64 " ms", label_of_device(chaos, device),
	      device, offset_ms);
	locate(chaos, device, cluster_moment(chaos->cluster).wall_ms + offset_ms);
}

static void do_page(struct chaos *chaos)
{
	struct page_cursor cursor = { dice_below(&chaos->dice, (uint32_t)chaos->config.radius_m) *
					      1000ull,
				      { chaos->ids[throw_user(chaos)] } };
	uint32_t device = throw_device(chaos), limit = dice_from(&chaos->dice, 1, PAGE_LIMIT_MAX);
	bool has_cursor = dice_chance(&chaos->dice, 50);
	trace(chaos, "%s/d%u asks for %u", label_of_device(chaos, device), device, limit);
	cluster_nearby(chaos->cluster, device, limit, has_cursor ? &cursor : NULL);
}

static void do_pages(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos), limit = dice_from(&chaos->dice, 1, 5);
	trace(chaos, "%s/d%u asks for all, by %u", label_of_device(chaos, device), device, limit);
	cluster_pages(chaos->cluster, device, limit);
}

static void do_list(struct chaos *chaos)
{
	uint32_t user = throw_user(chaos);
	trace(chaos, "%s lists", chaos->labels[user]);
	cluster_list(chaos->cluster, user, dice_from(&chaos->dice, 1, PAGE_LIMIT_MAX));
}

static struct user_id throw_id(struct chaos *chaos)
{
	return (struct user_id){ dice_chance(&chaos->dice, 3) ? dice_throw(&chaos->dice) >> 1
							      : chaos->ids[throw_user(chaos)] };
}

static void do_subscribe(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos);
	struct user_id with = throw_id(chaos);
	trace(chaos, "%s/d%u subscribes to %" PRIu64, label_of_device(chaos, device), device,
	      with.value);
	cluster_subscribe(chaos->cluster, device, with);
}

static void do_unsubscribe(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos);
	struct user_id with = throw_id(chaos);
	trace(chaos, "%s/d%u unsubscribes from %" PRIu64, label_of_device(chaos, device), device,
	      with.value);
	cluster_unsubscribe(chaos->cluster, device, with);
}

static void change_friends(struct chaos *chaos, bool are_friends)
{
	uint32_t a = throw_user(chaos), b = throw_user(chaos);
	if (a == b)
		return;
	trace(chaos, "%s and %s are %s", chaos->labels[a], chaos->labels[b],
	      are_friends ? "friends" : "no friends");
	if (are_friends)
		book_befriend(cluster_book(chaos->cluster), a, b);
	else
		book_unfriend(cluster_book(chaos->cluster), a, b);
}

static void do_befriend(struct chaos *chaos)
{
	change_friends(chaos, true);
}

static void do_unfriend(struct chaos *chaos)
{
	change_friends(chaos, false);
}

static void do_rename(struct chaos *chaos)
{
	static const char *const names[] = {
		"",	      "Ann",
		"Zo\xc3\xab", "two words",
		"\"quoted\"", "a name that has exactly the sixty-four bytes that are kept, ok!"
	};
	struct oracle *oracle = cluster_oracle(chaos->cluster);
	uint32_t user = throw_user(chaos);
	if (oracle_name_version(oracle, user) + 1 == ORACLE_NAMES_MAX)
		return;
	const char *name = names[dice_below(&chaos->dice, ARRAY_COUNT(names))];
	trace(chaos, "%s is now '%s'", chaos->labels[user], name);
	book_rename(cluster_book(chaos->cluster), user, name);
}

static void do_pause(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos);
	trace(chaos, "%s/d%u pauses", label_of_device(chaos, device), device);
	cluster_pause(chaos->cluster, device);
}

static void do_resume(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos);
	trace(chaos, "%s/d%u resumes", label_of_device(chaos, device), device);
	cluster_resume(chaos->cluster, device);
}

static void do_hear(struct chaos *chaos)
{
	uint32_t start = throw_core(chaos), cores = cluster_cores(chaos->cluster);
	for (uint32_t i = 0; i < cores; i++) {
		uint32_t core = (start + i) % cores;
		if (book_waiting(cluster_book(chaos->cluster), core) == 0)
			continue;
		trace(chaos, "core %u hears of a change", core);
		cluster_hear(chaos->cluster, core);
		return;
	}
}

/* On the first link, from a random one on, on which something happens. */
static void move_msgs(struct chaos *chaos, const char *verb,
		      uint32_t (*move)(struct cluster *, uint32_t from, uint32_t to, uint32_t max))
{
	uint32_t cores = cluster_cores(chaos->cluster), max = dice_from(&chaos->dice, 1, 8);
	uint32_t start = dice_below(&chaos->dice, cores * cores);
	for (uint32_t i = 0; i < cores * cores; i++) {
		uint32_t from = (start + i) % (cores * cores) / cores, to = (start + i) % cores;
		uint32_t count = from == to ? 0 : move(chaos->cluster, from, to, max);
		if (count == 0)
			continue;
		trace(chaos, "%u messages of core %u %s core %u", count, from, verb, to);
		return;
	}
}

static void do_pull(struct chaos *chaos)
{
	move_msgs(chaos, "leave for", cluster_pull);
}

static void do_deliver(struct chaos *chaos)
{
	move_msgs(chaos, "reach", cluster_deliver);
}

static void do_flush(struct chaos *chaos)
{
	uint32_t start = throw_core(chaos), cores = cluster_cores(chaos->cluster);
	uint32_t max = dice_from(&chaos->dice, 1, 8);
	for (uint32_t i = 0; i < cores; i++)
		if (cluster_flush(chaos->cluster, (start + i) % cores, max) > 0)
			return;
}

static void do_tick(struct chaos *chaos)
{
	uint32_t core = throw_core(chaos);
	trace(chaos, "core %u ticks", core);
	cluster_tick(chaos->cluster, core);
}

static void do_wait(struct chaos *chaos)
{
	cluster_advance(chaos->cluster, dice_throw(&chaos->dice) % chaos->pause_max_us, 0);
}

/* Around the TTL, or around the time of a list's evaluation. */
static void do_long_wait(struct chaos *chaos)
{
	uint64_t scale = dice_chance(&chaos->dice, 50) ? chaos->config.ttl_us : REEVALUATE_AFTER_US;
	uint64_t us = (uint64_t)((double)scale * 1.2 * dice_fraction(&chaos->dice));
	if (dice_chance(&chaos->dice, 10))
		us = scale + dice_below(&chaos->dice, 3) - 1;
	trace(chaos, "%.6f s pass", (double)us / SECOND_US);
	if (dice_chance(&chaos->dice, 50))
		cluster_advance(chaos->cluster, us, 0);
	else
		cluster_run(chaos->cluster, us);
}

static void do_clock_jump(struct chaos *chaos)
{
	int64_t most_ms = dice_chance(&chaos->dice, 50) ? 3600000 : 60000;
	int64_t jump_ms = (int64_t)(dice_throw(&chaos->dice) % (uint64_t)(2 * most_ms)) - most_ms;
	trace(chaos, "the wall clock jumps by %" PRId64 " ms", jump_ms);
	cluster_advance(chaos->cluster, 0, jump_ms);
}

static void do_pace(struct chaos *chaos)
{
	chaos->interval_ms = intervals_ms[dice_below(&chaos->dice, ARRAY_COUNT(intervals_ms))];
	trace(chaos, "a frame every %u ms at most", chaos->interval_ms);
	cluster_interval(chaos->cluster, chaos->interval_ms * 1000ull);
}

static void do_settle(struct chaos *chaos)
{
	trace(chaos, "settling");
	/* Rescans go on in ticks, and what the links can take. */
	for (uint32_t round = 0; round < 3; round++) {
		cluster_settle(chaos->cluster);
		for (uint32_t core = 0; core < cluster_cores(chaos->cluster); core++)
			cluster_tick(chaos->cluster, core);
	}
	cluster_settle(chaos->cluster);
	cluster_check(chaos->cluster);
	if (chaos->interval_ms == 0)
		oracle_judge_prompt(cluster_oracle(chaos->cluster), cluster_moment(chaos->cluster),
				    UINT64_MAX);
}

static void do_quiet(struct chaos *chaos)
{
	struct oracle *oracle = cluster_oracle(chaos->cluster);
	trace(chaos, "quiet");
	for (uint32_t load = 0; load < BOOK_LOADS_MAX; load++)
		enter(chaos, load);
	for (uint32_t device = 0; device < chaos->config.devices_max; device++)
		if (oracle_is_alive(oracle, device))
			cluster_resume(chaos->cluster, device);
	cluster_run(chaos->cluster, QUIET_US);
	cluster_check(chaos->cluster);
	oracle_judge_views(oracle, cluster_moment(chaos->cluster), QUIET_US);
	for (uint32_t device = 0; device < chaos->config.devices_max; device++)
		if (oracle_is_alive(oracle, device) && dice_chance(&chaos->dice, 50))
			cluster_pages(chaos->cluster, device,
				      dice_from(&chaos->dice, 1, PAGE_LIMIT_MAX));
}

static void do_restart(struct chaos *chaos)
{
	uint32_t cores = dice_from(&chaos->dice, 1, 8);
	trace(chaos, "restart with %u cores", cores);
	cluster_restart(chaos->cluster, cores);
}

/* Most runs begin with people who are there already. */
static void throw_devices(struct chaos *chaos)
{
	uint32_t percent = dice_chance(&chaos->dice, 20) ? 0 : dice_from(&chaos->dice, 30, 100);
	for (uint32_t user = 0; user < chaos->config.user_count; user++) {
		if (!dice_chance(&chaos->dice, percent))
			continue;
		uint32_t load = book_load(cluster_book(chaos->cluster), user);
		enter(chaos, load);
	}
	for (uint32_t device = 0; device < chaos->config.devices_max; device++)
		if (oracle_is_alive(cluster_oracle(chaos->cluster), device) &&
		    dice_chance(&chaos->dice, 80))
			locate(chaos, device, chaos->config.start_ms);
}

static void step(struct chaos *chaos)
{
	static void (*const actions[])(struct chaos *) = {
#define ACTION(name, weight) do_##name,
		ACTIONS(ACTION)
#undef ACTION
	};
	uint32_t left = dice_below(&chaos->dice, chaos->weight_sum), action = 0;
	while (left >= chaos->weights[action])
		left -= chaos->weights[action++];
	actions[action](chaos);
	if (chaos->report->steps % 64 == 0)
		cluster_check(chaos->cluster);
}

void chaos_run(uint64_t seed, const struct chaos_options *options, struct chaos_report *report)
{
	struct chaos chaos = { .dice = { hash_u64(seed) }, .options = options, .report = report };
	memset(report, 0, sizeof(*report));
	open_world(&chaos);
	throw_devices(&chaos);
	const struct oracle *oracle = cluster_oracle(chaos.cluster);
	while (report->steps < chaos.steps_max && oracle_violation(oracle) == NULL) {
		report->steps++;
		step(&chaos);
	}
	if (oracle_violation(oracle) == NULL)
		do_quiet(&chaos);
	if (oracle_violation(oracle) != NULL)
		snprintf(report->violation, sizeof(report->violation), "%s",
			 oracle_violation(oracle));
	for (uint32_t i = 0; i < ENGINE_COUNTER_COUNT; i++)
		report->counters[i] = cluster_counter(chaos.cluster, i);
	close_world(&chaos);
}
