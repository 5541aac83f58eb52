/*
 * Owns: the commands that print where users were.
 * Invariant: a stream is printed as it comes; nothing grows with its length.
 * Thread: one.
 * Does not know: how history is kept.
 */
#include "api.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "text.h"

static bool print_bytes(void *context, const char *bytes, size_t length)
{
	(void)context;
	return fwrite(bytes, 1, length, stdout) == length;
}

/* Appends "?from=...&to=..." of what is given. */
static bool add_range(const struct ctl *ctl, char path[API_PATH_BYTES])
{
	static const struct {
		enum ctl_option option;
		const char *name;
	} ends[] = {{OPTION_FROM, "from"}, {OPTION_TO, "to"}};
	char mark = '?';
	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		const char *value = ctl->options[ends[i].option];
		if (value == NULL)
			continue;
		char escaped[256];
		if (!http_escape(value, escaped, sizeof(escaped)))
			return false;
		size_t length = strlen(path);
		snprintf(path + length, API_PATH_BYTES - length, "%c%s=%s", mark, ends[i].name,
			 escaped);
		mark = '&';
	}
	return true;
}

static int print_range(const struct ctl *ctl, char path[API_PATH_BYTES])
{
	if (!add_range(ctl, path))
		return ctl_fail(ctl, EXIT_USAGE,
				"--from and --to take a time, not a text of that length");
	const char *format = ctl->options[OPTION_FORMAT];
	if (format == NULL)
		format = "ndjson";
	const char *accept = strcmp(format, "csv") == 0	     ? "text/csv"
			     : strcmp(format, "geojson") == 0 ? "application/geo+json"
			     : strcmp(format, "ndjson") == 0 ? "application/x-ndjson"
							     : NULL;
	if (accept == NULL)
		return ctl_fail(ctl, EXIT_USAGE, "--format is ndjson, csv or geojson, not \"%s\"",
				format);
	return api_do(
		ctl, &(struct http_request){
			     .method = "GET", .path = path, .accept = accept, .sink = print_bytes});
}

int command_history(const struct ctl *ctl)
{
	struct user_id user;
	if (!ctl_user(ctl, 0, &user))
		return EXIT_USAGE;
	char path[API_PATH_BYTES];
	snprintf(path, sizeof(path), "/v1/users/%" PRIu64 "/history", user.value);
	return print_range(ctl, path);
}

int command_export(const struct ctl *ctl)
{
	char path[API_PATH_BYTES] = "/v1/export";
	return print_range(ctl, path);
}
