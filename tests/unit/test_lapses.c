/*
 * Owns: what lapses promise: each ends once, in order, when it was last said to.
 * Invariant: judged against a plain array.
 * Thread: one.
 * Does not know: clocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "app/lapses.h"
#include "base/check.h"

static struct lapse of_all(uint64_t sharer, int64_t until_ms)
{
	return (struct lapse){ .sharer = { sharer }, .until_ms = until_ms };
}

static struct lapse of_one(uint64_t sharer, uint64_t viewer, int64_t until_ms)
{
	return (struct lapse){ { sharer }, true, { viewer }, until_ms };
}

static void set(struct lapses *lapses, struct lapse lapse)
{
	lapses_set(lapses, &lapse);
	lapses_check(lapses);
}

static void what_ends_first_is_taken_first_and_none_before_its_time(void **state)
{
	(void)state;
	struct lapses *lapses;
	struct lapse lapse;
	assert_int_equal(lapses_open(&lapses), 0);
	assert_false(lapses_take(lapses, INT64_MAX, &lapse));
	set(lapses, of_all(7, 300));
	set(lapses, of_one(7, 8, 100));
	set(lapses, of_one(8, 7, 200));
	assert_false(lapses_take(lapses, 99, &lapse));
	assert_true(lapses_take(lapses, 100, &lapse));
	assert_true(lapse.has_viewer && lapse.sharer.value == 7 && lapse.viewer.value == 8);
	assert_false(lapses_take(lapses, 100, &lapse));
	/* A clock that jumps brings all that is over, in order. */
	assert_true(lapses_take(lapses, 1000, &lapse));
	assert_int_equal(lapse.sharer.value, 8);
	assert_true(lapses_take(lapses, 1000, &lapse));
	assert_false(lapse.has_viewer);
	assert_int_equal(lapse.until_ms, 300);
	assert_false(lapses_take(lapses, INT64_MAX, &lapse));
	lapses_close(&lapses);
	assert_null(lapses);
}

static void what_is_said_last_holds(void **state)
{
	(void)state;
	struct lapses *lapses;
	struct lapse lapse;
	assert_int_equal(lapses_open(&lapses), 0);
	set(lapses, of_all(7, 100));
	set(lapses, of_all(7, 500)); /* later */
	set(lapses, of_one(7, 0, 300)); /* an exception for user 0 is another matter */
	set(lapses, of_one(7, 1, 50));
	set(lapses, of_one(7, 1, 0)); /* it ends no more by itself */
	set(lapses, of_one(9, 9, 0)); /* there was none */
	assert_int_equal(lapses_count(lapses), 2);
	assert_false(lapses_take(lapses, 299, &lapse));
	set(lapses, of_all(7, 200)); /* sooner again */
	assert_true(lapses_take(lapses, 200, &lapse));
	assert_false(lapse.has_viewer);
	assert_true(lapses_take(lapses, 300, &lapse));
	assert_true(lapse.has_viewer && lapse.viewer.value == 0);
	assert_int_equal(lapses_count(lapses), 0);
	lapses_close(&lapses);
}

enum { SHARERS = 40, VIEWERS = 5, STEPS = 60000 };

/* The least of what is set, or INT64_MAX. */
static int64_t least(int64_t wanted[SHARERS][VIEWERS + 1])
{
	int64_t found = INT64_MAX;
	for (int sharer = 0; sharer < SHARERS; sharer++)
		for (int viewer = 0; viewer <= VIEWERS; viewer++)
			if (wanted[sharer][viewer] != 0 && wanted[sharer][viewer] < found)
				found = wanted[sharer][viewer];
	return found;
}

static void any_order_of_sets_and_takes_keeps_it_sound(void **state)
{
	(void)state;
	static int64_t wanted[SHARERS][VIEWERS + 1]; /* the last one: everybody */
	struct lapses *lapses;
	struct lapse lapse;
	uint64_t random = 1;
	assert_int_equal(lapses_open(&lapses), 0);
	for (int step = 0; step < STEPS; step++) {
		random = hash_u64(random + 1);
		uint64_t sharer = random % SHARERS, viewer = (random >> 16) % (VIEWERS + 1);
		int64_t until_ms = (random >> 32 & 3) == 0 ? 0 : 1 + (int64_t)(random >> 34 & 1023);
		if ((random >> 60) < 6) {
			bool is_taken = lapses_take(lapses, until_ms, &lapse);
			assert_int_equal(is_taken, least(wanted) <= until_ms);
			if (!is_taken)
				continue;
			assert_int_equal(lapse.until_ms, least(wanted));
			int64_t *place = &wanted[lapse.sharer.value][lapse.has_viewer ? lapse.viewer.value : VIEWERS];
			assert_int_equal(lapse.until_ms, *place);
			*place = 0;
		} else {
			lapse = viewer == VIEWERS ? of_all(sharer, until_ms) : of_one(sharer, viewer, until_ms);
			lapses_set(lapses, &lapse);
			wanted[sharer][viewer] = until_ms;
		}
		if (step % 16 == 0)
			lapses_check(lapses);
	}
	lapses_close(&lapses);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ends_first_is_taken_first_and_none_before_its_time),
		cmocka_unit_test(what_is_said_last_holds),
		cmocka_unit_test(any_order_of_sets_and_takes_keeps_it_sound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
