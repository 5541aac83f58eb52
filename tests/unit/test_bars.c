/*
 * Owns: what bars promise: each user's last word is found, whatever else was set and lifted.
 * Invariant: judged against a plain array.
 * Thread: one.
 * Does not know: tokens' texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/bars.h"

static void a_token_is_judged_by_when_it_was_issued(void **state)
{
	(void)state;
	struct bars *bars;
	const struct user_id ann = { 0 }, bob = { USER_ID_MAX };
	assert_int_equal(bars_open(&bars), 0);
	assert_int_equal(bars_judge(bars, ann, 0), TOKEN_GOOD);
	bars_set(bars, ann, 1000);
	assert_int_equal(bars_judge(bars, ann, 999), TOKEN_REVOKED);
	assert_int_equal(bars_judge(bars, ann, 0), TOKEN_REVOKED);
	assert_int_equal(bars_judge(bars, ann, 1000), TOKEN_GOOD);
	assert_int_equal(bars_judge(bars, bob, 0), TOKEN_GOOD);
	bars_set(bars, bob, BARS_ALTOGETHER);
	assert_int_equal(bars_judge(bars, bob, INT64_MAX), TOKEN_BARRED);
	bars_set(bars, bob, 0);
	assert_int_equal(bars_judge(bars, bob, 0), TOKEN_GOOD);
	assert_int_equal(bars_get(bars, ann), 1000);
	bars_close(&bars);
	assert_null(bars);
}

/* Many users in few places, so that they stand in each other's way, set and lifted in no order. */
static void what_was_set_last_holds(void **state)
{
	(void)state;
	enum { USERS = 500, STEPS = 200000 };
	static int64_t wanted[USERS];
	struct bars *bars;
	uint64_t random = 1;
	assert_int_equal(bars_open(&bars), 0);
	for (uint32_t step = 0; step < STEPS; step++) {
		random = hash_u64(random + 1);
		uint32_t user = random % USERS;
		/* Mostly lifted at first, then mostly set. */
		int64_t value = random >> 32 & (step < STEPS / 2 ? 7 : 1) ? 0 : 1 + (int64_t)(random >> 40);
		bars_set(bars, (struct user_id){ user }, value);
		wanted[user] = value;
		uint32_t other = (uint32_t)(random >> 16) % USERS;
		assert_int_equal(bars_get(bars, (struct user_id){ other }), wanted[other]);
	}
	for (uint32_t user = 0; user < USERS; user++)
		assert_int_equal(bars_get(bars, (struct user_id){ user }), wanted[user]);
	bars_close(&bars);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_judged_by_when_it_was_issued),
		cmocka_unit_test(what_was_set_last_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
