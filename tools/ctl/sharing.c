/*
 * Owns: the commands on what a user shows friends of where it is.
 * Invariant: what is printed is what the daemon answered: after a change, the state that it made.
 * Thread: one.
 * Does not know: who sees what (the engine's gate).
 */
#include "api.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/writer.h"
#include "proto/codec.h"
#include "text.h"

/* The mode, and its end, of the object that the reader is in. */
static void put_mode(struct json_reader *reader, const char *who)
{
	struct sharing sharing;
	struct decode_error error;
	char until[TEXT_TIME_BYTES] = "";
	if (!json_take_sharing(reader, true, &sharing, &error))
		return;
	if (sharing.until_ms != 0)
		text_format_time(sharing.until_ms, until);
	printf("%-19s  %s%s%s\n", who, sharing_mode_text(sharing.mode),
	       until[0] == '\0' ? "" : ", off from ", until);
}

static void put_state(struct json_reader *reader)
{
	put_mode(reader, "friends");
	size_t count = json_count(reader, "friends");
	for (size_t i = 0; i < count && json_enter(reader, "friends", i, NULL); i++) {
		struct user_id user;
		struct decode_error error;
		char who[24];
		if (json_take_user(reader, "user", &user, &error)) {
			snprintf(who, sizeof(who), "%" PRIu64, user.value);
			put_mode(reader, who);
		}
		json_leave(reader);
	}
}

/* Asks, and prints the state that is the answer. */
static int ask(const struct ctl *ctl, const char *method, const char *body)
{
	struct user_id user;
	if (!ctl_user(ctl, 0, &user))
		return EXIT_USAGE;
	char path[API_PATH_BYTES];
	snprintf(path, sizeof(path), "/v1/users/%" PRIu64 "/sharing", user.value);
	struct http_request request = { .method = method, .path = path, .body = body };
	if (body != NULL)
		request.content_type = "application/json";
	struct http_answer answer;
	int status = api_ask(ctl, &request, &answer);
	if (status != EXIT_OK)
		return status;
	struct json_reader *reader = NULL;
	check(json_reader_open(&reader) == 0);
	if (ctl->json) {
		fwrite(answer.body, 1, answer.length, stdout);
		putchar('\n');
	} else if ((status = api_read(ctl, reader, &answer)) == EXIT_OK) {
		put_state(reader);
	}
	json_reader_close(&reader);
	http_answer_fini(&answer);
	return status;
}

int command_sharing_get(const struct ctl *ctl)
{
	return ask(ctl, "GET", NULL);
}

int command_sharing_set(const struct ctl *ctl)
{
	int64_t span_s = 0;
	if (ctl->options[OPTION_FOR] != NULL && !ctl_span(ctl, OPTION_FOR, &span_s))
		return EXIT_USAGE;
	const char *mode = ctl->arguments[1];
	char body[256];
	struct writer writer = writer_init(body, sizeof(body) - 1);
	writer_put_text(&writer, "{\"mode\":");
	json_encode_string(&writer, mode, strlen(mode));
	if (span_s != 0) {
		writer_put_text(&writer, ",\"until\":");
		writer_put_u64(&writer, (uint64_t)(wall_ms() + span_s * 1000));
	}
	writer_put_text(&writer, "}");
	if (writer.overflow)
		return ctl_fail(ctl, EXIT_USAGE, "\"%.40s...\" is no mode", mode);
	body[writer_length(&writer)] = '\0';
	return ask(ctl, "PUT", body);
}
