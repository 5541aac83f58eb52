/*
 * Owns: what the timer wheel promises.
 * Invariant: time is what the test says it is.
 * Thread: one.
 * Does not know: connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "net/timer.h"

enum { START_MS = 1000003 };

static struct timer_wheel wheel;

/* Walks on in steps and returns when `timer` fired; no other may. */
static uint64_t fires_at(struct timer *timer, uint64_t from_ms, uint64_t step_ms, uint64_t until_ms)
{
	for (uint64_t now_ms = from_ms; now_ms <= until_ms; now_ms += step_ms) {
		struct timer *fired = timer_wheel_fire(&wheel, now_ms);
		if (fired == NULL)
			continue;
		assert_ptr_equal(fired, timer);
		return now_ms;
	}
	return 0;
}

static void a_timer_fires_at_its_time_or_a_tick_later(void **state)
{
	(void)state;
	static const uint64_t delays_ms[] = { 0, 1, 15, 16, 17, 1000, 16383, 16384, 50000, 100000 };
	for (size_t i = 0; i < ARRAY_COUNT(delays_ms); i++) {
		struct timer timer = { 0 };
		timer_wheel_init(&wheel, START_MS);
		uint64_t due_ms = START_MS + delays_ms[i];
		timer_set(&wheel, &timer, due_ms);
		uint64_t fired_ms = fires_at(&timer, START_MS, 1, due_ms + 1000);
		assert_in_range(fired_ms, due_ms, due_ms + TIMER_TICK_MS);
		assert_int_equal(wheel.count, 0);
	}
}

static void the_wheel_says_when_to_look_again(void **state)
{
	(void)state;
	timer_wheel_init(&wheel, START_MS);
	assert_int_equal(timer_wheel_next_ms(&wheel), UINT64_MAX);
	struct timer near = { 0 }, far = { 0 };
	timer_set(&wheel, &far, START_MS + 9000);
	timer_set(&wheel, &near, START_MS + 500);
	uint64_t next_ms = timer_wheel_next_ms(&wheel);
	assert_in_range(next_ms, START_MS + 500, START_MS + 500 + TIMER_TICK_MS);
	assert_null(timer_wheel_fire(&wheel, next_ms - 1));
	assert_ptr_equal(timer_wheel_fire(&wheel, next_ms), &near);
	next_ms = timer_wheel_next_ms(&wheel);
	assert_ptr_equal(timer_wheel_fire(&wheel, next_ms), &far);
}

static void a_timer_may_be_set_again_to_any_time(void **state)
{
	(void)state;
	struct timer timer = { 0 };
	timer_wheel_init(&wheel, START_MS);
	timer_set(&wheel, &timer, START_MS + 100);
	timer_set(&wheel, &timer, START_MS + 5000);
	timer_set(&wheel, &timer, START_MS + 3000);
	/* The place of 100 is met first, then the time that holds. */
	assert_in_range(fires_at(&timer, START_MS, 7, START_MS + 9000), START_MS + 3000,
			START_MS + 3000 + TIMER_TICK_MS + 7);
	timer_set(&wheel, &timer, START_MS + 9000);
	timer_set(&wheel, &timer, START_MS + 4000);
	assert_in_range(fires_at(&timer, START_MS + 3100, 7, START_MS + 9000), START_MS + 4000,
			START_MS + 4000 + TIMER_TICK_MS + 7);
}

static void a_cleared_timer_does_not_fire(void **state)
{
	(void)state;
	struct timer timer = { 0 };
	timer_wheel_init(&wheel, START_MS);
	timer_set(&wheel, &timer, START_MS + 100);
	timer_clear(&wheel, &timer);
	timer_clear(&wheel, &timer);
	assert_int_equal(timer_wheel_next_ms(&wheel), UINT64_MAX);
	assert_int_equal(fires_at(&timer, START_MS, 16, START_MS + 40000), 0);
}

static void after_a_long_absence_all_that_is_due_fires_once(void **state)
{
	(void)state;
	enum { TIMERS = 1000, SPREAD_MS = 60000 };
	static struct timer timers[TIMERS];
	memset(timers, 0, sizeof(timers));
	timer_wheel_init(&wheel, START_MS);
	srand(7);
	uint32_t due = 0;
	for (int i = 0; i < TIMERS; i++) {
		uint64_t delay_ms = (uint64_t)rand() % SPREAD_MS;
		due += delay_ms + TIMER_TICK_MS <= SPREAD_MS / 2;
		timer_set(&wheel, &timers[i], START_MS + delay_ms);
	}
	uint32_t fired = 0;
	struct timer *timer;
	while ((timer = timer_wheel_fire(&wheel, START_MS + SPREAD_MS / 2)) != NULL) {
		assert_true(timer->due_ms <= START_MS + SPREAD_MS / 2);
		fired++;
	}
	assert_in_range(fired, due, due + TIMERS / 50);
	while (timer_wheel_fire(&wheel, START_MS + 2 * SPREAD_MS) != NULL)
		fired++;
	assert_int_equal(fired, TIMERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_fires_at_its_time_or_a_tick_later),
		cmocka_unit_test(the_wheel_says_when_to_look_again),
		cmocka_unit_test(a_timer_may_be_set_again_to_any_time),
		cmocka_unit_test(a_cleared_timer_does_not_fire),
		cmocka_unit_test(after_a_long_absence_all_that_is_due_fires_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
