/*
 * Owns: the benchmark of the engine: what a location costs on its whole way but the socket.
 * Invariant: a round moves every session once, in an order without order; what is compared ran in
 *   the same round.
 * Thread: one, as an engine has.
 * Does not know: the engine beyond engine.h.
 *
 * A round has three parts, each measured alone. `bare` reads where the followers of each mover are
 * and compares distances, in the order in which the engine must, and does nothing else: what memory
 * and arithmetic allow. `path` is engine_step with a location, what follows from it between
 * engines, engine_flush and json_encode. `evaluation` is what the moves bring about 10 s later: of
 * the list of each who moved, those are judged again whom a step may have taken over the edge.
 * With --check=1 each move is flushed alone, and every delivery is compared with brute force.
 */
#include "crowd.h"
#include "host.h"
#include "judge.h"
#include "meter.h"
#include "options.h"
#include "report.h"

#include "base/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The wait between a small move and the evaluation that it asks for, and a little more. */
#define PASS_US (REEVALUATE_AFTER_US + 1000u)
/* As far ahead as the bare loop runs best; from 4 to 32 it makes no difference that can be told. */
#define BARE_AHEAD 12

static uint32_t users = 10000000, sessions = 1000000, friends = 400, active = 40, engines = 1;
static uint32_t runs = 5, batch = 256, seed = 1, is_checked = 0;
static const char *out = "bench-results", *placement = "both";

static const struct option_row rows[] = {
	{ "users", "locations in the table", &users, 64, 400000000, NULL },
	{ "sessions", "of those, users who are connected and move", &sessions, 64, 100000000,
	  NULL },
	{ "friends", "of each user", &friends, 2, CROWD_FRIENDS_MAX, NULL },
	{ "active", "friends who are connected, an even number", &active, 2, CROWD_FRIENDS_MAX,
	  NULL },
	{ "engines", "cores simulated on the one thread", &engines, 1, HOST_ENGINES_MAX, NULL },
	{ "runs", "rounds measured for each placement", &runs, 1, RUNS_MAX, NULL },
	{ "batch", "moves between two flushes", &batch, 1, 1000000, NULL },
	{ "placement", "uniform, city or both", NULL, 0, 0, &placement },
	{ "seed", "of friendships and places", &seed, 0, UINT32_MAX, NULL },
	{ "check", "1: compare every delivery with brute force", &is_checked, 0, 1, NULL },
	{ "out", "directory of the report", NULL, 0, 0, &out },
	{ 0 },
};

/* ---- the bare loop --------------------------------------------------------------------------- */

struct vector {
	double x, y, z, pad; /* as large as what an engine keeps of a session */
};

struct bare {
	struct vector *vectors; /* by user */
	uint32_t *followers;	/* `active` of each user, ascending */
	double near;		/* square of the chord of the radius */
	uint64_t near_count;
};

static struct vector vector_of(struct nearby_place place)
{
	double lat = place.lat_e7 * (M_PI / 180e7), lon = place.lon_e7 * (M_PI / 180e7);
	return (struct vector){ cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat), 0 };
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void bare_open(struct bare *bare, const struct crowd *crowd)
{
	double half = sin(HOST_RADIUS_M / 6371008.8 / 2);
	bare->near = 4 * half * half;
	bare->vectors = host_memory("the bare loop", crowd->count * sizeof(*bare->vectors));
	bare->followers = host_memory("the bare loop",
				      (uint64_t)crowd->count * crowd->active * sizeof(uint32_t));
	for (uint32_t user = 0; user < crowd->count; user++) {
		uint32_t *row = &bare->followers[(size_t)user * crowd->active];
		for (uint32_t i = 0; i < crowd->active; i++)
			row[i] = crowd_friend(crowd, user, i);
		qsort(row, crowd->active, sizeof(*row), compare);
	}
}

static uint64_t bare_look(const struct bare *bare, uint32_t count, uint32_t user)
{
	const struct vector *from = &bare->vectors[user];
	const uint32_t *row = &bare->followers[(size_t)user * count];
	uint64_t near_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (i + BARE_AHEAD < count)
			__builtin_prefetch(&bare->vectors[row[i + BARE_AHEAD]]);
		const struct vector *to = &bare->vectors[row[i]];
		double dx = from->x - to->x, dy = from->y - to->y, dz = from->z - to->z;
		near_count += dx * dx + dy * dy + dz * dz <= bare->near;
	}
	return near_count;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

struct bench {
	struct crowd crowd;
	struct host host;
	struct judge judge;
	struct bare bare;
	struct meter meter;
	struct report report;
	struct nearby_place *places; /* of this round, by user */
	uint32_t round;
};

