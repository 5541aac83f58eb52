/*
 * Owns: the rules of who hears what, as stories.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: bytes, connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "engine_world.h"

static struct world *one_core(void)
{
	return world_open((struct world_config){ 0 });
}

/* Ann and Bob are friends and stand together; what was said so far is forgotten. */
static void ann_and_bob_meet(struct world *world, struct device *ann, struct device *bob)
{
	befriend(world, 1, 2);
	*ann = join(world, 1);
	*bob = join(world, 2);
	stand(world, *ann, 0);
	stand(world, *bob, 100);
	then_hears(world, *ann, "nearby of 0; update 2");
	then_hears(world, *bob, "nearby 1 of 1");
}

static void what_is_expected_need_not_come(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct engine *engine = world_engine(world, 0);
	struct session_id never = { 7, 3 }, nonsense = { UINT32_MAX, UINT32_MAX };
	engine_expect(engine, never);
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	struct device gone = join(world, 3);
	leave(world, gone);
	for (uint32_t i = 0; i < 50; i++) {
		engine_expect(engine, ann.session);
		engine_expect(engine, gone.session);
		engine_expect(engine, never);
		engine_expect(engine, nonsense);
	}
	const struct mesh_msg msgs[] = { { .user = 1 }, { .user = 99 }, { .user = 3 }, { .user = 2 } };
	for (uint32_t far = 0; far < ARRAY_COUNT(msgs) + ENGINE_EXPECT_AHEAD; far++)
		engine_expect_messages(engine, msgs, ARRAY_COUNT(msgs), far);
	stand(world, bob, 200);
	then_hears(world, ann, "update 2");
	then_hears(world, bob, "nothing");
	world_close(world);
}

/* ---- locations ---------------------------------------------------------------------------- */

static void the_first_location_is_answered_by_who_is_near(void **state)
{
	(void)state;
	struct world *world = one_core();
	befriend(world, 1, 2);
	struct device ann = join(world, 1), bob = join(world, 2);
	stand(world, ann, 0);
	then_hears(world, ann, "nearby of 0");
	stand(world, bob, 1000);
	then_hears(world, bob, "nearby 1 of 1");
	hears(world, ann, "update 2");
	stand(world, bob, 1100);
	then_hears(world, bob, "nothing");
	hears(world, ann, "update 2");
	world_close(world);
}

static void a_friend_who_walks_off_is_gone_and_comes_back(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	stand(world, bob, 9000);
	then_hears(world, ann, "gone 2 far");
	hears(world, bob, "gone 1 far");
	stand(world, bob, 9500);
	then_hears(world, ann, "nothing");
	stand(world, bob, 8000);
	then_hears(world, ann, "update 2");
	hears(world, bob, "update 1");
	world_close(world);
}

static void who_became_active_while_nobody_followed_is_found_later(void **state)
{
	(void)state;
	struct world *world = one_core();
	befriend(world, 1, 2);
	struct device ann = join(world, 1), bob = join(world, 2);
	stand(world, ann, 0);
	stand(world, ann, 1000);
	then_hears(world, ann, "nearby of 0");
	leave(world, ann);
	stand(world, bob, 0);
	then_hears(world, bob, "nearby 1 of 1");
	ann = join(world, 1);
	stand(world, ann, 30000);
	then_hears(world, ann, "nearby of 0");
	stand(world, ann, 0);
	then_hears(world, ann, "update 2");
	world_close(world);
}

static void the_radius_ends_where_it_is_said_to_end(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	/* Places are 11 mm apart. */
	stand(world, bob, WORLD_RADIUS_M - 0.02);
	then_hears(world, ann, "update 2");
	stand(world, bob, WORLD_RADIUS_M + 0.02);
	then_hears(world, ann, "gone 2 far");
	world_close(world);
}

static void strangers_at_the_same_place_hear_nothing_of_each_other(void **state)
{
	(void)state;
	struct world *world = one_core();
	befriend(world, 1, 2);
	befriend(world, 2, 3);
	struct device ann = join(world, 1), cid = join(world, 3);
	stand(world, ann, 0);
	stand(world, cid, 0);
	then_hears(world, ann, "nearby of 0");
	hears(world, cid, "nearby of 0");
	world_close(world);
}

