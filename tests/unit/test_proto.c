/*
 * Owns: what src/proto promises: reading messages of clients, writing messages to them.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: anything above src/proto.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "proto/codec.h"
#include "proto/json.h"
#include "proto/json_location.h"

/* The linker sends this program's calls of malloc here. */
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
static unsigned malloc_calls;
void *__wrap_malloc(size_t bytes)
{
	malloc_calls++;
	return __real_malloc(bytes);
}

static struct decoder *decoder;
static struct json_reader *reader;

static int open_all(void **state)
{
	(void)state;
	return decoder_open(&decoder) != 0 || json_reader_open(&reader) != 0;
}

static int close_all(void **state)
{
	(void)state;
	decoder_close(&decoder);
	json_reader_close(&reader);
	return decoder != NULL || reader != NULL;
}

static struct client_msg decoded(const char *text)
{
	struct client_msg msg;
	struct decode_error error = { .message = "" };
	memset(&msg, 0xa5, sizeof(msg));
	if (!json_decode(decoder, text, strlen(text), &msg, &error))
		fail_msg("%s: %s", text, error.message);
	return msg;
}

static void refused_bytes(const char *text, size_t length, enum error_code code,
			  const char *message)
{
	struct client_msg msg;
	struct decode_error error;
	if (json_decode(decoder, text, length, &msg, &error))
		fail_msg("taken: %.100s", text);
	assert_string_equal(error.message, message);
	assert_int_equal(error.code, code);
}

static void refused(const char *text, enum error_code code, const char *message)
{
	refused_bytes(text, strlen(text), code, message);
}

/* ---- decoding ------------------------------------------------------------------------------- */

static void a_location_is_read_to_a_ten_millionth_of_a_degree(void **state)
{
	(void)state;
	struct client_msg msg =
		decoded("{\"type\":\"location\",\"lat\":37.5,\"lon\":127.0,\"ts\":1700000000000}");
	assert_int_equal(msg.type, CLIENT_LOCATION);
	assert_int_equal(msg.location.place.lat_e7, 375000000);
	assert_int_equal(msg.location.place.lon_e7, 1270000000);
	assert_true(msg.location.has_ts);
	assert_int_equal(msg.location.ts_ms, 1700000000000);

	msg = decoded("{\"type\":\"location\",\"lat\":-12.34567885,\"lon\":-0.00000004}");
	assert_int_equal(msg.location.place.lat_e7, -123456789);
	assert_int_equal(msg.location.place.lon_e7, 0);
	assert_false(msg.location.has_ts);
}

static void the_ends_of_the_earth_are_places(void **state)
{
	(void)state;
	struct client_msg msg = decoded("{\"type\":\"location\",\"lat\":-90,\"lon\":180,\"ts\":0}");
	assert_int_equal(msg.location.place.lat_e7, -900000000);
	assert_int_equal(msg.location.place.lon_e7, 1800000000);
	assert_int_equal(msg.location.ts_ms, 0);
	msg = decoded("{\"type\":\"location\",\"lat\":9e1,\"lon\":-180.0,\"ts\":9007199254740991}");
	assert_int_equal(msg.location.place.lat_e7, 900000000);
	assert_int_equal(msg.location.place.lon_e7, -1800000000);
	assert_int_equal(msg.location.ts_ms, 9007199254740991);
}

static void every_place_survives_the_way_through_text(void **state)
{
	(void)state;
	char text[128];
	for (int64_t lat_e7 = -900000000; lat_e7 <= 900000000; lat_e7 += 17999999) {
		struct writer writer = writer_init(text, sizeof(text));
		int64_t lon_e7 = -lat_e7 * 2 + 1;
		if (lon_e7 > 1800000000)
			lon_e7 = 1800000000;
		writer_put_text(&writer, "{\"type\":\"location\",\"lat\":");
		writer_put_fixed(&writer, lat_e7, 7);
		writer_put_text(&writer, ",\"lon\":");
		writer_put_fixed(&writer, lon_e7, 7);
		writer_put(&writer, "}", 2);
		struct client_msg msg = decoded(text);
		assert_int_equal(msg.location.place.lat_e7, lat_e7);
		assert_int_equal(msg.location.place.lon_e7, lon_e7);
	}
}

/* Whether the short way takes it; the general reader must then read the same. */
static bool is_taken_shortly(const char *text, size_t length)
{
	struct client_msg quick, general;
	struct decode_error error;
	memset(&quick, 0xa5, sizeof(quick));
	if (!json_location_read(text, length, &quick))
		return false;
	if (!json_decode_general(decoder, text, length, &general, &error))
		fail_msg("taken: %.*s", (int)length, text);
	assert_int_equal(quick.type, CLIENT_LOCATION);
	assert_int_equal(general.type, CLIENT_LOCATION);
	if (quick.location.place.lat_e7 != general.location.place.lat_e7 ||
	    quick.location.place.lon_e7 != general.location.place.lon_e7)
		fail_msg("another place: %.*s", (int)length, text);
	assert_int_equal(quick.location.has_ts, general.location.has_ts);
	assert_int_equal(quick.location.ts_ms, general.location.ts_ms);
	return true;
}

