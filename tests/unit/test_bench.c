/*
 * Owns: the proof that nearby-bench reads right, and that its oracle finds every kind of fault.
 * Invariant: each verdict of verdicts.tbl that the oracle gives is provoked here once.
 * Thread: one; no socket, no clock: times are numbers.
 * Does not know: a server.
 */
#include "bench/answer.h"
#include "bench/cast.h"
#include "bench/frame.h"
#include "bench/latency.h"
#include "bench/names.h"
#include "bench/options.h"
#include "bench/oracle.h"
#include "bench/replay.h"
#include "bench/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND_US 1000000u

/* ---- answers -------------------------------------------------------------------------------- */

static bool reads(struct answer *answer, const char *text)
{
	/* On the heap and exactly as long, so that a sanitizer sees a read beyond it. */
	size_t length = strlen(text);
	char *copy = malloc(length + 1);
	memcpy(copy, text, length);
	bool is_read = answer_read(answer, copy, length);
	free(copy);
	return is_read;
}

static void an_update_is_read_whatever_its_order_and_extras(void **state)
{
	(void)state;
	struct answer answer;
	assert_true(reads(&answer, " {\"friends\" : [ {\"distance_m\":1234.5,\"extra\":[1,{\"a\":null}],"
				   "\"user\":\"7\",\"name\":\"A \\\"b\\\"\",\"lat\":37.5,\"lon\":-127,"
				   "\"ts\":1700000000000} ],\"type\":\"update\",\"new\":true} "));
	assert_int_equal(answer.type, ANSWER_UPDATE);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.entries[0].user, 7);
	assert_int_equal(answer.entries[0].place.lat_e7, 375000000);
	assert_int_equal(answer.entries[0].place.lon_e7, -1270000000);
	assert_true(answer.entries[0].ts_ms == 1700000000000);
	assert_true(answer.entries[0].distance_m == 1234.5);
}

static void every_type_of_the_protocol_is_read(void **state)
{
	(void)state;
	struct answer answer;
	assert_true(reads(&answer, "{\"type\":\"welcome\",\"user\":\"42\",\"name\":null,"
				   "\"radius_m\":8046.72,\"ttl_s\":600,\"update_s\":30,\"ts\":1}"));
	assert_int_equal(answer.type, ANSWER_WELCOME);
	assert_true(answer.radius_m == 8046.72);
	assert_true(reads(&answer, "{\"type\":\"nearby\",\"friends\":[],\"total\":37,\"next\":\"a-b\"}"));
	assert_int_equal(answer.total, 37);
	assert_int_equal(answer.next.length, 3);
	assert_true(reads(&answer, "{\"type\":\"nearby\",\"friends\":[],\"total\":0,\"next\":null}"));
	assert_null(answer.next.bytes);
	assert_true(reads(&answer,
			  "{\"type\":\"gone\",\"friends\":[{\"user\":\"7\",\"why\":\"far\"}]}"));
	assert_int_equal(answer.gone[0].user, 7);
	assert_true(reads(&answer, "{\"type\":\"error\",\"code\":\"stale\",\"message\":\"m\"}"));
	assert_true(reads(&answer, "{\"type\":\"reconnect\",\"after_ms\":800}"));
	assert_true(reads(&answer, "{\"type\":\"strangers\",\"people\":[]}"));
	assert_int_equal(answer.type, ANSWER_OTHER);
}

static void what_breaks_the_protocol_is_refused(void **state)
{
	(void)state;
	struct answer answer;
	const char *const broken[] = {
		"",
		"{",
		"[]",
		"{\"type\":\"update\"}",
		"{\"type\":\"update\",\"friends\":[{}]}",
		"{\"type\":\"update\",\"friends\":[]} x",
		"{\"type\":\"update\",\"friends\":[],}",
		"{\"type\":\"update\" \"friends\":[]}",
		"{\"type\":\"gone\",\"friends\":[{\"user\":7,\"why\":\"far\"}]}",
		"{\"type\":\"gone\",\"friends\":[{\"user\":\"07\",\"why\":\"far\"}]}",
		"{\"type\":\"gone\",\"friends\":[{\"user\":\"7\"}]}",
		"{\"type\":\"nearby\",\"friends\":[],\"total\":1}",
		"{\"type\":\"welcome\",\"user\":\"4",
		"{\"type\":\"reconnect\",\"after_ms\":--1}",
		"{\"type\":\"x\",\"y\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
	};
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		if (reads(&answer, broken[i]))
			fail_msg("read: %s", broken[i]);
	}
}

static void a_message_cut_anywhere_is_refused(void **state)
{
	(void)state;
	struct answer answer;
	const char *text = "{\"type\":\"update\",\"friends\":[{\"user\":\"7\",\"name\":\"A\",\"lat\":1.5,"
			   "\"lon\":2,\"ts\":3,\"distance_m\":4.25}]}";
	for (size_t length = 0; length < strlen(text); length++) {
		char *copy = malloc(length + 1);
		memcpy(copy, text, length);
		assert_false(answer_read(&answer, copy, length));
		free(copy);
	}
	assert_true(answer_read(&answer, text, strlen(text)));
}

