/*
 * Owns: what tools/ctl/vitals.h promises.
 * Invariant: each test has a segment in private memory.
 * Thread: one.
 * Does not know: how the vitals are shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "vitals.h"

enum { CORES = 4, USERS = 100000 };
enum { SESSIONS, REFUSED_A, REFUSED_B, DISK_FULL, COUNTERS };

static const struct nearby_counter_info counters[COUNTERS] = {
	[SESSIONS] = {.name = "sessions", .kind = NEARBY_GAUGE},
	[REFUSED_A] = {.name = "refused_total", .label = "why=\"a\"", .kind = NEARBY_COUNTER},
	[REFUSED_B] = {.name = "refused_total", .label = "why=\"b\"", .kind = NEARBY_COUNTER},
	[DISK_FULL] = {.name = "alert_disk_full", .kind = NEARBY_ALERT, .level = 4},
};

static struct nearby_segment *segment;

static void write_word(uint32_t block, uint32_t counter, uint64_t value)
{
	uint32_t word = nearby_segment_counter(segment, counter)->word_idx;
	atomic_store(&nearby_segment_block(segment, block)[word], value);
}

/* A daemon that is well: all cores have just beaten. */
static int make_segment(void **state)
{
	(void)state;
	struct nearby_segment_config config = {
		.cores = CORES,
		.blocks = CORES,
		.users_max = USERS,
		.counters = counters,
		.counter_count = COUNTERS,
	};
	enum nearby_segment_birth birth;
	if (nearby_segment_create(&segment, &config, &birth, NULL) != 0)
		return -1;
	for (uint32_t core = 0; core < CORES; core++)
		nearby_segment_beat(segment, core, boot_us());
	return 0;
}

static int drop_segment(void **state)
{
	(void)state;
	nearby_segment_close(&segment);
	return 0;
}

static struct vitals taken(void)
{
	struct vitals vitals;
	vitals_take(segment, &vitals);
	return vitals;
}

static void a_daemon_whose_cores_beat_is_well(void **state)
{
	(void)state;
	struct vitals vitals = taken();
	assert_true(vitals_are_well(&vitals));
	assert_int_equal(vitals.info.cores, CORES);
	assert_int_equal(vitals.stalled_count, 0);
}

static void a_core_that_stopped_beating_is_stalled_and_the_others_are_not(void **state)
{
	(void)state;
	uint64_t silence_us = 2 * VITALS_STALL_US;
	nearby_segment_beat(segment, 2, boot_us() - silence_us);
	struct vitals vitals = taken();
	assert_int_equal(vitals.stalled_count, 1);
	assert_true(vitals.beat_age_us[2] >= silence_us);
	assert_true(vitals.beat_age_us[1] < VITALS_STALL_US);
	assert_int_equal(vitals.oldest_beat_us, vitals.beat_age_us[2]);
	assert_false(vitals_are_well(&vitals));
}

static void a_beat_after_the_look_began_is_no_stall(void **state)
{
	(void)state;
	nearby_segment_beat(segment, 1, boot_us() + 1000000);
	struct vitals vitals = taken();
	assert_int_equal(vitals.beat_age_us[1], 0);
	assert_true(vitals_are_well(&vitals));
}

static void an_alert_that_holds_is_not_well_until_it_ends(void **state)
{
	(void)state;
	write_word(3, DISK_FULL, 1700000000000);
	struct vitals vitals = taken();
	assert_int_equal(vitals.alert_count, 1);
	assert_false(vitals_are_well(&vitals));
	write_word(3, DISK_FULL, 0);
	vitals = taken();
	assert_true(vitals_are_well(&vitals));
}

static void locations_are_counted_and_the_fullest_partition_found(void **state)
{
	(void)state;
	uint64_t in_one = 0;
	for (uint64_t user = 0; user < 1000; user++) {
		nearby_hint hint = 0;
		struct nearby_location location = {.receipt_us = boot_us()};
		if (user >= 500 && nearby_partition(user) != 7)
			continue;
		assert_int_equal(nearby_table_put(segment, user, &hint, &location), 0);
		in_one += nearby_partition(user) == 7;
	}
	struct vitals vitals = taken();
	uint64_t sum = 0, most = 0;
	for (uint32_t partition = 0; partition < NEARBYSHM_PARTITIONS; partition++) {
		uint64_t count = nearby_table_count(segment, partition);
		sum += count;
		most = count > most ? count : most;
	}
	assert_true(in_one >= 3);
	assert_int_equal(vitals.locations, sum);
	assert_int_equal(vitals.fullest_partition, most);
	assert_true(vitals.partition_slots > 0);
}

static void a_counter_is_the_sum_over_cores_and_labels(void **state)
{
	(void)state;
	uint64_t value;
	write_word(0, REFUSED_A, 1);
	write_word(2, REFUSED_A, 10);
	write_word(1, REFUSED_B, 100);
	assert_true(vitals_counter(segment, "refused_total", &value));
	assert_int_equal(value, 111);
	assert_true(vitals_counter(segment, "sessions", &value));
	assert_int_equal(value, 0);
	assert_false(vitals_counter(segment, "refused", &value));
}

#define VITALS_TEST(name) cmocka_unit_test_setup_teardown(name, make_segment, drop_segment)

int main(void)
{
	const struct CMUnitTest tests[] = {
		VITALS_TEST(a_daemon_whose_cores_beat_is_well),
		VITALS_TEST(a_core_that_stopped_beating_is_stalled_and_the_others_are_not),
		VITALS_TEST(a_beat_after_the_look_began_is_no_stall),
		VITALS_TEST(an_alert_that_holds_is_not_well_until_it_ends),
		VITALS_TEST(locations_are_counted_and_the_fullest_partition_found),
		VITALS_TEST(a_counter_is_the_sum_over_cores_and_labels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