static void the_usual_forms_of_a_location_take_the_short_way(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{\"type\":\"location\",\"lat\":37.5,\"lon\":127.0,\"ts\":1700000000000}",
		"{\"type\":\"location\",\"lat\":37.5665,\"lon\":-126.978}",
		"{\"type\": \"location\", \"lat\": 37.5, \"lon\": 127.0, \"ts\": 0}",
		"{\"ts\":1700000000000,\"lon\":0,\"lat\":-0.0,\"type\":\"location\"}",
		"{\"type\":\"location\",\"lat\":-89.999999999,\"lon\":179.99999999999997}",
		"{\"type\":\"location\",\"lat\":37.566512345678901234,\"lon\":1}",
		"{\"type\":\"location\",\"lat\":1.00000004899,\"lon\":1.000000051}",
	};
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		if (!is_taken_shortly(texts[i], strlen(texts[i])))
			fail_msg("not taken: %s", texts[i]);
}

static void what_is_unusual_about_a_location_is_left_to_the_general_reader(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{\"type\":\"location\",\"lat\":90,\"lon\":1}",
		"{\"type\":\"location\",\"lat\":1,\"lon\":180}",
		"{\"type\":\"location\",\"lat\":1,\"lon\":999}",
		"{\"type\":\"location\",\"lat\":1.00000005,\"lon\":1}",
		"{\"type\":\"location\",\"lat\":1.000000049,\"lon\":1}",
		"{\"type\":\"location\",\"lat\":1e1,\"lon\":1}",
		"{\"type\":\"location\",\"lat\":01,\"lon\":1}",
		"{\"type\":\"location\",\"lat\":1.,\"lon\":1}",
		"{\"type\":\"location\",\"lat\":-,\"lon\":1}",
		"{\"type\":\"location\",\"lat\":.5,\"lon\":1}",
		"{\"type\":\"location\",\"lat\":1,\"lon\":1,\"ts\":9007199254740993}",
		"{\"type\":\"location\",\"lat\":1,\"lon\":1,\"ts\":-1}",
		"{\"type\":\"location\",\"lat\":1,\"lon\":1,\"ts\":null}",
		"{\"type\":\"location\",\"lat\":1,\"lon\":1,\"lat\":1}",
		"{\"type\":\"location\",\"lat\":1,\"lon\":1,\"x\":1}",
		"{\"type\":\"location\",\"lat\":1,\"lon\":1,}",
		"{\"type\":\"location\",\"lat\":1,\"lon\":1}}",
		"{\"type\":\"location\",\"lat\":1,\"lon\":1",
		"{\"type\":\"location\",\"lat\":1}",
		"{\"lat\":1,\"lon\":1}",
		"{\"type\":\"nearby\",\"lat\":1,\"lon\":1}",
		"{\"type\":\"locati\\u006fn\",\"lat\":1,\"lon\":1}",
		"\n{\"type\":\"location\",\"lat\":1,\"lon\":1}",
		"{}",
		"",
	};
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		if (is_taken_shortly(texts[i], strlen(texts[i])))
			fail_msg("taken: %s", texts[i]);
}

/* Places of any number of decimals, many of them close to the middle between two ten millionths. */
static void both_ways_of_reading_a_location_agree(void **state)
{
	(void)state;
	uint64_t random = 7;
	unsigned taken = 0;
	for (int round = 0; round < 50000; round++) {
		uint64_t dice[4];
		for (size_t i = 0; i < ARRAY_COUNT(dice); i++)
			dice[i] = random = hash_u64(random + 1);
		char text[200];
		int length = snprintf(text, sizeof(text),
				      "{\"type\":\"location\",\"lat\":%s%u.%0*llu%s%u,\"lon\":%s%u.%llu}",
				      dice[0] & 1 ? "-" : "", (unsigned)(dice[0] >> 8) % 92,
				      round % 8 + 1, (unsigned long long)dice[1] % 10,
				      round % 3 == 0 ? "" : round % 3 == 1 ? "49" : "50",
				      (unsigned)dice[2] % 1000, dice[0] & 2 ? "-" : "",
				      (unsigned)(dice[3] >> 8) % 182, (unsigned long long)dice[3]);
		assert_true(length > 0 && (size_t)length < sizeof(text));
		if (dice[2] % 16 == 0)
			text[dice[3] % (uint64_t)length] = (char)(dice[3] >> 56);
		taken += is_taken_shortly(text, (size_t)length);
	}
	assert_in_range(taken, 30000, 49000);
}

static void a_page_is_asked_for_with_limit_and_cursor_or_without(void **state)
{
	(void)state;
	struct client_msg msg = decoded("{\"type\":\"nearby\"}");
	assert_int_equal(msg.type, CLIENT_NEARBY);
	assert_int_equal(msg.nearby.limit, PAGE_LIMIT_DEFAULT);
	assert_false(msg.nearby.has_cursor);

	msg = decoded("{\"type\":\"nearby\",\"limit\":100,\"cursor\":null}");
	assert_int_equal(msg.nearby.limit, 100);
	assert_false(msg.nearby.has_cursor);

	msg = decoded("{\"type\":\"nearby\",\"limit\":1,"
		      "\"cursor\":\"00000000000004d2-7fffffffffffffff\"}");
	assert_int_equal(msg.nearby.limit, 1);
	assert_true(msg.nearby.has_cursor);
	assert_int_equal(msg.nearby.cursor.distance_mm, 1234);
	assert_int_equal(msg.nearby.cursor.user.value, USER_ID_MAX);
}

