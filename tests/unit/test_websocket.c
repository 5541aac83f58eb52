/*
 * Owns: what the WebSocket byte machine promises.
 * Invariant: every conversation is told whole, split in two at every place, and byte by byte, and
 *   must be heard and answered alike; between messages no context is lent.
 * Thread: one.
 * Does not know: sockets.
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
#include "base/writer.h"
#include "net/websocket.h"

enum { MESSAGE_BYTES_MAX = 1000 };

static struct buffer_pool buffers;
static struct websocket_pool pool;

/* ---- a client ------------------------------------------------------------------------------- */

enum { FIN = 0x80, RSV1 = 0x40, CONTINUATION = 0, MASKED = 0x80 };

static void put_header(struct writer *told, uint8_t first, uint8_t mask_bit, uint64_t length)
{
	writer_put(told, &first, 1);
	uint8_t second = mask_bit | (length <= 125 ? (uint8_t)length : length <= 65535 ? 126 : 127);
	writer_put(told, &second, 1);
	unsigned bytes = length <= 125 ? 0 : length <= 65535 ? 2 : 8;
	for (unsigned i = bytes; i > 0; i--) {
		uint8_t byte = (uint8_t)(length >> (8 * (i - 1)));
		writer_put(told, &byte, 1);
	}
	static const uint8_t mask[4] = { 1, 2, 3, 4 };
	if (mask_bit != 0)
		writer_put(told, mask, 4);
}

static void put_frame(struct writer *told, uint8_t first, const void *payload, size_t length)
{
	put_header(told, first, MASKED, length);
	for (size_t i = 0; i < length; i++) {
		uint8_t byte = ((const uint8_t *)payload)[i] ^ (uint8_t)(1 + i % 4);
		writer_put(told, &byte, 1);
	}
}

static void put_text(struct writer *told, uint8_t first, const char *text)
{
	put_frame(told, first, text, strlen(text));
}

/* ---- an ear --------------------------------------------------------------------------------- */

struct ear {
	struct writer messages, answers;
	char message_memory[4096];
	uint8_t answer_memory[4096];
};

static bool hear_message(void *context, const void *bytes, size_t length, bool is_binary)
{
	struct ear *ear = context;
	writer_put_text(&ear->messages, is_binary ? "{" : "[");
	writer_put(&ear->messages, bytes, length);
	writer_put_text(&ear->messages, is_binary ? "}" : "]");
	return true;
}

static void hear_answer(void *context, const void *bytes, size_t length)
{
	struct ear *ear = context;
	writer_put(&ear->answers, bytes, length);
}

static const struct websocket_sink sink = { .message = hear_message, .answer = hear_answer };

/* What was heard, with the end of the session behind it: "<1000" by the peer, "!1002" by us. */
static void listen_in_portions(struct ear *ear, const struct writer *told, size_t first,
			       size_t step)
{
	ear->messages = writer_init(ear->message_memory, sizeof(ear->message_memory));
	ear->answers = writer_init(ear->answer_memory, sizeof(ear->answer_memory));
	struct websocket websocket = { 0 };
	struct websocket_end end = { 0 };
	size_t length = writer_length(told), at = 0, portion = first;
	while (at < length && end.code == 0) {
		if (portion > length - at)
			portion = length - at;
		uint8_t *copy = malloc(portion);
		memcpy(copy, told->start + at, portion);
		end = websocket_feed(&pool, &websocket, copy, portion, &sink, ear);
		free(copy);
		at += portion;
		portion = step;
	}
	if (end.code != 0)
		writer_put_format(&ear->messages, "%s%u", end.by_peer ? "<" : "!", end.code);
	else if (websocket.lease != NULL)
		writer_put_text(&ear->messages, "...");
	websocket_fini(&pool, &websocket);
	writer_put(&ear->messages, "", 1);
	assert_int_equal(pool.lent_count, 0);
	assert_int_equal(buffers.taken_bytes, 0);
}

static void heard_in_portions(const struct writer *told, size_t first, size_t step,
			      const char *wanted, const void *answer, size_t answer_bytes)
{
	static struct ear ear;
	listen_in_portions(&ear, told, first, step);
	assert_false(ear.messages.overflow);
	assert_string_equal(ear.message_memory, wanted);
	assert_int_equal(writer_length(&ear.answers), answer_bytes);
	assert_memory_equal(ear.answer_memory, answer, answer_bytes);
}

