/*
 * Owns: turning answers of the admin API into exit statuses and words.
 * Invariant: see the header.
 * Thread: one.
 * Does not know: what single commands ask.
 */
#include "api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "daemon/paths.h"

enum { PAGE_ELEMENTS = 100 };

/* A problem document's "detail", else its "title"; what the user reads. */
static void problem_text(const struct http_answer *answer, char *text, size_t bytes)
{
	struct json_reader *reader = NULL;
	struct decode_error error;
	const char *words = NULL;
	size_t length = 0;
	check(json_reader_open(&reader) == 0);
	if (answer->body != NULL && json_read(reader, answer->body, answer->length, &error) &&
	    (json_take_text(reader, "detail", 1, bytes, &words, &length, &error) ||
	     json_take_text(reader, "title", 1, bytes, &words, &length, &error)))
		snprintf(text, bytes, "%s", words);
	else
		snprintf(text, bytes, "HTTP status %ld", answer->status);
	json_reader_close(&reader);
}

static int refuse(const struct ctl *ctl, const struct http_answer *answer)
{
	enum exit_status status = answer->status == 404 ? EXIT_NOT_FOUND : EXIT_FAILED;
	char text[512];
	problem_text(answer, text, sizeof(text));
	if (!ctl->json || answer->body == NULL)
		return ctl_fail(ctl, status, "%s", text);
	/* The problem document itself says more than a text of ours. */
	fwrite(answer->body, 1, answer->length, stdout);
	putchar('\n');
	return status;
}

static int no_answer(const struct ctl *ctl, int error, const char *path, const char *reason)
{
	switch (error) {
	case -ECONNREFUSED:
		return ctl_fail(ctl, EXIT_NOT_RUNNING, "no daemon of instance \"%s\" listens at %s",
				ctl->instance, path);
	case -ETIMEDOUT:
		return ctl_fail(
			ctl, EXIT_NOT_RUNNING,
			"the daemon of instance \"%s\" does not answer; see nearbyctl status",
			ctl->instance);
	case -ECANCELED:
		return ctl_fail(ctl, EXIT_FAILED, "the answer could not be printed");
	default:
		return ctl_fail(ctl, EXIT_FAILED, "the answer broke off: %s", reason);
	}
}

bool api_is_ready(const struct ctl *ctl)
{
	char path[PATHS_SOCKET_BYTES];
	struct http_answer answer;
	if (paths_control_socket(ctl->instance, path) != 0 || paths_directory_verify(path) != 0)
		return false;
	bool is_ready = http_ask(path, &(struct http_request){ .method = "GET", .path = "/readyz" },
				 &answer) == 0 &&
			answer.status == 200;
	http_answer_fini(&answer);
	return is_ready;
}

/* The socket's path, when whoever made its directory can be trusted. */
static int find_socket(const struct ctl *ctl, char path[PATHS_SOCKET_BYTES])
{
	int error = paths_control_socket(ctl->instance, path);
	if (error != 0)
		return ctl_fail(ctl, EXIT_USAGE, "\"%s\" is no name of an instance", ctl->instance);
	error = paths_directory_verify(path);
	if (error == -ENOENT)
		return no_answer(ctl, -ECONNREFUSED, path, NULL);
	if (error != 0)
		return ctl_fail(ctl, EXIT_FAILED, "the directory of %s is not to be trusted: %s",
				path, strerror(-error));
	return EXIT_OK;
}

int api_ask(const struct ctl *ctl, const struct http_request *request, struct http_answer *answer)
{
	char socket_path[PATHS_SOCKET_BYTES];
	int status = find_socket(ctl, socket_path);
	if (status != EXIT_OK)
		return status;
	int error = http_ask(socket_path, request, answer);
	if (error != 0)
		status = no_answer(ctl, error, socket_path, answer->reason);
	else if (answer->status / 100 != 2)
		status = refuse(ctl, answer);
	if (status != EXIT_OK)
		http_answer_fini(answer);
	return status;
}

int api_do(const struct ctl *ctl, const struct http_request *request)
{
	struct http_answer answer;
	int status = api_ask(ctl, request, &answer);
	if (status == EXIT_OK)
		http_answer_fini(&answer);
	return status;
}

int api_read(const struct ctl *ctl, struct json_reader *reader, const struct http_answer *answer)
{
	struct decode_error error;
	const char *body = answer->body == NULL ? "" : answer->body;
	if (json_read(reader, body, answer->length, &error))
		return EXIT_OK;
	return ctl_fail(ctl, EXIT_FAILED, "the daemon's answer is not understood: %s",
			error.message);
}

/* One page; *next is where the following begins, "" after the last. */
static int walk_page(const struct ctl *ctl, struct json_reader *reader, const char *path,
		     uint64_t *left, char next[64], int64_t *total,
		     void (*row)(void *context, struct json_reader *reader), void *context)
{
	char page[API_PATH_BYTES + 128];
	uint64_t limit = *left < PAGE_ELEMENTS ? *left : PAGE_ELEMENTS;
	snprintf(page, sizeof(page), "%s?limit=%" PRIu64 "%s%s", path, limit,
		 next[0] != '\0' ? "&cursor=" : "", next);
	struct http_answer answer;
	int status = api_ask(ctl, &(struct http_request){ .method = "GET", .path = page }, &answer);
	if (status != EXIT_OK)
		return status;
	status = api_read(ctl, reader, &answer);
	http_answer_fini(&answer);
	if (status != EXIT_OK)
		return status;

	struct decode_error error;
	const char *cursor = "";
	const char *list = json_has(reader, "people") ? "people" : "friends";
	size_t length = 0, count = json_count(reader, list);
	if (!json_take_integer(reader, "total", 0, INT64_MAX, total, &error))
		return ctl_fail(ctl, EXIT_FAILED, "the daemon's answer is not understood: %s",
				error.message);
	for (size_t i = 0; i < count && json_enter(reader, list, i, NULL); i++) {
		row(context, reader);
		json_leave(reader);
		*left -= *left > 0;
	}
	if (count > 0 && json_has(reader, "next"))
		json_take_text(reader, "next", 1, 63, &cursor, &length, &error);
	snprintf(next, 64, "%s", cursor);
	return EXIT_OK;
}

int api_walk(const struct ctl *ctl, const char *path, uint64_t limit,
	     void (*row)(void *context, struct json_reader *reader), void *context, int64_t *total)
{
	struct json_reader *reader = NULL;
	check(json_reader_open(&reader) == 0);
	uint64_t left = limit == 0 ? UINT64_MAX : limit;
	char next[64] = "";
	int status;
	do {
		status = walk_page(ctl, reader, path, &left, next, total, row, context);
	} while (status == EXIT_OK && left > 0 && next[0] != '\0');
	json_reader_close(&reader);
	return status;
}
