/*
 * Owns: what src/proto promises of nearby.v1.protobuf, beside another implementation (protobuf-c) and
 *   beside JSON.
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
#include "proto/nearby.pb-c.h"

static struct decoder *decoder;

static int open_all(void **state)
{
	(void)state;
	return decoder_open(&decoder);
}

static int close_all(void **state)
{
	(void)state;
	decoder_close(&decoder);
	return decoder != NULL;
}

/* ---- messages of clients ------------------------------------------------------------------------ */

static bool decode(enum codec_id codec, const void *bytes, size_t length, struct client_msg *msg,
		   struct decode_error *error)
{
	memset(msg, 0xa5, sizeof(*msg));
	memset(error, 0, sizeof(*error));
	return codecs[codec].decode(decoder, bytes, length, msg, error);
}

static void same_sharing(const struct client_msg *a, const struct client_msg *b)
{
	assert_int_equal(a->sharing.has_mode, b->sharing.has_mode);
	assert_int_equal(a->sharing.has_user, b->sharing.has_user);
	if (a->sharing.has_user)
		assert_int_equal(a->sharing.user.value, b->sharing.user.value);
	if (!a->sharing.has_mode)
		return;
	assert_int_equal(a->sharing.sharing.mode, b->sharing.sharing.mode);
	assert_int_equal(a->sharing.sharing.until_ms, b->sharing.sharing.until_ms);
}

/* `token` is b's: a's is no longer lent. */
static void same(const struct client_msg *a, const struct client_msg *b, const char *token)
{
	assert_int_equal(a->type, b->type);
	switch (a->type) {
	case CLIENT_LOCATION:
		assert_int_equal(a->location.place.lat_e7, b->location.place.lat_e7);
		assert_int_equal(a->location.place.lon_e7, b->location.place.lon_e7);
		assert_int_equal(a->location.has_ts, b->location.has_ts);
		assert_int_equal(a->location.ts_ms, b->location.ts_ms);
		return;
	case CLIENT_NEARBY:
		assert_int_equal(a->nearby.limit, b->nearby.limit);
		assert_int_equal(a->nearby.has_cursor, b->nearby.has_cursor);
		if (!a->nearby.has_cursor)
			return;
		assert_int_equal(a->nearby.cursor.distance_mm, b->nearby.cursor.distance_mm);
		assert_int_equal(a->nearby.cursor.user.value, b->nearby.cursor.user.value);
		return;
	case CLIENT_SUBSCRIBE:
	case CLIENT_UNSUBSCRIBE:
		assert_int_equal(a->user.value, b->user.value);
		return;
	case CLIENT_TOKEN:
		assert_int_equal(a->token.length, b->token.length);
		assert_memory_equal(token, b->token.text, b->token.length);
		return;
	case CLIENT_SHARING:
		same_sharing(a, b);
		return;
	case CLIENT_STRANGERS:
		assert_int_equal(a->strangers_on, b->strangers_on);
		return;
	}
	fail();
}

/* Both are taken, with the same result, or refused, with the same words: a user's form aside. */
static void both(const void *bytes, size_t length, const char *json)
{
	struct client_msg by_protobuf, by_json;
	struct decode_error protobuf_error, json_error;
	char token[TOKEN_BYTES_MAX] = "";
	bool is_taken = decode(CODEC_PROTOBUF, bytes, length, &by_protobuf, &protobuf_error);
	if (is_taken && by_protobuf.type == CLIENT_TOKEN)
		memcpy(token, by_protobuf.token.text, by_protobuf.token.length);
	if (is_taken != decode(CODEC_JSON, json, strlen(json), &by_json, &json_error))
		fail_msg("%s: %s%s", json, protobuf_error.message, json_error.message);
	if (is_taken) {
		same(&by_protobuf, &by_json, token);
		return;
	}
	assert_int_equal(protobuf_error.code, json_error.code);
	if (strstr(json_error.message, "decimal string") == NULL)
		assert_string_equal(protobuf_error.message, json_error.message);
	else
		assert_memory_equal(protobuf_error.message, "user ", 5);
}

