/*
 * Owns: the benchmark of the table of locations, beside Redis doing the same.
 * Invariant: both hold the same users and are asked for the same ones in the same order; Redis is
 *   charged with the server's CPU time alone, the table with all that its caller spends.
 * Thread: one.
 * Does not know: the segment beyond nearbyshm.h.
 *
 * Redis gets every advantage save huge pages, which it declines by default: keys of digits alone, values
 * of 32 bytes, a Unix socket, no disk, the best of several depths of the pipeline, and its client for
 * nothing. Both have many users before
 * them at once: Redis in its pipeline and lists, the table in lists of the same length, whose slots
 * it asks for ahead of their use. The table is asked by the user alone, as Redis is, and as the
 * engine asks it, with a hint kept from the last time; and one user after another, for comparison.
 * What bounds it is measured beside it: a loop that does nothing but read a line of memory of each.
 */
#include "meter.h"
#include "options.h"
#include "redis.h"
#include "report.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/id.h"
#include "nearbyshm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define TTL_S "600"
/* Slots swept at a time, as the engine does it. */
#define SWEEP_SLOTS 512
/* Writes ahead of which a slot is asked for; its tags twice as far. */
#define AHEAD 16
/* How often the table is asked for all of a run's users, so that it takes a tenth of a second and not
 * a moment of a machine that is not ours alone. Lines that it reads again are in no cache by then. */
#define PASSES 4
/* How long Redis may take to expire: 200 x 50 ms; it is done when none has gone for 20 of these. */
#define EXPIRE_POLLS 200
#define EXPIRE_POLLS_STILL 20
#define EXPIRE_POLL_NS 50000000
/* Of all users one in so many expires in a run; Redis takes its time below one in ten. */
#define AGED_SHARE 3

/* Users that are asked for at once. */
#define LIST_MAX 1000

static uint32_t users = 10000000, operations = 1000000, list = 100, runs = 5, has_redis = 1;
static const char *out = "bench-results";

static const struct option_row rows[] = {
	{ "users", "locations held", &users, 1000, 400000000, NULL },
	{ "operations", "of each kind in a run", &operations, 100, 100000000, NULL },
	{ "list", "users that one MGET, or one call, asks for", &list, 1, LIST_MAX, NULL },
	{ "runs", "measured", &runs, 1, RUNS_MAX, NULL },
	{ "redis", "0: leave Redis out", &has_redis, 0, 1, NULL },
	{ "out", "directory of the report", NULL, 0, 0, &out },
	{ 0 },
};

static const uint32_t depths[] = { 16, 64, 256, 1024 };

enum {
	WRITES,
	READS,
	WRITES_HINTED,
	READS_HINTED,
	WRITES_ALONE,
	READS_ALONE,
	LINES,
	SWEPT,
	EXPIRED,
	BYTES,
	REDIS_SETS,
	REDIS_MGETS,
	REDIS_EXPIRED,
	REDIS_BYTES,
	WRITE_RATIO,
	READ_RATIO,
	WRITE_HINTED_RATIO,
	READ_HINTED_RATIO,
	EXPIRE_RATIO,
	FIGURES
};

static const struct {
	const char *name, *unit;
} texts[FIGURES] = {
	[WRITES] = { "table, write", "1/CPU-s" },
	[READS] = { "table, read", "1/CPU-s" },
	[WRITES_HINTED] = { "table, write with a hint", "1/CPU-s" },
	[READS_HINTED] = { "table, read with a hint", "1/CPU-s" },
	[WRITES_ALONE] = { "table, write, one after another", "1/CPU-s" },
	[READS_ALONE] = { "table, read, one after another", "1/CPU-s" },
	[LINES] = { "bare loop over the same lines", "1/CPU-s" },
	[SWEPT] = { "table, sweep with one in three expired", "slots/CPU-s" },
	[EXPIRED] = { "table, expire", "1/CPU-s" },
	[BYTES] = { "table, memory", "bytes/user" },
	[REDIS_SETS] = { "Redis, SET EX", "1/server CPU-s" },
	[REDIS_MGETS] = { "Redis, MGET", "keys/server CPU-s" },
	[REDIS_EXPIRED] = { "Redis, expire", "1/server CPU-s" },
	[REDIS_BYTES] = { "Redis, memory", "bytes/user" },
	[WRITE_RATIO] = { "write to SET EX", "ratio" },
	[READ_RATIO] = { "read to MGET", "ratio" },
	[WRITE_HINTED_RATIO] = { "write with a hint to SET EX", "ratio" },
	[READ_HINTED_RATIO] = { "read with a hint to MGET", "ratio" },
	[EXPIRE_RATIO] = { "expire to Redis expire", "ratio" },
};

