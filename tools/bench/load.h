/*
 * Owns: a load from the first fork to the report: joining, steps of a rate each, a storm.
 * Invariant: every wait ends: when the workers have done it, when time is up, when one died, or on
 *   SIGINT; no worker outlives it.
 * Thread: the parent.
 * Does not know: what is said to the server.
 */
#ifndef NEARBY_BENCH_LOAD_H
#define NEARBY_BENCH_LOAD_H

#include "bench/loader.h"
#include "bench/options.h"
#include "bench/run.h"
#include "bench/usage.h"

#define LOAD_STEPS_MAX (OPTION_RATES_MAX * LOAD_WINDOWS_MAX)

/* What was measured at one rate. */
struct load_step {
	double rate;		   /* as the pace makes it */
	double seconds;		   /* of the window */
	struct load_counts counts; /* within the window's time */
	struct load_window window; /* of the locations due in it */
	struct usage server_from, server_to;
	double client_cpu_s[TROOP_MAX];
	bool is_saturated; /* the client, so the figures are none of the server's */
	bool is_kept;	   /* the limit of a search */
};

struct load_joining {
	double seconds; /* until all were in, or given up */
	struct load_counts counts;
	struct latency latency;
};

struct load_report {
	const struct load *load;
	const struct options *options;
	uint64_t imported; /* friendships, */
	double import_s;   /* ... in so long */
	struct load_joining join, storm;
	uint32_t step_count;
	struct load_step steps[LOAD_STEPS_MAX];
	double highest_rate;	   /* that a search found to keep the limit; 0: none */
	bool is_client_bound;	   /* the next higher one failed as the client was at its end */
	struct load_counts counts; /* of all */
	char example[LOAD_EXAMPLE_BYTES];
	const char *cut_off; /* why it ended early, or NULL */
};

/* Runs and prints the report. `imported` as in the report, for friendships that are there already. */
enum run_exit load_run(struct load *load, const struct options *options, uint64_t imported,
		       double import_s);

#endif
