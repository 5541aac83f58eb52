/*
 * Owns: what the engine does at its limits: it refuses, changes nothing, and goes on.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: bytes, connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "engine_world.h"

struct figures {
	uint64_t sessions, channels, subscriptions;
};

static struct figures figures_of(const struct world *world)
{
	return (struct figures){
		world_counter(world, ENGINE_COUNTER_SESSIONS),
		world_counter(world, ENGINE_COUNTER_CHANNELS),
		world_counter(world, ENGINE_COUNTER_SUBSCRIPTIONS),
	};
}

/* A join that must be refused and leave no trace. */
static void is_refused(struct world *world, uint64_t user, int wanted)
{
	struct figures before = figures_of(world);
	uint64_t refused = world_counter(world, ENGINE_COUNTER_JOINS_REFUSED);
	struct device device;
	assert_int_equal(try_join(world, user, &device), wanted);
	settle(world);
	struct figures after = figures_of(world);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(world_counter(world, ENGINE_COUNTER_JOINS_REFUSED), refused + 1);
}

static void a_session_too_many_is_refused(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .sessions_max = 2 });
	befriend(world, 1, 2);
	struct device ann = join(world, 1);
	join(world, 3);
	is_refused(world, 2, -ENOSPC);
	leave(world, ann);
	join(world, 2);
	world_close(world);
}

static void one_user_cannot_have_any_number_of_sessions(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	struct device first = join(world, 1);
	for (uint32_t i = 1; i < USER_SESSIONS_MAX; i++)
		join(world, 1);
	is_refused(world, 1, -EUSERS);
	join(world, 2);
	leave(world, first);
	join(world, 1);
	world_close(world);
}

static void a_channel_too_many_is_refused(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .channels_max = 4 });
	for (uint64_t friend = 2; friend <= 5; friend ++)
		befriend(world, 1, friend);
	is_refused(world, 1, -ENOSPC);
	unfriend(world, 1, 5);
	struct device ann = join(world, 1);
	is_refused(world, 6, -ENOSPC);
	assert_int_equal(befriend(world, 1, 6), -ENOSPC);
	leave(world, ann);
	join(world, 6);
	world_close(world);
}

static void a_subscription_too_many_is_refused(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .subscriptions_max = 5 });
	for (uint64_t friend = 2; friend <= 4; friend ++)
		befriend(world, 1, friend);
	join(world, 1);
	is_refused(world, 1, -ENOSPC);
	join(world, 2);
	assert_int_equal(befriend(world, 1, 7), 0);
	assert_int_equal(befriend(world, 1, 8), -ENOSPC);
	assert_int_equal(world_counter(world, ENGINE_COUNTER_SUBSCRIPTIONS), 5);
	world_close(world);
}

static void more_friends_than_allowed_are_refused(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .friends_max = 2 });
	befriend(world, 1, 2);
	befriend(world, 1, 3);
	struct device ann = join(world, 1), bob = join(world, 2);
	stand(world, ann, 0);
	stand(world, bob, 0);
	then_hears(world, ann, "nearby of 0; update 2");
	assert_int_equal(befriend(world, 1, 4), -E2BIG);
	/* A friend that goes makes room, also before the device has been told. */
	unfriend(world, 1, 4);
	unfriend(world, 1, 2);
	assert_int_equal(befriend(world, 1, 4), 0);
	assert_int_equal(befriend(world, 1, 2), -E2BIG);
	unfriend(world, 1, 2);
	then_hears(world, ann, "gone 2 unfriended");
	befriend(world, 5, 6);
	befriend(world, 5, 7);
	befriend(world, 5, 8);
	is_refused(world, 5, -E2BIG);
	world_close(world);
}

static void a_friendship_is_new_for_all_devices_or_for_none(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .subscriptions_max = 4 });
	befriend(world, 1, 2);
	struct device phone = join(world, 1), tablet = join(world, 1), watch = join(world, 1);
	stand(world, phone, 0);
	stand(world, tablet, 0);
	stand(world, watch, 0);
	struct figures before = figures_of(world);
	assert_int_equal(befriend(world, 1, 3), -ENOSPC);
	engine_check(world_engine(world, 0));
	tick(world);
	struct figures after = figures_of(world);
	assert_memory_equal(&before, &after, sizeof(before));
	subscribe(world, phone, 3);
	hears(world, phone, "nearby of 0; error not_friend");
	subscribe(world, phone, 2);
	hears(world, phone, "gone 2 idle");
	world_close(world);
}