static size_t bytes_of_hex(const char *hex, uint8_t *bytes, size_t most)
{
	size_t length = strlen(hex) / 2;
	assert_true(length <= most);
	for (size_t i = 0; i < length; i++) {
		char digits[3] = { hex[2 * i], hex[2 * i + 1], '\0' };
		bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return length;
}

static const struct {
	const char *hex, *json;
} client_v1[] = {
#define CLIENT_BYTES(hex, json) { hex, json },
#define SERVER_BYTES(name, hex)
#include "tests/unit/protobuf_v1.tbl"
#undef CLIENT_BYTES
#undef SERVER_BYTES
};

static void messages_of_the_first_clients_are_read_as_json_says_the_same(void **state)
{
	(void)state;
	unsigned seen = 0;
	for (size_t i = 0; i < ARRAY_COUNT(client_v1); i++) {
		uint8_t bytes[64];
		size_t length = bytes_of_hex(client_v1[i].hex, bytes, sizeof(bytes));
		struct client_msg msg;
		struct decode_error error;
		assert_true(decode(CODEC_PROTOBUF, bytes, length, &msg, &error));
		seen |= 1u << msg.type;
		both(bytes, length, client_v1[i].json);
	}
	assert_int_equal(seen, (1u << (CLIENT_STRANGERS + 1)) - 1);
}

#define BASE(type)	    .base = PROTOBUF_C_MESSAGE_INIT(&nearby__v1__##type##__descriptor)
#define MESSAGE(which, ...) { BASE(client_message), .message_case = NEARBY__V1__CLIENT_MESSAGE__MESSAGE_##which, __VA_ARGS__ }
#define LOCATION(...)	    MESSAGE(LOCATION, .location = &(Nearby__V1__Location){ BASE(location), __VA_ARGS__ })
#define NEARBY(...)	    MESSAGE(NEARBY, .nearby = &(Nearby__V1__NearbyQuery){ BASE(nearby_query), __VA_ARGS__ })
#define SUBSCRIBE(...)	    MESSAGE(SUBSCRIBE, .subscribe = &(Nearby__V1__Subscribe){ BASE(subscribe), __VA_ARGS__ })
#define UNSUBSCRIBE(...)    MESSAGE(UNSUBSCRIBE, .unsubscribe = &(Nearby__V1__Unsubscribe){ BASE(unsubscribe), __VA_ARGS__ })
#define TOKEN(...)	    MESSAGE(TOKEN, .token = &(Nearby__V1__Token){ BASE(token), __VA_ARGS__ })
#define SHARING(...)	    MESSAGE(SHARING, .sharing = &(Nearby__V1__SetSharing){ BASE(set_sharing), __VA_ARGS__ })
#define STRANGERS(...)	    MESSAGE(STRANGERS, .strangers = &(Nearby__V1__SetStrangers){ BASE(set_strangers), __VA_ARGS__ })
#define IS(field, value)    .has_##field = true, .field = (value)

static void both_codecs_take_and_refuse_the_same(void **state)
{
	(void)state;
	static char long_token[TOKEN_BYTES_MAX + 2], long_json[TOKEN_BYTES_MAX + 64];
	memset(long_token, 'x', TOKEN_BYTES_MAX + 1);
	snprintf(long_json, sizeof(long_json), "{\"type\":\"token\",\"token\":\"%s\"}", long_token);
	const struct {
		const char *json;
		Nearby__V1__ClientMessage msg;
	} cases[] = {
		{ "{\"type\":\"location\",\"lat\":-90,\"lon\":180,\"ts\":0}",
		  LOCATION(IS(lat_e7, -900000000), IS(lon_e7, 1800000000), IS(ts_ms, 0)) },
		{ "{\"type\":\"location\",\"lat\":90,\"lon\":-180,\"ts\":9007199254740991}",
		  LOCATION(IS(lat_e7, 900000000), IS(lon_e7, -1800000000), IS(ts_ms, 9007199254740991)) },
		{ "{\"type\":\"location\",\"lat\":90.0000001,\"lon\":1}", LOCATION(IS(lat_e7, 900000001), IS(lon_e7, 1)) },
		{ "{\"type\":\"location\",\"lat\":-90.0000001,\"lon\":1}", LOCATION(IS(lat_e7, -900000001), IS(lon_e7, 1)) },
		{ "{\"type\":\"location\",\"lat\":-200,\"lon\":1}", LOCATION(IS(lat_e7, INT32_MIN), IS(lon_e7, 1)) },
		{ "{\"type\":\"location\",\"lat\":1,\"lon\":180.0000001}", LOCATION(IS(lat_e7, 1), IS(lon_e7, 1800000001)) },
		{ "{\"type\":\"location\",\"lat\":1,\"lon\":-180.0000001}", LOCATION(IS(lat_e7, 1), IS(lon_e7, -1800000001)) },
		{ "{\"type\":\"location\",\"lon\":1}", LOCATION(IS(lon_e7, 1)) },
		{ "{\"type\":\"location\",\"lat\":1}", LOCATION(IS(lat_e7, 1)) },
		{ "{\"type\":\"location\"}", LOCATION() },
		{ "{\"type\":\"location\",\"lat\":1,\"lon\":1,\"ts\":-1}",
		  LOCATION(IS(lat_e7, 10000000), IS(lon_e7, 10000000), IS(ts_ms, -1)) },
		{ "{\"type\":\"location\",\"lat\":1,\"lon\":1,\"ts\":9007199254740992}",
		  LOCATION(IS(lat_e7, 10000000), IS(lon_e7, 10000000), IS(ts_ms, 9007199254740992)) },
		{ "{\"type\":\"nearby\",\"limit\":1}", NEARBY(IS(limit, 1)) },
		{ "{\"type\":\"nearby\",\"limit\":100,\"cursor\":null}", NEARBY(IS(limit, 100)) },
		{ "{\"type\":\"nearby\",\"limit\":0}", NEARBY(IS(limit, 0)) },
		{ "{\"type\":\"nearby\",\"limit\":101}", NEARBY(IS(limit, 101)) },
		{ "{\"type\":\"nearby\",\"limit\":4294967295}", NEARBY(IS(limit, UINT32_MAX)) },
		{ "{\"type\":\"nearby\",\"cursor\":\"\"}", NEARBY(.cursor = (char[]){ "" }) },
		{ "{\"type\":\"nearby\",\"cursor\":\"00000000000004d2-8000000000000000\"}",
		  NEARBY(.cursor = (char[]){ "00000000000004d2-8000000000000000" }) },
		{ "{\"type\":\"subscribe\"}", SUBSCRIBE() },
		{ "{\"type\":\"subscribe\",\"user\":\"0\"}", SUBSCRIBE(IS(user, 0)) },
		{ "{\"type\":\"subscribe\",\"user\":\"9223372036854775808\"}", SUBSCRIBE(IS(user, UINT64_C(1) << 63)) },
		{ "{\"type\":\"unsubscribe\"}", UNSUBSCRIBE() },
		{ "{\"type\":\"unsubscribe\",\"user\":\"18446744073709551615\"}", UNSUBSCRIBE(IS(user, UINT64_MAX)) },
		{ "{\"type\":\"token\"}", TOKEN() },
		{ "{\"type\":\"token\",\"token\":\"\"}", TOKEN(.token = (char[]){ "" }) },
		{ long_json, TOKEN(.token = long_token) },
		{ "{\"type\":\"sharing\",\"mode\":\"default\"}", SHARING(IS(mode, NEARBY__V1__SHARING_MODE__SHARING_DEFAULT)) },
		{ "{\"type\":\"sharing\",\"mode\":\"loud\"}", SHARING(IS(mode, (Nearby__V1__SharingMode)4)) },
		{ "{\"type\":\"sharing\",\"mode\":\"loud\",\"user\":\"7\"}", SHARING(IS(mode, (Nearby__V1__SharingMode)-1), IS(user, 7)) },
		{ "{\"type\":\"sharing\",\"user\":\"7\"}", SHARING(IS(user, 7)) },
		{ "{\"type\":\"sharing\",\"user\":\"9223372036854775808\",\"mode\":\"off\"}",
		  SHARING(IS(user, UINT64_C(1) << 63), IS(mode, NEARBY__V1__SHARING_MODE__SHARING_OFF)) },
		{ "{\"type\":\"sharing\",\"until\":1}", SHARING(IS(until_ms, 1)) },
		{ "{\"type\":\"sharing\",\"mode\":\"off\",\"until\":0}",
		  SHARING(IS(mode, NEARBY__V1__SHARING_MODE__SHARING_OFF), IS(until_ms, 0)) },
		{ "{\"type\":\"sharing\",\"mode\":\"off\",\"until\":9007199254740992}",
		  SHARING(IS(mode, NEARBY__V1__SHARING_MODE__SHARING_OFF), IS(until_ms, 9007199254740992)) },
		{ "{\"type\":\"strangers\"}", STRANGERS() },
		{ "{\"type\":\"strangers\",\"on\":true}", STRANGERS(IS(on, true)) },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		uint8_t bytes[TOKEN_BYTES_MAX + 64];
		assert_true(nearby__v1__client_message__get_packed_size(&cases[i].msg) <= sizeof(bytes));
		both(bytes, nearby__v1__client_message__pack(&cases[i].msg, bytes), cases[i].json);
	}
}

static void refused(const char *hex, enum error_code code, const char *message)
{
	uint8_t bytes[64];
	struct client_msg msg;
	struct decode_error error;
	if (decode(CODEC_PROTOBUF, bytes, bytes_of_hex(hex, bytes, sizeof(bytes)), &msg, &error))
		fail_msg("taken: %s", hex);
	assert_int_equal(error.code, code);
	assert_string_equal(error.message, message);
}

static void what_is_no_client_message_is_refused(void **state)
{
	(void)state;
	static const char *const none[] = {
		"ff",			    /* a number of a field without end */
		"0a05",			    /* more is announced than comes */
		"0a020d00",		    /* a place of one byte */
		"1a0208",		    /* a number without a value */
		"1a0b08ffffffffffffffffffff", /* a number of more than ten bytes */
		"0aff",			    /* a length without end */
		"07",			    /* a type that there is not */
		"7b22747970",		    /* the beginning of JSON */
	};
	for (size_t i = 0; i < ARRAY_COUNT(none); i++)
		refused(none[i], ERROR_BAD_MESSAGE, "this is no ClientMessage of nearby.v1");
	static uint8_t zeros[MESSAGE_BYTES_MAX + 1];
	struct client_msg msg;
	struct decode_error error;
	assert_false(decode(CODEC_PROTOBUF, zeros, sizeof(zeros), &msg, &error));
	assert_string_equal(error.message, "longer than 65536 bytes");
}

static void a_type_that_is_none_is_named_unknown(void **state)
{
	(void)state;
	static const char types[] = "type must be location, nearby, subscribe, unsubscribe, token, "
				    "sharing or strangers";
	refused("", ERROR_UNKNOWN_TYPE, types);
	refused("f20100", ERROR_UNKNOWN_TYPE, types); /* member 30 */
	refused("7805", ERROR_UNKNOWN_TYPE, types);   /* a number, 15 */
}

static void unknown_fields_are_ignored(void **state)
{
	(void)state;
	uint8_t bytes[64];
	/* subscribe to 7, with fields 9 (text) and 15 (number) within and 12 (fixed64) behind. */
	both(bytes, bytes_of_hex("1a0708074a014178056101020304050607ff", bytes, sizeof(bytes)),
	     "{\"type\":\"subscribe\",\"user\":\"7\"}");
}

/* What would take more memory than a decoder has is refused, and the next message is read. */
static void a_message_of_fields_without_number_is_refused(void **state)
{
	(void)state;
	static uint8_t bytes[MESSAGE_BYTES_MAX];
	for (size_t i = 0; i < sizeof(bytes); i += 2) {
		bytes[i] = 0x78; /* 15, unknown */
		bytes[i + 1] = (uint8_t)(i % 128);
	}
	struct client_msg msg;
	struct decode_error error;
	assert_false(decode(CODEC_PROTOBUF, bytes, sizeof(bytes), &msg, &error));
	assert_int_equal(error.code, ERROR_BAD_MESSAGE);
	both("\x1a\2\x08\x07", 4, "{\"type\":\"subscribe\",\"user\":\"7\"}");
}

static void a_token_as_long_as_a_frame_is_a_bad_field(void **state)
{
	(void)state;
	static uint8_t bytes[MESSAGE_BYTES_MAX] = { 0x2a, 0xfc, 0xff, 0x03, 0x0a, 0xf8, 0xff, 0x03 };
	memset(bytes + 8, 'x', sizeof(bytes) - 8);
	struct client_msg msg;
	struct decode_error error;
	assert_false(decode(CODEC_PROTOBUF, bytes, sizeof(bytes), &msg, &error));
	assert_string_equal(error.message, "token must be a string of 1 to 4096 bytes");
}

/* Any change of a sound message is read or refused with words; the sanitizers watch. */
static void no_mutation_of_a_message_does_harm(void **state)
{
	(void)state;
	uint64_t random = 1;
	unsigned taken = 0, refused_count = 0;
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t bytes[64];
		size_t length = bytes_of_hex(client_v1[round % ARRAY_COUNT(client_v1)].hex, bytes, sizeof(bytes));
		for (unsigned change = 0; change <= round % 3; change++) {
			random = hash_u64(random);
			bytes[random % length] = (uint8_t)(random >> 32);
		}
		struct client_msg msg;
		struct decode_error error;
		if (decode(CODEC_PROTOBUF, bytes, length - random % 2, &msg, &error))
			taken++;
		else
			refused_count += error.message[0] != '\0';
	}
	assert_int_equal(taken + refused_count, 20000);
	assert_true(taken > 100 && refused_count > 100);
}

