/*
 * Owns: reading the command line by its table.
 * Invariant: see the header.
 * Thread: the caller's.
 * Does not know: what the options do.
 */
#include "bench/options.h"

#include "base/check.h"
#include "base/id.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_name {
#define OPTION(name, text, argument, commands, help) OPTION_##name,
#include "bench/options.tbl"
#undef OPTION
	OPTION_COUNT
};

static const struct {
	const char *text, *argument, *commands, *help;
} OPTIONS[] = {
#define OPTION(name, text, argument, commands, help) { text, argument, commands, help },
#include "bench/options.tbl"
#undef OPTION
};

static void usage_print(FILE *file)
{
	fputs("usage: nearby-bench replay --locations FILE (--edges FILE | --map FILE) "
	      "[OPTION...]\n"
	      "       nearby-bench walk [OPTION...]\n",
	      file);
}

static void help_print(void)
{
	usage_print(stdout);
	puts("\nDrives real sessions of a running nearbyd and checks every push against brute "
	     "force.\nR: for replay, W: for walk. nearby-bench(1) has more.\n");
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		char head[64];
		const char *argument = OPTIONS[i].argument == NULL ? "" : OPTIONS[i].argument;
		snprintf(head, sizeof(head), "--%s%s%s", OPTIONS[i].text,
			 *argument == 0 || *argument == '[' ? "" : " ", argument);
		printf("  %-22s %-2s  %s\n", head, OPTIONS[i].commands, OPTIONS[i].help);
	}
}

int duration_parse(const char *text, uint64_t *duration_us)
{
	static const struct {
		const char *unit;
		double us;
	} units[] = { { "", 1e6 }, { "ms", 1e3 }, { "s", 1e6 }, { "m", 60e6 }, { "h", 3600e6 } };
	char *rest;
	double value = strtod(text, &rest);
	if (rest == text || !(value >= 0 && value <= 1e6))
		return -EINVAL;
	for (unsigned i = 0; i < ARRAY_COUNT(units); i++) {
		if (strcmp(rest, units[i].unit) == 0) {
			*duration_us = (uint64_t)(value * units[i].us);
			return 0;
		}
	}
	return -EINVAL;
}

/* A number from `low` to `high`. */
static int parse_number(const char *text, double low, double high, double *value)
{
	char *rest;
	*value = strtod(text, &rest);
	return rest != text && *rest == 0 && *value >= low && *value <= high ? 0 : -EINVAL;
}

static int parse_count(const char *text, uint32_t low, uint32_t high, uint32_t *count)
{
	double value;
	if (parse_number(text, low, high, &value) < 0 || value != floor(value))
		return -EINVAL;
	*count = (uint32_t)value;
	return 0;
}

static int parse_id(const char *text, uint64_t *id)
{
	struct user_id user;
	if (!user_id_parse(text, strlen(text), &user))
		return -EINVAL;
	*id = user.value;
	return 0;
}

/* Half a degree short of the poles, where a city's east and west still have a meaning. */
static int parse_centre(const char *text, struct nearby_place *centre)
{
	double lat, lon;
	if (sscanf(text, "%lf,%lf", &lat, &lon) != 2 || !(fabs(lat) <= 89) || !(fabs(lon) <= 180))
		return -EINVAL;
	*centre = (struct nearby_place){ .lat_e7 = (int32_t)lround(lat * 1e7),
					 .lon_e7 = (int32_t)lround(lon * 1e7) };
	return 0;
}

/* The first of a list as nearbyd takes it, where `*` is every address and so the loopback too. */
static int parse_address(const char *text, char address[OPTION_ADDRESS_BYTES])
{
	size_t length = text == NULL ? 0 : strcspn(text, ",");
	if (length == 0 || length + sizeof("127.0.0.1") > OPTION_ADDRESS_BYTES)
		return -EINVAL;
	const char *host = text[0] == '*' ? "127.0.0.1" : "";
	size_t skipped = text[0] == '*';
	snprintf(address, OPTION_ADDRESS_BYTES, "%s%.*s", host, (int)(length - skipped),
		 text + skipped);
	return 0;
}

static int parse_speed(const char *text, double *speed)
{
	*speed = 0;
	return strcmp(text, "max") == 0 ? 0 : parse_number(text, 0.001, 1e6, speed);
}

