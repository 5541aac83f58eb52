/*
 * Owns: a cursor that reads JSON text in place.
 * Invariant: never reads past `end`; after the first thing that is not as asked, `bad` stays set and
 *   every further read gives nothing, so it is asked once, at the end.
 * Thread: the caller's.
 * Does not know: which messages there are. It shares nothing with the daemon's codec, so that each
 *   can find the other out.
 */
#ifndef NEARBY_BENCH_SCAN_H
#define NEARBY_BENCH_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that are lent from the text; not NUL-terminated. */
struct slice {
	const char *bytes;
	size_t length;
};

bool slice_is(struct slice slice, const char *text);

struct scan {
	const char *at;
	const char *end;
	bool bad;
};

struct scan scan_init(const char *text, size_t length);

/*
 * Walks an object: scan_open(scan, '{'), then, while scan_key gives a key, read its value. The same
 * for an array with '[' and scan_item. Both take the closing bracket when they say false.
 */
void scan_open(struct scan *scan, char bracket);
bool scan_key(struct scan *scan, struct slice *key);
bool scan_item(struct scan *scan);

/* A string without its quotes, escapes as they stand in the text. */
struct slice scan_string(struct scan *scan);
double scan_number(struct scan *scan);
/* Takes `null` if that is what stands here. */
bool scan_null(struct scan *scan);
/* Any value, nested at most 16 deep. */
void scan_skip(struct scan *scan);
/* The decimal text in a string, as ids are written: "42". */
uint64_t scan_id(struct scan *scan);

/* Nothing but space is left, and nothing was bad. */
bool scan_done(struct scan *scan);

#endif
