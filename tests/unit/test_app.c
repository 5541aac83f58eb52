/*
 * Owns: what the small parts of src/app promise: lines, times, query strings, lines of imports, the
 *   interval between pushes.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: sockets; the rest of src/app is tested through the daemon.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/app_private.h"
#include "app/import_line.h"
#include "app/lines.h"

static struct net_text text_of(const char *text)
{
	return (struct net_text){ text, strlen(text) };
}

/* ---- lines ------------------------------------------------------------------------------------ */

/* Feeds `stream` in pieces of `step` bytes and writes each line, or '!' for one that was too long, and
 * a '|' after each. */
static void cut(const char *stream, size_t length, size_t step, char *out)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	assert_non_null(lines);
	for (size_t start = 0;; start += step) {
		size_t stop = start + step < length ? start + step : length;
		const char *at = stream + (start < length ? start : length), *line;
		size_t line_length;
		enum lines_result result;
		while ((result = lines_feed(lines, &at, stream + stop, stop == length, &line, &line_length)) !=
		       LINES_MORE) {
			if (result == LINES_LONG)
				out += sprintf(out, "!|");
			else
				out += sprintf(out, "%.*s|", (int)line_length, line);
		}
		if (stop == length)
			break;
	}
	free(lines);
}

static void lines_are_the_same_however_the_stream_is_split(void **state)
{
	(void)state;
	static const char stream[] = "one\ntwo\r\n\nfour";
	for (size_t step = 1; step <= sizeof(stream); step++) {
		char out[100] = "";
		cut(stream, strlen(stream), step, out);
		assert_string_equal(out, "one|two||four|");
	}
}

static void a_line_over_the_bound_is_reported_once_and_skipped(void **state)
{
	(void)state;
	size_t longest = LINE_BYTES_MAX_IMPORT;
	char *stream = malloc(2 * longest + 100);
	memset(stream, 'x', 2 * longest + 100);
	stream[longest] = '\n';		    /* just fits */
	stream[2 * longest + 2] = '\n';	    /* one too long */
	memcpy(stream + 2 * longest + 3, "end", 4);
	size_t length = 2 * longest + 6;
	static const size_t steps[] = { 1, 7, 4096, 100000 };
	for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
		char *out = calloc(1, 3 * longest);
		cut(stream, length, steps[i], out);
		assert_int_equal(strlen(out), longest + 1 + strlen("!|end|"));
		assert_string_equal(out + longest + 1, "!|end|");
		free(out);
	}
	free(stream);
}

/* ---- times ------------------------------------------------------------------------------------ */

static void times_are_milliseconds_or_rfc_3339(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "0", 0 },
		{ "1700000000000", 1700000000000 },
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2001-09-09T01:46:40Z", 1000000000000 },
		{ "2001-09-09T03:46:40.25+02:00", 1000000000250 },
		{ "2001-09-08t23:46:40.1239-02:00", 1000000000123 },
		{ "2001-09-09T03:46:40 02:00", 1000000000000 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
		int64_t ms = -1;
		assert_true(time_parse(text_of(good[i].text), &ms));
		assert_int_equal(ms, good[i].ms);
	}
	static const char *const bad[] = { "", "-1", "yesterday", "2001-09-09", "2001-13-09T01:46:40Z", "2001-02-29T01:46:40Z",
					   "2001-09-09T01:46:40", "2001-09-09T25:46:40Z", "2001-09-09T01:46:40+2:00",
					   "2001-09-09T01:46:40Zx", "99999999999999999999" };
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		int64_t ms;
		assert_false(time_parse(text_of(bad[i]), &ms));
	}
}

/* ---- query strings ---------------------------------------------------------------------------- */

static void query_values_are_found_by_whole_names_and_decoded(void **state)
{
	(void)state;
	char memory[8];
	struct net_text query = text_of("xa=1&a=2&b=%41+%2b&c=&d=123456789&e=%4&f=%zz");
	assert_true(text_equal(query_value(query, "a", memory, sizeof(memory)), "2"));
	assert_true(text_equal(query_value(query, "b", memory, sizeof(memory)), "A +"));
	/* Too long or malformed is not absent: it must be refused, not passed over. */
	static const char *const empty[] = { "c", "d", "e", "f" };
	for (size_t i = 0; i < ARRAY_COUNT(empty); i++)
		assert_true(text_equal(query_value(query, empty[i], memory, sizeof(memory)), ""));
	assert_null(query_value(query, "g", memory, sizeof(memory)).bytes);
	assert_null(query_value((struct net_text){ NULL, 0 }, "a", memory, sizeof(memory)).bytes);
}

