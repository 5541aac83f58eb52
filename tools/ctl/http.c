/*
 * Owns: the only use of libcurl.
 * Invariant: see the header.
 * Thread: one.
 * Does not know: what is asked.
 */
#include "http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/check.h"

enum { CONNECT_S = 5, SILENCE_S = 30 };

/* What the callbacks of one exchange share. */
struct exchange {
	const struct http_request *request;
	struct http_answer *answer;
	CURL *curl;
	uint64_t sent_bytes;
	bool is_refused; /* by the sink */
};

static bool keep(struct http_answer *answer, const char *bytes, size_t length)
{
	if (answer->length + length > HTTP_KEPT_BYTES_MAX)
		return false;
	char *grown = realloc(answer->body, answer->length + length + 1);
	if (grown == NULL)
		return false;
	memcpy(grown + answer->length, bytes, length);
	answer->body = grown;
	answer->length += length;
	answer->body[answer->length] = '\0';
	return true;
}

static size_t received(char *bytes, size_t size, size_t count, void *context)
{
	struct exchange *exchange = context;
	long status = 0;
	curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
	if (exchange->request->sink == NULL || status / 100 != 2)
		return keep(exchange->answer, bytes, size * count) ? size * count : 0;
	if (exchange->request->sink(exchange->request->context, bytes, size * count))
		return size * count;
	exchange->is_refused = true;
	return 0;
}

static size_t wanted(char *bytes, size_t size, size_t count, void *context)
{
	struct exchange *exchange = context;
	size_t length = fread(bytes, 1, size * count, exchange->request->upload);
	if (ferror(exchange->request->upload))
		return CURL_READFUNC_ABORT;
	exchange->sent_bytes += length;
	if (exchange->request->sent != NULL)
		exchange->request->sent(exchange->request->context, exchange->sent_bytes);
	return length;
}

static struct curl_slist *add_header(struct curl_slist *headers, const char *name,
				     const char *value)
{
	char line[256];
	snprintf(line, sizeof(line), "%s: %s", name, value);
	return curl_slist_append(headers, line);
}

static struct curl_slist *make_headers(const struct http_request *request)
{
	/* The daemon takes a body at once; waiting for its leave would cost a second. */
	struct curl_slist *headers = add_header(NULL, "Expect", "");
	if (request->accept != NULL)
		headers = add_header(headers, "Accept", request->accept);
	if (request->content_type != NULL)
		headers = add_header(headers, "Content-Type", request->content_type);
	if (request->upload != NULL)
		headers = add_header(headers, "Transfer-Encoding", "chunked");
	return headers;
}

static void set_body(CURL *curl, struct exchange *exchange)
{
	const struct http_request *request = exchange->request;
	if (request->upload != NULL) {
		curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(curl, CURLOPT_READFUNCTION, wanted);
		curl_easy_setopt(curl, CURLOPT_READDATA, exchange);
	} else if (request->body != NULL) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

static int failure(CURLcode code, const struct exchange *exchange)
{
	if (exchange->is_refused)
		return -ECANCELED;
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	default:
		return -EIO;
	}
}

int http_ask(const char *socket_path, const struct http_request *request,
	     struct http_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	char url[1024];
	int length = snprintf(url, sizeof(url), "http://nearby%s", request->path);
	check(length > 0 && (size_t)length < sizeof(url));
	CURL *curl = curl_easy_init();
	check(curl != NULL);
	struct exchange exchange = {.request = request, .answer = answer, .curl = curl};
	char words[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = make_headers(request);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, received);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	if (!request->is_patient) {
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
	}
	set_body(curl, &exchange);

	CURLcode code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
	if (code != CURLE_OK)
		snprintf(answer->reason, sizeof(answer->reason), "%s",
			 words[0] != '\0' ? words : curl_easy_strerror(code));
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return code == CURLE_OK ? 0 : failure(code, &exchange);
}

void http_answer_fini(struct http_answer *answer)
{
	free(answer->body);
	answer->body = NULL;
	answer->length = 0;
}

bool http_escape(const char *text, char *out, size_t out_bytes)
{
	static const char hex[] = "0123456789ABCDEF";
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	size_t at = 0;
	for (; *text != '\0' && at + 4 <= out_bytes; text++) {
		if (strchr(plain, *text) != NULL) {
			out[at++] = *text;
			continue;
		}
		out[at++] = '%';
		out[at++] = hex[(unsigned char)*text >> 4];
		out[at++] = hex[(unsigned char)*text & 15];
	}
	if (out_bytes > 0)
		out[at] = '\0';
	return *text == '\0';
}