/* ---- frames --------------------------------------------------------------------------------- */

/* Unmasks what a client wrote, so that the reader, which is a client's, can read it. */
static size_t as_a_server_would_send(uint8_t *bytes, size_t length, size_t payload_bytes)
{
	size_t head = length - payload_bytes - 4;
	uint8_t mask[4];
	memcpy(mask, bytes + head, 4);
	for (size_t i = 0; i < payload_bytes; i++)
		bytes[head + i] = bytes[head + 4 + i] ^ mask[i % 4];
	bytes[1] &= 0x7f;
	return length - 4;
}

static void a_frame_of_any_length_comes_back_and_not_a_byte_too_early(void **state)
{
	(void)state;
	const size_t lengths[] = { 0, 1, 125, 126, 127, 65535, 65536, FRAME_PAYLOAD_BYTES_MAX };
	uint8_t *bytes = malloc(FRAME_PAYLOAD_BYTES_MAX + FRAME_HEADER_BYTES_MAX);
	char *payload = malloc(FRAME_PAYLOAD_BYTES_MAX);
	memset(payload, 'x', FRAME_PAYLOAD_BYTES_MAX);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct frame frame;
		size_t length = frame_write(bytes, FRAME_TEXT, payload, lengths[i], 0x1badcafe);
		assert_int_equal(frame_read(bytes, length, &frame), -EPROTO); /* masked */
		length = as_a_server_would_send(bytes, length, lengths[i]);
		for (size_t part = 0; part < length; part += 1 + length / 50)
			assert_int_equal(frame_read(bytes, part, &frame), 0);
		assert_int_equal(frame_read(bytes, length, &frame), (ssize_t)length);
		assert_int_equal(frame.opcode, FRAME_TEXT);
		assert_int_equal(frame.length, lengths[i]);
		assert_memory_equal(frame.payload, payload, lengths[i]);
	}
	free(payload);
	free(bytes);
}

static void frames_that_no_server_of_ours_sends_are_refused(void **state)
{
	(void)state;
	struct frame frame;
	const uint8_t frames[][10] = {
		{ 0x01, 0 },						/* a fragment */
		{ 0x80, 0 },						/* its continuation */
		{ 0xc1, 0 },						/* a reserved bit */
		{ 0x83, 0 },						/* a reserved opcode */
		{ 0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0 },		/* 2^63 bytes */
		{ 0x81, 127, 0, 0, 0, 0, 0, 0x10, 0, 1 },		/* over the limit */
	};
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
		assert_int_equal(frame_read(frames[i], sizeof(frames[i]), &frame), -EPROTO);
}

/* ---- times ---------------------------------------------------------------------------------- */

static void percentiles_are_right_to_a_thirtieth(void **state)
{
	(void)state;
	struct latency *latency = calloc(1, sizeof(*latency));
	assert_int_equal(latency_at_us(latency, 0.5), 0);
	for (uint64_t value = 1; value <= 4; value++)
		latency_add(latency, value);
	assert_int_equal(latency_at_us(latency, 0.5), 2);
	assert_int_equal(latency_at_us(latency, 0.75), 3);
	memset(latency, 0, sizeof(*latency));
	for (uint64_t value = 1; value <= 100000; value++)
		latency_add(latency, value);
	const double shares[] = { 0.01, 0.5, 0.9, 0.99, 0.999 };
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		double exact = shares[i] * 100000, found = (double)latency_at_us(latency, shares[i]);
		assert_true(found >= exact && found <= exact * (1 + 1.0 / 30));
	}
	assert_int_equal(latency_at_us(latency, 1), 100000);
	latency_add(latency, UINT64_MAX / 4);
	assert_true(latency_at_us(latency, 1) > 1u << 30);
	free(latency);
}

static void durations_carry_their_unit(void **state)
{
	(void)state;
	uint64_t us;
	assert_int_equal(duration_parse("20s", &us), 0);
	assert_int_equal(us, 20 * SECOND_US);
	assert_int_equal(duration_parse("250ms", &us), 0);
	assert_int_equal(us, SECOND_US / 4);
	assert_int_equal(duration_parse("1.5m", &us), 0);
	assert_int_equal(us, 90 * SECOND_US);
	assert_int_equal(duration_parse("7", &us), 0);
	assert_int_equal(us, 7 * SECOND_US);
	assert_int_equal(duration_parse("20x", &us), -EINVAL);
	assert_int_equal(duration_parse("", &us), -EINVAL);
	assert_int_equal(duration_parse("-1s", &us), -EINVAL);
}

/* ---- data ----------------------------------------------------------------------------------- */

