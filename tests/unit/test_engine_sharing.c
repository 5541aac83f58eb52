/*
 * Owns: the stories of sharing: what friends see of somebody who shows less, or nothing, to all or to
 *   one of them, and what happens when that changes.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: until when a choice holds; whoever decides gives the events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>

#include <cmocka.h>

#include "base/check.h"
#include "engine/geo.h"
#include "engine/grid.h"
#include "engine/mark.h"
#include "engine_world.h"

static const uint8_t secret[GRID_SECRET_BYTES]; /* the world's: zeros */

/* Friends 1 and 2 stand side by side, and have heard of each other; 1 is the one who shares. */
struct pair {
	struct world *world;
	struct device ann, bob;
};

static struct pair two_friends(uint32_t cores)
{
	struct world *world = world_open((struct world_config){ .cores = cores });
	befriend(world, 1, 2);
	struct pair pair = { world, join(world, 1), join(world, 2) };
	stand(world, pair.ann, 0);
	stand(world, pair.bob, 100);
	settle(world);
	hears(world, pair.ann, "nearby of 0; update 2");
	hears(world, pair.bob, "nearby 1 of 1");
	return pair;
}

static bool is_in_table(struct world *world, uint64_t user)
{
	nearby_hint hint = 0;
	struct nearby_location location;
	return nearby_table_get(world_segment(world), user, &hint, &location) == 0;
}

/* Where a user who is somewhere east on the equator is shown, standing since ever. */
static struct nearby_place shown_at(uint64_t user, struct nearby_place place)
{
	return grid_place(secret, (struct user_id){ user }, place, GRID_OFFSET_OWN);
}

static struct nearby_place east(double metres)
{
	double degrees = metres / GEO_EARTH_RADIUS_M * (180 / 3.14159265358979323846);
	return (struct nearby_place){ 0, (int32_t)(degrees * 1e7) };
}

static void assert_last_place(const struct world *world, struct device device, bool is_approximate,
			      struct nearby_place from, struct nearby_place place)
{
	uint32_t count;
	const struct entry *entries = world_last_entries(world, device, &count);
	struct point here = geo_point(from), there = geo_point(place);
	assert_int_equal(count, 1);
	assert_int_equal(entries[0].is_approximate, is_approximate);
	assert_int_equal(entries[0].place.lat_e7, place.lat_e7);
	assert_int_equal(entries[0].place.lon_e7, place.lon_e7);
	assert_int_equal(entries[0].distance_mm, geo_distance_mm(&here, &there));
}

/* ---- off ---------------------------------------------------------------------------------- */

static void off_is_told_at_once_and_leaves_nothing_in_the_table(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	share(pair.world, 1, SHARING_OFF);
	assert_false(is_in_table(pair.world, 1));
	then_hears(pair.world, pair.bob, "gone 1 off");
	hears(pair.world, pair.ann, "nothing");
	world_close(pair.world);
}

static void off_holds_from_the_moment_that_the_home_core_has_it(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint64_t here = world_user_of(world, 0, 1), there = world_user_of(world, 1, 1);
	befriend(world, here, there);
	struct device ann = join(world, here), bob = join(world, there);
	stand(world, bob, 100);
	stand(world, ann, 0);
	exchange(world);
	/* The other core knows that ann has moved, and is about to say so. */
	share_at_home(world, here, SHARING_OFF);
	flush(world, 0);
	hears(world, bob, "nearby of 0");
	share(world, here, SHARING_OFF);
	then_hears(world, bob, "nothing");
	world_close(world);
}

static void who_comes_back_is_seen_where_it_was_last(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	share(pair.world, 1, SHARING_OFF);
	settle(pair.world);
	stand(pair.world, pair.ann, 50);
	share(pair.world, 1, SHARING_PRECISE);
	then_hears(pair.world, pair.bob, "gone 1 off; update 1");
	assert_last_place(pair.world, pair.bob, false, east(100), east(50));
	assert_true(is_in_table(pair.world, 1));
	world_close(pair.world);
}

