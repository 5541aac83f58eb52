/*
 * Owns: who sees which strangers, and when, as stories.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: how a crowd is searched.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "engine/geo.h"
#include "engine/geohash.h"
#include "engine/grid.h"
#include "engine/strangers.h"
#include "engine_world.h"

/* Of one degree of the equator. */
#define DEGREE_M (GEO_EARTH_RADIUS_M * 3.14159265358979323846 / 180)
#define HEIGHT (180.0 / 4096) /* of a cell of 5 characters, and its width: 4.9 km */

static struct nearby_place at(double lat, double lon)
{
	return (struct nearby_place){ (int32_t)lround(lat * 1e7), (int32_t)lround(lon * 1e7) };
}

/* A device that stands there and wants strangers; what it has heard until then is forgotten. */
static struct device stranger(struct world *world, uint64_t user, double east_m)
{
	struct device device = join(world, user);
	stand(world, device, east_m);
	hears(world, device, "nearby of 0");
	switch_on(world, device);
	settle(world);
	return device;
}

/* Where strangers see a user of these worlds who came there and did not move. */
static struct nearby_place shown(uint64_t user, struct nearby_place place)
{
	static const uint8_t secret[GRID_SECRET_BYTES];
	return grid_place(secret, (struct user_id){ user }, place, GRID_OFFSET_OWN);
}

static void check_interval(struct world *world)
{
	wait_us(world, STRANGERS_CHECK_US);
}

static uint64_t counted(const struct world *world, enum engine_counter counter)
{
	return world_counter(world, counter);
}

/* ---- who ---------------------------------------------------------------------------------- */

static void two_who_want_strangers_see_each_other_and_nobody_else_does(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	struct device shy = join(world, 3);
	stand(world, shy, 10);
	struct device ann = stranger(world, 1, 0);
	hears(world, ann, "strangers");
	struct device bob = stranger(world, 2, 100);
	hears(world, bob, "strangers 1");
	check_interval(world);
	hears(world, ann, "strangers 2");
	hears(world, bob, "nothing");
	hears(world, shy, "nearby of 0");
	world_close(world);
}

static void a_stranger_is_shown_on_the_grid_without_a_name(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	rename_user(world, 1, "Ann");
	stranger(world, 1, 0);
	struct device bob = stranger(world, 2, 321);
	uint32_t count;
	const struct entry *ann = world_people(world, bob, &count);
	assert_int_equal(count, 1);
	struct nearby_place true_place = { 0, 0 }, place = shown(1, true_place);
	assert_true(ann->place.lat_e7 == place.lat_e7 && ann->place.lon_e7 == place.lon_e7);
	assert_true(ann->place.lat_e7 != 0 || ann->place.lon_e7 != 0);
	assert_true(ann->is_approximate && ann->name_length == 0 && ann->name[0] == '\0');
	struct point from = geo_point(at(0, 321 / DEGREE_M)), to = geo_point(place);
	assert_in_range(ann->distance_mm + 100, geo_distance_mm(&from, &to),
			geo_distance_mm(&from, &to) + 200);
	world_close(world);
}

static void steps_within_a_cell_of_the_grid_are_told_to_nobody(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	struct device ann = stranger(world, 1, 0), bob = stranger(world, 2, 0);
	hears(world, bob, "strangers 1");
	for (int step = 1; step <= 5; step++) {
		stand(world, ann, step * 0.1);
		check_interval(world);
	}
	hears(world, bob, "nothing");
	stand(world, ann, 3000);
	check_interval(world);
	hears(world, bob, "strangers 1");
	world_close(world);
}

static void friends_are_no_strangers(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	struct device ann = stranger(world, 1, 0), bob = stranger(world, 2, 0);
	check_interval(world);
	hears(world, ann, "strangers; strangers 2");
	hears(world, bob, "strangers 1");
	befriend(world, 1, 2);
	then_hears(world, ann, "lost 2 off; update 2");
	hears(world, bob, "lost 1 off; update 1");
	check_interval(world);
	hears(world, ann, "nothing");
	unfriend(world, 1, 2);
	then_hears(world, ann, "strangers 2; gone 2 unfriended");
	hears(world, bob, "strangers 1; gone 1 unfriended");
	world_close(world);
}

