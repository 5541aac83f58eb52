/*
 * Owns: the commands that revoke a user's tokens, and that let them be good again.
 * Invariant: success is said when the daemon has made it durable and no session is left that should end.
 * Thread: one.
 * Does not know: how tokens are judged.
 */
#include "api.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/writer.h"
#include "proto/codec.h"

/* Asks for /v1/users/USER/WHAT, and tells the result: a member of JSON, or words about the user. */
static int change(const struct ctl *ctl, const char *method, const char *what, const char *body, const char *member,
		  const char *words)
{
	struct user_id user;
	if (!ctl_user(ctl, 0, &user))
		return EXIT_USAGE;
	char path[API_PATH_BYTES];
	snprintf(path, sizeof(path), "/v1/users/%" PRIu64 "/%s", user.value, what);
	struct http_request request = { .method = method, .path = path, .body = body };
	if (body != NULL)
		request.content_type = "application/json";
	int status = api_do(ctl, &request);
	if (status != EXIT_OK)
		return status;
	if (ctl->json)
		printf("{\"user\":\"%" PRIu64 "\",%s}\n", user.value, member);
	else
		printf("user %" PRIu64 " %s\n", user.value, words);
	return EXIT_OK;
}

int command_kick(const struct ctl *ctl)
{
	return change(ctl, "POST", "kick", NULL, "\"kicked\":true", "has no sessions now");
}

int command_block(const struct ctl *ctl)
{
	return change(ctl, "PUT", "block", NULL, "\"blocked\":true", "is barred");
}

int command_unblock(const struct ctl *ctl)
{
	return change(ctl, "DELETE", "block", NULL, "\"blocked\":false", "is not barred");
}

/* Digits are seconds as they stand; anything else is the daemon's to read. */
int command_not_before(const struct ctl *ctl)
{
	const char *time = ctl->arguments[1];
	size_t length = strlen(time);
	bool is_number = length > 0 && length < 18 && strspn(time, "0123456789") == length;
	char body[256];
	struct writer writer = writer_init(body, sizeof(body) - 1);
	writer_put_text(&writer, "{\"not_before\":");
	if (is_number)
		writer_put(&writer, time, length);
	else
		json_encode_string(&writer, time, length);
	writer_put_text(&writer, "}");
	if (writer.overflow)
		return ctl_fail(ctl, EXIT_USAGE, "\"%.40s...\" is no time", time);
	body[writer_length(&writer)] = '\0';
	return change(ctl, "PUT", "not-before", body, strcmp(time, "0") == 0 ? "\"revoked\":false" : "\"revoked\":true",
		      strcmp(time, "0") == 0 ? "may come with any token" : "needs a token of that time or later");
}
