/*
 * Owns: the benchmark of history: what it costs to keep locations and to read them, beside a put for
 *   each in LMDB and a row for each in SQLite.
 * Invariant: all are given the same locations in the same commits, each synced; CPU is that of who
 *   keeps them, from the append on, merges included, and never of who makes them up.
 * Thread: one; the store has its own.
 * Does not know: how history is laid out.
 *
 * Three parts. "beside": all three take the same locations. "peak": the store alone takes the
 * locations of a peak hour, as many a second as a window then holds. "day": it takes whole days of
 * fewer users, so that one can be read; there a commit holds few, and its sync costs most.
 */
#include "keeper.h"
#include "options.h"
#include "report.h"
#include "rows.h"
#include "trail.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOUR_LOCATIONS = 3600 / TRAIL_PERIOD_S };
/* A long run is five figures: of its first fifth, and so on. */
enum { PARTS = 5 };
/* Users whose days are read in a round. */
enum { READERS = 200, COLD_READERS = 20 };

static struct {
	uint32_t locations, users, peak, peak_users, day, day_hours, runs, seed;
	const char *out, *scratch, *file;
} options = { .locations = 1000000,
	      .users = 100000,
	      .peak = 120000000, /* 3,600 windows: an hour, three whole runs of 20 minutes */
	      .peak_users = 1000000,
	      .day = 100000000,
	      .day_hours = 24,
	      .runs = 5,
	      .seed = 1,
	      .out = "bench-results",
	      .scratch = "/tmp",
	      .file = "" };

static const struct option_row rows[] = {
	{ "locations", "that all three take in a run; 0: leave this part out", &options.locations,
	  0, 1000000000, NULL },
	{ "users", "who send them", &options.users, TRAIL_PERIOD_S, 100000000, NULL },
	{ "peak", "locations of a peak hour; 0: leave this part out", &options.peak, 0, 4000000000,
	  NULL },
	{ "peak-users", "who send them", &options.peak_users, TRAIL_PERIOD_S, 100000000, NULL },
	{ "day", "locations of whole days; 0: leave this part out", &options.day, 0, 4000000000,
	  NULL },
	{ "day-hours", "of them", &options.day_hours, 1, 1000, NULL },
	{ "runs", "measured, and rounds of reading", &options.runs, 1, RUNS_MAX, NULL },
	{ "seed", "of the walkers", &options.seed, 0, UINT32_MAX, NULL },
	{ "file", "rows of time, user, lat, lon that all three take, too", NULL, 0, 0,
	  &options.file },
	{ "scratch", "directory on the disk to be measured", NULL, 0, 0, &options.scratch },
	{ "out", "directory of the report", NULL, 0, 0, &options.out },
	{ 0 },
};

/* What a way of keeping cost. */
struct toll {
	uint64_t locations;
	double cpu_s;
	double wall_s;
	uint64_t bytes;
};

struct bench {
	struct report report;
	char directory[4096];
};

/* Another hash of one and the same location, so that sums of them tell lists apart. */
static uint64_t point_hash(const struct store_point *point)
{
	uint64_t place =
		(uint64_t)(uint32_t)point->place.lat_e7 << 32 | (uint32_t)point->place.lon_e7;
	return hash_u64(hash_u64(point->user.value) + hash_u64((uint64_t)point->ts_ms) * 3 +
			hash_u64(place) * 5);
}

static void digest_add(void *digest, const struct store_point *points, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		*(uint64_t *)digest += point_hash(&points[i]);
}

/* ---- the scratch directory ------------------------------------------------------------------- */

static void directory_make(struct bench *bench)
{
	snprintf(bench->directory, sizeof(bench->directory), "%s/nearby-history-XXXXXX",
		 options.scratch);
	if (mkdtemp(bench->directory) == NULL) {
		perror(bench->directory);
		exit(1);
	}
}

static void directory_remove(struct bench *bench)
{
	static const char *const names[] = { "history.mdb",   "history.mdb-lock",
					     "users.mdb",     "users.mdb-lock",
					     "lock",	      "rows.mdb",
					     "rows.mdb-lock", "rows.sqlite" };
	char path[4200];
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", bench->directory, names[i]);
		unlink(path);
	}
	rmdir(bench->directory);
}

