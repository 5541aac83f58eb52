/*
 * Owns: reading the command line by its table.
 * Invariant: see the header.
 * Thread: the caller's.
 * Does not know: what the options do.
 */
#include "bench/options.h"

#include "base/check.h"
#include "base/id.h"
#include "bench/dialect.h"
#include "bench/ledger.h"

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
	      "       nearby-bench walk [OPTION...]\n"
	      "       nearby-bench load [OPTION...]\n",
	      file);
}

static void help_print(void)
{
	usage_print(stdout);
	puts("\nDrives real sessions of a running nearbyd and checks every push against brute "
	     "force; or loads it.\nR: for replay, W: for walk, L: for load. nearby-bench(1) has more.\n");
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		char head[64];
		const char *argument = OPTIONS[i].argument == NULL ? "" : OPTIONS[i].argument;
		snprintf(head, sizeof(head), "--%s%s%s", OPTIONS[i].text,
			 *argument == 0 || *argument == '[' ? "" : " ", argument);
		printf("  %-22s %-3s  %s\n", head, OPTIONS[i].commands, OPTIONS[i].help);
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

static int parse_rates(const char *text, struct load_options *load)
{
	load->rate_count = 0;
	for (const char *at = text; load->rate_count < OPTION_RATES_MAX; at++) {
		char *rest;
		double rate = strtod(at, &rest);
		if (rest == at || !(rate >= 0 && rate <= 1e7))
			return -EINVAL;
		load->rates[load->rate_count++] = rate;
		at = rest;
		if (*at == 0)
			return 0;
		if (*at != ',')
			return -EINVAL;
	}
	return -EINVAL;
}

static int load_option_take(struct load_options *load, enum option_name name, const char *text)
{
	uint32_t count = 0;
	int error;
	switch (name) {
	case OPTION_DIALECT:
		load->dialect = text;
		return dialect_find(text) == NULL ? -EINVAL : 0;
	case OPTION_SESSIONS:
		return parse_count(text, 3, 4000000, &load->sessions);
	case OPTION_IDLE:
		return parse_count(text, 0, 4000000, &load->idle);
	case OPTION_ACTIVE:
		return parse_count(text, 2, 5000, &load->active);
	case OPTION_NEAR:
		return parse_number(text, 0, 5000, &load->near);
	case OPTION_RATE:
		load->rate_count = 1;
		return parse_number(text, 0, 1e7, &load->rates[0]);
	case OPTION_STEP_RATES:
		return parse_rates(text, load);
	case OPTION_RUNS:
		return parse_count(text, 1, LOAD_WINDOWS_MAX, &load->runs);
	case OPTION_SEARCH:
		return duration_parse(text, &load->search_us);
	case OPTION_WARM_UP:
		return duration_parse(text, &load->warm_up_us);
	case OPTION_LINGER:
		return duration_parse(text, &load->linger_us);
	case OPTION_INTERVAL_MS:
		return parse_count(text, 0, 600000, &load->interval_ms);
	case OPTION_JOINS_PER_S:
		return parse_number(text, 1, 1e6, &load->joins_per_s);
	case OPTION_STORM:
		return parse_count(text, 1, 4000000, &load->storm);
	case OPTION_SERVER_PID:
		error = parse_count(text, 1, INT32_MAX, &count);
		load->server_pid = (pid_t)count;
		return error;
	case OPTION_JUDGE:
		load->judge = true;
		return 0;
	case OPTION_WRITE_FRIENDS:
		load->write_friends = text;
		return 0;
	case OPTION_HISTOGRAM:
		load->histogram = text;
		return 0;
	default:
		return -EINVAL;
	}
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
	case OPTION_GUEST:
		options->has_guest = true;
		return parse_id(text, &options->guest);
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
	default:
		return load_option_take(&options->load, name, text);
	}
}