/* ---- messages to clients ------------------------------------------------------------------------ */

static uint8_t encoded[ENCODED_BYTES_MAX];

static size_t encode(const struct server_msg *msg)
{
	struct writer writer = writer_init(encoded, sizeof(encoded));
	size_t most = measure_message(&protobuf_measure, msg);
	assert_true(most <= ENCODED_BYTES_MAX);
	protobuf_encode(&writer, msg);
	assert_false(writer.overflow);
	assert_true(writer_length(&writer) <= most);
	return writer_length(&writer);
}

/* As protobuf-c reads it; it would write the same bytes. */
static Nearby__V1__ServerMessage *read_back(const struct server_msg *msg)
{
	static uint8_t again[ENCODED_BYTES_MAX];
	size_t length = encode(msg);
	Nearby__V1__ServerMessage *back = nearby__v1__server_message__unpack(NULL, length, encoded);
	assert_non_null(back);
	assert_int_equal(nearby__v1__server_message__get_packed_size(back), length);
	assert_int_equal(nearby__v1__server_message__pack(back, again), length);
	assert_memory_equal(again, encoded, length);
	return back;
}

static const struct entry ann = { .user = { 7 },
				  .name = "Ann",
				  .name_length = 3,
				  .place = { 375000000, -1270000001 },
				  .client_ms = 1700000000000,
				  .distance_mm = 1234500,
				  .receipt_us = 99 };
