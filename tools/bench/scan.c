/*
 * Owns: reading JSON values from a cursor.
 * Invariant: see the header.
 * Thread: the caller's.
 * Does not know: what the values mean.
 */
#include "bench/scan.h"

#include "base/id.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX	 16
#define NUMBER_BYTES_MAX 40

bool slice_is(struct slice slice, const char *text)
{
	return slice.length == strlen(text) && memcmp(slice.bytes, text, slice.length) == 0;
}

struct scan scan_init(const char *text, size_t length)
{
	return (struct scan){ .at = text, .end = text + length };
}

/* The next byte that is no space, not taken; 0 at the end or when bad. */
static char scan_peek(struct scan *scan)
{
	if (scan->bad)
		return 0;
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
		scan->at++;
	return scan->at < scan->end ? *scan->at : 0;
}

static bool scan_take(struct scan *scan, char wanted)
{
	if (scan_peek(scan) != wanted)
		return false;
	scan->at++;
	return true;
}

static void scan_expect(struct scan *scan, char wanted)
{
	if (!scan_take(scan, wanted))
		scan->bad = true;
}

void scan_open(struct scan *scan, char bracket)
{
	scan_expect(scan, bracket);
}

/*
 * Before a member: the closing bracket ends, a comma goes on, the first needs neither. The byte
 * before the cursor is the opening bracket only when nothing was read since it.
 */
static bool scan_more(struct scan *scan, char opening, char closing)
{
	bool is_first = !scan->bad && scan->at[-1] == opening;
	if (scan_take(scan, closing) || scan->bad)
		return false;
	if (!is_first)
		scan_expect(scan, ',');
	return !scan->bad;
}

bool scan_key(struct scan *scan, struct slice *key)
{
	if (!scan_more(scan, '{', '}'))
		return false;
	*key = scan_string(scan);
	scan_expect(scan, ':');
	return !scan->bad;
}

bool scan_item(struct scan *scan)
{
	return scan_more(scan, '[', ']');
}

struct slice scan_string(struct scan *scan)
{
	scan_expect(scan, '"');
	const char *start = scan->at;
	while (!scan->bad && scan->at < scan->end && *scan->at != '"') {
		if ((unsigned char)*scan->at < 0x20)
			scan->bad = true;
		scan->at += *scan->at == '\\' && scan->end - scan->at > 1 ? 2 : 1;
	}
	if (scan->bad || scan->at == scan->end) {
		scan->bad = true;
		return (struct slice){ .bytes = "" };
	}
	struct slice text = { .bytes = start, .length = (size_t)(scan->at - start) };
	scan->at++;
	return text;
}

double scan_number(struct scan *scan)
{
	char text[NUMBER_BYTES_MAX + 1];
	size_t length = 0;
	scan_peek(scan);
	while (!scan->bad && scan->at < scan->end && length < NUMBER_BYTES_MAX &&
	       *scan->at != 0 && strchr("+-.0123456789eE", *scan->at) != NULL)
		text[length++] = *scan->at++;
	text[length] = 0;
	char *rest = text;
	double value = strtod(text, &rest);
	if (length == 0 || *rest != 0)
		scan->bad = true;
	return scan->bad ? 0 : value;
}

static bool scan_word(struct scan *scan, const char *word)
{
	size_t length = strlen(word);
	if (scan_peek(scan) != word[0] || (size_t)(scan->end - scan->at) < length ||
	    memcmp(scan->at, word, length) != 0)
		return false;
	scan->at += length;
	return true;
}

bool scan_null(struct scan *scan)
{
	return scan_word(scan, "null");
}

static void scan_skip_within(struct scan *scan, unsigned depth)
{
	struct slice key;
	char first = scan_peek(scan);
	if (depth > DEPTH_MAX) {
		scan->bad = true;
	} else if (first == '{') {
		for (scan_open(scan, '{'); scan_key(scan, &key);)
			scan_skip_within(scan, depth + 1);
	} else if (first == '[') {
		for (scan_open(scan, '['); scan_item(scan);)
			scan_skip_within(scan, depth + 1);
	} else if (first == '"') {
		scan_string(scan);
	} else if (!scan_word(scan, "true") && !scan_word(scan, "false") && !scan_null(scan)) {
		scan_number(scan);
	}
}

void scan_skip(struct scan *scan)
{
	scan_skip_within(scan, 0);
}

uint64_t scan_id(struct scan *scan)
{
	struct slice text = scan_string(scan);
	struct user_id id = { 0 };
	if (!scan->bad && !user_id_parse(text.bytes, text.length, &id))
		scan->bad = true;
	return id.value;
}

bool scan_done(struct scan *scan)
{
	scan_peek(scan);
	return !scan->bad && scan->at == scan->end;
}
