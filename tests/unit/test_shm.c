/*
 * Owns: what the location table and the counters promise to one thread.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: other processes (test_segment.c, test_shm_kill.c), other threads
 *   (test_shm_threads.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "base/check.h"
#include "base/counter.h"
#include "nearbyshm.h"

static const struct nearby_counter_info rows[] = {
	{ .name = "moves_total", .help = "Moves.", .kind = NEARBY_COUNTER },
	{ .name = "wait_us", .label = "kind=\"a\"", .help = "Waits.", .kind = NEARBY_HISTOGRAM },
	{ .name = "sessions", .help = "Sessions.", .kind = NEARBY_GAUGE },
	{ .name = "stalled", .help = "A core stalls.", .kind = NEARBY_ALERT, .level = 4 },
};

static struct nearby_segment *private_segment(uint64_t users_max)
{
	struct nearby_segment_config config = {
		.cores = 2, .blocks = 3, .users_max = users_max,
		.counters = rows, .counter_count = ARRAY_COUNT(rows),
	};
	struct nearby_segment *segment = NULL;
	enum nearby_segment_birth birth;
	assert_int_equal(nearby_segment_create(&segment, &config, &birth, NULL), 0);
	assert_int_equal(birth, NEARBY_SEGMENT_FRESH);
	return segment;
}

/* Without the padding behind it. */
#define LOCATION_BYTES (offsetof(struct nearby_location, mark) + 1)

static struct nearby_location location_of(uint64_t number)
{
	return (struct nearby_location){ .place = { (int32_t)(number % 900000000), -(int32_t)(number % 7) },
					 .client_ms = (int64_t)number * 3,
					 .receipt_us = number,
					 .mark = (uint8_t)(number * 11) };
}

static void assert_location(const struct nearby_location *location, uint64_t number)
{
	struct nearby_location wanted = location_of(number);
	assert_memory_equal(location, &wanted, LOCATION_BYTES);
}

static int put(struct nearby_segment *segment, uint64_t user, uint64_t number)
{
	nearby_hint hint = 0;
	struct nearby_location location = location_of(number);
	return nearby_table_put(segment, user, &hint, &location);
}

static int get(struct nearby_segment *segment, uint64_t user, struct nearby_location *location)
{
	nearby_hint hint = 0;
	return nearby_table_get(segment, user, &hint, location);
}

static uint64_t random_next(uint64_t *state)
{
	*state += 1;
	return nearby_user_hash(*state);
}

