/*
 * Owns: main of nearby-bench: makes the world that the command line describes, and runs it.
 * Invariant: what was made is released on every way out.
 * Thread: the parent's.
 * Does not know: how a run goes.
 */
#include "bench/cast.h"
#include "bench/load_command.h"
#include "bench/names.h"
#include "bench/options.h"
#include "bench/replay.h"
#include "bench/run.h"
#include "bench/setup.h"
#include "bench/troop.h"
#include "bench/walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a plan was made from; lives as long as the run. */
struct material {
	struct edges edges;
	struct fixes fixes;
	struct cast cast;
	struct replay replay;
};

static int complain(const char *what, int error)
{
	fprintf(stderr, "nearby-bench: %s: %s\n", what, strerror(-error));
	return error;
}

static int material_load(struct material *material, const struct options *options)
{
	const char *edges = options->map != NULL ? options->map : options->edges;
	int error = edges_load(&material->edges, edges);
	if (error < 0)
		return complain(edges, error);
	error = fixes_load(&material->fixes, options->locations, &options->columns,
			   options->events);
	if (error < 0)
		return complain(options->locations, error);
	size_t rejected = material->edges.rejected + material->fixes.rejected;
	if (rejected > 0)
		fprintf(stderr, "nearby-bench: %zu lines are not as their columns say, left out\n",
			rejected);
	error = cast_open(&material->cast, &material->fixes, &material->edges,
			  options->map != NULL, options->users);
	return error < 0 ? complain("users", error) : 0;
}

static void material_free(struct material *material)
{
	cast_close(&material->cast);
	free(material->edges.rows);
	free(material->fixes.rows);
}

static int replay_prepare(struct bench *bench, struct material *material,
			  const struct options *options)
{
	int error = material_load(material, options);
	if (error < 0)
		return error;
	struct cast *cast = &material->cast;
	if (cast->count == 0) {
		fprintf(stderr, "nearby-bench: %s has no location of anyone who takes part\n",
			options->locations);
		return -1;
	}
	material->replay = (struct replay){ &material->fixes, cast->users, options->speed };
	bench->plan = &replay_plan;
	bench->plan_source = &material->replay;
	bench->in_flight_max = options->speed > 0 ? 0 : options->in_flight;
	for (size_t i = 0; i < material->fixes.count; i++)
		bench->steps += cast->users[i] != UINT32_MAX;
	error = world_open(&bench->world, cast->ids, cast->count, cast->pairs, cast->pair_count);
	return error < 0 ? complain("world", error) : 0;
}

/* The user with the most friends is the one with most to see. */
static uint32_t most_social(const struct world *world)
{
	uint32_t best = 0, most = 0;
	for (uint32_t user = 0; user < world->user_count; user++) {
		uint32_t friends = world->edge_first[user + 1] - world->edge_first[user];
		if (friends > most) {
			most = friends;
			best = user;
		}
	}
	return best;
}

static int walk_prepare(struct bench *bench, const struct options *options)
{
	size_t pair_count = 0;
	uint64_t *ids = calloc(options->users, sizeof(*ids));
	struct pair *pairs = city_pairs(&options->city, &pair_count);
	int error = -ENOMEM;
	if (ids != NULL && pairs != NULL) {
		for (uint32_t user = 0; user < options->users; user++)
			ids[user] = options->first_user + user;
		error = world_open(&bench->world, ids, options->users, pairs, pair_count);
	}
	free(ids);
	free(pairs);
	if (error < 0)
		return complain("world", error);
	for (uint32_t user = 0; user < options->users; user++)
		name_make(user, bench->world->names[user], WORLD_NAME_BYTES);
	bench->has_guest = options->has_guest;
	bench->guest = options->guest;
	bench->plan = &walk_plan;
	bench->plan_source = &options->city;
	return 0;
}

static int watch_prepare(struct bench *bench, const struct options *options)
{
	uint32_t user = most_social(bench->world);
	if (options->has_watch_user && !world_find(bench->world, options->watch_user, &user)) {
		fprintf(stderr, "nearby-bench: --watch=%" PRIu64 " is none of the walkers\n",
			options->watch_user);
		return -1;
	}
	bench->control->watched = user;
	return 0;
}

/* A load of a server without tokens needs none. */
static int key_open(struct token_key **key, const struct options *options)
{
	const char *reason = NULL;
	if (options->token_key == NULL)
		return 0;
	int error = token_key_open(key, options->token_key, &reason);
	if (reason != NULL)
		fprintf(stderr, "nearby-bench: %s\n", reason);
	return error;
}

static int bench_prepare(struct bench *bench, struct material *material,
			 const struct token_key *key, const struct options *options)
{
	bench->key = key;
	bench->joining_max = options->joins;
	int error = address_resolve(&bench->target, options->connect);
	if (error < 0)
		return complain(options->connect, error);
	error = options->command == COMMAND_WALK ? walk_prepare(bench, options) :
						   replay_prepare(bench, material, options);
	if (error < 0)
		return error;
	uint32_t users = bench->world->user_count, needed = troop_needed(users);
	bench->workers = options->workers > needed ? options->workers : needed;
	bench->workers = bench->workers < users ? bench->workers : users;
	if (bench->workers > WORKERS_MAX) {
		fprintf(stderr, "nearby-bench: %u users need %u processes; raise the limit of "
				"descriptors (ulimit -n)\n",
			users, bench->workers);
		return -1;
	}
	error = control_open(&bench->control, bench->workers);
	if (error < 0)
		return complain("control", error);
	return options->watch ? watch_prepare(bench, options) : 0;
}

static int bench_setup(const struct bench *bench, const struct options *options)
{
	struct address admin;
	if (options->no_setup)
		return 0;
	int error = address_resolve(&admin, options->admin);
	if (error < 0)
		return complain(options->admin, error);
	return setup_import(bench->world, &admin, bench->key,
			    (unsigned)(options->timeout_us / 1000000) + 1);
}

static enum run_exit walk_or_replay(const struct options *options, const struct token_key *key)
{
	struct bench bench = { .workers = 0 };
	struct material material = { .edges = { .rows = NULL } };
	enum run_exit status = RUN_NOT_BEGUN;
	if (bench_prepare(&bench, &material, key, options) == 0 &&
	    bench_setup(&bench, options) == 0)
		status = run(&bench, options);
	world_close(&bench.world);
	control_close(&bench.control);
	material_free(&material);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	struct token_key *key = NULL;
	int parsed = options_parse(&options, argc, argv);
	if (parsed != 0)
		return parsed > 0 ? RUN_RIGHT : RUN_USAGE;
	enum run_exit status = RUN_NOT_BEGUN;
	if (key_open(&key, &options) == 0)
		status = options.command == COMMAND_LOAD ? load_command(&options, key) :
							   walk_or_replay(&options, key);
	if (key != NULL)
		token_key_close(&key);
	return status;
}
