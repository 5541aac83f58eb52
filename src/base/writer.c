/*
 * Owns: putting numbers and text through a writer.
 * Invariant: see the header.
 * Thread: the caller's.
 * Does not know: locale (no function here asks for it, save for %-formats given by the caller).
 */
#include "base/writer.h"

#include "base/check.h"

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

void writer_put(struct writer *writer, const void *bytes, size_t length)
{
	if (writer->overflow || (size_t)(writer->end - writer->at) < length) {
		writer->overflow = true;
		return;
	}
	memcpy(writer->at, bytes, length);
	writer->at += length;
}

void writer_put_text(struct writer *writer, const char *text)
{
	writer_put(writer, text, strlen(text));
}

/* Digits of `value` in front of `end`, at least `width` of them; returns where they start. */
static char *digits_before(char *end, uint64_t value, unsigned width)
{
	char *at = end;
	while (value != 0 || width > 0) {
		*--at = (char)('0' + value % 10);
		value /= 10;
		if (width > 0)
			width--;
	}
	return at;
}

void writer_put_u64(struct writer *writer, uint64_t value)
{
	char text[20];
	char *end = text + sizeof(text);
	char *start = digits_before(end, value, 1);
	writer_put(writer, start, (size_t)(end - start));
}

void writer_put_i64(struct writer *writer, int64_t value)
{
	if (value < 0)
		writer_put(writer, "-", 1);
	writer_put_u64(writer, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void writer_put_fixed(struct writer *writer, int64_t value, unsigned decimals)
{
	static const uint64_t powers[] = { 1,	   10,	    100,      1000,	 10000,
					   100000, 1000000, 10000000, 100000000, 1000000000 };
	check(decimals < ARRAY_COUNT(powers));
	uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	if (value < 0)
		writer_put(writer, "-", 1);
	writer_put_u64(writer, magnitude / powers[decimals]);
	uint64_t fraction = magnitude % powers[decimals];
	if (fraction == 0)
		return;
	while (fraction % 10 == 0) {
		fraction /= 10;
		decimals--;
	}
	char text[20];
	char *end = text + sizeof(text);
	char *start = digits_before(end, fraction, decimals);
	*--start = '.';
	writer_put(writer, start, (size_t)(end - start));
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