static uint64_t seed_of_run(void)
{
	const char *given = getenv("NEARBY_TEST_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20240601;
	print_message("NEARBY_TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

/* The next user after `user` who is in this partition. */
static uint64_t user_in(uint32_t partition, uint64_t user)
{
	do {
		user++;
	} while (nearby_partition(user) != partition);
	return user;
}

static void a_location_comes_back_as_it_was_put(void **state)
{
	(void)state;
	static const uint64_t users[] = { 0, 1, 42, NEARBYSHM_USER_MAX - 1, NEARBYSHM_USER_MAX };
	static const struct nearby_location corners[] = {
		{ { -900000000, -1800000000 }, 0, 0, 255 },
		{ { 900000000, 1800000000 }, INT64_MAX, NEARBYSHM_RECEIPT_MAX_US, 0 },
		{ { -1, 1 }, INT64_MIN, 1, 0x80 },
	};
	struct nearby_segment *segment = private_segment(100);
	for (size_t i = 0; i < ARRAY_COUNT(users); i++) {
		for (size_t j = 0; j < ARRAY_COUNT(corners); j++) {
			nearby_hint hint = 0, cold = 0;
			struct nearby_location back;
			assert_int_equal(nearby_table_put(segment, users[i], &hint, &corners[j]), 0);
			assert_int_equal(nearby_table_get(segment, users[i], &hint, &back), 0);
			assert_memory_equal(&back, &corners[j], LOCATION_BYTES);
			assert_int_equal(nearby_table_get(segment, users[i], &cold, &back), 0);
			assert_memory_equal(&back, &corners[j], LOCATION_BYTES);
			assert_int_equal(hint, cold);
		}
	}
	for (size_t i = 0; i < ARRAY_COUNT(users); i++) {
		struct nearby_location back;
		assert_int_equal(nearby_table_remove(segment, users[i]), 0);
		assert_int_equal(nearby_table_remove(segment, users[i]), -ENOENT);
		assert_int_equal(get(segment, users[i], &back), -ENOENT);
	}
	nearby_segment_close(&segment);
	assert_null(segment);
}

static void a_number_that_is_no_user_is_not_found(void **state)
{
	(void)state;
	struct nearby_segment *segment = private_segment(100);
	struct nearby_location back;
	assert_int_equal(get(segment, NEARBYSHM_USER_MAX + 1, &back), -ENOENT);
	assert_int_equal(get(segment, UINT64_MAX, &back), -ENOENT);
	nearby_segment_close(&segment);
}

static void any_hint_is_safe(void **state)
{
	(void)state;
	uint64_t random = seed_of_run();
	struct nearby_segment *segment = private_segment(2000);
	for (uint64_t user = 0; user < 1000; user++)
		assert_int_equal(put(segment, user, user), 0);
	for (uint32_t i = 0; i < 200000; i++) {
		uint64_t user = random_next(&random) % 2000;
		nearby_hint hint = (nearby_hint)random_next(&random);
		hint >>= random_next(&random) % 32;
		nearby_table_prefetch_tags(segment, user);
		nearby_table_prefetch(segment, user, hint);
		struct nearby_location back;
		int result = nearby_table_get(segment, user, &hint, &back);
		assert_int_equal(result, user < 1000 ? 0 : -ENOENT);
		if (result == 0)
			assert_location(&back, user);
		struct nearby_location location = location_of(user);
		hint = (nearby_hint)random_next(&random);
		if (user < 1000)
			assert_int_equal(nearby_table_put(segment, user, &hint, &location), 0);
	}
	uint64_t count = 0;
	for (uint32_t partition = 0; partition < NEARBYSHM_PARTITIONS; partition++)
		count += nearby_table_count(segment, partition);
	assert_int_equal(count, 1000);
	nearby_segment_close(&segment);
}

enum { SPREAD = 6000, CROWD_MAX = 64 };

/* Users of all partitions, and as many more in one of them as it takes: there most buckets are full. */
static uint32_t put_spread_and_crowd(struct nearby_segment *segment, uint64_t crowd[CROWD_MAX])
{
	uint32_t count = 0;
	for (uint64_t user = 0; user < SPREAD; user++)
		assert_int_equal(put(segment, user, user), 0);
	uint64_t user = user_in(9, 2 * SPREAD);
	for (; put(segment, user, user) == 0; user = user_in(9, user)) {
		assert_in_range(count, 0, CROWD_MAX - 1);
		crowd[count++] = user;
	}
	assert_in_range(count, 1, CROWD_MAX);
	return count;
}

/* One that is there, or one of as many who are not, or none that can be. */
static uint64_t user_of_any_kind(uint64_t *random, const uint64_t *crowd, uint32_t crowd_count)
{
	uint64_t kind = random_next(random) % 50;
	if (kind == 0)
		return NEARBYSHM_USER_MAX + random_next(random) % 2;
	if (kind <= 20)
		return crowd[random_next(random) % crowd_count];
	return random_next(random) % (2 * SPREAD);
}

/* Whatever the hints, and at every distance from the end of the list. */
static void many_users_are_read_as_each_alone(void **state)
{
	(void)state;
	enum { LISTS = 400, LENGTH_MAX = 150 };
	uint64_t random = seed_of_run(), users[LENGTH_MAX], crowd[CROWD_MAX];
	nearby_hint hints[LENGTH_MAX];
	struct nearby_location locations[LENGTH_MAX], back;
	bool found[LENGTH_MAX];
	struct nearby_segment *segment = private_segment(2000);
	uint32_t crowd_count = put_spread_and_crowd(segment, crowd);
	for (uint32_t list = 0; list < LISTS; list++) {
		uint32_t count = list % LENGTH_MAX, present = 0;
		for (uint32_t i = 0; i < count; i++) {
			users[i] = user_of_any_kind(&random, crowd, crowd_count);
			hints[i] = (nearby_hint)random_next(&random) >> random_next(&random) % 32;
			present += get(segment, users[i], &back) == 0;
		}
		nearby_hint *given = list % 3 == 0 ? NULL : hints;
		for (int again = 0; again < 2; again++) {
			assert_int_equal(nearby_table_get_many(segment, count, users, given,
							       locations, found), present);
			for (uint32_t i = 0; i < count; i++) {
				assert_int_equal(found[i], get(segment, users[i], &back) == 0);
				if (found[i])
					assert_location(&locations[i], users[i]);
			}
		}
	}
	nearby_segment_close(&segment);
}

static void a_full_partition_says_so_and_keeps_what_it_has(void **state)
{
	(void)state;
	struct nearby_segment *segment = private_segment(1);
	uint64_t slots = nearby_table_partition_slots(segment);
	uint64_t user = user_in(9, 0), held[4096];
	uint32_t count = 0;
	for (; put(segment, user, user) == 0; user = user_in(9, user)) {
		held[count++] = user;
		assert_in_range(count, 1, ARRAY_COUNT(held) - 1);
	}
	assert_int_equal(put(segment, user, user), -ENOSPC);
	assert_int_equal(count, slots * 7 / 8);
	struct nearby_location back;
	assert_int_equal(get(segment, user, &back), -ENOENT);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(put(segment, held[i], held[i] + 1), 0);
		assert_int_equal(get(segment, held[i], &back), 0);
		assert_location(&back, held[i] + 1);
	}
	assert_int_equal(nearby_table_remove(segment, held[0]), 0);
	assert_int_equal(put(segment, user, user), 0);
	assert_int_equal(put(segment, held[0], 1), -ENOSPC);
	nearby_segment_close(&segment);
}

/* The size is for the worst of 256 partitions, not for the mean. */
static void users_max_users_fit_whoever_they_are(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 1, 50, 256, 5000, 100000 };
	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		for (uint64_t first = 0; first < 4; first++) {
			struct nearby_segment *segment = private_segment(sizes[i]);
			for (uint64_t n = 0; n < sizes[i]; n++)
				assert_int_equal(put(segment, (first << 40) + n * (first + 1), n), 0);
			nearby_segment_close(&segment);
		}
	}
}