/* ---- keeping --------------------------------------------------------------------------------- */

static void second_keep(struct keeper *keeper, const struct store_point *points, uint32_t count,
			struct toll *toll)
{
	double wall_s = (double)boot_us() / 1e6, cpu_s = thread_cpu_s();
	keeper_second(keeper, points, count);
	toll->cpu_s += thread_cpu_s() - cpu_s;
	toll->wall_s += (double)boot_us() / 1e6 - wall_s;
	toll->locations += count;
}

/* The next seconds, until `locations` are kept. */
static struct toll trail_keep(struct keeper *keeper, struct trail *trail, uint64_t locations,
			      uint64_t *digest)
{
	struct toll toll = { .locations = 0 };
	double cpu_s = keeper_cpu_s();
	while (toll.locations < locations && !trail_is_over(trail)) {
		const struct store_point *points;
		uint32_t count = trail_second(trail, &points);
		digest_add(digest, points, count);
		second_keep(keeper, points, count, &toll);
	}
	toll.cpu_s += keeper_cpu_s() - cpu_s;
	return toll;
}

/* Merges what is left to be merged, at the cost of the toll. */
static void toll_merge(struct bench *bench, struct toll *toll)
{
	double cpu_s = thread_cpu_s();
	toll->bytes = keeper_merge_all(bench->directory);
	toll->cpu_s += thread_cpu_s() - cpu_s;
}

/* All comes back, and as it was. */
static void export_check(struct keeper *keeper, uint64_t locations, uint64_t digest)
{
	uint64_t exported = 0;
	struct store_request all = { .op = STORE_EXPORT, .from_ms = INT64_MIN, .to_ms = INT64_MAX };
	check(keeper_read(keeper, all, digest_add, &exported) == locations && exported == digest);
}

/* ---- beside others --------------------------------------------------------------------------- */

static struct trail *beside_trail(bool is_file)
{
	return is_file ? trail_read(options.file) : trail_open(options.users, options.seed);
}

static struct toll beside_ours(struct bench *bench, bool is_file)
{
	uint64_t digest = 0;
	struct trail *trail = beside_trail(is_file);
	directory_make(bench);
	struct keeper *keeper = keeper_open(bench->directory);
	struct toll toll =
		trail_keep(keeper, trail, is_file ? UINT64_MAX : options.locations, &digest);
	keeper_close(&keeper);
	toll_merge(bench, &toll);
	keeper = keeper_open(bench->directory);
	export_check(keeper, toll.locations, digest);
	keeper_close(&keeper);
	directory_remove(bench);
	trail_close(&trail);
	return toll;
}

static struct toll beside_rows(struct bench *bench, const struct rows_kind *kind, bool is_file)
{
	struct toll toll = { .locations = 0 };
	struct trail *trail = beside_trail(is_file);
	directory_make(bench);
	void *kept = kind->open(bench->directory);
	while (kept != NULL && !trail_is_over(trail) &&
	       (is_file || toll.locations < options.locations)) {
		const struct store_point *points;
		uint32_t count = trail_second(trail, &points);
		double wall_s = (double)boot_us() / 1e6, cpu_s = thread_cpu_s();
		kind->put(kept, points, count);
		toll.cpu_s += thread_cpu_s() - cpu_s;
		toll.wall_s += (double)boot_us() / 1e6 - wall_s;
		toll.locations += count;
	}
	if (kept != NULL) {
		check(is_file || kind->count(kept) == toll.locations);
		double cpu_s = thread_cpu_s();
		toll.bytes = kind->close(kept);
		toll.cpu_s += thread_cpu_s() - cpu_s;
	}
	directory_remove(bench);
	trail_close(&trail);
	return toll;
}

/* Of one way of keeping, over the runs. */
struct toll_figures {
	struct figure rate, bytes, wall, ratio;
};

static void toll_add(struct toll_figures *figures, const struct toll *toll)
{
	figure_add(&figures->rate, (double)toll->locations / toll->cpu_s);
	figure_add(&figures->wall, (double)toll->locations / toll->wall_s);
	if (toll->bytes > 0)
		figure_add(&figures->bytes, (double)toll->bytes / (double)toll->locations);
}

