/*
 * Owns: what store.h promises to its clients while the disk works.
 * Invariant: none of its own.
 * Thread: one client, save where a test starts more.
 * Does not know: files and tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>

#include "store_fixture.h"

static struct fixture fixture;

static int setup(void **state)
{
	(void)state;
	fixture_init(&fixture);
	fixture_open(&fixture);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_fini(&fixture);
	return 0;
}

/* ---- users and friends ---------------------------------------------------------------------- */

static void put_name(uint64_t user, const char *name)
{
	struct store_user line = { .user = { user }, .has_name = true };
	line.profile.name_length = (uint32_t)strlen(name);
	memcpy(line.profile.name, name, strlen(name));
	struct store_request request = { .op = STORE_USERS_PUT, .users = &line, .user_count = 1 };
	assert_int_equal(fixture_ask(&fixture, &request), 0);
}

static struct store_request load(uint64_t user)
{
	struct store_request request = { .op = STORE_LOAD, .user = { user } };
	assert_int_equal(fixture_ask(&fixture, &request), 0);
	return request;
}

static uint32_t friend_count(uint64_t user)
{
	struct store_request request = load(user);
	uint32_t count = request.friend_count;
	assert_int_equal(count, request.friend_total);
	store_request_fini(&request);
	return count;
}

static void a_user_that_is_loaded_for_the_first_time_is_created_empty(void **state)
{
	(void)state;
	struct store_request get = { .op = STORE_USER_GET, .user = { 42 } };
	assert_int_equal(fixture_ask(&fixture, &get), -ENOENT);
	struct store_request first = load(42);
	assert_true(first.created);
	assert_int_equal(first.profile.name_length, 0);
	assert_int_equal(first.friend_count, 0);
	assert_false(load(42).created);
	assert_int_equal(fixture_ask(&fixture, &get), 0);
}

static void a_profile_changes_only_where_it_is_told(void **state)
{
	(void)state;
	struct store_user user = { .user = { 7 }, .has_name = true, .has_picture = true };
	strcpy(user.profile.name, "Ann");
	user.profile.name_length = 3;
	memset(user.profile.picture, 'p', STORE_PICTURE_BYTES_MAX);
	user.profile.picture_length = STORE_PICTURE_BYTES_MAX;
	struct store_request put = { .op = STORE_USERS_PUT, .users = &user, .user_count = 1 };
	assert_int_equal(fixture_ask(&fixture, &put), 0);
	assert_true(user.created);

	put_name(7, "Anna");
	struct store_request get = { .op = STORE_USER_GET, .user = { 7 } };
	assert_int_equal(fixture_ask(&fixture, &get), 0);
	assert_int_equal(get.profile.name_length, 4);
	assert_memory_equal(get.profile.name, "Anna", 4);
	assert_int_equal(get.profile.picture_length, STORE_PICTURE_BYTES_MAX);
	assert_memory_equal(get.profile.picture, user.profile.picture, STORE_PICTURE_BYTES_MAX);
}

static void friendship_holds_both_ways_and_creates_whom_it_needs(void **state)
{
	(void)state;
	put_name(2, "Bob");
	assert_int_equal(fixture_befriend(&fixture, STORE_FRIENDS_PUT, 1, 2), STORE_PAIR_ADDED);
	assert_int_equal(fixture_befriend(&fixture, STORE_FRIENDS_PUT, 2, 1), STORE_PAIR_PRESENT);
	assert_int_equal(fixture_befriend(&fixture, STORE_FRIENDS_PUT, 5, 5), STORE_PAIR_SELF);

	struct store_request one = load(1);
	assert_false(one.created);
	assert_int_equal(one.friend_count, 1);
	assert_int_equal(one.friends[0].user.value, 2);
	assert_int_equal(one.friends[0].name_length, 3);
	assert_memory_equal(one.names + one.friends[0].name_offset, "Bob", 3);
	store_request_fini(&one);
	assert_int_equal(friend_count(2), 1);

	assert_int_equal(fixture_befriend(&fixture, STORE_FRIENDS_DELETE, 2, 1), STORE_PAIR_ADDED);
	assert_int_equal(fixture_befriend(&fixture, STORE_FRIENDS_DELETE, 1, 2),
			 STORE_PAIR_PRESENT);
	assert_int_equal(friend_count(1), 0);
	assert_int_equal(friend_count(2), 0);
	fixture_check(&fixture);
}

