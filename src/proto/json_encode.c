/*
 * Owns: messages to clients in nearby.v1.json.
 * Invariant: what is written is one JSON object in valid UTF-8, whatever bytes a name has; nothing
 *   takes more than ENCODED_BYTES_MAX.
 * Thread: any, no state.
 * Does not know: frames, sockets; who may see what it writes.
 */
#include "proto/codec.h"

#include "base/check.h"
#include "base/digits.h"
#include "proto/utf8.h"

#include <string.h>

/* An entry but for its name; a byte of text, which may be escaped. */
enum { ENTRY_BYTES = 160, TEXT_BYTE_BYTES = 6 };
const struct measure json_measure = {
	.head = 256, .entry = ENTRY_BYTES, .gone = 64, .exception = 96, .text_byte = TEXT_BYTE_BYTES
};

static bool is_plain(uint8_t c)
{
	return c >= ' ' && c < 0x80 && c != '"' && c != '\\';
}

static void put_escaped(struct writer *writer, uint8_t c)
{
	char escape[6] = {
		'\\', 'u', '0', '0', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]
	};
	writer_put(writer, escape, sizeof(escape));
}

/* Writes what stands at `text` and is not plain; returns the bytes that it took. */
static size_t put_special(struct writer *writer, const uint8_t *text, size_t length)
{
	size_t bytes = utf8_sequence(text, length);
	if (bytes == 0) {
		writer_put_text(writer, UTF8_REPLACEMENT);
		return 1;
	}
	if (bytes == 1)
		put_escaped(writer, text[0]);
	else
		writer_put(writer, text, bytes);
	return bytes;
}

/* What stands between the quotes. */
static void put_text(struct writer *writer, const uint8_t *at, size_t length)
{
	const uint8_t *end = at + length;
	while (at < end) {
		const uint8_t *run = at;
		while (at < end && is_plain(*at))
			at++;
		writer_put(writer, run, (size_t)(at - run));
		if (at < end)
			at += put_special(writer, at, (size_t)(end - at));
	}
}

void json_encode_string(struct writer *writer, const char *text, size_t length)
{
	writer_put(writer, "\"", 1);
	put_text(writer, (const uint8_t *)text, length);
	writer_put(writer, "\"", 1);
}

/* Text of a known length, without counting it again. */
#define put_literal(writer, literal) writer_put(writer, literal, sizeof(literal) - 1)

static void put_user(struct writer *writer, struct user_id user)
{
	check(user.value <= USER_ID_MAX);
	put_literal(writer, "\"user\":\"");
	writer_put_u64(writer, user.value);
	put_literal(writer, "\"");
}

static void put_mm_as_m(struct writer *writer, uint64_t mm)
{
	check(mm <= INT64_MAX);
	writer_put_fixed(writer, (int64_t)mm, 3);
}

/* ---- an entry --------------------------------------------------------------------------------
 * Most of what is ever written: so past the writer, into room that was asked for once. */

/* A text of a known length: a store or two. */
#define add_literal(at, literal) \
	((uint8_t *)memcpy(at, literal, sizeof(literal) - 1) + sizeof(literal) - 1)

/* Whether each of eight bytes is plain; as is_plain, for all at once. */
static bool are_plain(const uint8_t *text)
{
	const uint64_t ones = UINT64_MAX / 255, highs = ones << 7;
	uint64_t bytes;
	memcpy(&bytes, text, sizeof(bytes));
	uint64_t quote = bytes ^ ones * '"', backslash = bytes ^ ones * '\\';
	/* Below 0x80 a difference borrows into the high bit of its own byte alone; the rest is refused. */
	uint64_t below = (bytes - ones * ' ') | (quote - ones) | (backslash - ones);
	return ((bytes | below) & highs) == 0;
}

/* Copies as long as all is plain, eight bytes at a time where there are as many. */
static uint8_t *add_name(uint8_t *at, const uint8_t *name, size_t length)
{
	size_t plain = 0;
	for (; length - plain >= 8 && are_plain(name + plain); plain += 8)
		memcpy(at + plain, name + plain, 8);
	for (; plain < length && is_plain(name[plain]); plain++)
		at[plain] = name[plain];
	if (plain == length)
		return at + length;
	struct writer writer = writer_init(at + plain, (length - plain) * TEXT_BYTE_BYTES);
	put_text(&writer, name + plain, length - plain);
	return writer.at;
}

