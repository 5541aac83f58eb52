/*
 * Owns: what store.h promises about asks, blocks, whole lists of friends and bars.
 * Invariant: none of its own.
 * Thread: one client.
 * Does not know: files and tables, save where a file is of an older format or broken on purpose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "store/user_tables.h"
#include "store/users.h"

#include "store_fixture.h"

enum { ANN = 1, BOB = 2, EVA = 3 };

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

static enum store_pair_result act(enum store_op op, uint64_t a, uint64_t b)
{
	return fixture_act(&fixture, op, a, b, NULL);
}

static uint32_t count(uint64_t user, enum store_list list)
{
	return fixture_list(&fixture, user, list);
}

static void put_name(uint64_t user, const char *name)
{
	struct store_user line = { .user = { user }, .has_name = true };
	line.profile.name_length = (uint32_t)strlen(name);
	memcpy(line.profile.name, name, strlen(name));
	struct store_request request = { .op = STORE_USERS_PUT, .users = &line, .user_count = 1 };
	assert_int_equal(fixture_ask(&fixture, &request), 0);
}

static void assert_nothing_between(uint64_t a, uint64_t b)
{
	for (enum store_list list = STORE_LIST_FRIENDS; list <= STORE_LIST_BLOCKED; list++) {
		assert_int_equal(count(a, list), 0);
		assert_int_equal(count(b, list), 0);
	}
}

/* Many requests on their way at once; all succeed. */
static void ask_all(struct store_request *requests, uint32_t total)
{
	uint32_t sent = 0;
	for (uint32_t answered = 0; answered < total; answered++) {
		while (sent < total && store_submit(fixture.store, &requests[sent]) == 0)
			sent++;
		struct store_request *request = fixture_answer(&fixture, 0);
		assert_int_equal(request->status, 0);
		store_request_fini(request);
	}
}

/* Has one user do something to many (or many to one), and returns how many had this result. */
static uint32_t act_many(enum store_op op, uint64_t a, bool many_act, uint64_t first,
			 uint32_t total, enum store_pair_result result)
{
	struct store_request *requests = calloc(total, sizeof(*requests));
	struct store_pair *pairs = calloc(total, sizeof(*pairs));
	check(requests != NULL && pairs != NULL);
	for (uint32_t i = 0; i < total; i++) {
		struct user_id one = { a }, other = { first + i };
		pairs[i].a = many_act ? other : one;
		pairs[i].b = many_act ? one : other;
		requests[i].op = op;
		requests[i].pairs = &pairs[i];
		requests[i].pair_count = 1;
	}
	ask_all(requests, total);
	uint32_t found = 0;
	for (uint32_t i = 0; i < total; i++)
		found += pairs[i].result == result;
	free(requests);
	free(pairs);
	return found;
}

/* ---- asking ----------------------------------------------------------------------------------- */

static void who_asks_and_is_answered_has_a_friend(void **state)
{
	(void)state;
	struct store_request answer;
	put_name(ANN, "Ann");
	put_name(BOB, "Bob");
	assert_int_equal(fixture_act(&fixture, STORE_ASK, ANN, BOB, &answer), STORE_PAIR_ASKED);
	assert_false(answer.is_friend);
	assert_memory_equal(answer.names, "AnnBob", 6);
	store_request_fini(&answer);
	fixture_check(&fixture);
	assert_int_equal(count(ANN, STORE_LIST_ASKED), 1);
	assert_int_equal(count(BOB, STORE_LIST_ASKING), 1);
	assert_int_equal(count(ANN, STORE_LIST_ASKING), 0);
	assert_int_equal(count(BOB, STORE_LIST_ASKED), 0);
	assert_int_equal(count(ANN, STORE_LIST_FRIENDS), 0);

	assert_int_equal(fixture_act(&fixture, STORE_ASK, ANN, BOB, &answer), STORE_PAIR_PRESENT);
	assert_false(answer.is_friend);
	assert_null(answer.names);
	assert_int_equal(fixture_act(&fixture, STORE_ASK, BOB, ANN, &answer), STORE_PAIR_ADDED);
	assert_true(answer.is_friend);
	assert_memory_equal(answer.names, "BobAnn", 6);
	store_request_fini(&answer);
	fixture_check(&fixture);
	assert_int_equal(count(ANN, STORE_LIST_ASKED), 0);
	assert_int_equal(count(BOB, STORE_LIST_ASKING), 0);
	assert_int_equal(count(ANN, STORE_LIST_FRIENDS), 1);
	assert_int_equal(count(BOB, STORE_LIST_FRIENDS), 1);
	assert_int_equal(fixture_act(&fixture, STORE_ASK, ANN, BOB, &answer), STORE_PAIR_PRESENT);
	assert_true(answer.is_friend);
}

