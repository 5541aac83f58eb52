/*
 * Owns: what the HTTP byte machine promises.
 * Invariant: every conversation is told whole, split in two at every place, and byte by byte, and
 *   must be heard alike.
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
#include "net/http.h"

static struct buffer_pool buffers;

static void put_slice(struct writer *heard, const char *label, struct net_text text)
{
	writer_put_text(heard, label);
	writer_put(heard, text.bytes, text.length);
}

static void hear_head(struct writer *heard, const struct http *http)
{
	const struct net_request *request = http_request(http);
	const struct http_manner *manner = http_request_manner(http);
	put_slice(heard, "[", request->method);
	put_slice(heard, " ", request->path);
	put_slice(heard, "?", request->query);
	writer_put_format(heard, " %u%s%s%s%s%s%s]", request->header_count,
			  request->has_body ? " body" : "", request->is_upgrade ? " upgrade" : "",
			  manner->closes ? " closes" : "", manner->is_old ? " old" : "",
			  manner->is_head ? " head" : "",
			  manner->awaits_continue ? " continue" : "");
}

static void hear_body(struct writer *heard, bool *in_body, const struct http_news *news)
{
	if (!*in_body)
		writer_put_text(heard, "(");
	*in_body = true;
	writer_put(heard, news->body, news->body_bytes);
}

/* Feeds one portion; false when the machine refuses. */
static bool hear(struct http *http, const char *bytes, size_t length, struct writer *heard,
		 bool *in_body)
{
	while (length > 0) {
		struct http_news news = http_feed(http, bytes, length);
		assert_true(news.used <= length);
		bytes += news.used;
		length -= news.used;
		if (news.kind == HTTP_NEWS_HEAD) {
			hear_head(heard, http);
		} else if (news.kind == HTTP_NEWS_BODY) {
			hear_body(heard, in_body, &news);
		} else if (news.kind == HTTP_NEWS_END) {
			writer_put_text(heard, *in_body ? ")" : "()");
			*in_body = false;
		} else if (news.kind == HTTP_NEWS_BAD) {
			writer_put_format(heard, "!%u", news.status);
			return false;
		} else {
			assert_int_equal(length, 0);
		}
	}
	return true;
}

/* Cuts `told` at `first` and from there on every `step` bytes. */
static void heard_in_portions(const char *told, size_t length, size_t first, size_t step,
			      const char *wanted)
{
	char memory[8192];
	struct writer heard = writer_init(memory, sizeof(memory));
	struct http *http = http_open(&buffers, NET_REQUEST_BYTES_MAX);
	bool in_body = false;
	size_t at = 0, portion = first;
	while (at < length) {
		if (portion > length - at)
			portion = length - at;
		/* A copy of its own, so that a read beyond it is found. */
		char *copy = malloc(portion);
		memcpy(copy, told + at, portion);
		bool goes_on = hear(http, copy, portion, &heard, &in_body);
		free(copy);
		if (!goes_on)
			break;
		at += portion;
		portion = step;
	}
	http_close(&http);
	writer_put(&heard, "", 1);
	assert_false(heard.overflow);
	assert_string_equal(memory, wanted);
}

static void heard_as(const char *told, const char *wanted)
{
	size_t length = strlen(told);
	heard_in_portions(told, length, length, length, wanted);
	heard_in_portions(told, length, 1, 1, wanted);
	for (size_t first = 1; first < length; first++)
		heard_in_portions(told, length, first, length, wanted);
}