/* The longest numbers take 156 bytes, and more is written behind each. */
static size_t entry_room(const struct entry *entry)
{
	return ENTRY_BYTES + (size_t)entry->name_length * TEXT_BYTE_BYTES + DIGITS_ROOM;
}

/* Into entry_room. */
static uint8_t *add_entry(uint8_t *at, const struct entry *entry)
{
	check(entry->user.value <= USER_ID_MAX && entry->distance_mm <= INT64_MAX);
	at = add_literal(at, "{\"user\":\"");
	at = digits_put_u64(at, entry->user.value);
	at = add_literal(at, "\",\"name\":\"");
	at = add_name(at, (const uint8_t *)entry->name, entry->name_length);
	at = add_literal(at, "\",\"lat\":");
	at = digits_put_fixed(at, entry->place.lat_e7, 7);
	at = add_literal(at, ",\"lon\":");
	at = digits_put_fixed(at, entry->place.lon_e7, 7);
	at = add_literal(at, ",\"ts\":");
	at = digits_put_fixed(at, entry->client_ms, 0);
	at = add_literal(at, ",\"distance_m\":");
	at = digits_put_fixed(at, (int64_t)entry->distance_mm, 3);
	if (entry->is_approximate)
		at = add_literal(at, ",\"approximate\":true");
	return add_literal(at, "}");
}

void json_encode_entry(struct writer *writer, const struct entry *entry)
{
	uint8_t apart[ENTRY_BYTES + NAME_BYTES_MAX * TEXT_BYTE_BYTES + DIGITS_ROOM];
	check(entry->name_length <= NAME_BYTES_MAX);
	if (writer_has_room(writer, entry_room(entry)))
		writer->at = add_entry(writer->at, entry);
	else
		writer_put(writer, apart, (size_t)(add_entry(apart, entry) - apart));
}

static void put_entries(struct writer *writer, const struct entry *entries, uint32_t count)
{
	check(count <= FRAME_ENTRIES_MAX);
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0)
			put_literal(writer, ",");
		json_encode_entry(writer, &entries[i]);
	}
}

static void put_welcome(struct writer *writer, const struct server_msg *msg)
{
	put_literal(writer, "{\"type\":\"welcome\",");
	put_user(writer, msg->welcome.user);
	put_literal(writer, ",\"name\":");
	json_encode_string(writer, msg->welcome.name, msg->welcome.name_length);
	put_literal(writer, ",\"radius_m\":");
	put_mm_as_m(writer, msg->welcome.radius_mm);
	put_literal(writer, ",\"ttl_s\":");
	writer_put_u64(writer, msg->welcome.ttl_s);
	put_literal(writer, ",\"update_s\":");
	writer_put_u64(writer, msg->welcome.update_s);
	put_literal(writer, ",\"ts\":");
	writer_put_i64(writer, msg->welcome.ts_ms);
	put_literal(writer, "}");
}

static void put_nearby(struct writer *writer, const struct server_msg *msg)
{
	put_literal(writer, "{\"type\":\"nearby\",\"friends\":[");
	put_entries(writer, msg->nearby.entries, msg->nearby.count);
	put_literal(writer, "],\"total\":");
	writer_put_u64(writer, msg->nearby.total);
	put_literal(writer, ",\"next\":");
	if (msg->nearby.has_next) {
		char next[PAGE_CURSOR_TEXT_BYTES];
		page_cursor_format(&msg->nearby.next, next);
		json_encode_string(writer, next, sizeof(next) - 1);
	} else {
		put_literal(writer, "null");
	}
	put_literal(writer, "}");
}

