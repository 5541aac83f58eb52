/*
 * Owns: what store.h promises about what users show of where they are.
 * Invariant: none of its own.
 * Thread: one client.
 * Does not know: files and tables, clocks: what time it is, is what a test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "store_fixture.h"

enum { ANN = 1, BOB = 2, EVA = 3, DAN = 4, NOW = 1000, SOON = 2000, LATER = 3000 };

static struct fixture fixture;

/* Ann has friends; the others have none but Ann. */
static int setup(void **state)
{
	(void)state;
	fixture_init(&fixture);
	fixture_open(&fixture);
	for (uint64_t friend = BOB; friend <= DAN; friend ++)
		fixture_befriend(&fixture, STORE_FRIENDS_PUT, ANN, friend);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_fini(&fixture);
	return 0;
}

static struct store_request put(struct store_request request, int64_t now_ms, int status)
{
	request.op = STORE_SHARING_PUT;
	request.now_ms = now_ms;
	assert_int_equal(fixture_ask(&fixture, &request), status);
	return request;
}

/* The user says what everybody sees. */
static struct store_request say(uint64_t user, enum sharing_mode mode, int64_t until_ms,
				int64_t now_ms)
{
	return put((struct store_request){ .user = { user }, .asked = { mode, until_ms } }, now_ms,
		   0);
}

/* The user says what this one sees. */
static struct store_request say_to(uint64_t user, uint64_t other, enum sharing_mode mode,
				   int64_t until_ms, int64_t now_ms)
{
	return put((struct store_request){ .user = { user },
					   .has_other = true,
					   .other = { other },
					   .asked = { mode, until_ms } },
		   now_ms, 0);
}

static void drop(struct store_request request)
{
	store_request_fini(&request);
}

static struct store_request sharing_of(uint64_t user, int64_t now_ms)
{
	struct store_request request = { .op = STORE_SHARING_GET,
					 .user = { user },
					 .now_ms = now_ms };
	assert_int_equal(fixture_ask(&fixture, &request), 0);
	return request;
}

static void assert_sharing(struct sharing sharing, enum sharing_mode mode, int64_t until_ms)
{
	assert_int_equal(sharing.mode, mode);
	assert_int_equal(sharing.until_ms, until_ms);
}

static void assert_exception(const struct sharing_exception *exception, uint64_t user,
			     enum sharing_mode mode, int64_t until_ms)
{
	assert_int_equal(exception->user.value, user);
	assert_sharing(exception->sharing, mode, until_ms);
}

/* What the user's load tells of its one friend Ann. */
static void assert_sees_ann(uint64_t user, enum sharing_mode exception, bool is_off, int64_t now_ms)
{
	struct store_request load = fixture_load(&fixture, user, now_ms);
	assert_int_equal(load.friend_count, 1);
	assert_int_equal(load.friends[0].user.value, ANN);
	assert_int_equal(load.friends[0].exception, exception);
	assert_int_equal(load.friends[0].is_off, is_off);
	store_request_fini(&load);
}

static uint32_t lapse_count(void)
{
	struct store_request request = { .op = STORE_LAPSES };
	uint32_t total = 0;
	do {
		assert_int_equal(fixture_ask(&fixture, &request), 0);
		total += request.lapse_count;
	} while (request.more);
	store_request_fini(&request);
	return total;
}

/* ---- what everybody sees ---------------------------------------------------------------------- */

static void everybody_sees_all_until_something_else_is_said(void **state)
{
	(void)state;
	struct store_request answer = sharing_of(ANN, NOW);
	assert_sharing(answer.sharing, SHARING_PRECISE, 0);
	assert_int_equal(answer.exception_count, 0);
	answer = sharing_of(12345, NOW);
	assert_sharing(answer.sharing, SHARING_PRECISE, 0);

	answer = say(ANN, SHARING_APPROXIMATE, 0, NOW);
	assert_sharing(answer.sharing, SHARING_APPROXIMATE, 0);
	fixture_check(&fixture);
	assert_sharing(sharing_of(ANN, NOW).sharing, SHARING_APPROXIMATE, 0);
	struct store_request load = fixture_load(&fixture, ANN, NOW);
	assert_sharing(load.sharing, SHARING_APPROXIMATE, 0);
	store_request_fini(&load);
	/* Who is unknown is made. */
	put((struct store_request){ .user = { 12345 }, .asked = { SHARING_OFF, 0 } }, NOW, 0);
	assert_sharing(sharing_of(12345, NOW).sharing, SHARING_OFF, 0);
}

