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
#include "globe.h"
#include "tell.h"
#include "world.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#define SECOND_US 1000000u
/* A list is evaluated again 10 s after a small movement; sweeps and timers get a few more. */
#define QUIET_US (13u * SECOND_US)

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
	ACTION(forget, 3)                                                                          \
	ACTION(strangers, 40)                                                                      \
	ACTION(bar, 6)                                                                             \
	ACTION(share, 14)                                                                          \
	ACTION(except, 14)                                                                         \
	ACTION(commit, 50)                                                                         \
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
	ACTION(lag, 3)                                                                             \
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
	struct world world;
	const struct chaos_options *options;
	struct chaos_report *report;
	uint32_t steps_max;
	uint32_t weights[ACTION_COUNT];
	uint32_t weight_sum;
	uint64_t pause_max_us; /* between two steps */
	bool pages_at_once;    /* clients take all pages after their first location */
};

static void trace(const struct chaos *chaos, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void trace(const struct chaos *chaos, const char *format, ...)
{
	if (chaos->options->trace == NULL)
		return;
	struct moment moment = cluster_moment(chaos->world.cluster);
	fprintf(chaos->options->trace, "%10.3f s  ",
		(double)(moment.now_us - chaos->world.config.start_us) / SECOND_US);
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
		 chaos->world.labels[cluster_device_user(chaos->world.cluster, device)], device);
	fprintf(to, "%14s%s ", "", is_answer ? "=>" : "->");
	tell_message(to, cluster_oracle(chaos->world.cluster), chaos->world.labels, name, msg);
	fputc('\n', to);
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
		uint32_t kind = dice_below(&chaos->world.dice, 10);
		chaos->weights[i] = kind == 0	? (usual[i] + 19) / 20
				    : kind == 1 ? usual[i] * 4
				    : kind == 2 ? usual[i] / 4
						: usual[i];
	}
	uint32_t kind = dice_below(&chaos->world.dice, 10);
	if (kind < 5)
		chaos->weights[ACTION_restart] = 0;
	for (uint32_t i = 0; i < ACTION_COUNT; i++)
		chaos->weight_sum += chaos->weights[i];
}

/* ---- what can happen ------------------------------------------------------------------------- */

static uint32_t throw_user(struct chaos *chaos)
{
	return dice_below(&chaos->world.dice, chaos->world.config.user_count);
}

static uint32_t throw_core(struct chaos *chaos)
{
	return dice_below(&chaos->world.dice, cluster_cores(chaos->world.cluster));
}

/* A living device where there is one, seldom a dead one. */
static uint32_t throw_device(struct chaos *chaos)
{
	struct oracle *oracle = cluster_oracle(chaos->world.cluster);
	uint32_t count = chaos->world.config.devices_max,
		 start = dice_below(&chaos->world.dice, count);
	if (dice_chance(&chaos->world.dice, 3))
		return start;
	for (uint32_t i = 0; i < count; i++)
		if (oracle_is_alive(oracle, (start + i) % count))
			return (start + i) % count;
	return start;
}

static const char *label_of_device(struct chaos *chaos, uint32_t device)
{
	return chaos->world.labels[cluster_device_user(chaos->world.cluster, device)];
}

static void do_load(struct chaos *chaos)
{
	uint32_t user = throw_user(chaos),
		 load = book_load(cluster_book(chaos->world.cluster), user);
	if (load != ORACLE_NOBODY)
		trace(chaos, "%s connects: load %u", chaos->world.labels[user], load);
}

static void enter(struct chaos *chaos, uint32_t load)
{
	uint32_t user;
	if (!book_is_loaded(cluster_book(chaos->world.cluster), load, &user))
		return;
	uint32_t device = cluster_join(chaos->world.cluster, load);
	trace(chaos, "%s joins core %u as d%d (load %u)", chaos->world.labels[user],
	      cluster_home(chaos->world.cluster, user), (int)device, load);
}