static void heard_and_answered(const struct writer *told, const char *wanted, const void *answer,
			       size_t answer_bytes)
{
	size_t length = writer_length(told);
	assert_false(told->overflow);
	heard_in_portions(told, length, length, wanted, answer, answer_bytes);
	heard_in_portions(told, 1, 1, wanted, answer, answer_bytes);
	for (size_t first = 1; first < length; first++)
		heard_in_portions(told, first, length, wanted, answer, answer_bytes);
}

static void heard_as(const struct writer *told, const char *wanted)
{
	heard_and_answered(told, wanted, "", 0);
}

/* A verdict of ours is answered with a Close of that code. */
static void refused_with(const struct writer *told, const char *wanted, uint16_t code)
{
	uint8_t close[4] = { 0x88, 2, (uint8_t)(code >> 8), (uint8_t)code };
	heard_and_answered(told, wanted, close, sizeof(close));
}

#define TOLD(name)                                                                                 \
	uint8_t name##_memory[8192];                                                               \
	struct writer name = writer_init(name##_memory, sizeof(name##_memory))

/* ---- the tests ------------------------------------------------------------------------------ */

static void messages_are_heard_alike_in_any_portions(void **state)
{
	(void)state;
	TOLD(told);
	put_text(&told, FIN | WEBSOCKET_TEXT, "one");
	put_text(&told, FIN | WEBSOCKET_TEXT, "");
	put_text(&told, FIN | WEBSOCKET_TEXT,
		 "h\xc3\xa4"
		 "agendas");
	put_frame(&told, FIN | WEBSOCKET_BINARY, "\xff", 1);
	heard_as(&told, "[one][][h\xc3\xa4"
			"agendas]{\xff}");
}

static void lengths_of_every_form_are_read(void **state)
{
	(void)state;
	static const size_t lengths[] = { 125, 126, MESSAGE_BYTES_MAX };
	for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
		char text[MESSAGE_BYTES_MAX], wanted[MESSAGE_BYTES_MAX + 3];
		memset(text, 'a', lengths[i]);
		snprintf(wanted, sizeof(wanted), "[%.*s]", (int)lengths[i], text);
		TOLD(told);
		put_frame(&told, FIN | WEBSOCKET_TEXT, text, lengths[i]);
		heard_as(&told, wanted);
	}
}

static void fragments_make_one_message_with_control_frames_between(void **state)
{
	(void)state;
	TOLD(told);
	put_text(&told, WEBSOCKET_TEXT, "fr");
	put_text(&told, FIN | WEBSOCKET_PING, "?");
	put_text(&told, CONTINUATION, "");
	put_text(&told, FIN | WEBSOCKET_PONG, "unasked");
	/* A letter of two bytes, cut. */
	put_text(&told, CONTINUATION, "ag\xc3");
	put_text(&told, FIN | CONTINUATION, "\xbc");
	put_text(&told, FIN | WEBSOCKET_TEXT, "next");
	heard_and_answered(&told, "[frag\xc3\xbc][next]", "\x8a\x01?", 3);
}

static void a_session_between_messages_holds_nothing(void **state)
{
	(void)state;
	struct websocket websocket = { 0 };
	struct ear ear = { .messages = writer_init(ear.message_memory, sizeof(ear.message_memory)),
			   .answers = writer_init(ear.answer_memory, sizeof(ear.answer_memory)) };
	TOLD(told);
	put_text(&told, WEBSOCKET_TEXT, "a");
	put_text(&told, FIN | CONTINUATION, "b");
	size_t length = writer_length(&told);
	for (size_t i = 0; i < length; i++) {
		assert_int_equal(pool.lent_count, i == 0 ? 0 : 1);
		websocket_feed(&pool, &websocket, told.start + i, 1, &sink, &ear);
	}
	assert_int_equal(pool.lent_count, 0);
	assert_null(websocket.lease);
}

