/*
 * Owns: the proof that a load sends what was planned, reads what it is told, and counts it right.
 * Invariant: what is planned follows from the seed alone.
 * Thread: one; no socket, no clock: times are numbers.
 * Does not know: a server.
 */
#include "bench/answer.h"
#include "bench/dialect.h"
#include "bench/entries.h"
#include "bench/friends_file.h"
#include "bench/latency.h"
#include "bench/options.h"
#include "bench/oracle.h"
#include "bench/payload.h"
#include "bench/timetable.h"
#include "bench/town.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- entries: what is read of an update ------------------------------------------------------- */

/* Reads the text with both readers, which must agree; returns how many entries there are, or -1. */
static int read_both(const char *text)
{
	static struct answer answer;
	size_t length = strlen(text);
	/* On the heap and exactly as long, so that a sanitizer sees a read beyond it. */
	char *copy = malloc(length + 1);
	memcpy(copy, text, length);
	bool is_answer = answer_read(&answer, copy, length);
	struct entries entries = { .bad = true };
	struct entries_entry entry;
	uint32_t count = 0;
	bool is_open = entries_open(&entries, copy, length);
	while (is_open && entries_next(&entries, &entry)) {
		assert_true(count < ANSWER_ENTRIES_MAX);
		if (is_answer) {
			assert_true(count < answer.count);
			assert_true(entry.user == answer.entries[count].user);
			assert_true(entry.ts_ms == answer.entries[count].ts_ms);
		}
		count++;
	}
	free(copy);
	if (!is_open || entries.bad)
		return -1;
	assert_true(is_answer);
	assert_int_equal(count, answer.count);
	return (int)count;
}

static void an_update_is_read_as_the_full_reader_reads_it(void **state)
{
	(void)state;
	assert_int_equal(read_both("{\"type\":\"update\",\"friends\":[]}"), 0);
	assert_int_equal(
		read_both("{\"type\":\"update\",\"friends\":[{\"user\":\"7\",\"name\":\"Ann\","
			  "\"lat\":37.5,\"lon\":-127,\"ts\":1700000000123,"
			  "\"distance_m\":1234.5}]}"),
		1);
	assert_int_equal(
		read_both(
			"{\"type\":\"update\",\"friends\":[{\"user\":\"0\",\"name\":\"\",\"lat\":0,"
			"\"lon\":0,\"ts\":0,\"distance_m\":0},{\"user\":\"9223372036854775807\","
			"\"name\":\"t\",\"lat\":0,\"lon\":0,\"ts\":1,\"distance_m\":0}]}"),
		2);
}

static void a_name_is_never_taken_for_a_field(void **state)
{
	(void)state;
	assert_int_equal(
		read_both(
			"{\"type\":\"update\",\"friends\":[{\"user\":\"7\",\"name\":"
			"\"\\\"ts\\\":5}],{\\\"user\\\":\\\"9\\\"\\\\\",\"lat\":1,\"lon\":2,"
			"\"ts\":42,\"distance_m\":3,\"mood\":\"}{\"},{\"user\":\"8\",\"name\":\"\","
			"\"lat\":1,\"lon\":2,\"ts\":43,\"distance_m\":3}]}"),
		2);
}

static void what_is_written_otherwise_is_left_to_the_full_reader(void **state)
{
	(void)state;
	assert_int_equal(read_both("{ \"type\":\"update\",\"friends\":[]}"), -1);
	assert_int_equal(read_both("{\"friends\":[],\"type\":\"update\"}"), -1);
	assert_int_equal(read_both("{\"type\":\"gone\",\"friends\":[]}"), -1);
	assert_int_equal(
		read_both("{\"type\":\"update\",\"friends\":[{\"name\":\"\",\"user\":\"7\"}]}"),
		-1);
}

static void an_update_cut_anywhere_is_refused(void **state)
{
	(void)state;
	const char *text =
		"{\"type\":\"update\",\"friends\":[{\"user\":\"7\",\"name\":\"A\",\"lat\":1.5,"
		"\"lon\":2,\"ts\":3,\"distance_m\":4.25}]}";
	for (size_t length = 0; length < strlen(text); length++) {
		char *copy = strndup(text, length);
		assert_int_equal(read_both(copy), -1);
		free(copy);
	}
}

/* ---- the town --------------------------------------------------------------------------------- */

static void make_town(struct town *town, uint32_t users, uint32_t active, double near)
{
	struct town_config config = { .users = users,
				      .friends = active + 20,
				      .active = active,
				      .near = near,
				      .seed = 7,
				      .centre = { 375665000, 1269780000 } };
	town_init(town, &config);
}