static void do_enter(struct chaos *chaos)
{
	uint32_t start = dice_below(&chaos->world.dice, BOOK_LOADS_MAX), user;
	for (uint32_t i = 0; i < BOOK_LOADS_MAX; i++) {
		uint32_t load = (start + i) % BOOK_LOADS_MAX;
		if (book_is_loaded(cluster_book(chaos->world.cluster), load, &user)) {
			enter(chaos, load);
			return;
		}
	}
}

static void do_leave(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos);
	trace(chaos, "%s/d%u leaves", label_of_device(chaos, device), device);
	cluster_leave(chaos->world.cluster, device);
}

static void locate(struct chaos *chaos, uint32_t device, int64_t ts_ms)
{
	struct oracle *oracle = cluster_oracle(chaos->world.cluster);
	uint32_t user = cluster_device_user(chaos->world.cluster, device);
	struct nearby_place place = chaos->world.places[user];
	bool was_started = oracle_is_started(oracle, device);
	trace(chaos, "%s/d%u is at %d %d", chaos->world.labels[user], device, place.lat_e7,
	      place.lon_e7);
	cluster_locate(chaos->world.cluster, device, place, ts_ms);
	if (!was_started && oracle_is_alive(oracle, device) && oracle_is_started(oracle, device) &&
	    chaos->pages_at_once)
		cluster_pages(chaos->world.cluster, device, PAGE_LIMIT_MAX);
}

/* Now, by the device's clock, which most do not let step back. */
static int64_t throw_ts(struct chaos *chaos, uint32_t device)
{
	int64_t now_ms = cluster_moment(chaos->world.cluster).wall_ms;
	int64_t last_ms = oracle_last_ts(cluster_oracle(chaos->world.cluster), device);
	return last_ms > now_ms && last_ms <= now_ms + 60000 && dice_chance(&chaos->world.dice, 80)
		       ? last_ms
		       : now_ms;
}

static void do_walk(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos),
		 user = cluster_device_user(chaos->world.cluster, device);
	if (dice_chance(&chaos->world.dice, 85))
		chaos->world.places[user] =
			globe_travel(chaos->world.places[user], world_bearing(&chaos->world),
				     world_distance_m(&chaos->world));
	locate(chaos, device, throw_ts(chaos, device));
}

/* To another city, to where another user is, to the radius from it, or to the other side. */
static void do_jump(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos),
		 user = cluster_device_user(chaos->world.cluster, device);
	struct nearby_place other = chaos->world.places[throw_user(chaos)];
	switch (dice_below(&chaos->world.dice, 4)) {
	case 0:
		chaos->world.places[user] = other;
		break;
	case 1:
		chaos->world.places[user] = globe_travel(other, world_bearing(&chaos->world),
							 chaos->world.config.radius_m);
		break;
	case 2:
		chaos->world.places[user] =
			globe_place(-other.lat_e7 * 1e-7, other.lon_e7 * 1e-7 + 180);
		break;
	default:
		chaos->world.places[user] = world_place(&chaos->world);
	}
	locate(chaos, device, throw_ts(chaos, device));
}

/* Everybody sends at once: more than waits for a core at most, when the links are slow. */
static void do_rush(struct chaos *chaos)
{
	for (uint32_t device = 0; device < chaos->world.config.devices_max; device++) {
		if (!oracle_is_alive(cluster_oracle(chaos->world.cluster), device))
			continue;
		uint32_t user = cluster_device_user(chaos->world.cluster, device);
		chaos->world.places[user] =
			globe_travel(chaos->world.places[user], world_bearing(&chaos->world),
				     world_distance_m(&chaos->world));
		locate(chaos, device, throw_ts(chaos, device));
	}
}

static void do_odd_time(struct chaos *chaos)
{
	static const int64_t offsets_ms[] = { 60000, 60001, 3600000, -1, -30000, -3600000, 30000 };
	int64_t offset_ms = offsets_ms[dice_below(&chaos->world.dice, ARRAY_COUNT(offsets_ms))];
	uint32_t device = throw_device(chaos);
	trace(chaos, "%s/d%u has a clock off by %" PRId64 " ms", label_of_device(chaos, device),
	      device, offset_ms);
	locate(chaos, device, cluster_moment(chaos->world.cluster).wall_ms + offset_ms);
}

