/*
 * Owns: the commands that print where users were.
 * Invariant: a stream is printed as it comes; nothing grows with its length.
 * Thread: one.
 * Does not know: how history is kept.
 */
#include "api.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "text.h"

/* A line of the daemon's NDJSON; its longest, with a user, is 110 bytes. */
enum { LINE_BYTES_MAX = 512 };

/* Turns NDJSON that arrives in pieces into the features of a GeoJSON document. */
struct features {
	struct json_reader *reader;
	char line[LINE_BYTES_MAX];
	size_t length;
	uint64_t count;
	bool is_begun;	/* the document's start is printed */
	bool is_broken; /* a line was no location */
};

/* The start of the document, once: nothing is printed until there is an answer. */
static void put_collection(struct features *features)
{
	if (!features->is_begun)
		printf("{\"type\":\"FeatureCollection\",\"features\":[");
	features->is_begun = true;
}

static void put_feature(struct features *features)
{
	struct decode_error error;
	double lat, lon;
	int64_t ts;
	struct user_id user;
	if (!json_read(features->reader, features->line, features->length, &error) ||
	    !json_take_number(features->reader, "lat", -90, 90, &lat, &error) ||
	    !json_take_number(features->reader, "lon", -180, 180, &lon, &error) ||
	    !json_take_integer(features->reader, "ts", INT64_MIN, INT64_MAX, &ts, &error)) {
		features->is_broken = true;
		return;
	}
	char lat_text[TEXT_DEGREES_BYTES], lon_text[TEXT_DEGREES_BYTES];
	text_format_degrees((int32_t)lrint(lat * 1e7), lat_text);
	text_format_degrees((int32_t)lrint(lon * 1e7), lon_text);
	put_collection(features);
	printf("%s\n{\"type\":\"Feature\",\"geometry\":{\"type\":\"Point\",\"coordinates\":[%s,%s]}"
	       ","
	       "\"properties\":{\"ts\":%" PRId64,
	       features->count++ == 0 ? "" : ",", lon_text, lat_text, ts);
	if (json_take_user(features->reader, "user", &user, &error))
		printf(",\"user\":\"%" PRIu64 "\"", user.value);
	printf("}}");
}

static bool take_ndjson(void *context, const char *bytes, size_t length)
{
	struct features *features = context;
	for (size_t i = 0; i < length && !features->is_broken; i++) {
		if (bytes[i] == '\n') {
			put_feature(features);
			features->length = 0;
		} else if (features->length < sizeof(features->line)) {
			features->line[features->length++] = bytes[i];
		} else {
			features->is_broken = true;
		}
	}
	return !features->is_broken && !ferror(stdout);
}

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

static int print_geojson(const struct ctl *ctl, const char *path)
{
	struct features features = {.length = 0};
	check(json_reader_open(&features.reader) == 0);
	int status = api_do(ctl, &(struct http_request){.method = "GET",
							.path = path,
							.accept = "application/x-ndjson",
							.sink = take_ndjson,
							.context = &features});
	if (status == EXIT_OK) {
		put_collection(&features);
		printf("\n]}\n");
	}
	json_reader_close(&features.reader);
	return status;
}

static int print_range(const struct ctl *ctl, char path[API_PATH_BYTES])
{
	if (!add_range(ctl, path))
		return ctl_fail(ctl, EXIT_USAGE,
				"--from and --to take a time, not a text of that length");
	const char *format = ctl->options[OPTION_FORMAT];
	if (format == NULL)
		format = "ndjson";
	if (strcmp(format, "geojson") == 0)
		return print_geojson(ctl, path);
	const char *accept = strcmp(format, "csv") == 0	     ? "text/csv"
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
