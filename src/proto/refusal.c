/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "proto/refusal.h"

#include <stdarg.h>
#include <stdio.h>

void decode_error_set(struct decode_error *error, enum error_code code, const char *format, ...)
{
	error->code = code;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
}

/* What stands between a field's name and its range. */
static const char *verb(bool is_missing)
{
	return is_missing ? "is missing and must be" : "must be";
}

bool refuse_integer(struct decode_error *error, const char *name, bool is_missing, int64_t min,
		    int64_t max)
{
	decode_error_set(error, ERROR_BAD_FIELD, "%s %s an integer from %lld to %lld", name,
			 verb(is_missing), (long long)min, (long long)max);
	return false;
}

bool refuse_number(struct decode_error *error, const char *name, bool is_missing, int64_t min,
		   int64_t max)
{
	decode_error_set(error, ERROR_BAD_FIELD, "%s %s a number from %lld to %lld", name,
			 verb(is_missing), (long long)min, (long long)max);
	return false;
}

bool refuse_bool(struct decode_error *error, const char *name, bool is_missing)
{
	decode_error_set(error, ERROR_BAD_FIELD, "%s %s true or false", name, verb(is_missing));
	return false;
}

bool refuse_text(struct decode_error *error, const char *name, bool is_missing, size_t bytes_min,
		 size_t bytes_max)
{
	decode_error_set(error, ERROR_BAD_FIELD, "%s %s a string of %zu to %zu bytes", name,
			 verb(is_missing), bytes_min, bytes_max);
	return false;
}

bool refuse_cursor(struct decode_error *error)
{
	decode_error_set(error, ERROR_BAD_FIELD,
			 "cursor must be null or the \"next\" of the page before");
	return false;
}

bool refuse_mode(struct decode_error *error, bool is_exception)
{
	decode_error_set(error, ERROR_BAD_FIELD,
			 "mode must be \"precise\", \"approximate\" or \"off\"%s",
			 is_exception ? ", or \"default\"" : "");
	return false;
}

bool refuse_type(struct decode_error *error)
{
	decode_error_set(error, ERROR_UNKNOWN_TYPE,
			 "type must be location, nearby, subscribe, unsubscribe, token, sharing or "
			 "strangers");
	return false;
}
