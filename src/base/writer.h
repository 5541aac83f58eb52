/*
 * Owns: a cursor that writes into the caller's memory.
 * Invariant: never writes past `end`; after the first thing that does not fit, `overflow` stays
 *   set and nothing more is written, so it is asked once, at the end.
 * Thread: the caller's.
 * Does not know: formats; codecs are built on it.
 */
#ifndef NEARBY_BASE_WRITER_H
#define NEARBY_BASE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct writer {
	uint8_t *start;
	uint8_t *at;
	uint8_t *end;
	bool overflow;
};

/* Writes into `memory`, which stays the caller's. */
struct writer writer_init(void *memory, size_t bytes);
size_t writer_length(const struct writer *writer);
/* Whether so much fits: then it may be written at `at` and `at` moved on. */
static inline bool writer_has_room(const struct writer *writer, size_t bytes)
{
	return !writer->overflow && (size_t)(writer->end - writer->at) >= bytes;
}
/* Inline, so that a text of a known length becomes a store or two. */
static inline void writer_put(struct writer *writer, const void *bytes, size_t length)
{
	if (!writer_has_room(writer, length)) {
		writer->overflow = true;
		return;
	}
	memcpy(writer->at, bytes, length);
	writer->at += length;
}
void writer_put_text(struct writer *writer, const char *text);
void writer_put_u64(struct writer *writer, uint64_t value);
void writer_put_i64(struct writer *writer, int64_t value);
/* value / 10^decimals in plain decimal, without trailing zeros: (375000000, 7) is 37.5. At most 8
 * decimals. */
void writer_put_fixed(struct writer *writer, int64_t value, unsigned decimals);
/* printf-like, for what is not on the path of a location. */
void writer_put_format(struct writer *writer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
