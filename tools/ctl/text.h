/*
 * Owns: printing texts, numbers and times that came from elsewhere.
 * Invariant: no byte of a user's text reaches the terminal as a control character.
 * Thread: one.
 * Does not know: what is printed.
 */
#ifndef NEARBY_CTL_TEXT_H
#define NEARBY_CTL_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* A JSON string with its quotes. */
void text_put_json(const char *text, size_t length);
/* UTF-8 as it is, but for control characters, which become "?". */
void text_put_plain(const char *text, size_t length);

/* "2026-01-31T12:00:00.000Z" of ms since 1970. */
#define TEXT_TIME_BYTES 40
void text_format_time(int64_t ms, char text[TEXT_TIME_BYTES]);
/* "12 ms", "3.4 s", "5 min 3 s", "2 h 5 min", "3 d 4 h". */
#define TEXT_SPAN_BYTES 40
void text_format_span(uint64_t us, char text[TEXT_SPAN_BYTES]);
/* "1,234,567" */
#define TEXT_COUNT_BYTES 32
void text_format_count(uint64_t count, char text[TEXT_COUNT_BYTES]);
/* Degrees in units of 1e-7 as "37.5" or "-0.0000001". */
#define TEXT_DEGREES_BYTES 16
void text_format_degrees(int32_t e7, char text[TEXT_DEGREES_BYTES]);

#endif
