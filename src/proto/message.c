/*
 * Owns: the texts of codes and reasons, and the text form of a page's cursor.
 * Invariant: a cursor's text is its only one: parse(format(c)) == c, and nothing else parses.
 * Thread: any, no state.
 * Does not know: codecs.
 */
#include "proto/message.h"

#include "base/check.h"

#include <string.h>

enum { HEX_DIGITS = 16, SEPARATOR = '-' };

const char *error_code_text(enum error_code code)
{
	static const char *const texts[] = {
#define ERROR_CODE(name, text, meaning) text,
#include "proto/error_codes.tbl"
#undef ERROR_CODE
	};
	check((unsigned)code < ARRAY_COUNT(texts));
	return texts[code];
}

const char *gone_why_text(enum gone_why why)
{
	switch (why) {
	case GONE_FAR:
		return "far";
	case GONE_IDLE:
		return "idle";
	case GONE_OFF:
		return "off";
	case GONE_UNFRIENDED:
		return "unfriended";
	}
	check(!"a reason of enum gone_why");
	return NULL;
}

const char *friend_change_text(enum friend_change what)
{
	static const char *const texts[] = { [FRIEND_ASKED] = "asked",
					     [FRIEND_ADDED] = "added",
					     [FRIEND_REMOVED] = "removed" };
	check((unsigned)what < ARRAY_COUNT(texts));
	return texts[what];
}

static const char *const mode_texts[] = { [SHARING_DEFAULT] = "default",
					  [SHARING_PRECISE] = "precise",
					  [SHARING_APPROXIMATE] = "approximate",
					  [SHARING_OFF] = "off" };

const char *sharing_mode_text(enum sharing_mode mode)
{
	check((unsigned)mode < ARRAY_COUNT(mode_texts));
	return mode_texts[mode];
}

bool sharing_mode_parse(const char *text, size_t length, enum sharing_mode *mode)
{
	for (size_t i = 0; i < ARRAY_COUNT(mode_texts); i++) {
		if (strlen(mode_texts[i]) != length || memcmp(mode_texts[i], text, length) != 0)
			continue;
		*mode = (enum sharing_mode)i;
		return true;
	}
	return false;
}

static void put_hex(uint64_t value, char *text)
{
	for (int i = HEX_DIGITS - 1; i >= 0; i--, value >>= 4)
		text[i] = "0123456789abcdef"[value & 15];
}

static bool take_hex(const char *text, uint64_t *value)
{
	uint64_t sum = 0;
	for (int i = 0; i < HEX_DIGITS; i++) {
		char c = text[i];
		if (c >= '0' && c <= '9')
			sum = sum << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			sum = sum << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*value = sum;
	return true;
}

void page_cursor_format(const struct page_cursor *cursor, char text[PAGE_CURSOR_TEXT_BYTES])
{
	put_hex(cursor->distance_mm, text);
	text[HEX_DIGITS] = SEPARATOR;
	put_hex(cursor->user.value, text + HEX_DIGITS + 1);
	text[PAGE_CURSOR_TEXT_BYTES - 1] = '\0';
}

bool page_cursor_parse(const char *text, size_t length, struct page_cursor *cursor)
{
	uint64_t distance_mm, user;
	if (length != PAGE_CURSOR_TEXT_BYTES - 1 || text[HEX_DIGITS] != SEPARATOR ||
	    !take_hex(text, &distance_mm) || !take_hex(text + HEX_DIGITS + 1, &user) ||
	    user > USER_ID_MAX)
		return false;
	cursor->distance_mm = distance_mm;
	cursor->user.value = user;
	return true;
}
