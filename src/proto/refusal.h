/*
 * Owns: what a client is told of a field that cannot be taken, in the same words by every codec.
 * Invariant: each refuse_ function fills *error and gives back false, so that a reader can return it.
 * Thread: any, no state.
 * Does not know: the form in which the field came.
 */
#ifndef NEARBY_PROTO_REFUSAL_H
#define NEARBY_PROTO_REFUSAL_H

#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was wrong with a client's message, ready to be sent back. */
struct decode_error {
	enum error_code code; /* BAD_JSON, BAD_MESSAGE, BAD_FIELD or UNKNOWN_TYPE */
	char message[160];
};

/* Fills *error. */
void decode_error_set(struct decode_error *error, enum error_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* BAD_FIELD, with the name of the field and its range. */
bool refuse_integer(struct decode_error *error, const char *name, bool is_missing, int64_t min,
		    int64_t max);
bool refuse_number(struct decode_error *error, const char *name, bool is_missing, int64_t min,
		   int64_t max);
bool refuse_bool(struct decode_error *error, const char *name, bool is_missing);
bool refuse_text(struct decode_error *error, const char *name, bool is_missing, size_t bytes_min,
		 size_t bytes_max);
bool refuse_cursor(struct decode_error *error);
/* "default" may be said of an exception only. */
bool refuse_mode(struct decode_error *error, bool is_exception);
/* UNKNOWN_TYPE, with the types that there are. */
bool refuse_type(struct decode_error *error);

#endif
