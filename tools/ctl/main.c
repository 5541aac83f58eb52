/*
 * Owns: reading the command line of nearbyctl.
 * Invariant: a command runs only with as many arguments as it takes and options that are its own.
 * Thread: one.
 * Does not know: what the commands do.
 */
#include "ctl.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "config.h"
#include "app/config.h"
#include "text.h"
#include "usage.h"

const struct command commands[] = {
#define COMMAND(function, words, arguments, count, options, help)                                  \
	{command_##function, words, arguments, count, options, help},
#include "commands.tbl"
#undef COMMAND
	{NULL, NULL, NULL, 0, 0, NULL},
};

static const struct option_row {
	int letter;
	struct option getopt;
} rows[] = {
#define OPTION(name, letter, text, value, help)                                                    \
	{letter,                                                                                   \
	 {text, (value)[0] != '\0' ? required_argument : no_argument, NULL, 256 + OPTION_##name}},
#include "options.tbl"
#undef OPTION
};

int ctl_fail(const struct ctl *ctl, enum exit_status status, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (ctl->json) {
		printf("{\"title\":");
		text_put_json(text, strlen(text));
		printf(",\"exit\":%d}\n", (int)status);
	} else {
		fprintf(stderr, "nearbyctl: %s\n", text);
	}
	return status;
}

bool ctl_user(const struct ctl *ctl, int argument, struct user_id *user)
{
	const char *text = ctl->arguments[argument];
	if (user_id_parse(text, strlen(text), user))
		return true;
	ctl_fail(ctl, EXIT_USAGE, "\"%s\" is no user: a number from 0 to %llu is", text,
		 (unsigned long long)USER_ID_MAX);
	return false;
}

/* A hundred years. */
#define SPAN_S_MAX INT64_C(3155760000)

/* "90", "90s", "15m", "1h", "7d" in seconds; 0 when it is none. */
static int64_t parse_span(const char *text)
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	char *end = NULL;
	errno = 0;
	long long count = strtoll(text, &end, 10);
	if (errno != 0 || end == text || count <= 0)
		return 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].unit) == 0 && count <= SPAN_S_MAX / units[i].seconds)
			return count * units[i].seconds;
	return 0;
}

bool ctl_span(const struct ctl *ctl, enum ctl_option option, int64_t *seconds)
{
	*seconds = parse_span(ctl->options[option]);
	if (*seconds != 0)
		return true;
	ctl_fail(ctl, EXIT_USAGE, "--%s takes a time such as 90s, 15m, 1h or 7d, not \"%s\"",
		 rows[option].getopt.name, ctl->options[option]);
	return false;
}

/* The command whose words stand at arguments[0..]; *taken says how many. */
static const struct command *find_command(char **arguments, int count, int *taken)
{
	for (const struct command *command = commands; command->words != NULL; command++) {
		const char *space = strchr(command->words, ' ');
		size_t first =
			space == NULL ? strlen(command->words) : (size_t)(space - command->words);
		*taken = space == NULL ? 1 : 2;
		if (count < *taken || strlen(arguments[0]) != first ||
		    memcmp(arguments[0], command->words, first) != 0)
			continue;
		if (space == NULL || strcmp(arguments[1], space + 1) == 0)
			return command;
	}
	return NULL;
}

/* Fills ctl->options and orders argv so that what is no option stands last, from optind on. */
static bool read_options(struct ctl *ctl, int argc, char **argv)
{
	struct option long_options[OPTION_COUNT + 1] = {0};
	char letters[2 * OPTION_COUNT + 1] = "";
	for (size_t i = 0, at = 0; i < OPTION_COUNT; i++) {
		long_options[i] = rows[i].getopt;
		if (rows[i].letter == 0)
			continue;
		letters[at++] = (char)rows[i].letter;
		if (rows[i].getopt.has_arg == required_argument)
			letters[at++] = ':';
	}
	for (;;) {
		int found = getopt_long(argc, argv, letters, long_options, NULL);
		if (found == -1)
			return true;
		size_t option = (size_t)(found - 256);
		for (size_t i = 0; found < 256 && i < OPTION_COUNT; i++)
			if (rows[i].letter == found)
				option = i;
		if (option >= OPTION_COUNT)
			return false;
		ctl->options[option] = optarg == NULL ? argv[0] : optarg;
	}
}

static bool options_fit(const struct ctl *ctl)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (ctl->options[i] == NULL ||
		    ((ctl->command->options | OPTIONS_GLOBAL) & 1u << i) != 0)
			continue;
		ctl_fail(ctl, EXIT_USAGE, "%s takes no --%s", ctl->command->words,
			 rows[i].getopt.name);
		return false;
	}
	return true;
}

/* The daemon's own reading of its configuration, so that both agree on the instance. */
static bool read_config(struct ctl *ctl)
{
	static struct config config;
	static char program[] = "nearbyctl", from_file[] = "-c";
	char *argv[] = {program, from_file, ctl->options[OPTION_CONFIG], NULL};
	struct config_sources sources = {
		.argc = argv[2] == NULL ? 1 : 3,
		.argv = argv,
		.environment = environ,
	};
	struct config_error error;
	enum config_wish wish;
	if (config_load(&config, &sources, &wish, &error) != 0) {
		ctl_fail(ctl, EXIT_USAGE, "%s", error.text);
		return false;
	}
	ctl->instance = ctl->options[OPTION_INSTANCE] != NULL ? ctl->options[OPTION_INSTANCE]
							      : config.instance;
	ctl->token_key = config.token_key;
	ctl->token_audience = config.token_audience;
	return true;
}

static int run(struct ctl *ctl, char **words, int count)
{
	int taken = 0;
	ctl->command = find_command(words, count, &taken);
	if (ctl->options[OPTION_HELP] != NULL) {
		usage_print(ctl->command);
		return EXIT_OK;
	}
	if (count == 0)
		return ctl_fail(ctl, EXIT_USAGE, "no command; see nearbyctl --help");
	if (ctl->command == NULL)
		return ctl_fail(ctl, EXIT_USAGE, "\"%s%s%s\" is no command; see nearbyctl --help",
				words[0], count > 1 ? " " : "", count > 1 ? words[1] : "");
	if (!options_fit(ctl) || !read_config(ctl))
		return EXIT_USAGE;
	if (count - taken != ctl->command->argument_count)
		return ctl_fail(ctl, EXIT_USAGE, "usage: nearbyctl %s %s", ctl->command->words,
				ctl->command->arguments);
	ctl->arguments = words + taken;
	return ctl->command->run(ctl);
}

int main(int argc, char **argv)
{
	struct ctl ctl = {0};
	if (!read_options(&ctl, argc, argv))
		return EXIT_USAGE;
	ctl.json = ctl.options[OPTION_JSON] != NULL;
	if (ctl.options[OPTION_VERSION] != NULL) {
		printf("nearbyctl %s\n", PACKAGE_VERSION);
		return EXIT_OK;
	}
	int status = run(&ctl, argv + optind, argc - optind);
	/* A full disk or a closed pipe must not look like success. */
	if (fflush(stdout) != 0 && status == EXIT_OK)
		return ctl_fail(&ctl, EXIT_FAILED, "standard output: %s", strerror(errno));
	return status;
}
