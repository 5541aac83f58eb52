/*
 * Owns: reading the server's messages.
 * Invariant: see the header.
 * Thread: the caller's.
 * Does not know: whether what is said is true.
 */
#include "bench/answer.h"

#include <math.h>
#include <string.h>

/* Which fields were there, as bits. */
enum field {
	FIELD_USER = 1,
	FIELD_NAME = 2,
	FIELD_LAT = 4,
	FIELD_LON = 8,
	FIELD_TS = 16,
	FIELD_DISTANCE = 32,
	FIELD_WHY = 64,
	FIELD_FRIENDS = 128,
	FIELD_TOTAL = 256,
	FIELD_NEXT = 512,
	FIELD_CODE = 1024,
	FIELD_MESSAGE = 2048,
	FIELD_RADIUS = 4096,
	FIELD_TTL = 8192,
	FIELD_AFTER = 16384,
};

static const struct {
	const char *text;
	unsigned needs;
} TYPES[] = {
	[ANSWER_WELCOME] = { "welcome", FIELD_USER | FIELD_RADIUS | FIELD_TTL },
	[ANSWER_NEARBY] = { "nearby", FIELD_FRIENDS | FIELD_TOTAL | FIELD_NEXT },
	[ANSWER_UPDATE] = { "update", FIELD_FRIENDS },
	[ANSWER_GONE] = { "gone", FIELD_FRIENDS },
	[ANSWER_ERROR] = { "error", FIELD_CODE | FIELD_MESSAGE },
	[ANSWER_RECONNECT] = { "reconnect", FIELD_AFTER },
};

static int32_t degrees_e7(struct scan *scan, double limit)
{
	double degrees = scan_number(scan);
	if (!(fabs(degrees) <= limit))
		scan->bad = true;
	return scan->bad ? 0 : (int32_t)lround(degrees * 1e7);
}

/* One ENTRY, or one of a gone's list: the fields of both are read, `needs` says which must be. */
static void read_friend(struct scan *scan, struct answer_entry *entry, struct answer_gone *gone,
			unsigned needs)
{
	unsigned seen = 0;
	struct slice key;
	*entry = (struct answer_entry){ .user = 0 };
	scan_open(scan, '{');
	while (scan_key(scan, &key)) {
		if (slice_is(key, "user")) {
			seen |= FIELD_USER;
			entry->user = gone->user = scan_id(scan);
		} else if (slice_is(key, "name")) {
			if (!scan_null(scan))
				entry->name = scan_string(scan);
		} else if (slice_is(key, "lat")) {
			seen |= FIELD_LAT;
			entry->place.lat_e7 = degrees_e7(scan, 90);
		} else if (slice_is(key, "lon")) {
			seen |= FIELD_LON;
			entry->place.lon_e7 = degrees_e7(scan, 180);
		} else if (slice_is(key, "ts")) {
			seen |= FIELD_TS;
			entry->ts_ms = (int64_t)scan_number(scan);
		} else if (slice_is(key, "distance_m")) {
			seen |= FIELD_DISTANCE;
			entry->distance_m = scan_number(scan);
		} else if (slice_is(key, "why")) {
			seen |= FIELD_WHY;
			gone->why = scan_string(scan);
		} else {
			scan_skip(scan);
		}
	}
	if ((seen & needs) != needs)
		scan->bad = true;
}

static void read_friends(struct scan *scan, struct answer *answer)
{
	unsigned needs = answer->type == ANSWER_GONE ?
				 FIELD_USER | FIELD_WHY :
				 FIELD_USER | FIELD_LAT | FIELD_LON | FIELD_TS | FIELD_DISTANCE;
	answer->count = 0;
	for (scan_open(scan, '['); scan_item(scan); answer->count++) {
		if (answer->count == ANSWER_ENTRIES_MAX) {
			scan->bad = true;
			return;
		}
		read_friend(scan, &answer->entries[answer->count], &answer->gone[answer->count],
			    needs);
	}
}

/* Reads the value of `key` if the answer has a place for it. Returns its bit, or 0. */
static unsigned read_field(struct scan *scan, struct slice key, struct answer *answer)
{
	if (slice_is(key, "friends"))
		return read_friends(scan, answer), FIELD_FRIENDS;
	if (slice_is(key, "user"))
		return answer->user = scan_id(scan), FIELD_USER;
	if (slice_is(key, "total"))
		return answer->total = (uint32_t)scan_number(scan), FIELD_TOTAL;
	if (slice_is(key, "code"))
		return answer->code = scan_string(scan), FIELD_CODE;
	if (slice_is(key, "message"))
		return answer->message = scan_string(scan), FIELD_MESSAGE;
	if (slice_is(key, "radius_m"))
		return answer->radius_m = scan_number(scan), FIELD_RADIUS;
	if (slice_is(key, "ttl_s"))
		return answer->ttl_s = scan_number(scan), FIELD_TTL;
	if (slice_is(key, "after_ms"))
		return answer->after_ms = scan_number(scan), FIELD_AFTER;
	if (slice_is(key, "next")) {
		if (!scan_null(scan))
			answer->next = scan_string(scan);
		return FIELD_NEXT;
	}
	scan_skip(scan);
	return 0;
}

/* The type may stand anywhere in the object, and decides how the rest is read. */
static enum answer_type read_type(const char *text, size_t length)
{
	struct scan scan = scan_init(text, length);
	struct slice key, type = { .bytes = "" };
	for (scan_open(&scan, '{'); scan_key(&scan, &key);) {
		if (slice_is(key, "type")) {
			type = scan_string(&scan);
			break;
		}
		scan_skip(&scan);
	}
	for (unsigned i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
		if (slice_is(type, TYPES[i].text))
			return (enum answer_type)i;
	}
	return ANSWER_OTHER;
}

bool answer_read(struct answer *answer, const char *text, size_t length)
{
	struct scan scan = scan_init(text, length);
	struct slice key;
	unsigned seen = 0;
	answer->type = read_type(text, length);
	answer->count = 0;
	answer->next = (struct slice){ .bytes = NULL };
	for (scan_open(&scan, '{'); scan_key(&scan, &key);) {
		if (answer->type == ANSWER_OTHER)
			scan_skip(&scan);
		else
			seen |= read_field(&scan, key, answer);
	}
	unsigned needs = answer->type == ANSWER_OTHER ? 0 : TYPES[answer->type].needs;
	return scan_done(&scan) && (seen & needs) == needs;
}
