/*
 * Owns: what a reader sees while a writer goes on under its hands.
 * Invariant: the interleaving is chosen, not hoped for: the writer is a coroutine that stops before
 *   each of its stores, and the reader lets it go on before any of its loads.
 * Thread: one, with two stacks.
 * Does not know: orders of memory weaker than the sequence of steps; ThreadSanitizer judges those
 *   (test_shm_threads.c).
 *
 * It brings its own copy of shm/, in which every load and store is a step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <ucontext.h>

#include "base/check.h"
#include "partition.h"

/* Users who all want the last two of eight buckets, twice as many as have room there: chains of moves
 * are long and wrap. */
enum { PARTITION = 5, USERS = 31, ENTRIES_MAX = 29, ENTRIES_LEAST = 22, STACK_BYTES = 256 * 1024 };

static struct nearby_segment *segment;
static uint64_t users[USERS];
/* By user: 0 absent, else the number of its location. */
static uint64_t content[USERS];

/* Without the padding behind it. */
#define LOCATION_BYTES (offsetof(struct nearby_location, mark) + 1)

static struct nearby_location location_of(uint64_t number)
{
	return (struct nearby_location){ { (int32_t)number, (int32_t)(number * 3) },
					 (int64_t)(number * 5),
					 number * 7,
					 (uint8_t)(number * 11) };
}

static uint64_t random_next(uint64_t *state)
{
	*state += 1;
	return nearby_user_hash(*state);
}

/* ---- the writer ----------------------------------------------------------------------------- */

static ucontext_t reader_context, writer_context;
static uint8_t writer_stack[STACK_BYTES];
static bool writer_runs, writer_ended;
static long writer_stores; /* how many it may still do before it stops */
static uint32_t writer_user_idx;
static uint64_t writer_number;

void nearbyshm_test_store(void)
{
	while (writer_runs && writer_stores == 0) {
		writer_runs = false;
		swapcontext(&writer_context, &reader_context);
	}
	writer_stores--;
}

static void writer_main(void)
{
	uint64_t user = users[writer_user_idx];
	nearby_hint hint = 0;
	struct nearby_location location = location_of(writer_number);
	if (writer_number != 0)
		check(nearby_table_put(segment, user, &hint, &location) == 0);
	else
		check(nearby_table_remove(segment, user) == 0);
	writer_ended = true;
	writer_runs = false;
}

static void writer_start(uint32_t user_idx, uint64_t number)
{
	writer_user_idx = user_idx;
	writer_number = number;
	writer_ended = false;
	check(getcontext(&writer_context) == 0);
	writer_context.uc_stack.ss_sp = writer_stack;
	writer_context.uc_stack.ss_size = sizeof(writer_stack);
	writer_context.uc_link = &reader_context;
	makecontext(&writer_context, writer_main, 0);
}

/* Does the next `stores` stores, or as many as are left. */
static void writer_go(long stores)
{
	if (writer_ended || stores == 0)
		return;
	writer_stores = stores;
	writer_runs = true;
	swapcontext(&reader_context, &writer_context);
	writer_runs = false;
}

/* ---- the reader ----------------------------------------------------------------------------- */

/* Before load number burst_at the writer does burst_stores; with a random source, at every load. */
static long loads, burst_at, burst_stores;
static uint64_t *burst_random;

void nearbyshm_test_load(void)
{
	if (writer_runs)
		return;
	if (burst_random != NULL)
		writer_go((long)(random_next(burst_random) % 3));
	else if (loads == burst_at)
		writer_go(burst_stores);
	loads++;
}

static uint64_t number_read(uint64_t user, nearby_hint hint)
{
	struct nearby_location back;
	loads = 0;
	int result = nearby_table_get(segment, user, &hint, &back);
	if (result == -ENOENT)
		return 0;
	assert_int_equal(result, 0);
	struct nearby_location wanted = location_of(back.receipt_us / 7);
	assert_memory_equal(&back, &wanted, LOCATION_BYTES);
	return back.receipt_us / 7;
}