static void who_is_barred_never_meets_whoever_of_both_it_was(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1);
	struct device ann = stranger(world, a, 0), bob = stranger(world, b, 0);
	check_interval(world);
	hears(world, ann, "strangers; strangers %u", b);
	hears(world, bob, "strangers %u", a);
	bar(world, a, b);
	then_hears(world, ann, "lost %u off", b);
	hears(world, bob, "lost %u off", a);
	check_interval(world);
	/* It comes with the next session too. */
	leave(world, ann);
	ann = stranger(world, a, 5);
	check_interval(world);
	hears(world, ann, "strangers");
	hears(world, bob, "nothing");
	jump_us(world, STRANGERS_PAUSE_US);
	unbar(world, a, b);
	then_hears(world, ann, "strangers %u", b);
	hears(world, bob, "strangers %u", a);
	world_close(world);
}

static void each_of_many_who_are_barred_is_known(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	struct device ann = stranger(world, 1, 0);
	for (uint64_t user = 40; user >= 11; user--)
		bar(world, 1, user);
	for (uint64_t user = 10; user <= 41; user++)
		stranger(world, user, 0);
	check_interval(world);
	hears(world, ann, "strangers; strangers 10 41");
	for (uint64_t user = 12; user <= 40; user += 2)
		unbar(world, 1, user);
	check_interval(world);
	uint32_t count;
	const struct entry *people = world_people(world, ann, &count);
	assert_int_equal(count, 2 + 15);
	for (uint32_t i = 0; i < count; i++)
		assert_true(people[i].user.value % 2 == 0 || people[i].user.value == 41);
	world_close(world);
}

/* ---- where -------------------------------------------------------------------------------- */

/* Whether two who stand there meet; both see it alike. */
static bool do_meet(struct nearby_place a, struct nearby_place b, uint32_t cell_length)
{
	struct world *world = world_open((struct world_config){ .cell_length = cell_length });
	struct device ann = join(world, 1), bob = join(world, 2);
	stand_at(world, ann, a, 1700000000000);
	stand_at(world, bob, b, 1700000000000);
	switch_on(world, ann);
	switch_on(world, bob);
	check_interval(world);
	uint32_t of_ann, of_bob;
	world_people(world, ann, &of_ann);
	world_people(world, bob, &of_bob);
	assert_int_equal(of_ann, of_bob);
	world_close(world);
	return of_ann > 0;
}

/* The middle of the cell, so that the place on the grid is in it too. */
static struct nearby_place middle(int row, int column)
{
	return at((row + 0.5) * HEIGHT, (column + 0.5) * HEIGHT);
}

static void those_in_one_cell_and_in_cells_that_touch_meet(void **state)
{
	(void)state;
	for (int row = -2; row <= 2; row++)
		for (int column = -2; column <= 2; column++)
			assert_int_equal(do_meet(middle(0, 0), middle(row, column), 5),
					 abs(row) < 2 && abs(column) < 2);
	/* 1 km between them, and a border of all lengths: 0 east of Greenwich on the equator. */
	assert_true(do_meet(at(-0.004, -0.004), at(0.004, 0.004), 4));
	/* 39 km by 20 km. */
	assert_true(do_meet(at(0.05, 0.05), at(0.3, 0.6), 4));
	assert_false(do_meet(at(0.05, 0.05), at(0.45, 0.05), 4));
}

static void strangers_meet_over_the_antimeridian(void **state)
{
	(void)state;
	assert_true(do_meet(at(-17, 179.98), at(-17, -179.98), 5));
	assert_false(do_meet(at(-17, 179.98), at(-17, -179.9), 5));
}

static void strangers_meet_over_a_pole(void **state)
{
	(void)state;
	for (double pole = -1; pole <= 1; pole += 2) {
		assert_true(do_meet(at(pole * 89.98, 10), at(pole * 89.98, -165), 5));
		assert_true(do_meet(at(pole * 90, 0), at(pole * 89.98, 77), 5));
		assert_false(do_meet(at(pole * 89.9, 10), at(pole * 89.9, -170), 5));
	}
}