static void friendship_is_mutual_and_found_by_number(void **state)
{
	(void)state;
	static struct town town;
	make_town(&town, 501, 40, 10);
	for (uint32_t user = 0; user < town.count; user++) {
		uint32_t friends = 0;
		for (uint32_t other = 0; other < town.count; other++) {
			int idx = town_friend_idx(&town, user, other);
			friends += idx >= 0;
			assert_int_equal(idx >= 0, town_friend_idx(&town, other, user) >= 0);
			if (idx >= 0)
				assert_int_equal(town_friend(&town, user, (uint32_t)idx), other);
		}
		assert_int_equal(friends, 40);
		for (uint32_t idx = 0; idx < town.idle; idx++) {
			assert_true(town_stranger(&town, user, idx) >= town.count);
			assert_true(town_stranger(&town, user, idx) < town_population(&town));
		}
	}
}

static void as_many_friends_are_in_range_as_were_wanted(void **state)
{
	(void)state;
	static struct town town;
	make_town(&town, 4000, 40, 10);
	uint64_t near = 0, fooled = 0;
	for (uint32_t user = 0; user < town.count; user++) {
		struct nearby_place own = town_place(&town, user, 3);
		for (uint32_t idx = 0; idx < town.active; idx++) {
			struct nearby_place other =
				town_place(&town, town_friend(&town, user, idx), 5);
			double distance_m = oracle_distance_m(own, other);
			bool is_near =
				spots_are_near(town_spot(&town, own), town_spot(&town, other));
			near += is_near;
			if (fabs(distance_m - TOWN_RADIUS_M) > 2)
				fooled += is_near != (distance_m < TOWN_RADIUS_M);
		}
	}
	assert_int_equal(fooled, 0);
	assert_true(fabs((double)near / town.count - 10) < 0.5);
}

static void a_step_is_what_is_walked_in_half_a_minute(void **state)
{
	(void)state;
	static struct town town;
	make_town(&town, 100, 10, 5);
	for (uint32_t user = 0; user < town.count; user++) {
		double step_m =
			oracle_distance_m(town_place(&town, user, 9), town_place(&town, user, 10));
		assert_true(step_m > 25 && step_m < 55);
	}
}

/* ---- the timetable ---------------------------------------------------------------------------- */

static void everybody_is_due_once_a_period_in_order(void **state)
{
	(void)state;
	enum { USERS = 1000, STRIDE = 3, FIRST = 1, COUNT = USERS / STRIDE, ROUNDS = 20 };
	struct pace pace = pace_make(5, USERS, 2000, 1000000, 40);
	struct timetable *timetable;
	uint32_t seen[COUNT] = { 0 };
	uint64_t last_us = 0;
	assert_int_equal(pace.period_us, 500000);
	assert_int_equal(timetable_open(&timetable, FIRST, STRIDE, COUNT), 0);
	timetable_turn(timetable, &pace);
	for (uint32_t i = 0; i < COUNT * ROUNDS; i++) {
		struct timetable_entry entry;
		assert_true(timetable_next(timetable, &entry));
		timetable_take(timetable);
		assert_int_equal(entry.round, i / COUNT);
		assert_int_equal(seen[entry.local]++, entry.round);
		assert_true(entry.due_us >= last_us);
		assert_true((entry.due_us - pace.start_us) / pace.period_us == entry.round);
		assert_true(entry.due_us ==
			    pace_due_us(&pace, entry.local * STRIDE + FIRST, entry.round));
		last_us = entry.due_us;
	}
	timetable_close(&timetable);
}

/* In a Poisson process the time between two arrivals has a mean that equals its deviation. */
static void arrivals_come_as_a_poisson_process(void **state)
{
	(void)state;
	enum { USERS = 5000, ROUNDS = 10 };
	struct pace pace = pace_make(5, USERS, 5000, 0, 0);
	struct timetable *timetable;
	double sum = 0, squares = 0;
	uint64_t last_us = 0;
	assert_int_equal(timetable_open(&timetable, 0, 1, USERS), 0);
	timetable_turn(timetable, &pace);
	for (uint32_t i = 0; i < USERS * ROUNDS; i++) {
		struct timetable_entry entry;
		assert_true(timetable_next(timetable, &entry));
		timetable_take(timetable);
		double gap_us = (double)(entry.due_us - last_us);
		last_us = entry.due_us;
		sum += gap_us;
		squares += gap_us * gap_us;
	}
	timetable_close(&timetable);
	double mean = sum / (USERS * ROUNDS);
	double deviation = sqrt(squares / (USERS * ROUNDS) - mean * mean);
	assert_true(fabs(mean - 200) < 5);
	assert_true(fabs(deviation - mean) < 10);
}