enum { MODEL_USERS = 1500, MODEL_STEPS = 400000 };

/* An array that says what a table of so few users must say. */
struct model {
	bool is_present[MODEL_USERS];
	uint64_t number[MODEL_USERS];
	nearby_hint hint[MODEL_USERS];
	uint64_t count;
};

static void model_sweep(struct model *model, struct nearby_segment *segment, uint32_t partition,
			uint64_t before_us)
{
	uint64_t removed[64];
	uint32_t cursor = 0, slots = (uint32_t)nearby_table_partition_slots(segment);
	for (uint32_t looked = 0; looked < 2 * slots; looked += ARRAY_COUNT(removed)) {
		uint32_t count = nearby_table_sweep(segment, partition, &cursor,
						    ARRAY_COUNT(removed), before_us, removed);
		for (uint32_t i = 0; i < count; i++) {
			uint64_t user = removed[i];
			assert_in_range(user, 0, MODEL_USERS - 1);
			assert_int_equal(nearby_partition(user), partition);
			assert_true(model->is_present[user] && model->number[user] < before_us);
			model->is_present[user] = false;
			model->count--;
		}
	}
	for (uint64_t user = 0; user < MODEL_USERS; user++) {
		if (nearby_partition(user) == partition && model->is_present[user])
			assert_true(model->number[user] >= before_us);
	}
}