static void friends_are_told_who_shows_nothing_whether_names_are_at_hand_or_not(void **state)
{
	(void)state;
	assert_sees_ann(BOB, SHARING_DEFAULT, false, NOW);
	assert_sees_ann(BOB, SHARING_DEFAULT, false, NOW);
	drop(say(ANN, SHARING_OFF, 0, NOW));
	assert_sees_ann(BOB, SHARING_DEFAULT, true, NOW);
	assert_sees_ann(BOB, SHARING_DEFAULT, true, NOW);
	fixture_check(&fixture);
	assert_sees_ann(BOB, SHARING_DEFAULT, true, NOW);
	drop(say(ANN, SHARING_PRECISE, 0, NOW));
	assert_sees_ann(BOB, SHARING_DEFAULT, false, NOW);
	assert_sees_ann(BOB, SHARING_DEFAULT, false, NOW);
}

static void a_name_that_changes_leaves_what_is_shown(void **state)
{
	(void)state;
	drop(say(ANN, SHARING_APPROXIMATE, SOON, NOW));
	struct store_user line = { .user = { ANN }, .has_name = true };
	line.profile.name_length = STORE_NAME_BYTES_MAX;
	memset(line.profile.name, 'a', STORE_NAME_BYTES_MAX);
	struct store_request request = { .op = STORE_USERS_PUT, .users = &line, .user_count = 1 };
	assert_int_equal(fixture_ask(&fixture, &request), 0);
	fixture_check(&fixture);
	assert_sharing(sharing_of(ANN, NOW).sharing, SHARING_APPROXIMATE, SOON);
	assert_sees_ann(BOB, SHARING_DEFAULT, false, NOW);
}

static void what_lapses_is_off_from_then_on(void **state)
{
	(void)state;
	struct store_request answer = say(ANN, SHARING_PRECISE, SOON, NOW);
	assert_sharing(answer.sharing, SHARING_PRECISE, SOON);
	assert_sharing(sharing_of(ANN, SOON - 1).sharing, SHARING_PRECISE, SOON);
	assert_sharing(sharing_of(ANN, SOON).sharing, SHARING_OFF, 0);
	for (unsigned twice = 0; twice < 2; twice++) {
		assert_sees_ann(BOB, SHARING_DEFAULT, false, SOON - 1);
		assert_sees_ann(BOB, SHARING_DEFAULT, true, SOON);
		struct store_request load = fixture_load(&fixture, ANN, SOON);
		assert_sharing(load.sharing, SHARING_OFF, 0);
		store_request_fini(&load);
		fixture_check(&fixture);
	}
	/* What was over when it was said is off at once, and has no end. */
	drop(say(ANN, SHARING_PRECISE, SOON, SOON));
	assert_sharing(sharing_of(ANN, NOW).sharing, SHARING_OFF, 0);
	assert_int_equal(lapse_count(), 0);
	fixture_check(&fixture);
}

/* ---- exceptions ------------------------------------------------------------------------------- */

static void an_exception_is_for_one_friend(void **state)
{
	(void)state;
	drop(say_to(ANN, EVA, SHARING_OFF, SOON, NOW));
	struct store_request answer = say_to(ANN, BOB, SHARING_APPROXIMATE, 0, NOW);
	assert_sharing(answer.sharing, SHARING_PRECISE, 0);
	assert_int_equal(answer.exception_count, 2);
	assert_exception(&answer.exceptions[0], BOB, SHARING_APPROXIMATE, 0);
	assert_exception(&answer.exceptions[1], EVA, SHARING_OFF, SOON);
	store_request_fini(&answer);
	fixture_check(&fixture);
	assert_sees_ann(BOB, SHARING_APPROXIMATE, false, NOW);
	assert_sees_ann(EVA, SHARING_OFF, false, NOW);
	assert_sees_ann(DAN, SHARING_DEFAULT, false, NOW);
	struct store_request load = fixture_load(&fixture, ANN, NOW);
	assert_int_equal(load.exception_count, 2);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(load.friends[i].exception, SHARING_DEFAULT);
	store_request_fini(&load);

	drop(say_to(ANN, EVA, SHARING_PRECISE, 0, NOW));
	answer = say_to(ANN, BOB, SHARING_DEFAULT, 0, NOW);
	assert_int_equal(answer.exception_count, 1);
	assert_exception(&answer.exceptions[0], EVA, SHARING_PRECISE, 0);
	store_request_fini(&answer);
	assert_sees_ann(BOB, SHARING_DEFAULT, false, NOW);
	put((struct store_request){ .user = { BOB },
				    .has_other = true,
				    .other = { EVA },
				    .asked = { SHARING_OFF, 0 } },
	    NOW, -ENOENT);
	fixture_check(&fixture);
}

