/*
 * Owns: see options.h.
 * Invariant: see options.h.
 * Thread: one.
 * Does not know: what they mean.
 */
#include "options.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void show(const struct option_row *rows, const char *program, int status)
{
	FILE *to = status == 0 ? stdout : stderr;
	fprintf(to, "usage: %s [--NAME=VALUE...]\n", program);
	for (; rows->name != NULL; rows++) {
		fprintf(to, "  --%-10s %s", rows->name, rows->help);
		if (rows->number != NULL)
			fprintf(to, " (%u to %u; %u)\n", rows->least, rows->most, *rows->number);
		else
			fprintf(to, " (%s)\n", *rows->text);
	}
	exit(status);
}

static bool read_number(const struct option_row *row, const char *text)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < row->least ||
	    value > row->most)
		return false;
	*row->number = (uint32_t)value;
	return true;
}

static bool read_one(const struct option_row *rows, const char *argument)
{
	const char *equals = strchr(argument, '=');
	if (strncmp(argument, "--", 2) != 0 || equals == NULL)
		return false;
	size_t length = (size_t)(equals - argument) - 2;
	for (; rows->name != NULL; rows++) {
		if (strlen(rows->name) != length || strncmp(rows->name, argument + 2, length) != 0)
			continue;
		if (rows->number != NULL)
			return read_number(rows, equals + 1);
		*rows->text = equals + 1;
		return true;
	}
	return false;
}

void options_read(const struct option_row *rows, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			show(rows, argv[0], 0);
		if (!read_one(rows, argv[i])) {
			fprintf(stderr, "%s: not an option, or out of range: %s\n", argv[0],
				argv[i]);
			show(rows, argv[0], 2);
		}
	}
}