/* ---- until when --------------------------------------------------------------------------- */

static void who_wants_no_more_is_lost_at_once(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint32_t a = world_user_of(world, 1, 1), b = world_user_of(world, 0, 1),
		 c = world_user_of(world, 1, 2);
	assert_true(a < b && b < c);
	struct device ann = stranger(world, a, 0), bob = stranger(world, b, 0),
		      cid = stranger(world, c, 0);
	check_interval(world);
	hears(world, ann, "strangers; strangers %u %u", b, c);
	hears(world, bob, "strangers %u; strangers %u", a, c);
	hears(world, cid, "strangers %u %u", a, b);
	switch_off(world, bob);
	then_hears(world, ann, "lost %u off", b);
	hears(world, cid, "lost %u off", b);
	hears(world, bob, "nothing");
	leave(world, cid);
	then_hears(world, ann, "lost %u off", c);
	assert_int_equal(counted(world, ENGINE_COUNTER_STRANGERS_SEEN), 1);
	assert_int_equal(counted(world, ENGINE_COUNTER_STRANGERS_SESSIONS), 1);
	world_close(world);
}

static void who_is_not_heard_of_any_more_is_lost_and_sees_nobody(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1);
	struct device ann = stranger(world, a, 0), bob = stranger(world, b, 0);
	check_interval(world);
	hears(world, ann, "strangers; strangers %u", b);
	hears(world, bob, "strangers %u", a);
	jump_us(world, WORLD_TTL_US - STRANGERS_CHECK_US);
	stand(world, ann, 0);
	wait_us(world, STRANGERS_CHECK_US);
	hears(world, ann, "lost %u idle", b);
	hears(world, bob, "lost %u idle", a);
	stand(world, bob, 0);
	then_hears(world, bob, "strangers %u", a);
	check_interval(world);
	hears(world, ann, "strangers %u", b);
	forget_user(world, a);
	then_hears(world, ann, "lost %u idle", b);
	hears(world, bob, "lost %u idle", a);
	world_close(world);
}

static void who_shows_nothing_to_everybody_is_lost_at_once_and_sees_nobody(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1),
		 c = world_user_of(world, 1, 2);
	befriend(world, a, c);
	struct device ann = stranger(world, a, 0), bob = stranger(world, b, 0);
	check_interval(world);
	hears(world, ann, "strangers; strangers %u", b);
	hears(world, bob, "strangers %u", a);
	share(world, a, SHARING_OFF);
	then_hears(world, ann, "lost %u off", b);
	hears(world, bob, "lost %u off", a);
	/* What one friend is shown is for that friend. */
	share_with(world, a, c, SHARING_PRECISE);
	stand(world, ann, 1);
	check_interval(world);
	hears(world, ann, "nothing");
	hears(world, bob, "nothing");
	share(world, a, SHARING_APPROXIMATE);
	check_interval(world);
	hears(world, ann, "strangers %u", b);
	hears(world, bob, "strangers %u", a);
	world_close(world);
}

/* Its home core knows first, and no other sends one more entry from then on. */
static void no_core_sends_who_wants_no_more_whatever_it_has_heard(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1),
		 c = world_user_of(world, 0, 2);
	struct device ann = stranger(world, a, 0), cid = stranger(world, c, 0);
	struct device bob = join(world, b);
	stand(world, bob, 0);
	settle(world);
	switch_off(world, ann);
	share_at_home(world, c, SHARING_OFF);
	switch_on(world, bob);
	hears(world, bob, "nearby of 0; strangers");
	(void)cid;
	world_close(world);
}