static void an_ask_is_withdrawn_or_declined_and_a_friendship_ended_by_either(void **state)
{
	(void)state;
	struct store_request answer;
	fixture_users(&fixture, ANN, 2);
	for (unsigned i = 0; i < 2; i++) {
		act(STORE_ASK, ANN, BOB);
		uint64_t who = i == 0 ? ANN : BOB, whom = i == 0 ? BOB : ANN;
		assert_int_equal(fixture_act(&fixture, STORE_END, who, whom, &answer),
				 STORE_PAIR_ADDED);
		assert_true(answer.was_asked && !answer.was_friend);
		store_request_fini(&answer);
		assert_nothing_between(ANN, BOB);
		fixture_befriend(&fixture, STORE_FRIENDS_PUT, ANN, BOB);
		assert_int_equal(fixture_act(&fixture, STORE_END, who, whom, &answer),
				 STORE_PAIR_ADDED);
		assert_true(answer.was_friend && !answer.was_asked);
		store_request_fini(&answer);
		assert_nothing_between(ANN, BOB);
	}
	assert_int_equal(fixture_act(&fixture, STORE_END, ANN, BOB, &answer), STORE_PAIR_PRESENT);
	assert_false(answer.was_friend || answer.was_asked);
	fixture_check(&fixture);
}

static void nobody_acts_on_themselves_or_asks_somebody_unknown(void **state)
{
	(void)state;
	struct store_request get = { .op = STORE_USER_GET, .user = { ANN } };
	assert_int_equal(act(STORE_ASK, ANN, ANN), STORE_PAIR_SELF);
	assert_int_equal(act(STORE_BLOCK, ANN, ANN), STORE_PAIR_SELF);
	assert_int_equal(act(STORE_ASK, ANN, BOB), STORE_PAIR_UNKNOWN);
	assert_int_equal(act(STORE_BLOCK, ANN, BOB), STORE_PAIR_UNKNOWN);
	assert_int_equal(act(STORE_UNBLOCK, ANN, BOB), STORE_PAIR_PRESENT);
	assert_int_equal(act(STORE_END, ANN, BOB), STORE_PAIR_PRESENT);
	assert_int_equal(fixture_ask(&fixture, &get), -ENOENT);
	/* Who acts is a user by that. */
	fixture_users(&fixture, BOB, 1);
	assert_int_equal(act(STORE_ASK, ANN, BOB), STORE_PAIR_ASKED);
	assert_int_equal(fixture_ask(&fixture, &get), 0);
	fixture_check(&fixture);
}

static void an_administrator_who_makes_friends_ends_what_was_asked(void **state)
{
	(void)state;
	fixture_users(&fixture, ANN, 2);
	act(STORE_ASK, BOB, ANN);
	assert_int_equal(fixture_befriend(&fixture, STORE_FRIENDS_PUT, ANN, BOB), STORE_PAIR_ADDED);
	assert_int_equal(count(ANN, STORE_LIST_ASKING), 0);
	assert_int_equal(count(BOB, STORE_LIST_ASKED), 0);
	fixture_check(&fixture);
}

/* ---- blocking --------------------------------------------------------------------------------- */

