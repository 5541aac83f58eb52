/*
 * Owns: the only use of jansson, and the memory that it works in.
 * Invariant: within a read jansson takes memory from the reader alone and gives nothing back; the
 *   next read takes all of it anew. Outside of a read jansson has the system's malloc, for others
 *   in this process who use it.
 * Thread: a reader's; which reader is at work is kept for each thread.
 * Does not know: what the fields mean.
 *
 * The reader's memory holds any message that a sound client sends. A text that needs more (it must
 * be full of tiny values) gets it from the system until the next read. That is bounded by the
 * text: the worst, 64 KiB of empty objects, takes 6 MB. A bound on memory itself would be none, as
 * jansson's lexer overlooks an allocation that fails and runs past what it has.
 */
#include "proto/json.h"

#include "base/check.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
	READER_MAGIC = 0x6a736f6e,
	READER_MEMORY_BYTES = 64 * 1024,
	ALIGNMENT = 16,
};

/* Memory from the system that a read took beside the reader's own. */
struct overflow {
	struct overflow *next;
	_Alignas(ALIGNMENT) uint8_t bytes[];
};

struct json_reader {
	uint32_t magic;
	size_t used;
	struct overflow *overflows;
	json_t *whole;	/* of the last read, or NULL */
	json_t *object; /* whose fields are read: all of it, or an element that was entered */
	_Alignas(ALIGNMENT) uint8_t memory[READER_MEMORY_BYTES];
};

static _Thread_local struct json_reader *reading;

static void *overflow_take(struct json_reader *reader, size_t bytes)
{
	struct overflow *overflow = malloc(sizeof(*overflow) + bytes);
	check(overflow != NULL);
	overflow->next = reader->overflows;
	reader->overflows = overflow;
	return overflow->bytes;
}

static void overflow_give(struct json_reader *reader)
{
	while (reader->overflows != NULL) {
		struct overflow *overflow = reader->overflows;
		reader->overflows = overflow->next;
		free(overflow);
	}
}

static void *memory_take(size_t bytes)
{
	struct json_reader *reader = reading;
	if (reader == NULL)
		return malloc(bytes);
	size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (rounded > sizeof(reader->memory) - reader->used)
		return overflow_take(reader, bytes);
	void *memory = reader->memory + reader->used;
	reader->used += rounded;
	return memory;
}

static void memory_give(void *memory)
{
	if (reading == NULL)
		free(memory);
}

/* Once a process: the seed of jansson's hashes too, which reads the system's random numbers. */
static void jansson_init(void)
{
	json_set_alloc_funcs(memory_take, memory_give);
	json_object_seed(0);
}

int json_reader_open(struct json_reader **reader)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	check(pthread_once(&once, jansson_init) == 0);
	struct json_reader *fresh = aligned_alloc(ALIGNMENT, sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->magic = READER_MAGIC;
	fresh->used = 0;
	fresh->overflows = NULL;
	fresh->whole = NULL;
	fresh->object = NULL;
	*reader = fresh;
	return 0;
}

void json_reader_close(struct json_reader **reader)
{
	if (*reader == NULL)
		return;
	check_object(*reader, READER_MAGIC);
	overflow_give(*reader);
	(*reader)->magic = 0;
	free(*reader);
	*reader = NULL;
}

/* jansson's own words quote the text, so they are not passed on. */
static void refuse_json(const json_error_t *problem, struct decode_error *error)
{
	const char *why = "this is no JSON object";
	enum error_code code = ERROR_BAD_JSON;
	switch (json_error_code(problem)) {
	case json_error_premature_end_of_input:
		why = "the JSON object has no end";
		break;
	case json_error_end_of_input_expected:
		why = "something follows the JSON object";
		break;
	case json_error_invalid_utf8:
		why = "this is no UTF-8";
		break;
	case json_error_duplicate_key:
		why = "a field stands twice";
		break;
	case json_error_null_byte_in_key:
		why = "the name of a field holds a NUL";
		break;
	case json_error_stack_overflow:
		why = "this is nested too deep";
		break;
	case json_error_numeric_overflow:
		why = "a number is out of all range";
		code = ERROR_BAD_FIELD;
		break;
	default:
		break;
	}
	decode_error_set(error, code, "%s (at byte %d)", why, problem->position);
}

bool json_read(struct json_reader *reader, const void *text, size_t length,
	       struct decode_error *error)
{
	check_object(reader, READER_MAGIC);
	check(reading == NULL);
	overflow_give(reader);
	reader->used = 0;
	reader->whole = NULL;
	reader->object = NULL;
	if (length > MESSAGE_BYTES_MAX) {
		decode_error_set(error, ERROR_BAD_JSON, "longer than %d bytes", MESSAGE_BYTES_MAX);
		return false;
	}
	json_error_t problem;
	reading = reader;
	json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &problem);
	reading = NULL;
	if (value == NULL) {
		refuse_json(&problem, error);
		return false;
	}
	if (!json_is_object(value)) {
		decode_error_set(error, ERROR_BAD_JSON,
				 "this is a JSON array, and must be an object");
		return false;
	}
	reader->whole = value;
	reader->object = value;
	return true;
}