static void the_columns_of_known_files_are_found_out(void **state)
{
	(void)state;
	struct fix fix;
	const char *const lines[] = {
		"0\t2010-10-19T23:55:27Z\t30.2359091167\t-97.7951395833\t22847", /* SNAP */
		"1287532527\t0\t30.2359091167\t-97.7951395833",
		"0\t30.2359091167\t-97.7951395833",
	};
	for (int i = 0; i < 3; i++) {
		struct columns columns = columns_guess(lines[i]);
		assert_int_equal(fix_parse(&fix, lines[i], &columns), 0);
		assert_int_equal(fix.user, 0);
		assert_int_equal(fix.time_s, i == 2 ? 0 : 1287532527);
		assert_int_equal(fix.place.lat_e7, 302359091);
		assert_int_equal(fix.place.lon_e7, -977951396);
	}
}

static void columns_can_be_said_and_are_checked(void **state)
{
	(void)state;
	struct columns columns;
	struct fix fix;
	assert_int_equal(columns_parse(&columns, "lat,lon,-,user"), 0);
	assert_int_equal(fix_parse(&fix, "1 2 x 9\n", &columns), 0);
	assert_int_equal(fix.user, 9);
	assert_int_equal(fix_parse(&fix, "91 2 x 9", &columns), -EINVAL);
	assert_int_equal(fix_parse(&fix, "1 2x x 9", &columns), -EINVAL);
	assert_int_equal(fix_parse(&fix, "1 2 x -9", &columns), -EINVAL);
	assert_int_equal(fix_parse(&fix, "1 2 x", &columns), -EINVAL);
	assert_int_equal(columns_parse(&columns, "user,lat"), -EINVAL);
	assert_int_equal(columns_parse(&columns, "user,lat,lon,height"), -EINVAL);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void files_are_read_plain_and_gzipped_and_sorted_by_time(void **state)
{
	(void)state;
	char folder[] = "/tmp/nearby-bench-XXXXXX", path[64], command[160];
	struct fixes fixes;
	struct columns guess = { .count = 0 };
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/fixes", folder);
	write_file(path, "# comment\n30 1 1 1\n10 2 2 2\n30 3 3 3\nrubbish\n\n10 4 4 4\n");
	snprintf(command, sizeof(command), "gzip -k %s", path);
	assert_int_equal(system(command), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fixes_load(&fixes, path, &guess, SIZE_MAX), 0);
		assert_int_equal(fixes.count, 4);
		assert_int_equal(fixes.rejected, 1);
		const uint64_t order[] = { 2, 4, 1, 3 };
		for (size_t k = 0; k < 4; k++)
			assert_int_equal(fixes.rows[k].user, order[k]);
		free(fixes.rows);
		strcat(path, ".gz");
	}
	path[strlen(path) - 3] = 0; /* the second .gz */
	assert_int_equal(unlink(path), 0);
	write_file(path, "this is no gzip");
	assert_int_equal(fixes_load(&fixes, path, &guess, SIZE_MAX), -EIO);
	assert_int_equal(unlink(path), 0);
	path[strlen(path) - 3] = 0;
	assert_int_equal(fixes_load(&fixes, "/nowhere/at/all", &guess, SIZE_MAX), -ENOENT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void movers_play_themselves_or_the_best_connected(void **state)
{
	(void)state;
	struct fix rows[] = { { .user = 900 }, { .user = 300 }, { .user = 900 }, { .user = 500 } };
	struct edge pairs[] = { { 1, 2 }, { 2, 3 }, { 3, 4 }, { 2, 5 }, { 300, 900 }, { 900, 300 } };
	struct fixes fixes = { .rows = rows, .count = 4 };
	struct edges edges = { .rows = pairs, .count = 4 };
	struct cast cast;
	/* 2 has three friends, 3 has two, 1 the lowest id of those with one. */
	assert_int_equal(cast_open(&cast, &fixes, &edges, true, UINT32_MAX), 0);
	assert_int_equal(cast.count, 3);
	assert_int_equal(cast.ids[cast.users[1]], 2); /* 300 is the lowest mover */
	assert_int_equal(cast.ids[cast.users[3]], 3);
	assert_int_equal(cast.ids[cast.users[0]], 1);
	assert_int_equal(cast.pair_count, 2);
	cast_close(&cast);
	edges.count = 6;
	assert_int_equal(cast_open(&cast, &fixes, &edges, false, 2), 0);
	assert_int_equal(cast.count, 2); /* 300 and 500 */
	assert_int_equal(cast.users[0], UINT32_MAX);
	assert_int_equal(cast.pair_count, 0);
	cast_close(&cast);
}

static void a_replay_keeps_order_and_pace_in_every_split(void **state)
{
	(void)state;
	struct fix rows[] = { { .time_s = 100 }, { .time_s = 160 }, { .time_s = 160 }, { .time_s = 400 } };
	const uint32_t users[] = { 0, 1, UINT32_MAX, 2 };
	struct fixes fixes = { .rows = rows, .count = 4 };
	struct replay replay = { &fixes, users, 60 };
	struct sighting sighting;
	struct plan_step step;
	void *first = replay_plan.open(&replay, 0, 2), *second = replay_plan.open(&replay, 1, 2);
	assert_true(replay_plan.next(first, &step));
	assert_int_equal(step.due_us, 0);
	replay_plan.take(first, &sighting);
	assert_int_equal(sighting.ts_ms, 100000);
	assert_true(replay_plan.next(first, &step));
	assert_int_equal(step.user, 2);
	assert_int_equal(step.due_us, 5 * SECOND_US);
	replay_plan.take(first, &sighting);
	assert_false(replay_plan.next(first, &step));
	assert_true(replay_plan.next(second, &step));
	assert_int_equal(step.user, 1);
	replay_plan.take(second, &sighting);
	assert_false(replay_plan.next(second, &step));
	replay_plan.close(first);
	replay_plan.close(second);
}

static void a_city_is_the_same_however_it_is_split(void **state)
{
	(void)state;
	struct city city = { .users = 10, .friends_mean = 4, .seed = 3, .radius_km = 5, .speed = 30 };
	struct nearby_place places[2][10][3];
	struct plan_step step;
	for (uint32_t workers = 1; workers <= 2; workers++) {
		for (uint32_t worker = 0; worker < workers; worker++) {
			void *walk = walk_plan.open(&city, worker, workers);
			uint32_t rounds[10] = { 0 };
			for (uint32_t i = 0; i < 3 * 10 / workers; i++) {
				struct sighting sighting;
				assert_true(walk_plan.next(walk, &step));
				walk_plan.take(walk, &sighting);
				places[workers - 1][step.user][rounds[step.user]++] = sighting.place;
			}
			walk_plan.close(walk);
		}
	}
	assert_memory_equal(places[0], places[1], sizeof(places[0]));
	assert_true(memcmp(&places[0][0][0], &places[0][0][1], sizeof(places[0][0][0])) != 0);
}

static void names_are_different_and_fit(void **state)
{
	(void)state;
	static char names[4096][WORLD_NAME_BYTES];
	for (uint32_t i = 0; i < 4096; i++) {
		name_make(i, names[i], WORLD_NAME_BYTES);
		assert_in_range(strlen(names[i]), 5, WORLD_NAME_BYTES - 2);
	}
	qsort(names, 4096, WORLD_NAME_BYTES, (int (*)(const void *, const void *))strcmp);
	for (uint32_t i = 1; i < 4096; i++)
		assert_string_not_equal(names[i - 1], names[i]);
}

/* ---- the oracle ----------------------------------------------------------------------------- */

/*
 * Ann (10) and Bob (20) are friends, and Ann and Cem (30); Dia (40) is nobody's. All stand on the
 * equator, where a hundredth of a degree is 1,111.95 m: so 0.07 is in range and 0.08 is not.
 */
enum { ANN, BOB, CEM, DIA };

struct town {
	struct world *world;
	struct oracle oracle;
	uint64_t now_us;
};

static struct nearby_place at(double lon)
{
	return (struct nearby_place){ .lat_e7 = 0, .lon_e7 = (int32_t)lround(lon * 1e7) };
}

/* The user says so now, and a second passes. */
static void moves(struct town *town, uint32_t user, double lon)
{
	struct sighting sighting = { .place = at(lon),
				     .ts_ms = (int64_t)(town->now_us / 1000),
				     .sent_us = town->now_us };
	world_move(town->world, user, &sighting);
	town->now_us += SECOND_US;
}

static struct town *town_open(void)
{
	const uint64_t ids[] = { 10, 20, 30, 40 };
	struct pair pairs[] = { { BOB, ANN }, { ANN, CEM }, { ANN, BOB }, { CEM, CEM } };
	struct town *town = calloc(1, sizeof(*town));
	assert_non_null(town);
	assert_int_equal(world_open(&town->world, ids, 4, pairs, 4), 0);
	town->oracle = (struct oracle){ .world = town->world,
					.radius_m = 8046.72,
					.ttl_us = 600ull * SECOND_US };
	town->now_us = 1000ull * SECOND_US;
	return town;
}

static void town_close(struct town *town)
{
	world_close(&town->world);
	free(town);
}

/* What a right server would tell of `user`'s place `back` moves ago, seen from `viewer`. */
static struct answer_entry entry_of(struct town *town, uint32_t viewer, uint32_t user, uint32_t back)
{
	struct sighting own, other;
	struct world *world = town->world;
	assert_true(world_sighting(world, viewer, world_version(world, viewer), &own));
	assert_true(world_sighting(world, user, world_version(world, user) - back, &other));
	return (struct answer_entry){ .user = world->ids[user],
				      .name = { "", 0 },
				      .place = other.place,
				      .ts_ms = other.ts_ms,
				      .distance_m = oracle_distance_m(own.place, other.place) };
}

static enum push_cause last_cause;

/* One frame with this entry for `viewer`. */
static enum verdict hears_entry(struct town *town, uint32_t viewer, struct answer_entry entry)
{
	uint64_t sent_us;
	oracle_frame(&town->oracle, viewer);
	return oracle_update(&town->oracle, viewer, &entry, town->now_us, &last_cause, &sent_us);
}

static enum verdict hears(struct town *town, uint32_t viewer, uint32_t user)
{
	return hears_entry(town, viewer, entry_of(town, viewer, user, 0));
}

static enum verdict hears_gone(struct town *town, uint32_t viewer, uint32_t user, const char *why)
{
	struct answer_gone gone = { .user = town->world->ids[user], .why = { why, strlen(why) } };
	return oracle_gone(&town->oracle, viewer, &gone, town->now_us);
}

static uint64_t found[VERDICT_COUNT];

static void find(void *context, enum verdict verdict, uint64_t about)
{
	(void)context;
	(void)about;
	found[verdict]++;
}

/* The check of one viewer, whose list has the users of `listed`, ended by -1. */
static struct check_counts checks(struct town *town, uint32_t viewer, const int *listed)
{
	struct check_counts counts = { .pairs = 0 };
	memset(found, 0, sizeof(found));
	oracle_check_begin(&town->oracle, viewer);
	for (; *listed >= 0; listed++) {
		struct answer_entry entry = entry_of(town, viewer, (uint32_t)*listed, 0);
		enum verdict verdict =
			oracle_page_entry(&town->oracle, viewer, &entry, true, town->now_us);
		if (verdict != VERDICT_RIGHT)
			found[verdict]++;
	}
	oracle_check_end(&town->oracle, viewer, town->now_us, &counts, find, NULL);
	return counts;
}

static uint64_t findings(void)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < VERDICT_COUNT; i++)
		sum += found[i];
	return sum;
}

