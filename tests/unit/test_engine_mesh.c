/*
 * Owns: what the engines of several cores tell each other, as stories.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: rings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "engine_world.h"

static uint64_t looks_sent(const struct world *world)
{
	return world_counter(world, ENGINE_COUNTER_LOOKS_SENT);
}

static uint32_t waiting(struct world *world, uint32_t from, uint32_t to)
{
	struct mesh_msg msgs[100];
	return engine_mesh_drain(world_engine(world, from), to, msgs, ARRAY_COUNT(msgs));
}

static void a_move_is_one_message_per_core_however_many_follow(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 3 });
	uint32_t x = world_user_of(world, 0, 1);
	struct device friends[2][5];
	for (uint32_t core = 1; core < 3; core++) {
		for (uint32_t i = 0; i < 5; i++) {
			uint32_t user = world_user_of(world, core, i + 1);
			befriend(world, x, user);
			friends[core - 1][i] = join(world, user);
			stand(world, friends[core - 1][i], 0);
			hears(world, friends[core - 1][i], "nearby of 0");
		}
	}
	struct device walker = join(world, x);
	settle(world);
	uint64_t before = looks_sent(world);
	stand(world, walker, 0);
	settle(world);
	assert_int_equal(looks_sent(world), before + 2);
	for (uint32_t i = 0; i < 5; i++) {
		hears(world, friends[0][i], "update %u", x);
		hears(world, friends[1][i], "update %u", x);
	}
	world_close(world);
}

static void moves_that_wait_for_a_core_merge(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1);
	befriend(world, a, b);
	struct device ann = join(world, a), bob = join(world, b);
	stand(world, ann, 0);
	settle(world);
	uint64_t before = looks_sent(world);
	for (int i = 0; i < 10; i++)
		stand(world, bob, i);
	then_hears(world, ann, "nearby of 0; update %u", b);
	assert_int_equal(looks_sent(world), before + 1);
	assert_int_equal(world_counter(world, ENGINE_COUNTER_LOOKS_MERGED), 9);
	world_close(world);
}

static void who_moves_before_the_interest_arrives_is_seen(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1);
	befriend(world, a, b);
	struct device ann = join(world, a), bob = join(world, b);
	stand(world, ann, 0);
	/* The interest is on its way, and Bob's home core does not know of it yet. */
	stand(world, bob, 0);
	then_hears(world, ann, "nearby of 0; update %u", b);
	world_close(world);
}

static void a_core_that_follows_no_more_is_left_in_peace(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1);
	befriend(world, a, b);
	struct device ann = join(world, a), bob = join(world, b);
	settle(world);
	leave(world, ann);
	settle(world);
	/* Bob himself, and his interest in Ann here and at her home core. */
	assert_int_equal(world_counter(world, ENGINE_COUNTER_CHANNELS), 3);
	uint64_t before = looks_sent(world);
	stand(world, bob, 0);
	settle(world);
	assert_int_equal(looks_sent(world), before);
	leave(world, bob);
	settle(world);
	assert_int_equal(world_counter(world, ENGINE_COUNTER_CHANNELS), 0);
	assert_int_equal(world_counter(world, ENGINE_COUNTER_SUBSCRIPTIONS), 0);
	world_close(world);
}

static void an_interest_that_passes_before_it_is_told_is_never_told(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1);
	befriend(world, a, b);
	for (int i = 0; i < 5; i++)
		leave(world, join(world, a));
	assert_int_equal(waiting(world, 0, 1), 0);
	join(world, a);
	assert_int_equal(waiting(world, 0, 1), 1);
	world_close(world);
}

/* Ann on core 0 has 100 friends on core 1, whose ring of looks holds 16. */
enum { FRIENDS = 100 };

static struct world *narrow_world(struct device *ann, struct device friends[FRIENDS])
{
	struct world *world = world_open(
		(struct world_config){ .cores = 2, .channels_max = 128, .sessions_max = FRIENDS });
	uint32_t a = world_user_of(world, 0, 1);
	for (uint32_t i = 0; i < FRIENDS; i++)
		befriend(world, a, world_user_of(world, 1, i + 1));
	*ann = join(world, a);
	stand(world, *ann, 0);
	hears(world, *ann, "nearby of 0");
	for (uint32_t i = 0; i < FRIENDS; i++)
		friends[i] = join(world, world_user_of(world, 1, i + 1));
	settle(world);
	return world;
}

/* Rescans go on in ticks; nobody's location expires by this. */
static void rest(struct world *world)
{
	settle(world);
	wait_us(world, SECOND_US);
}

static uint32_t count_nearby(struct world *world, struct device device)
{
	uint32_t count;
	ask_nearby(world, device, PAGE_LIMIT_MAX);
	world_last_entries(world, device, &count);
	return count;
}