static void a_full_table_refuses_a_location_and_keeps_the_others(void **state)
{
	(void)state;
	/* The least table holds 40 locations of a partition; so many users share Ann's. */
	enum { USERS = 200 };
	struct world *world =
		world_open((struct world_config){ .users_max = 1, .sessions_max = USERS + 1 });
	uint32_t partition = nearby_partition(1), refused = 0;
	for (uint64_t user = 1, joined = 0; joined < USERS; user++) {
		if (nearby_partition(user) != partition)
			continue;
		joined++;
		struct device device = join(world, user);
		uint64_t full = world_counter(world, ENGINE_COUNTER_LOCATIONS_FULL);
		stand(world, device, 0);
		if (world_counter(world, ENGINE_COUNTER_LOCATIONS_FULL) == full) {
			hears(world, device, "nearby of 0");
			continue;
		}
		hears(world, device, "error full");
		ask_nearby(world, device, 1);
		hears(world, device, "error no_location");
		refused++;
	}
	assert_in_range(refused, 1, USERS - 20);
	assert_int_equal(world_counter(world, ENGINE_COUNTER_LOCATIONS), USERS - refused);
	settle(world);
	/* When the others have expired there is room. */
	wait_us(world, WORLD_TTL_US + 2 * SECOND_US);
	struct device late = join(world, 1);
	stand(world, late, 0);
	hears(world, late, "nearby of 0");
	world_close(world);
}

/* Enough sessions for a star and all friends of it. */
enum { STAR_FRIENDS = 5000 };

static void a_user_of_5000_friends_pages_through_them_all(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .users_max = STAR_FRIENDS + 1,
								.sessions_max = STAR_FRIENDS + 2 });
	for (uint64_t friend = 2; friend < 2 + STAR_FRIENDS; friend ++)
		befriend(world, 1, friend);
	for (uint64_t friend = 2; friend < 2 + STAR_FRIENDS; friend ++) {
		/* A thousand places with five friends each. */
		struct device device = join(world, friend);
		stand(world, device, (double)(friend % 1000));
	}
	struct device star = join(world, 1), tablet = join(world, 1);
	stand(world, star, 0);
	struct page_cursor last = { 0, { 0 } };
	for (uint32_t page = 0; page < STAR_FRIENDS / PAGE_LIMIT_MAX; page++) {
		uint32_t count;
		if (page == 0)
			ask_nearby(world, star, PAGE_LIMIT_MAX);
		else
			ask_more(world, star, PAGE_LIMIT_MAX);
		const struct entry *entries = world_last_entries(world, star, &count);
		assert_int_equal(count, PAGE_LIMIT_MAX);
		for (uint32_t i = 0; i < count; i++) {
			assert_true(entries[i].distance_mm > last.distance_mm ||
				    (entries[i].distance_mm == last.distance_mm &&
				     entries[i].user.value > last.user.value));
			last = (struct page_cursor){ entries[i].distance_mm, entries[i].user };
		}
	}
	assert_int_equal(last.user.value, 4999);
	assert_false(world_has_more(world, star));
	/* ... and is seen by them all. */
	settle(world);
	stand(world, tablet, 10);
	uint64_t before = world_counter(world, ENGINE_COUNTER_ENTRIES_SENT);
	settle(world);
	assert_int_equal(world_counter(world, ENGINE_COUNTER_ENTRIES_SENT), before + STAR_FRIENDS);
	leave(world, star);
	leave(world, tablet);
	settle(world);
	world_close(world);
}

/* What is to be judged is kept by groups of a list, whose size goes by its length. */
static void every_place_of_a_long_list_is_heard_of(void **state)
{
	(void)state;
	enum { FRIENDS = 1100 };
	static struct device devices[FRIENDS];
	struct world *world = world_open(
		(struct world_config){ .users_max = FRIENDS + 1, .sessions_max = FRIENDS + 1 });
	struct device star = join(world, FRIENDS);
	stand(world, star, 0);
	for (uint64_t friend = 0; friend < FRIENDS; friend ++) {
		befriend(world, FRIENDS, friend);
		devices[friend] = join(world, friend);
		stand(world, devices[friend], 10);
	}
	settle(world);
	for (uint64_t friend = 0; friend < FRIENDS; friend ++) {
		uint64_t before = world_counter(world, ENGINE_COUNTER_ENTRIES_SENT);
		stand(world, devices[friend], 20);
		settle(world);
		assert_int_equal(world_counter(world, ENGINE_COUNTER_ENTRIES_SENT), before + 1);
	}
	world_close(world);
}