/* Every other user is found as it is; the writer's as it was before or as it will be. */
static void assert_read(uint32_t user_idx, nearby_hint hint)
{
	uint64_t number = number_read(users[user_idx], hint);
	if (user_idx == writer_user_idx && number == writer_number)
		return;
	assert_int_equal(number, content[user_idx]);
}

/* ---- states --------------------------------------------------------------------------------- */

struct snapshot {
	struct partition partition;
	shm_word tags[64 / BUCKET_SLOTS];
	struct slot slots[64];
};

static void snapshot_copy(struct snapshot *snapshot, bool restores)
{
	struct partition *partition = &segment->partitions[PARTITION];
	struct slot *slots = segment->slots + PARTITION * 64;
	shm_word *tags = segment->tags + PARTITION * 64 / BUCKET_SLOTS;
	if (restores) {
		memcpy(partition, &snapshot->partition, sizeof(*partition));
		memcpy(tags, snapshot->tags, sizeof(snapshot->tags));
		memcpy(slots, snapshot->slots, sizeof(snapshot->slots));
	} else {
		memcpy(&snapshot->partition, partition, sizeof(*partition));
		memcpy(snapshot->tags, tags, sizeof(snapshot->tags));
		memcpy(snapshot->slots, slots, sizeof(snapshot->slots));
	}
}

static void write_whole(uint32_t user_idx, uint64_t number)
{
	writer_start(user_idx, number);
	burst_at = -1;
	writer_go(100000);
	check(writer_ended);
	content[user_idx] = number;
}

static void choose(uint64_t *random, uint64_t number, uint32_t *user_idx, uint64_t *put)
{
	uint32_t live = 0;
	*user_idx = (uint32_t)(random_next(random) % USERS);
	for (uint32_t i = 0; i < USERS; i++)
		live += content[i] != 0;
	while (content[*user_idx] == 0 && live == ENTRIES_MAX)
		*user_idx = (*user_idx + 1) % USERS;
	*put = content[*user_idx] != 0 && live > ENTRIES_LEAST && random_next(random) % 2 == 0 ? 0 : number;
}

static int crowd_the_partition(void **state)
{
	(void)state;
	struct nearby_segment_config config = { .cores = 1, .blocks = 1, .users_max = 1 };
	enum nearby_segment_birth birth;
	burst_at = -1;
	burst_random = NULL;
	if (nearby_segment_create(&segment, &config, &birth, NULL) != 0)
		return -1;
	memset(content, 0, sizeof(content));
	uint64_t user = 0, random = 3;
	struct span span = span_of(segment, PARTITION);
	for (uint32_t i = 0; i < USERS; i++) {
		while (nearby_partition(user) != PARTITION ||
		       (span_home(&span, nearby_user_hash(user)) + 2) % span.count > 1)
			user++;
		users[i] = user++;
	}
	for (uint64_t number = 1; number < 300; number++) {
		uint32_t user_idx;
		uint64_t put;
		choose(&random, number, &user_idx, &put);
		write_whole(user_idx, put);
	}
	return 0;
}

static int leave(void **state)
{
	(void)state;
	nearby_segment_close(&segment);
	return 0;
}