static void a_location_sent_while_off_is_kept_nowhere(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	assert_true(world_has_record(pair.world));
	share(pair.world, 1, SHARING_OFF);
	then_hears(pair.world, pair.bob, "gone 1 off");
	stand(pair.world, pair.ann, 40);
	assert_false(world_has_record(pair.world));
	assert_false(is_in_table(pair.world, 1));
	then_hears(pair.world, pair.bob, "nothing");
	world_close(pair.world);
}

static void who_shows_nothing_sees_friends_all_the_same(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	befriend(world, 1, 2);
	share(world, 1, SHARING_OFF);
	struct device bob = join(world, 2);
	stand(world, bob, 0);
	then_hears(world, bob, "nearby of 0");
	struct device ann = join(world, 1);
	stand(world, ann, 0);
	then_hears(world, ann, "nearby 2 of 1");
	stand(world, bob, 20);
	then_hears(world, ann, "update 2");
	stand(world, ann, 20000);
	wait_us(world, 11 * SECOND_US);
	hears(world, ann, "gone 2 far");
	stand(world, ann, 30);
	wait_us(world, 11 * SECOND_US);
	hears(world, ann, "update 2");
	hears(world, bob, "nothing");
	subscribe(world, bob, 1);
	then_hears(world, bob, "gone 1 off");
	world_close(world);
}

static void a_hidden_viewer_is_blind_after_the_ttl_as_any(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	share(pair.world, 1, SHARING_OFF);
	then_hears(pair.world, pair.bob, "gone 1 off");
	for (int i = 0; i < 5; i++) {
		wait_us(pair.world, WORLD_TTL_US / 5);
		stand(pair.world, pair.bob, 100 + i);
		settle(pair.world);
	}
	hears(pair.world, pair.ann, "update 2; update 2; update 2; update 2; update 2");
	wait_us(pair.world, 2 * SECOND_US);
	hears(pair.world, pair.ann, "gone 2 idle");
	ask_nearby(pair.world, pair.ann, 5);
	hears(pair.world, pair.ann, "error no_location");
	stand(pair.world, pair.ann, 0);
	then_hears(pair.world, pair.ann, "update 2");
	world_close(pair.world);
}

static void what_has_expired_while_off_does_not_come_back(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	share(pair.world, 1, SHARING_OFF);
	jump_us(pair.world, WORLD_TTL_US + SECOND_US);
	share(pair.world, 1, SHARING_PRECISE);
	assert_false(is_in_table(pair.world, 1));
	wait_us(pair.world, 2 * SECOND_US);
	hears(pair.world, pair.bob, "gone 1 idle");
	world_close(pair.world);
}

static void an_absent_friend_who_shows_nothing_is_off_and_not_idle(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint64_t here = world_user_of(world, 0, 1), there = world_user_of(world, 1, 1);
	befriend(world, here, there);
	share(world, here, SHARING_OFF);
	struct device bob = join(world, there);
	stand(world, bob, 0);
	subscribe(world, bob, here);
	then_hears(world, bob, "nearby of 0; gone %u off", (unsigned)here);
	share(world, here, SHARING_PRECISE);
	subscribe(world, bob, here);
	then_hears(world, bob, "gone %u idle", (unsigned)here);
	share(world, here, SHARING_OFF);
	subscribe(world, bob, here);
	then_hears(world, bob, "gone %u off", (unsigned)here);
	world_close(world);
}

static void who_is_deleted_while_off_sees_nothing_either(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	share(pair.world, 1, SHARING_OFF);
	forget_user(pair.world, 1);
	then_hears(pair.world, pair.ann, "gone 2 idle");
	hears(pair.world, pair.bob, "gone 1 off");
	world_close(pair.world);
}

