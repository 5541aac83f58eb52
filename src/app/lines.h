/*
 * Owns: cutting a stream of bytes into lines.
 * Invariant: the same lines come out however the stream is split; a line longer than the bound is
 *   reported as too long, once, and skipped to its end.
 * Thread: the caller's.
 * Does not know: what a line says.
 */
#ifndef NEARBY_APP_LINES_H
#define NEARBY_APP_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a line without its end. */
#define LINE_BYTES_MAX_IMPORT 8192

struct lines {
	uint64_t number; /* of the line that was cut last, from 1 */
	size_t kept;	 /* bytes of the line that is not yet whole */
	bool is_skipping;
	char line[LINE_BYTES_MAX_IMPORT];
};

enum lines_result {
	LINES_MORE, /* all bytes are taken; feed more */
	LINES_LINE, /* *line and *line_length are a line, lent until the next call */
	LINES_LONG  /* a line was over the bound and is skipped */
};

/*
 * Takes bytes from *at on, up to `end`, until a line is whole; *at moves on. A '\r' before the '\n'
 * belongs to the end of the line. With `is_last` the rest after the last '\n' is a line too.
 */
enum lines_result lines_feed(struct lines *lines, const char **at, const char *end, bool is_last,
			     const char **line, size_t *line_length);

#endif