static void assert_friend_named(uint64_t user, const char *name)
{
	struct store_request one = load(user);
	assert_int_equal(one.friend_count, 1);
	assert_int_equal(one.friends[0].name_length, strlen(name));
	assert_memory_equal(one.names + one.friends[0].name_offset, name, strlen(name));
	store_request_fini(&one);
}

static void a_friends_name_is_the_last_that_was_given(void **state)
{
	(void)state;
	fixture_befriend(&fixture, STORE_FRIENDS_PUT, 1, 2);
	assert_friend_named(1, "");
	put_name(2, "Bob");
	assert_friend_named(1, "Bob");
	assert_friend_named(1, "Bob");
	put_name(2, "A name too long to be kept at hand by the store");
	assert_friend_named(1, "A name too long to be kept at hand by the store");
	put_name(2, "Bo");
	assert_friend_named(1, "Bo");
	struct store_request erase = { .op = STORE_USER_DELETE, .user = { 2 } };
	assert_int_equal(fixture_ask(&fixture, &erase), 0);
	store_request_fini(&erase);
	fixture_befriend(&fixture, STORE_FRIENDS_PUT, 1, 2);
	assert_friend_named(1, "");
}

static void a_new_friendship_gives_back_both_names(void **state)
{
	(void)state;
	put_name(2, "Bob");
	put_name(3, "Eva Maria");
	struct store_pair pairs[] = { { .a = { 2 }, .b = { 3 } }, { .a = { 3 }, .b = { 4 } } };
	struct store_request put = { .op = STORE_FRIENDS_PUT, .pairs = pairs, .pair_count = 2 };
	assert_int_equal(fixture_ask(&fixture, &put), 0);
	assert_int_equal(pairs[0].a_name_length, 3);
	assert_memory_equal(put.names + pairs[0].a_name_offset, "Bob", 3);
	assert_int_equal(pairs[0].b_name_length, 9);
	assert_memory_equal(put.names + pairs[0].b_name_offset, "Eva Maria", 9);
	assert_int_equal(pairs[1].a_name_length, 9);
	assert_memory_equal(put.names + pairs[1].a_name_offset, "Eva Maria", 9);
	assert_int_equal(pairs[1].b_name_length, 0);
	store_request_fini(&put);
}

static void nobody_has_more_friends_than_allowed(void **state)
{
	(void)state;
	store_close(&fixture.store);
	fixture.config.friends_max = 3;
	fixture_open(&fixture);
	for (uint64_t friend = 1; friend <= 3; friend ++)
		assert_int_equal(fixture_befriend(&fixture, STORE_FRIENDS_PUT, 100, friend),
				 STORE_PAIR_ADDED);
	assert_int_equal(fixture_befriend(&fixture, STORE_FRIENDS_PUT, 100, 4), STORE_PAIR_LIMIT);
	assert_int_equal(fixture_befriend(&fixture, STORE_FRIENDS_PUT, 4, 100), STORE_PAIR_LIMIT);
	assert_int_equal(fixture_befriend(&fixture, STORE_FRIENDS_PUT, 100, 2), STORE_PAIR_PRESENT);
	assert_int_equal(friend_count(100), 3);
	assert_int_equal(friend_count(4), 0);
}