static void paths_are_decoded_but_for_slashes(void **state)
{
	(void)state;
	char memory[16];
	assert_true(text_equal(path_decode(text_of("/v1/users/%37+"), memory, sizeof(memory)), "/v1/users/7+"));
	static const char *const bad[] = { "/v1%2fusers", "/v1/%4", "/v1/%zz", "/longer/than/memory" };
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(path_decode(text_of(bad[i]), memory, sizeof(memory)).length, 0);
}

/* ---- media types ------------------------------------------------------------------------------ */

static void media_types_are_compared_without_their_parameters_and_weighed(void **state)
{
	(void)state;
	assert_true(media_type_is(text_of("Text/CSV ; charset=utf-8"), "text/csv"));
	assert_false(media_type_is(text_of("text/csvx"), "text/csv"));
	assert_false(media_type_is((struct net_text){ NULL, 0 }, "text/csv"));
	static const struct {
		const char *accept;
		unsigned weight;
	} cases[] = {
		{ "text/csv", 1000 },
		{ "text/csv, */*;q=0.1", 1000 },
		{ "application/json;q=1, TEXT/csv ; header=present ; q=0.25", 250 },
		{ "text/csv;q=0", 0 },
		{ "text/csv;q=1.000", 1000 },
		{ "text/csv;q=x", 1000 },
		{ "text/csv;q=99999999999", 1000 },
		{ "*/*", 0 },
		{ ",,;", 0 },
		{ "", 0 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		assert_int_equal(accept_weight(text_of(cases[i].accept), "text/csv"), cases[i].weight);
	assert_int_equal(accept_weight((struct net_text){ NULL, 0 }, "text/csv"), 0);
}

/* ---- lines of imports ------------------------------------------------------------------------- */

static enum import_reason pair_of(const char *line)
{
	struct store_pair pair;
	return import_read_pair(line, strlen(line), &pair);
}

static void a_pair_is_two_ids_and_a_tab(void **state)
{
	(void)state;
	struct store_pair pair;
	assert_int_equal(import_read_pair("7\t9223372036854775807", 21, &pair), IMPORT_GOOD);
	assert_int_equal(pair.a.value, 7);
	assert_int_equal(pair.b.value, USER_ID_MAX);
	assert_int_equal(pair_of(""), IMPORT_IGNORED);
	assert_int_equal(pair_of("# FromNodeId\tToNodeId"), IMPORT_IGNORED);
	assert_int_equal(pair_of("7 8"), IMPORT_BAD_LINE);
	assert_int_equal(pair_of("7\t8\t9"), IMPORT_BAD_LINE);
	assert_int_equal(pair_of("7\t"), IMPORT_BAD_USER);
	assert_int_equal(pair_of("-7\t8"), IMPORT_BAD_USER);
	assert_int_equal(pair_of("7\t9223372036854775808"), IMPORT_BAD_USER);
	assert_int_equal(pair_of("7\t7"), IMPORT_SELF);
}

static void a_user_line_is_an_object_with_an_id_and_a_profile(void **state)
{
	(void)state;
	struct json_reader *reader;
	struct store_user user;
	assert_int_equal(json_reader_open(&reader), 0);
	static const char good[] = "{\"user\":\"7\",\"name\":\"Ann\"}";
	assert_int_equal(import_read_user(reader, good, strlen(good), &user), IMPORT_GOOD);
	assert_int_equal(user.user.value, 7);
	assert_true(user.has_name && !user.has_picture);
	assert_memory_equal(user.profile.name, "Ann", 3);
	static const char empties[] = "{\"user\":\"7\",\"picture\":null}";
	assert_int_equal(import_read_user(reader, empties, strlen(empties), &user), IMPORT_GOOD);
	assert_true(!user.has_name && user.has_picture && user.profile.picture_length == 0);
	static const struct {
		const char *line;
		enum import_reason reason;
	} others[] = { { "", IMPORT_IGNORED },
		       { "[]", IMPORT_BAD_LINE },
		       { "{\"user\":7}", IMPORT_BAD_USER },
		       { "{\"name\":\"x\"}", IMPORT_BAD_USER },
		       { "{\"user\":\"7\",\"name\":\"a\\u0085\"}", IMPORT_BAD_FIELD },
		       { "{\"user\":\"7\",\"name\":\"a\\u00a0\"}", IMPORT_GOOD },
		       { "{\"user\":\"7\",\"picture\":\"http://a.example\"}", IMPORT_BAD_FIELD },
		       { "{\"user\":\"7\",\"picture\":\"https://?\"}", IMPORT_BAD_FIELD },
		       { "{\"user\":\"7\",\"picture\":\"\"}", IMPORT_GOOD },
		       { "{\"user\":\"7\",\"name\":1}", IMPORT_BAD_FIELD } };
	for (size_t i = 0; i < ARRAY_COUNT(others); i++)
		assert_int_equal(import_read_user(reader, others[i].line, strlen(others[i].line), &user),
				 others[i].reason);
	json_reader_close(&reader);
}

/* ---- the interval between pushes --------------------------------------------------------------- */

/* Turns of 1 ms, each with `work_us` of CPU, until `until_us`. */
static void turn(struct interval *interval, uint64_t *now_us, uint64_t until_us, uint64_t work_us,
		 uint64_t least_us, uint64_t most_us)
{
	while (*now_us < until_us) {
		*now_us += 1000;
		assert_int_equal(interval_note(interval, *now_us, interval->cpu_us + work_us, least_us, most_us),
				 work_us);
	}
}

static void moves_are_held_back_the_longer_the_busier_the_core(void **state)
{
	(void)state;
	struct interval interval = { 0 };
	uint64_t now_us = 0;
	turn(&interval, &now_us, 5000000, 100, 0, 1000000);
	assert_int_equal(interval.us, 0);
	assert_int_equal(interval_gather_us(&interval), 0);
	turn(&interval, &now_us, 10000000, 500, 0, 1000000);
	assert_in_range(interval.us, 15000, 16000);
	assert_in_range(interval_gather_us(&interval), 1800, 2000);
	turn(&interval, &now_us, 15000000, 720, 0, 1000000);
	assert_in_range(interval.us, 99900, 100000);
	assert_int_equal(interval_gather_us(&interval), 5000);
	turn(&interval, &now_us, 20000000, 860, 0, 1000000);
	assert_in_range(interval.us, 99900, 100000);
	turn(&interval, &now_us, 25000000, 900, 0, 1000000);
	assert_in_range(interval.us, 180000, 186000);
	turn(&interval, &now_us, 30000000, 1000, 0, 1000000);
	assert_in_range(interval.us, 990000, 1000000);
	assert_in_range(interval_gather_us(&interval), 19800, 20000);
	turn(&interval, &now_us, 35000000, 0, 0, 1000000);
	assert_int_equal(interval.us, 0);
}

static void the_interval_stays_within_its_bounds(void **state)
{
	(void)state;
	struct interval interval = { 0 };
	uint64_t now_us = 0;
	turn(&interval, &now_us, 5000000, 10, 20000, 50000);
	assert_int_equal(interval.us, 20000);
	turn(&interval, &now_us, 10000000, 1000, 20000, 50000);
	assert_in_range(interval.us, 49500, 50000);
}

/* Eight such turns, and the load has hardly begun to show. */
static void a_flood_is_answered_before_the_load_shows_it(void **state)
{
	(void)state;
	struct interval interval = { 0 };
	for (uint64_t i = 1; i <= 8; i++)
		interval_note(&interval, i * 10000, i * 10000, 0, 1000000);
	assert_true(interval.load < 0.2);
	assert_true(interval.us > 40000);
}

/*
 * 1,000 sessions that hear `entries` of friends a second in all, with the costs of a real core: a longer
 * interval makes fewer frames, which lowers the load, which shortens the interval. Writes the least and
 * the greatest interval of the last of 20 seconds.
 */
static void settle(uint32_t entries, uint64_t *least_us, uint64_t *most_us)
{
	enum { SESSIONS = 1000, ENTRY_NS = 1000, FRAME_NS = 4000 };
	static struct {
		uint64_t last_us;
		bool is_dirty;
	} sessions[SESSIONS];
	memset(sessions, 0, sizeof(sessions));
	struct interval interval = { 0 };
	uint64_t random = 1, cpu_ns = 0;
	*least_us = UINT64_MAX;
	*most_us = 0;
	for (uint64_t now_us = 0; now_us < 20000000; now_us += 1000) {
		for (uint32_t i = 0; i < entries / 1000; i++, cpu_ns += ENTRY_NS) {
			random = hash_u64(random + 1);
			sessions[random % SESSIONS].is_dirty = true;
		}
		for (uint32_t i = 0; i < SESSIONS; i++) {
			if (!sessions[i].is_dirty || now_us - sessions[i].last_us < interval.us)
				continue;
			sessions[i].is_dirty = false;
			sessions[i].last_us = now_us;
			cpu_ns += FRAME_NS;
		}
		interval_note(&interval, now_us, cpu_ns / 1000, 0, 1000000);
		if (now_us < 15000000)
			continue;
		*least_us = interval.us < *least_us ? interval.us : *least_us;
		*most_us = interval.us > *most_us ? interval.us : *most_us;
	}
}

static void interval_and_load_settle_at_every_rate(void **state)
{
	(void)state;
	uint64_t before_us = 0;
	for (uint32_t entries = 50000; entries <= 900000; entries += 50000) {
		uint64_t least_us, most_us;
		settle(entries, &least_us, &most_us);
		/* They swing by less than a tenth, and more to say is never said sooner. */
		assert_true(most_us - least_us <= most_us / 10 + 1000);
		assert_true(most_us >= before_us);
		before_us = least_us;
	}
	assert_in_range(before_us, 200000, 250000);
}

/* ---- what changes meanwhile -------------------------------------------------------------------- */

static struct config config;
static struct app_shared shared = { .cores = 2 };

/* On its own, at the core where the user does not live; what it asks of the store waits in line. */
static struct app *app_away_from(struct user_id user)
{
	struct app *app = calloc(1, sizeof(*app));
	app->shared = &shared;
	app->config = &config;
	app->core = 1 - nearby_home_core(user.value, 2);
	app->waiting = calloc(64, sizeof(*app->waiting));
	app->waiting_capacity = 64;
	app->waiting[app->waiting_count++] = NULL;
	return app;
}

static void app_free(struct app *app)
{
	free(app->waiting);
	free(app->notes);
	free(app);
}

static void assert_asked_again(struct app *app, struct exchange *exchange, bool is_asked)
{
	uint32_t before = app->waiting_count;
	struct exchange mine = *exchange;
	/* Nothing is said meanwhile: there is no network here. */
	if (mine.is_outdated)
		mine.on_store(&mine, &mine.request);
	assert_int_equal(app->waiting_count, before + is_asked);
}

/* The store may have read before that change, and answer after it was confirmed. */
static void a_list_asked_for_before_a_friendship_ended_is_asked_for_anew(void **state)
{
	(void)state;
	struct user_id ann = { 7 }, bob = { 8 };
	while (nearby_home_core(bob.value, 2) != nearby_home_core(ann.value, 2))
		bob.value++;
	struct app *app = app_away_from(ann);
	struct exchange exchange = { .app = app, .user = ann, .route = ROUTE_ME_NEARBY };
	app->exchanges = &exchange;
	api_nearby_get(&exchange, NULL);
	struct store_pair pair = { .a = bob, .b = ann, .result = STORE_PAIR_PRESENT };
	struct store_request request = { .op = STORE_END, .pairs = &pair, .pair_count = 1 };
	hear(app, CHANGE_PAIRS, &request);
	assert_asked_again(app, &exchange, false);
	pair.result = STORE_PAIR_ADDED;
	request.op = STORE_ASK;
	hear(app, CHANGE_PAIRS, &request);
	assert_asked_again(app, &exchange, false);
	request.op = STORE_END;
	hear(app, CHANGE_PAIRS, &request);
	assert_asked_again(app, &exchange, true);
	exchange.is_outdated = false;
	struct store_request off = { .op = STORE_SHARING_PUT, .user = bob, .has_other = true, .other = ann };
	sharing_hide(app, &off);
	assert_asked_again(app, &exchange, true);
	exchange.is_outdated = false;
	struct store_friend friend = { .user = ann };
	struct store_request deleted = { .op = STORE_USER_DELETE, .user = bob, .friends = &friend, .friend_count = 1 };
	hear(app, CHANGE_DELETED, &deleted);
	assert_asked_again(app, &exchange, true);
	app_free(app);
}

/* Where some join always waits, they would be kept for ever. */
static void notes_from_before_all_joins_are_forgotten(void **state)
{
	(void)state;
	struct app *app = app_away_from((struct user_id){ 7 });
	struct event event = { .type = EVENT_SHARING };
	app->join_count = 1;
	for (unsigned i = 0; i < 10000; i++)
		join_note(app, &event);
	assert_in_range(app->note_capacity, 1, 64);
	app_free(app);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_the_same_however_the_stream_is_split),
		cmocka_unit_test(a_line_over_the_bound_is_reported_once_and_skipped),
		cmocka_unit_test(times_are_milliseconds_or_rfc_3339),
		cmocka_unit_test(query_values_are_found_by_whole_names_and_decoded),
		cmocka_unit_test(paths_are_decoded_but_for_slashes),
		cmocka_unit_test(media_types_are_compared_without_their_parameters_and_weighed),
		cmocka_unit_test(a_pair_is_two_ids_and_a_tab),
		cmocka_unit_test(a_user_line_is_an_object_with_an_id_and_a_profile),
		cmocka_unit_test(moves_are_held_back_the_longer_the_busier_the_core),
		cmocka_unit_test(the_interval_stays_within_its_bounds),
		cmocka_unit_test(a_flood_is_answered_before_the_load_shows_it),
		cmocka_unit_test(interval_and_load_settle_at_every_rate),
		cmocka_unit_test(a_list_asked_for_before_a_friendship_ended_is_asked_for_anew),
		cmocka_unit_test(notes_from_before_all_joins_are_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
