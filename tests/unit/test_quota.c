/*
 * Owns: the tests of quotas.
 * Invariant: time is given, none is measured.
 * Thread: one.
 * Does not know: addresses.
 */
#include "net/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { SECOND_US = 1000000 };
static const uint64_t START_US = 5000000000;

static struct quota *opened(void)
{
	struct quota *quota;
	assert_int_equal(quota_open(&quota), 0);
	return quota;
}

static uint32_t take_many(struct quota *quota, uint64_t key, uint64_t now_us, uint32_t tries)
{
	uint32_t taken = 0;
	for (uint32_t i = 0; i < tries; i++)
		taken += quota_take(quota, key, now_us, 10, 30);
	return taken;
}

static void a_burst_passes_and_then_the_rate(void **state)
{
	(void)state;
	struct quota *quota = opened();
	assert_int_equal(take_many(quota, 7, START_US, 100), 30);
	assert_int_equal(take_many(quota, 7, START_US, 100), 0);
	assert_int_equal(take_many(quota, 7, START_US + SECOND_US, 100), 10);
	/* After a long silence no more than a burst. */
	assert_int_equal(take_many(quota, 7, START_US + 1000u * (uint64_t)SECOND_US, 100), 30);
	quota_close(&quota);
}

static void what_is_refused_is_not_charged(void **state)
{
	(void)state;
	struct quota *quota = opened();
	take_many(quota, 7, START_US, 100000);
	assert_int_equal(take_many(quota, 7, START_US + SECOND_US / 10, 100), 1);
	quota_close(&quota);
}

static void one_key_does_not_hurt_another(void **state)
{
	(void)state;
	struct quota *quota = opened();
	for (uint64_t key = 0; key < 500; key++)
		take_many(quota, key, START_US, 31);
	/* With 500 places of 16,384 full in each row, four meetings at once are one in a million. */
	uint32_t refused = 0;
	for (uint64_t key = 1000; key < 2000; key++)
		refused += !quota_take(quota, key, START_US, 10, 30);
	assert_in_range(refused, 0, 5);
	quota_close(&quota);
}

static void without_a_rate_nothing_is_refused(void **state)
{
	(void)state;
	struct quota *quota = opened();
	for (uint32_t i = 0; i < 1000; i++)
		assert_true(quota_take(quota, 7, START_US, 0, 1));
	quota_close(&quota);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_passes_and_then_the_rate),
		cmocka_unit_test(what_is_refused_is_not_charged),
		cmocka_unit_test(one_key_does_not_hurt_another),
		cmocka_unit_test(without_a_rate_nothing_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
