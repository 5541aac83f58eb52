/*
 * Owns: sending files of friendships and users to the daemon.
 * Invariant: a file is streamed, never held; what the daemon refused is told by reason.
 * Thread: one.
 * Does not know: the lines; the daemon judges them.
 */
#include "api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "text.h"

enum { PROGRESS_US = 200000 };

struct progress {
	bool is_shown;
	uint64_t size; /* 0 when it is not known */
	uint64_t shown_us;
};

static void show_progress(void *context, uint64_t bytes)
{
	struct progress *progress = context;
	uint64_t now = boot_us();
	if (!progress->is_shown || now - progress->shown_us < PROGRESS_US)
		return;
	progress->shown_us = now;
	fprintf(stderr, "\r%.1f MB", (double)bytes / 1e6);
	if (progress->size > 0)
		fprintf(stderr, " of %.1f MB (%.0f %%)", (double)progress->size / 1e6,
			100.0 * (double)bytes / (double)progress->size);
}

static int64_t count_of(struct json_reader *reader, const char *name)
{
	struct decode_error error;
	int64_t count = 0;
	json_take_integer(reader, name, 0, INT64_MAX, &count, &error);
	return count;
}

/* Prints the answer, and says whether nothing was refused. */
static bool put_counts(struct json_reader *reader)
{
	int64_t rejected = count_of(reader, "rejected");
	printf("accepted %" PRId64 ", rejected %" PRId64 "\n", count_of(reader, "accepted"),
	       rejected);
	size_t reasons = json_count(reader, "reasons");
	const char *reason = "";
	for (size_t i = 0; i < reasons && json_enter(reader, "reasons", i, &reason); i++) {
		printf("  %-12s %" PRId64 ", first in line %" PRId64 "\n", reason,
		       count_of(reader, "count"), count_of(reader, "first_line"));
		json_leave(reader);
	}
	return rejected == 0;
}

static int put_answer(const struct ctl *ctl, const struct http_answer *answer)
{
	struct json_reader *reader = NULL;
	check(json_reader_open(&reader) == 0);
	int status = api_read(ctl, reader, answer);
	if (status == EXIT_OK && ctl->json) {
		printf("%s\n", answer->body);
		status = count_of(reader, "rejected") == 0 ? EXIT_OK : EXIT_FAILED;
	} else if (status == EXIT_OK) {
		status = put_counts(reader) ? EXIT_OK : EXIT_FAILED;
	}
	json_reader_close(&reader);
	return status;
}

/* Streams the file `name` to the daemon; `put` tells of the answer. */
static int upload(const struct ctl *ctl, const char *name, struct http_request request,
		  int (*put)(const struct ctl *, const struct http_answer *))
{
	FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	if (file == NULL)
		return ctl_fail(ctl, EXIT_FAILED, "%s: %s", name, strerror(errno));
	struct stat stat;
	struct progress progress = {.is_shown = !ctl->json && isatty(STDERR_FILENO)};
	if (fstat(fileno(file), &stat) == 0 && S_ISREG(stat.st_mode))
		progress.size = (uint64_t)stat.st_size;
	request.upload = file;
	request.is_patient = true;
	request.sent = show_progress;
	request.context = &progress;
	struct http_answer answer;
	int status = api_ask(ctl, &request, &answer);
	if (progress.shown_us != 0)
		fprintf(stderr, "\r\033[K");
	if (status == EXIT_OK) {
		status = put(ctl, &answer);
		http_answer_fini(&answer);
	}
	if (file != stdin)
		fclose(file);
	return status;
}

static int import(const struct ctl *ctl, const char *path, const char *content_type)
{
	return upload(ctl, ctl->arguments[0],
		      (struct http_request){.method = "POST", .path = path, .content_type = content_type},
		      put_answer);
}

int command_import_friends(const struct ctl *ctl)
{
	return import(ctl, "/v1/import/friends", "text/tab-separated-values");
}

int command_import_users(const struct ctl *ctl)
{
	return import(ctl, "/v1/import/users", "application/x-ndjson");
}

static int put_sync(const struct ctl *ctl, const struct http_answer *answer)
{
	struct json_reader *reader = NULL;
	check(json_reader_open(&reader) == 0);
	int status = api_read(ctl, reader, answer);
	if (status == EXIT_OK && ctl->json)
		printf("%s\n", answer->body);
	else if (status == EXIT_OK)
		printf("added %" PRId64 ", removed %" PRId64 "\n", count_of(reader, "added"),
		       count_of(reader, "removed"));
	json_reader_close(&reader);
	return status;
}

int command_friends_sync(const struct ctl *ctl)
{
	struct user_id user;
	if (!ctl_user(ctl, 0, &user))
		return EXIT_USAGE;
	char path[API_PATH_BYTES];
	snprintf(path, sizeof(path), "/v1/users/%" PRIu64 "/friends", user.value);
	return upload(ctl, ctl->arguments[1],
		      (struct http_request){.method = "PUT", .path = path, .content_type = "text/plain"},
		      put_sync);
}
