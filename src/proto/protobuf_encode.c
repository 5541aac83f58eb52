/*
 * Owns: messages to clients in nearby.v1.protobuf.
 * Invariant: nothing takes more than protobuf_measure, for which there is room before the first byte
 *   is written; strings are valid UTF-8, whatever bytes a name has; what is 0, false or "" is left out.
 * Thread: any, no state.
 * Does not know: frames, sockets; who may see what it writes.
 *
 * By hand, as protobuf-c wants each message built as structs of its own first, with a copy of every name:
 * an update of ten entries takes 5,300 instructions so, 13,300 by protobuf-c, and 11,600 in JSON.
 * Every message is small, so all numbers of fields take one byte with their type.
 */
#include "proto/codec.h"

#include "base/check.h"
#include "proto/utf8.h"

#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* The most that these take: a varint; a field of one; the head of a nested message. */
enum { VARINT_BYTES = 10, VARINT_FIELD_BYTES = 1 + VARINT_BYTES, NESTED_BYTES = 1 + 5 };
/* Of a message two levels, six fields at most, and a cursor or the code of an error, which is shorter;
 * of an entry two places, a flag, three numbers, its name's head. A byte that is none of UTF-8 becomes
 * U+FFFD. */
const struct measure protobuf_measure = {
	.head = 2 * NESTED_BYTES + 6 * VARINT_FIELD_BYTES + PAGE_CURSOR_TEXT_BYTES,
	.entry = 2 * NESTED_BYTES + 2 * 5 + 2 + 3 * VARINT_FIELD_BYTES,
	.gone = NESTED_BYTES + 2 * VARINT_FIELD_BYTES,
	.exception = NESTED_BYTES + 3 * VARINT_FIELD_BYTES,
	.text_byte = 3,
};

/* ---- the wire, written at `at`; each gives back where it ended ---------------------------------- */

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (uint8_t)(value | 0x80);
	*at++ = (uint8_t)value;
	return at;
}

static uint8_t *put_tag(uint8_t *at, unsigned field, enum wire_type type)
{
	check(field < 16);
	*at = (uint8_t)(field << 3 | type);
	return at + 1;
}

static uint8_t *put_number(uint8_t *at, unsigned field, uint64_t value)
{
	return value == 0 ? at : put_varint(put_tag(at, field, WIRE_VARINT), value);
}

static uint8_t *put_degrees(uint8_t *at, unsigned field, int32_t value_e7)
{
	uint32_t bits = (uint32_t)value_e7;
	at = put_tag(at, field, WIRE_FIXED32);
	for (unsigned i = 0; i < 4; i++)
		*at++ = (uint8_t)(bits >> 8 * i);
	return at;
}

/* Begins a nested message or a string; what follows is its content until nested_end. */
static uint8_t *nested_begin(uint8_t *at, unsigned field)
{
	return put_tag(at, field, WIRE_BYTES) + 1;
}

/* One byte was left for the length; what needs more moves. */
static uint8_t *nested_end(uint8_t *content, uint8_t *at)
{
	size_t length = (size_t)(at - content), more = 0;
	for (size_t rest = length >> 7; rest > 0; rest >>= 7)
		more++;
	if (more > 0)
		memmove(content + more, content, length);
	put_varint(content - 1, length);
	return at + more;
}

static uint8_t *put_sound_text(uint8_t *at, const uint8_t *text, size_t length)
{
	for (size_t bytes; length > 0; text += bytes, length -= bytes) {
		bytes = utf8_sequence(text, length);
		const void *from = bytes == 0 ? (const void *)UTF8_REPLACEMENT : text;
		size_t count = bytes == 0 ? sizeof(UTF8_REPLACEMENT) - 1 : bytes;
		memcpy(at, from, count);
		at += count;
		bytes += bytes == 0;
	}
	return at;
}

static uint8_t *put_text(uint8_t *at, unsigned field, const char *text, size_t length)
{
	if (length == 0)
		return at;
	uint8_t *content = nested_begin(at, field);
	return nested_end(content, put_sound_text(content, (const uint8_t *)text, length));
}

/* ---- the messages of nearby.proto, field by field ----------------------------------------------- */

static uint8_t *put_user(uint8_t *at, unsigned field, struct user_id user)
{
	check(user.value <= USER_ID_MAX);
	return put_number(at, field, user.value);
}

static uint8_t *put_entries(uint8_t *at, unsigned field, const struct entry *entries,
			    uint32_t count)
{
	check(count <= FRAME_ENTRIES_MAX);
	for (uint32_t i = 0; i < count; i++) {
		const struct entry *entry = &entries[i];
		uint8_t *content = nested_begin(at, field);
		at = put_user(content, 1, entry->user);
		at = put_text(at, 2, entry->name, entry->name_length);
		at = put_degrees(at, 3, entry->place.lat_e7);
		at = put_degrees(at, 4, entry->place.lon_e7);
		at = put_number(at, 5, (uint64_t)entry->client_ms);
		at = put_number(at, 6, entry->distance_mm);
		at = put_number(at, 7, entry->is_approximate);
		at = nested_end(content, at);
	}
	return at;
}