/* East of the border by a little is still west of it for everybody. */
static void who_crosses_a_border_of_the_grid_is_shown_there_only_well_beyond(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	struct device ann = stranger(world, 1, 0), bob = stranger(world, 2, 0);
	hears(world, bob, "strangers 1");
	struct nearby_place before = shown(1, at(0, 0));
	double border_m = 1;
	while (shown(1, at(0, border_m / DEGREE_M)).lon_e7 == before.lon_e7)
		border_m++;
	stand(world, ann, border_m + 60);
	check_interval(world);
	hears(world, bob, "nothing");
	stand(world, ann, border_m + 500);
	check_interval(world);
	hears(world, bob, "strangers 1");
	stand(world, ann, border_m - 60);
	check_interval(world);
	hears(world, bob, "nothing");
	world_close(world);
}

static void who_goes_to_another_cell_sees_its_people_at_once(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	struct device ann = stranger(world, 1, 0), bob = stranger(world, 2, 0),
		      cid = stranger(world, 3, 200000);
	check_interval(world);
	hears(world, ann, "strangers; strangers 2");
	hears(world, cid, "strangers");
	jump_us(world, STRANGERS_PAUSE_US);
	stand(world, ann, 200000);
	then_hears(world, ann, "lost 2 far; strangers 3");
	hears(world, bob, "strangers 1");
	check_interval(world);
	hears(world, bob, "lost 1 far");
	hears(world, cid, "strangers 1");
	world_close(world);
}

static void strangers_can_be_wanted_before_the_first_location(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	struct device bob = stranger(world, 2, 0), ann = join(world, 1);
	hears(world, bob, "strangers");
	switch_on(world, ann);
	then_hears(world, ann, "strangers");
	assert_int_equal(counted(world, ENGINE_COUNTER_STRANGERS_SEEN), 1);
	stand(world, ann, 0);
	then_hears(world, ann, "nearby of 0; strangers 2");
	world_close(world);
}

static void a_user_with_two_devices_is_one_stranger_and_not_its_own(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	struct device phone = stranger(world, 1, 0), watch = stranger(world, 1, 0);
	struct device bob = stranger(world, 2, 0);
	hears(world, bob, "strangers 1");
	check_interval(world);
	hears(world, phone, "strangers; strangers 2");
	hears(world, watch, "strangers; strangers 2");
	switch_off(world, watch);
	settle(world);
	hears(world, bob, "nothing");
	switch_off(world, bob);
	then_hears(world, phone, "lost 2 off");
	hears(world, watch, "nothing");
	leave(world, phone);
	settle(world);
	assert_int_equal(counted(world, ENGINE_COUNTER_STRANGERS_SEEN), 0);
	world_close(world);
}

/* ---- other cores -------------------------------------------------------------------------- */

static void strangers_of_three_cores_meet(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 3 });
	struct device devices[9];
	for (uint32_t i = 0; i < 9; i++)
		devices[i] = stranger(world, world_user_of(world, i % 3, i / 3 + 1), i);
	check_interval(world);
	for (uint32_t i = 0; i < 9; i++) {
		uint32_t count;
		world_people(world, devices[i], &count);
		assert_int_equal(count, 8);
	}
	world_close(world);
}

static void who_comes_and_goes_before_it_is_told_is_never_told_of(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1);
	struct device ann = join(world, a);
	stand(world, ann, 0);
	switch_on(world, ann);
	switch_off(world, ann);
	struct mesh_msg msg;
	assert_int_equal(engine_mesh_drain(world_engine(world, 0), 1, &msg, 1), 0);
	struct device bob = stranger(world, b, 0);
	hears(world, bob, "strangers");
	world_close(world);
}

/* The gate does not believe the directory: what it knows of other cores may be late. */
static void nobody_is_sent_whom_the_table_has_no_more(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1);
	struct device ann = stranger(world, a, 0), bob = join(world, b);
	stand(world, bob, 0);
	settle(world);
	forget_user(world, a);
	switch_on(world, bob);
	hears(world, bob, "nearby of 0; strangers");
	settle(world);
	stand(world, ann, 200000);
	check_interval(world);
	stand(world, ann, 0);
	/* The directory of core 1 has Ann 200 km away. */
	switch_off(world, bob);
	switch_on(world, bob);
	hears(world, bob, "strangers");
	check_interval(world);
	hears(world, bob, "strangers %u", a);
	world_close(world);
}