static void put_gone(struct writer *writer, const char *head, const struct server_msg *msg)
{
	check(msg->gone.count <= FRAME_ENTRIES_MAX);
	writer_put_text(writer, head);
	put_literal(writer, ":[");
	for (uint32_t i = 0; i < msg->gone.count; i++) {
		if (i > 0)
			put_literal(writer, ",");
		put_literal(writer, "{");
		put_user(writer, msg->gone.friends[i].user);
		put_literal(writer, ",\"why\":\"");
		writer_put_text(writer, gone_why_text(msg->gone.friends[i].why));
		put_literal(writer, "\"}");
	}
	put_literal(writer, "]}");
}

static void put_error(struct writer *writer, const struct server_msg *msg)
{
	put_literal(writer, "{\"type\":\"error\",\"code\":\"");
	writer_put_text(writer, error_code_text(msg->error.code));
	put_literal(writer, "\",\"message\":");
	json_encode_string(writer, msg->error.message, strlen(msg->error.message));
	put_literal(writer, "}");
}

static void put_friend(struct writer *writer, const struct server_msg *msg)
{
	put_literal(writer, "{\"type\":\"friend\",\"what\":\"");
	writer_put_text(writer, friend_change_text(msg->friend.what));
	put_literal(writer, "\",");
	put_user(writer, msg->friend.user);
	put_literal(writer, ",\"name\":");
	json_encode_string(writer, msg->friend.name, msg->friend.name_length);
	put_literal(writer, "}");
}

void json_encode_sharing(struct writer *writer, const struct sharing *sharing)
{
	put_literal(writer, "\"mode\":\"");
	writer_put_text(writer, sharing_mode_text(sharing->mode));
	put_literal(writer, "\",\"until\":");
	if (sharing->until_ms == 0)
		put_literal(writer, "null");
	else
		writer_put_i64(writer, sharing->until_ms);
}

void json_encode_sharing_state(struct writer *writer, const struct sharing *sharing,
			       const struct sharing_exception *exceptions, uint32_t count)
{
	check(count <= SHARING_EXCEPTIONS_MAX);
	json_encode_sharing(writer, sharing);
	put_literal(writer, ",\"friends\":[");
	for (uint32_t i = 0; i < count; i++) {
		writer_put_text(writer, i == 0 ? "{" : ",{");
		put_user(writer, exceptions[i].user);
		put_literal(writer, ",");
		json_encode_sharing(writer, &exceptions[i].sharing);
		put_literal(writer, "}");
	}
	put_literal(writer, "]");
}

static void put_sharing(struct writer *writer, const struct server_msg *msg)
{
	put_literal(writer, "{\"type\":\"sharing\",");
	json_encode_sharing_state(writer, &msg->sharing.sharing, msg->sharing.exceptions,
				  msg->sharing.count);
	put_literal(writer, "}");
}

void json_encode(struct writer *writer, const struct server_msg *msg)
{
	switch (msg->type) {
	case SERVER_WELCOME:
		put_welcome(writer, msg);
		return;
	case SERVER_NEARBY:
		put_nearby(writer, msg);
		return;
	case SERVER_UPDATE:
		put_literal(writer, "{\"type\":\"update\",\"friends\":[");
		put_entries(writer, msg->update.entries, msg->update.count);
		put_literal(writer, "]}");
		return;
	case SERVER_GONE:
		put_gone(writer, "{\"type\":\"gone\",\"friends\"", msg);
		return;
	case SERVER_ERROR:
		put_error(writer, msg);
		return;
	case SERVER_RECONNECT:
		put_literal(writer, "{\"type\":\"reconnect\",\"after_ms\":");
		writer_put_u64(writer, msg->reconnect.after_ms);
		put_literal(writer, "}");
		return;
	case SERVER_FRIEND:
		put_friend(writer, msg);
		return;
	case SERVER_SHARING:
		put_sharing(writer, msg);
		return;
	case SERVER_STRANGERS:
		put_literal(writer, "{\"type\":\"strangers\",\"people\":[");
		put_entries(writer, msg->update.entries, msg->update.count);
		put_literal(writer, "]}");
		return;
	case SERVER_STRANGERS_GONE:
		put_gone(writer, "{\"type\":\"strangers_gone\",\"people\"", msg);
		return;
	}
	check(!"a type of enum server_msg_type");
}