static void devices_come_and_go_while_off(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	share(pair.world, 1, SHARING_OFF);
	struct device second = join(pair.world, 1);
	stand(pair.world, second, 30);
	then_hears(pair.world, second, "nearby 2 of 1");
	leave(pair.world, second);
	/* That one sent the location, so nobody knows the phone's time of it. */
	share(pair.world, 1, SHARING_PRECISE);
	assert_false(is_in_table(pair.world, 1));
	then_hears(pair.world, pair.bob, "gone 1 off");
	stand(pair.world, pair.ann, 30);
	then_hears(pair.world, pair.bob, "update 1");
	leave(pair.world, pair.ann);
	then_hears(pair.world, pair.bob, "nothing");
	world_close(pair.world);
}

/* ---- approximate -------------------------------------------------------------------------- */

static void approximate_shows_a_place_on_the_grid(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	share(pair.world, 1, SHARING_APPROXIMATE);
	then_hears(pair.world, pair.bob, "update 1");
	assert_last_place(pair.world, pair.bob, true, east(100), shown_at(1, east(0)));
	stand(pair.world, pair.ann, 3000);
	then_hears(pair.world, pair.bob, "update 1");
	assert_last_place(pair.world, pair.bob, true, east(100), shown_at(1, east(3000)));
	assert_true(world_has_record(pair.world));
	subscribe(pair.world, pair.bob, 1);
	assert_last_place(pair.world, pair.bob, true, east(100), shown_at(1, east(3000)));
	ask_nearby(pair.world, pair.bob, 5);
	assert_last_place(pair.world, pair.bob, true, east(100), shown_at(1, east(3000)));
	share(pair.world, 1, SHARING_PRECISE);
	settle(pair.world);
	assert_last_place(pair.world, pair.bob, false, east(100), east(3000));
	world_close(pair.world);
}

static void range_is_that_of_the_place_that_is_shown(void **state)
{
	(void)state;
	for (int metres = -1200; metres <= 1200; metres += 150) {
		struct world *world = world_open((struct world_config){ 0 });
		befriend(world, 1, 2);
		share(world, 1, SHARING_APPROXIMATE);
		struct nearby_place place = east(WORLD_RADIUS_M + metres), shown = shown_at(1, place);
		struct point here = geo_point(east(0)), there = geo_point(shown);
		bool is_near = (double)geo_distance_mm(&here, &there) <= WORLD_RADIUS_M * 1000;
		struct device ann = join(world, 1), bob = join(world, 2);
		stand(world, bob, 0);
		stand(world, ann, WORLD_RADIUS_M + metres);
		then_hears(world, bob, is_near ? "nearby of 0; update 1" : "nearby of 0");
		/* The same when the viewer comes. */
		struct device second = join(world, 2);
		stand(world, second, 0);
		then_hears(world, second, is_near ? "nearby 1 of 1" : "nearby of 0");
		world_close(world);
	}
}

static void who_walks_to_and_fro_at_a_border_is_shown_in_one_cell(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	share(pair.world, 1, SHARING_APPROXIMATE);
	double border = 0;
	struct nearby_place first = shown_at(1, east(0));
	while (shown_at(1, east(border)).lon_e7 == first.lon_e7)
		border += 10;
	for (int i = 0; i < 20; i++) {
		stand(pair.world, pair.ann, border + (i % 2 == 0 ? 90 : -90));
		settle(pair.world);
		assert_last_place(pair.world, pair.bob, true, east(100), first);
	}
	stand(pair.world, pair.ann, border + 500);
	settle(pair.world);
	assert_last_place(pair.world, pair.bob, true, east(100), shown_at(1, east(border + 500)));
	world_close(pair.world);
}

/* ---- one friend --------------------------------------------------------------------------- */