static void model_compare(const struct model *model, const struct nearby_segment *segment)
{
	uint64_t seen = 0, counted = 0;
	for (uint32_t partition = 0; partition < NEARBYSHM_PARTITIONS; partition++) {
		uint32_t cursor = 0;
		uint64_t user;
		struct nearby_location location;
		while (nearby_table_next(segment, partition, &cursor, &user, &location)) {
			assert_in_range(user, 0, MODEL_USERS - 1);
			assert_true(model->is_present[user]);
			assert_location(&location, model->number[user]);
			seen++;
		}
		counted += nearby_table_count(segment, partition);
	}
	assert_int_equal(seen, model->count);
	assert_int_equal(counted, model->count);
}

static void model_put(struct model *model, struct nearby_segment *segment, uint64_t user,
		      uint64_t number)
{
	struct nearby_location location = location_of(number);
	assert_int_equal(nearby_table_put(segment, user, &model->hint[user], &location), 0);
	model->count += !model->is_present[user];
	model->is_present[user] = true;
	model->number[user] = number;
}

static void the_table_does_what_an_array_does(void **state)
{
	(void)state;
	uint64_t random = seed_of_run();
	struct nearby_segment *segment = private_segment(MODEL_USERS);
	struct model *model = calloc(1, sizeof(*model));
	for (uint64_t step = 0; step < MODEL_STEPS; step++) {
		uint64_t user = random_next(&random) % MODEL_USERS, choice = random_next(&random) % 1000;
		if (choice < 450) {
			model_put(model, segment, user, step);
		} else if (choice < 750) {
			struct nearby_location back;
			int result = nearby_table_get(segment, user, &model->hint[user], &back);
			assert_int_equal(result, model->is_present[user] ? 0 : -ENOENT);
			if (result == 0)
				assert_location(&back, model->number[user]);
		} else if (choice < 998) {
			int result = nearby_table_remove(segment, user);
			assert_int_equal(result, model->is_present[user] ? 0 : -ENOENT);
			model->count -= model->is_present[user];
			model->is_present[user] = false;
		} else {
			model_sweep(model, segment, (uint32_t)(random_next(&random) % 256), step - step / 8);
		}
		if (step % 20000 == 0)
			model_compare(model, segment);
	}
	model_compare(model, segment);
	free(model);
	nearby_segment_close(&segment);
}

static void a_round_of_the_sweep_sees_every_entry(void **state)
{
	(void)state;
	struct nearby_segment *segment = private_segment(1);
	uint32_t slots = (uint32_t)nearby_table_partition_slots(segment);
	uint64_t capacity = slots * 7 / 8, user = 0, removed[7];
	/* Half of them old, most buckets full. */
	for (uint64_t i = 0; i < capacity; i++) {
		user = user_in(3, user);
		assert_int_equal(put(segment, user, 100 + i % 2), 0);
	}
	uint32_t cursor = 0, gone = 0, looked = 0;
	while (looked < slots + capacity / 2) {
		gone += nearby_table_sweep(segment, 3, &cursor, ARRAY_COUNT(removed), 101, removed);
		looked += ARRAY_COUNT(removed);
	}
	assert_int_equal(gone, capacity / 2 + capacity % 2);
	assert_int_equal(nearby_table_count(segment, 3), capacity / 2);
	/* Nothing is younger than its limit: all stay. */
	assert_int_equal(nearby_table_sweep(segment, 3, &cursor, 7, 101, removed), 0);
	nearby_segment_close(&segment);
}

/*
 * What tombstones would do here: every removed entry keeps its slot, so after two turnovers no slot
 * is empty, and the probe for an absent user is the whole partition.
 */