/* The numbers of GoneUser.Why and FriendChange.What begin with 1; those of SharingMode are ours. */
static uint8_t *put_gone(uint8_t *at, const struct server_msg *msg)
{
	check(msg->gone.count <= FRAME_ENTRIES_MAX);
	for (uint32_t i = 0; i < msg->gone.count; i++) {
		uint8_t *content = nested_begin(at, 1);
		at = put_user(content, 1, msg->gone.friends[i].user);
		at = put_number(at, 2, (uint64_t)msg->gone.friends[i].why + 1);
		at = nested_end(content, at);
	}
	return at;
}

static uint8_t *put_welcome(uint8_t *at, const struct server_msg *msg)
{
	at = put_user(at, 1, msg->welcome.user);
	at = put_text(at, 2, msg->welcome.name, msg->welcome.name_length);
	at = put_number(at, 3, msg->welcome.radius_mm);
	at = put_number(at, 4, msg->welcome.ttl_s);
	at = put_number(at, 5, msg->welcome.update_s);
	return put_number(at, 6, (uint64_t)msg->welcome.ts_ms);
}

static uint8_t *put_nearby(uint8_t *at, const struct server_msg *msg)
{
	at = put_entries(at, 1, msg->nearby.entries, msg->nearby.count);
	at = put_number(at, 2, msg->nearby.total);
	if (!msg->nearby.has_next)
		return at;
	char next[PAGE_CURSOR_TEXT_BYTES];
	page_cursor_format(&msg->nearby.next, next);
	return put_text(at, 3, next, sizeof(next) - 1);
}

static uint8_t *put_error(uint8_t *at, const struct server_msg *msg)
{
	const char *code = error_code_text(msg->error.code);
	at = put_text(at, 1, code, strlen(code));
	return put_text(at, 2, msg->error.message, strlen(msg->error.message));
}

static uint8_t *put_friend(uint8_t *at, const struct server_msg *msg)
{
	at = put_number(at, 1, (uint64_t)msg->friend.what + 1);
	at = put_user(at, 2, msg->friend.user);
	return put_text(at, 3, msg->friend.name, msg->friend.name_length);
}

static uint8_t *put_sharing(uint8_t *at, const struct server_msg *msg)
{
	check(msg->sharing.count <= SHARING_EXCEPTIONS_MAX);
	at = put_number(at, 1, msg->sharing.sharing.mode);
	at = put_number(at, 2, (uint64_t)msg->sharing.sharing.until_ms);
	for (uint32_t i = 0; i < msg->sharing.count; i++) {
		const struct sharing_exception *exception = &msg->sharing.exceptions[i];
		uint8_t *content = nested_begin(at, 3);
		at = put_user(content, 1, exception->user);
		at = put_number(at, 2, exception->sharing.mode);
		at = put_number(at, 3, (uint64_t)exception->sharing.until_ms);
		at = nested_end(content, at);
	}
	return at;
}

/* The content of a message, without its number in ServerMessage. */
static uint8_t *put_content(uint8_t *at, const struct server_msg *msg)
{
	switch (msg->type) {
	case SERVER_WELCOME:
		return put_welcome(at, msg);
	case SERVER_NEARBY:
		return put_nearby(at, msg);
	case SERVER_UPDATE:
	case SERVER_STRANGERS:
		return put_entries(at, 1, msg->update.entries, msg->update.count);
	case SERVER_GONE:
	case SERVER_STRANGERS_GONE:
		return put_gone(at, msg);
	case SERVER_ERROR:
		return put_error(at, msg);
	case SERVER_RECONNECT:
		return put_number(at, 1, msg->reconnect.after_ms);
	case SERVER_FRIEND:
		return put_friend(at, msg);
	case SERVER_SHARING:
		return put_sharing(at, msg);
	}
	check(!"a type of enum server_msg_type");
	return at;
}

/* By enum server_msg_type. */
static const uint8_t numbers[] = {
	[SERVER_WELCOME] = 1, [SERVER_NEARBY] = 2,    [SERVER_UPDATE] = 3,    [SERVER_GONE] = 4,
	[SERVER_ERROR] = 5,   [SERVER_RECONNECT] = 6, [SERVER_FRIEND] = 7,    [SERVER_SHARING] = 8,
	[SERVER_STRANGERS] = 9, [SERVER_STRANGERS_GONE] = 10,
};

void protobuf_encode(struct writer *writer, const struct server_msg *msg)
{
	check((unsigned)msg->type < ARRAY_COUNT(numbers));
	size_t most = measure_message(&protobuf_measure, msg);
	if (writer->overflow || (size_t)(writer->end - writer->at) < most) {
		writer->overflow = true;
		return;
	}
	uint8_t *content = nested_begin(writer->at, numbers[msg->type]);
	uint8_t *end = nested_end(content, put_content(content, msg));
	check((size_t)(end - writer->at) <= most);
	writer->at = end;
}