static void one_friend_may_see_less_than_the_others(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	befriend(pair.world, 1, 3);
	struct device cid = join(pair.world, 3);
	stand(pair.world, cid, 0);
	then_hears(pair.world, cid, "nearby 1 of 1");
	settle(pair.world);
	share_with(pair.world, 1, 3, SHARING_APPROXIMATE);
	then_hears(pair.world, cid, "update 1");
	assert_last_place(pair.world, cid, true, east(0), shown_at(1, east(0)));
	hears(pair.world, pair.bob, "nothing");
	share_with(pair.world, 1, 3, SHARING_OFF);
	then_hears(pair.world, cid, "gone 1 off");
	stand(pair.world, pair.ann, 5);
	then_hears(pair.world, cid, "nothing");
	hears(pair.world, pair.bob, "update 1");
	assert_last_place(pair.world, pair.bob, false, east(100), east(5));
	subscribe(pair.world, cid, 1);
	hears(pair.world, cid, "gone 1 off");
	share_with(pair.world, 1, 3, SHARING_DEFAULT);
	then_hears(pair.world, cid, "update 1");
	assert_last_place(pair.world, cid, false, east(0), east(5));
	world_close(pair.world);
}

static void one_friend_may_see_what_nobody_else_does(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	befriend(pair.world, 1, 3);
	struct device cid = join(pair.world, 3);
	stand(pair.world, cid, 0);
	share(pair.world, 1, SHARING_OFF);
	then_hears(pair.world, cid, "nearby 1 of 1; gone 1 off");
	hears(pair.world, pair.bob, "gone 1 off");
	share_with(pair.world, 1, 3, SHARING_PRECISE);
	assert_true(is_in_table(pair.world, 1));
	then_hears(pair.world, cid, "update 1");
	hears(pair.world, pair.bob, "nothing");
	stand(pair.world, pair.ann, 8);
	assert_false(world_has_record(pair.world));
	then_hears(pair.world, cid, "update 1");
	hears(pair.world, pair.bob, "nothing");
	/* Who joins now is told the same. */
	struct device bob = join(pair.world, 2), second = join(pair.world, 3);
	stand(pair.world, bob, 0);
	stand(pair.world, second, 0);
	then_hears(pair.world, bob, "nearby of 0");
	hears(pair.world, second, "nearby 1 of 1");
	share_with(pair.world, 1, 3, SHARING_DEFAULT);
	assert_false(is_in_table(pair.world, 1));
	then_hears(pair.world, second, "gone 1 off");
	world_close(pair.world);
}

static void off_ends_what_single_friends_were_shown(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	share_with(pair.world, 1, 2, SHARING_APPROXIMATE);
	then_hears(pair.world, pair.bob, "update 1");
	share(pair.world, 1, SHARING_OFF);
	then_hears(pair.world, pair.bob, "gone 1 off");
	share(pair.world, 1, SHARING_PRECISE);
	then_hears(pair.world, pair.bob, "update 1");
	assert_last_place(pair.world, pair.bob, false, east(100), east(0));
	world_close(pair.world);
}

static void who_is_shown_nothing_does_not_hear_whether_there_is_something(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	share_with(pair.world, 1, 2, SHARING_OFF);
	then_hears(pair.world, pair.bob, "gone 1 off");
	jump_us(pair.world, WORLD_TTL_US + SECOND_US);
	wait_us(pair.world, 2 * SECOND_US);
	assert_false(is_in_table(pair.world, 1));
	stand(pair.world, pair.bob, 0);
	subscribe(pair.world, pair.bob, 1);
	then_hears(pair.world, pair.bob, "gone 1 off");
	world_close(pair.world);
}

static void a_friendship_that_ends_ends_its_exception(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	share_with(pair.world, 1, 2, SHARING_APPROXIMATE);
	then_hears(pair.world, pair.bob, "update 1");
	unfriend(pair.world, 1, 2);
	share_with(pair.world, 1, 2, SHARING_DEFAULT);
	befriend(pair.world, 1, 2);
	then_hears(pair.world, pair.bob, "update 1");
	assert_last_place(pair.world, pair.bob, false, east(100), east(0));
	world_close(pair.world);
}

