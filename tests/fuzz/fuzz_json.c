/*
 * Owns: the fuzz target of the JSON codec.
 * Invariant: a message that is taken is within its ranges; one that is not is refused with words;
 *   what is written of it reads back; the short way for a location agrees with the general reader.
 * Thread: one.
 * Does not know: sessions.
 */
#include "base/check.h"
#include "proto/codec.h"
#include "proto/json_location.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_in_range(const struct client_msg *msg)
{
	switch (msg->type) {
	case CLIENT_LOCATION:
		check(msg->location.place.lat_e7 >= -900000000 &&
		      msg->location.place.lat_e7 <= 900000000);
		check(msg->location.place.lon_e7 >= -1800000000);
		check(msg->location.place.lon_e7 <= 1800000000);
		check(msg->location.ts_ms >= 0);
		return;
	case CLIENT_NEARBY:
		check(msg->nearby.limit >= 1 && msg->nearby.limit <= PAGE_LIMIT_MAX);
		check(!msg->nearby.has_cursor || msg->nearby.cursor.user.value <= USER_ID_MAX);
		return;
	case CLIENT_SUBSCRIBE:
	case CLIENT_UNSUBSCRIBE:
		check(msg->user.value <= USER_ID_MAX);
		return;
	case CLIENT_TOKEN:
		check(msg->token.length >= 1 && msg->token.length <= TOKEN_BYTES_MAX);
		check(msg->token.text[msg->token.length] == '\0');
		return;
	default:
		return;
	}
}

/* The input as a name: the entry that shows it must be one sound JSON object. */
static void check_entry(struct json_reader *reader, const uint8_t *data, size_t size)
{
	char text[6 * NAME_BYTES_MAX + 160];
	struct decode_error error;
	struct entry entry = { .name = (const char *)data,
			       .name_length =
				       size > NAME_BYTES_MAX ? NAME_BYTES_MAX : (uint32_t)size };
	struct writer writer = writer_init(text, sizeof(text));
	json_encode_entry(&writer, &entry);
	check(!writer.overflow);
	check(json_read(reader, text, writer_length(&writer), &error));
}

/* The short way for a location takes nothing that the general reader would not take so. */
static void check_location(struct decoder *decoder, const uint8_t *data, size_t size)
{
	struct client_msg quick, general;
	struct decode_error error;
	if (!json_location_read((const char *)data, size, &quick))
		return;
	check(json_decode_general(decoder, data, size, &general, &error));
	check(quick.type == CLIENT_LOCATION && general.type == CLIENT_LOCATION);
	check(quick.location.place.lat_e7 == general.location.place.lat_e7);
	check(quick.location.place.lon_e7 == general.location.place.lon_e7);
	check(quick.location.has_ts == general.location.has_ts);
	check(quick.location.ts_ms == general.location.ts_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct decoder *decoder;
	static struct json_reader *reader;
	if (decoder == NULL)
		check(decoder_open(&decoder) == 0 && json_reader_open(&reader) == 0);
	struct client_msg msg;
	struct decode_error error = { .message = "" };
	memset(&msg, 0, sizeof(msg));
	if (json_decode(decoder, data, size, &msg, &error))
		check_in_range(&msg);
	else
		check(error.message[0] != '\0' && strlen(error.message) < sizeof(error.message));
	check_entry(reader, data, size);
	check_location(decoder, data, size);
	return 0;
}