struct bench {
	struct nearby_segment *segment;
	nearby_hint *hints;  /* by user */
	/* The users of this run in their order, and the hints that a caller would have of them. */
	uint64_t *asked;
	nearby_hint *asked_hints;
	char instance[NEARBYSHM_INSTANCE_BYTES + 1];
	struct redis *redis; /* or NULL */
	struct meter meter;
	struct report report;
	uint64_t now_us;
	uint32_t run;
	uint64_t sum; /* of what was read, so that reading it is not left out */
	struct figure figures[FIGURES];
};

/* User `i` of a run: each once, in an order without order. */
static uint32_t user_at(const struct bench *bench, uint32_t i)
{
	uint64_t start = hash_u64(bench->run) % users;
	return (uint32_t)((start + i * UINT64_C(2654435761)) % users);
}

static void add(struct bench *bench, int figure, double amount, double cpu_s)
{
	if (cpu_s > 0)
		figure_add(&bench->figures[figure], amount / cpu_s);
}

static double cpu_since(const struct bench *bench, const struct cost *before)
{
	return meter_since(&bench->meter, before).cpu_s;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* A location that says whose it is. */
static struct nearby_location location_of(uint32_t user, uint64_t receipt_us)
{
	return (struct nearby_location){ .client_ms = user, .receipt_us = receipt_us };
}

static void refuse(const char *reason)
{
	fprintf(stderr, "no table for %u users: %s\n", users, reason);
	exit(1);
}

/* A segment as the daemon has it, pages and all. Its name goes at once, so nothing is left behind. */
static void open_segment(struct bench *bench)
{
	static const struct nearby_counter_info counter = { .name = "bench_total",
							    .help = "Not used." };
	const char *reason = "";
	enum nearby_segment_birth birth;
	snprintf(bench->instance, sizeof(bench->instance), "bench-table-%d", (int)getpid());
	struct nearby_segment_config config = { .instance = bench->instance,
						.cores = 1,
						.blocks = 1,
						.users_max = users,
						.counters = &counter,
						.counter_count = 1 };
	if (nearby_segment_create(&bench->segment, &config, &birth, &reason) < 0)
		refuse(reason);
	nearby_segment_unlink(bench->instance);
	while (nearby_segment_make_huge(bench->segment))
		;
}

/* How much of this process's shared memory is mapped in huge pages, in KiB. */
static uint64_t huge_kib(void)
{
	char line[256];
	uint64_t kib = 0;
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "ShmemPmdMapped: %" SCNu64, &kib);
	if (file != NULL)
		fclose(file);
	return kib;
}

static void open_table(struct bench *bench)
{
	open_segment(bench);
	bench->hints = calloc(users, sizeof(*bench->hints));
	bench->asked = calloc(operations, sizeof(*bench->asked));
	bench->asked_hints = calloc(operations, sizeof(*bench->asked_hints));
	if (bench->hints == NULL || bench->asked == NULL || bench->asked_hints == NULL)
		refuse("out of memory");
	for (uint32_t user = 0; user < users; user++) {
		struct nearby_location location = location_of(user, bench->now_us);
		check(nearby_table_put(bench->segment, user, &bench->hints[user], &location) == 0);
	}
	struct nearby_segment_info info;
	nearby_segment_info(bench->segment, &info);
	figure_add(&bench->figures[BYTES], (double)info.bytes / users);
	report_say(&bench->report, "segment of %" PRIu64 " MiB, %" PRIu64 " MiB in huge pages",
		   info.bytes >> 20, huge_kib() >> 10);
}