#define LIST(...) ((const int[]){ __VA_ARGS__, -1 })
#define EMPTY	  ((const int[]){ -1 })

static void distances_are_those_of_the_sphere(void **state)
{
	(void)state;
	const double quarter_m = M_PI / 2 * 6371008.8;
	struct nearby_place pole = { .lat_e7 = 900000000 }, east = at(179.99), west = at(-179.99);
	assert_true(oracle_distance_m(at(5), at(5)) == 0);
	assert_true(fabs(oracle_distance_m(at(0), at(90)) - quarter_m) < 0.001);
	assert_true(fabs(oracle_distance_m(at(0), at(180)) - 2 * quarter_m) < 0.001);
	assert_true(fabs(oracle_distance_m(at(77), pole) - quarter_m) < 0.001);
	assert_true(fabs(oracle_distance_m(east, west) - 2223.901) < 0.001);
}

static void right_pushes_are_found_right(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	town->now_us += MERGE_WINDOW_US;
	moves(town, BOB, 0.01);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(last_cause, PUSH_MOVED);
	moves(town, ANN, 0.005);
	moves(town, BOB, 0.02);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(last_cause, PUSH_MOVED);
	moves(town, ANN, 0);
	moves(town, CEM, 0.09);
	moves(town, ANN, 0.03);
	assert_int_equal(hears(town, ANN, CEM), VERDICT_RIGHT);
	assert_int_equal(last_cause, PUSH_ENTERED);
	moves(town, BOB, 0.12);
	assert_int_equal(hears_gone(town, ANN, BOB, "far"), VERDICT_RIGHT);
	checks(town, ANN, LIST(CEM));
	assert_int_equal(findings(), 0);
	town_close(town);
}