static void the_other_messages_are_read(void **state)
{
	(void)state;
	struct client_msg msg = decoded("{\"type\":\"subscribe\",\"user\":\"7\"}");
	assert_int_equal(msg.type, CLIENT_SUBSCRIBE);
	assert_int_equal(msg.user.value, 7);
	msg = decoded("{\"user\":\"9223372036854775807\",\"type\":\"unsubscribe\"}");
	assert_int_equal(msg.type, CLIENT_UNSUBSCRIBE);
	assert_int_equal(msg.user.value, USER_ID_MAX);
	msg = decoded("{\"type\":\"token\",\"token\":\"a.b.c\"}");
	assert_int_equal(msg.type, CLIENT_TOKEN);
	assert_int_equal(msg.token.length, 5);
	assert_memory_equal(msg.token.text, "a.b.c", 5);
	assert_true(decoded("{\"type\":\"strangers\",\"on\":true}").strangers_on);
	assert_false(decoded("{\"type\":\"strangers\",\"on\":false}").strangers_on);
}

static void sharing_is_for_everybody_or_for_one_friend(void **state)
{
	(void)state;
	struct client_msg msg = decoded("{\"type\":\"sharing\",\"mode\":\"off\"}");
	assert_int_equal(msg.type, CLIENT_SHARING);
	assert_true(msg.sharing.has_mode);
	assert_false(msg.sharing.has_user);
	assert_int_equal(msg.sharing.sharing.mode, SHARING_OFF);
	assert_int_equal(msg.sharing.sharing.until_ms, 0);
	msg = decoded("{\"type\":\"sharing\",\"mode\":\"approximate\",\"until\":1700000000000,\"user\":\"7\"}");
	assert_true(msg.sharing.has_user);
	assert_int_equal(msg.sharing.user.value, 7);
	assert_int_equal(msg.sharing.sharing.mode, SHARING_APPROXIMATE);
	assert_int_equal(msg.sharing.sharing.until_ms, 1700000000000);
	msg = decoded("{\"type\":\"sharing\",\"mode\":\"default\",\"user\":\"7\"}");
	assert_int_equal(msg.sharing.sharing.mode, SHARING_DEFAULT);
	assert_false(decoded("{\"type\":\"sharing\"}").sharing.has_mode);
}

static void unknown_fields_are_ignored(void **state)
{
	(void)state;
	struct client_msg msg =
		decoded(" {\"type\":\"subscribe\",\"x\":[1,{\"y\":null}],\"user\":\"7\","
			"\"note\":\"\\u0000\\ud83d\\ude00\"}\n");
	assert_int_equal(msg.user.value, 7);
}

static void a_type_that_is_none_is_named_unknown(void **state)
{
	(void)state;
	static const char types[] = "type must be location, nearby, subscribe, unsubscribe, token, "
				    "sharing or strangers";
	refused("{\"type\":\"dance\"}", ERROR_UNKNOWN_TYPE, types);
	refused("{\"type\":\"\"}", ERROR_UNKNOWN_TYPE, types);
	refused("{\"type\":\"location\\u0000\",\"lat\":1,\"lon\":1}", ERROR_UNKNOWN_TYPE, types);
	refused("{\"type\":\"Location\",\"lat\":1,\"lon\":1}", ERROR_UNKNOWN_TYPE, types);
}

