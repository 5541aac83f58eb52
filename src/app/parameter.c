/*
 * Owns: how each kind of parameter is read, judged and written.
 * Invariant: what is written is read back as the same value.
 * Thread: any, no state.
 * Does not know: which parameters there are, where a text comes from.
 */
#include "app/parameter.h"

#include "base/address.h"
#include "base/check.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const struct parameter parameters[PARAMETER_COUNT] = {
#define CONFIG(field, name, kind, default, min, max, unit, when, help)                             \
	{ name,                                                                                    \
	  kind,                                                                                    \
	  offsetof(struct config, field),                                                          \
	  sizeof(((struct config *)0)->field),                                                     \
	  default,                                                                                 \
	  min,                                                                                     \
	  max,                                                                                     \
	  unit,                                                                                    \
	  when,                                                                                    \
	  help },
#include "app/config.tbl"
#undef CONFIG
};

bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice slice_trim(const char *at, size_t length)
{
	while (length > 0 && is_blank(at[0])) {
		at++;
		length--;
	}
	while (length > 0 && is_blank(at[length - 1]))
		length--;
	return (struct slice){ at, length };
}

bool slice_is(struct slice slice, const char *text)
{
	return strlen(text) == slice.length && memcmp(slice.at, text, slice.length) == 0;
}

const struct parameter *parameter_find(struct slice name)
{
	for (size_t i = 0; i < PARAMETER_COUNT; i++)
		if (slice_is(name, parameters[i].name))
			return &parameters[i];
	return NULL;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

/* Letters to insert, remove or replace until `a` is `b` (Levenshtein). */
static size_t name_distance(struct slice a, const char *b)
{
	size_t row[PARAMETER_NAME_MAX + 1];
	size_t columns = strlen(b);
	check(columns <= PARAMETER_NAME_MAX);
	for (size_t j = 0; j <= columns; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.length; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= columns; j++) {
			size_t replaced = diagonal + (a.at[i - 1] != b[j - 1]);
			diagonal = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1, replaced);
		}
	}
	return row[columns];
}

const struct parameter *parameter_nearest(struct slice name)
{
	const struct parameter *nearest = NULL;
	size_t least = 3;
	if (name.length > PARAMETER_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < PARAMETER_COUNT; i++) {
		size_t distance = name_distance(name, parameters[i].name);
		if (distance < least) {
			least = distance;
			nearest = &parameters[i];
		}
	}
	return nearest;
}

/* ---- values --------------------------------------------------------------------------------- */

void parameter_allowed(const struct parameter *parameter, char *text, size_t bytes)
{
	const char *gap = parameter->unit[0] != '\0' ? " " : "";
	switch (parameter->kind) {
	case ADDRESSES:
		snprintf(text, bytes,
			 "%.0f to %.0f addresses separated by commas: host:port, [address]:port, "
			 "*:port or unix:/path",
			 parameter->min, parameter->max);
		return;
	case ORIGINS:
		snprintf(text, bytes,
			 "%.0f to %.0f origins separated by commas: http://host or "
			 "https://host, with or without :port",
			 parameter->min, parameter->max);
		return;
	case PATHS:
		snprintf(text, bytes,
			 "%.0f to %.0f paths separated by commas, each of at most %d bytes without control "
			 "characters and without # after a blank",
			 parameter->min, parameter->max, CONFIG_ITEM_BYTES - 1);
		return;
	case NETS:
		snprintf(text, bytes,
			 "%.0f to %.0f addresses or nets separated by commas: 192.0.2.7, 10.0.0.0/8, ::1 or "
			 "2001:db8::/32, with 0 behind the bits of the net",
			 parameter->min, parameter->max);
		return;
	case NAME:
		snprintf(text, bytes, "%.0f to %.0f letters, digits, - or _", parameter->min,
			 parameter->max);
		return;
	case PATH:
	case TEXT:
		snprintf(
			text, bytes,
			"%.0f to %.0f bytes without control characters and without # after a blank",
			parameter->min, parameter->max);
		return;
	case SWITCH:
		snprintf(text, bytes, "yes or no");
		return;
	case U32:
	case REAL:
		snprintf(text, bytes, "a %s from %.0f to %.0f%s%s",
			 parameter->kind == U32 ? "whole number" : "number", parameter->min,
			 parameter->max, gap, parameter->unit);
		return;
	}
}

static bool read_u32(const struct parameter *parameter, struct slice text, uint32_t *value)
{
	uint64_t sum = 0;
	if (text.length == 0 || text.length > 10)
		return false;
	for (size_t i = 0; i < text.length; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		sum = sum * 10 + (uint64_t)(text.at[i] - '0');
	}
	if ((double)sum < parameter->min || (double)sum > parameter->max)
		return false;
	*value = (uint32_t)sum;
	return true;
}

static bool read_switch(struct slice text, bool *value)
{
	*value = slice_is(text, "yes");
	return *value || slice_is(text, "no");
}

static bool read_real(const struct parameter *parameter, struct slice text, double *value)
{
	char copy[32];
	if (text.length == 0 || text.length >= sizeof(copy))
		return false;
	memcpy(copy, text.at, text.length);
	copy[text.length] = '\0';
	if (strspn(copy, "0123456789.") != text.length)
		return false;
	char *end;
	double number = strtod(copy, &end);
	if (*end != '\0' || number < parameter->min || number > parameter->max)
		return false;
	*value = number;
	return true;
}