static void nobody_hears_anything_before_the_own_first_location(void **state)
{
	(void)state;
	struct world *world = one_core();
	befriend(world, 1, 2);
	struct device ann = join(world, 1), bob = join(world, 2);
	stand(world, bob, 0);
	then_hears(world, ann, "nothing");
	ask_nearby(world, ann, 20);
	hears(world, ann, "error no_location");
	subscribe(world, ann, 2);
	hears(world, ann, "error no_location");
	stand(world, ann, 0);
	hears(world, ann, "nearby 2 of 1");
	world_close(world);
}

static void moves_before_a_frame_goes_out_become_one_update_with_the_last_place(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	stand(world, bob, 300);
	stand(world, bob, 200);
	stand(world, bob, 5000);
	then_hears(world, ann, "update 2");
	uint32_t count;
	const struct entry *entry = world_last_entries(world, ann, &count);
	assert_true(entry->distance_mm > 4999900 && entry->distance_mm < 5000100);
	assert_int_equal(entry->receipt_us, world_now_us(world));
	world_close(world);
}

static void a_move_that_is_taken_back_before_the_flush_is_never_told(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	stand(world, bob, 9000);
	then_hears(world, ann, "gone 2 far");
	stand(world, bob, 8000);
	stand(world, bob, 9000);
	then_hears(world, ann, "nothing");
	world_close(world);
}

static void a_location_from_the_past_or_the_future_is_refused(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	int64_t now_ms = INT64_C(1700000000000) + (int64_t)(world_now_us(world) / 1000);
	struct nearby_place far = { 0, 900000000 };
	stand_at(world, bob, far, now_ms - 1);
	hears(world, bob, "error stale");
	stand_at(world, bob, far, now_ms + 60001);
	hears(world, bob, "error bad_time");
	stand_at(world, bob, far, INT64_MAX);
	hears(world, bob, "error bad_time");
	stand_at(world, bob, far, INT64_MIN);
	hears(world, bob, "error stale");
	then_hears(world, ann, "nothing");
	stand_at(world, bob, (struct nearby_place){ 1, 1 }, now_ms + 60000);
	then_hears(world, ann, "update 2");
	stand_at(world, bob, (struct nearby_place){ 2, 2 }, now_ms + 60000);
	then_hears(world, ann, "update 2");
	/* The clock of one device binds no other, and a first ts may be any that is past. */
	struct device watch = join(world, 2);
	stand_at(world, watch, (struct nearby_place){ 3, 3 }, INT64_MIN);
	then_hears(world, ann, "update 2");
	struct device tablet = join(world, 2);
	stand_at(world, tablet, far, now_ms - 1000);
	then_hears(world, ann, "gone 2 far");
	assert_int_equal(world_counter(world, ENGINE_COUNTER_LOCATIONS_STALE), 2);
	assert_int_equal(world_counter(world, ENGINE_COUNTER_LOCATIONS_BAD_TIME), 2);
	world_close(world);
}

static void who_leaves_is_seen_where_it_was_last(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	leave(world, bob);
	then_hears(world, ann, "nothing");
	ask_nearby(world, ann, 20);
	hears(world, ann, "nearby 2 of 1");
	world_close(world);
}

/* ---- the list ----------------------------------------------------------------------------- */

static void an_entry_says_whether_the_friend_moved_or_the_viewer(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	uint32_t count;
	jump_us(world, SECOND_US);
	stand(world, bob, 200);
	then_hears(world, ann, "update 2");
	assert_true(world_last_entries(world, ann, &count)->is_move);
	stand(world, ann, -9000);
	then_hears(world, ann, "gone 2 far");
	jump_us(world, SECOND_US);
	stand(world, ann, 0);
	then_hears(world, ann, "update 2");
	assert_false(world_last_entries(world, ann, &count)->is_move);
	world_close(world);
}

static void pages_are_nearest_first_and_end_exactly(void **state)
{
	(void)state;
	struct world *world = one_core();
	static const double east_m[] = { 400, 100, 300, -100, 200, 9000 };
	for (uint64_t i = 0; i < ARRAY_COUNT(east_m); i++)
		befriend(world, 1, 2 + i);
	for (uint64_t i = 0; i < ARRAY_COUNT(east_m); i++) {
		struct device friend = join(world, 2 + i);
		stand(world, friend, east_m[i]);
	}
	struct device ann = join(world, 1);
	stand(world, ann, 0);
	hears(world, ann, "nearby 3 5 6 4 2 of 5");
	ask_nearby(world, ann, 1);
	hears(world, ann, "nearby 3 of 5 more");
	ask_more(world, ann, 1);
	hears(world, ann, "nearby 5 of 5 more");
	ask_more(world, ann, 3);
	hears(world, ann, "nearby 6 4 2 of 5");
	world_close(world);
}

