/*
 * Owns: the proof that the programs in nearby-shm(5) do what the page says: one reads through the
 *   library, one reads the bytes as the page describes them.
 * Invariant: they run in the build folder, on a segment of this test's.
 * Thread: one.
 * Does not know: how they read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counter.h"
#include "nearbyshm.h"

enum { USERS = 400 };

static char instance[NEARBYSHM_INSTANCE_BYTES + 1];
static struct nearby_segment *segment;

static const struct nearby_counter_info rows[] = {
	{ .name = "wait_us", .help = "Waits.", .kind = NEARBY_HISTOGRAM },
	{ .name = "moves_total", .help = "Moves.", .kind = NEARBY_COUNTER },
};

static struct nearby_location location_of(uint64_t user)
{
	bool is_odd = user % 2 == 1;
	return (struct nearby_location){
		.place = { is_odd ? -900000000 : 375000000, is_odd ? -1800000000 : 1270000000 },
		.client_ms = is_odd ? -(int64_t)user : 1700000000000,
		.receipt_us = user << 20,
		.mark = (uint8_t)user,
	};
}

static int fill(void **state)
{
	(void)state;
	snprintf(instance, sizeof(instance), "example-%d", (int)getpid());
	struct nearby_segment_config config = {
		.instance = instance, .cores = 1, .blocks = 2, .users_max = USERS,
		.counters = rows, .counter_count = ARRAY_COUNT(rows),
	};
	enum nearby_segment_birth birth;
	if (nearby_segment_create(&segment, &config, &birth, NULL) != 0)
		return -1;
	for (uint64_t user = 0; user < USERS; user++) {
		nearby_hint hint = 0;
		struct nearby_location location = { .receipt_us = 1 }, last = location_of(user);
		if (nearby_table_put(segment, user, &hint, &location) != 0 ||
		    (user % 3 != 0 && nearby_table_put(segment, user, &hint, &last) != 0) ||
		    (user % 3 == 0 && nearby_table_remove(segment, user) != 0))
			return -1;
	}
	return 0;
}

static int leave(void **state)
{
	(void)state;
	nearby_segment_close(&segment);
	nearby_segment_unlink(instance);
	return 0;
}

/* Runs a program with the instance and all users, and compares what it says. */
static void assert_says(const char *program, const char *first)
{
	char command[8192], line[256], wanted[256];
	int length = snprintf(command, sizeof(command), "%s %s", program, instance);
	for (uint64_t user = 0; user < USERS; user++)
		length += snprintf(command + length, sizeof(command) - (size_t)length, " %" PRIu64, user);
	FILE *said = popen(command, "r");
	assert_non_null(said);
	for (size_t at = 0; first[at] != '\0'; at += strlen(line)) {
		assert_non_null(fgets(line, sizeof(line), said));
		assert_memory_equal(line, &first[at], strlen(line));
	}
	for (uint64_t user = 0; user < USERS; user++) {
		struct nearby_location at = location_of(user);
		snprintf(wanted, sizeof(wanted), "%" PRIu64 " %d %d %" PRId64 " %" PRIu64 " %u\n", user,
			 at.place.lat_e7, at.place.lon_e7, at.client_ms, at.receipt_us, at.mark);
		if (user % 3 == 0)
			snprintf(wanted, sizeof(wanted), "%" PRIu64 " -\n", user);
		assert_non_null(fgets(line, sizeof(line), said));
		assert_string_equal(line, wanted);
	}
	assert_null(fgets(line, sizeof(line), said));
	assert_int_equal(pclose(said), 0);
}

static void the_program_with_the_library_reads_owner_counters_and_locations(void **state)
{
	(void)state;
	char first[128];
	counter_add(&nearby_segment_block(segment, 1)[nearby_segment_counter(segment, 1)->word_idx], 5);
	snprintf(first, sizeof(first), "owned by process %d\nmoves_total 5\n", (int)getpid());
	assert_says("man/examples/shm-read", first);
}

static void the_program_without_it_reads_the_same_locations_from_the_bytes(void **state)
{
	(void)state;
	const char *source = getenv("TEST_SOURCE");
	char program[4096];
	assert_non_null(source);
	snprintf(program, sizeof(program), "python3 '%s/man/examples/shm-read.py'", source);
	assert_says(program, "");
}

static void an_instance_that_never_was_is_said_to_be_none(void **state)
{
	(void)state;
	int status = system("man/examples/shm-read never-was 2>/dev/null");
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

#define filled_test(test) cmocka_unit_test_setup_teardown(test, fill, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		filled_test(the_program_with_the_library_reads_owner_counters_and_locations),
		filled_test(the_program_without_it_reads_the_same_locations_from_the_bytes),
		cmocka_unit_test(an_instance_that_never_was_is_said_to_be_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
