/*
 * Owns: the help texts, laid out for a terminal of 80 columns.
 * Invariant: see the header.
 * Thread: one.
 * Does not know: how commands work.
 */
#include "usage.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

enum { COLUMNS = 80, INDENT = 30 };

static const struct {
	char letter;
	const char *name, *value, *help;
} options[] = {
#define OPTION(name, letter, text, value, help) {letter, text, value, help},
#include "options.tbl"
#undef OPTION
};

/* Prints a text word by word from the present column on, going on at `indent` on each new line. */
static void put_wrapped(const char *text, int column, int indent)
{
	const char *gap = "";
	for (; *text != '\0'; text += strspn(text, " ")) {
		int length = (int)strcspn(text, " ");
		if (column + (int)strlen(gap) + length > COLUMNS) {
			printf("\n%*s", indent, "");
			column = indent;
			gap = "";
		}
		printf("%s%.*s", gap, length, text);
		column += (int)strlen(gap) + length;
		text += length;
		gap = " ";
	}
	putchar('\n');
}

static void put_row(const char *left, const char *help)
{
	int column = printf("  %s", left);
	if (column >= INDENT) {
		putchar('\n');
		column = 0;
	}
	printf("%*s", INDENT - column, "");
	put_wrapped(help, INDENT, INDENT);
}

static void put_options(uint32_t set)
{
	for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
		if ((set & 1u << i) == 0)
			continue;
		char left[64], letter[5] = "";
		if (options[i].letter != 0)
			snprintf(letter, sizeof(letter), "-%c, ", options[i].letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, options[i].name,
			 options[i].value[0] != '\0' ? " " : "", options[i].value);
		put_row(left, options[i].help);
	}
}

static void put_command(const struct command *command)
{
	char left[64];
	snprintf(left, sizeof(left), "%s %s", command->words, command->arguments);
	put_row(left, command->help);
}

void usage_print(const struct command *command)
{
	if (command != NULL) {
		printf("usage: nearbyctl %s%s%s%s\n\n", command->words,
		       command->arguments[0] != '\0' ? " " : "", command->arguments,
		       command->options != 0 ? " [OPTION ...]" : "");
		put_wrapped(command->help, 0, 0);
		if (command->options != 0)
			printf("\nOptions:\n");
		put_options(command->options);
		return;
	}
	printf("usage: nearbyctl [-i INSTANCE] [--json] COMMAND [ARGUMENT ...] [OPTION "
	       "...]\n\nCommands:\n");
	for (command = commands; command->words != NULL; command++)
		put_command(command);
	printf("\nOptions of any command (nearbyctl COMMAND --help shows its own):\n");
	put_options(OPTIONS_GLOBAL);
	printf("\nExit status:\n");
#define EXIT(name, status, meaning) put_row(#status, meaning);
#include "exits.tbl"
#undef EXIT
}