static void a_push_to_the_wrong_person_is_found(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	moves(town, BOB, 0);
	moves(town, CEM, 0);
	moves(town, DIA, 0);
	assert_int_equal(hears(town, BOB, CEM), VERDICT_NOT_FRIEND);
	assert_int_equal(hears(town, ANN, DIA), VERDICT_NOT_FRIEND);
	assert_int_equal(hears(town, ANN, ANN), VERDICT_NOT_FRIEND);
	assert_int_equal(hears_gone(town, BOB, CEM, "far"), VERDICT_NOT_FRIEND);
	town_close(town);
}

static void what_was_never_sent_is_found(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	moves(town, BOB, 0.01);
	town->now_us += PRIOR_GRACE_US;
	struct answer_entry entry = entry_of(town, ANN, BOB, 0);
	entry.place.lat_e7++;
	assert_int_equal(hears_entry(town, ANN, entry), VERDICT_NEVER_SENT);
	entry = entry_of(town, ANN, BOB, 0);
	entry.ts_ms++;
	assert_int_equal(hears_entry(town, ANN, entry), VERDICT_NEVER_SENT);
	town_close(town);
}

static void an_older_place_after_a_newer_is_found(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	moves(town, BOB, 0.01);
	moves(town, BOB, 0.02);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(hears_entry(town, ANN, entry_of(town, ANN, BOB, 1)), VERDICT_BACKWARDS);
	town_close(town);
}