static void do_page(struct chaos *chaos)
{
	struct page_cursor cursor = {
		dice_below(&chaos->world.dice, (uint32_t)chaos->world.config.radius_m) * 1000ull,
		{ chaos->world.ids[throw_user(chaos)] }
	};
	uint32_t device = throw_device(chaos),
		 limit = dice_from(&chaos->world.dice, 1, PAGE_LIMIT_MAX);
	bool has_cursor = dice_chance(&chaos->world.dice, 50);
	trace(chaos, "%s/d%u asks for %u", label_of_device(chaos, device), device, limit);
	cluster_nearby(chaos->world.cluster, device, limit, has_cursor ? &cursor : NULL);
}

static void do_pages(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos), limit = dice_from(&chaos->world.dice, 1, 5);
	trace(chaos, "%s/d%u asks for all, by %u", label_of_device(chaos, device), device, limit);
	cluster_pages(chaos->world.cluster, device, limit);
}

static void do_list(struct chaos *chaos)
{
	uint32_t user = throw_user(chaos);
	trace(chaos, "%s lists", chaos->world.labels[user]);
	cluster_list(chaos->world.cluster, user, dice_from(&chaos->world.dice, 1, PAGE_LIMIT_MAX));
}

static struct user_id throw_id(struct chaos *chaos)
{
	return (struct user_id){ dice_chance(&chaos->world.dice, 3)
					 ? dice_throw(&chaos->world.dice) >> 1
					 : chaos->world.ids[throw_user(chaos)] };
}

static void do_subscribe(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos);
	struct user_id with = throw_id(chaos);
	trace(chaos, "%s/d%u subscribes to %" PRIu64, label_of_device(chaos, device), device,
	      with.value);
	cluster_subscribe(chaos->world.cluster, device, with);
}

static void do_unsubscribe(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos);
	struct user_id with = throw_id(chaos);
	trace(chaos, "%s/d%u unsubscribes from %" PRIu64, label_of_device(chaos, device), device,
	      with.value);
	cluster_unsubscribe(chaos->world.cluster, device, with);
}

static void change_friends(struct chaos *chaos, bool are_friends)
{
	uint32_t a = throw_user(chaos), b = throw_user(chaos);
	if (a == b)
		return;
	trace(chaos, "%s and %s are %s", chaos->world.labels[a], chaos->world.labels[b],
	      are_friends ? "friends" : "no friends");
	if (are_friends)
		book_befriend(cluster_book(chaos->world.cluster), a, b);
	else
		book_unfriend(cluster_book(chaos->world.cluster), a, b);
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
	struct oracle *oracle = cluster_oracle(chaos->world.cluster);
	uint32_t user = throw_user(chaos);
	if (oracle_name_version(oracle, user) + 1 == ORACLE_NAMES_MAX)
		return;
	const char *name = names[dice_below(&chaos->world.dice, ARRAY_COUNT(names))];
	trace(chaos, "%s is now '%s'", chaos->world.labels[user], name);
	book_rename(cluster_book(chaos->world.cluster), user, name);
}

static void do_forget(struct chaos *chaos)
{
	uint32_t user = throw_user(chaos);
	trace(chaos, "%s is forgotten", chaos->world.labels[user]);
	cluster_forget(chaos->world.cluster, user);
}

/* Some worlds are full of who wants them, others switch to and fro. */
static void do_strangers(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos);
	bool is_on = dice_chance(&chaos->world.dice, 75);
	trace(chaos, "%s/d%u wants %s strangers", label_of_device(chaos, device), device,
	      is_on ? "to meet" : "no more");
	cluster_strangers(chaos->world.cluster, device, is_on);
}