static void an_exception_that_lapses_is_off_for_this_friend(void **state)
{
	(void)state;
	drop(say_to(ANN, BOB, SHARING_PRECISE, SOON, NOW));
	assert_sees_ann(BOB, SHARING_PRECISE, false, SOON - 1);
	assert_sees_ann(BOB, SHARING_OFF, false, SOON);
	struct store_request answer = sharing_of(ANN, SOON);
	assert_exception(&answer.exceptions[0], BOB, SHARING_OFF, 0);
	store_request_fini(&answer);
}

static void off_ends_all_exceptions_and_those_said_after_it_hold(void **state)
{
	(void)state;
	drop(say_to(ANN, BOB, SHARING_PRECISE, SOON, NOW));
	drop(say_to(ANN, EVA, SHARING_APPROXIMATE, 0, NOW));
	struct store_request answer = say(ANN, SHARING_OFF, 0, NOW);
	assert_sharing(answer.sharing, SHARING_OFF, 0);
	assert_int_equal(answer.exception_count, 0);
	assert_int_equal(answer.ended_count, 2);
	assert_int_equal(answer.ended[0].user.value, BOB);
	assert_int_equal(answer.ended[1].user.value, EVA);
	store_request_fini(&answer);
	assert_int_equal(lapse_count(), 0);
	fixture_check(&fixture);
	assert_sees_ann(BOB, SHARING_DEFAULT, true, NOW);

	answer = say_to(ANN, EVA, SHARING_PRECISE, 0, NOW);
	assert_int_equal(answer.exception_count, 1);
	assert_int_equal(answer.ended_count, 0);
	store_request_fini(&answer);
	assert_sees_ann(BOB, SHARING_DEFAULT, true, NOW);
	assert_sees_ann(EVA, SHARING_PRECISE, true, NOW);
	fixture_check(&fixture);
}

static void a_lapse_of_what_everybody_sees_ends_exceptions_too(void **state)
{
	(void)state;
	drop(say_to(ANN, BOB, SHARING_PRECISE, 0, NOW));
	drop(say_to(ANN, EVA, SHARING_PRECISE, LATER, NOW));
	drop(say(ANN, SHARING_APPROXIMATE, SOON, NOW));
	assert_sees_ann(BOB, SHARING_PRECISE, false, SOON - 1);
	assert_sees_ann(BOB, SHARING_DEFAULT, true, SOON);
	struct store_request answer = sharing_of(ANN, SOON);
	assert_int_equal(answer.exception_count, 0);
	struct store_request load = fixture_load(&fixture, ANN, SOON);
	assert_int_equal(load.exception_count, 0);
	store_request_fini(&load);

	/* What is said after it holds, also when nobody had noticed the lapse. */
	answer = say_to(ANN, DAN, SHARING_PRECISE, 0, SOON);
	assert_sharing(answer.sharing, SHARING_OFF, 0);
	assert_int_equal(answer.ended_count, 2);
	assert_int_equal(answer.exception_count, 1);
	assert_exception(&answer.exceptions[0], DAN, SHARING_PRECISE, 0);
	store_request_fini(&answer);
	assert_sees_ann(DAN, SHARING_PRECISE, true, SOON);
	assert_int_equal(lapse_count(), 0);
	fixture_check(&fixture);
}