static void fifty_turnovers_of_the_population_keep_probes_short(void **state)
{
	(void)state;
	enum { TURNOVERS = 50, BUCKETS_MAX = 20 };
	struct nearby_segment *segment = private_segment(10000);
	uint64_t population = nearby_table_partition_slots(segment) * NEARBYSHM_PARTITIONS / 16 * 9;
	for (uint64_t user = 0; user < population; user++)
		assert_int_equal(put(segment, user, user), 0);
	uint32_t longest = 0;
	for (uint64_t user = population; user < population * (1 + TURNOVERS); user++) {
		assert_int_equal(nearby_table_remove(segment, user - population), 0);
		assert_int_equal(put(segment, user, user), 0);
	}
	for (uint32_t partition = 0; partition < NEARBYSHM_PARTITIONS; partition++) {
		uint32_t probe = nearby_table_longest_probe(segment, partition);
		longest = probe > longest ? probe : longest;
	}
	print_message("longest probe after %d turnovers: %u buckets\n", TURNOVERS, longest);
	assert_in_range(longest, 1, BUCKETS_MAX);
	nearby_segment_close(&segment);
}

static void counters_and_histograms_add_up_over_blocks(void **state)
{
	(void)state;
	struct nearby_segment *segment = private_segment(10);
	for (uint32_t block = 0; block < 3; block++) {
		counter_word *words = nearby_segment_block(segment, block);
		counter_add(&words[nearby_segment_counter(segment, 0)->word_idx], 10 + block);
		histogram_add(&words[nearby_segment_counter(segment, 1)->word_idx], 3 * block);
		counter_set(&words[nearby_segment_counter(segment, 2)->word_idx], 5);
		counter_set(&words[nearby_segment_counter(segment, 3)->word_idx], 1000 - block);
	}
	assert_int_equal(nearby_segment_read(segment, 0, 0), 33);
	assert_int_equal(nearby_segment_read(segment, 1, 0), 9);     /* 0 + 3 + 6 */
	assert_int_equal(nearby_segment_read(segment, 1, 1), 1);     /* 0 µs */
	assert_int_equal(nearby_segment_read(segment, 1, 1 + 2), 1); /* 3 µs, at most 2^2 */
	assert_int_equal(nearby_segment_read(segment, 1, 1 + 3), 1); /* 6 µs, at most 2^3 */
	assert_int_equal(nearby_segment_read(segment, 2, 0), 15);
	assert_int_equal(nearby_segment_read(segment, 3, 0), 1000);
	assert_string_equal(nearby_segment_counter(segment, 1)->name, "wait_us");
	assert_string_equal(nearby_segment_counter(segment, 1)->label, "kind=\"a\"");
	assert_int_equal(nearby_segment_counter(segment, 3)->level, 4);
	nearby_segment_close(&segment);
}

static void the_histogram_of_the_segment_is_that_of_the_base_layer(void **state)
{
	(void)state;
	assert_int_equal(NEARBY_HISTOGRAM_WORDS, HISTOGRAM_WORDS);
}

static void a_core_s_beat_is_its_own(void **state)
{
	(void)state;
	struct nearby_segment *segment = private_segment(10);
	nearby_segment_beat(segment, 0, 100);
	nearby_segment_beat(segment, 1, 200);
	assert_int_equal(nearby_segment_last_beat(segment, 0), 100);
	assert_int_equal(nearby_segment_last_beat(segment, 1), 200);
	nearby_segment_beat(segment, 0, 300);
	assert_int_equal(nearby_segment_last_beat(segment, 0), 300);
	nearby_segment_close(&segment);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_location_comes_back_as_it_was_put),
		cmocka_unit_test(a_number_that_is_no_user_is_not_found),
		cmocka_unit_test(any_hint_is_safe),
		cmocka_unit_test(many_users_are_read_as_each_alone),
		cmocka_unit_test(a_full_partition_says_so_and_keeps_what_it_has),
		cmocka_unit_test(users_max_users_fit_whoever_they_are),
		cmocka_unit_test(the_table_does_what_an_array_does),
		cmocka_unit_test(a_round_of_the_sweep_sees_every_entry),
		cmocka_unit_test(fifty_turnovers_of_the_population_keep_probes_short),
		cmocka_unit_test(counters_and_histograms_add_up_over_blocks),
		cmocka_unit_test(the_histogram_of_the_segment_is_that_of_the_base_layer),
		cmocka_unit_test(a_core_s_beat_is_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
