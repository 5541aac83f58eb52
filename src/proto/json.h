/*
 * Owns: reading one JSON object from bytes, field by field.
 * Invariant: a text is refused, with words that say why, or all of it is one sound JSON object with
 *   no field twice; nothing of a small text takes memory from the system.
 * Thread: a reader belongs to one thread.
 * Does not know: what the fields mean.
 *
 * For the messages of a session and for the bodies, lines and claims that the daemon reads. The
 * `json_take_` functions read a field that must be there; ask `json_has` first for one that may.
 */
#ifndef NEARBY_PROTO_JSON_H
#define NEARBY_PROTO_JSON_H

#include "base/id.h"
#include "proto/message.h"
#include "proto/refusal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_kind {
	JSON_KIND_ABSENT,
	JSON_KIND_NULL,
	JSON_KIND_BOOL,
	JSON_KIND_INTEGER,
	JSON_KIND_REAL,
	JSON_KIND_TEXT,
	JSON_KIND_OTHER, /* an array or an object */
};

struct json_reader;

/* Makes a reader with its memory. 0, or -ENOMEM. */
int json_reader_open(struct json_reader **reader);
void json_reader_close(struct json_reader **reader);

/*
 * Reads an object of at most MESSAGE_BYTES_MAX bytes; what the fields give is lent until the next
 * read. False: *error says what is wrong (BAD_JSON; BAD_FIELD for a number that no 64 bits hold).
 */
bool json_read(struct json_reader *reader, const void *text, size_t length,
	       struct decode_error *error);

/* What stands in a field. */
enum json_kind json_kind(const struct json_reader *reader, const char *name);
/* Whether a field is there and is not null. */
bool json_has(const struct json_reader *reader, const char *name);

/* Each reads one field. False, with *error BAD_FIELD naming field and range, when it is missing or
 * not as it must be; then the value is untouched. */
bool json_take_integer(const struct json_reader *reader, const char *name, int64_t min, int64_t max,
		       int64_t *value, struct decode_error *error);
/* Any JSON number in min..max. */
bool json_take_number(const struct json_reader *reader, const char *name, int64_t min, int64_t max,
		      double *value, struct decode_error *error);
/* A string of `bytes_min` to `bytes_max` bytes, lent; it may hold NUL, and one follows it. */
bool json_take_text(const struct json_reader *reader, const char *name, size_t bytes_min,
		    size_t bytes_max, const char **text, size_t *length,
		    struct decode_error *error);
/* true or false. */
bool json_take_bool(const struct json_reader *reader, const char *name, bool *value,
		    struct decode_error *error);
/* A user id: a decimal string. */
bool json_take_user(const struct json_reader *reader, const char *name, struct user_id *user,
		    struct decode_error *error);

/* Whether a field is this string, or an array with this string in it. */
bool json_names(const struct json_reader *reader, const char *name, const char *wanted);

/* How many elements an array has, or fields an object; 0 when the field is neither. */
size_t json_count(const struct json_reader *reader, const char *name);
/*
 * Steps into element `idx` of an array or object field: from here on the fields are those of that
 * element, until json_leave. *key, when not NULL, is its name in an object, lent. False, and nothing
 * changed, when there is no such element or it is no object.
 */
bool json_enter(struct json_reader *reader, const char *name, size_t idx, const char **key);
/* Back to the object that was read. */
void json_leave(struct json_reader *reader);

#endif