static void what_a_page_showed_is_known_to_the_client_and_the_rest_is_not(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	befriend(world, 1, 3);
	struct device cid = join(world, 3);
	stand(world, cid, 200);
	stand(world, bob, 50);
	/* Both are new to Ann; the page shows the nearer one, the update the other. */
	ask_nearby(world, ann, 1);
	hears(world, ann, "nearby 2 of 2 more");
	then_hears(world, ann, "update 3");
	stand(world, bob, 9000);
	stand(world, cid, 9000);
	then_hears(world, ann, "gone 2 far 3 far");
	world_close(world);
}

static void a_friend_shown_by_a_page_only_is_taken_back_when_it_goes(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	pause_device(world, ann);
	stand(world, bob, 9000);
	stand(world, bob, 100);
	ask_nearby(world, ann, 20);
	stand(world, bob, 9000);
	resume_device(world, ann);
	then_hears(world, ann, "nearby 2 of 1; gone 2 far");
	world_close(world);
}

static void a_list_without_a_session_is_judged_from_the_table(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	struct friend_info friends[] = {
		{ .user = { 2 }, .name = "Bob", .name_length = 3 },
		{ .user = { 3 }, .name = "Cid", .name_length = 3 },
	};
	struct server_msg msg;
	leave(world, ann);
	assert_int_equal(engine_list(world_engine(world, 0), world_now_us(world),
				     (struct user_id){ 1 }, friends, 2, NULL, 20, &msg),
			 0);
	assert_int_equal(msg.nearby.total, 1);
	assert_int_equal(msg.nearby.entries[0].user.value, 2);
	assert_memory_equal(msg.nearby.entries[0].name, "Bob", 3);
	assert_int_equal(engine_list(world_engine(world, 0), world_now_us(world),
				     (struct user_id){ 3 }, friends, 1, NULL, 20, &msg),
			 -ENOENT);
	world_close(world);
}

/* ---- follow and mute ---------------------------------------------------------------------- */

static void a_muted_friend_is_silent_until_followed_again(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	unsubscribe(world, ann, 2);
	stand(world, bob, 200);
	then_hears(world, ann, "nothing");
	ask_nearby(world, ann, 20);
	hears(world, ann, "nearby of 0");
	stand(world, bob, 9000);
	then_hears(world, ann, "nothing");
	subscribe(world, ann, 2);
	hears(world, ann, "gone 2 far");
	stand(world, bob, 300);
	then_hears(world, ann, "update 2");
	unsubscribe(world, ann, 2);
	subscribe(world, ann, 2);
	hears(world, ann, "update 2");
	stand(world, bob, 9000);
	then_hears(world, ann, "gone 2 far");
	world_close(world);
}

static void following_tells_why_a_friend_is_not_there(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	befriend(world, 1, 3);
	subscribe(world, ann, 3);
	hears(world, ann, "gone 3 idle");
	subscribe(world, ann, 4);
	hears(world, ann, "error not_friend");
	unsubscribe(world, ann, 4);
	hears(world, ann, "error not_friend");
	world_close(world);
}

/* ---- friendship --------------------------------------------------------------------------- */

static void a_new_friendship_shows_both_at_once(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann = join(world, 1), bob = join(world, 2);
	stand(world, ann, 0);
	stand(world, bob, 0);
	then_hears(world, ann, "nearby of 0");
	befriend(world, 1, 2);
	then_hears(world, ann, "update 2");
	hears(world, bob, "nearby of 0; update 1");
	befriend(world, 1, 2);
	then_hears(world, ann, "nothing");
	world_close(world);
}

static void an_unfriended_one_is_gone_and_never_heard_of_again(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	unfriend(world, 1, 2);
	then_hears(world, ann, "gone 2 unfriended");
	hears(world, bob, "gone 1 unfriended");
	stand(world, bob, 200);
	then_hears(world, ann, "nothing");
	subscribe(world, ann, 2);
	hears(world, ann, "error not_friend");
	unfriend(world, 1, 2);
	then_hears(world, ann, "nothing");
	world_close(world);
}

