/*
 * Owns: messages of clients in nearby.v1.protobuf; the only use of protobuf-c.
 * Invariant: unpacking takes memory from the decoder's scratch alone, and what does not fit is
 *   refused; a message that is taken is within the ranges that JSON's are held to.
 * Thread: a decoder's.
 * Does not know: who sends it, whether it fits the state of the session.
 */
#include "proto/codec.h"

#include "base/check.h"
#include "proto/decoder.h"
#include "proto/nearby.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum { LAT_E7_MAX = 900000000, LON_E7_MAX = 1800000000 };

static void *scratch_take(void *context, size_t bytes)
{
	struct decoder *decoder = context;
	if (bytes > SCRATCH_BYTES - decoder->scratch_used)
		return NULL;
	void *memory = decoder->scratch + decoder->scratch_used;
	size_t rounded = (bytes + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
	decoder->scratch_used += rounded;
	return memory;
}

/* All of it is taken anew by the next message. */
static void scratch_give(void *context, void *memory)
{
	(void)context;
	(void)memory;
}

static bool take_degrees(const char *name, bool is_there, int32_t value_e7, int32_t max_e7,
			 int32_t *to, struct decode_error *error)
{
	*to = value_e7;
	return (is_there && value_e7 >= -max_e7 && value_e7 <= max_e7) ||
	       refuse_number(error, name, !is_there, -max_e7 / 10000000, max_e7 / 10000000);
}

static bool take_ms(const char *name, int64_t value, int64_t min, int64_t *to,
		    struct decode_error *error)
{
	*to = value;
	return (value >= min && value <= TS_MS_MAX) ||
	       refuse_integer(error, name, false, min, TS_MS_MAX);
}

static bool take_user(bool is_there, uint64_t value, struct user_id *user,
		      struct decode_error *error)
{
	user->value = value;
	return (is_there && value <= USER_ID_MAX) ||
	       refuse_integer(error, "user", !is_there, 0, (int64_t)USER_ID_MAX);
}

static bool take_location(const Nearby__V1__Location *from, struct client_msg *msg,
			  struct decode_error *error)
{
	msg->type = CLIENT_LOCATION;
	msg->location.has_ts = from->has_ts_ms;
	msg->location.ts_ms = 0;
	return take_degrees("lat", from->has_lat_e7, from->lat_e7, LAT_E7_MAX,
			    &msg->location.place.lat_e7, error) &&
	       take_degrees("lon", from->has_lon_e7, from->lon_e7, LON_E7_MAX,
			    &msg->location.place.lon_e7, error) &&
	       (!from->has_ts_ms || take_ms("ts", from->ts_ms, 0, &msg->location.ts_ms, error));
}

static bool take_nearby(const Nearby__V1__NearbyQuery *from, struct client_msg *msg,
			struct decode_error *error)
{
	msg->type = CLIENT_NEARBY;
	msg->nearby.limit = from->has_limit ? from->limit : PAGE_LIMIT_DEFAULT;
	msg->nearby.has_cursor = from->cursor != NULL;
	if (msg->nearby.limit < 1 || msg->nearby.limit > PAGE_LIMIT_MAX)
		return refuse_integer(error, "limit", false, 1, PAGE_LIMIT_MAX);
	return from->cursor == NULL ||
	       page_cursor_parse(from->cursor, strlen(from->cursor), &msg->nearby.cursor) ||
	       refuse_cursor(error);
}

static bool take_token(const Nearby__V1__Token *from, struct client_msg *msg,
		       struct decode_error *error)
{
	msg->type = CLIENT_TOKEN;
	msg->token.text = from->token;
	msg->token.length = from->token == NULL ? 0 : strlen(from->token);
	return (msg->token.length >= 1 && msg->token.length <= TOKEN_BYTES_MAX) ||
	       refuse_text(error, "token", from->token == NULL, 1, TOKEN_BYTES_MAX);
}

static bool take_sharing(const Nearby__V1__SetSharing *from, struct client_msg *msg,
			 struct decode_error *error)
{
	msg->type = CLIENT_SHARING;
	msg->sharing.has_user = from->has_user;
	msg->sharing.has_mode = from->has_user || from->has_mode;
	msg->sharing.sharing = (struct sharing){ 0 };
	if (from->has_user && !take_user(true, from->user, &msg->sharing.user, error))
		return false;
	if (!msg->sharing.has_mode)
		return true;
	unsigned lowest = from->has_user ? SHARING_DEFAULT : SHARING_PRECISE;
	unsigned mode = (unsigned)from->mode;
	if (!from->has_mode || mode < lowest || mode > SHARING_OFF)
		return refuse_mode(error, from->has_user);
	msg->sharing.sharing.mode = (enum sharing_mode)mode;
	return !from->has_until_ms ||
	       take_ms("until", from->until_ms, 1, &msg->sharing.sharing.until_ms, error);
}

static bool take_strangers(const Nearby__V1__SetStrangers *from, struct client_msg *msg,
			   struct decode_error *error)
{
	msg->type = CLIENT_STRANGERS;
	msg->strangers_on = from->on;
	return from->has_on || refuse_bool(error, "on", true);
}

static bool take(const Nearby__V1__ClientMessage *from, struct client_msg *msg,
		 struct decode_error *error)
{
	switch (from->message_case) {
	case NEARBY__V1__CLIENT_MESSAGE__MESSAGE_LOCATION:
		return take_location(from->location, msg, error);
	case NEARBY__V1__CLIENT_MESSAGE__MESSAGE_NEARBY:
		return take_nearby(from->nearby, msg, error);
	case NEARBY__V1__CLIENT_MESSAGE__MESSAGE_SUBSCRIBE:
		msg->type = CLIENT_SUBSCRIBE;
		return take_user(from->subscribe->has_user, from->subscribe->user, &msg->user, error);
	case NEARBY__V1__CLIENT_MESSAGE__MESSAGE_UNSUBSCRIBE:
		msg->type = CLIENT_UNSUBSCRIBE;
		return take_user(from->unsubscribe->has_user, from->unsubscribe->user, &msg->user,
				 error);
	case NEARBY__V1__CLIENT_MESSAGE__MESSAGE_TOKEN:
		return take_token(from->token, msg, error);
	case NEARBY__V1__CLIENT_MESSAGE__MESSAGE_SHARING:
		return take_sharing(from->sharing, msg, error);
	case NEARBY__V1__CLIENT_MESSAGE__MESSAGE_STRANGERS:
		return take_strangers(from->strangers, msg, error);
	default:
		return refuse_type(error);
	}
}

bool protobuf_decode(struct decoder *decoder, const void *bytes, size_t length,
		     struct client_msg *msg, struct decode_error *error)
{
	check_object(decoder, DECODER_MAGIC);
	if (length > MESSAGE_BYTES_MAX) {
		decode_error_set(error, ERROR_BAD_MESSAGE, "longer than %d bytes", MESSAGE_BYTES_MAX);
		return false;
	}
	decoder->scratch_used = 0;
	ProtobufCAllocator allocator = { scratch_take, scratch_give, decoder };
	Nearby__V1__ClientMessage *from =
		nearby__v1__client_message__unpack(&allocator, length, bytes);
	if (from == NULL) {
		decode_error_set(error, ERROR_BAD_MESSAGE, "this is no ClientMessage of nearby.v1");
		return false;
	}
	return take(from, msg, error);
}