static void do_bar(struct chaos *chaos)
{
	uint32_t a = throw_user(chaos), b = throw_user(chaos);
	if (a == b)
		return;
	bool is_barred = !cluster_is_barred(chaos->world.cluster, a, b);
	trace(chaos, "%s and %s %s meet as strangers", chaos->world.labels[a],
	      chaos->world.labels[b], is_barred ? "never" : "may again");
	cluster_bar(chaos->world.cluster, a, b, is_barred);
}

static void do_pause(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos);
	trace(chaos, "%s/d%u pauses", label_of_device(chaos, device), device);
	cluster_pause(chaos->world.cluster, device);
}

static enum sharing_mode throw_mode(struct chaos *chaos, enum sharing_mode first)
{
	return (enum sharing_mode)dice_from(&chaos->world.dice, (uint32_t)first, SHARING_OFF);
}

static void do_share(struct chaos *chaos)
{
	uint32_t user = throw_user(chaos);
	enum sharing_mode mode = throw_mode(chaos, SHARING_PRECISE);
	if (book_share(cluster_book(chaos->world.cluster), user, mode))
		trace(chaos, "%s chooses to be %s", chaos->world.labels[user],
		      sharing_mode_text(mode));
}

static void do_except(struct chaos *chaos)
{
	uint32_t user = throw_user(chaos), start = throw_user(chaos);
	enum sharing_mode mode = throw_mode(chaos, SHARING_DEFAULT);
	for (uint32_t i = 0; i < chaos->world.config.user_count; i++) {
		uint32_t with = (start + i) % chaos->world.config.user_count;
		if (!book_except(cluster_book(chaos->world.cluster), user, with, mode))
			continue;
		trace(chaos, "%s chooses to be %s for %s", chaos->world.labels[user],
		      sharing_mode_text(mode), chaos->world.labels[with]);
		return;
	}
}

static void do_commit(struct chaos *chaos)
{
	uint32_t start = throw_user(chaos), count = chaos->world.config.user_count;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t user = (start + i) % count;
		if (!book_commit(cluster_book(chaos->world.cluster), user))
			continue;
		trace(chaos, "the choice of %s is committed", chaos->world.labels[user]);
		return;
	}
}

static void do_resume(struct chaos *chaos)
{
	uint32_t device = throw_device(chaos);
	trace(chaos, "%s/d%u resumes", label_of_device(chaos, device), device);
	cluster_resume(chaos->world.cluster, device);
}

static void do_hear(struct chaos *chaos)
{
	uint32_t start = throw_core(chaos), cores = cluster_cores(chaos->world.cluster);
	for (uint32_t i = 0; i < cores; i++) {
		uint32_t core = (start + i) % cores;
		if (book_waiting(cluster_book(chaos->world.cluster), core) == 0)
			continue;
		trace(chaos, "core %u hears of a change", core);
		cluster_hear(chaos->world.cluster, core);
		return;
	}
}