static const struct entry grey = { .user = { 9 },
				   .name = "",
				   .place = { 375000000, -1270000001 },
				   .client_ms = 1700000000000,
				   .distance_mm = 1234500,
				   .is_approximate = true };
static const struct gone gone[] = { { { 7 }, GONE_FAR },
				    { { 8 }, GONE_IDLE },
				    { { 9 }, GONE_OFF },
				    { { 0 }, GONE_UNFRIENDED } };

static struct server_msg sample(enum server_msg_type type)
{
	static struct entry entries[2];
	static const struct sharing_exception exceptions[] = {
		{ { 7 }, { SHARING_OFF, 0 } }, { { 8 }, { SHARING_APPROXIMATE, 1700000000000 } }
	};
	entries[0] = ann;
	entries[1] = grey;
	struct server_msg msg = { .type = type };
	switch (type) {
	case SERVER_WELCOME:
		msg.welcome.user.value = 42;
		msg.welcome.name = "Bo";
		msg.welcome.name_length = 2;
		msg.welcome.radius_mm = 8046720;
		msg.welcome.ttl_s = 600;
		msg.welcome.update_s = 30;
		msg.welcome.ts_ms = 1700000000000;
		break;
	case SERVER_NEARBY:
		msg.nearby.entries = entries;
		msg.nearby.count = 2;
		msg.nearby.total = 37;
		msg.nearby.has_next = true;
		msg.nearby.next = (struct page_cursor){ 1234500, { 7 } };
		break;
	case SERVER_UPDATE:
	case SERVER_STRANGERS:
		msg.update.entries = type == SERVER_UPDATE ? entries : entries + 1;
		msg.update.count = 1;
		break;
	case SERVER_GONE:
	case SERVER_STRANGERS_GONE:
		msg.gone.friends = gone;
		msg.gone.count = ARRAY_COUNT(gone);
		break;
	case SERVER_ERROR:
		msg.error.code = ERROR_NOT_FRIEND;
		msg.error.message = "\"8\" is no friend";
		break;
	case SERVER_RECONNECT:
		msg.reconnect.after_ms = 800;
		break;
	case SERVER_FRIEND:
		msg.friend.what = FRIEND_ASKED;
		msg.friend.user.value = 7;
		msg.friend.name = "Ann";
		msg.friend.name_length = 3;
		break;
	case SERVER_SHARING:
		msg.sharing.sharing = (struct sharing){ SHARING_PRECISE, 1700000000000 };
		msg.sharing.exceptions = exceptions;
		msg.sharing.count = ARRAY_COUNT(exceptions);
		break;
	}
	return msg;
}