static void a_slow_reader_never_gets_the_place_of_who_unfriended_meanwhile(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	pause_device(world, ann);
	stand(world, bob, 300);
	unfriend(world, 1, 2);
	ask_nearby(world, ann, 20);
	hears(world, ann, "nearby of 0");
	subscribe(world, ann, 2);
	hears(world, ann, "error not_friend");
	resume_device(world, ann);
	then_hears(world, ann, "gone 2 unfriended");
	world_close(world);
}

static void who_is_befriended_again_before_the_goodbye_is_simply_there(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	unfriend(world, 1, 2);
	befriend(world, 1, 2);
	then_hears(world, ann, "update 2");
	stand(world, bob, 200);
	then_hears(world, ann, "update 2");
	world_close(world);
}

static void a_user_who_is_deleted_is_seen_by_nobody_and_sees_nobody(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	forget_user(world, 2);
	then_hears(world, ann, "gone 2 idle");
	hears(world, bob, "gone 1 idle");
	ask_nearby(world, bob, 20);
	hears(world, bob, "error no_location");
	forget_user(world, 2);
	then_hears(world, ann, "nothing");
	stand(world, bob, 0);
	then_hears(world, ann, "update 2");
	hears(world, bob, "update 1");
	world_close(world);
}

static void a_new_name_is_told_to_those_who_are_near(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	uint32_t count;
	const struct entry *entry = world_last_entries(world, ann, &count);
	assert_int_equal(entry->name_length, strlen("user 2"));
	assert_memory_equal(entry->name, "user 2", strlen("user 2"));
	rename_user(world, 2, "Robert");
	then_hears(world, ann, "update 2");
	entry = world_last_entries(world, ann, &count);
	assert_int_equal(entry->name_length, strlen("Robert"));
	assert_memory_equal(entry->name, "Robert", strlen("Robert"));
	rename_user(world, 2, "");
	then_hears(world, ann, "update 2");
	assert_int_equal(world_last_entries(world, ann, &count)->name_length, 0);
	stand(world, bob, 9000);
	then_hears(world, ann, "gone 2 far");
	rename_user(world, 2, "Bob");
	then_hears(world, ann, "nothing");
	world_close(world);
}

/* ---- several devices ---------------------------------------------------------------------- */

static void each_device_is_told_what_it_has_not_heard(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device phone, bob;
	ann_and_bob_meet(world, &phone, &bob);
	struct device tablet = join(world, 1);
	stand(world, bob, 200);
	then_hears(world, phone, "update 2");
	hears(world, tablet, "nothing");
	stand(world, tablet, 0);
	then_hears(world, tablet, "nearby 2 of 1");
	unsubscribe(world, phone, 2);
	stand(world, bob, 300);
	then_hears(world, tablet, "update 2");
	hears(world, phone, "nothing");
	leave(world, phone);
	stand(world, bob, 9000);
	then_hears(world, tablet, "gone 2 far");
	world_close(world);
}

static void the_last_location_of_any_device_is_where_all_look_from(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device phone, bob;
	ann_and_bob_meet(world, &phone, &bob);
	struct device tablet = join(world, 1);
	stand(world, tablet, 20000);
	then_hears(world, tablet, "nearby of 0");
	hears(world, phone, "gone 2 far");
	hears(world, bob, "gone 1 far");
	stand(world, phone, 0);
	then_hears(world, tablet, "update 2");
	hears(world, phone, "update 2");
	hears(world, bob, "update 1");
	world_close(world);
}

static void a_device_that_leaves_takes_along_what_it_was_to_hear(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	stand(world, bob, 200);
	leave(world, ann);
	struct device next = join(world, 1);
	assert_int_equal(next.session.slot, ann.session.slot);
	then_hears(world, next, "nothing");
	world_close(world);
}

