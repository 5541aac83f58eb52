/*
 * Owns: what src/net/proxy_header.c promises.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "net/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4	  SIGNATURE "\x21\x11\0\x0c" "\xc0\0\x02\x07\x0a\0\0\x01\x30\x39\x01\xbb"
#define TCP6                                                                                       \
	SIGNATURE "\x21\x21\0\x24" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01" \
		  "\x30\x39\x01\xbb"

struct sample {
	const char *bytes;
	size_t length;
	const char *address; /* NULL: the proxy's own */
};
#define SAMPLE(text, address) { text, sizeof(text) - 1, address }

static const struct sample good[] = {
	SAMPLE(TCP4, "192.0.2.7"),
	SAMPLE(TCP6, "2001:db8::9"),
	/* With a value behind the addresses. */
	SAMPLE(SIGNATURE "\x21\x11\0\x10" "\xc0\0\x02\x07\x0a\0\0\x01\x30\x39\x01\xbb" "\x04\0\x01\xff", "192.0.2.7"),
	SAMPLE(SIGNATURE "\x20\0\0\0", NULL),
	SAMPLE(SIGNATURE "\x20\x11\0\x0c" "\xc0\0\x02\x07\x0a\0\0\x01\x30\x39\x01\xbb", NULL),
	SAMPLE(SIGNATURE "\x21\0\0\x03" "abc", NULL),
};

static void check_good(const struct proxy_header *header, const struct sample *sample)
{
	assert_int_equal(header->verdict, PROXY_GOOD);
	assert_int_equal(header->length, sample->length);
	assert_int_equal(header->has_address, sample->address != NULL);
	char text[ADDRESS_TEXT_BYTES];
	address_format(&header->address, text);
	if (sample->address != NULL)
		assert_string_equal(text, sample->address);
}

static void a_header_is_read_once_it_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
		for (size_t length = 0; length < good[i].length; length++)
			assert_int_equal(proxy_header_read(good[i].bytes, length).verdict, PROXY_MORE);
		struct proxy_header header = proxy_header_read(good[i].bytes, good[i].length);
		check_good(&header, &good[i]);
	}
}

static void what_comes_behind_it_is_not_looked_at(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
		char bytes[200];
		memset(bytes, '\r', sizeof(bytes));
		memcpy(bytes, good[i].bytes, good[i].length);
		struct proxy_header header = proxy_header_read(bytes, sizeof(bytes));
		check_good(&header, &good[i]);
	}
}

static void what_is_no_header_is_refused_at_its_first_wrong_byte(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t wrong; /* the first byte that is */
	} bad[] = {
		{ "GET / HTTP/1.1\r\n", 0 },
		{ "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n", 0 },
		{ "\r\n\r\nGET / HTTP/1.1", 4 },
		{ SIGNATURE "\x11\x11\0\x0c", 12 }, /* version 1 */
		{ SIGNATURE "\x22\x11\0\x0c", 12 }, /* no such command */
		{ SIGNATURE "\x21\x12\0\x0c", 13 }, /* datagrams */
		{ SIGNATURE "\x21\x31\0\xd8", 13 }, /* Unix sockets */
		{ SIGNATURE "\x21\x11\0\x0b", 15 }, /* too short for its addresses */
		{ SIGNATURE "\x21\x21\0\x23", 15 },
		{ SIGNATURE "\x21\x11\x0f\xf1", 15 }, /* 4,097 bytes in all */
		{ SIGNATURE "\x20\0\xff\xff", 15 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		for (size_t length = 0; length <= bad[i].wrong; length++)
			assert_int_equal(proxy_header_read(bad[i].bytes, length).verdict, PROXY_MORE);
		assert_int_equal(proxy_header_read(bad[i].bytes, bad[i].wrong + 1).verdict, PROXY_BAD);
	}
}

static void the_longest_header_is_taken(void **state)
{
	(void)state;
	static char bytes[PROXY_HEADER_BYTES_MAX] = SIGNATURE "\x21\x11\x0f\xf0" "\xc0\0\x02\x07";
	assert_int_equal(proxy_header_read(bytes, sizeof(bytes) - 1).verdict, PROXY_MORE);
	assert_int_equal(proxy_header_read(bytes, sizeof(bytes)).verdict, PROXY_GOOD);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_is_read_once_it_is_whole),
		cmocka_unit_test(what_comes_behind_it_is_not_looked_at),
		cmocka_unit_test(what_is_no_header_is_refused_at_its_first_wrong_byte),
		cmocka_unit_test(the_longest_header_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
