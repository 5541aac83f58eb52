/*
 * Owns: the only use of http_parser.
 * Invariant: the slices of a request point into `head`, which does not move once it is complete.
 * Thread: the core's.
 * Does not know: see the header.
 *
 * Head bytes are gathered in one buffer and parsed from there, so names and values are whole
 * slices; as it may move while it grows, positions are kept as offsets until the head is complete.
 * Bodies are parsed where they are fed.
 */
#include "net/http.h"

#include "base/check.h"
#include "net/chunks.h"

#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HTTP_MAGIC = 0x68747470 };

enum http_phase { PHASE_HEAD, PHASE_BODY };

struct span {
	uint32_t offset, length;
};

struct http {
	uint32_t magic;
	enum http_phase phase;
	http_parser parser;
	struct buffer_pool *buffers;
	size_t head_bytes_max;
	struct buffer *head;

	/* The head so far. */
	struct span url;
	struct {
		struct span name, value;
	} headers[NET_REQUEST_HEADERS_MAX];
	uint32_t header_count;
	bool in_value;
	bool is_over; /* the request is complete; kept until the next is fed */
	bool is_chunked; /* as the head said; a trailer may confuse the parser */
	struct chunks chunks;

	/* News of the parse that runs. */
	enum http_news_kind news;
	const char *body;
	size_t body_bytes;
	unsigned status;
	const char *why;

	struct net_request request;
	struct http_manner manner;
};

static int refuse(struct http *http, unsigned status, const char *why)
{
	http->news = HTTP_NEWS_BAD;
	http->status = status;
	http->why = why;
	return -1;
}

static struct net_text slice(const struct http *http, struct span span)
{
	const char *base = (const char *)http->head->bytes;
	return (struct net_text){ .bytes = base + span.offset, .length = span.length };
}

static bool text_is(struct net_text text, const char *wanted)
{
	return text.length == strlen(wanted) && strncasecmp(text.bytes, wanted, text.length) == 0;
}

struct net_text net_request_header(const struct net_request *request, const char *name)
{
	for (uint32_t i = 0; i < request->header_count; i++)
		if (text_is(request->headers[i].name, name))
			return request->headers[i].value;
	return (struct net_text){ 0 };
}

static uint32_t header_times(const struct net_request *request, const char *name)
{
	uint32_t times = 0;
	for (uint32_t i = 0; i < request->header_count; i++)
		times += text_is(request->headers[i].name, name);
	return times;
}

/* Whether `token` is one of the comma-separated elements. */
static bool has_token(struct net_text list, const char *token)
{
	size_t at = 0;
	while (at < list.length) {
		size_t end = at;
		while (end < list.length && list.bytes[end] != ',')
			end++;
		size_t from = at, to = end;
		while (from < to && (list.bytes[from] == ' ' || list.bytes[from] == '\t'))
			from++;
		while (to > from && (list.bytes[to - 1] == ' ' || list.bytes[to - 1] == '\t'))
			to--;
		if (text_is((struct net_text){ list.bytes + from, to - from }, token))
			return true;
		at = end + 1;
	}
	return false;
}

static bool any_has_token(const struct net_request *request, const char *name, const char *token)
{
	for (uint32_t i = 0; i < request->header_count; i++)
		if (text_is(request->headers[i].name, name) &&
		    has_token(request->headers[i].value, token))
			return true;
	return false;
}

/* ---- judging a complete head ---------------------------------------------------------------- */