static void a_muted_friend_stays_muted_whatever_it_shows(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	unsubscribe(pair.world, pair.bob, 1);
	share(pair.world, 1, SHARING_APPROXIMATE);
	share_with(pair.world, 1, 2, SHARING_PRECISE);
	share(pair.world, 1, SHARING_OFF);
	then_hears(pair.world, pair.bob, "nothing");
	world_close(pair.world);
}

static void a_session_that_has_no_place_yet_is_told_of_no_exception(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	befriend(world, 1, 2);
	struct device ann = join(world, 1), bob = join(world, 2);
	stand(world, ann, 0);
	share_with(world, 1, 2, SHARING_APPROXIMATE);
	then_hears(world, bob, "nothing");
	stand(world, bob, 0);
	then_hears(world, bob, "nearby 1 of 1");
	assert_last_place(world, bob, true, east(0), shown_at(1, east(0)));
	world_close(world);
}

static void other_cores_judge_by_the_same_gate(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint64_t here = world_user_of(world, 0, 1), there = world_user_of(world, 1, 1);
	befriend(world, here, there);
	struct device ann = join(world, here), bob = join(world, there);
	stand(world, ann, 0);
	stand(world, bob, 100);
	/* The second time as the home core has heard that somebody follows. */
	then_hears(world, bob, "nearby %u of 1; update %u", (unsigned)here, (unsigned)here);
	share(world, here, SHARING_APPROXIMATE);
	then_hears(world, bob, "update %u", (unsigned)here);
	assert_last_place(world, bob, true, east(100), shown_at(here, east(0)));
	share_with(world, here, there, SHARING_PRECISE);
	then_hears(world, bob, "update %u", (unsigned)here);
	assert_last_place(world, bob, false, east(100), east(0));
	share_with(world, here, there, SHARING_OFF);
	then_hears(world, bob, "gone %u off", (unsigned)here);
	share_with(world, here, there, SHARING_DEFAULT);
	then_hears(world, bob, "update %u", (unsigned)here);
	assert_last_place(world, bob, true, east(100), shown_at(here, east(0)));
	world_close(world);
}

/* ---- what outlives a session --------------------------------------------------------------- */

static void what_is_shown_outlives_the_devices_and_the_daemon(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	befriend(world, 1, 2);
	/* Left in the table by a daemon that is no more. */
	nearby_hint hint = 0;
	struct nearby_location left = { .place = east(0),
					.receipt_us = world_now_us(world),
					.mark = mark_make(SHARING_APPROXIMATE, 0, false) };
	assert_int_equal(nearby_table_put(world_segment(world), 1, &hint, &left), 0);
	struct device bob = join(world, 2);
	stand(world, bob, 100);
	then_hears(world, bob, "nearby 1 of 1");
	assert_last_place(world, bob, true, east(100), shown_at(1, east(0)));
	/* Nobody of it is connected, and it can be taken back. */
	share(world, 1, SHARING_OFF);
	assert_false(is_in_table(world, 1));
	then_hears(world, bob, "gone 1 off");
	world_close(world);
}

static void what_the_store_says_of_a_user_holds_from_its_first_device_on(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	befriend(world, 1, 2);
	nearby_hint hint = 0;
	struct nearby_location left = { .place = east(0), .receipt_us = world_now_us(world) };
	assert_int_equal(nearby_table_put(world_segment(world), 1, &hint, &left), 0);
	struct device bob = join(world, 2);
	stand(world, bob, 100);
	then_hears(world, bob, "nearby 1 of 1");
	/* The choice was made while no daemon ran. */
	share_unheard(world, 1, SHARING_OFF);
	join(world, 1);
	assert_false(is_in_table(world, 1));
	then_hears(world, bob, "gone 1 off");
	world_close(world);
}

