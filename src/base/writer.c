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

void writer_put_text(struct writer *writer, const char *text)
{
	writer_put(writer, text, strlen(text));
}

/* Two digits each of 0 to 99: half the divisions of one at a time. */
static const char pairs[] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

/* Digits of `value` in front of `end`; returns where they start. */
static char *digits_before(char *end, uint64_t value)
{
	char *at = end;
	for (; value >= 100; value /= 100)
		memcpy(at -= 2, &pairs[value % 100 * 2], 2);
	if (value >= 10)
		memcpy(at -= 2, &pairs[value * 2], 2);
	else
		*--at = (char)('0' + value);
	return at;
}

void writer_put_u64(struct writer *writer, uint64_t value)
{
	char text[20];
	char *end = text + sizeof(text);
	char *start = digits_before(end, value);
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
	/* With a 1 before its zeros it has as many digits as it should; the point takes that one's place. */
	char text[20];
	char *end = text + sizeof(text);
	char *start = digits_before(end, powers[decimals] + fraction);
	*start = '.';
	while (end[-1] == '0')
		end--;
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