static void a_bad_field_is_refused_with_its_name_and_range(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{ "{}", "type is missing and must be a string" },
		{ "{\"type\":7}", "type must be a string" },
		{ "{\"type\":null}", "type must be a string" },
		{ "{\"type\":\"location\",\"lon\":1}",
		  "lat is missing and must be a number from -90 to 90" },
		{ "{\"type\":\"location\",\"lat\":\"1\",\"lon\":1}",
		  "lat must be a number from -90 to 90" },
		{ "{\"type\":\"location\",\"lat\":91,\"lon\":1}",
		  "lat must be a number from -90 to 90" },
		{ "{\"type\":\"location\",\"lat\":-90.0000001,\"lon\":1}",
		  "lat must be a number from -90 to 90" },
		{ "{\"type\":\"location\",\"lat\":90}",
		  "lon is missing and must be a number from -180 to 180" },
		{ "{\"type\":\"location\",\"lat\":90,\"lon\":1e300}",
		  "lon must be a number from -180 to 180" },
		{ "{\"type\":\"location\",\"lat\":90,\"lon\":null}",
		  "lon must be a number from -180 to 180" },
		{ "{\"type\":\"location\",\"lat\":1,\"lon\":1,\"ts\":1.5}",
		  "ts must be an integer from 0 to 9007199254740991" },
		{ "{\"type\":\"location\",\"lat\":1,\"lon\":1,\"ts\":\"1\"}",
		  "ts must be an integer from 0 to 9007199254740991" },
		{ "{\"type\":\"location\",\"lat\":1,\"lon\":1,\"ts\":-1}",
		  "ts must be an integer from 0 to 9007199254740991" },
		{ "{\"type\":\"location\",\"lat\":1,\"lon\":1,\"ts\":9007199254740992}",
		  "ts must be an integer from 0 to 9007199254740991" },
		{ "{\"type\":\"nearby\",\"limit\":0}", "limit must be an integer from 1 to 100" },
		{ "{\"type\":\"nearby\",\"limit\":101}", "limit must be an integer from 1 to 100" },
		{ "{\"type\":\"nearby\",\"limit\":4294967297}",
		  "limit must be an integer from 1 to 100" },
		{ "{\"type\":\"nearby\",\"limit\":20.0}",
		  "limit must be an integer from 1 to 100" },
		{ "{\"type\":\"nearby\",\"cursor\":1}",
		  "cursor must be null or the \"next\" of the page before" },
		{ "{\"type\":\"nearby\",\"cursor\":\"\"}",
		  "cursor must be null or the \"next\" of the page before" },
		{ "{\"type\":\"subscribe\"}", "user is missing and must be a decimal string from "
					      "\"0\" to \"9223372036854775807\"" },
		{ "{\"type\":\"subscribe\",\"user\":7}",
		  "user must be a decimal string from \"0\" to \"9223372036854775807\"" },
		{ "{\"type\":\"unsubscribe\",\"user\":\"9223372036854775808\"}",
		  "user must be a decimal string from \"0\" to \"9223372036854775807\"" },
		{ "{\"type\":\"sharing\",\"mode\":\"loud\"}",
		  "mode must be \"precise\", \"approximate\" or \"off\"" },
		{ "{\"type\":\"sharing\",\"mode\":\"default\"}",
		  "mode must be \"precise\", \"approximate\" or \"off\"" },
		{ "{\"type\":\"sharing\",\"user\":\"7\"}",
		  "mode must be \"precise\", \"approximate\" or \"off\", or \"default\"" },
		{ "{\"type\":\"sharing\",\"mode\":\"off\",\"until\":0}",
		  "until must be an integer from 1 to 9007199254740991" },
		{ "{\"type\":\"strangers\"}", "on is missing and must be true or false" },
		{ "{\"type\":\"strangers\",\"on\":1}", "on must be true or false" },
		{ "{\"type\":\"token\"}",
		  "token is missing and must be a string of 1 to 4096 bytes" },
		{ "{\"type\":\"token\",\"token\":\"\"}",
		  "token must be a string of 1 to 4096 bytes" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		refused(cases[i].text, ERROR_BAD_FIELD, cases[i].message);
}

static void a_number_that_no_machine_holds_is_a_bad_field(void **state)
{
	(void)state;
	refused("{\"type\":\"location\",\"lat\":1e999,\"lon\":1}", ERROR_BAD_FIELD,
		"a number is out of all range (at byte 30)");
	refused("{\"type\":\"nearby\",\"limit\":99999999999999999999}", ERROR_BAD_FIELD,
		"a number is out of all range (at byte 45)");
}

static void what_is_no_json_object_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{ "", "the JSON object has no end (at byte 0)" },
		{ "{", "the JSON object has no end (at byte 1)" },
		{ "nonsense", "this is no JSON object (at byte 8)" },
		{ "[{\"type\":\"nearby\"}]", "this is a JSON array, and must be an object" },
		{ "\"type\"", "this is no JSON object (at byte 6)" },
		{ "{\"type\":\"nearby\"} {}", "something follows the JSON object (at byte 19)" },
		{ "{\"type\":\"nearby\",}", "this is no JSON object (at byte 18)" },
		{ "{'type':'nearby'}", "this is no JSON object (at byte 2)" },
		{ "{\"type\":\"nearby\",\"type\":\"token\"}", "a field stands twice (at byte 23)" },
		{ "{\"a\\u0000\":1}", "the name of a field holds a NUL (at byte 10)" },
		{ "{\"a\":\"\\ud800\"}", "this is no JSON object (at byte 13)" },
		{ "{\"a\":NaN}", "this is no JSON object (at byte 8)" },
		{ "{\"a\":\"\xc3(\"}", "this is no UTF-8 (at byte 6)" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		refused(cases[i].text, ERROR_BAD_JSON, cases[i].message);
	refused_bytes("{\"type\":\"nearby\"}\0", 18, ERROR_BAD_JSON,
		      "something follows the JSON object (at byte 18)");
}

static void what_is_nested_or_long_beyond_measure_is_refused(void **state)
{
	(void)state;
	static char text[MESSAGE_BYTES_MAX + 1];
	memset(text, '[', sizeof(text));
	memcpy(text, "{\"a\":", 5);
	refused_bytes(text, MESSAGE_BYTES_MAX, ERROR_BAD_JSON,
		      "this is nested too deep (at byte 2053)");
	refused_bytes(text, sizeof(text), ERROR_BAD_JSON, "longer than 65536 bytes");
}

/* {"a":[{},{},{}...]}: of all texts of a length the one that takes most memory to read. */
static void the_most_costly_message_is_read_and_the_next_one_too(void **state)
{
	(void)state;
	static char text[MESSAGE_BYTES_MAX];
	struct writer writer = writer_init(text, sizeof(text));
	writer_put_text(&writer, "{\"type\":\"nearby\",\"a\":[{}");
	while (writer_length(&writer) + 5 <= sizeof(text))
		writer_put_text(&writer, ",{}");
	writer_put_text(&writer, "]}");
	assert_false(writer.overflow);
	for (int i = 0; i < 2; i++) {
		struct client_msg msg;
		struct decode_error error;
		assert_true(json_decode(decoder, text, writer_length(&writer), &msg, &error));
		assert_int_equal(msg.type, CLIENT_NEARBY);
		assert_int_equal(decoded("{\"type\":\"sharing\"}").type, CLIENT_SHARING);
	}
}

static void reading_a_location_takes_no_memory_from_the_system(void **state)
{
	(void)state;
	unsigned before = malloc_calls;
	/* Both ways: with a field of its own it is none for the short one. */
	for (int i = 0; i < 1000; i++) {
		decoded("{\"type\":\"location\",\"lat\":37.1234567,\"lon\":-127.1234567,"
			"\"ts\":1700000000000}");
		decoded("{\"type\":\"location\",\"lat\":37.1234567,\"lon\":-127.1234567,"
			"\"ts\":1700000000000,\"accuracy\":5.5}");
	}
	assert_int_equal(malloc_calls, before);
}

/* Any change of a sound message is read or refused with words; the sanitizers watch. */
static void no_mutation_of_a_message_does_harm(void **state)
{
	(void)state;
	static const char *const seeds[] = {
		"{\"type\":\"location\",\"lat\":37.5,\"lon\":127.0,\"ts\":1700000000000}",
		"{\"type\":\"nearby\",\"limit\":20,\"cursor\":\"00000000000004d2-"
		"0000000000000007\"}",
		"{\"type\":\"subscribe\",\"user\":\"9223372036854775807\",\"x\":[[],{},"
		"\"\\ud83d\\ude00\"]}",
	};
	uint64_t random = 1;
	unsigned taken = 0, refused_count = 0;
	for (int round = 0; round < 20000; round++) {
		char text[128];
		const char *seed = seeds[round % ARRAY_COUNT(seeds)];
		size_t length = strlen(seed);
		memcpy(text, seed, length);
		for (int change = 0; change <= round % 3; change++) {
			random = hash_u64(random);
			text[random % length] = (char)(random >> 32);
		}
		struct client_msg msg;
		struct decode_error error = { .message = "" };
		is_taken_shortly(text, length - random % 2);
		if (json_decode(decoder, text, length - random % 2, &msg, &error))
			taken++;
		else
			refused_count += error.message[0] != '\0';
	}
	assert_int_equal(taken + refused_count, 20000);
	assert_true(taken > 100 && refused_count > 100);
}

static void a_cursor_is_its_text_and_nothing_else(void **state)
{
	(void)state;
	static const struct page_cursor cursors[] = { { 0, { 0 } },
						      { 8046720, { 42 } },
						      { UINT64_MAX, { USER_ID_MAX } } };
	for (size_t i = 0; i < ARRAY_COUNT(cursors); i++) {
		char text[PAGE_CURSOR_TEXT_BYTES];
		struct page_cursor back;
		page_cursor_format(&cursors[i], text);
		assert_true(page_cursor_parse(text, strlen(text), &back));
		assert_int_equal(back.distance_mm, cursors[i].distance_mm);
		assert_int_equal(back.user.value, cursors[i].user.value);
	}
	static const char *const texts[] = { "",
					     "00000000000004d2-000000000000000",
					     "00000000000004D2-0000000000000007",
					     "00000000000004d2_0000000000000007",
					     "00000000000004d2-8000000000000000",
					     "00000000000004d2-00000000000000070" };
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		struct page_cursor untouched = { 5, { 5 } };
		assert_false(page_cursor_parse(texts[i], strlen(texts[i]), &untouched));
		assert_int_equal(untouched.distance_mm, 5);
	}
}

