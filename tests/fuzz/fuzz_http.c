/*
 * Owns: the fuzz target of the HTTP byte machine.
 * Invariant: whatever comes, in whatever portions, the machine makes progress, hears the same, keeps
 *   its bounds and gives everything back.
 * Thread: one.
 * Does not know: sockets.
 */
#include "base/check.h"
#include "base/id.h"
#include "net/http.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_slice(struct net_text text)
{
	/* Reads every byte: a sanitizer sees one that is not ours. */
	uint8_t sum = 0;
	for (size_t i = 0; i < text.length; i++)
		sum ^= (uint8_t)text.bytes[i];
	check(text.length <= NET_REQUEST_BYTES_MAX && (sum | 1) != 0);
}

static void check_request(const struct net_request *request)
{
	check(request->header_count <= NET_REQUEST_HEADERS_MAX);
	check_slice(request->method);
	check_slice(request->path);
	check_slice(request->query);
	check_slice(request->subprotocols);
	for (uint32_t i = 0; i < request->header_count; i++) {
		check_slice(request->headers[i].name);
		check_slice(request->headers[i].value);
	}
	check(!request->is_upgrade || !request->has_body);
}

/* A number for all that was heard, whatever the portions. */
static uint64_t hear(const uint8_t *data, size_t size, size_t portion)
{
	struct buffer_pool buffers = { 0 };
	struct http *http = http_open(&buffers, NET_REQUEST_BYTES_MAX);
	uint64_t heard = 0;
	size_t rounds = 0;
	bool is_bad = false;
	for (size_t at = 0; at < size && !is_bad;) {
		size_t length = size - at < portion ? size - at : portion;
		struct http_news news = http_feed(http, data + at, length);
		check(news.used <= length && (news.used > 0 || news.kind != HTTP_NEWS_MORE));
		/* Every byte may be fed twice, and an end or a refusal may take none. */
		check(++rounds <= 2 * size + 1000);
		at += news.used;
		is_bad = news.kind == HTTP_NEWS_BAD;
		check(!is_bad || (news.status >= 400 && news.why != NULL));
		if (news.kind == HTTP_NEWS_HEAD)
			check_request(http_request(http));
		for (size_t i = 0; i < (news.kind == HTTP_NEWS_BODY ? news.body_bytes : 0); i++)
			heard = hash_u64(heard + (uint8_t)news.body[i]);
		if (news.kind == HTTP_NEWS_HEAD || news.kind == HTTP_NEWS_END)
			heard = hash_u64(heard + 1000 + news.kind);
	}
	http_close(&http);
	buffer_pool_fini(&buffers);
	return hash_u64(heard + is_bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t whole = hear(data, size, size);
	check(hear(data, size, 1) == whole);
	check(hear(data, size, 7) == whole);
	return 0;
}