static void exceptions_are_limited(void **state)
{
	(void)state;
	enum { FIRST = 100 };
	static struct store_pair pairs[SHARING_EXCEPTIONS_MAX + 1];
	for (uint64_t i = 0; i <= SHARING_EXCEPTIONS_MAX; i++)
		pairs[i] = (struct store_pair){ .a = { ANN }, .b = { FIRST + i } };
	struct store_request request = { .op = STORE_FRIENDS_PUT,
					 .pairs = pairs,
					 .pair_count = SHARING_EXCEPTIONS_MAX + 1 };
	assert_int_equal(fixture_ask(&fixture, &request), 0);
	store_request_fini(&request);
	for (uint64_t i = 0; i < SHARING_EXCEPTIONS_MAX; i++)
		drop(say_to(ANN, FIRST + i, SHARING_PRECISE, 0, NOW));
	struct store_request more = { .user = { ANN },
				      .has_other = true,
				      .other = { FIRST + SHARING_EXCEPTIONS_MAX },
				      .asked = { SHARING_PRECISE, 0 } };
	more = put(more, NOW, -EDQUOT);
	assert_int_equal(more.exception_count, 0);
	drop(say_to(ANN, FIRST, SHARING_OFF, 0, NOW));
	drop(say_to(ANN, FIRST, SHARING_DEFAULT, 0, NOW));
	more = put(more, NOW, 0);
	assert_int_equal(more.exception_count, SHARING_EXCEPTIONS_MAX);
	for (uint64_t i = 0; i < SHARING_EXCEPTIONS_MAX; i++)
		assert_int_equal(more.exceptions[i].user.value, FIRST + 1 + i);
	store_request_fini(&more);
	fixture_check(&fixture);
}

/* ---- the end of a friendship ------------------------------------------------------------------ */

/* Exceptions both ways between Ann and Bob; friends again afterwards, they have none. */
static void assert_ends(void (*end)(void))
{
	fixture_befriend(&fixture, STORE_FRIENDS_PUT, ANN, BOB);
	drop(say_to(ANN, BOB, SHARING_APPROXIMATE, SOON, NOW));
	drop(say_to(BOB, ANN, SHARING_OFF, 0, NOW));
	drop(say_to(ANN, EVA, SHARING_APPROXIMATE, 0, NOW));
	end();
	fixture_check(&fixture);
	fixture_act(&fixture, STORE_UNBLOCK, ANN, BOB, NULL);
	fixture_befriend(&fixture, STORE_FRIENDS_PUT, ANN, BOB);
	assert_sees_ann(BOB, SHARING_DEFAULT, false, NOW);
	struct store_request load = fixture_load(&fixture, ANN, NOW);
	assert_int_equal(load.exception_count, 1);
	assert_int_equal(load.friends[0].user.value, BOB);
	assert_int_equal(load.friends[0].exception, SHARING_DEFAULT);
	store_request_fini(&load);
	assert_int_equal(lapse_count(), 0);
}

static void by_end(void)
{
	fixture_act(&fixture, STORE_END, BOB, ANN, NULL);
}

static void by_block(void)
{
	fixture_act(&fixture, STORE_BLOCK, ANN, BOB, NULL);
}

static void by_administrator(void)
{
	fixture_befriend(&fixture, STORE_FRIENDS_DELETE, BOB, ANN);
}

static void by_sync(void)
{
	struct store_request request = { .op = STORE_FRIENDS_SYNC, .user = { BOB } };
	assert_int_equal(fixture_ask(&fixture, &request), 0);
	assert_int_equal(request.sync_count, 1);
	store_request_fini(&request);
}

static void by_deletion(void)
{
	struct store_request request = { .op = STORE_USER_DELETE, .user = { BOB } };
	assert_int_equal(fixture_ask(&fixture, &request), 0);
	store_request_fini(&request);
}

static void exceptions_end_with_the_friendship(void **state)
{
	(void)state;
	assert_ends(by_end);
	assert_ends(by_block);
	assert_ends(by_administrator);
	assert_ends(by_sync);
	assert_ends(by_deletion);
}

static void who_is_deleted_and_comes_again_shows_all(void **state)
{
	(void)state;
	drop(say(BOB, SHARING_APPROXIMATE, SOON, NOW));
	by_deletion();
	assert_int_equal(lapse_count(), 0);
	fixture_check(&fixture);
	struct store_request load = fixture_load(&fixture, BOB, NOW);
	assert_true(load.created);
	assert_sharing(load.sharing, SHARING_PRECISE, 0);
	fixture_check(&fixture);
}

/* ---- lapses ----------------------------------------------------------------------------------- */