size_t slice_comment(struct slice slice)
{
	for (size_t i = 0; i < slice.length; i++)
		if (slice.at[i] == '#' && (i == 0 || is_blank(slice.at[i - 1])))
			return i;
	return slice.length;
}

/* Whether a line of a file can hold it. */
static bool is_writable(struct slice text)
{
	for (size_t i = 0; i < text.length; i++)
		if (iscntrl((unsigned char)text.at[i]))
			return false;
	return slice_comment(text) == text.length;
}

static bool read_text(const struct parameter *parameter, struct slice text, char *value)
{
	if ((double)text.length < parameter->min || (double)text.length > parameter->max)
		return false;
	if (!is_writable(text))
		return false;
	memset(value, 0, parameter->bytes);
	memcpy(value, text.at, text.length);
	return true;
}

/* Whether it is of letters, digits and these. */
static bool is_of(struct slice text, const char *others)
{
	for (size_t i = 0; i < text.length; i++)
		if (!isalnum((unsigned char)text.at[i]) && strchr(others, text.at[i]) == NULL)
			return false;
	return true;
}

static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return digits > 0 && digits <= 5 && text[digits] == '\0' && atoi(text) <= 65535;
}

/* Of its form only; whether a name resolves shows when it is listened on. */
static bool is_address(const char *text)
{
	enum { UNIX_PATH_MAX = 107 };
	if (strncmp(text, "unix:", 5) == 0)
		return text[5] == '/' && strlen(text + 5) <= UNIX_PATH_MAX;
	const char *colon = strrchr(text, ':');
	if (colon == NULL || colon == text || !is_port(colon + 1))
		return false;
	struct slice host = { text, (size_t)(colon - text) };
	if (host.at[0] == '[' && host.at[host.length - 1] == ']' && host.length > 2)
		return is_of((struct slice){ host.at + 1, host.length - 2 }, ":.%-_");
	return slice_is(host, "*") || is_of(host, ".-_");
}

static bool is_origin(const char *text)
{
	const char *host = strstr(text, "://");
	if (host == NULL || (strncmp(text, "http:", 5) != 0 && strncmp(text, "https:", 6) != 0))
		return false;
	struct slice place = { host + 3, strlen(host + 3) };
	return place.length > 0 && is_of(place, ".-_:[]");
}

static bool read_item(const struct parameter *parameter, struct slice item, char *text)
{
	if (item.length == 0 || item.length >= CONFIG_ITEM_BYTES || !is_writable(item))
		return false;
	memcpy(text, item.at, item.length);
	text[item.length] = '\0';
	struct address_block block;
	switch (parameter->kind) {
	case ADDRESSES:
		return is_address(text);
	case ORIGINS:
		return is_origin(text);
	case NETS:
		return address_block_read(&block, text);
	default:
		return true;
	}
}

static bool read_list(const struct parameter *parameter, struct slice text,
		      struct config_list *value)
{
	struct config_list list;
	memset(&list, 0, sizeof(list));
	while (text.length > 0) {
		const char *comma = memchr(text.at, ',', text.length);
		size_t length = comma == NULL ? text.length : (size_t)(comma - text.at);
		if (list.count == CONFIG_LIST_MAX ||
		    !read_item(parameter, slice_trim(text.at, length), list.texts[list.count]))
			return false;
		list.count++;
		if (comma != NULL && length + 1 == text.length)
			return false;
		text.at += length + (comma != NULL);
		text.length -= length + (comma != NULL);
	}
	if (list.count < parameter->min)
		return false;
	*value = list;
	return true;
}

bool parameter_read(const struct parameter *parameter, struct slice text, struct config *config)
{
	void *member = (char *)config + parameter->offset;
	switch (parameter->kind) {
	case ADDRESSES:
	case ORIGINS:
	case PATHS:
	case NETS:
		return read_list(parameter, text, member);
	case NAME:
		return is_of(text, "-_") && read_text(parameter, text, member);
	case PATH:
	case TEXT:
		return read_text(parameter, text, member);
	case SWITCH:
		return read_switch(text, member);
	case U32:
		return read_u32(parameter, text, member);
	case REAL:
		return read_real(parameter, text, member);
	}
	return false;
}

static void print_real(double value, FILE *to)
{
	char text[40];
	snprintf(text, sizeof(text), "%.15g", value);
	fprintf(to, strtod(text, NULL) == value ? "%.15g" : "%.17g", value);
}

void parameter_print(const struct config *config, const struct parameter *parameter, FILE *to)
{
	const void *member = (const char *)config + parameter->offset;
	const struct config_list *list = member;
	switch (parameter->kind) {
	case ADDRESSES:
	case ORIGINS:
	case PATHS:
	case NETS:
		for (uint32_t i = 0; i < list->count; i++)
			fprintf(to, "%s%s", i > 0 ? ", " : "", list->texts[i]);
		return;
	case NAME:
	case PATH:
	case TEXT:
		fputs(member, to);
		return;
	case SWITCH:
		fputs(*(const bool *)member ? "yes" : "no", to);
		return;
	case U32:
		fprintf(to, "%u", (unsigned)*(const uint32_t *)member);
		return;
	case REAL:
		print_real(*(const double *)member, to);
		return;
	}
}