static void options_defaults(struct options *options, enum command command)
{
	bool is_walk = command == COMMAND_WALK;
	uint64_t for_s = command == COMMAND_REPLAY ? 0 : is_walk ? 60 : 10;
	*options = (struct options){
		.command = command,
		.token_key = getenv("NEARBY_TOKEN_KEY"),
		.events = UINT32_MAX,
		.users = is_walk ? 1000 : UINT32_MAX,
		.in_flight = 256,
		.joins = 256,
		.first_user = 1,
		.speed = is_walk ? 30 : 0,
		.for_us = for_s * 1000000,
		.settle_us = 11 * 1000000,
		.timeout_us = 120 * 1000000,
		.city = { .friends_mean = command == COMMAND_LOAD ? 400 : 20,
			  .seed = 1,
			  .centre = { .lat_e7 = 375665000, .lon_e7 = 1269780000 },
			  .radius_km = 15 },
		.load = { .dialect = "nearby",
			  .sessions = 1000,
			  .near = -1,
			  .runs = 1,
			  .warm_up_us = UINT64_MAX,
			  .linger_us = UINT64_MAX },
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

#define WARM_UP_US 2000000u

/* What was not said of a load, and what does not go together in it. */
static int load_options_judge(struct load_options *load, double friends)
{
	load->friends = (uint32_t)friends;
	if (load->active == 0)
		load->active = load->friends / 20 > 0 ? load->friends / 20 * 2 : 2;
	if (load->near < 0)
		load->near = load->active / 4.0;
	if (load->rate_count == 0) {
		load->rate_count = 1;
		load->rates[0] = load->sessions / 30.0;
	}
	if (load->warm_up_us == UINT64_MAX)
		load->warm_up_us = WARM_UP_US;
	if (load->linger_us == UINT64_MAX)
		load->linger_us = 2000000 + load->interval_ms * 1000ull;
	if (load->friends != friends || load->active % 2 != 0 || load->active > load->friends ||
	    load->active + 2 >= load->sessions)
		return refuse("--active is an even number, at most --friends, and there are at "
			      "least 3 more --sessions",
			      "");
	if (load->search_us > 0 && (load->rate_count != 1 || load->rates[0] < 1))
		return refuse("--search begins with one --rate of 1 or more", "");
	if (load->storm > load->sessions + load->idle)
		return refuse("--storm is more than all sessions", "");
	if (load->judge && (strcmp(load->dialect, "nearby") != 0 || load->rate_count != 1 ||
			    load->rates[0] <= 0 || load->search_us > 0 || load->storm > 0 ||
			    load->idle > 0))
		return refuse("--judge goes with the dialect nearby and one --rate alone", "");
	return 0;
}

/* What only makes sense together. */
static int options_judge(struct options *options)
{
	bool needs_key = options->command != COMMAND_LOAD ||
			 (dialect_find(options->load.dialect)->has_tokens &&
			  options->load.write_friends == NULL);
	if (options->command == COMMAND_LOAD && options->first_user > USER_ID_MAX / 2)
		return refuse("--first-user is too large", "");
	if (options->token_key == NULL && needs_key)
		return refuse("--token-key (or NEARBY_TOKEN_KEY) is needed: the file that nearbyd's token-key names", "");
	if (options->command == COMMAND_LOAD && options->for_us == 0)
		return refuse("--for of a load is more than nothing", "");
	if (options->command == COMMAND_LOAD)
		return load_options_judge(&options->load, options->city.friends_mean);
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
	char command = "RWL"[options->command];
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
	static const char *const commands[] = { "replay", "walk", "load" };
	const char *command = argc > 1 ? argv[1] : "";
	unsigned number = 0;
	if (strcmp(command, "--help") == 0) {
		help_print();
		return 1;
	}
	while (number < ARRAY_COUNT(commands) && strcmp(command, commands[number]) != 0)
		number++;
	if (number == ARRAY_COUNT(commands)) {
		usage_print(stderr);
		return -EINVAL;
	}
	options_defaults(options, (enum command)number);
	int error = options_read(options, argc - 1, argv + 1);
	return error != 0 ? error : options_judge(options);
}