static void many_devices_of_one_user_come_and_go(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob, devices[50];
	ann_and_bob_meet(world, &ann, &bob);
	for (uint32_t i = 0; i < ARRAY_COUNT(devices); i++) {
		devices[i] = join(world, 1);
		stand(world, devices[i], 0);
		hears(world, devices[i], "nearby 2 of 1");
	}
	struct session_id sessions[60];
	assert_int_equal(engine_session_count(world_engine(world, 0), (struct user_id){ 1 }), 51);
	assert_int_equal(
		engine_sessions(world_engine(world, 0), (struct user_id){ 1 }, sessions, 60), 51);
	assert_int_equal(
		engine_sessions(world_engine(world, 0), (struct user_id){ 1 }, sessions, 3), 3);
	for (uint32_t i = 0; i < ARRAY_COUNT(devices); i += 2)
		leave(world, devices[i]);
	unfriend(world, 1, 2);
	for (uint32_t i = 1; i < ARRAY_COUNT(devices); i += 2)
		then_hears(world, devices[i], "gone 2 unfriended");
	world_close(world);
}

static void an_id_of_a_session_that_is_gone_names_nothing(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device old = join(world, 1);
	leave(world, old);
	struct device fresh = join(world, 1);
	assert_int_equal(fresh.session.slot, old.session.slot);
	struct engine_out out;
	struct event event = { .type = EVENT_PAUSE, .now_us = world_now_us(world) };
	event.session = old.session;
	assert_int_equal(engine_step(world_engine(world, 0), &event, &out), -ESTALE);
	event.session = (struct session_id){ UINT32_MAX, 1 };
	assert_int_equal(engine_step(world_engine(world, 0), &event, &out), -ESTALE);
	event.session = fresh.session;
	assert_int_equal(engine_step(world_engine(world, 0), &event, &out), 0);
	world_close(world);
}

/* ---- frames ------------------------------------------------------------------------------- */

enum { CROWD = 300 };

/* Ann stands with a crowd of friends around her. */
static struct device ann_in_a_crowd(struct world *world, struct device crowd[CROWD])
{
	for (uint32_t i = 0; i < CROWD; i++)
		befriend(world, 1, 2 + i);
	struct device ann = join(world, 1);
	stand(world, ann, 0);
	hears(world, ann, "nearby of 0");
	for (uint32_t i = 0; i < CROWD; i++) {
		crowd[i] = join(world, 2 + i);
		stand(world, crowd[i], i);
	}
	return ann;
}

/* The frames for one device, all of one type; what others get is not looked at. */
static uint32_t drain_frames(struct world *world, struct device device, enum server_msg_type type,
			     uint32_t *entries)
{
	struct session_id session;
	struct server_msg msg;
	uint32_t frames = 0;
	*entries = 0;
	while (engine_flush(world_engine(world, 0), world_now_us(world), 0, &session, &msg)) {
		if (session.slot != device.session.slot)
			continue;
		assert_int_equal(msg.type, type);
		uint32_t count = type == SERVER_GONE ? msg.gone.count : msg.update.count;
		assert_in_range(count, 1, FRAME_ENTRIES_MAX);
		*entries += count;
		frames++;
	}
	return frames;
}

static void a_crowd_takes_several_frames_and_nobody_is_left_out(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .sessions_max = CROWD + 1 });
	struct device crowd[CROWD];
	struct device ann = ann_in_a_crowd(world, crowd);
	uint32_t entries;
	assert_int_equal(drain_frames(world, ann, SERVER_UPDATE, &entries), 3);
	assert_int_equal(entries, CROWD);
	for (uint32_t i = 0; i < CROWD; i++)
		stand(world, crowd[i], 9000 + i);
	assert_int_equal(drain_frames(world, ann, SERVER_GONE, &entries), 3);
	assert_int_equal(entries, CROWD);
	world_close(world);
}

static void who_hears_next_is_known_before(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .sessions_max = CROWD + 1 });
	struct device crowd[CROWD];
	uint32_t slots[4];
	assert_int_equal(engine_next_frames(world_engine(world, 0), slots, 4), 0);
	struct device ann = ann_in_a_crowd(world, crowd);
	uint32_t entries;
	drain_frames(world, ann, SERVER_UPDATE, &entries);
	/* Now all of them hear of her. */
	stand(world, ann, 1);
	struct session_id session;
	struct server_msg msg;
	for (int frame = 0; frame < 10; frame++) {
		assert_int_equal(engine_next_frames(world_engine(world, 0), slots, 4), 4);
		assert_true(engine_flush(world_engine(world, 0), world_now_us(world), 0, &session, &msg));
		assert_int_equal(session.slot, slots[0]);
	}
	world_close(world);
}

