/*
 * Owns: the forms of text.h.
 * Invariant: see the header.
 * Thread: one.
 * Does not know: what is printed.
 */
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/writer.h"
#include "proto/codec.h"

void text_put_json(const char *text, size_t length)
{
	/* Six bytes a byte when all is escaped, and the quotes. */
	size_t bytes = 6 * length + 2;
	char *memory = malloc(bytes);
	check(memory != NULL);
	struct writer writer = writer_init(memory, bytes);
	json_encode_string(&writer, text, length);
	check(!writer.overflow);
	fwrite(memory, 1, writer_length(&writer), stdout);
	free(memory);
}

void text_put_plain(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		/* U+0080 to U+009F, which terminals obey too, are c2 80 to c2 9f. */
		if (c == 0xc2 && i + 1 < length && (unsigned char)text[i + 1] < 0xa0) {
			putchar('?');
			i++;
		} else {
			putchar(c < ' ' || c == 0x7f ? '?' : c);
		}
	}
}

void text_format_time(int64_t ms, char text[TEXT_TIME_BYTES])
{
	int64_t seconds = ms / 1000 - (ms % 1000 < 0);
	time_t clock = (time_t)seconds;
	struct tm utc;
	/* The year of a time far out does not fit into struct tm. */
	if (gmtime_r(&clock, &utc) == NULL || utc.tm_year > 9999 - 1900 || utc.tm_year < -1900) {
		snprintf(text, TEXT_TIME_BYTES, "%" PRId64, ms);
		return;
	}
	snprintf(text, TEXT_TIME_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
		 utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
		 (int)(ms - seconds * 1000));
}

void text_format_span(uint64_t us, char text[TEXT_SPAN_BYTES])
{
	uint64_t s = us / 1000000;
	if (us < 1000000)
		snprintf(text, TEXT_SPAN_BYTES, "%" PRIu64 " ms", us / 1000);
	else if (s < 60)
		snprintf(text, TEXT_SPAN_BYTES, "%.1f s", (double)us / 1e6);
	else if (s < 3600)
		snprintf(text, TEXT_SPAN_BYTES, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(text, TEXT_SPAN_BYTES, "%" PRIu64 " h %" PRIu64 " min", s / 3600,
			 s / 60 % 60);
	else
		snprintf(text, TEXT_SPAN_BYTES, "%" PRIu64 " d %" PRIu64 " h", s / 86400,
			 s / 3600 % 24);
}

void text_format_count(uint64_t count, char text[TEXT_COUNT_BYTES])
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	char *at = text;
	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
}

void text_format_degrees(int32_t e7, char text[TEXT_DEGREES_BYTES])
{
	struct writer writer = writer_init(text, TEXT_DEGREES_BYTES - 1);
	writer_put_fixed(&writer, e7, 7);
	text[writer_length(&writer)] = '\0';
}