enum {
	BARE_CHECKS,
	PATH_CHECKS,
	PATH_RATIO,
	PATH_UPDATES,
	PATH_FRAMES,
	PATH_ENTRIES,
	PATH_BYTES,
	PATH_INSTRUCTIONS,
	PATH_MISSES,
	BARE_INSTRUCTIONS,
	BARE_MISSES,
	EVALUATIONS,
	ALL_UPDATES,
	FIGURES
};

static const struct {
	const char *name, *unit;
} texts[FIGURES] = {
	[BARE_CHECKS] = { "bare loop", "checks/CPU-s" },
	[PATH_CHECKS] = { "path", "checks/CPU-s" },
	[PATH_RATIO] = { "path of bare loop", "ratio" },
	[PATH_UPDATES] = { "path", "updates/CPU-s" },
	[PATH_FRAMES] = { "path", "frames/CPU-s" },
	[PATH_ENTRIES] = { "path", "deliveries an update" },
	[PATH_BYTES] = { "path", "bytes a frame" },
	[PATH_INSTRUCTIONS] = { "path", "instructions a check" },
	[PATH_MISSES] = { "path", "cache misses a check" },
	[BARE_INSTRUCTIONS] = { "bare loop", "instructions a check" },
	[BARE_MISSES] = { "bare loop", "cache misses a check" },
	[EVALUATIONS] = { "evaluation", "movers/CPU-s" },
	[ALL_UPDATES] = { "path and evaluation", "updates/CPU-s" },
};

static void place_all(struct bench *bench, enum placement how)
{
	for (uint32_t user = 0; user < bench->crowd.count; user++) {
		bench->places[user] = crowd_place(&bench->crowd, how, user, bench->round);
		bench->bare.vectors[user] = vector_of(bench->places[user]);
	}
}

static struct cost run_bare(struct bench *bench)
{
	struct cost before = meter_read(&bench->meter);
	bench->bare.near_count = 0;
	for (uint32_t i = 0; i < bench->crowd.count; i++)
		bench->bare.near_count += bare_look(&bench->bare, bench->crowd.active,
						    crowd_turn(&bench->crowd, bench->round, i));
	return meter_since(&bench->meter, &before);
}

static void move_all(struct bench *bench)
{
	for (uint32_t i = 0; i < bench->crowd.count; i++) {
		uint32_t user = crowd_turn(&bench->crowd, bench->round, i);
		host_expect(&bench->host,
			    crowd_turn(&bench->crowd, bench->round, i + ENGINE_EXPECT_AHEAD));
		host_move(&bench->host, user, bench->places[user]);
		if ((i + 1) % batch == 0)
			host_flush(&bench->host);
	}
	host_flush(&bench->host);
}

/* These two stay functions of their own: instructions.py counts what runs inside them. */
__attribute__((noinline)) static struct cost run_path(struct bench *bench)
{
	struct cost before = meter_read(&bench->meter);
	move_all(bench);
	return meter_since(&bench->meter, &before);
}

__attribute__((noinline)) static struct cost run_evaluation(struct bench *bench)
{
	struct cost before = meter_read(&bench->meter);
	host_pass(&bench->host, PASS_US);
	return meter_since(&bench->meter, &before);
}

static void check_path(struct bench *bench, const struct deliveries *before)
{
	for (uint32_t i = 0; i < bench->crowd.count; i++) {
		uint32_t user = crowd_turn(&bench->crowd, bench->round, i);
		judge_move(&bench->judge, user, bench->places[user]);
	}
	judge_compare(&bench->judge, "path", before, &bench->host.deliveries);
}

/* Everybody is somewhere else, or somewhere at all, and it is not counted. */
static void settle(struct bench *bench, enum placement how)
{
	place_all(bench, how);
	move_all(bench);
	host_pass(&bench->host, PASS_US);
	if (is_checked) {
		memcpy(bench->judge.places, bench->places,
		       bench->crowd.count * sizeof(*bench->places));
		judge_connect(&bench->judge);
	}
	bench->round++;
}

/* ---- figures --------------------------------------------------------------------------------- */

static void add(struct figure *figure, double amount, double per)
{
	figure_add(figure, per > 0 ? amount / per : 0);
}