static void a_request_is_heard_alike_in_any_portions(void **state)
{
	(void)state;
	heard_as("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "[GET /? 1]");
	heard_as("GET /v1/x%20y?a=1&b=2 HTTP/1.1\r\nHost: a\r\nX: \r\nY:  z \t\r\n\r\n",
		 "[GET /v1/x%20y?a=1&b=2 3]");
	heard_as("GET http://a/p?q HTTP/1.1\r\nHost: a\r\n\r\n", "[GET /p?q 1]");
	heard_as("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "[OPTIONS *? 1]");
	heard_as("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		 "[HEAD /? 2 closes head]");
	heard_as("GET / HTTP/1.0\r\n\r\n", "[GET /? 0 closes old]");
	heard_as("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "[GET /? 1 old]");
}

static void bodies_end_by_length_or_by_chunks(void **state)
{
	(void)state;
	heard_as("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		 "[PUT /a? 2 body](hello)");
	heard_as("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "[PUT /a? 2]");
	heard_as("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n",
		 "[POST /a? 2 body](abcde)");
	heard_as("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		 "[POST /a? 2 body]()");
	heard_as(
		"PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
		"[PUT /a? 3 body continue](ok)");
}

static void requests_follow_each_other(void **state)
{
	(void)state;
	heard_as("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
		 "PUT /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
		 "\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
		 "[GET /1? 1][PUT /2? 2 body](x)[GET /3? 1]");
}

#define UPGRADE                                                                                    \
	"Host: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"                     \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: "

static void an_upgrade_is_offered_only_when_it_is_right(void **state)
{
	(void)state;
	heard_as("GET /ws HTTP/1.1\r\n" UPGRADE "13\r\n\r\n", "[GET /ws? 5 upgrade]");
	heard_as("GET /ws HTTP/1.1\r\n" UPGRADE "8\r\n\r\n", "!426");
	heard_as("PUT /ws HTTP/1.1\r\n" UPGRADE "13\r\n\r\n", "!400");
	heard_as("GET /ws HTTP/1.0\r\n" UPGRADE "13\r\n\r\n", "!400");
	heard_as("GET /ws HTTP/1.1\r\n" UPGRADE "13\r\nContent-Length: 1\r\n\r\n", "!400");
	heard_as("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
		 "!400");
	heard_as("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
		 "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
		 "[GET /ws? 3][GET /2? 1]");
}

static void the_accept_key_is_that_of_the_standard(void **state)
{
	(void)state;
	char accept[UPGRADE_ACCEPT_BYTES + 1];
	upgrade_accept("dGhlIHNhbXBsZSBub25jZQ==", accept);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void what_can_be_read_in_two_ways_is_refused(void **state)
{
	(void)state;
	heard_as("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		 "!400");
	heard_as("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		 "!400");
	heard_as("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: "
		 "chunked\r\n\r\n",
		 "!400");
	heard_as("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
		 "1\r\n\r\n",
		 "!400");
	heard_as("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "!501");
	heard_as("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "!501");
	heard_as("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "!400");
	heard_as("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "!400");
	heard_as("GET / HTTP/1.1\nHost: a\r\n\r\n", "!400");
	heard_as("GET / HTTP/1.1\r\nHost: a\n\r\n", "!400");
	heard_as("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", "!400");
	heard_as("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "!400");
	heard_as("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "!400");
	heard_as("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\na", "!400");
	heard_as("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "!400");
}

static void what_is_no_request_is_refused(void **state)
{
	(void)state;
	heard_as("\x16\x03\x01\x02", "!400");
	heard_as("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!400");
	heard_as("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "!505");
	heard_as("GET / HTTP/1.1\r\n\r\n", "!400");
	heard_as("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "!400");
	heard_as("GET relative HTTP/1.1\r\nHost: a\r\n\r\n", "!400");
	heard_as("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "!501");
	heard_as("PUT / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\nContent-Length: 1\r\n\r\n",
		 "!417");
	heard_as("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		 "[POST /? 2 body]!400");
}

/* In portions of `step`; what of the body comes before the refusal depends on them. */
static bool is_refused(const char *told, size_t step)
{
	char memory[1024];
	struct writer heard = writer_init(memory, sizeof(memory));
	struct http *http = http_open(&buffers, NET_REQUEST_BYTES_MAX);
	size_t length = strlen(told);
	bool in_body = false, goes_on = true;
	for (size_t at = 0; at < length && goes_on; at += step)
		goes_on = hear(http, told + at, step < length - at ? step : length - at, &heard, &in_body);
	http_close(&http);
	return !goes_on;
}

#define CHUNKED "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

/* What two programs could read in two ways, one of them a proxy before this one. */
static void chunks_are_framed_to_the_letter(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"1\na\r\n0\r\n\r\n",		"1;x\ny\r\na\r\n0\r\n\r\n",
		"1\r\naX\n0\r\n\r\n",		"1\r\na\rX0\r\n\r\n",
		"1\r\na\n0\r\n\r\n",		"1 \r\na\r\n0\r\n\r\n",
		"0x1\r\na\r\n0\r\n\r\n",	";x\r\na\r\n0\r\n\r\n",
		"11111111111111111\r\na",	"1\r\na\r\n0\r\nTrailer: t\n\r\n",
	};
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		char request[256];
		snprintf(request, sizeof(request), "%s%s", CHUNKED, wrong[i]);
		for (size_t step = 1; step <= strlen(request); step++)
			assert_true(is_refused(request, step));
	}
}

/* A head of exactly `bytes`. */
static char *padded_head(size_t bytes)
{
	static const char before[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ", after[] = "\r\n\r\n";
	size_t padding = bytes - strlen(before) - strlen(after);
	char *head = malloc(bytes + 1);
	strcpy(head, before);
	memset(head + strlen(before), 'x', padding);
	strcpy(head + strlen(before) + padding, after);
	return head;
}

static void a_head_has_a_bound(void **state)
{
	(void)state;
	char *largest = padded_head(NET_REQUEST_BYTES_MAX);
	char *larger = padded_head(NET_REQUEST_BYTES_MAX + 1);
	heard_in_portions(largest, strlen(largest), strlen(largest), 1, "[GET /? 2]");
	heard_in_portions(largest, strlen(largest), 1, 1, "[GET /? 2]");
	heard_in_portions(larger, strlen(larger), strlen(larger), 1, "!431");
	heard_in_portions(larger, strlen(larger), 1, 1, "!431");
	free(largest);
	free(larger);
}

static void headers_have_a_bound(void **state)
{
	(void)state;
	char head[4096] = "GET / HTTP/1.1\r\nHost: a\r\n";
	for (int i = 1; i < NET_REQUEST_HEADERS_MAX; i++)
		strcat(head, "X: y\r\n");
	size_t length = strlen(head);
	strcat(head, "\r\n");
	heard_in_portions(head, strlen(head), strlen(head), 1, "[GET /? 64]");
	strcpy(head + length, "X: y\r\n\r\n");
	heard_in_portions(head, strlen(head), strlen(head), 1, "!431");
}

static int nothing_is_left_out(void **state)
{
	(void)state;
	buffer_pool_fini(&buffers);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_heard_alike_in_any_portions),
		cmocka_unit_test(bodies_end_by_length_or_by_chunks),
		cmocka_unit_test(requests_follow_each_other),
		cmocka_unit_test(an_upgrade_is_offered_only_when_it_is_right),
		cmocka_unit_test(the_accept_key_is_that_of_the_standard),
		cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(chunks_are_framed_to_the_letter),
		cmocka_unit_test(a_head_has_a_bound),
		cmocka_unit_test(headers_have_a_bound),
	};
	return cmocka_run_group_tests(tests, NULL, nothing_is_left_out);
}