static void a_block_ends_what_there_was_and_keeps_both_apart(void **state)
{
	(void)state;
	struct store_request answer;
	fixture_users(&fixture, ANN, 2);
	act(STORE_ASK, BOB, ANN);
	assert_int_equal(fixture_act(&fixture, STORE_BLOCK, ANN, BOB, &answer), STORE_PAIR_ADDED);
	assert_true(answer.was_asked && !answer.was_friend);
	store_request_fini(&answer);
	assert_int_equal(act(STORE_BLOCK, ANN, BOB), STORE_PAIR_PRESENT);
	fixture_check(&fixture);
	assert_int_equal(count(BOB, STORE_LIST_ASKED), 0);
	assert_int_equal(count(ANN, STORE_LIST_BLOCKED), 1);
	assert_int_equal(count(BOB, STORE_LIST_BLOCKED), 0);
	assert_int_equal(act(STORE_ASK, ANN, BOB), STORE_PAIR_BLOCKED);
	assert_int_equal(act(STORE_ASK, BOB, ANN), STORE_PAIR_BLOCKED);
	assert_int_equal(fixture_befriend(&fixture, STORE_FRIENDS_PUT, BOB, ANN),
			 STORE_PAIR_BLOCKED);

	assert_int_equal(act(STORE_BLOCK, BOB, ANN), STORE_PAIR_ADDED);
	assert_int_equal(fixture_act(&fixture, STORE_UNBLOCK, ANN, BOB, &answer), STORE_PAIR_ADDED);
	assert_true(answer.still_barred);
	store_request_fini(&answer);
	assert_int_equal(act(STORE_ASK, ANN, BOB), STORE_PAIR_BLOCKED);
	assert_int_equal(fixture_act(&fixture, STORE_UNBLOCK, BOB, ANN, &answer), STORE_PAIR_ADDED);
	assert_false(answer.still_barred);
	store_request_fini(&answer);
	assert_int_equal(act(STORE_UNBLOCK, BOB, ANN), STORE_PAIR_PRESENT);
	assert_nothing_between(ANN, BOB);
	assert_int_equal(act(STORE_ASK, ANN, BOB), STORE_PAIR_ASKED);

	fixture_befriend(&fixture, STORE_FRIENDS_PUT, ANN, EVA);
	assert_int_equal(fixture_act(&fixture, STORE_BLOCK, EVA, ANN, &answer), STORE_PAIR_ADDED);
	assert_true(answer.was_friend && !answer.was_asked);
	store_request_fini(&answer);
	assert_int_equal(count(ANN, STORE_LIST_FRIENDS), 0);
	fixture_check(&fixture);
}