static void toll_report(struct bench *bench, const char *part, const char *name,
			const struct toll_figures *figures)
{
	char text[64];
	snprintf(text, sizeof(text), "%s, kept", name);
	report_figure(&bench->report, part, text, "locations/CPU-s", &figures->rate);
	report_figure(&bench->report, part, text, "locations/s", &figures->wall);
	if (figures->bytes.count > 0)
		report_figure(&bench->report, part, text, "bytes/location", &figures->bytes);
	snprintf(text, sizeof(text), "ours to %s", name);
	if (figures->ratio.count > 0)
		report_figure(&bench->report, part, text, "ratio per CPU-s", &figures->ratio);
}

static void run_beside(struct bench *bench, const char *part, bool is_file)
{
	static const struct rows_kind *const kinds[] = { &rows_lmdb, &rows_sqlite };
	struct toll_figures ours = { .rate = { 0 } }, theirs[ARRAY_COUNT(kinds)] = { 0 };
	for (uint32_t run = 0; run < options.runs; run++) {
		struct toll toll = beside_ours(bench, is_file);
		toll_add(&ours, &toll);
		for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
			struct toll other = beside_rows(bench, kinds[i], is_file);
			if (other.locations == 0)
				continue;
			toll_add(&theirs[i], &other);
			figure_add(&theirs[i].ratio, (double)toll.locations / toll.cpu_s *
							     other.cpu_s / (double)other.locations);
		}
	}
	report_part(&bench->report, part);
	toll_report(bench, part, "ours", &ours);
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		if (theirs[i].rate.count > 0)
			toll_report(bench, part, kinds[i]->name, &theirs[i]);
}

/* ---- the store alone ------------------------------------------------------------------------- */

/* Keeps `locations` in five parts and merges; returns the digest. */
static uint64_t fill(struct bench *bench, const char *part, struct trail *trail, uint64_t locations,
		     struct toll *sum)
{
	struct toll_figures figures = { .rate = { 0 } };
	struct toll_figures whole = { .rate = { 0 } };
	uint64_t digest = 0;
	*sum = (struct toll){ .locations = 0 };
	struct keeper *keeper = keeper_open(bench->directory);
	for (int i = 0; i < PARTS; i++) {
		struct toll toll = trail_keep(keeper, trail, locations / PARTS, &digest);
		toll_add(&figures, &toll);
		sum->locations += toll.locations;
		sum->cpu_s += toll.cpu_s;
		sum->wall_s += toll.wall_s;
	}
	keeper_close(&keeper);
	toll_merge(bench, sum);
	toll_add(&whole, sum);
	report_part(&bench->report, part);
	toll_report(bench, part, "a fifth", &figures);
	toll_report(bench, part, "all, merged", &whole);
	return digest;
}

