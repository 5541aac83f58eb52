/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "bench/entries.h"

#include <string.h>

#define DIGITS_MAX 19
#define BEGINNING "{\"type\":\"update\",\"friends\":["
#define USER "{\"user\":\""
#define TIME "\"ts\":"

bool entries_open(struct entries *entries, const char *text, size_t length)
{
	size_t beginning = sizeof(BEGINNING) - 1;
	if (length < beginning + 2 || memcmp(text, BEGINNING, beginning) != 0 ||
	    memcmp(text + length - 2, "]}", 2) != 0)
		return false;
	*entries = (struct entries){ .at = text + beginning, .end = text + length - 2 };
	return true;
}

bool entries_number(const char **at, const char *end, uint64_t *value)
{
	const char *start = *at, *digit = start;
	uint64_t sum = 0;
	for (; digit < end && digit - start < DIGITS_MAX && (unsigned)(*digit - '0') < 10; digit++)
		sum = sum * 10 + (unsigned)(*digit - '0');
	*value = sum;
	*at = digit;
	return digit > start;
}

static bool expect(struct entries *entries, const char *text, size_t length)
{
	if ((size_t)(entries->end - entries->at) < length || memcmp(entries->at, text, length) != 0)
		return false;
	entries->at += length;
	return true;
}

/* Goes behind the next `"ts":`. */
static bool find_time(struct entries *entries)
{
	size_t length = sizeof(TIME) - 1;
	for (;;) {
		const char *found = memchr(entries->at, 't', (size_t)(entries->end - entries->at));
		if (found == NULL || (size_t)(entries->end - found) < length)
			return false;
		/* The byte before is one of the entry: it began with a brace. */
		entries->at = found + 1;
		if (memcmp(found - 1, TIME, length) == 0) {
			entries->at = found - 1 + length;
			return true;
		}
	}
}

/* Goes behind the entry's brace, past strings, which may hold any. */
static bool find_close(struct entries *entries)
{
	bool is_text = false;
	for (const char *at = entries->at; at < entries->end; at++) {
		if (is_text && *at == '\\') {
			at++;
		} else if (*at == '"') {
			is_text = !is_text;
		} else if (!is_text && *at == '}') {
			entries->at = at + 1;
			return true;
		} else if (!is_text && *at == '{') {
			return false;
		}
	}
	return false;
}

bool entries_next(struct entries *entries, struct entries_entry *entry)
{
	uint64_t ts_ms = 0;
	if (entries->bad || entries->at == entries->end)
		return false;
	entries->bad = !expect(entries, USER, sizeof(USER) - 1) ||
		       !entries_number(&entries->at, entries->end, &entry->user) ||
		       !expect(entries, "\"", 1) || !find_time(entries) ||
		       !entries_number(&entries->at, entries->end, &ts_ms) ||
		       !find_close(entries) ||
		       (entries->at < entries->end && !expect(entries, ",", 1));
	entry->ts_ms = (int64_t)ts_ms;
	return !entries->bad;
}