static void a_close_is_answered_with_its_code(void **state)
{
	(void)state;
	TOLD(told);
	put_frame(&told, FIN | WEBSOCKET_CLOSE,
		  "\x03\xe8"
		  "bye",
		  5);
	put_text(&told, FIN | WEBSOCKET_TEXT, "too late");
	heard_and_answered(&told, "<1000",
			   "\x88\x05\x03\xe8"
			   "bye",
			   7);
	TOLD(bare);
	put_frame(&bare, FIN | WEBSOCKET_CLOSE, "", 0);
	heard_and_answered(&bare, "<1005", "\x88\x00", 2);
}

static void a_close_of_no_sense_is_a_protocol_error(void **state)
{
	(void)state;
	static const uint16_t codes[] = { 0, 999, 1004, 1005, 1006, 1015, 2999, 5000 };
	for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
		uint8_t payload[2] = { (uint8_t)(codes[i] >> 8), (uint8_t)codes[i] };
		TOLD(told);
		put_frame(&told, FIN | WEBSOCKET_CLOSE, payload, 2);
		refused_with(&told, "!1002", 1002);
	}
	TOLD(cut);
	put_frame(&cut, FIN | WEBSOCKET_CLOSE, "\x03", 1);
	refused_with(&cut, "!1002", 1002);
	TOLD(no_text);
	put_frame(&no_text, FIN | WEBSOCKET_CLOSE, "\x03\xe8\xff", 3);
	refused_with(&no_text, "!1007", 1007);
}

static void text_must_be_utf8_also_across_fragments(void **state)
{
	(void)state;
	/* A lone continuation byte, an overlong form, a surrogate, beyond U+10FFFF. */
	static const char *const wrong[] = { "\x80", "\xc0\xaf", "\xed\xa0\x80",
					     "\xf4\x90\x80\x80" };
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		TOLD(told);
		put_text(&told, FIN | WEBSOCKET_TEXT, wrong[i]);
		refused_with(&told, "!1007", 1007);
	}
	TOLD(unfinished);
	put_text(&unfinished, WEBSOCKET_TEXT, "a\xe2\x82");
	put_text(&unfinished, FIN | CONTINUATION, "");
	refused_with(&unfinished, "!1007", 1007);
}

