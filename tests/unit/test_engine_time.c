/*
 * Owns: the rules of the engine that go by the clock, as stories in virtual time.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: real clocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_world.h"

static struct world *two_cores(void)
{
	return world_open((struct world_config){ .cores = 2 });
}

/* Ann and Bob, friends on two cores, stand where they are told to; what was said is forgotten. */
static void ann_and_bob_stand(struct world *world, double ann_m, double bob_m, struct device *ann,
			      struct device *bob)
{
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1);
	befriend(world, a, b);
	*ann = join(world, a);
	*bob = join(world, b);
	settle(world);
	stand(world, *ann, ann_m);
	then_hears(world, *ann, "nearby of 0");
	stand(world, *bob, bob_m);
	settle(world);
	bool is_near = bob_m - ann_m < WORLD_RADIUS_M;
	if (is_near)
		hears(world, *bob, "nearby %u of 1", a);
	else
		hears(world, *bob, "nearby of 0");
	if (is_near)
		hears(world, *ann, "update %u", b);
}

/* ---- the TTL ------------------------------------------------------------------------------ */

static void a_location_of_exactly_the_ttl_still_counts(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 100, &ann, &bob);
	jump_us(world, WORLD_TTL_US - SECOND_US);
	stand(world, ann, 0);
	jump_us(world, SECOND_US);
	ask_nearby(world, ann, 20);
	hears(world, ann, "nearby %u of 1", (unsigned)bob.user);
	subscribe(world, ann, bob.user);
	hears(world, ann, "update %u", (unsigned)bob.user);
	jump_us(world, 1);
	ask_nearby(world, ann, 20);
	hears(world, ann, "nearby of 0");
	subscribe(world, ann, bob.user);
	hears(world, ann, "gone %u idle", (unsigned)bob.user);
	world_close(world);
}

static void who_sends_no_more_is_idle_for_all_who_follow(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 100, &ann, &bob);
	leave(world, bob);
	for (int i = 0; i < 19; i++) {
		wait_us(world, 30 * SECOND_US);
		stand(world, ann, 0);
	}
	wait_us(world, 30 * SECOND_US);
	hears(world, ann, "nothing");
	/* The sweeper comes by within a second or so. */
	wait_us(world, SECOND_US * 3 / 2);
	hears(world, ann, "gone %u idle", (unsigned)bob.user);
	assert_int_equal(world_counter(world, ENGINE_COUNTER_LOCATIONS_EXPIRED), 1);
	world_close(world);
}

static void an_update_that_waited_past_the_ttl_says_gone(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 100, &ann, &bob);
	stand(world, bob, 200);
	jump_us(world, WORLD_TTL_US + 1);
	stand(world, ann, 0);
	settle(world);
	hears(world, ann, "gone %u idle", (unsigned)bob.user);
	world_close(world);
}

static void a_device_whose_place_expired_is_told_nothing_until_it_sends_again(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 100, &ann, &bob);
	jump_us(world, WORLD_TTL_US - SECOND_US);
	stand(world, bob, 100);
	then_hears(world, ann, "update %u", (unsigned)bob.user);
	wait_us(world, 3 * SECOND_US);
	hears(world, ann, "gone %u idle", (unsigned)bob.user);
	hears(world, bob, "gone %u idle", (unsigned)ann.user);
	stand(world, bob, 200);
	then_hears(world, ann, "nothing");
	ask_nearby(world, ann, 20);
	hears(world, ann, "error no_location");
	stand(world, ann, 0);
	then_hears(world, ann, "update %u", (unsigned)bob.user);
	hears(world, bob, "update %u", (unsigned)ann.user);
	world_close(world);
}

static void who_came_while_the_own_place_had_just_expired_is_not_missed(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 9000, &ann, &bob);
	/* Expired, and the sweeper has not come by yet. */
	jump_us(world, WORLD_TTL_US + 1);
	stand(world, bob, 100);
	then_hears(world, ann, "nothing");
	stand(world, ann, 0);
	then_hears(world, ann, "update %u", (unsigned)bob.user);
	world_close(world);
}

