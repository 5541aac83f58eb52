/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 *
 * Degrees are read as a decimal fraction into an integer of 1e-7 degrees. The general reader goes by
 * a double, which is off by less than 3e-7 of such a unit: so both round alike, save within a
 * hundredth of the middle between two, and that is left to the general reader.
 */
#include "proto/json_location.h"

#include <string.h>

enum {
	/* Longer ones are unusual; the bound keeps the work small whatever comes. */
	LENGTH_MAX = 256,
	/* Any number of so many digits is less than 2^53, the limit of ts. */
	TS_DIGITS_MAX = 15,
	DECIMALS = 7,
};

enum field { FIELD_TYPE = 1, FIELD_LAT = 2, FIELD_LON = 4, FIELD_TS = 8 };

struct cursor {
	const char *at;
	const char *end;
};

static bool take_bytes(struct cursor *cursor, const char *bytes, size_t length)
{
	if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, bytes, length) != 0)
		return false;
	cursor->at += length;
	return true;
}

#define take_literal(cursor, literal) take_bytes(cursor, literal, sizeof(literal) - 1)

static void skip_spaces(struct cursor *cursor)
{
	while (cursor->at < cursor->end && *cursor->at == ' ')
		cursor->at++;
}

static bool take_mark(struct cursor *cursor, char mark)
{
	skip_spaces(cursor);
	if (cursor->at == cursor->end || *cursor->at != mark)
		return false;
	cursor->at++;
	skip_spaces(cursor);
	return true;
}

/* The next digit, or -1 when there is none. */
static int take_digit(struct cursor *cursor)
{
	if (cursor->at == cursor->end || *cursor->at < '0' || *cursor->at > '9')
		return -1;
	return *cursor->at++ - '0';
}

/* A whole number of at most `digits_max` digits; JSON has no zeros in front. */
static bool take_whole(struct cursor *cursor, unsigned digits_max, int64_t *value)
{
	const char *start = cursor->at;
	int digit;
	*value = 0;
	while (cursor->at - start < (ptrdiff_t)digits_max && (digit = take_digit(cursor)) >= 0)
		*value = *value * 10 + digit;
	ptrdiff_t digits = cursor->at - start;
	return digits == 1 || (digits > 1 && *start != '0');
}

/* What follows the point: in 1e-7, rounded, unless that is close. */
static bool take_decimals(struct cursor *cursor, int32_t *value)
{
	const char *start = cursor->at;
	int32_t sum = 0;
	/* Two more digits tell on which side of the middle it is. */
	for (int place = 0; place < DECIMALS + 2; place++) {
		int digit = take_digit(cursor);
		sum = sum * 10 + (digit < 0 ? 0 : digit);
	}
	if (cursor->at == start)
		return false;
	while (take_digit(cursor) >= 0)
		continue;
	int32_t beyond = sum % 100;
	*value = sum / 100 + (beyond > 50);
	return beyond < 49 || beyond > 50;
}

/* Degrees of less than `limit` whole ones. */
static bool take_degrees(struct cursor *cursor, int64_t limit, int32_t *value_e7)
{
	bool is_negative = take_literal(cursor, "-");
	int64_t whole;
	int32_t decimals = 0;
	if (!take_whole(cursor, 3, &whole) || whole >= limit)
		return false;
	if (take_literal(cursor, ".") && !take_decimals(cursor, &decimals))
		return false;
	int32_t magnitude = (int32_t)whole * 10000000 + decimals;
	*value_e7 = is_negative ? -magnitude : magnitude;
	return true;
}

/* The name of a field with its colon; 0 for any other. */
static unsigned take_name(struct cursor *cursor)
{
	unsigned name = take_literal(cursor, "\"type\"") ? FIELD_TYPE
			: take_literal(cursor, "\"lat\"") ? FIELD_LAT
			: take_literal(cursor, "\"lon\"") ? FIELD_LON
			: take_literal(cursor, "\"ts\"")  ? FIELD_TS
							  : 0;
	return take_mark(cursor, ':') ? name : 0;
}

static bool take_value(struct cursor *cursor, unsigned name, struct client_msg *msg)
{
	switch (name) {
	case FIELD_TYPE:
		return take_literal(cursor, "\"location\"");
	case FIELD_LAT:
		return take_degrees(cursor, 90, &msg->location.place.lat_e7);
	case FIELD_LON:
		return take_degrees(cursor, 180, &msg->location.place.lon_e7);
	case FIELD_TS:
		return take_whole(cursor, TS_DIGITS_MAX, &msg->location.ts_ms);
	default:
		return false;
	}
}

bool json_location_read(const char *text, size_t length, struct client_msg *msg)
{
	if (length > LENGTH_MAX)
		return false;
	struct cursor cursor = { text, text + length };
	unsigned seen = 0;
	msg->type = CLIENT_LOCATION;
	msg->location.ts_ms = 0;
	if (!take_mark(&cursor, '{'))
		return false;
	do {
		unsigned name = take_name(&cursor);
		if ((seen & name) != 0 || !take_value(&cursor, name, msg))
			return false;
		seen |= name;
	} while (take_mark(&cursor, ','));
	msg->location.has_ts = (seen & FIELD_TS) != 0;
	unsigned needed = FIELD_TYPE | FIELD_LAT | FIELD_LON;
	return (seen & needed) == needed && take_mark(&cursor, '}') && cursor.at == cursor.end;
}