static void who_finds_no_room_while_a_core_is_slow_is_seen_later(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2, .sessions_max = 2 });
	uint32_t a = world_user_of(world, 0, 5);
	struct device bob = stranger(world, world_user_of(world, 1, 1), 0);
	hears(world, bob, "strangers");
	/* Records of core 0 wait until core 1 can be told; there are four. */
	for (uint32_t n = 1; n <= 4; n++) {
		struct device device = join(world, world_user_of(world, 0, n));
		stand(world, device, 0);
		switch_on(world, device);
		leave(world, device);
	}
	struct device ann = join(world, a);
	stand(world, ann, 0);
	switch_on(world, ann);
	assert_int_equal(counted(world, ENGINE_COUNTER_STRANGERS_REFUSED), 1);
	assert_int_equal(counted(world, ENGINE_COUNTER_STRANGERS_SEEN), 1);
	check_interval(world);
	check_interval(world);
	hears(world, bob, "strangers %u", a);
	assert_int_equal(counted(world, ENGINE_COUNTER_STRANGERS_SEEN), 2);
	world_close(world);
}

/* ---- how often ---------------------------------------------------------------------------- */

static void who_switches_to_and_fro_waits_and_is_not_seen_meanwhile(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	struct device ann = stranger(world, 1, 0), bob = stranger(world, 2, 0);
	hears(world, bob, "strangers 1");
	uint64_t evaluations = counted(world, ENGINE_COUNTER_STRANGERS_EVALUATIONS);
	for (int i = 0; i < 100; i++) {
		switch_off(world, bob);
		switch_on(world, bob);
		settle(world);
	}
	assert_int_equal(counted(world, ENGINE_COUNTER_STRANGERS_EVALUATIONS), evaluations);
	assert_int_equal(counted(world, ENGINE_COUNTER_STRANGERS_SEEN), 1);
	uint32_t count;
	world_people(world, bob, &count);
	assert_int_equal(count, 0);
	check_interval(world);
	world_people(world, bob, &count);
	assert_int_equal(count, 1);
	check_interval(world);
	world_people(world, ann, &count);
	assert_int_equal(count, 1);
	switch_off(world, bob);
	jump_us(world, STRANGERS_PAUSE_US);
	switch_on(world, bob);
	world_people(world, bob, &count);
	assert_int_equal(count, 1);
	world_close(world);
}

static void who_runs_from_cell_to_cell_is_told_once_a_second(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	struct device ann = stranger(world, 1, 0);
	stranger(world, 2, 100000);
	stranger(world, 3, 200000);
	jump_us(world, STRANGERS_PAUSE_US);
	stand(world, ann, 100000);
	then_hears(world, ann, "strangers; strangers 2");
	stand(world, ann, 200000);
	then_hears(world, ann, "nothing");
	check_interval(world);
	hears(world, ann, "lost 2 far; strangers 3");
	world_close(world);
}

static void nothing_is_done_where_nothing_changes(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	for (uint64_t user = 1; user <= 10; user++)
		stranger(world, user, (double)user);
	struct device far = stranger(world, 11, 1000000);
	check_interval(world);
	uint64_t evaluations = counted(world, ENGINE_COUNTER_STRANGERS_EVALUATIONS);
	check_interval(world);
	check_interval(world);
	assert_int_equal(counted(world, ENGINE_COUNTER_STRANGERS_EVALUATIONS), evaluations);
	/* Elsewhere neither. */
	stand(world, far, 2000000);
	check_interval(world);
	assert_int_equal(counted(world, ENGINE_COUNTER_STRANGERS_EVALUATIONS), evaluations + 1);
	world_close(world);
}

static void a_paused_device_hears_what_holds_when_it_resumes(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	struct device ann = stranger(world, 1, 0), bob = stranger(world, 2, 0),
		      cid = stranger(world, 3, 0);
	check_interval(world);
	hears(world, ann, "strangers; strangers 2 3");
	pause_device(world, ann);
	switch_off(world, bob);
	switch_off(world, cid);
	stranger(world, 4, 0);
	stand(world, stranger(world, 5, 0), 300000);
	check_interval(world);
	hears(world, ann, "nothing");
	switch_on(world, cid);
	check_interval(world);
	resume_device(world, ann);
	/* Of Cid it was never said that he was away. */
	then_hears(world, ann, "lost 2 off; strangers 3 4");
	world_close(world);
}