static int option_take(struct options *options, enum option_name name, const char *text)
{
	uint32_t count = 0;
	double number;
	int error = 0;
	switch (name) {
	case OPTION_CONNECT:
		return parse_address(text, options->connect);
	case OPTION_ADMIN:
		return parse_address(text, options->admin);
	case OPTION_TOKEN_KEY:
		options->token_key = text;
		return 0;
	case OPTION_NO_SETUP:
		options->no_setup = true;
		return 0;
	case OPTION_EDGES:
		options->edges = text;
		return 0;
	case OPTION_MAP:
		options->map = text;
		return 0;
	case OPTION_LOCATIONS:
		options->locations = text;
		return 0;
	case OPTION_COLUMNS:
		return columns_parse(&options->columns, text);
	case OPTION_EVENTS:
		error = parse_count(text, 1, UINT32_MAX, &count);
		options->events = count;
		return error;
	case OPTION_USERS:
		return parse_count(text, 1, 10000000, &options->users);
	case OPTION_IN_FLIGHT:
		return parse_count(text, 1, 1000000, &options->in_flight);
	case OPTION_FRIENDS:
		return parse_number(text, 0, 5000, &options->city.friends_mean);
	case OPTION_FIRST_USER:
		return parse_id(text, &options->first_user);
	case OPTION_SEED:
		return parse_id(text, &options->city.seed);
	case OPTION_CENTRE:
		return parse_centre(text, &options->city.centre);
	case OPTION_CITY_KM:
		error = parse_number(text, 0.01, 100, &number);
		options->city.radius_km = number;
		return error;
	case OPTION_WATCH:
		options->watch = true;
		options->has_watch_user = text != NULL;
		return text == NULL ? 0 : parse_id(text, &options->watch_user);
	case OPTION_SPEED:
		return parse_speed(text, &options->speed);
	case OPTION_FOR:
		return duration_parse(text, &options->for_us);
	case OPTION_CHECK_EVERY:
		return duration_parse(text, &options->check_every_us);
	case OPTION_SETTLE:
		return duration_parse(text, &options->settle_us);
	case OPTION_WORKERS:
		return parse_count(text, 1, 64, &options->workers);
	case OPTION_JOINS:
		return parse_count(text, 1, 100000, &options->joins);
	case OPTION_TIMEOUT:
		return duration_parse(text, &options->timeout_us);
	case OPTION_JSON:
		options->json = true;
		return 0;
	case OPTION_HELP:
		help_print();
		return 1;
	case OPTION_COUNT:
		break;
	}
	return -EINVAL;
}

static void options_defaults(struct options *options, enum command command)
{
	bool is_walk = command == COMMAND_WALK;
	*options = (struct options){
		.command = command,
		.token_key = getenv("NEARBY_TOKEN_KEY"),
		.events = UINT32_MAX,
		.users = is_walk ? 1000 : UINT32_MAX,
		.in_flight = 256,
		.joins = 256,
		.first_user = 1,
		.speed = is_walk ? 30 : 0,
		.for_us = is_walk ? 60 * 1000000 : 0,
		.settle_us = 11 * 1000000,
		.timeout_us = 120 * 1000000,
		.city = { .friends_mean = 20,
			  .seed = 1,
			  .centre = { .lat_e7 = 375665000, .lon_e7 = 1269780000 },
			  .radius_km = 15 },
	};
	if (parse_address(getenv("NEARBY_LISTEN"), options->connect) < 0)
		strcpy(options->connect, "127.0.0.1:7600");
	if (parse_address(getenv("NEARBY_ADMIN_LISTEN"), options->admin) < 0)
		strcpy(options->admin, "127.0.0.1:7601");
}

static int refuse(const char *what, const char *detail)
{
	fprintf(stderr, "nearby-bench: %s%s (see nearby-bench --help)\n", what, detail);
	return -EINVAL;
}

/* What only makes sense together. */
static int options_judge(struct options *options)
{
	if (options->token_key == NULL)
		return refuse("--token-key (or NEARBY_TOKEN_KEY) is needed: the file that nearbyd's token-key names", "");
	if (options->command == COMMAND_WALK) {
		if (options->speed == 0)
			return refuse("--speed of a walk is a number, 0.001 to 1000000", "");
		if (options->first_user > USER_ID_MAX - options->users)
			return refuse("--first-user and --users go beyond the largest id", "");
		options->city.users = options->users;
		options->city.speed = options->speed;
		return 0;
	}
	if (options->locations == NULL || (options->edges == NULL) == (options->map == NULL))
		return refuse("replay needs --locations, and either --edges or --map", "");
	return 0;
}

static int options_read(struct options *options, int argc, char **argv)
{
	struct option known[OPTION_COUNT + 1] = { { 0 } };
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const char *argument = OPTIONS[i].argument;
		known[i].name = OPTIONS[i].text;
		known[i].has_arg = argument == NULL   ? no_argument :
				   argument[0] == '[' ? optional_argument :
							required_argument;
		known[i].val = 256 + (int)i;
	}
	char command = options->command == COMMAND_WALK ? 'W' : 'R';
	for (int value; (value = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		if (value < 256)
			return -EINVAL;
		unsigned i = (unsigned)value - 256;
		if (strchr(OPTIONS[i].commands, command) == NULL)
			return refuse("this command has no option --", OPTIONS[i].text);
		int error = option_take(options, (enum option_name)i, optarg);
		if (error > 0)
			return error;
		if (error < 0) {
			fprintf(stderr, "nearby-bench: --%s does not allow '%s': %s\n",
				OPTIONS[i].text, optarg, OPTIONS[i].help);
			return error;
		}
	}
	return optind < argc ? refuse("unexpected argument ", argv[optind]) : 0;
}

int options_parse(struct options *options, int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	if (strcmp(command, "--help") == 0) {
		help_print();
		return 1;
	}
	if (strcmp(command, "replay") != 0 && strcmp(command, "walk") != 0) {
		usage_print(stderr);
		return -EINVAL;
	}
	options_defaults(options, strcmp(command, "walk") == 0 ? COMMAND_WALK : COMMAND_REPLAY);
	int error = options_read(options, argc - 1, argv + 1);
	return error != 0 ? error : options_judge(options);
}