static uint64_t seed_of_run(void)
{
	const char *given = getenv("NEARBY_TEST_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 11;
	print_message("NEARBY_TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

/* ---- tests ---------------------------------------------------------------------------------- */

/* How many stores the operation takes. */
static long operation_stores(struct snapshot *before, uint32_t user_idx, uint64_t put)
{
	long stores = 0;
	writer_start(user_idx, put);
	burst_at = -1;
	for (; !writer_ended; stores++)
		writer_go(1);
	snapshot_copy(before, true);
	return stores;
}

/* All readings of a user: begun after `first` stores, with `burst` more in front of each load. */
static void read_in_all_ways(struct snapshot *before, uint32_t reader_idx, uint32_t user_idx,
			     uint64_t put, long first, long burst)
{
	/* A reader that sees nothing new makes a certain number of loads; then there is no more. */
	for (long at = 0, end = 1; at < end; at++) {
		snapshot_copy(before, true);
		writer_start(user_idx, put);
		burst_at = -1;
		writer_go(first);
		burst_at = at;
		burst_stores = burst;
		assert_read(reader_idx, 0);
		end = loads;
	}
}

static void a_reader_is_not_misled_wherever_the_writer_goes_on(void **state)
{
	(void)state;
	uint64_t random = seed_of_run();
	static struct snapshot before;
	long longest = 0;
	for (uint64_t number = 1000; number < 1060; number++) {
		uint32_t user_idx, reader_idx;
		uint64_t put;
		choose(&random, number, &user_idx, &put);
		snapshot_copy(&before, false);
		long stores = operation_stores(&before, user_idx, put);
		longest = stores > longest ? stores : longest;
		for (reader_idx = 0; reader_idx < USERS; reader_idx++) {
			for (long first = 0; first <= stores; first++) {
				for (long burst = 1; first + burst <= stores + 1; burst++)
					read_in_all_ways(&before, reader_idx, user_idx, put, first, burst);
			}
		}
		snapshot_copy(&before, true);
		write_whole(user_idx, put);
	}
	print_message("longest operation: %ld stores\n", longest);
	assert_true(longest > 20); /* chains of two moves were among them */
}

static void a_reader_is_not_misled_by_a_writer_in_fits_and_starts(void **state)
{
	(void)state;
	uint64_t random = seed_of_run();
	static struct snapshot before;
	for (uint64_t number = 1000; number < 3000; number++) {
		uint32_t user_idx;
		uint64_t put;
		choose(&random, number, &user_idx, &put);
		snapshot_copy(&before, false);
		for (uint32_t reader_idx = 0; reader_idx < USERS; reader_idx++) {
			snapshot_copy(&before, true);
			writer_start(user_idx, put);
			burst_random = &random;
			nearby_hint hint = (nearby_hint)(PARTITION * 64 + random_next(&random) % 64 + 1);
			assert_read(reader_idx, hint);
			burst_random = NULL;
		}
		snapshot_copy(&before, true);
		write_whole(user_idx, put);
	}
}

static void a_good_hint_makes_a_read_one_probe(void **state)
{
	(void)state;
	enum { LOADS_OF_ONE_PROBE = 6 }; /* meta, key, three words, meta */
	burst_at = -1;
	for (uint32_t i = 0; i < USERS; i++) {
		nearby_hint hint = 0;
		struct nearby_location location;
		if (nearby_table_get(segment, users[i], &hint, &location) != 0)
			continue;
		loads = 0;
		assert_int_equal(nearby_table_get(segment, users[i], &hint, &location), 0);
		assert_int_equal(loads, LOADS_OF_ONE_PROBE);
		loads = 0;
		assert_int_equal(nearby_table_put(segment, users[i], &hint, &location), 0);
		assert_int_equal(loads, 3); /* key and meta, meta again for its sequence */
	}
}

#define crowded_test(test) cmocka_unit_test_setup_teardown(test, crowd_the_partition, leave)

/* One thread has nothing for ThreadSanitizer, and it knows no second stack. */
#if defined(__SANITIZE_THREAD__)
#define IS_SKIPPED true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_SKIPPED true
#endif
#endif
#ifndef IS_SKIPPED
#define IS_SKIPPED false
#endif

int main(void)
{
	if (IS_SKIPPED)
		return 77; /* what automake knows as skipped */
	const struct CMUnitTest tests[] = {
		crowded_test(a_reader_is_not_misled_wherever_the_writer_goes_on),
		crowded_test(a_reader_is_not_misled_by_a_writer_in_fits_and_starts),
		crowded_test(a_good_hint_makes_a_read_one_probe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