/* On the first link, from a random one on, on which something happens. */
static void move_msgs(struct chaos *chaos, const char *verb,
		      uint32_t (*move)(struct cluster *, uint32_t from, uint32_t to, uint32_t max))
{
	uint32_t cores = cluster_cores(chaos->world.cluster),
		 max = dice_from(&chaos->world.dice, 1, 8);
	uint32_t start = dice_below(&chaos->world.dice, cores * cores);
	for (uint32_t i = 0; i < cores * cores; i++) {
		uint32_t from = (start + i) % (cores * cores) / cores, to = (start + i) % cores;
		uint32_t count = from == to ? 0 : move(chaos->world.cluster, from, to, max);
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
	uint32_t start = throw_core(chaos), cores = cluster_cores(chaos->world.cluster);
	uint32_t max = dice_from(&chaos->world.dice, 1, 8);
	for (uint32_t i = 0; i < cores; i++)
		if (cluster_flush(chaos->world.cluster, (start + i) % cores, max) > 0)
			return;
}

static void do_tick(struct chaos *chaos)
{
	uint32_t core = throw_core(chaos);
	trace(chaos, "core %u ticks", core);
	cluster_tick(chaos->world.cluster, core);
}

static void do_wait(struct chaos *chaos)
{
	cluster_advance(chaos->world.cluster, dice_throw(&chaos->world.dice) % chaos->pause_max_us,
			0);
}

/* Around the TTL, or around the time of a list's evaluation. */
static void do_long_wait(struct chaos *chaos)
{
	uint64_t scale = dice_chance(&chaos->world.dice, 50) ? chaos->world.config.ttl_us
							     : REEVALUATE_AFTER_US;
	uint64_t us = (uint64_t)((double)scale * 1.2 * dice_fraction(&chaos->world.dice));
	if (dice_chance(&chaos->world.dice, 10))
		us = scale + dice_below(&chaos->world.dice, 3) - 1;
	trace(chaos, "%.6f s pass", (double)us / SECOND_US);
	if (dice_chance(&chaos->world.dice, 50))
		cluster_advance(chaos->world.cluster, us, 0);
	else
		cluster_run(chaos->world.cluster, us);
}

static void do_clock_jump(struct chaos *chaos)
{
	int64_t most_ms = dice_chance(&chaos->world.dice, 50) ? 3600000 : 60000;
	int64_t jump_ms =
		(int64_t)(dice_throw(&chaos->world.dice) % (uint64_t)(2 * most_ms)) - most_ms;
	trace(chaos, "the wall clock jumps by %" PRId64 " ms", jump_ms);
	cluster_advance(chaos->world.cluster, 0, jump_ms);
}

static void do_pace(struct chaos *chaos)
{
	chaos->world.config.interval_us = world_interval_us(&chaos->world);
	trace(chaos, "a frame every %" PRIu64 " us at most", chaos->world.config.interval_us);
	cluster_interval(chaos->world.cluster, chaos->world.config.interval_us);
}

static void do_lag(struct chaos *chaos)
{
	static const uint32_t lags_us[] = { 0, 0, 1, 1000, 50000, 2000000 };
	uint32_t core = throw_core(chaos);
	uint32_t lag_us = lags_us[dice_below(&chaos->world.dice, ARRAY_COUNT(lags_us))];
	trace(chaos, "core %u looks at the clock late, by %u us", core, lag_us);
	cluster_lag(chaos->world.cluster, core, lag_us);
}

/* Every core looks at the clock. */
static void end_lags(struct chaos *chaos)
{
	for (uint32_t core = 0; core < cluster_cores(chaos->world.cluster); core++)
		cluster_lag(chaos->world.cluster, core, 0);
}

static void do_settle(struct chaos *chaos)
{
	trace(chaos, "settling");
	end_lags(chaos);
	/* Rescans go on in ticks, and what the links can take. */
	for (uint32_t round = 0; round < 3; round++) {
		cluster_settle(chaos->world.cluster);
		for (uint32_t core = 0; core < cluster_cores(chaos->world.cluster); core++)
			cluster_tick(chaos->world.cluster, core);
	}
	cluster_settle(chaos->world.cluster);
	cluster_check(chaos->world.cluster);
	if (chaos->world.config.interval_us == 0)
		oracle_judge_prompt(cluster_oracle(chaos->world.cluster),
				    cluster_moment(chaos->world.cluster), UINT64_MAX);
}

/* The longest that something waits to be said: frames to a device are a pause apart, and who has all as
 * friends may have to be told of all. */
static uint64_t turns_us(const struct chaos *chaos)
{
	const struct cluster_config *config = &chaos->world.config;
	return (config->user_count + FRAME_ENTRIES_MAX - 1) / FRAME_ENTRIES_MAX * config->interval_us;
}

static void do_quiet(struct chaos *chaos)
{
	struct oracle *oracle = cluster_oracle(chaos->world.cluster);
	uint64_t turns = turns_us(chaos);
	trace(chaos, "quiet");
	end_lags(chaos);
	for (uint32_t load = 0; load < BOOK_LOADS_MAX; load++)
		enter(chaos, load);
	for (uint32_t device = 0; device < chaos->world.config.devices_max; device++)
		if (oracle_is_alive(oracle, device))
			cluster_resume(chaos->world.cluster, device);
	cluster_run(chaos->world.cluster, QUIET_US + turns);
	cluster_check(chaos->world.cluster);
	oracle_judge_views(oracle, cluster_moment(chaos->world.cluster), ORACLE_SWEEP_US + turns);
	if (cluster_counter(chaos->world.cluster, ENGINE_COUNTER_STRANGERS_SESSIONS) > 0)
		cluster_judge_strangers(chaos->world.cluster);
	for (uint32_t device = 0; device < chaos->world.config.devices_max; device++)
		if (oracle_is_alive(oracle, device) && dice_chance(&chaos->world.dice, 50))
			cluster_pages(chaos->world.cluster, device,
				      dice_from(&chaos->world.dice, 1, PAGE_LIMIT_MAX));
}

static void do_restart(struct chaos *chaos)
{
	uint32_t cores = dice_from(&chaos->world.dice, 1, 8);
	trace(chaos, "restart with %u cores", cores);
	cluster_restart(chaos->world.cluster, cores);
}

/* Most runs begin with people who are there already. */
static void throw_devices(struct chaos *chaos)
{
	uint32_t percent =
		dice_chance(&chaos->world.dice, 20) ? 0 : dice_from(&chaos->world.dice, 30, 100);
	for (uint32_t user = 0; user < chaos->world.config.user_count; user++) {
		if (!dice_chance(&chaos->world.dice, percent))
			continue;
		uint32_t load = book_load(cluster_book(chaos->world.cluster), user);
		enter(chaos, load);
	}
	for (uint32_t device = 0; device < chaos->world.config.devices_max; device++)
		if (oracle_is_alive(cluster_oracle(chaos->world.cluster), device) &&
		    dice_chance(&chaos->world.dice, 80))
			locate(chaos, device, chaos->world.config.start_ms);
}

static void step(struct chaos *chaos)
{
	static void (*const actions[])(struct chaos *) = {
#define ACTION(name, weight) do_##name,
		ACTIONS(ACTION)
#undef ACTION
	};
	uint32_t left = dice_below(&chaos->world.dice, chaos->weight_sum), action = 0;
	while (left >= chaos->weights[action])
		left -= chaos->weights[action++];
	actions[action](chaos);
	if (chaos->report->steps % 64 == 0)
		cluster_check(chaos->world.cluster);
}

static void open_chaos(struct chaos *chaos, uint64_t seed)
{
	struct dice *dice = &chaos->world.dice;
	const struct cluster_config *config = &chaos->world.config;
	world_open(&chaos->world, seed, chaos->options->is_small, received, chaos);
	throw_weights(chaos);
	chaos->pages_at_once = dice_chance(dice, 60);
	chaos->pause_max_us = dice_chance(dice, 50) ? 20000 : 2 * SECOND_US;
	chaos->steps_max =
		chaos->options->is_small ? dice_from(dice, 10, 80) : dice_from(dice, 200, 2000);
	trace(chaos,
	      "%u users, %u cores, radius %.2f m, ttl %" PRIu64 " s, interval %" PRIu64 " ms, "
	      "links of %u, %u steps",
	      config->user_count, config->cores, config->radius_m, config->ttl_us / SECOND_US,
	      config->interval_us / 1000, config->link_room, chaos->steps_max);
	throw_devices(chaos);
}

void chaos_run(uint64_t seed, const struct chaos_options *options, struct chaos_report *report)
{
	struct chaos chaos = { .options = options, .report = report };
	memset(report, 0, sizeof(*report));
	open_chaos(&chaos, seed);
	const struct oracle *oracle = cluster_oracle(chaos.world.cluster);
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
		report->counters[i] = cluster_counter(chaos.world.cluster, i);
	world_close(&chaos.world);
}