/* ---- the reader for bodies and claims ------------------------------------------------------- */

static void the_reader_tells_what_kind_a_field_is(void **state)
{
	(void)state;
	static const char text[] =
		"{\"n\":null,\"b\":true,\"i\":-3,\"r\":1.5,\"t\":\"x\",\"a\":[]}";
	struct decode_error error;
	assert_true(json_read(reader, text, strlen(text), &error));
	assert_int_equal(json_kind(reader, "n"), JSON_KIND_NULL);
	assert_int_equal(json_kind(reader, "b"), JSON_KIND_BOOL);
	assert_int_equal(json_kind(reader, "i"), JSON_KIND_INTEGER);
	assert_int_equal(json_kind(reader, "r"), JSON_KIND_REAL);
	assert_int_equal(json_kind(reader, "t"), JSON_KIND_TEXT);
	assert_int_equal(json_kind(reader, "a"), JSON_KIND_OTHER);
	assert_int_equal(json_kind(reader, "z"), JSON_KIND_ABSENT);
	assert_false(json_has(reader, "n"));
	assert_false(json_has(reader, "z"));
	assert_true(json_has(reader, "b"));
}

static void the_reader_gives_fields_within_their_ranges(void **state)
{
	(void)state;
	static const char text[] =
		"{\"name\":\"\xc3\x84nne\",\"age\":-9223372036854775808,\"id\":\"12\"}";
	struct decode_error error;
	const char *name;
	size_t length;
	int64_t age;
	struct user_id id;
	assert_true(json_read(reader, text, strlen(text), &error));
	assert_true(json_take_text(reader, "name", 1, 64, &name, &length, &error));
	assert_int_equal(length, 5);
	assert_string_equal(name, "\xc3\x84nne");
	assert_true(json_take_integer(reader, "age", INT64_MIN, INT64_MAX, &age, &error));
	assert_int_equal(age, INT64_MIN);
	assert_true(json_take_user(reader, "id", &id, &error));
	assert_int_equal(id.value, 12);
	assert_false(json_take_text(reader, "name", 1, 4, &name, &length, &error));
	assert_string_equal(error.message, "name must be a string of 1 to 4 bytes");
}

static void the_elements_of_arrays_and_objects_are_entered_and_left(void **state)
{
	(void)state;
	static const char text[] = "{\"list\":[{\"n\":1},{\"n\":2},3],\"by\":{\"b\":{\"n\":4},\"a\":{\"n\":5}},"
				   "\"n\":6}";
	struct decode_error error;
	assert_true(json_read(reader, text, strlen(text), &error));
	assert_int_equal(json_count(reader, "list"), 3);
	assert_int_equal(json_count(reader, "by"), 2);
	assert_int_equal(json_count(reader, "n"), 0);
	assert_int_equal(json_count(reader, "absent"), 0);
	static const struct {
		const char *name, *key;
		size_t idx;
		int64_t n;
	} there[] = {{"list", NULL, 0, 1}, {"list", NULL, 1, 2}, {"by", "b", 0, 4}, {"by", "a", 1, 5}};
	for (size_t i = 0; i < ARRAY_COUNT(there); i++) {
		const char *key = NULL;
		int64_t n = 0;
		assert_true(json_enter(reader, there[i].name, there[i].idx, &key));
		assert_true(json_take_integer(reader, "n", 0, 9, &n, &error));
		assert_int_equal(n, there[i].n);
		if (there[i].key != NULL)
			assert_string_equal(key, there[i].key);
		json_leave(reader);
	}
	int64_t n = 0;
	assert_false(json_enter(reader, "list", 2, NULL)); /* a number */
	assert_false(json_enter(reader, "list", 3, NULL));
	assert_false(json_enter(reader, "by", 2, NULL));
	assert_false(json_enter(reader, "absent", 0, NULL));
	assert_true(json_take_integer(reader, "n", 0, 9, &n, &error));
	assert_int_equal(n, 6);
}