static void ask(struct bench *bench)
{
	for (uint32_t i = 0; i < operations; i++) {
		bench->asked[i] = user_at(bench, i);
		bench->asked_hints[i] = bench->hints[bench->asked[i]];
	}
}

static void write_one(struct bench *bench, uint32_t i, nearby_hint hint)
{
	struct nearby_location location = location_of((uint32_t)bench->asked[i], bench->now_us);
	check(nearby_table_put(bench->segment, bench->asked[i], &hint, &location) == 0);
}

static void write_alone(struct bench *bench)
{
	struct cost before = meter_read(&bench->meter);
	for (uint32_t i = 0; i < operations; i++)
		write_one(bench, i, 0);
	add(bench, WRITES_ALONE, operations, cpu_since(bench, &before));
}

static void write_in_order(struct bench *bench, bool is_hinted)
{
	uint32_t last = operations - 1;
	for (uint32_t i = 0; i < operations; i++) {
		uint32_t far = i + 2 * AHEAD < last ? i + 2 * AHEAD : last;
		uint32_t near = i + AHEAD < last ? i + AHEAD : last;
		if (!is_hinted)
			nearby_table_prefetch_tags(bench->segment, bench->asked[far]);
		nearby_table_prefetch(bench->segment, bench->asked[near],
				      is_hinted ? bench->asked_hints[near] : 0);
		write_one(bench, i, is_hinted ? bench->asked_hints[i] : 0);
	}
}

static void write_all(struct bench *bench, bool is_hinted)
{
	struct cost before = meter_read(&bench->meter);
	for (int pass = 0; pass < PASSES; pass++)
		write_in_order(bench, is_hinted);
	add(bench, is_hinted ? WRITES_HINTED : WRITES, (double)operations * PASSES,
	    cpu_since(bench, &before));
}

static void check_read(struct bench *bench, uint32_t i, const struct nearby_location *location)
{
	check(location->client_ms == (int64_t)bench->asked[i]);
	bench->sum += location->receipt_us;
}

static void read_alone(struct bench *bench)
{
	struct cost before = meter_read(&bench->meter);
	for (uint32_t i = 0; i < operations; i++) {
		nearby_hint hint = 0;
		struct nearby_location location;
		check(nearby_table_get(bench->segment, bench->asked[i], &hint, &location) == 0);
		check_read(bench, i, &location);
	}
	add(bench, READS_ALONE, operations, cpu_since(bench, &before));
}

static void read_in_lists(struct bench *bench, bool is_hinted)
{
	static struct nearby_location locations[LIST_MAX];
	static bool found[LIST_MAX];
	for (uint32_t i = 0; i < operations; i += list) {
		uint32_t some = operations - i < list ? operations - i : list;
		check(nearby_table_get_many(bench->segment, some, &bench->asked[i],
					    is_hinted ? &bench->asked_hints[i] : NULL, locations,
					    found) == some);
		for (uint32_t k = 0; k < some; k++)
			check_read(bench, i + k, &locations[k]);
	}
}

static void read_all(struct bench *bench, bool is_hinted)
{
	struct cost before = meter_read(&bench->meter);
	for (int pass = 0; pass < PASSES; pass++)
		read_in_lists(bench, is_hinted);
	add(bench, is_hinted ? READS_HINTED : READS, (double)operations * PASSES,
	    cpu_since(bench, &before));
}