static void a_distance_must_fit_a_place_that_the_server_may_judge_by(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	moves(town, BOB, 0.01);
	struct answer_entry early = entry_of(town, ANN, BOB, 0), wrong = early;
	wrong.distance_m += 0.1;
	assert_int_equal(hears_entry(town, ANN, wrong), VERDICT_BAD_DISTANCE);
	/* Ann's move may be on its way: both distances are right, */
	moves(town, ANN, 0.05);
	assert_int_equal(hears_entry(town, ANN, early), VERDICT_RIGHT);
	moves(town, BOB, 0.02);
	struct answer_entry late = entry_of(town, ANN, BOB, 0), back = late;
	back.distance_m = oracle_distance_m(at(0), at(0.02));
	assert_int_equal(hears_entry(town, ANN, late), VERDICT_RIGHT);
	/* ... but after the newer one the older is not. */
	moves(town, BOB, 0.03);
	back = entry_of(town, ANN, BOB, 0);
	back.distance_m = oracle_distance_m(at(0), at(0.03));
	assert_int_equal(hears_entry(town, ANN, back), VERDICT_BAD_DISTANCE);
	town_close(town);
}

static void a_place_that_was_proven_taken_rules_out_the_older_ones(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	moves(town, BOB, 0.01);
	struct answer_entry early = entry_of(town, ANN, BOB, 0);
	moves(town, ANN, 0.05);
	oracle_taken(&town->oracle, ANN);
	assert_int_equal(hears_entry(town, ANN, early), VERDICT_BAD_DISTANCE);
	town_close(town);
}

static void a_friend_beyond_the_radius_or_expired_is_found(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	moves(town, BOB, 0.08);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_OUT_OF_RANGE);
	moves(town, BOB, 0.01);
	town->now_us += town->oracle.ttl_us + TTL_MARGIN_US;
	assert_int_equal(hears(town, ANN, BOB), VERDICT_EXPIRED);
	town_close(town);
}

static void another_name_is_found(void **state)
{
	(void)state;
	struct town *town = town_open();
	strcpy(town->world->names[BOB], "Bob");
	moves(town, ANN, 0);
	moves(town, BOB, 0.01);
	struct answer_entry entry = entry_of(town, ANN, BOB, 0);
	assert_int_equal(hears_entry(town, ANN, entry), VERDICT_BAD_NAME);
	entry.name = (struct slice){ "Bob", 3 };
	assert_int_equal(hears_entry(town, ANN, entry), VERDICT_RIGHT);
	town_close(town);
}

static void a_repeated_push_is_found_unless_something_moved(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	town->now_us += MERGE_WINDOW_US;
	moves(town, BOB, 0.01);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_DUPLICATE);
	moves(town, ANN, 0.005);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(last_cause, PUSH_REFRESHED);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_DUPLICATE);
	town_close(town);
}

static void two_who_move_at_once_may_be_told_once_for_each(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	moves(town, BOB, 0.2);
	town->now_us += MERGE_WINDOW_US;
	moves(town, ANN, 0.1);
	moves(town, BOB, 0.11);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(last_cause, PUSH_MERGED);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_DUPLICATE);
	town_close(town);
}

static void merged_moves_may_tell_the_newest_once_for_each(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	town->now_us += MERGE_WINDOW_US;
	moves(town, BOB, 0.01);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	moves(town, BOB, 0.02);
	moves(town, BOB, 0.03);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(last_cause, PUSH_MERGED);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_DUPLICATE);
	/* Moves of long ago are no excuse. */
	moves(town, BOB, 0.02);
	town->now_us += MERGE_WINDOW_US;
	moves(town, BOB, 0.01);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_DUPLICATE);
	town_close(town);
}

static void a_friend_twice_in_one_frame_is_found(void **state)
{
	(void)state;
	struct town *town = town_open();
	uint64_t sent_us;
	moves(town, ANN, 0);
	moves(town, BOB, 0.01);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	struct answer_entry entry = entry_of(town, ANN, BOB, 0);
	assert_int_equal(oracle_update(&town->oracle, ANN, &entry, town->now_us, &last_cause,
				       &sent_us),
			 VERDICT_TWICE_IN_FRAME);
	town_close(town);
}

static void a_gone_needs_its_reason(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	moves(town, BOB, 0.01);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(hears_gone(town, ANN, BOB, "far"), VERDICT_GONE_WITHOUT_REASON);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(hears_gone(town, ANN, BOB, "idle"), VERDICT_GONE_WITHOUT_REASON);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(hears_gone(town, ANN, BOB, "off"), VERDICT_GONE_WITHOUT_REASON);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(hears_gone(town, ANN, BOB, "unfriended"), VERDICT_GONE_WITHOUT_REASON);
	/* Cem was never in range of Ann, so cannot leave her. */
	moves(town, CEM, 1);
	assert_int_equal(hears_gone(town, ANN, CEM, "far"), VERDICT_GONE_WITHOUT_REASON);
	town->now_us += town->oracle.ttl_us;
	assert_int_equal(hears_gone(town, ANN, BOB, "idle"), VERDICT_RIGHT);
	town_close(town);
}