static void run_peak(struct bench *bench)
{
	struct toll toll;
	struct trail *trail = trail_open(options.peak_users, options.seed);
	directory_make(bench);
	uint64_t digest = fill(bench, "peak", trail, options.peak, &toll);
	struct keeper *keeper = keeper_open(bench->directory);
	export_check(keeper, toll.locations, digest);
	keeper_close(&keeper);
	directory_remove(bench);
	trail_close(&trail);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* How long the reading of one user's all took, in ms. */
static double day_read_ms(struct keeper *keeper, const struct trail *trail, uint32_t users,
			  uint64_t draw, uint64_t locations_each)
{
	uint64_t digest = 0;
	struct store_request request = { .op = STORE_HISTORY,
					 .user = trail_user(trail,
							    (uint32_t)(hash_u64(draw) % users)),
					 .from_ms = INT64_MIN,
					 .to_ms = INT64_MAX };
	uint64_t start_us = boot_us();
	uint64_t count = keeper_read(keeper, request, digest_add, &digest);
	double took_ms = (double)(boot_us() - start_us) / 1e3;
	check(count >= locations_each && count <= locations_each + 1);
	return took_ms;
}

struct read_figures {
	struct figure warm_median, warm_p99, cold_median, cold_max, exported, exported_wall;
};

static void days_read_warm(struct bench *bench, const struct trail *trail, uint32_t users,
			   uint64_t each, uint32_t round, struct read_figures *figures)
{
	double took_ms[READERS];
	struct keeper *keeper = keeper_open(bench->directory);
	for (int again = 0; again < 2; again++)
		for (uint32_t i = 0; i < READERS; i++)
			took_ms[i] = day_read_ms(keeper, trail, users, round * 1000 + i, each);
	keeper_close(&keeper);
	qsort(took_ms, READERS, sizeof(took_ms[0]), compare);
	figure_add(&figures->warm_median, took_ms[READERS / 2]);
	figure_add(&figures->warm_p99, took_ms[READERS * 99 / 100]);
}

static void days_read_cold(struct bench *bench, const struct trail *trail, uint32_t users,
			   uint64_t each, uint32_t round, struct read_figures *figures)
{
	double took_ms[COLD_READERS];
	for (uint32_t i = 0; i < COLD_READERS; i++) {
		keeper_forget(bench->directory);
		struct keeper *keeper = keeper_open(bench->directory);
		took_ms[i] = day_read_ms(keeper, trail, users, round * 1000 + i + 500, each);
		keeper_close(&keeper);
	}
	qsort(took_ms, COLD_READERS, sizeof(took_ms[0]), compare);
	figure_add(&figures->cold_median, took_ms[COLD_READERS / 2]);
	figure_add(&figures->cold_max, took_ms[COLD_READERS - 1]);
}

static void export_measure(struct bench *bench, uint64_t locations, uint64_t digest,
			   struct read_figures *figures)
{
	struct keeper *keeper = keeper_open(bench->directory);
	double cpu_s = keeper_cpu_s(), wall_s = (double)boot_us() / 1e6;
	export_check(keeper, locations, digest);
	figure_add(&figures->exported, (double)locations / (keeper_cpu_s() - cpu_s));
	figure_add(&figures->exported_wall, (double)locations / ((double)boot_us() / 1e6 - wall_s));
	keeper_close(&keeper);
}

/* As many as send `day` locations in so many hours. */
static uint32_t day_users(void)
{
	uint32_t each = HOUR_LOCATIONS * options.day_hours;
	uint32_t users = options.day / each;
	return users > TRAIL_PERIOD_S ? users : TRAIL_PERIOD_S;
}

static void run_day(struct bench *bench)
{
	static struct read_figures figures;
	struct toll toll;
	uint32_t users = day_users();
	struct trail *trail = trail_open(users, options.seed);
	directory_make(bench);
	uint64_t digest = fill(bench, "day", trail, options.day, &toll);
	uint64_t each = toll.locations / users;
	for (uint32_t round = 0; round < options.runs; round++) {
		days_read_cold(bench, trail, users, each, round, &figures);
		days_read_warm(bench, trail, users, each, round, &figures);
		export_measure(bench, toll.locations, digest, &figures);
	}
	report_figure(&bench->report, "day", "a user's day, cold, median", "ms",
		      &figures.cold_median);
	report_figure(&bench->report, "day", "a user's day, cold, worst of 20", "ms",
		      &figures.cold_max);
	report_figure(&bench->report, "day", "a user's day, warm, median", "ms",
		      &figures.warm_median);
	report_figure(&bench->report, "day", "a user's day, warm, p99", "ms", &figures.warm_p99);
	report_figure(&bench->report, "day", "export", "locations/CPU-s", &figures.exported);
	report_figure(&bench->report, "day", "export", "locations/s", &figures.exported_wall);
	directory_remove(bench);
	trail_close(&trail);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	options_read(rows, argc, argv);
	report_open(&bench.report, options.out, "history", argc, argv);
	report_say(&bench.report, "%s %s, %s %s; scratch %s", rows_lmdb.name, rows_lmdb.version(),
		   rows_sqlite.name, rows_sqlite.version(), options.scratch);
	report_say(
		&bench.report,
		"a commit a second: beside %u locations, peak %u, day %u; one export is digested "
		"and compared after each fill",
		options.users / TRAIL_PERIOD_S, options.peak_users / TRAIL_PERIOD_S,
		day_users() / TRAIL_PERIOD_S);
	if (options.locations > 0)
		run_beside(&bench, "beside", false);
	if (*options.file != '\0')
		run_beside(&bench, "file", true);
	if (options.peak > 0)
		run_peak(&bench);
	if (options.day > 0)
		run_day(&bench);
	report_close(&bench.report);
	return 0;
}