static void each_message_is_written_as_in_the_first_version(void **state)
{
	(void)state;
	static const struct {
		enum server_msg_type type;
		const char *hex;
	} server_v1[] = {
#define CLIENT_BYTES(hex, json)
#define SERVER_BYTES(name, hex) { SERVER_##name, hex },
#include "tests/unit/protobuf_v1.tbl"
#undef CLIENT_BYTES
#undef SERVER_BYTES
	};
	assert_int_equal(ARRAY_COUNT(server_v1), SERVER_STRANGERS_GONE + 1);
	for (size_t i = 0; i < ARRAY_COUNT(server_v1); i++) {
		uint8_t wanted[256];
		size_t length = bytes_of_hex(server_v1[i].hex, wanted, sizeof(wanted));
		struct server_msg msg = sample(server_v1[i].type);
		assert_int_equal(msg.type, i);
		assert_int_equal(encode(&msg), length);
		assert_memory_equal(encoded, wanted, length);
		nearby__v1__server_message__free_unpacked(read_back(&msg), NULL);
	}
}

static void the_longest_messages_fit_what_is_promised(void **state)
{
	(void)state;
	static struct entry entries[FRAME_ENTRIES_MAX];
	static struct gone leaving[FRAME_ENTRIES_MAX];
	static struct sharing_exception exceptions[SHARING_EXCEPTIONS_MAX];
	static char bad[NAME_BYTES_MAX], words[160];
	memset(bad, '\xff', sizeof(bad));
	memset(words, '\xff', sizeof(words) - 1);
	for (size_t i = 0; i < FRAME_ENTRIES_MAX; i++) {
		entries[i] = (struct entry){ { USER_ID_MAX }, bad, sizeof(bad), { INT32_MIN, INT32_MIN },
					     INT64_MIN, UINT64_MAX, true, 0, false };
		leaving[i] = (struct gone){ { USER_ID_MAX }, GONE_UNFRIENDED };
	}
	for (size_t i = 0; i < SHARING_EXCEPTIONS_MAX; i++)
		exceptions[i] = (struct sharing_exception){ { USER_ID_MAX }, { SHARING_OFF, INT64_MIN } };
	const struct server_msg longest[] = {
		{ .type = SERVER_WELCOME,
		  .welcome = { { USER_ID_MAX }, bad, sizeof(bad), UINT64_MAX, UINT64_MAX, UINT64_MAX, INT64_MIN } },
		{ .type = SERVER_NEARBY,
		  .nearby = { entries, FRAME_ENTRIES_MAX, UINT32_MAX, true, { UINT64_MAX, { USER_ID_MAX } } } },
		{ .type = SERVER_UPDATE, .update = { entries, FRAME_ENTRIES_MAX } },
		{ .type = SERVER_GONE, .gone = { leaving, FRAME_ENTRIES_MAX } },
		{ .type = SERVER_ERROR, .error = { ERROR_UNKNOWN_TYPE, words } },
		{ .type = SERVER_RECONNECT, .reconnect = { UINT64_MAX } },
		{ .type = SERVER_FRIEND, .friend = { FRIEND_REMOVED, { USER_ID_MAX }, bad, sizeof(bad) } },
		{ .type = SERVER_SHARING,
		  .sharing = { { SHARING_OFF, INT64_MIN }, exceptions, SHARING_EXCEPTIONS_MAX } },
	};
	for (size_t i = 0; i < ARRAY_COUNT(longest); i++)
		nearby__v1__server_message__free_unpacked(read_back(&longest[i]), NULL);
}