static void the_place_of_an_earlier_run_is_known_as_such(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	struct answer_entry before = { .user = 20,
				       .name = { "", 0 },
				       .place = at(0.02),
				       .ts_ms = 5,
				       .distance_m = oracle_distance_m(at(0), at(0.02)) };
	assert_int_equal(hears_entry(town, ANN, before), VERDICT_RIGHT);
	assert_int_equal(last_cause, PUSH_BEFORE);
	checks(town, ANN, EMPTY);
	assert_int_equal(findings(), 0);
	assert_int_equal(hears_gone(town, ANN, BOB, "idle"), VERDICT_RIGHT);
	/* Once Bob has moved, and Ann was told or had the time to be, it is over. */
	moves(town, BOB, 0.01);
	assert_int_equal(hears_entry(town, ANN, before), VERDICT_RIGHT);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	assert_int_equal(hears_entry(town, ANN, before), VERDICT_NEVER_SENT);
	town_close(town);
}

static void what_is_missing_shows_when_all_is_quiet(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	moves(town, BOB, 0.01);
	struct check_counts counts = checks(town, ANN, EMPTY);
	assert_int_equal(counts.pairs, 1);
	assert_int_equal(found[VERDICT_VIEW_MISSING], 1);
	assert_int_equal(found[VERDICT_LIST_MISSING], 1);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	counts = checks(town, ANN, LIST(BOB));
	assert_int_equal(counts.listed, 1);
	assert_int_equal(findings(), 0);
	moves(town, BOB, 0.02);
	checks(town, ANN, LIST(BOB));
	assert_int_equal(found[VERDICT_VIEW_OLD], 1);
	moves(town, BOB, 0.5);
	checks(town, ANN, EMPTY);
	assert_int_equal(found[VERDICT_VIEW_GHOST], 1);
	assert_int_equal(findings(), 1);
	town_close(town);
}

static void a_wrong_list_is_found(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	moves(town, BOB, 0.01);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	checks(town, ANN, LIST(BOB, BOB));
	assert_int_equal(found[VERDICT_LIST_ORDER], 1);
	/* An older place on the list, and then the friend who has expired. */
	struct answer_entry old = entry_of(town, ANN, BOB, 0);
	moves(town, BOB, 0.02);
	oracle_check_begin(&town->oracle, ANN);
	assert_int_equal(oracle_page_entry(&town->oracle, ANN, &old, true, town->now_us),
			 VERDICT_LIST_OLD);
	moves(town, BOB, 0.5);
	assert_int_equal(hears_gone(town, ANN, BOB, "far"), VERDICT_RIGHT);
	oracle_check_begin(&town->oracle, ANN);
	town->world->views[town->world->edge_first[ANN]].is_listed = true;
	struct check_counts counts = { .pairs = 0 };
	memset(found, 0, sizeof(found));
	oracle_check_end(&town->oracle, ANN, town->now_us, &counts, find, NULL);
	assert_int_equal(found[VERDICT_LIST_GHOST], 1);
	town_close(town);
}

static void at_the_border_both_answers_are_right(void **state)
{
	(void)state;
	struct town *town = town_open();
	const double metre = 1 / 111195.08;
	double radius = town->oracle.radius_m * metre;
	moves(town, ANN, 0);
	moves(town, BOB, radius - 0.5 * metre);
	moves(town, CEM, radius + 0.5 * metre);
	struct check_counts counts = checks(town, ANN, EMPTY);
	assert_int_equal(findings(), 0);
	assert_int_equal(counts.border, 2);
	assert_int_equal(counts.pairs, 1);
	assert_int_equal(hears(town, ANN, CEM), VERDICT_RIGHT);
	checks(town, ANN, LIST(BOB, CEM));
	assert_int_equal(findings(), 0);
	town_close(town);
}

static void near_its_expiry_a_location_may_count_or_not(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, BOB, 0.01);
	moves(town, ANN, 0);
	town->now_us += town->oracle.ttl_us - TTL_MARGIN_US;
	checks(town, ANN, EMPTY);
	assert_int_equal(findings(), 0);
	assert_int_equal(hears(town, ANN, BOB), VERDICT_RIGHT);
	town->now_us += 2 * TTL_MARGIN_US;
	checks(town, ANN, EMPTY);
	assert_int_equal(found[VERDICT_VIEW_GHOST], 1);
	town_close(town);
}

static void a_friend_whose_session_broke_is_not_judged(void **state)
{
	(void)state;
	struct town *town = town_open();
	moves(town, ANN, 0);
	moves(town, BOB, 0.01);
	town->world->tracks[BOB].is_lost = true;
	checks(town, ANN, EMPTY);
	assert_int_equal(findings(), 0);
	town_close(town);
}

