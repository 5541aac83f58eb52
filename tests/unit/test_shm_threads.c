/*
 * Owns: what threads see of a table that others change at full speed.
 * Invariant: each test ends after a counted number of operations; ThreadSanitizer judges the order
 *   of memory when it is switched on.
 * Thread: two writers with the partitions between them, two readers over all.
 * Does not know: single steps (test_shm_steps.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/check.h"
#include "base/counter.h"
#include "nearbyshm.h"

/*
 * Users below STABLE_USERS are always present, and those above come and go, by removal or by age.
 * All live in few partitions that are nearly full, so that removals shift the stable ones about.
 */
enum {
	WRITERS = 2,
	READERS = 2,
	PARTITIONS_USED = 4,
	USERS_A_PARTITION = 56,
	STABLE_A_PARTITION = 16,
	WRITES = 300000, /* of each writer */
};

static struct nearby_segment *segment;
static uint64_t users[PARTITIONS_USED][USERS_A_PARTITION];
/* The number that surely is in, for each stable user. */
static _Atomic uint64_t done[PARTITIONS_USED][STABLE_A_PARTITION];
static atomic_uint writers_left;

static const struct nearby_counter_info rows[] = {
	{ .name = "writes_total", .help = "Writes.", .kind = NEARBY_COUNTER },
};

/* Without the padding behind it. */
#define LOCATION_BYTES (offsetof(struct nearby_location, mark) + 1)

static struct nearby_location location_of(uint64_t number)
{
	return (struct nearby_location){ { (int32_t)number, (int32_t)(number * 3) },
					 (int64_t)(number * 5),
					 number * 7,
					 (uint8_t)(number * 11) };
}

static void location_check(const struct nearby_location *location)
{
	struct nearby_location wanted = location_of(location->receipt_us / 7);
	check(memcmp(location, &wanted, LOCATION_BYTES) == 0);
}

static uint64_t random_next(uint64_t *state)
{
	*state += 1;
	return nearby_user_hash(*state);
}

/* ---- writers -------------------------------------------------------------------------------- */

static void writer_sweep(uint32_t partition, uint32_t *cursor, uint64_t number)
{
	uint64_t removed[8];
	/* A stable user is put at least once in that many writes, save with odds nobody will see. */
	uint64_t before_us = number > 20000 ? (number - 20000) * 7 : 0;
	uint32_t count = nearby_table_sweep(segment, partition, cursor, 8, before_us, removed);
	for (uint32_t i = 0; i < count; i++)
		check(nearby_partition(removed[i]) == partition);
}

static void *writer_main(void *argument)
{
	uint32_t core = (uint32_t)(uintptr_t)argument, cursors[PARTITIONS_USED] = { 0 };
	uint64_t random = core << 30;
	counter_word *words = nearby_segment_block(segment, core);
	for (uint64_t number = 1; number <= WRITES; number++) {
		uint32_t partition = core + WRITERS * (uint32_t)(random_next(&random) % 2);
		uint32_t i = (uint32_t)(random_next(&random) % USERS_A_PARTITION);
		uint64_t user = users[partition][i];
		nearby_hint hint = (nearby_hint)(random_next(&random) % 512);
		struct nearby_location location = location_of(number);
		bool stays = i < STABLE_A_PARTITION || random_next(&random) % 2 == 0;
		if (stays)
			check(nearby_table_put(segment, user, &hint, &location) == 0);
		else
			nearby_table_remove(segment, user);
		if (i < STABLE_A_PARTITION)
			atomic_store(&done[partition][i], number);
		if (number % 64 == 0)
			writer_sweep(partition, &cursors[partition], number);
		counter_add(&words[0], 1);
		nearby_segment_beat(segment, core, number);
	}
	atomic_fetch_sub(&writers_left, 1);
	return NULL;
}

/* ---- readers -------------------------------------------------------------------------------- */

/* Never missing, never mixed, never older than what was in before it looked. */
static void stable_read(uint32_t partition, uint32_t i, nearby_hint *hint)
{
	struct nearby_location location;
	uint64_t least = atomic_load(&done[partition][i]);
	int result = nearby_table_get(segment, users[partition][i], hint, &location);
	check(result == 0 || least == 0);
	if (result != 0)
		return;
	location_check(&location);
	check(location.receipt_us / 7 >= least);
}

static void changing_read(uint32_t partition, uint32_t i, nearby_hint *hint)
{
	struct nearby_location location;
	if (nearby_table_get(segment, users[partition][i], hint, &location) == 0)
		location_check(&location);
}

static void all_read(uint32_t partition)
{
	uint32_t cursor = 0;
	uint64_t user;
	struct nearby_location location;
	while (nearby_table_next(segment, partition, &cursor, &user, &location)) {
		check(nearby_partition(user) == partition);
		location_check(&location);
	}
}

static void *reader_main(void *argument)
{
	uint64_t random = (uint64_t)(uintptr_t)argument << 40, written = 0, beaten = 0;
	nearby_hint hints[PARTITIONS_USED][USERS_A_PARTITION] = { 0 };
	while (atomic_load(&writers_left) > 0) {
		uint32_t partition = (uint32_t)(random_next(&random) % PARTITIONS_USED);
		uint32_t i = (uint32_t)(random_next(&random) % USERS_A_PARTITION);
		if (i < STABLE_A_PARTITION)
			stable_read(partition, i, &hints[partition][i]);
		else
			changing_read(partition, i, &hints[partition][i]);
		if (random % 256 == 0)
			all_read(partition);
		uint64_t now = nearby_segment_read(segment, 0, 0), beat = nearby_segment_last_beat(segment, 0);
		check(now >= written && beat >= beaten);
		written = now;
		beaten = beat;
	}
	return NULL;
}

static int users_choose(void **state)
{
	(void)state;
	struct nearby_segment_config config = {
		.cores = WRITERS, .blocks = WRITERS, .users_max = 1, .counters = rows, .counter_count = 1,
	};
	enum nearby_segment_birth birth;
	uint32_t count[PARTITIONS_USED] = { 0 };
	for (uint64_t user = 0; user < 30000; user++) {
		uint32_t partition = nearby_partition(user);
		if (partition < PARTITIONS_USED && count[partition] < USERS_A_PARTITION)
			users[partition][count[partition]++] = user;
	}
	for (uint32_t partition = 0; partition < PARTITIONS_USED; partition++)
		check(count[partition] == USERS_A_PARTITION);
	return nearby_segment_create(&segment, &config, &birth, NULL);
}

static int leave(void **state)
{
	(void)state;
	nearby_segment_close(&segment);
	return 0;
}

static void readers_never_miss_nor_mix_what_writers_change(void **state)
{
	(void)state;
	pthread_t writers[WRITERS], readers[READERS];
	atomic_store(&writers_left, WRITERS);
	for (uintptr_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, reader_main, (void *)i), 0);
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, writer_main, (void *)i), 0);
	for (uint32_t i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	for (uint32_t i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(nearby_segment_read(segment, 0, 0), (uint64_t)WRITERS * WRITES);
	for (uint32_t partition = 0; partition < PARTITIONS_USED; partition++) {
		uint32_t cursor = 0;
		uint64_t user, seen = 0;
		struct nearby_location location;
		while (nearby_table_next(segment, partition, &cursor, &user, &location))
			seen++;
		assert_int_equal(seen, nearby_table_count(segment, partition));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(readers_never_miss_nor_mix_what_writers_change, users_choose,
						leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
