/*
 * Owns: the commands on friendships, asks and blocks, and the list of who is near.
 * Invariant: lists are printed as they come, in one JSON document or one row a friend.
 * Thread: one.
 * Does not know: how the daemon keeps friendships or judges who is near.
 */
#include "api.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "text.h"

/* What a row is printed with. */
struct listing {
	bool json;
	bool is_placed; /* the elements have lat, lon, ts and distance_m */
	const char *name; /* of the list in JSON */
	uint64_t rows;
};

/* Before each row: nothing is printed until there is an answer. */
static void put_row_start(const struct listing *listing)
{
	if (listing->rows == 0)
		printf("{\"%s\":[", listing->name);
	else
		putchar(',');
}

struct row {
	struct user_id user;
	const char *name;
	size_t name_length;
	double lat, lon, distance_m;
	int64_t ts_ms;
};

/* Fields that are missing stay as they are: zero. */
static struct row read_row(struct json_reader *reader)
{
	struct row row = {.name = ""};
	struct decode_error error;
	json_take_user(reader, "user", &row.user, &error);
	if (json_has(reader, "name"))
		json_take_text(reader, "name", 0, MESSAGE_BYTES_MAX, &row.name, &row.name_length,
			       &error);
	json_take_number(reader, "lat", -90, 90, &row.lat, &error);
	json_take_number(reader, "lon", -180, 180, &row.lon, &error);
	json_take_number(reader, "distance_m", 0, 100000000, &row.distance_m, &error);
	json_take_integer(reader, "ts", INT64_MIN, INT64_MAX, &row.ts_ms, &error);
	return row;
}

static void put_row_json(const struct listing *listing, const struct row *row)
{
	put_row_start(listing);
	printf("{\"user\":\"%" PRIu64 "\",\"name\":", row->user.value);
	text_put_json(row->name, row->name_length);
	if (listing->is_placed) {
		char lat[TEXT_DEGREES_BYTES], lon[TEXT_DEGREES_BYTES];
		text_format_degrees((int32_t)lrint(row->lat * 1e7), lat);
		text_format_degrees((int32_t)lrint(row->lon * 1e7), lon);
		printf(",\"lat\":%s,\"lon\":%s,\"ts\":%" PRId64 ",\"distance_m\":%.3f", lat, lon,
		       row->ts_ms, row->distance_m);
	}
	putchar('}');
}

static void put_row_text(const struct listing *listing, const struct row *row)
{
	if (listing->is_placed) {
		char ago[TEXT_SPAN_BYTES];
		int64_t age_ms = wall_ms() - row->ts_ms;
		text_format_span(age_ms > 0 ? (uint64_t)age_ms * 1000 : 0, ago);
		printf("%9.1f m  %11.7f %12.7f  %10s ago  ", row->distance_m, row->lat, row->lon,
		       ago);
	}
	printf("%-19" PRIu64 "  ", row->user.value);
	text_put_plain(row->name, row->name_length);
	putchar('\n');
}

static void put_row(void *context, struct json_reader *reader)
{
	struct listing *listing = context;
	struct row row = read_row(reader);
	if (listing->json)
		put_row_json(listing, &row);
	else
		put_row_text(listing, &row);
	listing->rows++;
}

/* The list `what` of a user: "/v1/users/7/friends", "/v1/users/7/nearby" and such. */
static int list(const struct ctl *ctl, const char *what, struct listing listing)
{
	struct user_id user;
	if (!ctl_user(ctl, 0, &user))
		return EXIT_USAGE;
	uint64_t limit = 0;
	const char *option = ctl->options[OPTION_LIMIT];
	if (option != NULL) {
		char *end = NULL;
		errno = 0;
		limit = strtoull(option, &end, 10);
		if (errno != 0 || limit == 0 || *end != '\0' || option[0] == '-')
			return ctl_fail(ctl, EXIT_USAGE,
					"--limit takes a number from 1 on, not \"%s\"", option);
	}
	char path[API_PATH_BYTES];
	snprintf(path, sizeof(path), "/v1/users/%" PRIu64 "/%s", user.value, what);
	listing.json = ctl->json;
	int64_t total = 0;
	int status = api_walk(ctl, path, limit, put_row, &listing, &total);
	if (status == EXIT_OK && ctl->json) {
		if (listing.rows == 0)
			put_row_start(&listing);
		printf("],\"total\":%" PRId64 "}\n", total);
	} else if (status == EXIT_OK) {
		printf("%" PRIu64 " of %" PRId64 "\n", listing.rows, total);
	}
	return status;
}

int command_friends_list(const struct ctl *ctl)
{
	return list(ctl, "friends", (struct listing){.name = "friends"});
}

int command_friends_asked(const struct ctl *ctl)
{
	return list(ctl, "friends/asked", (struct listing){.name = "friends"});
}

int command_friends_asking(const struct ctl *ctl)
{
	return list(ctl, "friends/asking", (struct listing){.name = "friends"});
}

int command_friends_blocked(const struct ctl *ctl)
{
	return list(ctl, "blocked", (struct listing){.name = "people"});
}

int command_nearby(const struct ctl *ctl)
{
	return list(ctl, "nearby", (struct listing){.name = "friends", .is_placed = true});
}

static int change(const struct ctl *ctl, const char *method, bool are_friends)
{
	struct user_id a, b;
	if (!ctl_user(ctl, 0, &a) || !ctl_user(ctl, 1, &b))
		return EXIT_USAGE;
	char path[API_PATH_BYTES];
	snprintf(path, sizeof(path), "/v1/users/%" PRIu64 "/friends/%" PRIu64, a.value, b.value);
	int status = api_do(ctl, &(struct http_request){.method = method, .path = path});
	if (status != EXIT_OK)
		return status;
	if (ctl->json)
		printf("{\"users\":[\"%" PRIu64 "\",\"%" PRIu64 "\"],\"friends\":%s}\n", a.value,
		       b.value, are_friends ? "true" : "false");
	else
		printf("%" PRIu64 " and %" PRIu64 " are %s\n", a.value, b.value,
		       are_friends ? "friends" : "no friends");
	return EXIT_OK;
}

int command_friends_add(const struct ctl *ctl)
{
	return change(ctl, "PUT", true);
}

int command_friends_remove(const struct ctl *ctl)
{
	return change(ctl, "DELETE", false);
}