static void a_name_is_found_as_string_and_in_an_array(void **state)
{
	(void)state;
	static const char text[] =
		"{\"one\":\"a\",\"some\":[1,\"b\",\"a\"],\"none\":[],\"nul\":\"a\\u0000\"}";
	struct decode_error error;
	assert_true(json_read(reader, text, strlen(text), &error));
	assert_true(json_names(reader, "one", "a"));
	assert_true(json_names(reader, "some", "a"));
	assert_false(json_names(reader, "one", "b"));
	assert_false(json_names(reader, "some", "c"));
	assert_false(json_names(reader, "none", "a"));
	assert_false(json_names(reader, "nul", "a"));
	assert_false(json_names(reader, "absent", "a"));
}

/* ---- encoding ------------------------------------------------------------------------------- */

static char encoded_text[ENCODED_BYTES_MAX + 1];

static const char *encoded(const struct server_msg *msg)
{
	struct writer writer = writer_init(encoded_text, ENCODED_BYTES_MAX);
	json_encode(&writer, msg);
	assert_false(writer.overflow);
	encoded_text[writer_length(&writer)] = '\0';
	return encoded_text;
}

static struct entry ann(void)
{
	return (struct entry){ .user = { 7 },
			       .name = "Ann",
			       .name_length = 3,
			       .place = { 375000000, -1270000001 },
			       .client_ms = 1700000000000,
			       .distance_mm = 1234500,
			       .receipt_us = 99 };
}

static void each_message_is_written_as_the_protocol_says(void **state)
{
	(void)state;
	struct entry entries[] = { ann(), ann() };
	entries[1].name_length = 0;
	static const struct gone gone[] = { { { 7 }, GONE_FAR },
					    { { 8 }, GONE_IDLE },
					    { { 9 }, GONE_OFF },
					    { { 0 }, GONE_UNFRIENDED } };
	struct server_msg msg = { .type = SERVER_WELCOME,
				  .welcome = { { 42 }, "Bo", 2, 8046720, 600, 30, 1700000000000 } };
	assert_string_equal(
		encoded(&msg),
		"{\"type\":\"welcome\",\"user\":\"42\",\"name\":\"Bo\",\"radius_m\":8046.72,"
		"\"ttl_s\":600,\"update_s\":30,\"ts\":1700000000000}");
	msg = (struct server_msg){ .type = SERVER_NEARBY,
				   .nearby = { entries, 2, 37, true, { 1234500, { 7 } } } };
	assert_string_equal(encoded(&msg),
			    "{\"type\":\"nearby\",\"friends\":["
			    "{\"user\":\"7\",\"name\":\"Ann\",\"lat\":37.5,\"lon\":-127.0000001,"
			    "\"ts\":1700000000000,\"distance_m\":1234.5},"
			    "{\"user\":\"7\",\"name\":\"\",\"lat\":37.5,\"lon\":-127.0000001,"
			    "\"ts\":1700000000000,\"distance_m\":1234.5}],"
			    "\"total\":37,\"next\":\"000000000012d644-0000000000000007\"}");
	msg = (struct server_msg){ .type = SERVER_NEARBY,
				   .nearby = { NULL, 0, 0, false, { 0, { 0 } } } };
	assert_string_equal(encoded(&msg),
			    "{\"type\":\"nearby\",\"friends\":[],\"total\":0,\"next\":null}");
	msg = (struct server_msg){ .type = SERVER_UPDATE, .update = { entries, 1 } };
	assert_string_equal(
		encoded(&msg),
		"{\"type\":\"update\",\"friends\":[{\"user\":\"7\",\"name\":\"Ann\",\"lat\":37.5,"
		"\"lon\":-127.0000001,\"ts\":1700000000000,\"distance_m\":1234.5}]}");
	msg = (struct server_msg){ .type = SERVER_GONE, .gone = { gone, 4 } };
	assert_string_equal(encoded(&msg),
			    "{\"type\":\"gone\",\"friends\":[{\"user\":\"7\",\"why\":\"far\"},"
			    "{\"user\":\"8\",\"why\":\"idle\"},{\"user\":\"9\",\"why\":\"off\"},"
			    "{\"user\":\"0\",\"why\":\"unfriended\"}]}");
	msg = (struct server_msg){ .type = SERVER_ERROR,
				   .error = { ERROR_NOT_FRIEND, "\"8\" is no friend" } };
	assert_string_equal(encoded(&msg), "{\"type\":\"error\",\"code\":\"not_friend\","
					   "\"message\":\"\\u00228\\u0022 is no friend\"}");
	msg = (struct server_msg){ .type = SERVER_RECONNECT, .reconnect = { 800 } };
	assert_string_equal(encoded(&msg), "{\"type\":\"reconnect\",\"after_ms\":800}");
}