static void friends_come_in_pages_in_order_of_id(void **state)
{
	(void)state;
	for (uint64_t friend = 10; friend > 0; friend --)
		fixture_befriend(&fixture, STORE_FRIENDS_PUT, 1000, friend * 300);
	struct store_request page = { .op = STORE_FRIENDS_GET, .user = { 1000 }, .limit = 4 };
	uint64_t expected = 300;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fixture_ask(&fixture, &page), 0);
		assert_int_equal(page.friend_total, 10);
		assert_int_equal(page.friend_count, i < 2 ? 4 : 2);
		for (uint32_t k = 0; k < page.friend_count; k++, expected += 300)
			assert_int_equal(page.friends[k].user.value, expected);
		page.has_after = true;
		page.after = page.friends[page.friend_count - 1].user;
	}
	assert_int_equal(fixture_ask(&fixture, &page), 0);
	assert_int_equal(page.friend_count, 0);
	page.after.value = USER_ID_MAX;
	assert_int_equal(fixture_ask(&fixture, &page), 0);
	assert_int_equal(page.friend_count, 0);
	page.user.value = 12345;
	assert_int_equal(fixture_ask(&fixture, &page), 0);
	assert_int_equal(page.friend_total, 0);
	store_request_fini(&page);
}

static void the_greatest_and_the_least_user_are_users_like_others(void **state)
{
	(void)state;
	assert_int_equal(fixture_befriend(&fixture, STORE_FRIENDS_PUT, 0, USER_ID_MAX),
			 STORE_PAIR_ADDED);
	struct store_request request = load(0);
	assert_int_equal(request.friends[0].user.value, USER_ID_MAX);
	store_request_fini(&request);
	assert_true(fixture_append(&fixture, USER_ID_MAX, 5, 1, 2));
	assert_true(fixture_append(&fixture, 0, 6, 3, 4));
	assert_int_equal(fixture_flush(&fixture), 0);
	struct points points = fixture_user_history(&fixture, USER_ID_MAX, 0, 10);
	assert_int_equal(points.count, 1);
	free(points.list);
	fixture_check(&fixture);
}

static void a_deleted_user_leaves_neither_friends_nor_history(void **state)
{
	(void)state;
	for (uint64_t friend = 1; friend <= 500; friend ++)
		fixture_befriend(&fixture, STORE_FRIENDS_PUT, 1000, friend);
	fixture_befriend(&fixture, STORE_FRIENDS_PUT, 1, 2);
	for (int64_t ts = 0; ts < 10; ts++)
		fixture_append(&fixture, 1000 + (uint64_t)(ts % 2), ts, 1, 1);

	struct store_request request = { .op = STORE_USER_DELETE, .user = { 1000 } };
	assert_int_equal(fixture_ask(&fixture, &request), 0);
	assert_int_equal(request.friend_count, 500);
	store_request_fini(&request);
	assert_int_equal(fixture_ask(&fixture, &request), -ENOENT);
	store_request_fini(&request);

	assert_int_equal(friend_count(1), 1);
	assert_int_equal(friend_count(3), 0);
	struct points points = fixture_user_history(&fixture, 1000, 0, 100);
	assert_int_equal(points.count, 0);
	free(points.list);
	points = fixture_export(&fixture, 0, 100);
	assert_int_equal(points.count, 5);
	free(points.list);

	/* Who comes again under the same id begins anew. */
	assert_true(load(1000).created);
	fixture_append(&fixture, 1000, 50, 1, 1);
	fixture_flush(&fixture);
	points = fixture_user_history(&fixture, 1000, 0, 100);
	assert_int_equal(points.count, 1);
	free(points.list);
	fixture_check(&fixture);
}

static void what_a_client_asks_after_a_change_sees_the_change(void **state)
{
	(void)state;
	enum { ROUNDS = 200 };
	static struct store_request requests[2 * ROUNDS];
	static struct store_pair pairs[ROUNDS];
	memset(requests, 0, sizeof(requests));
	for (uint32_t i = 0; i < ROUNDS; i++) {
		pairs[i] = (struct store_pair){ .a = { 1 }, .b = { 2 + i } };
		requests[2 * i] = (struct store_request){ .op = STORE_FRIENDS_PUT,
							  .pairs = &pairs[i],
							  .pair_count = 1 };
		requests[2 * i + 1] = (struct store_request){ .op = STORE_LOAD, .user = { 1 } };
		assert_int_equal(store_submit(fixture.store, &requests[2 * i]), 0);
		assert_int_equal(store_submit(fixture.store, &requests[2 * i + 1]), 0);
	}
	for (uint32_t i = 0; i < 2 * ROUNDS; i++)
		assert_int_equal(fixture_answer(&fixture, 0)->status, 0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		assert_true(requests[2 * i + 1].friend_count >= i + 1);
		store_request_fini(&requests[2 * i + 1]);
	}
	/* All that waited together shared commits. */
	assert_true(counter_get(&fixture.counters[STORE_WORD_USER_COMMITS]) < ROUNDS);
}

