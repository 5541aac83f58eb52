/*
 * Owns: what every command of nearbyctl is given, and how it ends.
 * Invariant: a command prints its result on standard output and what went wrong on standard error
 *   (both on standard output as JSON with --json), and returns an exit status of exits.tbl.
 * Thread: one.
 * Does not know: what single commands do.
 */
#ifndef NEARBY_CTL_H
#define NEARBY_CTL_H

#include "base/id.h"

#include <stdbool.h>
#include <stdint.h>

enum exit_status {
#define EXIT(name, status, meaning) EXIT_##name = status,
#include "exits.tbl"
#undef EXIT
};

enum ctl_option {
#define OPTION(name, letter, text, value, help) OPTION_##name,
#include "options.tbl"
#undef OPTION
	OPTION_COUNT
};

/* A set of options, as commands.tbl writes it. */
#define OPT(name) (1u << OPTION_##name)
/* Those that go with any command. */
#define OPTIONS_GLOBAL (OPT(INSTANCE) | OPT(CONFIG) | OPT(JSON) | OPT(HELP) | OPT(VERSION))

struct ctl;

struct command {
	int (*run)(const struct ctl *ctl);
	const char *words;     /* "user put" */
	const char *arguments; /* "USER" */
	int argument_count;
	uint32_t options; /* set of OPT() */
	const char *help;
};

/* The command line, judged. */
struct ctl {
	const struct command *command;
	const char *instance;
	const char *token_key;	    /* from the configuration; "" when it names none */
	const char *token_audience; /* the same */
	bool json;
	char *options[OPTION_COUNT]; /* the value; not NULL for a flag that is given */
	char **arguments;	     /* command->argument_count of them */
};

#define COMMAND(function, words, arguments, count, options, help)                                  \
	int command_##function(const struct ctl *ctl);
#include "commands.tbl"
#undef COMMAND

/* Every command, and the end: a row whose words are NULL. */
extern const struct command commands[];

/* Says what went wrong and returns `status`, so that a command can end with it. */
int ctl_fail(const struct ctl *ctl, enum exit_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The argument as a user's id. On an error it has said so; false. */
bool ctl_user(const struct ctl *ctl, int argument, struct user_id *user);

/* The value of an option that is given as a span of time, such as 15m; a hundred years at most. On an
 * error it has said so; false. */
bool ctl_span(const struct ctl *ctl, enum ctl_option option, int64_t *seconds);

#endif