static void another_seed_or_step_is_another_time(void **state)
{
	(void)state;
	struct pace one = pace_make(1, 1000, 1000, 0, 0), two = pace_make(2, 1000, 1000, 0, 0);
	struct pace later = pace_make(1, 1000, 1000, 0, 5);
	unsigned same = 0, shifted = 0;
	for (uint32_t user = 0; user < 1000; user++) {
		same += pace_due_us(&one, user, 0) == pace_due_us(&two, user, 0);
		shifted += pace_due_us(&one, user, 5) ==
			   pace_due_us(&later, user, 0) + 5 * one.period_us;
	}
	assert_true(same < 10);
	assert_int_equal(shifted, 1000);
}

static void a_rate_of_nothing_is_never_due(void **state)
{
	(void)state;
	struct pace pace = pace_make(1, 10, 0, 0, 0);
	struct timetable_entry entry;
	struct timetable *timetable;
	assert_int_equal(timetable_open(&timetable, 0, 1, 10), 0);
	timetable_turn(timetable, &pace);
	assert_false(timetable_next(timetable, &entry));
	timetable_close(&timetable);
}

/* ---- what goes through others ----------------------------------------------------------------- */

static bool payload_comes_back(int32_t lat_e7, int32_t lon_e7, int64_t ts_ms)
{
	char text[DIALECT_LOCATION_BYTES_MAX];
	struct announcement said = { .place = { lat_e7, lon_e7 }, .ts_ms = ts_ms };
	struct writer writer = writer_init(text, sizeof(text));
	struct nearby_place place;
	int64_t read_ms;
	payload_put(&writer, &said);
	const char *at = text, *end = text + writer_length(&writer);
	return payload_read(&at, end, &place, &read_ms) && at == end && place.lat_e7 == lat_e7 &&
	       place.lon_e7 == lon_e7 && read_ms == ts_ms;
}

static void a_location_comes_back_as_it_was_written(void **state)
{
	(void)state;
	assert_true(payload_comes_back(0, 0, 0));
	assert_true(payload_comes_back(-5, 5, 1700000000000));
	assert_true(payload_comes_back(375665000, -1269780001, 1));
	assert_true(payload_comes_back(-900000000, 1800000000, INT64_C(999999999999999)));
}

static void what_is_no_location_is_refused(void **state)
{
	(void)state;
	const char *text = "{\"lat\":37.5,\"lon\":-127,\"ts\":1700000000123}";
	struct nearby_place place;
	int64_t ts_ms;
	for (size_t length = 0; length <= strlen(text); length++) {
		char *copy = strndup(text, length);
		const char *at = copy;
		assert_int_equal(payload_read(&at, copy + length, &place, &ts_ms),
				 length == strlen(text));
		free(copy);
	}
	const char *const broken[] = {
		"{\"lat\":181,\"lon\":1,\"ts\":1}",
		"{\"lat\":1.12345678,\"lon\":1,\"ts\":1}",
		"{\"lat\":1.,\"lon\":1,\"ts\":1}",
		"{\"lon\":1,\"lat\":1,\"ts\":1}",
	};
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		const char *at = broken[i];
		assert_false(payload_read(&at, at + strlen(at), &place, &ts_ms));
	}
}

/* ---- what others read ------------------------------------------------------------------------- */

static uint32_t word_at(const uint8_t *bytes, size_t at)
{
	return bytes[at] | (uint32_t)bytes[at + 1] << 8 | (uint32_t)bytes[at + 2] << 16 |
	       (uint32_t)bytes[at + 3] << 24;
}

static void the_file_of_friendships_names_everybody(void **state)
{
	(void)state;
	static struct town town;
	static uint8_t bytes[100000];
	char path[] = "/tmp/test-bench-load-XXXXXX";
	int fd = mkstemp(path);
	make_town(&town, 50, 10, 5);
	assert_int_equal(friends_file_write(path, &town, 3), 0);
	ssize_t length = read(fd, bytes, sizeof(bytes));
	close(fd);
	unlink(path);
	assert_memory_equal(bytes, "NBFRIEND", 8);
	assert_int_equal(word_at(bytes, 8), 1);
	assert_int_equal(word_at(bytes, 12), 53);
	size_t at = 16;
	for (uint32_t id = 0; id < 53; id++) {
		uint32_t count = word_at(bytes, at);
		assert_int_equal(count, id < 3 ? 0 : 30);
		for (uint32_t i = 0; i < count; i++)
			assert_int_equal(word_at(bytes, at + 4 + 4 * i),
					 3 + (i < 10 ? town_friend(&town, id - 3, i)
						     : town_stranger(&town, id - 3, i - 10)));
		at += 4 + 4 * count;
	}
	assert_int_equal(at, length);
	assert_int_equal(friends_file_write(path, &town, UINT32_MAX), -ERANGE);
	assert_int_equal(friends_file_write("/nowhere/at/all", &town, 3), -ENOENT);
}

