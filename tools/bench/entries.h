/*
 * Owns: reading who is told of in an update, at a fraction of what reading all of it costs.
 * Invariant: on messages written without spaces, as servers write them, it finds just the users and
 *   times that answer_read finds (a test compares the two); on others it says that it cannot.
 * Thread: the caller's, no state but the cursor.
 * Does not know: the rest of an entry; who needs that uses answer_read.
 *
 * Why searching for the bytes "user":" is right: in a JSON string every quote stands behind a
 * backslash, so no name can hold these bytes.
 */
#ifndef NEARBY_BENCH_ENTRIES_H
#define NEARBY_BENCH_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entries {
	const char *at, *end;
	bool bad;
};

struct entries_entry {
	uint64_t user;
	int64_t ts_ms;
};

/* False: it is no update, or not written as expected: to be read in full. */
bool entries_open(struct entries *entries, const char *text, size_t length);
/* The next entry. False: there is none, or what is there is no entry, which sets `bad`. */
bool entries_next(struct entries *entries, struct entries_entry *entry);

/* A decimal number of at most 18 digits at *at; false: there is none. Moves *at behind it. */
bool entries_number(const char **at, const char *end, uint64_t *value);

#endif
