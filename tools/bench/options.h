/*
 * Owns: the command line.
 * Invariant: options that options_parse took are in range and belong to the command.
 * Thread: the caller's.
 * Does not know: what they do.
 */
#ifndef NEARBY_BENCH_OPTIONS_H
#define NEARBY_BENCH_OPTIONS_H

#include "bench/dataset.h"
#include "bench/walk.h"

#include <stdbool.h>
#include <sys/types.h>

/* Bytes of an address with its NUL. */
#define OPTION_ADDRESS_BYTES 128

enum command { COMMAND_REPLAY, COMMAND_WALK, COMMAND_LOAD };

#define OPTION_RATES_MAX 32

/* Those of a load alone. */
struct load_options {
	const char *dialect;
	uint32_t sessions, idle, friends, active;
	double near;
	double rates[OPTION_RATES_MAX]; /* one at least */
	uint32_t rate_count, runs;
	uint64_t warm_up_us, linger_us, search_us;
	uint32_t interval_ms, storm;
	double joins_per_s;
	const char *write_friends, *histogram;
	pid_t server_pid;
	bool judge;
};

/* The fields are named after the options, see options.tbl. Times are in µs, 0 means none. */
struct options {
	enum command command;
	char connect[OPTION_ADDRESS_BYTES], admin[OPTION_ADDRESS_BYTES];
	const char *token_key;
	bool no_setup, json;
	const char *edges, *map, *locations;
	struct columns columns;
	size_t events;
	uint32_t users, in_flight, workers, joins;
	struct city city;
	uint64_t first_user;
	bool watch, has_watch_user;
	uint64_t watch_user;
	bool has_guest;
	uint64_t guest;
	double speed; /* 0: max */
	uint64_t for_us, check_every_us, settle_us, timeout_us;
	struct load_options load;
};

/*
 * Fills *options from the command line. 0; or -EINVAL after a line on stderr that says what is
 * allowed; or 1 after --help.
 */
int options_parse(struct options *options, int argc, char **argv);

/* "20s", "1.5m", "250ms", "2h"; a bare number is seconds. 0, or -EINVAL. */
int duration_parse(const char *text, uint64_t *duration_us);

#endif