static void a_list_of_any_length_is_read_back_entry_by_entry(void **state)
{
	(void)state;
	struct entry entries[FRAME_ENTRIES_MAX];
	for (uint32_t count = 0; count <= FRAME_ENTRIES_MAX; count++) {
		if (count > 0) {
			entries[count - 1] = ann;
			entries[count - 1].user.value = UINT64_C(1) << count / 3;
			entries[count - 1].distance_mm = count;
		}
		struct server_msg msg = { .type = SERVER_UPDATE, .update = { entries, count } };
		Nearby__V1__ServerMessage *back = read_back(&msg);
		assert_int_equal(back->message_case, NEARBY__V1__SERVER_MESSAGE__MESSAGE_UPDATE);
		assert_int_equal(back->update->n_friends, count);
		for (uint32_t i = 0; i < count; i++) {
			const Nearby__V1__Entry *entry = back->update->friends[i];
			assert_int_equal(entry->user, entries[i].user.value);
			assert_string_equal(entry->name, "Ann");
			assert_int_equal(entry->lat_e7, ann.place.lat_e7);
			assert_int_equal(entry->lon_e7, ann.place.lon_e7);
			assert_int_equal(entry->ts_ms, ann.client_ms);
			assert_int_equal(entry->distance_mm, entries[i].distance_mm);
			assert_false(entry->has_approximate);
		}
		nearby__v1__server_message__free_unpacked(back, NULL);
	}
}