static void strangers_and_friends_share_the_pace(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	befriend(world, 1, 9);
	struct device ann = stranger(world, 1, 0);
	struct device nat = join(world, 9);
	stand(world, nat, 0);
	stranger(world, 2, 0);
	wait_us(world, STRANGERS_CHECK_US);
	hears(world, ann, "strangers; update 9; strangers 2");
	jump_us(world, SECOND_US);
	stand(world, ann, 50);
	stand(world, nat, 1);
	flush(world, SECOND_US);
	hears(world, ann, "update 9");
	stand(world, nat, 2);
	stand(world, ann, 200000);
	flush(world, SECOND_US);
	hears(world, ann, "nothing");
	jump_us(world, SECOND_US);
	flush(world, SECOND_US);
	hears(world, ann, "lost 2 far; gone 9 far");
	world_close(world);
}

/* ---- crowds ------------------------------------------------------------------------------- */

static int by_distance(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	if (left->distance_mm != right->distance_mm)
		return left->distance_mm < right->distance_mm ? -1 : 1;
	return left->user.value < right->user.value ? -1 : left->user.value > right->user.value;
}

/* The people of a device are the nearest of users 1 .. count that stand at these places. */
static void are_the_nearest(struct world *world, struct device device,
			    const struct nearby_place *places, uint32_t count)
{
	struct entry *wanted = calloc(count, sizeof(*wanted));
	struct entry people[STRANGERS_MAX];
	struct point from = geo_point(places[device.user - 1]);
	struct geohash_cell cell =
		geohash_cell(geohash_of(shown(device.user, places[device.user - 1])), 5);
	uint32_t near = 0, told;
	for (uint64_t user = 1; user <= count; user++) {
		struct nearby_place place = shown(user, places[user - 1]);
		struct point to = geo_point(place);
		if (user == device.user ||
		    !geohash_is_near(geohash_cell(geohash_of(place), 5), cell, 5))
			continue;
		wanted[near++] = (struct entry){ .user = { user },
						 .distance_mm = geo_distance_mm(&from, &to) };
	}
	qsort(wanted, near, sizeof(*wanted), by_distance);
	const struct entry *has = world_people(world, device, &told);
	assert_int_equal(told, near < STRANGERS_MAX ? near : STRANGERS_MAX);
	for (uint32_t i = 0; i < told; i++)
		people[i] = has[i];
	qsort(people, told, sizeof(people[0]), by_distance);
	for (uint32_t i = 0; i < told; i++) {
		assert_int_equal(people[i].user.value, wanted[i].user.value);
		assert_int_equal(people[i].distance_mm, wanted[i].distance_mm);
	}
	free(wanted);
}

/* Users 1 .. count stand around the place, within `spread` degrees each way, and want strangers. */
static void gather(struct world *world, struct device *devices, struct nearby_place *places,
		   uint32_t count, struct nearby_place around, double spread)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t dice = hash_u64(i);
		double north = ((double)(dice % 10000) / 5000 - 1) * spread;
		double east = ((double)(dice / 10000 % 10000) / 5000 - 1) * spread;
		places[i] =
			at(around.lat_e7 / 1e7 + north, remainder(around.lon_e7 / 1e7 + east, 360));
		devices[i] = join(world, i + 1);
		stand_at(world, devices[i], places[i], 1700000000000);
		switch_on(world, devices[i]);
	}
	wait_us(world, STRANGERS_CHECK_US + SECOND_US);
}