static void who_is_barred_from_whom_is_loaded_in_order_and_once(void **state)
{
	(void)state;
	fixture_users(&fixture, 1, 9);
	act(STORE_BLOCK, 5, 9);
	act(STORE_BLOCK, 5, 3);
	act(STORE_BLOCK, 4, 5);
	act(STORE_BLOCK, 3, 5);
	act(STORE_BLOCK, 1, 5);
	act(STORE_BLOCK, 1, 2);
	static const uint64_t expected[] = { 1, 3, 4, 9 };
	struct store_request load = fixture_load(&fixture, 5, 0);
	assert_int_equal(load.barred_count, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(load.barred[i].value, expected[i]);
	store_request_fini(&load);
	load = fixture_load(&fixture, 7, 0);
	assert_int_equal(load.barred_count, 0);
	store_request_fini(&load);
}

/* ---- limits ----------------------------------------------------------------------------------- */

static void asks_are_limited_on_both_sides(void **state)
{
	(void)state;
	enum { FIRST = 100 };
	fixture_users(&fixture, ANN, 1);
	fixture_users(&fixture, FIRST, STORE_ASKS_MAX + 2);
	assert_int_equal(act_many(STORE_ASK, ANN, false, FIRST, STORE_ASKS_MAX, STORE_PAIR_ASKED),
			 STORE_ASKS_MAX);
	assert_int_equal(act(STORE_ASK, ANN, FIRST + STORE_ASKS_MAX), STORE_PAIR_LIMIT);
	assert_int_equal(act(STORE_ASK, ANN, FIRST), STORE_PAIR_PRESENT);
	act(STORE_END, ANN, FIRST);
	assert_int_equal(act(STORE_ASK, ANN, FIRST + STORE_ASKS_MAX), STORE_PAIR_ASKED);

	assert_int_equal(act_many(STORE_ASK, BOB, true, FIRST, STORE_ASKS_MAX, STORE_PAIR_UNKNOWN),
			 STORE_ASKS_MAX);
	fixture_users(&fixture, BOB, 1);
	assert_int_equal(act_many(STORE_ASK, BOB, true, FIRST, STORE_ASKS_MAX, STORE_PAIR_ASKED),
			 STORE_ASKS_MAX);
	assert_int_equal(act(STORE_ASK, FIRST + STORE_ASKS_MAX, BOB), STORE_PAIR_LIMIT);
	/* Whom many ask can still answer. */
	assert_int_equal(act(STORE_ASK, BOB, FIRST), STORE_PAIR_ADDED);
	fixture_check(&fixture);
}

static void blocks_are_limited(void **state)
{
	(void)state;
	enum { FIRST = 100 };
	fixture_users(&fixture, FIRST, STORE_BLOCKS_MAX + 1);
	assert_int_equal(
		act_many(STORE_BLOCK, ANN, false, FIRST, STORE_BLOCKS_MAX, STORE_PAIR_ADDED),
		STORE_BLOCKS_MAX);
	fixture_befriend(&fixture, STORE_FRIENDS_PUT, ANN, FIRST + STORE_BLOCKS_MAX);
	assert_int_equal(act(STORE_BLOCK, ANN, FIRST + STORE_BLOCKS_MAX), STORE_PAIR_LIMIT);
	assert_int_equal(count(ANN, STORE_LIST_FRIENDS), 1);
	act(STORE_UNBLOCK, ANN, FIRST);
	assert_int_equal(act(STORE_BLOCK, ANN, FIRST + STORE_BLOCKS_MAX), STORE_PAIR_ADDED);
	fixture_check(&fixture);
}

static void of_two_who_accept_at_once_the_last_place_goes_to_one(void **state)
{
	(void)state;
	store_close(&fixture.store);
	fixture.config.friends_max = 1;
	fixture_open(&fixture);
	fixture_users(&fixture, ANN, 3);
	act(STORE_ASK, ANN, BOB);
	act(STORE_ASK, ANN, EVA);
	struct store_pair pairs[] = { { .a = { BOB }, .b = { ANN } },
				      { .a = { EVA }, .b = { ANN } } };
	struct store_request requests[] = {
		{ .op = STORE_ASK, .pairs = &pairs[0], .pair_count = 1 },
		{ .op = STORE_ASK, .pairs = &pairs[1], .pair_count = 1 },
	};
	ask_all(requests, 2);
	assert_int_equal(pairs[0].result, STORE_PAIR_ADDED);
	assert_int_equal(pairs[1].result, STORE_PAIR_LIMIT);
	assert_int_equal(count(ANN, STORE_LIST_FRIENDS), 1);
	assert_int_equal(count(EVA, STORE_LIST_ASKING), 1);
	fixture_check(&fixture);
}

/* ---- exactly these friends -------------------------------------------------------------------- */

static struct store_request sync_friends(uint64_t user, const struct user_id *ids, uint32_t total,
					 int status)
{
	struct store_request request = {
		.op = STORE_FRIENDS_SYNC, .user = { user }, .ids = ids, .id_count = total
	};
	assert_int_equal(fixture_ask(&fixture, &request), status);
	return request;
}

static void a_sync_leaves_exactly_these_friends_and_tells_what_it_did(void **state)
{
	(void)state;
	put_name(11, "Eleven");
	put_name(12, "Twelve");
	for (uint64_t friend = 10; friend < 14; friend ++)
		fixture_befriend(&fixture, STORE_FRIENDS_PUT, ANN, friend);
	fixture_users(&fixture, 20, 3);
	act(STORE_ASK, 20, ANN);
	act(STORE_BLOCK, 21, ANN);
	act(STORE_BLOCK, ANN, 22);
	static const struct user_id ids[] = {
		{ 5 }, { 11 }, { 13 }, { 20 }, { 21 }, { 22 }, { 30 }
	};
	struct store_request answer = sync_friends(ANN, ids, 7, 0);
	static const uint64_t changed[] = { 5, 20, 30, 10, 12 };
	assert_int_equal(answer.sync_count, 5);
	assert_int_equal(answer.sync_removed_from, 3);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(answer.sync_pairs[i].a.value, ANN);
		assert_int_equal(answer.sync_pairs[i].b.value, changed[i]);
		assert_int_equal(answer.sync_pairs[i].result, STORE_PAIR_ADDED);
	}
	assert_int_equal(answer.sync_pairs[4].b_name_length, 6);
	assert_memory_equal(answer.names + answer.sync_pairs[4].b_name_offset, "Twelve", 6);
	store_request_fini(&answer);
	fixture_check(&fixture);

	struct store_request load = fixture_load(&fixture, ANN, 0);
	static const uint64_t friends[] = { 5, 11, 13, 20, 30 };
	assert_int_equal(load.friend_count, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(load.friends[i].user.value, friends[i]);
	store_request_fini(&load);
	assert_int_equal(count(20, STORE_LIST_ASKED), 0);
	assert_int_equal(count(10, STORE_LIST_FRIENDS), 0);

	answer = sync_friends(ANN, ids, 7, 0);
	assert_int_equal(answer.sync_count, 0);
	store_request_fini(&answer);
	answer = sync_friends(ANN, NULL, 0, 0);
	assert_int_equal(answer.sync_count, 5);
	assert_int_equal(answer.sync_removed_from, 0);
	store_request_fini(&answer);
	assert_int_equal(count(ANN, STORE_LIST_FRIENDS), 0);
	fixture_check(&fixture);
}

static void a_sync_over_a_limit_changes_nothing(void **state)
{
	(void)state;
	static const struct user_id four[] = { { 10 }, { 11 }, { 12 }, { 13 } };
	store_close(&fixture.store);
	fixture.config.friends_max = 3;
	fixture_open(&fixture);
	struct store_request answer = sync_friends(ANN, four, 4, -EDQUOT);
	assert_int_equal(answer.sync_count, 0);
	store_request_fini(&answer);
	for (uint64_t friend = 20; friend < 23; friend ++)
		fixture_befriend(&fixture, STORE_FRIENDS_PUT, 12, friend);
	answer = sync_friends(ANN, four + 1, 3, -EMLINK);
	assert_int_equal(answer.sync_count, 0);
	store_request_fini(&answer);
	struct store_request get = { .op = STORE_USER_GET, .user = { 11 } };
	assert_int_equal(fixture_ask(&fixture, &get), -ENOENT);
	/* Whom it already has may have no room for more. */
	answer = sync_friends(20, (const struct user_id[]){ { 12 }, { 13 } }, 2, 0);
	assert_int_equal(answer.sync_count, 1);
	store_request_fini(&answer);
	fixture_check(&fixture);
}

/* ---- leaving ---------------------------------------------------------------------------------- */

static struct store_bar bar_of(uint64_t user)
{
	struct store_request request = { .op = STORE_BARS };
	struct store_bar found = { .user = { user } };
	do {
		assert_int_equal(fixture_ask(&fixture, &request), 0);
		for (uint32_t i = 0; i < request.bar_count; i++)
			if (request.bars[i].user.value == user)
				found = request.bars[i];
	} while (request.more);
	store_request_fini(&request);
	return found;
}

static void bar(uint64_t user, int64_t not_before_s)
{
	struct store_request request = {
		.op = STORE_BAR_PUT, .bar = { .user = { user }, .not_before_s = not_before_s }
	};
	assert_int_equal(fixture_ask(&fixture, &request), 0);
}

static void who_is_deleted_leaves_nothing_but_a_bar_and_others_blocks(void **state)
{
	(void)state;
	fixture_users(&fixture, 1, 9);
	act(STORE_ASK, 5, 1);
	act(STORE_ASK, 2, 5);
	act(STORE_BLOCK, 5, 3);
	act(STORE_BLOCK, 4, 5);
	fixture_befriend(&fixture, STORE_FRIENDS_PUT, 5, 6);
	act(STORE_ASK, 2, 1);
	bar(5, 1000);
	struct store_request erase = { .op = STORE_USER_DELETE, .user = { 5 } };
	assert_int_equal(fixture_ask(&fixture, &erase), 0);
	assert_int_equal(erase.friend_count, 1);
	store_request_fini(&erase);
	fixture_check(&fixture);
	assert_int_equal(count(1, STORE_LIST_ASKING), 1);
	assert_int_equal(count(2, STORE_LIST_ASKED), 1);
	assert_int_equal(count(4, STORE_LIST_BLOCKED), 1);
	assert_int_equal(count(6, STORE_LIST_FRIENDS), 0);
	/* It comes back, and nobody who wanted to be rid of it meets it. */
	struct store_request load = fixture_load(&fixture, 5, 0);
	assert_true(load.created);
	assert_int_equal(load.barred_count, 1);
	assert_int_equal(load.barred[0].value, 4);
	store_request_fini(&load);
	assert_int_equal(act(STORE_ASK, 5, 4), STORE_PAIR_BLOCKED);
	assert_nothing_between(5, 3);
	assert_int_equal(act(STORE_UNBLOCK, 4, 5), STORE_PAIR_ADDED);
	assert_nothing_between(5, 4);
	assert_int_equal(bar_of(5).not_before_s, 1000);
	fixture_check(&fixture);
}

/* ---- bars and the secret ---------------------------------------------------------------------- */

static void a_bar_holds_until_it_is_lifted(void **state)
{
	(void)state;
	bar(ANN, 1234);
	bar(BOB, INT64_MAX);
	fixture_check(&fixture);
	assert_int_equal(bar_of(ANN).not_before_s, 1234);
	assert_int_equal(bar_of(BOB).not_before_s, INT64_MAX);
	bar(ANN, 5678);
	bar(BOB, 0);
	bar(EVA, 0);
	fixture_check(&fixture);
	assert_int_equal(bar_of(ANN).not_before_s, 5678);
	assert_int_equal(bar_of(BOB).not_before_s, 0);
}

static void bars_come_in_portions_each_once(void **state)
{
	(void)state;
	enum { TOTAL = STORE_PORTION_MAX + 7 };
	struct store_request *puts = calloc(TOTAL, sizeof(*puts));
	check(puts != NULL);
	for (uint32_t i = 0; i < TOTAL; i++) {
		puts[i].op = STORE_BAR_PUT;
		puts[i].bar = (struct store_bar){ { 3 * i }, 1 + i };
	}
	ask_all(puts, TOTAL);
	free(puts);
	struct store_request request = { .op = STORE_BARS };
	uint32_t seen = 0;
	for (unsigned twice = 0; twice < 2; twice++, seen = 0) {
		do {
			assert_int_equal(fixture_ask(&fixture, &request), 0);
			for (uint32_t i = 0; i < request.bar_count; i++, seen++) {
				assert_int_equal(request.bars[i].user.value, 3 * seen);
				assert_int_equal(request.bars[i].not_before_s, 1 + seen);
			}
		} while (request.more);
		assert_int_equal(seen, TOTAL);
	}
	store_request_fini(&request);
}

static void the_secret_is_of_this_database_and_stays(void **state)
{
	(void)state;
	uint8_t first[16], again[16], other[16], none[16] = { 0 };
	store_secret(fixture.store, first);
	fixture_check(&fixture);
	store_secret(fixture.store, again);
	assert_memory_equal(first, again, 16);
	assert_memory_not_equal(first, none, 16);
	fixture_fini(&fixture);
	fixture_init(&fixture);
	fixture_open(&fixture);
	store_secret(fixture.store, other);
	assert_memory_not_equal(first, other, 16);
}

/* ---- files ------------------------------------------------------------------------------------ */

/* What format 1 had. */
static struct lmdb *old_open(void)
{
	static const struct lmdb_table tables[] = {
		{ .name = "profiles", .integer_keys = true },
		{ .name = "friends", .integer_keys = true, .integer_dups = true },
	};
	char path[128];
	const char *reason = "";
	struct lmdb *lmdb;
	snprintf(path, sizeof(path), "%s/users.mdb", fixture.dir);
	struct lmdb_config config = {
		.path = path, .format = 1, .tables = tables, .table_count = 2, .map_bytes = 1 << 26
	};
	assert_int_equal(lmdb_open(&lmdb, &config, &reason), 0);
	return lmdb;
}

static void old_file_make(void)
{
	static const uint64_t ann = ANN, bob = BOB;
	static const char profile[] = "\003\002\000Annhi", empty[] = "\000\000";
	struct bytes to_ann = { &ann, sizeof(ann) }, to_bob = { &bob, sizeof(bob) };
	struct lmdb *lmdb = old_open();
	struct lmdb_txn txn;
	lmdb_begin_write(lmdb, &txn);
	lmdb_put(&txn, 0, to_ann, (struct bytes){ profile, 8 }, LMDB_ADD);
	lmdb_put(&txn, 0, to_bob, (struct bytes){ empty, 3 }, LMDB_ADD);
	lmdb_put(&txn, 1, to_ann, to_bob, LMDB_ADD);
	lmdb_put(&txn, 1, to_bob, to_ann, LMDB_ADD);
	assert_int_equal(lmdb_commit(&txn), 0);
	lmdb_close(&lmdb);
}

static void a_file_of_format_1_is_taken_over_with_all_that_is_in_it(void **state)
{
	(void)state;
	const char *reason = NULL;
	fixture_fini(&fixture);
	fixture_init(&fixture);
	old_file_make();
	assert_int_equal(store_check(fixture.dir, &reason), -EPROTO);
	assert_non_null(strstr(reason, "format 1"));
	fixture_open(&fixture);
	uint8_t first[16], again[16];
	store_secret(fixture.store, first);
	fixture_check(&fixture);
	store_secret(fixture.store, again);
	assert_memory_equal(first, again, 16);
	struct store_request load = fixture_load(&fixture, BOB, 0);
	assert_int_equal(load.sharing.mode, SHARING_PRECISE);
	assert_int_equal(load.friend_count, 1);
	assert_int_equal(load.friends[0].user.value, ANN);
	assert_int_equal(load.friends[0].name_length, 3);
	assert_memory_equal(load.names, "Ann", 3);
	assert_false(load.friends[0].is_off);
	store_request_fini(&load);
	struct store_request get = { .op = STORE_USER_GET, .user = { ANN } };
	assert_int_equal(fixture_ask(&fixture, &get), 0);
	assert_int_equal(get.profile.picture_length, 2);
	assert_memory_equal(get.profile.picture, "hi", 2);
	fixture_users(&fixture, EVA, 1);
	assert_int_equal(act(STORE_ASK, ANN, EVA), STORE_PAIR_ASKED);
	fixture_check(&fixture);
}

static void break_side(uint32_t table, uint64_t user, uint64_t other, bool remove)
{
	const char *reason = "";
	struct lmdb *lmdb;
	struct lmdb_txn txn;
	struct user_id key = { user }, id = { other };
	struct bytes value = id_bytes(&id);
	store_close(&fixture.store);
	assert_int_equal(users_database_open(&lmdb, fixture.dir, 1 << 26, LMDB_SERVE, &reason), 0);
	lmdb_begin_write(lmdb, &txn);
	if (remove)
		assert_true(lmdb_remove(&txn, table, id_bytes(&key), &value));
	else
		assert_true(lmdb_put(&txn, table, id_bytes(&key), value, LMDB_ADD));
	assert_int_equal(lmdb_commit(&txn), 0);
	lmdb_close(&lmdb);
}

/* The check refuses the file without (or with) this row, and not once it is as before. */
static void assert_row_is_checked(uint32_t table, uint64_t user, uint64_t other, bool remove)
{
	const char *reason = NULL;
	break_side(table, user, other, remove);
	assert_int_equal(store_check(fixture.dir, &reason), -EBADMSG);
	assert_non_null(strstr(reason, "users.mdb: user"));
	break_side(table, user, other, !remove);
	assert_int_equal(store_check(fixture.dir, &reason), 0);
}

static void a_file_that_contradicts_itself_is_told_by_the_check(void **state)
{
	(void)state;
	fixture_users(&fixture, 1, 9);
	act(STORE_ASK, 1, 2);
	act(STORE_BLOCK, 3, 4);
	fixture_befriend(&fixture, STORE_FRIENDS_PUT, 5, 6);
	assert_row_is_checked(USERS_TABLE_ASKED, 1, 2, true);
	assert_row_is_checked(USERS_TABLE_ASKING, 2, 1, true);
	assert_row_is_checked(USERS_TABLE_BLOCKED, 3, 4, true);
	assert_row_is_checked(USERS_TABLE_BLOCKED_BY, 4, 3, true);
	assert_row_is_checked(USERS_TABLE_FRIENDS, 5, 6, true);
	assert_row_is_checked(USERS_TABLE_ASKED, 7, 8, false);
	assert_row_is_checked(USERS_TABLE_BLOCKED_BY, 7, 8, false);
	fixture_open(&fixture);
}

/* ---- failing ---------------------------------------------------------------------------------- */

static struct rlimit file_limit;

static int full_setup(void **state)
{
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &file_limit), 0);
	return setup(state);
}

