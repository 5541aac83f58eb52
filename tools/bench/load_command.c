/*
 * Owns: making a load from the command line.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "bench/load_command.h"

#include "base/clock.h"
#include "bench/friends_file.h"
#include "bench/load.h"
#include "bench/setup.h"
#include "bench/town_plan.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(const char *what, int error)
{
	fprintf(stderr, "nearby-bench: %s: %s\n", what, strerror(-error));
	return error;
}

static void town_make(struct town *town, const struct options *options)
{
	const struct load_options *load = &options->load;
	struct town_config config = { .users = load->sessions,
				      .friends = load->friends,
				      .active = load->active,
				      .near = load->near,
				      .seed = options->city.seed,
				      .centre = options->city.centre };
	town_init(town, &config);
}

/* As many as there are processors, unless said, and at least as many as the sessions need. */
static int workers_choose(const struct options *options, uint32_t sessions, uint32_t *workers)
{
	cpu_set_t set;
	uint32_t needed = troop_needed(sessions);
	*workers = options->workers;
	if (*workers == 0 && sched_getaffinity(0, sizeof(set), &set) == 0)
		*workers = (uint32_t)CPU_COUNT(&set);
	*workers = *workers > needed ? *workers : needed;
	*workers = *workers < sessions ? *workers : sessions;
	if (*workers <= TROOP_MAX)
		return 0;
	fprintf(stderr,
		"nearby-bench: %u sessions need %u processes; raise the limit of "
		"descriptors (ulimit -n)\n",
		sessions, *workers);
	return -EMFILE;
}

static int setup(const struct options *options, const struct town *town,
		 const struct token_key *key, uint64_t *imported, double *import_s)
{
	struct address admin;
	*imported = 0;
	*import_s = 0;
	if (options->no_setup || strcmp(options->load.dialect, "nearby") != 0)
		return 0;
	int error = address_resolve(&admin, options->admin);
	if (error < 0)
		return complain(options->admin, error);
	uint64_t start_us = boot_us();
	error = setup_import_town(town, options->first_user, &admin, key,
				  (unsigned)(options->timeout_us / 1000000) + 1, imported);
	*import_s = (double)(boot_us() - start_us) / 1e6;
	return error;
}

/* ---- judged: the machinery of a walk with the movement of a load ------------------------------ */

static int judged_world(struct world **world, const struct options *options,
			const struct town *town)
{
	uint64_t *ids = calloc(town->count, sizeof(*ids));
	size_t count = 0, wanted = (size_t)town->count * town->active / 2;
	struct pair *pairs = calloc(wanted, sizeof(*pairs));
	int error = -ENOMEM;
	if (ids != NULL && pairs != NULL) {
		for (uint32_t user = 0; user < town->count; user++) {
			ids[user] = options->first_user + user;
			for (uint32_t idx = 0; idx < town->active; idx += 2)
				pairs[count++] =
					(struct pair){ user, town_friend(town, user, idx) };
		}
		error = world_open(world, ids, town->count, pairs, count);
	}
	free(ids);
	free(pairs);
	return error;
}

static enum run_exit judged_run(const struct options *options, const struct load *load)
{
	double rate = options->load.rates[0];
	struct town_walk walk = { &load->town,
				  pace_make(load->town.seed, load->town.count, rate, 0, 0) };
	struct bench bench = { .plan = &town_plan,
			       .plan_source = &walk,
			       .target = load->target,
			       .key = load->key,
			       .workers = load->workers,
			       .joining_max = load->joining_max };
	enum run_exit status = RUN_NOT_BEGUN;
	int error = judged_world(&bench.world, options, &load->town);
	if (error == 0)
		error = control_open(&bench.control, bench.workers);
	if (error == 0)
		status = run(&bench, options);
	else
		complain("world", error);
	world_close(&bench.world);
	control_close(&bench.control);
	return status;
}

/* ---- the command ---------------------------------------------------------------------------- */

static enum run_exit load_begin(struct load *load, const struct options *options)
{
	uint32_t sessions = load->town.count + load->idle;
	uint64_t imported;
	double import_s;
	int error = address_resolve(&load->target, options->connect);
	if (error < 0) {
		complain(options->connect, error);
		return RUN_NOT_BEGUN;
	}
	if (workers_choose(options, sessions, &load->workers) < 0 ||
	    setup(options, &load->town, load->key, &imported, &import_s) < 0)
		return RUN_NOT_BEGUN;
	if (options->load.judge)
		return judged_run(options, load);
	error = ledger_open(&load->ledger, load->workers, load->town.count);
	if (error < 0) {
		complain("ledger", error);
		return RUN_NOT_BEGUN;
	}
	enum run_exit status = load_run(load, options, imported, import_s);
	ledger_close(&load->ledger);
	return status;
}

enum run_exit load_command(const struct options *options, const struct token_key *key)
{
	static struct load load; /* the ways of a town are many */
	town_make(&load.town, options);
	if (options->load.write_friends != NULL) {
		int error = friends_file_write(options->load.write_friends, &load.town,
					       options->first_user);
		return error < 0 ? (complain(options->load.write_friends, error), RUN_NOT_BEGUN)
				 : RUN_RIGHT;
	}
	load.dialect = dialect_find(options->load.dialect);
	load.key = load.dialect->has_tokens ? key : NULL;
	load.first_user = options->first_user;
	load.idle = options->load.idle;
	load.joining_max = options->joins;
	load.joins_per_s = options->load.joins_per_s;
	load.timeout_us = options->timeout_us;
	return load_begin(&load, options);
}
