/*
 * Owns: where in a stream a line ends.
 * Invariant: `kept` never passes LINE_BYTES_MAX_IMPORT.
 * Thread: the caller's.
 * Does not know: what a line says, where the bytes come from.
 */
#include "app/lines.h"

#include <string.h>

static enum lines_result line_done(struct lines *lines, const char **line, size_t *line_length)
{
	lines->number++;
	bool was_skipping = lines->is_skipping;
	*line = lines->line;
	*line_length = lines->kept;
	lines->kept = 0;
	lines->is_skipping = false;
	if (was_skipping)
		return LINES_LONG;
	if (*line_length > 0 && lines->line[*line_length - 1] == '\r')
		--*line_length;
	return LINES_LINE;
}

static void keep(struct lines *lines, const char *at, size_t length)
{
	if (lines->is_skipping || length > sizeof(lines->line) - lines->kept) {
		lines->is_skipping = true;
		lines->kept = 0;
		return;
	}
	memcpy(lines->line + lines->kept, at, length);
	lines->kept += length;
}

enum lines_result lines_feed(struct lines *lines, const char **at, const char *end, bool is_last,
			     const char **line, size_t *line_length)
{
	size_t left = (size_t)(end - *at);
	const char *stop = left == 0 ? NULL : memchr(*at, '\n', left);
	if (left > 0)
		keep(lines, *at, (size_t)((stop != NULL ? stop : end) - *at));
	*at = stop != NULL ? stop + 1 : end;
	if (stop != NULL)
		return line_done(lines, line, line_length);
	if (is_last && (lines->kept > 0 || lines->is_skipping))
		return line_done(lines, line, line_length);
	return LINES_MORE;
}