static void a_track_forgets_the_oldest_and_says_so(void **state)
{
	(void)state;
	struct town *town = town_open();
	struct sighting sighting;
	uint32_t depth = town->world->track_depth, newest = 3 * depth;
	for (uint32_t i = 1; i <= newest; i++)
		moves(town, ANN, i * 0.001);
	assert_true(world_sighting(town->world, ANN, newest, &sighting));
	assert_int_equal(sighting.place.lon_e7, at(newest * 0.001).lon_e7);
	uint32_t oldest = world_oldest(town->world, ANN);
	assert_in_range(oldest, newest - depth, newest - depth / 2);
	assert_true(world_sighting(town->world, ANN, oldest, &sighting));
	assert_false(world_sighting(town->world, ANN, oldest - 1, &sighting));
	assert_false(world_sighting(town->world, ANN, newest + 1, &sighting));
	assert_false(world_sighting(town->world, BOB, 1, &sighting));
	town_close(town);
}

static void friends_are_found_from_both_sides(void **state)
{
	(void)state;
	struct town *town = town_open();
	uint32_t edge, user;
	assert_int_equal(town->world->edge_count, 4);
	assert_true(world_find_friend(town->world, ANN, 20, &edge));
	assert_int_equal(town->world->edge_user[edge], BOB);
	assert_true(world_find_friend(town->world, CEM, 10, &edge));
	assert_false(world_find_friend(town->world, CEM, 30, &edge));
	assert_false(world_find_friend(town->world, DIA, 10, &edge));
	assert_false(world_find_friend(town->world, ANN, 99, &edge));
	assert_true(world_find(town->world, 40, &user));
	assert_int_equal(user, DIA);
	assert_false(world_find(town->world, 41, &user));
	town_close(town);
}

static void each_row_of_friends_ascends(void **state)
{
	(void)state;
	const uint64_t ids[] = { 1, 2, 3, 4 };
	struct pair pairs[] = { { 3, 1 }, { 1, 2 }, { 0, 1 } };
	const uint32_t rows[] = { 1, 0, 2, 3, 1, 1 }, firsts[] = { 0, 1, 4, 5, 6 };
	struct world *world;
	assert_int_equal(world_open(&world, ids, 4, pairs, 3), 0);
	assert_memory_equal(world->edge_first, firsts, sizeof(firsts));
	assert_memory_equal(world->edge_user, rows, sizeof(rows));
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_update_is_read_whatever_its_order_and_extras),
		cmocka_unit_test(every_type_of_the_protocol_is_read),
		cmocka_unit_test(what_breaks_the_protocol_is_refused),
		cmocka_unit_test(a_message_cut_anywhere_is_refused),
		cmocka_unit_test(a_frame_of_any_length_comes_back_and_not_a_byte_too_early),
		cmocka_unit_test(frames_that_no_server_of_ours_sends_are_refused),
		cmocka_unit_test(percentiles_are_right_to_a_thirtieth),
		cmocka_unit_test(durations_carry_their_unit),
		cmocka_unit_test(the_columns_of_known_files_are_found_out),
		cmocka_unit_test(columns_can_be_said_and_are_checked),
		cmocka_unit_test(files_are_read_plain_and_gzipped_and_sorted_by_time),
		cmocka_unit_test(movers_play_themselves_or_the_best_connected),
		cmocka_unit_test(a_replay_keeps_order_and_pace_in_every_split),
		cmocka_unit_test(a_city_is_the_same_however_it_is_split),
		cmocka_unit_test(names_are_different_and_fit),
		cmocka_unit_test(distances_are_those_of_the_sphere),
		cmocka_unit_test(right_pushes_are_found_right),
		cmocka_unit_test(a_push_to_the_wrong_person_is_found),
		cmocka_unit_test(what_was_never_sent_is_found),
		cmocka_unit_test(an_older_place_after_a_newer_is_found),
		cmocka_unit_test(a_distance_must_fit_a_place_that_the_server_may_judge_by),
		cmocka_unit_test(a_place_that_was_proven_taken_rules_out_the_older_ones),
		cmocka_unit_test(a_friend_beyond_the_radius_or_expired_is_found),
		cmocka_unit_test(another_name_is_found),
		cmocka_unit_test(a_repeated_push_is_found_unless_something_moved),
		cmocka_unit_test(two_who_move_at_once_may_be_told_once_for_each),
		cmocka_unit_test(merged_moves_may_tell_the_newest_once_for_each),
		cmocka_unit_test(a_friend_twice_in_one_frame_is_found),
		cmocka_unit_test(a_gone_needs_its_reason),
		cmocka_unit_test(the_place_of_an_earlier_run_is_known_as_such),
		cmocka_unit_test(what_is_missing_shows_when_all_is_quiet),
		cmocka_unit_test(a_wrong_list_is_found),
		cmocka_unit_test(at_the_border_both_answers_are_right),
		cmocka_unit_test(near_its_expiry_a_location_may_count_or_not),
		cmocka_unit_test(a_friend_whose_session_broke_is_not_judged),
		cmocka_unit_test(a_track_forgets_the_oldest_and_says_so),
		cmocka_unit_test(friends_are_found_from_both_sides),
		cmocka_unit_test(each_row_of_friends_ascends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
