/*
 * Owns: the messages of nearby-protocol(7) as structs, the same for every codec.
 * Invariant: a decoded message has passed the checks of shape and range; what remains to be judged
 *   needs state (is it a friend, is it stale), and is the engine's.
 * Thread: the caller's; pointers inside a message are lent, see each.
 * Does not know: connections, cores, bytes on the wire.
 */
#ifndef NEARBY_PROTO_MESSAGE_H
#define NEARBY_PROTO_MESSAGE_H

#include "base/id.h"
#include "base/sharing.h"
#include "nearbyshm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Entries of a page at most, and when the client does not say. */
#define PAGE_LIMIT_MAX	   100
#define PAGE_LIMIT_DEFAULT 20
/* Entries in one update or gone frame at most; what is over goes in the next frame. */
#define FRAME_ENTRIES_MAX 128
/* UTF-8 bytes of a name. */
#define NAME_BYTES_MAX 64
/* A frame from a client at most; over it: close 1009. */
#define MESSAGE_BYTES_MAX (64 * 1024)
/* A token at most: those of identity providers with all their claims take 1 to 2 KiB. */
#define TOKEN_BYTES_MAX 4096

/* Whole milliseconds up to here are exact in every JSON library. */
#define TS_MS_MAX ((INT64_C(1) << 53) - 1)

/*
 * Where a page ended: the order of a nearby list is by (distance, user), both of the last entry of
 * the page before. As a text it is opaque to clients.
 */
struct page_cursor {
	uint64_t distance_mm;
	struct user_id user;
};
/* "16 hex digits - 16 hex digits", and its closing NUL. */
#define PAGE_CURSOR_TEXT_BYTES 34

enum client_msg_type {
	CLIENT_LOCATION,
	CLIENT_NEARBY,
	CLIENT_SUBSCRIBE,
	CLIENT_UNSUBSCRIBE,
	CLIENT_TOKEN,
	CLIENT_SHARING,
	CLIENT_STRANGERS,
};

struct client_msg {
	enum client_msg_type type;
	union {
		struct {
			struct nearby_place place;
			bool has_ts;
			int64_t ts_ms;
		} location;
		struct {
			uint32_t limit;
			bool has_cursor;
			struct page_cursor cursor;
		} nearby;
		struct user_id user; /* subscribe, unsubscribe */
		struct {
			const char *text; /* lent until the next decode; not NUL-terminated */
			size_t length;
		} token;
		struct {
			/* False: what holds is asked for, and the rest is not filled in. */
			bool has_mode;
			/* DEFAULT, which ends an exception, only with a user. */
			struct sharing sharing;
			bool has_user; /* an exception for this friend, not what everybody sees */
			struct user_id user;
		} sharing;
		bool strangers_on;
	};
};

/* One friend as a viewer sees it. */
struct entry {
	struct user_id user;
	const char *name; /* UTF-8, lent as the message that holds it; "" when there is none */
	uint32_t name_length;
	struct nearby_place place;
	int64_t client_ms;
	uint64_t distance_mm;
	bool is_approximate; /* the place is one of the grid's */
	/* For the histogram of receipt to send; not on the wire: when it was received, and whether that
	 * move is what made the entry, rather than the viewer's own. */
	uint64_t receipt_us;
	bool is_move;
};

/* Why a friend left the list. The text on the wire is in why_text(). */
enum gone_why { GONE_FAR, GONE_IDLE, GONE_OFF, GONE_UNFRIENDED };

struct gone {
	struct user_id user;
	enum gone_why why;
};

/* Codes of `error` messages: enum and texts come from one table. */
enum error_code {
#define ERROR_CODE(name, text, meaning) ERROR_##name,
#include "proto/error_codes.tbl"
#undef ERROR_CODE
	ERROR_CODE_COUNT
};

/* What became of a friendship. The text on the wire is in friend_change_text(). */
enum friend_change {
	FRIEND_ASKED,	/* the user asks for one */
	FRIEND_ADDED,	/* it holds from now on */
	FRIEND_REMOVED, /* it has ended; or the ask was withdrawn or declined */
};

enum server_msg_type {
	SERVER_WELCOME,
	SERVER_NEARBY,
	SERVER_UPDATE,
	SERVER_GONE,
	SERVER_ERROR,
	SERVER_RECONNECT,
	SERVER_FRIEND,
	SERVER_SHARING,
	SERVER_STRANGERS,
	SERVER_STRANGERS_GONE,
};

struct server_msg {
	enum server_msg_type type;
	union {
		struct {
			struct user_id user;
			const char *name;
			uint32_t name_length;
			uint64_t radius_mm;
			uint64_t ttl_s;
			uint64_t update_s;
			int64_t ts_ms;
		} welcome;
		struct {
			const struct entry *entries;
			uint32_t count;
			uint32_t total;
			bool has_next;
			struct page_cursor next;
		} nearby;
		struct {
			const struct entry *entries;
			uint32_t count;
		} update; /* and strangers */
		struct {
			const struct gone *friends;
			uint32_t count;
		} gone; /* and strangers_gone */
		struct {
			enum error_code code;
			const char *message; /* NUL-terminated, says what is allowed */
		} error;
		struct {
			uint64_t after_ms;
		} reconnect;
		struct {
			enum friend_change what;
			struct user_id user;
			const char *name;
			uint32_t name_length;
		} friend;
		struct {
			struct sharing sharing; /* what everybody sees */
			const struct sharing_exception *exceptions;
			uint32_t count; /* at most SHARING_EXCEPTIONS_MAX */
		} sharing;
	};
};

/* The words on the wire; never NULL. */
const char *error_code_text(enum error_code code);
const char *gone_why_text(enum gone_why why);
const char *friend_change_text(enum friend_change what);
const char *sharing_mode_text(enum sharing_mode mode);
/* False when the text names no mode. */
bool sharing_mode_parse(const char *text, size_t length, enum sharing_mode *mode);

/* Writes the opaque text of a cursor, NUL-terminated. */
void page_cursor_format(const struct page_cursor *cursor, char text[PAGE_CURSOR_TEXT_BYTES]);
/* False when it is no text of page_cursor_format. */
bool page_cursor_parse(const char *text, size_t length, struct page_cursor *cursor);

#endif