static void an_empty_engine_sleeps(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 100, &ann, &bob);
	assert_true(engine_next_us(world_engine(world, 0), 0) < UINT64_MAX);
	wait_us(world, WORLD_TTL_US + 4 * SECOND_US);
	assert_int_equal(engine_next_us(world_engine(world, 0), 0), UINT64_MAX);
	assert_int_equal(engine_next_us(world_engine(world, 1), 0), UINT64_MAX);
	stand(world, ann, 0);
	assert_true(engine_next_us(world_engine(world, 0), 0) < UINT64_MAX);
	world_close(world);
}

/* ---- the own movement --------------------------------------------------------------------- */

static void a_twentieth_of_the_radius_shows_those_who_stand_still_at_once(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 8400, &ann, &bob);
	stand(world, ann, 403);
	then_hears(world, ann, "update %u", (unsigned)bob.user);
	stand(world, ann, 0);
	then_hears(world, ann, "gone %u far", (unsigned)bob.user);
	world_close(world);
}

static void a_smaller_move_shows_them_within_ten_seconds(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 8400, &ann, &bob);
	stand(world, ann, 200);
	wait_us(world, 3 * SECOND_US);
	/* Further moves do not put it off. */
	stand(world, ann, 400);
	wait_us(world, 6 * SECOND_US + SECOND_US / 2);
	hears(world, ann, "nothing");
	wait_us(world, SECOND_US / 2);
	hears(world, ann, "update %u", (unsigned)bob.user);
	wait_us(world, 20 * SECOND_US);
	hears(world, ann, "nothing");
	world_close(world);
}

static void small_moves_add_up(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 8400, &ann, &bob);
	stand(world, ann, 150);
	stand(world, ann, 300);
	then_hears(world, ann, "nothing");
	stand(world, ann, 450);
	then_hears(world, ann, "update %u", (unsigned)bob.user);
	world_close(world);
}

static uint64_t evaluations(const struct world *world)
{
	return world_counter(world, ENGINE_COUNTER_EVALUATIONS) +
	       world_counter(world, ENGINE_COUNTER_EVALUATIONS_OF_EDGES);
}

/* Across the edge and back in steps that are each too small to judge everybody again. */
static void who_stands_at_the_edge_is_seen_to_cross_it(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 8100, &ann, &bob);
	uint64_t before = world_counter(world, ENGINE_COUNTER_EVALUATIONS);
	for (uint32_t i = 0; i < 5; i++) {
		stand(world, ann, 100);
		wait_us(world, 11 * SECOND_US);
		hears(world, ann, "update %u", (unsigned)bob.user);
		stand(world, ann, 0);
		wait_us(world, 11 * SECOND_US);
		hears(world, ann, "gone %u far", (unsigned)bob.user);
	}
	assert_int_equal(world_counter(world, ENGINE_COUNTER_EVALUATIONS), before);
	world_close(world);
}

/* Bob comes from far to the edge by himself; ann then takes the last steps. */
static void who_came_to_the_edge_is_seen_to_cross_it(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 50000, &ann, &bob);
	stand(world, ann, 900);
	stand(world, bob, 9100);
	wait_us(world, 11 * SECOND_US);
	hears(world, ann, "nothing");
	stand(world, ann, 1000);
	stand(world, bob, 9050);
	stand(world, ann, 1004);
	wait_us(world, 11 * SECOND_US);
	hears(world, ann, "update %u", (unsigned)bob.user);
	world_close(world);
}

/* The step follows at once, in the same turn. */
static void who_steps_right_after_a_friend_came_to_the_edge_sees_it(void **state)
{
	(void)state;
	struct world *world = two_cores();
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 0, 2);
	befriend(world, a, b);
	struct device ann = join(world, a), bob = join(world, b);
	stand(world, ann, 0);
	stand(world, bob, 50000);
	then_hears(world, ann, "nearby of 0");
	stand(world, bob, 8100);
	stand(world, ann, 100);
	wait_us(world, 11 * SECOND_US);
	hears(world, ann, "update %u", b);
	world_close(world);
}

