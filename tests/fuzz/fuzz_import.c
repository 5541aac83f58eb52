/*
 * Owns: the fuzz target of bulk imports: a stream of lines of pairs or of users.
 * Invariant: the lines are the same however the stream is split, and each is taken or refused alike.
 * Thread: one.
 * Does not know: the store.
 */
#include "app/import_line.h"
#include "app/lines.h"
#include "base/check.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

/* The first byte says what the lines are; the rest is the stream. */
static enum import_reason reason_of(uint8_t kind, struct json_reader *reader, const char *line, size_t length)
{
	static struct store_user user;
	struct store_pair pair;
	if (kind % 2 == 0)
		return import_read_pair(line, length, &pair);
	enum import_reason reason = import_read_user(reader, line, length, &user);
	check(user.profile.name_length <= STORE_NAME_BYTES_MAX);
	check(user.profile.picture_length <= STORE_PICTURE_BYTES_MAX);
	return reason;
}

/* A digest of all lines and what became of them, with the stream fed in pieces of `step` bytes. */
static uint64_t digest_of(const uint8_t *data, size_t size, size_t step, struct json_reader *reader)
{
	static struct lines lines;
	lines = (struct lines){ .number = 0 };
	const char *at = (const char *)data + 1, *end = (const char *)data + size, *line;
	uint64_t digest = 0;
	size_t length;
	do {
		const char *stop = (size_t)(end - at) > step ? at + step : end;
		enum lines_result result;
		while ((result = lines_feed(&lines, &at, stop, stop == end, &line, &length)) != LINES_MORE)
			digest = hash_u64(digest + (result == LINES_LONG ?
							    1000 :
							    reason_of(data[0], reader, line, length)));
	} while (at < end);
	return hash_u64(digest + lines.number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct json_reader *reader;
	if (reader == NULL)
		check(json_reader_open(&reader) == 0);
	if (size == 0)
		return 0;
	uint64_t whole = digest_of(data, size, size, reader);
	check(digest_of(data, size, 1, reader) == whole);
	check(digest_of(data, size, 17, reader) == whole);
	return 0;
}
