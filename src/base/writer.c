/*
 * Owns: putting numbers and text through a writer.
 * Invariant: see the header.
 * Thread: the caller's.
 * Does not know: locale (no function here asks for it, save for %-formats given by the caller).
 */
#include "base/writer.h"

#include "base/check.h"
#include "base/digits.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct writer writer_init(void *memory, size_t bytes)
{
	return (struct writer){ .start = memory, .at = memory, .end = (uint8_t *)memory + bytes };
}

size_t writer_length(const struct writer *writer)
{
	return (size_t)(writer->at - writer->start);
}

void writer_put_text(struct writer *writer, const char *text)
{
	writer_put(writer, text, strlen(text));
}

/* The number is written apart when the memory may end within the room that it asks for. */
void writer_put_u64(struct writer *writer, uint64_t value)
{
	uint8_t apart[DIGITS_ROOM], *end;
	if (writer_has_room(writer, DIGITS_ROOM)) {
		writer->at = digits_put_u64(writer->at, value);
		return;
	}
	end = digits_put_u64(apart, value);
	writer_put(writer, apart, (size_t)(end - apart));
}

void writer_put_i64(struct writer *writer, int64_t value)
{
	writer_put_fixed(writer, value, 0);
}

void writer_put_fixed(struct writer *writer, int64_t value, unsigned decimals)
{
	check(decimals <= DIGITS_DECIMALS_MAX);
	uint8_t apart[DIGITS_ROOM], *end;
	if (writer_has_room(writer, DIGITS_ROOM)) {
		writer->at = digits_put_fixed(writer->at, value, decimals);
		return;
	}
	end = digits_put_fixed(apart, value, decimals);
	writer_put(writer, apart, (size_t)(end - apart));
}

void writer_put_format(struct writer *writer, const char *format, ...)
{
	if (writer->overflow)
		return;
	size_t room = (size_t)(writer->end - writer->at);
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf((char *)writer->at, room, format, arguments);
	va_end(arguments);
	/* The closing NUL needs a byte too, so a text that just fits is refused: callers have slack. */
	if (length < 0 || (size_t)length >= room)
		writer->overflow = true;
	else
		writer->at += length;
}