static void a_crowd_that_never_stands_still_keeps_nobody_from_being_told(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .sessions_max = CROWD + 1 });
	struct device crowd[CROWD];
	struct device ann = ann_in_a_crowd(world, crowd);
	bool is_told[2 + CROWD] = { false };
	uint32_t told = 0;
	/* A frame holds 128 of 300, and those who were just told of have moved again by the next. */
	for (uint32_t frame = 0; frame < 3; frame++) {
		jump_us(world, SECOND_US);
		struct session_id session = { UINT32_MAX, 0 };
		struct server_msg msg;
		while (session.slot != ann.session.slot)
			assert_true(engine_flush(world_engine(world, 0), world_now_us(world),
						 SECOND_US, &session, &msg));
		for (uint32_t i = 0; i < msg.update.count; i++) {
			uint64_t user = msg.update.entries[i].user.value;
			told += !is_told[user];
			is_told[user] = true;
		}
		for (uint32_t i = 0; i < CROWD; i++)
			if (is_told[2 + i])
				stand(world, crowd[i], i + 1);
	}
	assert_int_equal(told, CROWD);
	world_close(world);
}

static void the_gone_go_first_and_hold_up_nobody(void **state)
{
	(void)state;
	struct world *world = one_core();
	struct device ann, bob;
	ann_and_bob_meet(world, &ann, &bob);
	befriend(world, 1, 3);
	struct device cid = join(world, 3);
	stand(world, cid, 0);
	stand(world, bob, 9000);
	jump_us(world, SECOND_US);
	/* One turn, although a frame every second is all there may be. */
	flush(world, SECOND_US);
	hears(world, ann, "gone 2 far; update 3");
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_expected_need_not_come),
		cmocka_unit_test(the_first_location_is_answered_by_who_is_near),
		cmocka_unit_test(a_friend_who_walks_off_is_gone_and_comes_back),
		cmocka_unit_test(who_became_active_while_nobody_followed_is_found_later),
		cmocka_unit_test(the_radius_ends_where_it_is_said_to_end),
		cmocka_unit_test(strangers_at_the_same_place_hear_nothing_of_each_other),
		cmocka_unit_test(nobody_hears_anything_before_the_own_first_location),
		cmocka_unit_test(
			moves_before_a_frame_goes_out_become_one_update_with_the_last_place),
		cmocka_unit_test(a_move_that_is_taken_back_before_the_flush_is_never_told),
		cmocka_unit_test(a_location_from_the_past_or_the_future_is_refused),
		cmocka_unit_test(who_leaves_is_seen_where_it_was_last),
		cmocka_unit_test(an_entry_says_whether_the_friend_moved_or_the_viewer),
		cmocka_unit_test(pages_are_nearest_first_and_end_exactly),
		cmocka_unit_test(what_a_page_showed_is_known_to_the_client_and_the_rest_is_not),
		cmocka_unit_test(a_friend_shown_by_a_page_only_is_taken_back_when_it_goes),
		cmocka_unit_test(a_list_without_a_session_is_judged_from_the_table),
		cmocka_unit_test(a_muted_friend_is_silent_until_followed_again),
		cmocka_unit_test(following_tells_why_a_friend_is_not_there),
		cmocka_unit_test(a_new_friendship_shows_both_at_once),
		cmocka_unit_test(an_unfriended_one_is_gone_and_never_heard_of_again),
		cmocka_unit_test(a_slow_reader_never_gets_the_place_of_who_unfriended_meanwhile),
		cmocka_unit_test(who_is_befriended_again_before_the_goodbye_is_simply_there),
		cmocka_unit_test(a_user_who_is_deleted_is_seen_by_nobody_and_sees_nobody),
		cmocka_unit_test(a_new_name_is_told_to_those_who_are_near),
		cmocka_unit_test(each_device_is_told_what_it_has_not_heard),
		cmocka_unit_test(the_last_location_of_any_device_is_where_all_look_from),
		cmocka_unit_test(a_device_that_leaves_takes_along_what_it_was_to_hear),
		cmocka_unit_test(many_devices_of_one_user_come_and_go),
		cmocka_unit_test(an_id_of_a_session_that_is_gone_names_nothing),
		cmocka_unit_test(a_crowd_takes_several_frames_and_nobody_is_left_out),
		cmocka_unit_test(who_hears_next_is_known_before),
		cmocka_unit_test(a_crowd_that_never_stands_still_keeps_nobody_from_being_told),
		cmocka_unit_test(the_gone_go_first_and_hold_up_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