/* Far from everybody, small steps ask nobody; but they add up. */
static void who_walks_far_from_all_is_judged_now_and_then(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 12000, &ann, &bob);
	uint64_t before = evaluations(world);
	for (double east_m = 100; east_m <= 1000; east_m += 100) {
		stand(world, ann, east_m);
		wait_us(world, 11 * SECOND_US);
	}
	assert_int_equal(evaluations(world), before);
	for (double east_m = 1100; east_m <= 4000; east_m += 100) {
		stand(world, ann, east_m);
		wait_us(world, 11 * SECOND_US);
	}
	hears(world, ann, "update %u", (unsigned)bob.user);
	world_close(world);
}

static void who_stands_still_is_not_evaluated(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 100, &ann, &bob);
	uint64_t before = evaluations(world);
	stand(world, ann, 0);
	wait_us(world, 20 * SECOND_US);
	assert_int_equal(evaluations(world), before);
	world_close(world);
}

static void a_device_that_leaves_takes_its_timer_along(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 100, &ann, &bob);
	stand(world, ann, 10);
	stand(world, bob, 110);
	leave(world, ann);
	wait_us(world, 11 * SECOND_US);
	world_close(world);
}

/* ---- pace --------------------------------------------------------------------------------- */

static void the_pause_between_two_frames_is_kept_and_loses_nothing(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 100, &ann, &bob);
	uint64_t last_us = world_now_us(world);
	jump_us(world, SECOND_US / 4);
	stand(world, bob, 200);
	exchange(world);
	tick(world);
	flush(world, SECOND_US);
	hears(world, ann, "nothing");
	assert_int_equal(engine_next_us(world_engine(world, 0), 1), last_us + 1);
	jump_us(world, SECOND_US * 3 / 4 - 1);
	flush(world, SECOND_US);
	hears(world, ann, "nothing");
	/* The pause is the caller's to choose, in every call anew. */
	flush(world, SECOND_US - 1);
	hears(world, ann, "update %u", (unsigned)bob.user);
	world_close(world);
}

static void a_paused_device_gets_one_frame_with_the_latest_when_it_goes_on(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 100, &ann, &bob);
	pause_device(world, ann);
	for (int i = 0; i < 10; i++) {
		stand(world, bob, 200 + i);
		wait_us(world, SECOND_US);
	}
	hears(world, ann, "nothing");
	resume_device(world, ann);
	resume_device(world, ann);
	flush(world, 0);
	hears(world, ann, "update %u", (unsigned)bob.user);
	uint32_t count;
	assert_in_range(world_last_entries(world, ann, &count)->distance_mm, 208900, 209100);
	world_close(world);
}

/* ---- moves that are told together ----------------------------------------------------------- */

#define PAUSE_US (10 * SECOND_US)

static void turn(struct world *world, uint64_t pause_us)
{
	tick(world);
	exchange(world);
	flush(world, pause_us);
}

static void moves_between_two_frames_are_told_together(void **state)
{
	(void)state;
	struct world *world = two_cores();
	struct device ann, bob;
	ann_and_bob_stand(world, 0, 100, &ann, &bob);
	flush(world, PAUSE_US);
	uint64_t checks = world_counter(world, ENGINE_COUNTER_CHECKS);
	for (int i = 1; i <= 20; i++) {
		jump_us(world, SECOND_US / 2);
		stand(world, bob, 200 + i);
		tick(world);
		exchange(world);
		if (i < 20)
			flush(world, PAUSE_US - 1);
	}
	/* The first at once, and one each half of the pause. */
	assert_in_range(world_counter(world, ENGINE_COUNTER_CHECKS) - checks, 2, 3);
	assert_in_range(world_counter(world, ENGINE_COUNTER_MOVES_MERGED), 16, 18);
	hears(world, ann, "nothing");
	flush(world, PAUSE_US - 1);
	hears(world, ann, "update %u", (unsigned)bob.user);
	uint32_t count;
	assert_in_range(world_last_entries(world, ann, &count)->distance_mm, 219900, 220100);
	world_close(world);
}

/* Bob comes near right after a move of which all were told, while frames are a pause apart. */
static struct world *bob_comes_near(struct device *ann, struct device *bob)
{
	struct world *world = two_cores();
	ann_and_bob_stand(world, 0, 50000, ann, bob);
	flush(world, PAUSE_US);
	jump_us(world, PAUSE_US);
	stand(world, *bob, 60000);
	exchange(world);
	stand(world, *bob, 100);
	turn(world, PAUSE_US);
	hears(world, *ann, "nothing");
	return world;
}