static void a_client_that_asks_too_much_at_once_is_told_to_poll(void **state)
{
	(void)state;
	static struct store_request requests[10000];
	memset(requests, 0, sizeof(requests));
	uint32_t taken = 0;
	while (taken < 10000) {
		requests[taken] = (struct store_request){ .op = STORE_USER_GET, .user = { taken } };
		if (store_submit(fixture.store, &requests[taken]) == -EAGAIN)
			break;
		taken++;
	}
	assert_in_range(taken, 1000, 9999);
	for (uint32_t i = 0; i < taken; i++)
		assert_int_equal(fixture_answer(&fixture, 0)->status, -ENOENT);
	assert_int_equal(store_submit(fixture.store, &requests[taken]), 0);
	fixture_answer(&fixture, 0);
}

/* ---- history -------------------------------------------------------------------------------- */

static void what_is_appended_can_be_read_by_the_phones_time(void **state)
{
	(void)state;
	for (int64_t i = 0; i < 100; i++)
		assert_true(fixture_append(&fixture, 7, 1000 + 10 * i, (int32_t)i, (int32_t)-i));
	fixture_append(&fixture, 8, 1500, 1, 1);
	assert_int_equal(fixture_flush(&fixture), 0);
	struct points points = fixture_user_history(&fixture, 7, 1100, 1200);
	assert_int_equal(points.count, 10);
	for (size_t i = 0; i < points.count; i++) {
		assert_int_equal(points.list[i].ts_ms, 1100 + 10 * (int64_t)i);
		assert_int_equal(points.list[i].place.lat_e7, 10 + (int32_t)i);
		assert_int_equal(points.list[i].place.lon_e7, -10 - (int32_t)i);
	}
	free(points.list);
	assert_int_equal(counter_get(&fixture.counters[STORE_WORD_HISTORY_LOCATIONS]), 101);
	assert_int_equal(counter_get(&fixture.counters[STORE_WORD_HISTORY_PENDING]), 0);
}

static void history_comes_in_portions_that_join_without_gap_or_repeat(void **state)
{
	(void)state;
	enum { COUNT = 3 * STORE_PORTION_MAX + 77 };
	/* Many at one time, so that portions end inside it. */
	for (int32_t i = 0; i < COUNT; i++)
		assert_true(fixture_append(&fixture, 7,
					   i < 2 * STORE_PORTION_MAX + 5 ? 500 : 500 + i, i, 1));
	assert_int_equal(fixture_flush(&fixture), 0);
	struct points points = fixture_user_history(&fixture, 7, 0, INT64_MAX);
	assert_int_equal(points.count, COUNT);
	for (int32_t i = 0; i < COUNT; i++)
		assert_int_equal(points.list[i].place.lat_e7, i);
	free(points.list);
	points = fixture_export(&fixture, 0, INT64_MAX);
	assert_int_equal(points.count, COUNT);
	for (int32_t i = 0; i < COUNT; i++)
		assert_int_equal(points.list[i].place.lat_e7, i);
	free(points.list);
}

static void a_window_is_committed_by_itself(void **state)
{
	(void)state;
	store_close(&fixture.store);
	fixture.config.history_commit_ms = 20;
	fixture_open(&fixture);
	fixture_append(&fixture, 7, 1, 2, 3);
	struct points points = { NULL, 0 };
	for (unsigned tries = 0; points.count == 0 && tries < 100000; tries++) {
		free(points.list);
		points = fixture_user_history(&fixture, 7, 0, 10);
	}
	assert_int_equal(points.count, 1);
	free(points.list);
}

static void closing_commits_what_waits(void **state)
{
	(void)state;
	for (int64_t i = 0; i < 5000; i++)
		fixture_append(&fixture, (uint64_t)i, i, 1, 1);
	fixture_check(&fixture);
	struct points points = fixture_export(&fixture, 0, 5000);
	assert_int_equal(points.count, 5000);
	free(points.list);
}