static void moves_that_do_not_fit_become_one_rescan_and_nobody_is_missed(void **state)
{
	(void)state;
	struct device ann, friends[FRIENDS];
	struct world *world = narrow_world(&ann, friends);
	uint64_t rescans = world_counter(world, ENGINE_COUNTER_RESCANS);
	for (uint32_t i = 0; i < FRIENDS; i++)
		stand(world, friends[i], i);
	assert_int_equal(world_counter(world, ENGINE_COUNTER_RESCANS), rescans + 1);
	assert_int_equal(waiting(world, 0, 1), 0);
	exchange(world);
	wait_us(world, SECOND_US);
	uint32_t count;
	world_last_entries(world, ann, &count);
	assert_int_equal(count, FRIENDS);
	assert_int_equal(count_nearby(world, ann), FRIENDS);
	world_close(world);
}

static void expiries_that_do_not_fit_are_told_by_a_rescan_too(void **state)
{
	(void)state;
	struct device ann, friends[FRIENDS];
	struct world *world = narrow_world(&ann, friends);
	for (uint32_t i = 0; i < FRIENDS; i++)
		stand(world, friends[i], i);
	rest(world);
	uint64_t sent = world_counter(world, ENGINE_COUNTER_GONE_SENT);
	jump_us(world, WORLD_TTL_US - SECOND_US / 2);
	stand(world, ann, 0);
	uint64_t rescans = world_counter(world, ENGINE_COUNTER_RESCANS);
	wait_us(world, 3 * SECOND_US);
	assert_int_equal(world_counter(world, ENGINE_COUNTER_RESCANS), rescans + 1);
	/* Ann's friends lost her as well: they expired themselves. */
	assert_int_equal(world_counter(world, ENGINE_COUNTER_GONE_SENT), sent + 2 * FRIENDS);
	assert_int_equal(count_nearby(world, ann), 0);
	world_close(world);
}

static void a_core_whose_interest_finds_no_room_misses_nothing(void **state)
{
	(void)state;
	struct world *world = world_open(
		(struct world_config){ .cores = 2, .channels_max = 4, .sessions_max = 4 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1);
	befriend(world, a, b);
	struct device bob = join(world, b);
	stand(world, bob, 0);
	leave(world, bob);
	settle(world);
	/* All records of core 1 are taken, and Bob has none. */
	struct device others[4];
	for (uint32_t i = 0; i < ARRAY_COUNT(others); i++)
		others[i] = join(world, world_user_of(world, 1, i + 2));
	struct device ann = join(world, a);
	stand(world, ann, 0);
	hears(world, ann, "nearby %u of 1", b);
	settle(world);
	assert_int_equal(world_counter(world, ENGINE_COUNTER_INTERESTS_REFUSED), 1);
	/* Bob's location expires, ... */
	jump_us(world, WORLD_TTL_US - SECOND_US / 2);
	stand(world, ann, 0);
	wait_us(world, 3 * SECOND_US);
	settle(world);
	hears(world, ann, "update %u; gone %u idle", b, b);
	/* ... and he comes back when there is room. */
	leave(world, others[0]);
	leave(world, others[1]);
	bob = join(world, b);
	stand(world, bob, 0);
	then_hears(world, ann, "update %u", b);
	stand(world, bob, 9000);
	then_hears(world, ann, "gone %u far", b);
	world_close(world);
}

static void a_full_drain_goes_on_where_it_stopped(void **state)
{
	(void)state;
	struct device ann, friends[FRIENDS];
	struct world *world = narrow_world(&ann, friends);
	for (uint32_t i = 0; i < 10; i++)
		stand(world, friends[i], i);
	struct mesh_msg msg;
	uint64_t users = 0;
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(engine_mesh_drain(world_engine(world, 1), 0, &msg, 1), 1);
		assert_int_equal(msg.user, friends[i].user);
		users++;
	}
	assert_int_equal(engine_mesh_drain(world_engine(world, 1), 0, &msg, 1), 0);
	assert_int_equal(users, 10);
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_move_is_one_message_per_core_however_many_follow),
		cmocka_unit_test(moves_that_wait_for_a_core_merge),
		cmocka_unit_test(who_moves_before_the_interest_arrives_is_seen),
		cmocka_unit_test(a_core_that_follows_no_more_is_left_in_peace),
		cmocka_unit_test(an_interest_that_passes_before_it_is_told_is_never_told),
		cmocka_unit_test(moves_that_do_not_fit_become_one_rescan_and_nobody_is_missed),
		cmocka_unit_test(expiries_that_do_not_fit_are_told_by_a_rescan_too),
		cmocka_unit_test(a_core_whose_interest_finds_no_room_misses_nothing),
		cmocka_unit_test(a_full_drain_goes_on_where_it_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
