/*
 * Owns: the commands on one user's profile.
 * Invariant: only what the command line gives of a profile is changed.
 * Thread: one.
 * Does not know: how the daemon keeps profiles.
 */
#include "api.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/writer.h"
#include "proto/codec.h"
#include "text.h"

static void user_path(struct user_id user, char path[API_PATH_BYTES])
{
	snprintf(path, API_PATH_BYTES, "/v1/users/%" PRIu64, user.value);
}

static void put_field(struct json_reader *reader, const char *name)
{
	struct decode_error error;
	const char *text = "";
	size_t length = 0;
	if (json_has(reader, name) &&
	    json_take_text(reader, name, 0, MESSAGE_BYTES_MAX, &text, &length, &error)) {
		printf("%-8s ", name);
		text_put_plain(text, length);
		putchar('\n');
	}
}

int command_user_get(const struct ctl *ctl)
{
	struct user_id user;
	if (!ctl_user(ctl, 0, &user))
		return EXIT_USAGE;
	char path[API_PATH_BYTES];
	user_path(user, path);
	struct http_answer answer;
	int status = api_ask(ctl, &(struct http_request){.method = "GET", .path = path}, &answer);
	if (status != EXIT_OK)
		return status;
	if (ctl->json) {
		fwrite(answer.body, 1, answer.length, stdout);
		putchar('\n');
	} else {
		struct json_reader *reader = NULL;
		check(json_reader_open(&reader) == 0);
		status = api_read(ctl, reader, &answer);
		if (status == EXIT_OK) {
			put_field(reader, "user");
			put_field(reader, "name");
			put_field(reader, "picture");
		}
		json_reader_close(&reader);
	}
	http_answer_fini(&answer);
	return status;
}

/* The body of a PUT. False when the texts are too long for any profile. */
static bool make_profile(const struct ctl *ctl, char *body, size_t bytes)
{
	const char *name = ctl->options[OPTION_NAME], *picture = ctl->options[OPTION_PICTURE];
	struct writer writer = writer_init(body, bytes - 1);
	writer_put_text(&writer, "{");
	if (name != NULL) {
		writer_put_text(&writer, "\"name\":");
		json_encode_string(&writer, name, strlen(name));
	}
	if (picture != NULL) {
		writer_put_text(&writer, name != NULL ? ",\"picture\":" : "\"picture\":");
		json_encode_string(&writer, picture, strlen(picture));
	}
	writer_put_text(&writer, "}");
	body[writer_length(&writer)] = '\0';
	return !writer.overflow;
}

int command_user_put(const struct ctl *ctl)
{
	struct user_id user;
	if (!ctl_user(ctl, 0, &user))
		return EXIT_USAGE;
	char path[API_PATH_BYTES], body[8192];
	user_path(user, path);
	if (!make_profile(ctl, body, sizeof(body)))
		return ctl_fail(ctl, EXIT_USAGE, "name and picture are too long");
	struct http_answer answer;
	int status = api_ask(ctl,
			     &(struct http_request){.method = "PUT",
						    .path = path,
						    .content_type = "application/json",
						    .body = body},
			     &answer);
	if (status != EXIT_OK)
		return status;
	bool is_new = answer.status == 201;
	http_answer_fini(&answer);
	if (ctl->json)
		printf("{\"user\":\"%" PRIu64 "\",\"created\":%s}\n", user.value,
		       is_new ? "true" : "false");
	else
		printf("user %" PRIu64 " %s\n", user.value, is_new ? "made" : "changed");
	return EXIT_OK;
}

int command_user_delete(const struct ctl *ctl)
{
	struct user_id user;
	if (!ctl_user(ctl, 0, &user))
		return EXIT_USAGE;
	char path[API_PATH_BYTES];
	user_path(user, path);
	int status = api_do(ctl, &(struct http_request){.method = "DELETE", .path = path});
	if (status != EXIT_OK)
		return status;
	if (ctl->json)
		printf("{\"user\":\"%" PRIu64 "\",\"deleted\":true}\n", user.value);
	else
		printf("user %" PRIu64 " deleted\n", user.value);
	return EXIT_OK;
}