static void everybody_has_the_nearest_hundred_and_no_more(void **state)
{
	(void)state;
	enum { COUNT = 400 };
	static const struct {
		struct nearby_place around;
		double spread;
	} towns[] = {
		{ { 515000000, -1000000 }, 0.03 },    { { 0, 0 }, 0.12 },
		{ { -170000000, 1800000000 }, 0.05 }, { { 899900000, 0 }, 0.009 },
		{ { 600000000, 250000000 }, 0.0001 },
	};
	for (size_t town = 0; town < ARRAY_COUNT(towns); town++) {
		struct world *world = world_open((struct world_config){
			.cores = 2, .sessions_max = COUNT, .users_max = COUNT });
		static struct device devices[COUNT];
		static struct nearby_place places[COUNT];
		gather(world, devices, places, COUNT, towns[town].around, towns[town].spread);
		for (uint32_t i = 0; i < COUNT; i++)
			are_the_nearest(world, devices[i], places, COUNT);
		world_close(world);
	}
}

static void who_comes_nearer_takes_the_place_of_the_furthest(void **state)
{
	(void)state;
	enum { COUNT = 151 };
	struct world *world = world_open((struct world_config){ .sessions_max = COUNT });
	static struct device devices[COUNT];
	static struct nearby_place places[COUNT];
	gather(world, devices, places, COUNT - 1, at(10, 10), 0.03);
	for (uint32_t i = 0; i < COUNT - 1; i++)
		are_the_nearest(world, devices[i], places, COUNT - 1);
	/* Where the first believes itself. */
	places[COUNT - 1] = places[0];
	devices[COUNT - 1] = join(world, COUNT);
	stand_at(world, devices[COUNT - 1], places[COUNT - 1], 1700000000000);
	switch_on(world, devices[COUNT - 1]);
	uint64_t lost = counted(world, ENGINE_COUNTER_STRANGERS_GONE_SENT);
	check_interval(world);
	for (uint32_t i = 0; i < COUNT; i++)
		are_the_nearest(world, devices[i], places, COUNT);
	assert_true(counted(world, ENGINE_COUNTER_STRANGERS_GONE_SENT) > lost);
	world_close(world);
}

static uint64_t first_of_people(const struct world *world, struct device device, uint32_t expected)
{
	uint32_t count;
	const struct entry *people = world_people(world, device, &count);
	assert_int_equal(count, expected);
	return people[0].user.value;
}

static void who_is_barred_or_becomes_a_friend_leaves_a_place_for_another(void **state)
{
	(void)state;
	enum { COUNT = STRANGERS_MAX + 3 };
	struct world *world = world_open((struct world_config){ .sessions_max = COUNT });
	static struct device devices[COUNT];
	static struct nearby_place places[COUNT];
	gather(world, devices, places, COUNT, at(10, 10), 0.01);
	check_interval(world);
	bar(world, devices[0].user, first_of_people(world, devices[0], STRANGERS_MAX));
	check_interval(world);
	befriend(world, devices[0].user, first_of_people(world, devices[0], STRANGERS_MAX));
	check_interval(world);
	first_of_people(world, devices[0], STRANGERS_MAX);
	world_close(world);
}

static void a_stadium_costs_each_of_its_people_no_more_than_a_town(void **state)
{
	(void)state;
	enum { COUNT = 3000, CORES = 2 };
	struct world *world = world_open(
		(struct world_config){ .cores = CORES, .sessions_max = COUNT, .users_max = COUNT });
	struct device *devices = calloc(COUNT, sizeof(*devices));
	struct nearby_place *places = calloc(COUNT, sizeof(*places));
	gather(world, devices, places, COUNT, at(48.2188, 11.6247), 0.001);
	uint64_t evaluations = counted(world, ENGINE_COUNTER_STRANGERS_EVALUATIONS);
	uint64_t looks = counted(world, ENGINE_COUNTER_STRANGERS_LOOKS);
	/* One comes: all around find out anew. */
	stand_at(world, devices[0], at(48.24, 11.6247), 1700000000001);
	places[0] = at(48.24, 11.6247);
	check_interval(world);
	check_interval(world);
	evaluations = counted(world, ENGINE_COUNTER_STRANGERS_EVALUATIONS) - evaluations;
	looks = counted(world, ENGINE_COUNTER_STRANGERS_LOOKS) - looks;
	assert_true(evaluations >= COUNT && evaluations <= 4 * COUNT);
	/* The nearest hundred and a few more, however many there are. */
	assert_true(looks <= 120 * evaluations);
	for (uint32_t i = 1; i < COUNT; i += 97)
		are_the_nearest(world, devices[i], places, COUNT);
	free(devices);
	free(places);
	world_close(world);
}