/* A star with so many friends, of whom one is here and has moved, which the star was not told yet. */
static struct world *a_star_waits(uint32_t friends, uint32_t mover, struct device *star)
{
	struct world *world =
		world_open((struct world_config){ .users_max = friends + 2, .sessions_max = 2 });
	for (uint64_t friend = 0; friend < friends; friend ++)
		befriend(world, friends, friend);
	*star = join(world, friends);
	struct device other = join(world, mover);
	stand(world, *star, 0);
	stand(world, other, 10);
	settle(world);
	hears(world, *star, "nearby of 0; update %u", mover);
	pause_device(world, *star);
	stand(world, other, 20);
	settle(world);
	return world;
}

/* Lengths from which on groups are larger. */
static const uint32_t group_steps[] = { 128, 256, 512, 1024, 2048 };

static void befriend_one_more(struct world *world, uint64_t star, uint32_t friends)
{
	befriend(world, star, friends + 1);
}

static void unfriend_the_last(struct world *world, uint64_t star, uint32_t friends)
{
	unfriend(world, star, friends - 1);
}

/* Who moved is heard of at each step, `before` friends before it, though the list has changed since. */
static void check_group_steps(uint32_t before,
			      void (*change)(struct world *world, uint64_t star, uint32_t friends))
{
	for (size_t i = 0; i < ARRAY_COUNT(group_steps); i++) {
		uint32_t friends = group_steps[i] - before, mover = friends / 4 * 3;
		struct device star;
		struct world *world = a_star_waits(friends, mover, &star);
		change(world, star.user, friends);
		settle(world);
		resume_device(world, star);
		then_hears(world, star, "update %u", mover);
		world_close(world);
	}
}

static void who_moved_is_heard_of_when_the_list_has_grown_since(void **state)
{
	(void)state;
	check_group_steps(1, befriend_one_more);
}

static void who_moved_is_heard_of_when_the_list_has_shrunk_since(void **state)
{
	(void)state;
	check_group_steps(0, unfriend_the_last);
}

static void a_config_that_makes_no_sense_is_refused(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	counter_word counters[ENGINE_COUNTER_COUNT];
	struct engine_config good = {
		.cores = 1,
		.radius_m = 1,
		.ttl_us = 1,
		.sessions_max = 1,
		.friends_max = 1,
		.channels_max = 1,
		.subscriptions_max = 1,
		.segment = world_segment(world),
		.counters = counters,
	};
	size_t bytes = engine_memory_bytes(&good);
	void *memory = aligned_alloc(64, bytes);
	struct engine *engine = NULL;
	struct engine_config bad = good;
	bad.core = 1;
	assert_int_equal(engine_init(&engine, &bad, memory, bytes), -EINVAL);
	bad = good;
	bad.radius_m = 0;
	assert_int_equal(engine_init(&engine, &bad, memory, bytes), -EINVAL);
	assert_int_equal(engine_init(&engine, &good, memory, bytes - 1), -EINVAL);
	bad = good;
	bad.subscriptions_max = UINT32_MAX;
	assert_int_equal(engine_init(&engine, &bad, memory, bytes), -EINVAL);
	assert_null(engine);
	free(memory);
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_too_many_is_refused),
		cmocka_unit_test(one_user_cannot_have_any_number_of_sessions),
		cmocka_unit_test(a_channel_too_many_is_refused),
		cmocka_unit_test(a_subscription_too_many_is_refused),
		cmocka_unit_test(more_friends_than_allowed_are_refused),
		cmocka_unit_test(a_friendship_is_new_for_all_devices_or_for_none),
		cmocka_unit_test(a_full_table_refuses_a_location_and_keeps_the_others),
		cmocka_unit_test(a_user_of_5000_friends_pages_through_them_all),
		cmocka_unit_test(every_place_of_a_long_list_is_heard_of),
		cmocka_unit_test(who_moved_is_heard_of_when_the_list_has_grown_since),
		cmocka_unit_test(who_moved_is_heard_of_when_the_list_has_shrunk_since),
		cmocka_unit_test(a_config_that_makes_no_sense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