static void each_message_of_consent_is_written_as_the_protocol_says(void **state)
{
	(void)state;
	static const struct gone gone[] = { { { 7 }, GONE_FAR } };
	static const struct sharing_exception exceptions[] = {
		{ { 7 }, { SHARING_OFF, 0 } }, { { 8 }, { SHARING_APPROXIMATE, 1700000000000 } }
	};
	struct entry entry = ann();
	entry.name_length = 0;
	entry.is_approximate = true;
	struct server_msg msg = { .type = SERVER_STRANGERS, .update = { &entry, 1 } };
	assert_string_equal(encoded(&msg),
			    "{\"type\":\"strangers\",\"people\":[{\"user\":\"7\",\"name\":\"\",\"lat\":37.5,"
			    "\"lon\":-127.0000001,\"ts\":1700000000000,\"distance_m\":1234.5,"
			    "\"approximate\":true}]}");
	msg = (struct server_msg){ .type = SERVER_STRANGERS, .update = { NULL, 0 } };
	assert_string_equal(encoded(&msg), "{\"type\":\"strangers\",\"people\":[]}");
	msg = (struct server_msg){ .type = SERVER_STRANGERS_GONE, .gone = { gone, 1 } };
	assert_string_equal(encoded(&msg), "{\"type\":\"strangers_gone\",\"people\":["
					   "{\"user\":\"7\",\"why\":\"far\"}]}");
	static const char *const whats[] = { "asked", "added", "removed" };
	for (unsigned what = 0; what < ARRAY_COUNT(whats); what++) {
		char wanted[80];
		snprintf(wanted, sizeof(wanted), "{\"type\":\"friend\",\"what\":\"%s\",\"user\":\"7\",\"name\":\"Ann\"}",
			 whats[what]);
		msg = (struct server_msg){ .type = SERVER_FRIEND,
					   .friend = { (enum friend_change)what, { 7 }, "Ann", 3 } };
		assert_string_equal(encoded(&msg), wanted);
	}
	msg = (struct server_msg){ .type = SERVER_SHARING,
				   .sharing = { { SHARING_PRECISE, 0 }, exceptions, 2 } };
	assert_string_equal(encoded(&msg),
			    "{\"type\":\"sharing\",\"mode\":\"precise\",\"until\":null,\"friends\":["
			    "{\"user\":\"7\",\"mode\":\"off\",\"until\":null},"
			    "{\"user\":\"8\",\"mode\":\"approximate\",\"until\":1700000000000}]}");
	msg = (struct server_msg){ .type = SERVER_SHARING,
				   .sharing = { { SHARING_OFF, 1700000000000 }, NULL, 0 } };
	assert_string_equal(encoded(&msg), "{\"type\":\"sharing\",\"mode\":\"off\","
					   "\"until\":1700000000000,\"friends\":[]}");
}

static void the_longest_messages_fit_what_is_promised(void **state)
{
	(void)state;
	static struct entry entries[FRAME_ENTRIES_MAX];
	static struct gone gone[FRAME_ENTRIES_MAX];
	char name[NAME_BYTES_MAX];
	memset(name, '\1', sizeof(name));
	for (size_t i = 0; i < FRAME_ENTRIES_MAX; i++) {
		entries[i] = (struct entry){
			.user = { USER_ID_MAX },
			.name = name,
			.name_length = sizeof(name),
			.place = { -899999999, -1799999999 },
			.client_ms = INT64_MIN,
			.distance_mm = INT64_MAX,
			.is_approximate = true,
		};
		gone[i] = (struct gone){ { USER_ID_MAX }, GONE_UNFRIENDED };
	}
	struct server_msg msg = { .type = SERVER_NEARBY,
				  .nearby = { entries,
					      FRAME_ENTRIES_MAX,
					      UINT32_MAX,
					      true,
					      { UINT64_MAX, { USER_ID_MAX } } } };
	assert_true(strlen(encoded(&msg)) > ENCODED_BYTES_MAX * 9 / 10);
	assert_true(measure_message(&json_measure, &msg) <= ENCODED_BYTES_MAX);
	msg = (struct server_msg){ .type = SERVER_GONE, .gone = { gone, FRAME_ENTRIES_MAX } };
	assert_true(strlen(encoded(&msg)) <= measure_message(&json_measure, &msg));
	static struct sharing_exception exceptions[SHARING_EXCEPTIONS_MAX];
	for (size_t i = 0; i < SHARING_EXCEPTIONS_MAX; i++)
		exceptions[i] = (struct sharing_exception){ { USER_ID_MAX },
							    { SHARING_APPROXIMATE, TS_MS_MAX } };
	msg = (struct server_msg){ .type = SERVER_SHARING,
				   .sharing = { { SHARING_APPROXIMATE, TS_MS_MAX },
						exceptions,
						SHARING_EXCEPTIONS_MAX } };
	assert_true(strlen(encoded(&msg)) <= measure_message(&json_measure, &msg));
}

static void written_string(const char *text, size_t length, const char *wanted)
{
	struct writer writer = writer_init(encoded_text, ENCODED_BYTES_MAX);
	json_encode_string(&writer, text, length);
	encoded_text[writer_length(&writer)] = '\0';
	assert_string_equal(encoded_text, wanted);
}

