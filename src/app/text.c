/*
 * Owns: small readings of text in requests: paths, query strings, media types and times.
 * Invariant: never reads outside the slice, never writes outside the memory given.
 * Thread: any, no state.
 * Does not know: what the values mean.
 */
#include "app/app_private.h"

#include <string.h>
#include <strings.h>
#include <time.h>

bool text_equal(struct net_text text, const char *other)
{
	return text.bytes != NULL && text.length == strlen(other) &&
	       memcmp(text.bytes, other, text.length) == 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Percent-decodes into memory; `plus` is what a '+' stands for. Empty when the text is malformed or
 * does not fit. */
static struct net_text decode(const char *at, const char *end, char plus, char *memory, size_t bytes)
{
	size_t length = 0;
	while (at < end) {
		char c = *at++;
		if (c == '%') {
			if (end - at < 2 || hex_digit(at[0]) < 0 || hex_digit(at[1]) < 0)
				return (struct net_text){ memory, 0 };
			c = (char)(hex_digit(at[0]) * 16 + hex_digit(at[1]));
			at += 2;
		} else if (c == '+') {
			c = plus;
		}
		if (length == bytes)
			return (struct net_text){ memory, 0 };
		memory[length++] = c;
	}
	return (struct net_text){ memory, length };
}

static size_t count_slashes(struct net_text text)
{
	size_t count = 0;
	for (size_t i = 0; i < text.length; i++)
		count += text.bytes[i] == '/';
	return count;
}

struct net_text path_decode(struct net_text path, char *memory, size_t bytes)
{
	struct net_text decoded = decode(path.bytes, path.bytes + path.length, '+', memory, bytes);
	/* A slash that was encoded is part of a name and splits nothing; no name of ours has one. */
	if (count_slashes(decoded) != count_slashes(path))
		decoded.length = 0;
	return decoded;
}

struct net_text query_value(struct net_text query, const char *name, char *memory, size_t bytes)
{
	if (query.bytes == NULL)
		return (struct net_text){ NULL, 0 };
	size_t name_length = strlen(name);
	const char *at = query.bytes, *end = query.bytes + query.length;
	while (at < end) {
		const char *next = memchr(at, '&', (size_t)(end - at));
		const char *stop = next != NULL ? next : end;
		if ((size_t)(stop - at) > name_length && memcmp(at, name, name_length) == 0 &&
		    at[name_length] == '=')
			return decode(at + name_length + 1, stop, ' ', memory, bytes);
		at = next != NULL ? next + 1 : end;
	}
	return (struct net_text){ NULL, 0 };
}

/* ---- media types ------------------------------------------------------------------------------ */

/* Cuts what stands before the next `split` off *text, without the blanks around it. */
static struct net_text cut(struct net_text *text, char split)
{
	const char *stop = text->length == 0 ? NULL : memchr(text->bytes, split, text->length);
	struct net_text part = { text->bytes, stop == NULL ? text->length : (size_t)(stop - text->bytes) };
	size_t used = stop == NULL ? text->length : part.length + 1;
	text->bytes += used;
	text->length -= used;
	while (part.length > 0 && (part.bytes[0] == ' ' || part.bytes[0] == '\t')) {
		part.bytes++;
		part.length--;
	}
	while (part.length > 0 && (part.bytes[part.length - 1] == ' ' || part.bytes[part.length - 1] == '\t'))
		part.length--;
	return part;
}

static bool is_type(struct net_text text, const char *type)
{
	return text.length == strlen(type) && strncasecmp(text.bytes, type, text.length) == 0;
}

bool media_type_is(struct net_text content_type, const char *type)
{
	return content_type.bytes != NULL && is_type(cut(&content_type, ';'), type);
}

/* "0.5" in thousandths; what is no weight counts as none given. */
static unsigned weight_parse(struct net_text text)
{
	unsigned weight = 0, unit = 1000;
	for (size_t i = 0; i < text.length; i++) {
		if (i == 1 && text.bytes[i] == '.')
			continue;
		if (text.bytes[i] < '0' || text.bytes[i] > '9' || i > 4)
			return 1000;
		weight += unit * (unsigned)(text.bytes[i] - '0');
		unit /= 10;
	}
	return weight > 1000 ? 1000 : weight;
}

unsigned accept_weight(struct net_text accept, const char *type)
{
	unsigned weight = 0;
	while (accept.length > 0) {
		struct net_text item = cut(&accept, ',');
		if (!is_type(cut(&item, ';'), type))
			continue;
		weight = 1000;
		while (item.length > 0) {
			struct net_text parameter = cut(&item, ';');
			if (parameter.length > 2 && strncasecmp(parameter.bytes, "q=", 2) == 0)
				weight = weight_parse((struct net_text){ parameter.bytes + 2, parameter.length - 2 });
		}
	}
	return weight;
}

/* ---- times ------------------------------------------------------------------------------------ */

/* Exactly `digits` digits at *at, which moves on; -1 when they are not there. */
static int64_t take_digits(const char **at, const char *end, int digits)
{
	int64_t value = 0;
	for (int i = 0; i < digits; i++, (*at)++) {
		if (*at >= end || **at < '0' || **at > '9')
			return -1;
		value = value * 10 + (**at - '0');
	}
	return value;
}

static bool take_char(const char **at, const char *end, const char *allowed)
{
	if (*at >= end || strchr(allowed, **at) == NULL)
		return false;
	(*at)++;
	return true;
}

/* "Z" or "+hh:mm" to the end of the text. In a query a '+' that was not encoded has become a blank. */
static bool take_offset(const char **at, const char *end, int64_t *offset_s)
{
	*offset_s = 0;
	if (take_char(at, end, "Zz"))
		return *at == end;
	int sign = *at < end && **at == '-' ? -1 : 1;
	if (!take_char(at, end, "+- "))
		return false;
	int64_t hours = take_digits(at, end, 2);
	bool has_colon = take_char(at, end, ":");
	int64_t minutes = take_digits(at, end, 2);
	*offset_s = sign * (hours * 3600 + minutes * 60);
	return has_colon && hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60 && *at == end;
}

static int64_t take_fraction_ms(const char **at, const char *end)
{
	int64_t ms = 0, unit = 100;
	if (!take_char(at, end, "."))
		return 0;
	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
		ms += unit * (**at - '0');
	return ms;
}

static bool rfc3339_parse(struct net_text text, int64_t *ms)
{
	const char *at = text.bytes, *end = text.bytes + text.length;
	struct tm utc = { 0 };
	int64_t year = take_digits(&at, end, 4);
	bool good = year >= 0 && take_char(&at, end, "-");
	utc.tm_year = (int)year - 1900;
	utc.tm_mon = (int)take_digits(&at, end, 2) - 1;
	good &= take_char(&at, end, "-");
	utc.tm_mday = (int)take_digits(&at, end, 2);
	good &= take_char(&at, end, "Tt ");
	utc.tm_hour = (int)take_digits(&at, end, 2);
	good &= take_char(&at, end, ":");
	utc.tm_min = (int)take_digits(&at, end, 2);
	good &= take_char(&at, end, ":");
	utc.tm_sec = (int)take_digits(&at, end, 2);
	good &= utc.tm_mon >= 0 && utc.tm_mon < 12 && utc.tm_mday >= 1 && utc.tm_mday <= 31 &&
		utc.tm_hour >= 0 && utc.tm_hour < 24 && utc.tm_min >= 0 && utc.tm_min < 60 &&
		utc.tm_sec >= 0 && utc.tm_sec <= 60;
	int64_t fraction_ms = take_fraction_ms(&at, end), offset_s = 0;
	if (!good || !take_offset(&at, end, &offset_s))
		return false;
	int day = utc.tm_mday;
	*ms = ((int64_t)timegm(&utc) - offset_s) * 1000 + fraction_ms;
	/* The 31st of February has become one of March. */
	return utc.tm_mday == day;
}

bool time_parse(struct net_text text, int64_t *ms)
{
	struct user_id number;
	if (user_id_parse(text.bytes, text.length, &number)) {
		*ms = (int64_t)number.value;
		return true;
	}
	return rfc3339_parse(text, ms);
}