static int full_teardown(void **state)
{
	setrlimit(RLIMIT_FSIZE, &file_limit);
	signal(SIGXFSZ, SIG_DFL);
	return teardown(state);
}

static void a_full_disk_answers_with_nothing_and_changes_nothing(void **state)
{
	(void)state;
	static const struct user_id ids[] = { { BOB }, { EVA } };
	put_name(ANN, "Ann");
	put_name(BOB, "Bob");
	fixture_befriend(&fixture, STORE_FRIENDS_PUT, ANN, EVA);
	struct rlimit limit = { 4096, file_limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	struct store_pair pair = { .a = { ANN }, .b = { BOB } };
	struct store_request requests[] = {
		{ .op = STORE_ASK, .pairs = &pair, .pair_count = 1 },
		{ .op = STORE_FRIENDS_SYNC, .user = { ANN }, .ids = ids, .id_count = 2 },
		{ .op = STORE_SHARING_PUT, .user = { ANN }, .asked = { .mode = SHARING_OFF } },
		{ .op = STORE_LOAD, .user = { ANN } },
	};
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(store_submit(fixture.store, &requests[i]), 0);
	for (unsigned i = 0; i < 4; i++)
		fixture_answer(&fixture, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(requests[i].status, -ENOSPC);
		assert_null(requests[i].names);
		assert_null(requests[i].sync_pairs);
		assert_int_equal(requests[i].sync_count, 0);
	}
	/* The load was alone with the snapshot, or went the way of the changes before it. */
	assert_true(requests[3].status == 0 || requests[3].status == -ENOSPC);
	store_request_fini(&requests[3]);
	setrlimit(RLIMIT_FSIZE, &file_limit);
	fixture_check(&fixture);
	assert_int_equal(count(ANN, STORE_LIST_ASKED), 0);
	assert_int_equal(count(ANN, STORE_LIST_FRIENDS), 1);
	assert_int_equal(count(BOB, STORE_LIST_FRIENDS), 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(who_asks_and_is_answered_has_a_friend),
		STORY(an_ask_is_withdrawn_or_declined_and_a_friendship_ended_by_either),
		STORY(nobody_acts_on_themselves_or_asks_somebody_unknown),
		STORY(an_administrator_who_makes_friends_ends_what_was_asked),
		STORY(a_block_ends_what_there_was_and_keeps_both_apart),
		STORY(who_is_barred_from_whom_is_loaded_in_order_and_once),
		STORY(asks_are_limited_on_both_sides),
		STORY(blocks_are_limited),
		STORY(of_two_who_accept_at_once_the_last_place_goes_to_one),
		STORY(a_sync_leaves_exactly_these_friends_and_tells_what_it_did),
		STORY(a_sync_over_a_limit_changes_nothing),
		STORY(who_is_deleted_leaves_nothing_but_a_bar_and_others_blocks),
		STORY(a_bar_holds_until_it_is_lifted),
		STORY(bars_come_in_portions_each_once),
		STORY(the_secret_is_of_this_database_and_stays),
		STORY(a_file_of_format_1_is_taken_over_with_all_that_is_in_it),
		STORY(a_file_that_contradicts_itself_is_told_by_the_check),
		cmocka_unit_test_setup_teardown(
			a_full_disk_answers_with_nothing_and_changes_nothing, full_setup,
			full_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