/* Of the nearest 1,024 all are friends: who is behind them is not searched for. */
static void a_search_ends_at_its_bound(void **state)
{
	(void)state;
	enum { COUNT = STRANGERS_LOOKS_MAX + 200 };
	struct world *world =
		world_open((struct world_config){ .sessions_max = COUNT, .users_max = COUNT });
	static struct device devices[COUNT];
	static struct nearby_place places[COUNT];
	for (uint64_t user = 2; user <= COUNT; user++)
		befriend(world, 1, user);
	gather(world, devices, places, COUNT, at(1, 1), 0.0001);
	uint64_t looks = counted(world, ENGINE_COUNTER_STRANGERS_LOOKS);
	jump_us(world, STRANGERS_PAUSE_US);
	switch_off(world, devices[0]);
	switch_on(world, devices[0]);
	assert_int_equal(counted(world, ENGINE_COUNTER_STRANGERS_LOOKS),
			 looks + STRANGERS_LOOKS_MAX);
	uint32_t count;
	world_people(world, devices[0], &count);
	assert_int_equal(count, 0);
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_who_want_strangers_see_each_other_and_nobody_else_does),
		cmocka_unit_test(a_stranger_is_shown_on_the_grid_without_a_name),
		cmocka_unit_test(steps_within_a_cell_of_the_grid_are_told_to_nobody),
		cmocka_unit_test(friends_are_no_strangers),
		cmocka_unit_test(who_is_barred_never_meets_whoever_of_both_it_was),
		cmocka_unit_test(each_of_many_who_are_barred_is_known),
		cmocka_unit_test(those_in_one_cell_and_in_cells_that_touch_meet),
		cmocka_unit_test(strangers_meet_over_the_antimeridian),
		cmocka_unit_test(strangers_meet_over_a_pole),
		cmocka_unit_test(who_wants_no_more_is_lost_at_once),
		cmocka_unit_test(who_is_not_heard_of_any_more_is_lost_and_sees_nobody),
		cmocka_unit_test(who_shows_nothing_to_everybody_is_lost_at_once_and_sees_nobody),
		cmocka_unit_test(no_core_sends_who_wants_no_more_whatever_it_has_heard),
		cmocka_unit_test(who_crosses_a_border_of_the_grid_is_shown_there_only_well_beyond),
		cmocka_unit_test(who_goes_to_another_cell_sees_its_people_at_once),
		cmocka_unit_test(strangers_can_be_wanted_before_the_first_location),
		cmocka_unit_test(a_user_with_two_devices_is_one_stranger_and_not_its_own),
		cmocka_unit_test(strangers_of_three_cores_meet),
		cmocka_unit_test(who_comes_and_goes_before_it_is_told_is_never_told_of),
		cmocka_unit_test(nobody_is_sent_whom_the_table_has_no_more),
		cmocka_unit_test(who_finds_no_room_while_a_core_is_slow_is_seen_later),
		cmocka_unit_test(who_switches_to_and_fro_waits_and_is_not_seen_meanwhile),
		cmocka_unit_test(who_runs_from_cell_to_cell_is_told_once_a_second),
		cmocka_unit_test(nothing_is_done_where_nothing_changes),
		cmocka_unit_test(a_paused_device_hears_what_holds_when_it_resumes),
		cmocka_unit_test(strangers_and_friends_share_the_pace),
		cmocka_unit_test(everybody_has_the_nearest_hundred_and_no_more),
		cmocka_unit_test(who_comes_nearer_takes_the_place_of_the_furthest),
		cmocka_unit_test(who_is_barred_or_becomes_a_friend_leaves_a_place_for_another),
		cmocka_unit_test(a_stadium_costs_each_of_its_people_no_more_than_a_town),
		cmocka_unit_test(a_search_ends_at_its_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