static int judge_version(struct http *http)
{
	if (http->parser.http_major != 1)
		return refuse(http, 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.");
	if (http->parser.method == HTTP_CONNECT)
		return refuse(http, 501, "CONNECT is for proxies.");
	uint32_t hosts = header_times(&http->request, "host");
	if (hosts > 1 || (hosts == 0 && http->parser.http_minor > 0))
		return refuse(http, 400, "A request names one Host.");
	return 0;
}

/* Two readings of where a body ends would let one request hide in another. */
static int judge_framing(struct http *http)
{
	const struct net_request *request = &http->request;
	uint32_t lengths = header_times(request, "content-length");
	uint32_t codings = header_times(request, "transfer-encoding");
	if (lengths > 1 || codings > 1 || (lengths == 1 && codings == 1))
		return refuse(http, 400, "The length of the body is said twice.");
	if (codings == 0)
		return 0;
	if (http->manner.is_old)
		return refuse(http, 400, "HTTP/1.0 has no transfer codings.");
	if (!text_is(net_request_header(request, "transfer-encoding"), "chunked"))
		return refuse(http, 501, "No transfer coding but chunked is known.");
	return 0;
}

static int judge_expectation(struct http *http)
{
	struct net_text expectation = net_request_header(&http->request, "expect");
	if (expectation.bytes == NULL)
		return 0;
	if (!text_is(expectation, "100-continue"))
		return refuse(http, 417, "No expectation but 100-continue is known.");
	http->manner.awaits_continue = http->request.has_body && !http->manner.is_old;
	return 0;
}

/* An upgrade to anything but WebSocket may be ignored; one to it must be right. */
static int judge_upgrade(struct http *http)
{
	const struct net_request *request = &http->request;
	if (!any_has_token(request, "upgrade", "websocket") ||
	    !any_has_token(request, "connection", "upgrade"))
		return 0;
	if (http->parser.method != HTTP_GET || http->manner.is_old || request->has_body)
		return refuse(http, 400,
			      "A WebSocket begins with a GET of HTTP/1.1 without a body.");
	if (!text_is(net_request_header(request, "sec-websocket-version"), "13"))
		return refuse(http, 426, "WebSocket version 13 is spoken here.");
	struct net_text key = net_request_header(request, "sec-websocket-key");
	if (header_times(request, "sec-websocket-key") != 1 ||
	    !upgrade_key_is_valid(key.bytes, key.length))
		return refuse(http, 400, "Sec-WebSocket-Key is not 16 bytes in base64.");
	upgrade_accept(key.bytes, http->manner.accept);
	http->manner.is_upgrade = true;
	http->request.is_upgrade = true;
	http->request.subprotocols = net_request_header(request, "sec-websocket-protocol");
	if (http->request.subprotocols.bytes == NULL)
		http->request.subprotocols.bytes = "";
	return 0;
}

/* The parser lets a name hold spaces, and takes "Content-Length : 5" for a length of the body. */
static int judge_names(struct http *http)
{
	const struct net_request *request = &http->request;
	for (uint32_t i = 0; i < request->header_count; i++) {
		struct net_text name = request->headers[i].name;
		if (memchr(name.bytes, ' ', name.length) != NULL)
			return refuse(http, 400, "A header's name holds a space.");
	}
	return 0;
}

static int judge_head(struct http *http)
{
	if (judge_names(http) != 0)
		return -1;
	if (judge_version(http) != 0 || judge_framing(http) != 0)
		return -1;
	if (judge_expectation(http) != 0)
		return -1;
	return judge_upgrade(http);
}

/* ---- filling in the request ----------------------------------------------------------------- */

/* Origin form (/path?query), absolute form (http://host/path?query), or "*". */
static int fill_target(struct http *http)
{
	struct net_text url = slice(http, http->url);
	struct http_parser_url parts;
	struct net_request *request = &http->request;
	request->query = (struct net_text){ .bytes = "" };
	if (text_is(url, "*")) {
		request->path = url;
		return 0;
	}
	http_parser_url_init(&parts);
	bool is_connect = http->parser.method == HTTP_CONNECT;
	if (http_parser_parse_url(url.bytes, url.length, is_connect, &parts) != 0)
		return refuse(http, 400, "The request's target is no URL.");
	request->path = (struct net_text){ .bytes = "/", .length = 1 };
	if ((parts.field_set & 1 << UF_PATH) != 0)
		request->path = (struct net_text){ url.bytes + parts.field_data[UF_PATH].off,
						   parts.field_data[UF_PATH].len };
	if ((parts.field_set & 1 << UF_QUERY) != 0)
		request->query = (struct net_text){ url.bytes + parts.field_data[UF_QUERY].off,
						    parts.field_data[UF_QUERY].len };
	return 0;
}

static struct net_text trimmed(struct net_text text)
{
	while (text.length > 0 &&
	       (text.bytes[text.length - 1] == ' ' || text.bytes[text.length - 1] == '\t'))
		text.length--;
	return text;
}

static int fill_request(struct http *http)
{
	struct net_request *request = &http->request;
	memset(request, 0, offsetof(struct net_request, headers));
	request->is_upgrade = false;
	request->subprotocols = (struct net_text){ .bytes = "" };
	const char *method = http_method_str(http->parser.method);
	request->method = (struct net_text){ .bytes = method, .length = strlen(method) };
	request->header_count = http->header_count;
	for (uint32_t i = 0; i < http->header_count; i++) {
		request->headers[i].name = slice(http, http->headers[i].name);
		request->headers[i].value = trimmed(slice(http, http->headers[i].value));
	}
	bool has_length =
		http->parser.content_length > 0 && http->parser.content_length != UINT64_MAX;
	http->is_chunked = (http->parser.flags & F_CHUNKED) != 0;
	request->has_body = has_length || http->is_chunked;
	http->manner = (struct http_manner){
		.is_head = http->parser.method == HTTP_HEAD,
		.is_old = http->parser.http_major == 1 && http->parser.http_minor == 0,
		.closes = http_should_keep_alive(&http->parser) == 0,
	};
	return fill_target(http);
}

/* ---- what http_parser calls ----------------------------------------------------------------- */

/* Adds to a span that parses in portions. */
static int extend(struct http *http, struct span *span, const char *at, size_t length)
{
	uint32_t offset = (uint32_t)(at - (const char *)http->head->bytes);
	if (span->length == 0)
		span->offset = offset;
	/* A header that goes on in the next line (obsolete, RFC 9112) leaves a gap. */
	if (span->offset + span->length != offset)
		return refuse(http, 400, "A header is folded.");
	span->length += (uint32_t)length;
	return 0;
}

static int on_url(http_parser *parser, const char *at, size_t length)
{
	struct http *http = parser->data;
	return extend(http, &http->url, at, length);
}

static int on_header_field(http_parser *parser, const char *at, size_t length)
{
	struct http *http = parser->data;
	/* Trailers of a chunked body are not used. */
	if (http->phase != PHASE_HEAD)
		return 0;
	if (http->header_count == 0 || http->in_value) {
		if (http->header_count == NET_REQUEST_HEADERS_MAX)
			return refuse(http, 431, "Too many headers.");
		memset(&http->headers[http->header_count], 0, sizeof(http->headers[0]));
		http->header_count++;
		http->in_value = false;
	}
	return extend(http, &http->headers[http->header_count - 1].name, at, length);
}

static int on_header_value(http_parser *parser, const char *at, size_t length)
{
	struct http *http = parser->data;
	if (http->phase != PHASE_HEAD)
		return 0;
	struct span *value = &http->headers[http->header_count - 1].value;
	if (!http->in_value)
		value->offset = (uint32_t)(at - (const char *)http->head->bytes);
	http->in_value = true;
	return length == 0 ? 0 : extend(http, value, at, length);
}

static int on_headers_complete(http_parser *parser)
{
	struct http *http = parser->data;
	if (fill_request(http) != 0 || judge_head(http) != 0)
		return -1;
	/* Without this the parser would stop at an upgrade that nobody answers. */
	parser->upgrade = http->manner.is_upgrade;
	http->news = HTTP_NEWS_HEAD;
	http_parser_pause(parser, 1);
	return 0;
}

static int on_body(http_parser *parser, const char *at, size_t length)
{
	struct http *http = parser->data;
	http->news = HTTP_NEWS_BODY;
	http->body = at;
	http->body_bytes = length;
	http_parser_pause(parser, 1);
	return 0;
}

static int on_message_complete(http_parser *parser)
{
	struct http *http = parser->data;
	http->news = HTTP_NEWS_END;
	http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* ---- feeding -------------------------------------------------------------------------------- */

static void restart(struct http *http)
{
	buffer_give(http->buffers, &http->head);
	http_parser_init(&http->parser, HTTP_REQUEST);
	http->parser.data = http;
	http->phase = PHASE_HEAD;
	http->url = (struct span){ 0 };
	http->header_count = 0;
	http->in_value = false;
	http->is_over = false;
	http->chunks = (struct chunks){ 0 };
}

struct http *http_open(struct buffer_pool *buffers, size_t head_bytes_max)
{
	struct http *http = malloc(sizeof(*http));
	if (http == NULL)
		return NULL;
	memset(http, 0, sizeof(*http));
	http->magic = HTTP_MAGIC;
	check(head_bytes_max > 0 && head_bytes_max <= NET_REQUEST_BYTES_MAX);
	http->buffers = buffers;
	http->head_bytes_max = head_bytes_max;
	restart(http);
	return http;
}

void http_close(struct http **http)
{
	if (*http == NULL)
		return;
	check_object(*http, HTTP_MAGIC);
	buffer_give((*http)->buffers, &(*http)->head);
	(*http)->magic = 0;
	free(*http);
	*http = NULL;
}

/* What http_parser found wrong, in the words of an answer. */
static void refuse_by_parser(struct http *http)
{
	if (http->news == HTTP_NEWS_BAD)
		return;
	switch (HTTP_PARSER_ERRNO(&http->parser)) {
	case HPE_INVALID_VERSION:
		refuse(http, 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.");
		return;
	case HPE_HEADER_OVERFLOW:
		refuse(http, 431, "The headers are too large.");
		return;
	default:
		refuse(http, 400, http_errno_description(HTTP_PARSER_ERRNO(&http->parser)));
	}
}

/* Parses until the first news; returns how many bytes the parser is done with. */
static size_t parse(struct http *http, const char *bytes, size_t length)
{
	http->news = HTTP_NEWS_MORE;
	size_t used = http_parser_execute(&http->parser, &settings, bytes, length);
	enum http_errno error = HTTP_PARSER_ERRNO(&http->parser);
	if (error == HPE_PAUSED)
		http_parser_pause(&http->parser, 0);
	else if (error != HPE_OK)
		refuse_by_parser(http);
	return used;
}

/* NULL, or what is wrong with the lines of a head that the parser takes but other programs may read
 * in another way: a proxy and this server must not see two different requests. */
static const char *lines_fault(const struct buffer *head, size_t length)
{
	const uint8_t *at = head->bytes;
	const uint8_t *end = head->bytes + length;
	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		if (at == head->bytes || at[-1] != '\r')
			return "A line ends without CR.";
		at++;
		if (at < end && (*at == ' ' || *at == '\t'))
			return "A header is folded.";
	}
	return NULL;
}

/* The parser paused on the last newline and wants to read it again; a request without a body is
 * then at its end too. Returns the bytes that were taken. */
static size_t finish_head(struct http *http, size_t at)
{
	http->phase = PHASE_BODY;
	size_t used = parse(http, (const char *)http->head->bytes + at, 1);
	if (http->news == HTTP_NEWS_BAD)
		return used;
	http->is_over = http->news == HTTP_NEWS_END;
	check(http->is_over == !http->request.has_body);
	http->news = HTTP_NEWS_HEAD;
	const char *fault = lines_fault(http->head, at + used);
	if (fault != NULL)
		refuse(http, 400, fault);
	return used;
}

static size_t feed_head(struct http *http, const char *bytes, size_t length)
{
	size_t held = buffer_length(http->head);
	if (length > http->head_bytes_max - held)
		length = http->head_bytes_max - held;
	uint8_t *room = buffer_reserve(http->buffers, &http->head, length);
	if (room == NULL) {
		refuse(http, 503, "There is no memory for this request.");
		return 0;
	}
	memcpy(room, bytes, length);
	http->head->end += (uint32_t)length;
	size_t used = parse(http, (const char *)room, length);
	if (http->news == HTTP_NEWS_MORE && buffer_length(http->head) == http->head_bytes_max)
		refuse(http, 431, "The head of the request is too large.");
	if (http->news == HTTP_NEWS_HEAD)
		used += finish_head(http, held + used);
	return used;
}

static size_t feed_body(struct http *http, const char *bytes, size_t length)
{
	bool is_chunked = http->is_chunked;
	size_t right = is_chunked ? chunks_feed(&http->chunks, bytes, length) : length;
	size_t used = right > 0 ? parse(http, bytes, right) : 0;
	/* Within a body the parser takes all that is right, and what stops behind the data of a chunk is news. */
	bool is_within = http->news == HTTP_NEWS_MORE || http->news == HTTP_NEWS_BODY;
	bool is_stuck = http->news == HTTP_NEWS_MORE && right < length;
	if (is_chunked && is_within && (used < right || is_stuck))
		refuse(http, 400, "The chunks of the body are not framed as RFC 9112 says.");
	return used;
}

struct http_news http_feed(struct http *http, const void *bytes, size_t length)
{
	check_object(http, HTTP_MAGIC);
	size_t used = 0;
	http->news = HTTP_NEWS_MORE;
	if (http->is_over)
		restart(http);
	if (length > 0)
		used = http->phase == PHASE_HEAD ? feed_head(http, bytes, length)
						 : feed_body(http, bytes, length);
	struct http_news news = { .kind = http->news, .used = used };
	if (news.kind == HTTP_NEWS_BODY) {
		news.body = http->body;
		news.body_bytes = http->body_bytes;
	} else if (news.kind == HTTP_NEWS_BAD) {
		news.status = http->status;
		news.why = http->why;
	} else if (news.kind == HTTP_NEWS_END) {
		http->is_over = true;
	}
	return news;
}

const struct net_request *http_request(const struct http *http)
{
	return &http->request;
}

const struct http_manner *http_request_manner(const struct http *http)
{
	return &http->manner;
}

bool http_is_within(const struct http *http)
{
	return !http->is_over && buffer_length(http->head) > 0;
}

const char *http_status_text(unsigned status)
{
	switch (status) {
#define XX(number, name, text)                                                                     \
	case number:                                                                               \
		return #text;
		HTTP_STATUS_MAP(XX)
#undef XX
	default:
		return "Unknown";
	}
}