static void requests_that_wait_when_the_store_stops_come_back_canceled(void **state)
{
	(void)state;
	enum { COUNT = 4000 };
	static struct store_request requests[COUNT];
	memset(requests, 0, sizeof(requests));
	for (uint32_t i = 0; i < COUNT; i++) {
		requests[i].op = i % 2 == 0 ? STORE_LOAD : STORE_EXPORT;
		requests[i].user.value = i;
		assert_int_equal(store_submit(fixture.store, &requests[i]), 0);
	}
	store_stop(fixture.store);
	for (uint32_t i = 0; i < COUNT; i++) {
		struct store_request *request = store_poll(fixture.store, 0);
		assert_non_null(request);
		assert_true(request->status == 0 || request->status == -ECANCELED);
		store_request_fini(request);
	}
	assert_null(store_poll(fixture.store, 0));
}

static void a_directory_has_one_store_at_a_time(void **state)
{
	(void)state;
	struct store *second = NULL;
	const char *reason = NULL;
	assert_int_equal(store_open(&second, &fixture.config, &reason), -EBUSY);
	assert_non_null(strstr(reason, "used by another"));
	assert_null(second);
}

enum { CLIENTS = 4, CLIENT_ROUNDS = 300 };

/* A client of its own, that polls without being woken. */
static void *client_body(void *argument)
{
	uint32_t client = *(uint32_t *)argument;
	for (uint64_t i = 0; i < CLIENT_ROUNDS; i++) {
		struct store_pair pair = { .a = { client }, .b = { 1000 + i } };
		struct store_request request = {
			.op = STORE_FRIENDS_PUT, .client = client, .pairs = &pair, .pair_count = 1
		};
		struct nearby_location location = { { 1, 2 }, (int64_t)i, i, 0 };
		check(store_append(fixture.store, client, (struct user_id){ client }, &location));
		check(store_submit(fixture.store, &request) == 0);
		while (store_poll(fixture.store, client) == NULL)
			sched_yield();
		check(request.status == 0 && pair.result == STORE_PAIR_ADDED);
	}
	return NULL;
}

static void several_clients_are_served_at_once(void **state)
{
	(void)state;
	store_close(&fixture.store);
	fixture.config.clients = CLIENTS;
	fixture_open(&fixture);
	pthread_t threads[CLIENTS];
	uint32_t numbers[CLIENTS];
	for (uint32_t i = 0; i < CLIENTS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, client_body, &numbers[i]), 0);
	}
	for (uint32_t i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(fixture_flush(&fixture), 0);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		assert_int_equal(friend_count(i), CLIENT_ROUNDS);
		struct points points = fixture_user_history(&fixture, i, 0, CLIENT_ROUNDS);
		assert_int_equal(points.count, CLIENT_ROUNDS);
		free(points.list);
	}
	fixture_check(&fixture);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_user_that_is_loaded_for_the_first_time_is_created_empty),
		STORY(a_profile_changes_only_where_it_is_told),
		STORY(friendship_holds_both_ways_and_creates_whom_it_needs),
		STORY(a_friends_name_is_the_last_that_was_given),
		STORY(a_new_friendship_gives_back_both_names),
		STORY(nobody_has_more_friends_than_allowed),
		STORY(friends_come_in_pages_in_order_of_id),
		STORY(the_greatest_and_the_least_user_are_users_like_others),
		STORY(a_deleted_user_leaves_neither_friends_nor_history),
		STORY(what_a_client_asks_after_a_change_sees_the_change),
		STORY(a_client_that_asks_too_much_at_once_is_told_to_poll),
		STORY(what_is_appended_can_be_read_by_the_phones_time),
		STORY(history_comes_in_portions_that_join_without_gap_or_repeat),
		STORY(a_window_is_committed_by_itself),
		STORY(closing_commits_what_waits),
		STORY(requests_that_wait_when_the_store_stops_come_back_canceled),
		STORY(a_directory_has_one_store_at_a_time),
		STORY(several_clients_are_served_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