static void add_path(struct bench *bench, struct figure *figures, const struct cost *bare,
		     const struct cost *path, const struct deliveries *before, uint64_t checks)
{
	const struct deliveries *now = &bench->host.deliveries;
	double moves = bench->crowd.count, of_bare = moves * bench->crowd.active;
	double frames = (double)(now->frames - before->frames);
	add(&figures[BARE_CHECKS], of_bare, bare->cpu_s);
	add(&figures[PATH_CHECKS], (double)checks, path->cpu_s);
	add(&figures[PATH_RATIO], (double)checks * bare->cpu_s, of_bare * path->cpu_s);
	add(&figures[PATH_UPDATES], moves, path->cpu_s);
	add(&figures[PATH_FRAMES], frames, path->cpu_s);
	add(&figures[PATH_ENTRIES],
	    (double)(now->updates + now->gones - before->updates - before->gones), moves);
	add(&figures[PATH_BYTES], (double)(now->bytes - before->bytes), frames);
	add(&figures[PATH_INSTRUCTIONS], (double)path->instructions, (double)checks);
	add(&figures[PATH_MISSES], (double)path->misses, (double)checks);
	add(&figures[BARE_INSTRUCTIONS], (double)bare->instructions, of_bare);
	add(&figures[BARE_MISSES], (double)bare->misses, of_bare);
}

static void run_round(struct bench *bench, enum placement how, struct figure *figures)
{
	struct host *host = &bench->host;
	place_all(bench, how);
	struct cost bare = run_bare(bench);
	struct deliveries before = host->deliveries;
	uint64_t checks = host_count(host, ENGINE_COUNTER_CHECKS);
	struct cost path = run_path(bench);
	checks = host_count(host, ENGINE_COUNTER_CHECKS) - checks;
	add_path(bench, figures, &bare, &path, &before, checks);
	if (is_checked) {
		check(checks == (uint64_t)bench->crowd.count * bench->crowd.active);
		check_path(bench, &before);
	}
	before = host->deliveries;
	struct cost evaluation = run_evaluation(bench);
	add(&figures[EVALUATIONS], bench->crowd.count, evaluation.cpu_s);
	add(&figures[ALL_UPDATES], bench->crowd.count, path.cpu_s + evaluation.cpu_s);
	if (is_checked) {
		judge_evaluate(&bench->judge);
		judge_compare(&bench->judge, "evaluation", &before, &host->deliveries);
	}
	bench->round++;
}

static bool is_counted(const struct bench *bench, int figure)
{
	if (figure == PATH_INSTRUCTIONS || figure == BARE_INSTRUCTIONS)
		return meter_counts_instructions(&bench->meter);
	if (figure == PATH_MISSES || figure == BARE_MISSES)
		return meter_counts_misses(&bench->meter);
	return true;
}

static void run_placement(struct bench *bench, enum placement how, const char *name)
{
	struct figure figures[FIGURES] = { 0 };
	if (strcmp(placement, name) != 0 && strcmp(placement, "both") != 0)
		return;
	settle(bench, how);
	for (uint32_t run = 0; run < runs; run++)
		run_round(bench, how, figures);
	report_part(&bench->report, name);
	for (int i = 0; i < FIGURES; i++)
		if (is_counted(bench, i))
			report_figure(&bench->report, name, texts[i].name, texts[i].unit,
				      &figures[i]);
	fprintf(stderr, "%s: done\n", name);
}

static void open_all(struct bench *bench, int argc, char **argv)
{
	report_open(&bench->report, out, "engine", argc, argv);
	report_say(&bench->report,
		   "%u users in the table, %u connected to %u engines on one thread", users,
		   sessions, engines);
	report_say(&bench->report, "%u friends each, %u of them connected; a flush every %u moves",
		   friends, active, batch);
	meter_open(&bench->meter);
	if (!meter_counts_instructions(&bench->meter))
		report_say(&bench->report, "instructions: not available");
	if (!meter_counts_misses(&bench->meter))
		report_say(&bench->report, "cache misses: not available");
	crowd_init(&bench->crowd, sessions, active, friends - active, seed);
	bare_open(&bench->bare, &bench->crowd);
	bench->places = calloc(sessions, sizeof(*bench->places));
	check(bench->places != NULL);
	struct cost before = meter_read(&bench->meter);
	host_open(&bench->host, &bench->crowd, users, engines, is_checked);
	report_say(&bench->report, "connecting took %.2f CPU-s",
		   meter_since(&bench->meter, &before).cpu_s);
	if (is_checked)
		judge_open(&bench->judge, &bench->crowd);
}

static void close_all(struct bench *bench)
{
	if (is_checked)
		judge_close(&bench->judge);
	host_close(&bench->host);
	free(bench->places);
	meter_close(&bench->meter);
	report_close(&bench->report);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	options_read(rows, argc, argv);
	if (active % 2 != 0 || active > friends || sessions > users || sessions <= active + 2 ||
	    sessions < engines * 16) {
		fprintf(stderr, "active is even and at most friends, sessions are more than active "
				"and at most users\n");
		return 2;
	}
	/* Brute force knows no two moves at once. */
	if (is_checked)
		batch = 1;
	open_all(&bench, argc, argv);
	run_placement(&bench, PLACEMENT_UNIFORM, "uniform");
	run_placement(&bench, PLACEMENT_CITY, "city");
	close_all(&bench);
	return 0;
}