/* Reads a word of a line each, in memory like the segment's and in the order of its slots. */
static void read_lines(struct bench *bench, const uint64_t *lines)
{
	for (uint32_t i = 0; i < operations; i++) {
		uint32_t later = i + 2 * AHEAD < operations ? i + 2 * AHEAD : i;
		__builtin_prefetch(&lines[8 * (uint64_t)bench->asked_hints[later]]);
		bench->sum += lines[8 * (uint64_t)bench->asked_hints[i]];
	}
}

static void run_lines(struct bench *bench)
{
	uint64_t slots = nearby_table_partition_slots(bench->segment) * NEARBYSHM_PARTITIONS;
	uint64_t *lines = mmap(NULL, (slots + 1) * 64, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (lines == MAP_FAILED)
		return;
	madvise(lines, (slots + 1) * 64, MADV_HUGEPAGE);
	for (uint64_t slot = 0; slot <= slots; slot++)
		lines[8 * slot] = slot;
	struct cost before = meter_read(&bench->meter);
	for (int pass = 0; pass < PASSES; pass++)
		read_lines(bench, lines);
	add(bench, LINES, (double)operations * PASSES, cpu_since(bench, &before));
	munmap(lines, (slots + 1) * 64);
}

static uint32_t aged_count(void)
{
	return users / AGED_SHARE;
}

/* Some were received too long ago. */
static void age(struct bench *bench)
{
	for (uint32_t i = 0; i < aged_count(); i++) {
		uint32_t user = user_at(bench, i);
		struct nearby_location location = location_of(user, bench->now_us - 1);
		check(nearby_table_put(bench->segment, user, &bench->hints[user], &location) == 0);
	}
}

static uint64_t sweep_all(struct bench *bench)
{
	static uint64_t removed[SWEEP_SLOTS];
	uint64_t count = 0, slots = nearby_table_partition_slots(bench->segment);
	for (uint32_t partition = 0; partition < NEARBYSHM_PARTITIONS; partition++) {
		uint32_t cursor = 0;
		for (uint64_t seen = 0; seen < slots; seen += SWEEP_SLOTS) {
			uint64_t left = slots - seen;
			uint32_t some = left < SWEEP_SLOTS ? (uint32_t)left : SWEEP_SLOTS;
			count += nearby_table_sweep(bench->segment, partition, &cursor, some,
						    bench->now_us, removed);
		}
	}
	return count;
}

static uint64_t count_all(const struct bench *bench)
{
	uint64_t count = 0;
	for (uint32_t partition = 0; partition < NEARBYSHM_PARTITIONS; partition++)
		count += nearby_table_count(bench->segment, partition);
	return count;
}

static void put_back(struct bench *bench)
{
	for (uint32_t i = 0; i < aged_count(); i++) {
		uint32_t user = user_at(bench, i);
		struct nearby_location location = location_of(user, bench->now_us);
		nearby_hint hint = 0;
		check(nearby_table_get(bench->segment, user, &hint, &location) < 0);
		check(nearby_table_put(bench->segment, user, &bench->hints[user], &location) == 0);
	}
	check(count_all(bench) == users);
}

static void expire_all(struct bench *bench)
{
	age(bench);
	struct cost before = meter_read(&bench->meter);
	uint64_t removed = sweep_all(bench);
	double cpu_s = cpu_since(bench, &before);
	uint64_t slots = nearby_table_partition_slots(bench->segment) * NEARBYSHM_PARTITIONS;
	add(bench, SWEPT, (double)slots, cpu_s);
	add(bench, EXPIRED, (double)removed, cpu_s);
	/* What a removal shifts back is looked at again, so some slots wait for the next round. */
	for (uint64_t more; (more = sweep_all(bench)) > 0;)
		removed += more;
	check(removed == aged_count() && count_all(bench) == users - removed);
	put_back(bench);
}

/* ---- Redis ----------------------------------------------------------------------------------- */

static void put_text(struct redis *redis, const char *text)
{
	redis_word(redis, text, (uint32_t)strlen(text));
}

static void put_user(struct redis *redis, uint32_t user)
{
	char digits[10];
	uint32_t at = sizeof(digits);
	do
		digits[--at] = (char)('0' + user % 10);
	while ((user /= 10) > 0);
	redis_word(redis, digits + at, (uint32_t)sizeof(digits) - at);
}

static void put_set(struct bench *bench, uint32_t user, const char *unit, const char *ttl)
{
	struct nearby_location location = location_of(user, bench->now_us);
	redis_begin(bench->redis, 5);
	put_text(bench->redis, "SET");
	put_user(bench->redis, user);
	redis_word(bench->redis, &location, sizeof(location));
	put_text(bench->redis, unit);
	put_text(bench->redis, ttl);
}

/* `count` users of the run. */
static void redis_set(struct bench *bench, uint32_t count, uint32_t depth, const char *unit,
		      const char *ttl)
{
	struct redis_replies said = { 0 };
	for (uint32_t i = 0; i < count; i += depth) {
		uint32_t some = count - i < depth ? count - i : depth;
		for (uint32_t k = 0; k < some; k++)
			put_set(bench, user_at(bench, i + k), unit, ttl);
		redis_finish(bench->redis, some, &said);
	}
	check(said.ok == count);
}

/* The first `operations` users of the run, or as many as fill whole lists. Returns how many. */
static uint32_t redis_mget(struct bench *bench, uint32_t depth)
{
	struct redis_replies said = { 0 };
	uint32_t lists = operations / list;
	for (uint32_t i = 0; i < lists; i += depth) {
		uint32_t some = lists - i < depth ? lists - i : depth;
		for (uint32_t k = 0; k < some; k++) {
			redis_begin(bench->redis, list + 1);
			put_text(bench->redis, "MGET");
			for (uint32_t j = 0; j < list; j++)
				put_user(bench->redis, user_at(bench, (i + k) * list + j));
		}
		redis_finish(bench->redis, some, &said);
	}
	check(said.bulk == (uint64_t)lists * list && said.absent == 0);
	return lists * list;
}

/* The best of all depths; of lists of users as many fewer are sent at once. */
static void run_redis_path(struct bench *bench)
{
	double sets = 0, mgets = 0;
	for (size_t i = 0; i < ARRAY_COUNT(depths); i++) {
		double before = redis_cpu_s(bench->redis);
		redis_set(bench, operations, depths[i], "EX", TTL_S);
		double between = redis_cpu_s(bench->redis);
		uint32_t keys = redis_mget(bench, 1 + depths[i] / 16);
		double after = redis_cpu_s(bench->redis);
		if (between > before && operations / (between - before) > sets)
			sets = operations / (between - before);
		if (after > between && keys / (after - between) > mgets)
			mgets = keys / (after - between);
	}
	/* In a short run the kernel's clock may not have ticked. */
	if (sets > 0)
		figure_add(&bench->figures[REDIS_SETS], sets);
	if (mgets > 0)
		figure_add(&bench->figures[REDIS_MGETS], mgets);
}

static void redis_debug(struct bench *bench, const char *is_active)
{
	struct redis_replies said = { 0 };
	redis_begin(bench->redis, 3);
	put_text(bench->redis, "DEBUG");
	put_text(bench->redis, "SET-ACTIVE-EXPIRE");
	put_text(bench->redis, is_active);
	redis_finish(bench->redis, 1, &said);
	check(said.ok == 1);
}

static int64_t redis_size(struct bench *bench)
{
	struct redis_replies said = { 0 };
	redis_begin(bench->redis, 1);
	put_text(bench->redis, "DBSIZE");
	redis_finish(bench->redis, 1, &said);
	return said.sum;
}

/* It expires in the background, and leaves the last for later. Returns how many are left. */
static int64_t wait_for_expiry(struct bench *bench, int64_t least)
{
	struct timespec wait = { .tv_nsec = EXPIRE_POLL_NS };
	int64_t size = users, before;
	int polls = 0, polls_still = 0;
	while (polls++ < EXPIRE_POLLS && polls_still < EXPIRE_POLLS_STILL && size > least) {
		nanosleep(&wait, NULL);
		before = size;
		size = redis_size(bench);
		polls_still = before == size ? polls_still + 1 : 0;
	}
	return size;
}

static void run_redis_expiry(struct bench *bench)
{
	redis_debug(bench, "0");
	redis_set(bench, aged_count(), 256, "PX", "1");
	double before = redis_cpu_s(bench->redis);
	int64_t left = (int64_t)(users - aged_count());
	redis_debug(bench, "1");
	int64_t size = wait_for_expiry(bench, left);
	add(bench, REDIS_EXPIRED, (double)((int64_t)users - size),
	    redis_cpu_s(bench->redis) - before);
	check(size >= left && size <= (int64_t)users);
	redis_set(bench, aged_count(), 256, "EX", TTL_S);
}

static void fill_redis(struct bench *bench)
{
	bench->run = 0;
	redis_set(bench, users, 256, "EX", "86400");
	check(redis_size(bench) == (int64_t)users);
	figure_add(&bench->figures[REDIS_BYTES], redis_memory_bytes(bench->redis) / users);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void add_ratio(struct bench *bench, int ratio, int ours, int theirs)
{
	const struct figure *of = &bench->figures[theirs];
	if (of->count > bench->figures[ratio].count)
		figure_add(&bench->figures[ratio],
			   bench->figures[ours].values[bench->run] / of->values[of->count - 1]);
}

static void run_once(struct bench *bench)
{
	ask(bench);
	run_lines(bench);
	write_alone(bench);
	read_alone(bench);
	write_all(bench, false);
	read_all(bench, false);
	write_all(bench, true);
	read_all(bench, true);
	expire_all(bench);
	if (bench->redis == NULL)
		return;
	run_redis_path(bench);
	run_redis_expiry(bench);
	add_ratio(bench, WRITE_RATIO, WRITES, REDIS_SETS);
	add_ratio(bench, READ_RATIO, READS, REDIS_MGETS);
	add_ratio(bench, WRITE_HINTED_RATIO, WRITES_HINTED, REDIS_SETS);
	add_ratio(bench, READ_HINTED_RATIO, READS_HINTED, REDIS_MGETS);
	add_ratio(bench, EXPIRE_RATIO, EXPIRED, REDIS_EXPIRED);
}

static void open_redis(struct bench *bench)
{
	const char *reason = "left out by --redis=0";
	if (!has_redis || !redis_open(&bench->redis, &reason)) {
		report_say(&bench->report, "Redis: skipped, %s", reason);
		return;
	}
	report_say(&bench->report, "Redis %s on a Unix socket, nothing on disk",
		   redis_version(bench->redis));
	fill_redis(bench);
}

static void report_all(struct bench *bench)
{
	report_part(&bench->report, "table");
	for (int i = 0; i < FIGURES; i++)
		if (bench->figures[i].count > 0)
			report_figure(&bench->report, "table", texts[i].name, texts[i].unit,
				      &bench->figures[i]);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	options_read(rows, argc, argv);
	if (operations > users || operations < list) {
		fprintf(stderr, "operations are at most users, and at least one list\n");
		return 2;
	}
	bench.now_us = boot_us();
	meter_open(&bench.meter);
	report_open(&bench.report, out, "table", argc, argv);
	report_say(&bench.report, "%u users, %u operations of each kind a run, MGET of %u", users,
		   operations, list);
	open_table(&bench);
	open_redis(&bench);
	for (bench.run = 0; bench.run < runs; bench.run++)
		run_once(&bench);
	check(bench.sum > 0);
	report_all(&bench);
	report_close(&bench.report);
	if (bench.redis != NULL)
		redis_close(&bench.redis);
	nearby_segment_close(&bench.segment);
	free(bench.hints);
	free(bench.asked);
	free(bench.asked_hints);
	meter_close(&bench.meter);
	return 0;
}