static void who_comes_near_meanwhile_is_seen_half_a_pause_later(void **state)
{
	(void)state;
	struct device ann, bob;
	struct world *world = bob_comes_near(&ann, &bob);
	jump_us(world, PAUSE_US / 2 - 1);
	turn(world, PAUSE_US);
	hears(world, ann, "nothing");
	jump_us(world, 1);
	turn(world, PAUSE_US);
	hears(world, ann, "update %u", (unsigned)bob.user);
	then_hears(world, ann, "nothing");
	world_close(world);
}

/* By the clock he was gone, and she was told so, before his core swept anything or told what waits. */
static void who_is_back_is_told_of_at_once(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 1 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 0, 2);
	befriend(world, a, b);
	struct device ann = join(world, a), bob = join(world, b);
	flush(world, PAUSE_US);
	stand(world, bob, 200);
	jump_us(world, WORLD_TTL_US + 1);
	stand(world, ann, 0);
	hears(world, ann, "nearby of 0");
	stand(world, bob, 300);
	ask_nearby(world, ann, 20);
	hears(world, ann, "nearby %u of 1", (unsigned)b);
	world_close(world);
}

static void the_last_move_of_who_leaves_is_told_at_once(void **state)
{
	(void)state;
	struct device ann, bob;
	struct world *world = bob_comes_near(&ann, &bob);
	leave(world, bob);
	exchange(world);
	flush(world, PAUSE_US);
	hears(world, ann, "update %u", (unsigned)bob.user);
	/* Nor does who has its place now tell anything of it. */
	bob = join(world, bob.user);
	jump_us(world, PAUSE_US / 2);
	turn(world, 0);
	hears(world, ann, "nothing");
	world_close(world);
}

static void nothing_waits_when_there_is_no_pause_any_more(void **state)
{
	(void)state;
	struct device ann, bob;
	struct world *world = bob_comes_near(&ann, &bob);
	flush(world, 0);
	turn(world, 0);
	hears(world, ann, "update %u", (unsigned)bob.user);
	stand(world, bob, 200);
	exchange(world);
	flush(world, 0);
	hears(world, ann, "update %u", (unsigned)bob.user);
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_location_of_exactly_the_ttl_still_counts),
		cmocka_unit_test(who_sends_no_more_is_idle_for_all_who_follow),
		cmocka_unit_test(an_update_that_waited_past_the_ttl_says_gone),
		cmocka_unit_test(a_device_whose_place_expired_is_told_nothing_until_it_sends_again),
		cmocka_unit_test(who_came_while_the_own_place_had_just_expired_is_not_missed),
		cmocka_unit_test(an_empty_engine_sleeps),
		cmocka_unit_test(a_twentieth_of_the_radius_shows_those_who_stand_still_at_once),
		cmocka_unit_test(a_smaller_move_shows_them_within_ten_seconds),
		cmocka_unit_test(small_moves_add_up),
		cmocka_unit_test(who_stands_at_the_edge_is_seen_to_cross_it),
		cmocka_unit_test(who_came_to_the_edge_is_seen_to_cross_it),
		cmocka_unit_test(who_steps_right_after_a_friend_came_to_the_edge_sees_it),
		cmocka_unit_test(who_walks_far_from_all_is_judged_now_and_then),
		cmocka_unit_test(who_stands_still_is_not_evaluated),
		cmocka_unit_test(a_device_that_leaves_takes_its_timer_along),
		cmocka_unit_test(the_pause_between_two_frames_is_kept_and_loses_nothing),
		cmocka_unit_test(a_paused_device_gets_one_frame_with_the_latest_when_it_goes_on),
		cmocka_unit_test(moves_between_two_frames_are_told_together),
		cmocka_unit_test(who_comes_near_meanwhile_is_seen_half_a_pause_later),
		cmocka_unit_test(who_is_back_is_told_of_at_once),
		cmocka_unit_test(the_last_move_of_who_leaves_is_told_at_once),
		cmocka_unit_test(nothing_waits_when_there_is_no_pause_any_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