static void lapses_are_listed_with_what_holds_until_then(void **state)
{
	(void)state;
	drop(say(ANN, SHARING_APPROXIMATE, LATER, NOW));
	drop(say_to(ANN, BOB, SHARING_PRECISE, SOON, NOW));
	drop(say_to(ANN, EVA, SHARING_OFF, 0, NOW));
	drop(say_to(BOB, ANN, SHARING_APPROXIMATE, SOON, NOW));
	fixture_check(&fixture);
	struct store_request request = { .op = STORE_LAPSES };
	assert_int_equal(fixture_ask(&fixture, &request), 0);
	assert_int_equal(request.lapse_count, 3);
	assert_false(request.more);
	assert_int_equal(request.lapses[0].sharer.value, ANN);
	assert_true(request.lapses[0].has_viewer);
	assert_int_equal(request.lapses[0].viewer.value, BOB);
	assert_sharing(request.lapses[0].sharing, SHARING_PRECISE, SOON);
	assert_int_equal(request.lapses[1].sharer.value, ANN);
	assert_false(request.lapses[1].has_viewer);
	assert_sharing(request.lapses[1].sharing, SHARING_APPROXIMATE, LATER);
	assert_int_equal(request.lapses[2].sharer.value, BOB);
	assert_sharing(request.lapses[2].sharing, SHARING_APPROXIMATE, SOON);
	store_request_fini(&request);
	drop(say(ANN, SHARING_APPROXIMATE, 0, NOW));
	assert_int_equal(lapse_count(), 2);
	drop(say_to(ANN, BOB, SHARING_PRECISE, 0, NOW));
	assert_int_equal(lapse_count(), 1);
}

static void lapses_come_in_portions_each_once(void **state)
{
	(void)state;
	enum { SHARERS = 2 * STORE_BATCH_MAX, FIRST = 1000, AT_ONCE = 512 };
	static struct store_request puts[AT_ONCE];
	fixture_users(&fixture, FIRST, STORE_BATCH_MAX);
	fixture_users(&fixture, FIRST + STORE_BATCH_MAX, STORE_BATCH_MAX);
	fixture_befriend(&fixture, STORE_FRIENDS_PUT, FIRST + SHARERS - 1, ANN);
	drop(say_to(FIRST + SHARERS - 1, ANN, SHARING_PRECISE, SOON, NOW));
	for (uint64_t from = 0; from < SHARERS; from += AT_ONCE) {
		for (uint64_t i = 0; i < AT_ONCE; i++) {
			puts[i] = (struct store_request){ .op = STORE_SHARING_PUT,
							  .user = { FIRST + from + i },
							  .asked = { SHARING_PRECISE, LATER },
							  .now_ms = NOW };
			assert_int_equal(store_submit(fixture.store, &puts[i]), 0);
		}
		for (uint64_t i = 0; i < AT_ONCE; i++)
			assert_int_equal(fixture_answer(&fixture, 0)->status, 0);
	}
	/* The portion ends between two of the last sharer. */
	struct store_request request = { .op = STORE_LAPSES };
	assert_int_equal(fixture_ask(&fixture, &request), 0);
	assert_int_equal(request.lapse_count, STORE_PORTION_MAX);
	for (uint64_t i = 0; i < STORE_PORTION_MAX; i++)
		assert_int_equal(request.lapses[i].sharer.value, FIRST + i);
	assert_true(request.lapses[STORE_PORTION_MAX - 1].has_viewer);
	assert_true(request.more);
	assert_int_equal(fixture_ask(&fixture, &request), 0);
	assert_int_equal(request.lapse_count, 1);
	assert_int_equal(request.lapses[0].sharer.value, FIRST + SHARERS - 1);
	assert_false(request.lapses[0].has_viewer);
	assert_false(request.more);
	store_request_fini(&request);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(everybody_sees_all_until_something_else_is_said),
		STORY(friends_are_told_who_shows_nothing_whether_names_are_at_hand_or_not),
		STORY(a_name_that_changes_leaves_what_is_shown),
		STORY(what_lapses_is_off_from_then_on),
		STORY(an_exception_is_for_one_friend),
		STORY(an_exception_that_lapses_is_off_for_this_friend),
		STORY(off_ends_all_exceptions_and_those_said_after_it_hold),
		STORY(a_lapse_of_what_everybody_sees_ends_exceptions_too),
		STORY(exceptions_are_limited),
		STORY(exceptions_end_with_the_friendship),
		STORY(who_is_deleted_and_comes_again_shows_all),
		STORY(lapses_are_listed_with_what_holds_until_then),
		STORY(lapses_come_in_portions_each_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
