/*
 * Owns: messages of clients in nearby.v1.json: their names, fields and ranges.
 * Invariant: a message is refused with the name of the field and what it may be, or is within all
 *   ranges; unknown fields are ignored.
 * Thread: a decoder's.
 * Does not know: who sends it, whether it fits the state of the session.
 */
#include "proto/codec.h"

#include "base/check.h"
#include "proto/decoder.h"
#include "proto/json_location.h"

#include <math.h>
#include <string.h>

/* What is read of one type of message, beside the type. */
typedef bool take_fields(const struct json_reader *reader, struct client_msg *msg,
			 struct decode_error *error);

static bool take_location(const struct json_reader *reader, struct client_msg *msg,
			  struct decode_error *error)
{
	double lat, lon;
	if (!json_take_number(reader, "lat", -90, 90, &lat, error) ||
	    !json_take_number(reader, "lon", -180, 180, &lon, error))
		return false;
	msg->location.place.lat_e7 = (int32_t)lround(lat * 1e7);
	msg->location.place.lon_e7 = (int32_t)lround(lon * 1e7);
	msg->location.has_ts = json_has(reader, "ts");
	msg->location.ts_ms = 0;
	return !msg->location.has_ts ||
	       json_take_integer(reader, "ts", 0, TS_MS_MAX, &msg->location.ts_ms, error);
}

static bool take_cursor(const struct json_reader *reader, struct page_cursor *cursor,
			struct decode_error *error)
{
	const char *text;
	size_t length;
	if (json_take_text(reader, "cursor", 0, PAGE_CURSOR_TEXT_BYTES - 1, &text, &length,
			   error) &&
	    page_cursor_parse(text, length, cursor))
		return true;
	return refuse_cursor(error);
}

static bool take_nearby(const struct json_reader *reader, struct client_msg *msg,
			struct decode_error *error)
{
	int64_t limit = PAGE_LIMIT_DEFAULT;
	if (json_has(reader, "limit") &&
	    !json_take_integer(reader, "limit", 1, PAGE_LIMIT_MAX, &limit, error))
		return false;
	msg->nearby.limit = (uint32_t)limit;
	msg->nearby.has_cursor = json_has(reader, "cursor");
	return !msg->nearby.has_cursor || take_cursor(reader, &msg->nearby.cursor, error);
}

static bool take_user(const struct json_reader *reader, struct client_msg *msg,
		      struct decode_error *error)
{
	return json_take_user(reader, "user", &msg->user, error);
}

static bool take_token(const struct json_reader *reader, struct client_msg *msg,
		       struct decode_error *error)
{
	return json_take_text(reader, "token", 1, TOKEN_BYTES_MAX, &msg->token.text,
			      &msg->token.length, error);
}

bool json_take_sharing(const struct json_reader *reader, bool is_exception, struct sharing *sharing,
		       struct decode_error *error)
{
	const char *mode;
	size_t length;
	*sharing = (struct sharing){ 0 };
	if (!json_take_text(reader, "mode", 0, MESSAGE_BYTES_MAX, &mode, &length, error) ||
	    !sharing_mode_parse(mode, length, &sharing->mode) ||
	    (sharing->mode == SHARING_DEFAULT && !is_exception))
		return refuse_mode(error, is_exception);
	return !json_has(reader, "until") ||
	       json_take_integer(reader, "until", 1, TS_MS_MAX, &sharing->until_ms, error);
}

static bool take_sharing(const struct json_reader *reader, struct client_msg *msg,
			 struct decode_error *error)
{
	msg->sharing.has_user = json_has(reader, "user");
	if (msg->sharing.has_user && !json_take_user(reader, "user", &msg->sharing.user, error))
		return false;
	msg->sharing.has_mode = msg->sharing.has_user || json_has(reader, "mode");
	return !msg->sharing.has_mode ||
	       json_take_sharing(reader, msg->sharing.has_user, &msg->sharing.sharing, error);
}

static bool take_strangers(const struct json_reader *reader, struct client_msg *msg,
			   struct decode_error *error)
{
	return json_take_bool(reader, "on", &msg->strangers_on, error);
}

/* By enum client_msg_type. */
static const struct {
	const char *name;
	take_fields *take;
} types[] = {
	[CLIENT_LOCATION] = { "location", take_location },
	[CLIENT_NEARBY] = { "nearby", take_nearby },
	[CLIENT_SUBSCRIBE] = { "subscribe", take_user },
	[CLIENT_UNSUBSCRIBE] = { "unsubscribe", take_user },
	[CLIENT_TOKEN] = { "token", take_token },
	[CLIENT_SHARING] = { "sharing", take_sharing },
	[CLIENT_STRANGERS] = { "strangers", take_strangers },
};

bool json_decode(struct decoder *decoder, const void *text, size_t length, struct client_msg *msg,
		 struct decode_error *error)
{
	return json_location_read(text, length, msg) ||
	       json_decode_general(decoder, text, length, msg, error);
}

bool json_decode_general(struct decoder *decoder, const void *text, size_t length,
			 struct client_msg *msg, struct decode_error *error)
{
	check_object(decoder, DECODER_MAGIC);
	const struct json_reader *reader = decoder->reader;
	if (!json_read(decoder->reader, text, length, error))
		return false;
	const char *name;
	size_t name_length;
	if (!json_take_text(reader, "type", 0, MESSAGE_BYTES_MAX, &name, &name_length, error)) {
		decode_error_set(error, ERROR_BAD_FIELD, "type %s a string",
				 json_kind(reader, "type") == JSON_KIND_ABSENT
					 ? "is missing and must be"
					 : "must be");
		return false;
	}
	for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
		if (strlen(types[i].name) != name_length ||
		    memcmp(types[i].name, name, name_length) != 0)
			continue;
		msg->type = (enum client_msg_type)i;
		return types[i].take(reader, msg, error);
	}
	return refuse_type(error);
}