static void a_name_of_any_bytes_becomes_valid_text(void **state)
{
	(void)state;
	written_string("plain", 5, "\"plain\"");
	written_string("a\"b\\c\n\x7f", 7, "\"a\\u0022b\\u005cc\\u000a\x7f\"");
	written_string("\0", 1, "\"\\u0000\"");
	written_string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		       "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
#define FFFD "\xef\xbf\xbd"
	written_string("\xff", 1, "\"" FFFD "\"");
	written_string("\xc3", 1, "\"" FFFD "\"");			      /* cut off */
	written_string("\xc0\xaf", 2, "\"" FFFD FFFD "\"");		      /* overlong '/' */
	written_string("\xe0\x80\xaf", 3, "\"" FFFD FFFD FFFD "\"");	      /* overlong '/' */
	written_string("\xed\xa0\x80", 3, "\"" FFFD FFFD FFFD "\"");	      /* a surrogate */
	written_string("\xf4\x90\x80\x80", 4, "\"" FFFD FFFD FFFD FFFD "\""); /* over U+10FFFF */
	written_string("\xe2\x82!", 3, "\"" FFFD FFFD "!\"");
}

/* Every name of two bytes, written and read back: sound text, and equal when it was UTF-8. */
static void what_is_written_reads_back(void **state)
{
	(void)state;
	unsigned equal = 0;
	for (unsigned i = 0; i < 65536; i++) {
		char name[2] = { (char)(i >> 8), (char)i };
		struct entry entry = ann();
		entry.name = name;
		entry.name_length = 2;
		struct writer writer = writer_init(encoded_text, ENCODED_BYTES_MAX);
		json_encode_entry(&writer, &entry);
		struct decode_error error;
		const char *back;
		size_t length;
		assert_true(json_read(reader, encoded_text, writer_length(&writer), &error));
		assert_true(json_take_text(reader, "name", 2, 6, &back, &length, &error));
		equal += length == 2 && memcmp(back, name, 2) == 0;
	}
	/* Two of ASCII; or one of U+0080 to U+07FF. */
	assert_int_equal(equal, 128 * 128 + (0x800 - 0x80));
}

/* In the room that it takes, and in one byte less. */
static void takes_its_room(const struct entry *entry, const char *wanted, size_t length)
{
	char tight[1024];
	for (size_t room = length - 1; room <= length; room++) {
		struct writer writer = writer_init(tight, room);
		json_encode_entry(&writer, entry);
		assert_int_equal(writer.overflow, room < length);
		assert_int_equal(writer_length(&writer), room < length ? 0 : length);
	}
	assert_memory_equal(tight, wanted, length);
}

/* An entry goes past the writer when there is room, and copies names in words. */
static void an_entry_is_the_same_in_ample_and_in_tight_room(void **state)
{
	(void)state;
	static const char special[] = { '"',	'\\',	'\n',	'\x1f', ' ',
					'\x7f', '\x80', '\xc3', '\0',	'a' };
	char name[21], text[256];
	struct entry entry = ann();
	entry.name = name;
	for (uint32_t at = 0; at < sizeof(name); at++)
		for (size_t i = 0; i < sizeof(special); i++) {
			memset(name, 'n', sizeof(name));
			name[at] = special[i];
			entry.name_length = (uint32_t)sizeof(name) - at % 3;
			struct writer writer = writer_init(text, sizeof(text) - 1);
			json_encode_string(&writer, name, entry.name_length);
			text[writer_length(&writer)] = '\0';
			writer = writer_init(encoded_text, ENCODED_BYTES_MAX);
			json_encode_entry(&writer, &entry);
			encoded_text[writer_length(&writer)] = '\0';
			assert_non_null(strstr(encoded_text, text));
			takes_its_room(&entry, encoded_text, writer_length(&writer));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_location_is_read_to_a_ten_millionth_of_a_degree),
		cmocka_unit_test(the_ends_of_the_earth_are_places),
		cmocka_unit_test(every_place_survives_the_way_through_text),
		cmocka_unit_test(the_usual_forms_of_a_location_take_the_short_way),
		cmocka_unit_test(what_is_unusual_about_a_location_is_left_to_the_general_reader),
		cmocka_unit_test(both_ways_of_reading_a_location_agree),
		cmocka_unit_test(a_page_is_asked_for_with_limit_and_cursor_or_without),
		cmocka_unit_test(the_other_messages_are_read),
		cmocka_unit_test(sharing_is_for_everybody_or_for_one_friend),
		cmocka_unit_test(unknown_fields_are_ignored),
		cmocka_unit_test(a_type_that_is_none_is_named_unknown),
		cmocka_unit_test(a_bad_field_is_refused_with_its_name_and_range),
		cmocka_unit_test(a_number_that_no_machine_holds_is_a_bad_field),
		cmocka_unit_test(what_is_no_json_object_is_refused),
		cmocka_unit_test(what_is_nested_or_long_beyond_measure_is_refused),
		cmocka_unit_test(the_most_costly_message_is_read_and_the_next_one_too),
		cmocka_unit_test(reading_a_location_takes_no_memory_from_the_system),
		cmocka_unit_test(no_mutation_of_a_message_does_harm),
		cmocka_unit_test(a_cursor_is_its_text_and_nothing_else),
		cmocka_unit_test(the_reader_tells_what_kind_a_field_is),
		cmocka_unit_test(the_reader_gives_fields_within_their_ranges),
		cmocka_unit_test(the_elements_of_arrays_and_objects_are_entered_and_left),
		cmocka_unit_test(a_name_is_found_as_string_and_in_an_array),
		cmocka_unit_test(each_message_is_written_as_the_protocol_says),
		cmocka_unit_test(each_message_of_consent_is_written_as_the_protocol_says),
		cmocka_unit_test(the_longest_messages_fit_what_is_promised),
		cmocka_unit_test(a_name_of_any_bytes_becomes_valid_text),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(an_entry_is_the_same_in_ample_and_in_tight_room),
	};
	return cmocka_run_group_tests(tests, open_all, close_all);
}