static void frames_against_the_protocol_are_refused_by_their_header(void **state)
{
	(void)state;
	/* First byte, mask bit, payload length; nothing of the payload is ever sent. */
	static const struct {
		uint8_t first, mask;
		uint64_t length;
		uint16_t code;
	} wrong[] = {
		{ FIN | RSV1 | WEBSOCKET_TEXT, MASKED, 1, 1002 },
		{ FIN | WEBSOCKET_TEXT, 0, 1, 1002 },
		{ FIN | 3, MASKED, 1, 1002 },
		{ FIN | 11, MASKED, 1, 1002 },
		{ FIN | CONTINUATION, MASKED, 1, 1002 },
		{ WEBSOCKET_PING, MASKED, 1, 1002 },
		{ FIN | WEBSOCKET_PING, MASKED, 126, 1002 },
		{ FIN | WEBSOCKET_TEXT, MASKED, MESSAGE_BYTES_MAX + 1, 1009 },
		{ WEBSOCKET_TEXT, MASKED, UINT64_C(1) << 40, 1009 },
		{ FIN | WEBSOCKET_TEXT, MASKED, INT64_MAX, 1009 },
		{ FIN | WEBSOCKET_TEXT, MASKED, UINT64_C(1) << 63, 1002 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		char wanted[8];
		snprintf(wanted, sizeof(wanted), "!%u", wrong[i].code);
		TOLD(told);
		put_header(&told, wrong[i].first, wrong[i].mask, wrong[i].length);
		refused_with(&told, wanted, wrong[i].code);
	}
}

static void a_length_in_a_longer_form_than_needed_is_refused(void **state)
{
	(void)state;
	TOLD(told);
	writer_put(&told, "\x81\xfe\x00\x05\x01\x02\x03\x04", 8);
	refused_with(&told, "!1002", 1002);
	TOLD(longest);
	writer_put(&longest, "\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04", 14);
	refused_with(&longest, "!1002", 1002);
}

static void fragments_that_grow_over_the_bound_are_refused(void **state)
{
	(void)state;
	TOLD(told);
	put_text(&told, WEBSOCKET_TEXT, "12345");
	put_header(&told, FIN | CONTINUATION, MASKED, MESSAGE_BYTES_MAX - 4);
	refused_with(&told, "!1009", 1009);
}

static void a_new_message_may_not_begin_within_another(void **state)
{
	(void)state;
	TOLD(told);
	put_text(&told, WEBSOCKET_TEXT, "a");
	put_text(&told, FIN | WEBSOCKET_TEXT, "b");
	refused_with(&told, "!1002", 1002);
}

static void binary_is_refused_where_only_text_is_spoken(void **state)
{
	(void)state;
	pool.accepts_binary = false;
	TOLD(told);
	put_text(&told, FIN | WEBSOCKET_TEXT, "a");
	put_frame(&told, FIN | WEBSOCKET_BINARY, "b", 1);
	refused_with(&told, "[a]!1003", 1003);
	pool.accepts_binary = true;
}

static void a_large_message_comes_through_the_small_buffer(void **state)
{
	(void)state;
	enum { BYTES = 100000 };
	struct websocket_pool large;
	websocket_pool_init(&large, &buffers, BYTES, true);
	uint8_t *payload = malloc(BYTES), *memory = malloc(BYTES + 14);
	for (size_t i = 0; i < BYTES; i++)
		payload[i] = (uint8_t)('a' + i % 23);
	struct writer told = writer_init(memory, BYTES + 14);
	put_frame(&told, FIN | WEBSOCKET_TEXT, payload, BYTES);
	static char heard[BYTES + 2];
	struct ear ear = { .messages = writer_init(heard, sizeof(heard)) };
	struct websocket websocket = { 0 };
	for (size_t at = 0; at < writer_length(&told); at += 5000) {
		size_t left = writer_length(&told) - at;
		websocket_feed(&large, &websocket, memory + at, left < 5000 ? left : 5000, &sink,
			       &ear);
	}
	assert_int_equal(writer_length(&ear.messages), BYTES + 2);
	assert_memory_equal(heard + 1, payload, BYTES);
	websocket_pool_fini(&large);
	free(payload);
	free(memory);
}

static void frames_to_the_peer_have_the_shortest_header(void **state)
{
	(void)state;
	uint8_t header[WEBSOCKET_HEADER_BYTES_MAX];
	assert_int_equal(websocket_header_put(header, WEBSOCKET_TEXT, 125), 2);
	assert_memory_equal(header, "\x81\x7d", 2);
	assert_int_equal(websocket_header_put(header, WEBSOCKET_TEXT, 126), 4);
	assert_memory_equal(header, "\x81\x7e\x00\x7e", 4);
	assert_int_equal(websocket_header_put(header, WEBSOCKET_BINARY, 65535), 4);
	assert_memory_equal(header, "\x82\x7e\xff\xff", 4);
	assert_int_equal(websocket_header_put(header, WEBSOCKET_TEXT, 65536), 10);
	assert_memory_equal(header, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
}

static int pools_open(void **state)
{
	(void)state;
	websocket_pool_init(&pool, &buffers, MESSAGE_BYTES_MAX, true);
	return 0;
}

static int nothing_is_left_out(void **state)
{
	(void)state;
	websocket_pool_fini(&pool);
	buffer_pool_fini(&buffers);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_heard_alike_in_any_portions),
		cmocka_unit_test(lengths_of_every_form_are_read),
		cmocka_unit_test(fragments_make_one_message_with_control_frames_between),
		cmocka_unit_test(a_session_between_messages_holds_nothing),
		cmocka_unit_test(a_close_is_answered_with_its_code),
		cmocka_unit_test(a_close_of_no_sense_is_a_protocol_error),
		cmocka_unit_test(text_must_be_utf8_also_across_fragments),
		cmocka_unit_test(frames_against_the_protocol_are_refused_by_their_header),
		cmocka_unit_test(a_length_in_a_longer_form_than_needed_is_refused),
		cmocka_unit_test(fragments_that_grow_over_the_bound_are_refused),
		cmocka_unit_test(a_new_message_may_not_begin_within_another),
		cmocka_unit_test(binary_is_refused_where_only_text_is_spoken),
		cmocka_unit_test(a_large_message_comes_through_the_small_buffer),
		cmocka_unit_test(frames_to_the_peer_have_the_shortest_header),
	};
	return cmocka_run_group_tests(tests, pools_open, nothing_is_left_out);
}
