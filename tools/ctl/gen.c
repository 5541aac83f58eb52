/*
 * Owns: what the build takes from the tables of nearbyctl: lists for its manual page, and the table
 *   of its completion.
 * Invariant: nothing about the commands is written down a second time.
 * Thread: one.
 * Does not know: how commands work.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum ctl_option {
#define OPTION(name, letter, text, value, help) OPTION_##name,
#include "options.tbl"
#undef OPTION
};
#define OPT(name) (1u << OPTION_##name)

static const struct {
	char letter;
	const char *name, *value, *help;
} options[] = {
#define OPTION(name, letter, text, value, help) { letter, text, value, help },
#include "options.tbl"
#undef OPTION
};

static const struct {
	const char *words, *arguments, *help;
	uint32_t options;
} commands[] = {
#define COMMAND(function, words, arguments, count, options, help)                                  \
	{ words, arguments, help, options },
#include "commands.tbl"
#undef COMMAND
};

static const struct {
	int status;
	const char *meaning;
} exits[] = {
#define EXIT(name, status, meaning) { status, meaning },
#include "exits.tbl"
#undef EXIT
};

enum {
	OPTION_COUNT = sizeof(options) / sizeof(options[0]),
	COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]),
	EXIT_COUNT = sizeof(exits) / sizeof(exits[0]),
	GLOBAL_COUNT = OPTION_VERSION + 1,
};

/* Text as roff takes it: each sentence begins a line, a backslash is escaped, and nothing at the
 * start of a line looks like a macro. */
static void put_roff(const char *text)
{
	bool is_start = true;
	for (; *text != '\0'; text++) {
		if (is_start && (*text == '.' || *text == '\''))
			printf("\\&");
		is_start = text[0] == ' ' && text[-1] == '.';
		if (*text == '\\')
			printf("\\e");
		else
			putchar(is_start ? '\n' : *text);
	}
	putchar('\n');
}

/* "USER USER" as "Ar USER Ar USER". */
static void put_arguments(const char *arguments)
{
	while (*arguments != '\0') {
		int length = (int)strcspn(arguments, " ");
		printf(" Ar %.*s", length, arguments);
		arguments += length + (arguments[length] == ' ');
	}
}

static void man_commands(void)
{
	for (int i = 0; i < COMMAND_COUNT; i++) {
		printf(".It Cm %s", commands[i].words);
		put_arguments(commands[i].arguments);
		for (int o = 0; o < OPTION_COUNT; o++)
			if ((commands[i].options & 1u << o) != 0)
				printf(" Oo Fl -%s%s%s Oc", options[o].name,
				       options[o].value[0] ? " Ar " : "", options[o].value);
		putchar('\n');
		put_roff(commands[i].help);
	}
}

static void man_options(int from, int to)
{
	for (int o = from; o < to; o++) {
		printf(".It");
		if (options[o].letter != 0)
			printf(" Fl %c ,", options[o].letter);
		printf(" Fl -%s%s%s\n", options[o].name, options[o].value[0] ? " Ar " : "",
		       options[o].value);
		put_roff(options[o].help);
	}
}

static void man_global_options(void)
{
	man_options(0, GLOBAL_COUNT);
}

static void man_command_options(void)
{
	man_options(GLOBAL_COUNT, OPTION_COUNT);
}

static void man_exits(void)
{
	for (int i = 0; i < EXIT_COUNT; i++) {
		printf(".It %d\n", exits[i].status);
		put_roff(exits[i].meaning);
	}
}

static void put_option_words(uint32_t set)
{
	for (int o = 0; o < OPTION_COUNT; o++)
		if ((set & 1u << o) != 0)
			printf(" --%s%s", options[o].name, options[o].value[0] ? "=" : "");
}

/* "words|arguments|options", an option that takes a value with "="; the first row has those of any
 * command. */
static void completion(void)
{
	printf("||");
	put_option_words((1u << GLOBAL_COUNT) - 1);
	putchar('\n');
	for (int i = 0; i < COMMAND_COUNT; i++) {
		printf("%s|%s|", commands[i].words, commands[i].arguments);
		put_option_words(commands[i].options);
		putchar('\n');
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *what;
		void (*print)(void);
	} parts[] = {
		{ "commands", man_commands },
		{ "options", man_global_options },
		{ "command-options", man_command_options },
		{ "exits", man_exits },
		{ "completion", completion },
	};
	for (size_t i = 0; argc == 2 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(argv[1], parts[i].what) != 0)
			continue;
		parts[i].print();
		return fflush(stdout) == 0 ? 0 : 1;
	}
	fprintf(stderr, "usage: gen-ctl commands|options|command-options|exits|completion\n");
	return 2;
}