/* ---- lists without a session ---------------------------------------------------------------- */

static uint32_t list_of(struct world *world, uint64_t user, const struct friend_info *friends,
			uint32_t count, const struct entry **entries)
{
	struct server_msg msg;
	int status = engine_list(world_engine(world, 0), world_now_us(world),
				 (struct user_id){ user }, friends, count, NULL, 10, &msg);
	if (status != 0)
		return UINT32_MAX;
	*entries = msg.nearby.entries;
	return msg.nearby.count;
}

static void a_list_without_a_session_passes_the_same_gate(void **state)
{
	(void)state;
	struct pair pair = two_friends(1);
	const struct entry *entries;
	struct friend_info ann = { .user = { 1 }, .name = "" };
	assert_int_equal(list_of(pair.world, 2, &ann, 1, &entries), 1);
	assert_false(entries[0].is_approximate);
	ann.exception = SHARING_APPROXIMATE;
	assert_int_equal(list_of(pair.world, 2, &ann, 1, &entries), 1);
	assert_true(entries[0].is_approximate);
	assert_int_equal(entries[0].place.lon_e7, shown_at(1, east(0)).lon_e7);
	ann.exception = SHARING_OFF;
	assert_int_equal(list_of(pair.world, 2, &ann, 1, &entries), 0);
	ann.exception = SHARING_DEFAULT;
	share(pair.world, 1, SHARING_OFF);
	assert_int_equal(list_of(pair.world, 2, &ann, 1, &entries), 0);
	/* Who shows nothing has a list as long as a device of it says where it is. */
	struct friend_info bob = { .user = { 2 }, .name = "" };
	assert_int_equal(list_of(pair.world, 1, &bob, 1, &entries), 1);
	leave(pair.world, pair.ann);
	assert_int_equal(list_of(pair.world, 1, &bob, 1, &entries), UINT32_MAX);
	world_close(pair.world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off_is_told_at_once_and_leaves_nothing_in_the_table),
		cmocka_unit_test(off_holds_from_the_moment_that_the_home_core_has_it),
		cmocka_unit_test(who_comes_back_is_seen_where_it_was_last),
		cmocka_unit_test(a_location_sent_while_off_is_kept_nowhere),
		cmocka_unit_test(who_shows_nothing_sees_friends_all_the_same),
		cmocka_unit_test(a_hidden_viewer_is_blind_after_the_ttl_as_any),
		cmocka_unit_test(what_has_expired_while_off_does_not_come_back),
		cmocka_unit_test(an_absent_friend_who_shows_nothing_is_off_and_not_idle),
		cmocka_unit_test(who_is_deleted_while_off_sees_nothing_either),
		cmocka_unit_test(devices_come_and_go_while_off),
		cmocka_unit_test(approximate_shows_a_place_on_the_grid),
		cmocka_unit_test(range_is_that_of_the_place_that_is_shown),
		cmocka_unit_test(who_walks_to_and_fro_at_a_border_is_shown_in_one_cell),
		cmocka_unit_test(one_friend_may_see_less_than_the_others),
		cmocka_unit_test(one_friend_may_see_what_nobody_else_does),
		cmocka_unit_test(off_ends_what_single_friends_were_shown),
		cmocka_unit_test(who_is_shown_nothing_does_not_hear_whether_there_is_something),
		cmocka_unit_test(a_friendship_that_ends_ends_its_exception),
		cmocka_unit_test(a_muted_friend_stays_muted_whatever_it_shows),
		cmocka_unit_test(a_session_that_has_no_place_yet_is_told_of_no_exception),
		cmocka_unit_test(other_cores_judge_by_the_same_gate),
		cmocka_unit_test(what_is_shown_outlives_the_devices_and_the_daemon),
		cmocka_unit_test(what_the_store_says_of_a_user_holds_from_its_first_device_on),
		cmocka_unit_test(a_list_without_a_session_passes_the_same_gate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