static const json_t *field(const struct json_reader *reader, const char *name)
{
	check(reader->object != NULL);
	return json_object_get(reader->object, name);
}

enum json_kind json_kind(const struct json_reader *reader, const char *name)
{
	const json_t *value = field(reader, name);
	if (value == NULL)
		return JSON_KIND_ABSENT;
	switch (json_typeof(value)) {
	case JSON_NULL:
		return JSON_KIND_NULL;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSON_KIND_BOOL;
	case JSON_INTEGER:
		return JSON_KIND_INTEGER;
	case JSON_REAL:
		return JSON_KIND_REAL;
	case JSON_STRING:
		return JSON_KIND_TEXT;
	default:
		return JSON_KIND_OTHER;
	}
}

bool json_has(const struct json_reader *reader, const char *name)
{
	const json_t *value = field(reader, name);
	return value != NULL && !json_is_null(value);
}

bool json_take_integer(const struct json_reader *reader, const char *name, int64_t min, int64_t max,
		       int64_t *value, struct decode_error *error)
{
	const json_t *found = field(reader, name);
	if (json_is_integer(found)) {
		int64_t integer = json_integer_value(found);
		if (integer >= min && integer <= max) {
			*value = integer;
			return true;
		}
	}
	return refuse_integer(error, name, found == NULL, min, max);
}

bool json_take_number(const struct json_reader *reader, const char *name, int64_t min, int64_t max,
		      double *value, struct decode_error *error)
{
	const json_t *found = field(reader, name);
	if (json_is_number(found)) {
		double number = json_number_value(found);
		if (number >= (double)min && number <= (double)max) {
			*value = number;
			return true;
		}
	}
	return refuse_number(error, name, found == NULL, min, max);
}

bool json_take_bool(const struct json_reader *reader, const char *name, bool *value,
		    struct decode_error *error)
{
	const json_t *found = field(reader, name);
	if (json_is_boolean(found)) {
		*value = json_is_true(found);
		return true;
	}
	return refuse_bool(error, name, found == NULL);
}

bool json_take_text(const struct json_reader *reader, const char *name, size_t bytes_min,
		    size_t bytes_max, const char **text, size_t *length, struct decode_error *error)
{
	const json_t *found = field(reader, name);
	if (json_is_string(found)) {
		size_t bytes = json_string_length(found);
		if (bytes >= bytes_min && bytes <= bytes_max) {
			*text = json_string_value(found);
			*length = bytes;
			return true;
		}
	}
	return refuse_text(error, name, found == NULL, bytes_min, bytes_max);
}

bool json_take_user(const struct json_reader *reader, const char *name, struct user_id *user,
		    struct decode_error *error)
{
	const json_t *found = field(reader, name);
	if (json_is_string(found) &&
	    user_id_parse(json_string_value(found), json_string_length(found), user))
		return true;
	decode_error_set(error, ERROR_BAD_FIELD, "%s %s a decimal string from \"0\" to \"%llu\"",
			 name, found == NULL ? "is missing and must be" : "must be",
			 (unsigned long long)USER_ID_MAX);
	return false;
}

static bool is_text(const json_t *value, const char *wanted)
{
	size_t length = strlen(wanted);
	return json_is_string(value) && json_string_length(value) == length &&
	       memcmp(json_string_value(value), wanted, length) == 0;
}

bool json_names(const struct json_reader *reader, const char *name, const char *wanted)
{
	const json_t *found = field(reader, name);
	if (!json_is_array(found))
		return is_text(found, wanted);
	for (size_t i = 0; i < json_array_size(found); i++)
		if (is_text(json_array_get(found, i), wanted))
			return true;
	return false;
}

size_t json_count(const struct json_reader *reader, const char *name)
{
	const json_t *found = field(reader, name);
	return json_is_array(found) ? json_array_size(found) : json_object_size(found);
}

/* The element itself, or NULL; the index counts fields in the order of the text. */
static json_t *element(json_t *container, size_t idx, const char **key)
{
	if (json_is_array(container))
		return json_array_get(container, idx);
	void *at = json_object_iter(container);
	while (at != NULL && idx-- > 0)
		at = json_object_iter_next(container, at);
	if (at == NULL)
		return NULL;
	if (key != NULL)
		*key = json_object_iter_key(at);
	return json_object_iter_value(at);
}

bool json_enter(struct json_reader *reader, const char *name, size_t idx, const char **key)
{
	json_t *found = element((json_t *)field(reader, name), idx, key);
	if (!json_is_object(found))
		return false;
	reader->object = found;
	return true;
}

void json_leave(struct json_reader *reader)
{
	check(reader->whole != NULL);
	reader->object = reader->whole;
}
