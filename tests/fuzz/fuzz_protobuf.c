/*
 * Owns: the fuzz target of the Protobuf codec.
 * Invariant: a message that is taken is within its ranges; one that is not is refused with words; a
 *   name of any bytes is written as a message that protobuf-c reads, with a name of sound UTF-8.
 * Thread: one.
 * Does not know: sessions.
 */
#include "base/check.h"
#include "proto/codec.h"
#include "proto/nearby.pb-c.h"
#include "proto/utf8.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_location(const struct client_msg *msg)
{
	const struct nearby_place *place = &msg->location.place;
	check(place->lat_e7 >= -900000000 && place->lat_e7 <= 900000000);
	check(place->lon_e7 >= -1800000000 && place->lon_e7 <= 1800000000);
	check(msg->location.ts_ms >= 0 && msg->location.ts_ms <= TS_MS_MAX);
}

static void check_sharing(const struct client_msg *msg)
{
	if (!msg->sharing.has_mode)
		return;
	check(msg->sharing.sharing.mode <= SHARING_OFF);
	check(msg->sharing.sharing.mode != SHARING_DEFAULT || msg->sharing.has_user);
	check(msg->sharing.sharing.until_ms >= 0 && msg->sharing.sharing.until_ms <= TS_MS_MAX);
	check(!msg->sharing.has_user || msg->sharing.user.value <= USER_ID_MAX);
}

static void check_in_range(const struct client_msg *msg)
{
	switch (msg->type) {
	case CLIENT_LOCATION:
		check_location(msg);
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
		check(strlen(msg->token.text) == msg->token.length);
		return;
	case CLIENT_SHARING:
		check_sharing(msg);
		return;
	case CLIENT_STRANGERS:
		return;
	}
	check(!"a type of enum client_msg_type");
}

static void check_utf8(const char *text)
{
	const uint8_t *at = (const uint8_t *)text;
	for (size_t left = strlen(text), bytes; left > 0; at += bytes, left -= bytes) {
		bytes = utf8_sequence(at, left);
		check(bytes > 0);
	}
}

/* The input as a name, in an update of two. */
static void check_update(const uint8_t *data, size_t size)
{
	uint8_t bytes[1024];
	struct entry entry = { .name = (const char *)data,
			       .name_length =
				       size > NAME_BYTES_MAX ? NAME_BYTES_MAX : (uint32_t)size,
			       .distance_mm = size };
	struct entry entries[] = { entry, entry };
	struct server_msg msg = { .type = SERVER_UPDATE, .update = { entries, 2 } };
	struct writer writer = writer_init(bytes, sizeof(bytes));
	protobuf_encode(&writer, &msg);
	check(!writer.overflow);
	Nearby__V1__ServerMessage *back =
		nearby__v1__server_message__unpack(NULL, writer_length(&writer), bytes);
	check(back != NULL && back->message_case == NEARBY__V1__SERVER_MESSAGE__MESSAGE_UPDATE);
	check(back->update->n_friends == 2);
	check(back->update->friends[1]->distance_mm == size);
	if (back->update->friends[1]->name != NULL)
		check_utf8(back->update->friends[1]->name);
	nearby__v1__server_message__free_unpacked(back, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct decoder *decoder;
	if (decoder == NULL)
		check(decoder_open(&decoder) == 0);
	struct client_msg msg;
	struct decode_error error = { .message = "" };
	memset(&msg, 0, sizeof(msg));
	if (protobuf_decode(decoder, data, size, &msg, &error))
		check_in_range(&msg);
	else
		check(error.message[0] != '\0' && strlen(error.message) < sizeof(error.message));
	check_update(data, size);
	return 0;
}