static void a_name_of_any_bytes_becomes_valid_text(void **state)
{
	(void)state;
	static const struct {
		const char *name, *wanted;
	} cases[] = {
#define FFFD "\xef\xbf\xbd"
		{ "plain", "plain" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xc0\xaf", FFFD FFFD },
		{ "\xe2\x82!", FFFD FFFD "!" },
		{ "\xed\xa0\x80", FFFD FFFD FFFD },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct server_msg msg = { .type = SERVER_FRIEND,
					  .friend = { FRIEND_ADDED, { 7 }, cases[i].name,
						      (uint32_t)strlen(cases[i].name) } };
		Nearby__V1__ServerMessage *back = read_back(&msg);
		assert_string_equal(back->friend_->name, cases[i].wanted);
		nearby__v1__server_message__free_unpacked(back, NULL);
	}
}

/* The room that is asked for is enough with either codec, and less is noticed. */
static void no_message_is_written_into_less_room_than_it_may_need(void **state)
{
	(void)state;
	for (unsigned codec = 0; codec < CODEC_COUNT; codec++) {
		for (unsigned type = 0; type <= SERVER_STRANGERS_GONE; type++) {
			struct server_msg msg = sample((enum server_msg_type)type);
			size_t most = measure_message(codecs[codec].measure, &msg);
			for (size_t room = 0; room <= most; room++) {
				struct writer writer = writer_init(encoded, room);
				codecs[codec].encode(&writer, &msg);
				assert_true(writer_length(&writer) <= room);
				assert_true(writer.overflow || room > 0);
			}
			struct writer writer = writer_init(encoded, most);
			codecs[codec].encode(&writer, &msg);
			assert_false(writer.overflow);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_the_first_clients_are_read_as_json_says_the_same),
		cmocka_unit_test(both_codecs_take_and_refuse_the_same),
		cmocka_unit_test(what_is_no_client_message_is_refused),
		cmocka_unit_test(a_type_that_is_none_is_named_unknown),
		cmocka_unit_test(unknown_fields_are_ignored),
		cmocka_unit_test(a_message_of_fields_without_number_is_refused),
		cmocka_unit_test(a_token_as_long_as_a_frame_is_a_bad_field),
		cmocka_unit_test(no_mutation_of_a_message_does_harm),
		cmocka_unit_test(each_message_is_written_as_in_the_first_version),
		cmocka_unit_test(the_longest_messages_fit_what_is_promised),
		cmocka_unit_test(a_list_of_any_length_is_read_back_entry_by_entry),
		cmocka_unit_test(a_name_of_any_bytes_becomes_valid_text),
		cmocka_unit_test(no_message_is_written_into_less_room_than_it_may_need),
	};
	return cmocka_run_group_tests(tests, open_all, close_all);
}