static void a_bucket_ends_where_the_next_begins(void **state)
{
	(void)state;
	for (unsigned bucket = 0; bucket + 1 < LATENCY_BUCKETS; bucket++) {
		struct latency latency = { .count = 0 };
		latency_add(&latency, latency_bucket_us(bucket));
		latency_add(&latency, latency_bucket_us(bucket) + 1);
		assert_int_equal(latency.buckets[bucket], 1);
		assert_int_equal(latency.buckets[bucket + 1], 1);
	}
}

/* ---- the command line ------------------------------------------------------------------------- */

/* The words are copied, as getopt may shuffle them and options point to them. */
static int parse(struct options *options, const char *const *words)
{
	static char copies[16][64];
	char *arguments[16] = { NULL };
	int count = 0;
	for (; words[count] != NULL; count++) {
		snprintf(copies[count], sizeof(copies[count]), "%s", words[count]);
		arguments[count] = copies[count];
	}
	optind = 1;
	return options_parse(options, count, arguments);
}

#define PARSE(options, ...)                                                                        \
	parse(options,                                                                             \
	      (const char *const[]){ "nearby-bench", "load", "--token-key=k", __VA_ARGS__, NULL })

static void what_a_load_is_not_told_follows_from_what_it_is(void **state)
{
	(void)state;
	struct options options;
	assert_int_equal(PARSE(&options, "--sessions=3000"), 0);
	assert_int_equal(options.load.friends, 400);
	assert_int_equal(options.load.active, 40);
	assert_true(options.load.near == 10);
	assert_true(options.load.rate_count == 1 && options.load.rates[0] == 100);
	assert_int_equal(options.load.warm_up_us, 2000000);
	assert_int_equal(options.load.linger_us, 2000000);
	assert_int_equal(PARSE(&options, "--step-rates=10,20.5,30000", "--interval-ms=10000"), 0);
	assert_int_equal(options.load.rate_count, 3);
	assert_true(options.load.rates[1] == 20.5);
	assert_int_equal(options.load.linger_us, 12000000);
	assert_int_equal(options.load.runs, 1);
	assert_int_equal(PARSE(&options, "--rate=100", "--runs=5"), 0);
	assert_int_equal(options.load.runs, 5);
}

static void what_makes_no_load_is_refused(void **state)
{
	(void)state;
	struct options options;
	assert_true(PARSE(&options, "--active=41") < 0);
	assert_true(PARSE(&options, "--for=0") < 0);
	assert_true(PARSE(&options, "--runs=0") < 0 && PARSE(&options, "--runs=33") < 0);
	assert_true(PARSE(&options, "--friends=20", "--active=40") < 0);
	assert_true(PARSE(&options, "--friends=20.5") < 0);
	assert_true(PARSE(&options, "--sessions=42", "--active=40") < 0);
	assert_true(PARSE(&options, "--step-rates=10,,20") < 0);
	assert_true(PARSE(&options, "--step-rates=10,20", "--search=1s") < 0);
	assert_true(PARSE(&options, "--storm=2000") < 0);
	assert_true(PARSE(&options, "--dialect=klingon") < 0);
	assert_true(PARSE(&options, "--judge", "--rate=0") < 0);
	assert_true(PARSE(&options, "--edges=x") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_update_is_read_as_the_full_reader_reads_it),
		cmocka_unit_test(a_name_is_never_taken_for_a_field),
		cmocka_unit_test(what_is_written_otherwise_is_left_to_the_full_reader),
		cmocka_unit_test(an_update_cut_anywhere_is_refused),
		cmocka_unit_test(friendship_is_mutual_and_found_by_number),
		cmocka_unit_test(as_many_friends_are_in_range_as_were_wanted),
		cmocka_unit_test(a_step_is_what_is_walked_in_half_a_minute),
		cmocka_unit_test(everybody_is_due_once_a_period_in_order),
		cmocka_unit_test(arrivals_come_as_a_poisson_process),
		cmocka_unit_test(another_seed_or_step_is_another_time),
		cmocka_unit_test(a_rate_of_nothing_is_never_due),
		cmocka_unit_test(a_location_comes_back_as_it_was_written),
		cmocka_unit_test(what_is_no_location_is_refused),
		cmocka_unit_test(the_file_of_friendships_names_everybody),
		cmocka_unit_test(a_bucket_ends_where_the_next_begins),
		cmocka_unit_test(what_a_load_is_not_told_follows_from_what_it_is),
		cmocka_unit_test(what_makes_no_load_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
