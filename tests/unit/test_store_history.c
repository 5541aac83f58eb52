/*
 * Owns: what history.h promises: every point once, whatever was merged, retired or hidden.
 * Invariant: none of its own; random choices come from a fixed seed.
 * Thread: one.
 * Does not know: clients and threads.
 *
 * Beside each history stands a plain array of all its points: the right answer is its filter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <time.h>

#include "store/bits.h"
#include "store/history.h"
#include "store/lmdb.h"
#include "store/page.h"
#include "store/point.h"
#include "store/recent.h"
#include "store/run.h"
#include "store/warm.h"

#include "store_fixture.h"

enum { MAP_BYTES = 1 << 30 };

static struct {
	char dir[64];
	struct history *history;
	struct store_point *points; /* all that was committed, in that order */
	size_t count;
	size_t capacity;
	uint64_t seed;
} world;

static int setup(void **state)
{
	(void)state;
	const char *reason;
	memset(&world, 0, sizeof(world));
	/* Thousands of commits: in memory where that can be had. */
	strcpy(world.dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/nearby-history-XXXXXX"
							: "/tmp/nearby-history-XXXXXX");
	assert_non_null(mkdtemp(world.dir));
	return history_open(&world.history, world.dir, MAP_BYTES, &reason);
}

static int teardown(void **state)
{
	(void)state;
	history_close(&world.history);
	directory_remove(world.dir);
	free(world.points);
	return 0;
}

static uint64_t random_below(uint64_t end)
{
	return hash_u64(world.seed++) % end;
}

static void reopen(void)
{
	const char *reason = "";
	history_close(&world.history);
	if (history_check(world.dir, &reason) != 0)
		fail_msg("%s", reason);
	assert_int_equal(history_open(&world.history, world.dir, MAP_BYTES, &reason), 0);
}

/* Commits these points as one window, received at a time: most from where merges then find them in memory, and
 * some from elsewhere, so that merges take both. */
static void commit_at(const struct store_point *points, size_t count, int64_t receipt_ms)
{
	bool is_kept = hash_u64(world.count) % 4 != 0;
	struct store_point *memory = malloc(2 * count * sizeof(*memory));
	struct store_point *sorted = is_kept ? history_room(world.history, count) : memory + count;
	if (world.count + count > world.capacity) {
		world.capacity = (world.count + count) * 2;
		world.points = realloc(world.points, world.capacity * sizeof(*points));
	}
	memcpy(world.points + world.count, points, count * sizeof(*points));
	world.count += count;
	memcpy(sorted, points, count * sizeof(*points));
	points_sort(sorted, memory, count);
	struct history_window window = { sorted, count, receipt_ms, receipt_ms };
	assert_int_equal(history_commit(world.history, &window), 0);
	free(memory);
}

static struct history_upkeep upkeep(uint64_t points_max)
{
	struct history_upkeep done;
	assert_int_equal(history_upkeep(world.history, NULL, points_max, INT64_MIN, &done), 0);
	return done;
}

static void upkeep_to_the_end(void)
{
	while (upkeep(1 << 20).more)
		;
}

/* Some hundred windows of random users at random times. */
static void commit_windows(unsigned windows, size_t most_points, uint64_t users)
{
	struct store_point *points = malloc(most_points * sizeof(*points));
	for (unsigned window = 0; window < windows; window++) {
		size_t count = 1 + random_below(most_points);
		for (size_t i = 0; i < count; i++)
			points[i] =
				(struct store_point){ { random_below(users) },
						      (int64_t)(window * 1000 + random_below(5000)),
						      { (int32_t)random_below(1000), (int32_t)i } };
		commit_at(points, count, window * 1000);
	}
	free(points);
}

static int compare_points(const void *a, const void *b)
{
	return point_compare(a, b);
}

static struct points read_all(struct store_request request)
{
	struct points points = { NULL, 0 };
	do {
		assert_int_equal(history_read(world.history, &request), 0);
		assert_true(request.point_count <= STORE_PORTION_MAX);
		points.list = realloc(points.list, (points.count + request.point_count + 1) *
							   sizeof(*points.list));
		if (request.point_count > 0)
			memcpy(points.list + points.count, request.points,
			       request.point_count * sizeof(*points.list));
		points.count += request.point_count;
	} while (request.more);
	store_request_fini(&request);
	return points;
}

/* Expects what the array holds of one user (or of all) in a range of time. */
static void assert_history(bool all, uint64_t user, int64_t from_ms, int64_t to_ms)
{
	struct store_request request = { .op = all ? STORE_EXPORT : STORE_HISTORY,
					 .user = { user },
					 .from_ms = from_ms,
					 .to_ms = to_ms };
	struct points points = read_all(request);
	struct store_point *wanted = malloc((world.count + 1) * sizeof(*wanted));
	size_t count = 0;
	for (size_t i = 0; i < world.count; i++)
		if ((all || world.points[i].user.value == user) &&
		    world.points[i].ts_ms >= from_ms && world.points[i].ts_ms < to_ms)
			wanted[count++] = world.points[i];
	qsort(wanted, count, sizeof(*wanted), compare_points);
	assert_int_equal(points.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(point_compare(&points.list[i], &wanted[i]), 0);
	free(points.list);
	free(wanted);
}

static void assert_everything(uint64_t users)
{
	assert_history(true, 0, INT64_MIN, INT64_MAX);
	for (unsigned i = 0; i < 20; i++) {
		int64_t from_ms = (int64_t)random_below(100000);
		uint64_t user = random_below(users);
		assert_history(false, user, INT64_MIN, INT64_MAX);
		assert_history(false, user, from_ms, from_ms + (int64_t)random_below(50000));
		assert_history(true, 0, from_ms, from_ms + (int64_t)random_below(50000));
	}
}

/* ---- stories -------------------------------------------------------------------------------- */

static void an_empty_history_answers_with_nothing(void **state)
{
	(void)state;
	assert_history(true, 0, INT64_MIN, INT64_MAX);
	assert_history(false, 7, INT64_MIN, INT64_MAX);
	assert_false(upkeep(100).more);
	reopen();
}

static void ranges_equal_a_filter_before_and_after_merging(void **state)
{
	(void)state;
	commit_windows(200, 400, 50);
	assert_everything(50);
	upkeep_to_the_end();
	assert_everything(50);
	reopen();
	assert_everything(50);
}

/* Merges in steps of so many points, and looks at everything after each. Returns how many steps. */
static unsigned merge_watched(uint64_t points_max, uint64_t users)
{
	unsigned steps = 0;
	while (upkeep(points_max).more) {
		assert_history(true, 0, INT64_MIN, INT64_MAX);
		for (uint64_t user = 0; user < users; user += 3)
			assert_history(false, user, INT64_MIN, INT64_MAX);
		/* A new start goes on where the last step ended. */
		reopen();
		steps++;
	}
	return steps;
}

static void every_step_of_a_merge_leaves_each_point_once(void **state)
{
	(void)state;
	commit_windows(RUN_FAN_IN, 300, 40);
	assert_true(merge_watched(200, 40) > 10);
}

static void so_it_does_when_a_user_fills_many_blocks(void **state)
{
	(void)state;
	commit_windows(RUN_FAN_IN, 6000, 6);
	/* One user a step, and a last one that finds none. */
	assert_int_equal(merge_watched(1, 6), 7);
}

/* Keeps a window of so many points, which are not looked at. */
static void keep(struct recent *recent, uint64_t number, size_t count)
{
	recent_keep(recent, recent_room(recent, count), count, number);
}

static void windows_in_memory_are_the_latest_for_which_there_is_room(void **state)
{
	(void)state;
	enum { THIRD = RECENT_POINTS_MAX / 3 };
	struct recent recent;
	assert_int_equal(recent_open(&recent), 0);
	keep(&recent, 1, THIRD);
	keep(&recent, 2, THIRD);
	keep(&recent, 4, THIRD);
	assert_ptr_equal(recent_find(&recent, 1).points, recent.points);
	assert_int_equal(recent_find(&recent, 2).count, THIRD);
	assert_null(recent_find(&recent, 3).points);
	/* Round to the start, in the place of the oldest. */
	keep(&recent, 5, THIRD);
	assert_null(recent_find(&recent, 1).points);
	assert_ptr_equal(recent_find(&recent, 5).points, recent.points);
	/* What fits behind it has to give way to nothing. */
	recent_forget(&recent, 2);
	assert_null(recent_find(&recent, 2).points);
	keep(&recent, 6, THIRD);
	assert_int_equal(recent_find(&recent, 4).count, THIRD);
	/* Not from where room was made: it stays in the file alone. */
	recent_keep(&recent, recent_room(&recent, 1) + 1, 1, 7);
	assert_null(recent_find(&recent, 7).points);
	/* All of it. */
	keep(&recent, 8, RECENT_POINTS_MAX);
	assert_null(recent_find(&recent, 6).points);
	assert_int_equal(recent_find(&recent, 8).count, RECENT_POINTS_MAX);
	for (uint64_t number = 9; number < 9 + 2 * RECENT_WINDOWS_MAX; number++)
		keep(&recent, number, 1);
	assert_null(recent_find(&recent, 8).points);
	assert_int_equal(recent_find(&recent, 8 + 2 * RECENT_WINDOWS_MAX).count, 1);
	recent_close(&recent);
}

static void merging_keeps_the_number_of_runs_small(void **state)
{
	(void)state;
	uint64_t merges = 0;
	for (unsigned window = 0; window < 2 * RUN_FAN_IN * RUN_FAN_IN_OF_1; window++) {
		struct store_point point = { { window % 7 }, window, { 1, 1 } };
		commit_at(&point, 1, window);
		merges += upkeep(1000).merges;
	}
	for (struct history_upkeep done = { .more = true }; done.more; merges += done.merges)
		done = upkeep(1000);
	assert_int_equal(merges, 2 * RUN_FAN_IN_OF_1 + 2);
	struct run_list list;
	struct lmdb_txn txn;
	lmdb_begin_read(history_lmdb(world.history), &txn);
	assert_true(run_list_load(&list, &txn));
	assert_int_equal(list.count, 2);
	run_list_free(&list);
	lmdb_abort(&txn);
	assert_everything(7);
}

static void fetching_ahead_changes_nothing(void **state)
{
	(void)state;
	const struct run *runs[2 * RUN_FAN_IN];
	struct run_list list;
	struct lmdb_txn txn;
	commit_windows(RUN_FAN_IN, 3000, 40);
	commit_windows(RUN_FAN_IN - 1, 300, 40);
	upkeep(20000); /* in the middle of a merge */
	lmdb_begin_read(history_lmdb(world.history), &txn);
	assert_true(run_list_load(&list, &txn));
	assert_in_range(list.count, RUN_FAN_IN, 2 * RUN_FAN_IN);
	for (uint32_t i = 0; i < list.count; i++)
		runs[i] = &list.runs[i];
	for (uint64_t user = 0; user < 50; user += 7)
		warm_user(&txn, runs, list.count, (struct user_id){ user });
	warm_user(&txn, runs, 1, (struct user_id){ USER_ID_MAX });
	warm_user(&txn, runs, 0, (struct user_id){ 0 });
	assert_int_equal(txn.error, 0);
	run_list_free(&list);
	lmdb_abort(&txn);
	assert_everything(40);
	/* Nothing of it is left that would keep a writer out. */
	upkeep_to_the_end();
	assert_everything(40);
}

/* Whether the ways from the root to a user's blocks lead to this page. */
static bool leads_to(const struct lmdb_tree *tree, uint64_t page, uint32_t levels, const struct run *run,
		     uint64_t user, uint64_t wanted)
{
	uint64_t below[16];
	uint8_t *bytes = malloc(tree->page_bytes);
	struct run_block_key from = run_block_key(run->first_window, user, 0);
	struct run_block_key to = run_block_key(run->first_window, user, UINT32_MAX);
	off_t at = (off_t)(page * tree->page_bytes);
	assert_int_equal(pread(tree->fd, bytes, tree->page_bytes, at), tree->page_bytes);
	uint32_t count = page_below(bytes, tree->page_bytes, page, (struct bytes){ from.bytes, sizeof(from.bytes) },
				    (struct bytes){ to.bytes, sizeof(to.bytes) }, levels == 1, below, 16);
	/* Of a branch all is read, and of a leaf nothing. */
	assert_int_equal(count > 0, levels > 0);
	bool leads = levels == 0 && page == wanted;
	for (uint32_t i = 0; i < count; i++)
		leads |= leads_to(tree, below[i], levels - 1, run, user, wanted);
	free(bytes);
	return leads;
}

static void pages_lead_to_where_a_cursor_finds_a_user(void **state)
{
	(void)state;
	struct run_list list;
	struct lmdb_txn txn;
	struct lmdb_tree tree;
	uint64_t seen = 0;
	commit_windows(3, 50000, 100000);
	lmdb_begin_read(history_lmdb(world.history), &txn);
	assert_true(run_list_load(&list, &txn));
	assert_true(lmdb_tree(&txn, RUN_TABLE_TIER0 + 1, &tree));
	assert_int_equal(tree.depth, 0);
	assert_true(lmdb_tree(&txn, RUN_TABLE_TIER0, &tree));
	assert_in_range(tree.depth, 2, 4);
	for (uint32_t i = 0; i < list.count; i++)
		for (uint64_t user = 0; user < 100000; user += 77) {
			struct run_reader reader;
			uint64_t page;
			run_reader_open(&reader, &txn, &list.runs[i], user);
			if (reader.has_block) {
				uintptr_t at = (uintptr_t)reader.cursor.value.at & ~(tree.page_bytes - 1);
				memcpy(&page, (const void *)at, sizeof(page));
				seen += leads_to(&tree, tree.root, tree.depth - 1, &list.runs[i], user, page);
			}
			run_reader_close(&reader);
		}
	/* All but users with whom a page begins, whose block may be the last of the page before. */
	assert_in_range(seen, list.count * (100000 / 77) - 3, list.count * (100000 / 77 + 1));
	run_list_free(&list);
	lmdb_abort(&txn);
}

static void an_export_that_pauses_while_runs_are_merged_still_gives_each_point_once(void **state)
{
	(void)state;
	commit_windows(RUN_FAN_IN, 6000, 500);
	struct store_request request = { .op = STORE_EXPORT,
					 .from_ms = INT64_MIN,
					 .to_ms = INT64_MAX };
	size_t count = 0;
	do {
		assert_int_equal(history_read(world.history, &request), 0);
		for (uint32_t i = 1; i < request.point_count; i++)
			assert_true(point_compare(&request.points[i - 1], &request.points[i]) <= 0);
		count += request.point_count;
		upkeep(7000);
	} while (request.more);
	assert_int_equal(count, world.count);
	store_request_fini(&request);
}

static void a_user_with_more_than_a_portion_is_exported_whole_among_others(void **state)
{
	(void)state;
	struct store_point *points = malloc(50000 * sizeof(*points));
	for (unsigned window = 0; window < 4; window++) {
		for (size_t i = 0; i < 50000; i++)
			points[i] = (struct store_point){ { i % 5 == 0 ? i : 777 },
							  (int64_t)(window * 50000 + i),
							  { 1, (int32_t)i } };
		commit_at(points, 50000, window);
	}
	free(points);
	assert_history(true, 0, INT64_MIN, INT64_MAX);
	assert_history(false, 777, 1000, 190000);
}

static void a_clock_that_steps_back_changes_no_order_and_loses_nothing(void **state)
{
	(void)state;
	for (int64_t window = 0; window < 100; window++) {
		struct store_point point = { { 7 }, 100000 - 1000 * window, { 1, 1 } };
		commit_at(&point, 1, 100000 - 1000 * window);
		upkeep(1000);
	}
	assert_everything(8);
	reopen();
	assert_everything(8);
}

static void what_is_older_than_the_retention_goes_whole_runs_at_a_time(void **state)
{
	(void)state;
	commit_windows(10 * RUN_FAN_IN, 50, 20);
	upkeep_to_the_end();
	uint64_t before = upkeep(1000).blocks;
	struct history_upkeep done;
	/* The middle of the third run: two are past it whole. */
	int64_t retain_from_ms = (int64_t)(2.5 * RUN_FAN_IN * 1000);
	assert_int_equal(history_upkeep(world.history, NULL, 1000, retain_from_ms, &done), 0);
	assert_true(done.retired > 0);
	assert_int_equal(done.blocks, before - done.retired);
	struct points points = read_all((struct store_request){
		.op = STORE_EXPORT, .from_ms = INT64_MIN, .to_ms = INT64_MAX });
	assert_true(points.count < world.count);
	int64_t first_ms = INT64_MAX;
	for (size_t i = 0; i < points.count; i++)
		first_ms = points.list[i].ts_ms < first_ms ? points.list[i].ts_ms : first_ms;
	assert_in_range(first_ms, 2 * RUN_FAN_IN * 1000, 2 * RUN_FAN_IN * 1000 + 5000);
	free(points.list);
	reopen();
	assert_int_equal(history_upkeep(world.history, NULL, 1000, INT64_MAX, &done), 0);
	assert_int_equal(done.blocks, 0);
	world.count = 0;
	assert_everything(20);
	reopen();
}

static void forget(uint64_t user)
{
	size_t kept = 0;
	for (size_t i = 0; i < world.count; i++)
		if (world.points[i].user.value != user)
			world.points[kept++] = world.points[i];
	world.count = kept;
	assert_int_equal(history_hide(world.history, &(struct user_id){ user }, 1), 0);
}

static void a_deleted_users_points_are_gone_at_once_and_later_ones_are_not(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 6; round++) {
		commit_windows(20, 200, 10);
		upkeep(500); /* in the middle of merges, too */
		forget(round);
		assert_everything(10);
	}
	upkeep_to_the_end();
	assert_everything(10);
	reopen();
	assert_everything(10);
}

static void deleted_points_leave_the_file_when_they_are_merged(void **state)
{
	(void)state;
	struct store_point *points = malloc(1000 * sizeof(*points));
	for (unsigned window = 0; window < RUN_FAN_IN; window++) {
		for (size_t i = 0; i < 1000; i++)
			points[i] = (struct store_point){ { 7 },
							  (int64_t)random_below(1 << 30),
							  { 1, 1 } };
		commit_at(points, 1000, window);
	}
	free(points);
	forget(7);
	upkeep_to_the_end();
	assert_int_equal(upkeep(1).blocks, 0);
	reopen();
}

static void reading_a_damaged_block_is_an_error_and_not_a_crash(void **state)
{
	(void)state;
	commit_windows(1, 400, 10);
	block_damage(history_lmdb(world.history));

	struct store_request request = { .op = STORE_EXPORT,
					 .from_ms = INT64_MIN,
					 .to_ms = INT64_MAX };
	assert_int_equal(history_read(world.history, &request), -EBADMSG);
	const char *reason = NULL;
	history_close(&world.history);
	assert_int_equal(history_check(world.dir, &reason), -EBADMSG);
	assert_non_null(strstr(reason, "cannot be decoded"));
}

/* ---- real and lifelike data ----------------------------------------------------------------- */

/* Commits windows of `window_ms` and merges beside them as the daemon does; prints what it takes. */
static double bytes_a_location(const char *name, const struct store_point *points, size_t count,
			       int64_t window_ms)
{
	struct timespec before, after;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (size_t start = 0, end; start < count; start = end) {
		for (end = start; end < count &&
				  points[end].ts_ms / window_ms == points[start].ts_ms / window_ms;)
			end++;
		commit_at(points + start, end - start, points[start].ts_ms);
		upkeep(2 * (end - start) + 65536);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	upkeep_to_the_end();
	double cpu_s = (double)(after.tv_sec - before.tv_sec) +
		       (double)(after.tv_nsec - before.tv_nsec) / 1e9;
	double bytes = (double)history_file_bytes(world.history) / (double)count;
	print_message("%s: %zu locations, %.2f bytes each with free pages, %.2f in blocks, %.0f ns "
		      "CPU each\n",
		      name, count, bytes, (double)upkeep(1).bytes / (double)count,
		      cpu_s * 1e9 / (double)count);
	return bytes;
}

/* Reads `time user lat lon` lines from the project's data; NULL when it is not here. */
static struct store_point *data_read(const char *name, size_t *count)
{
	char command[512];
	const char *srcdir = getenv("srcdir");

	snprintf(command, sizeof(command), "gzip -dc '%s/../shared/data/%s' 2>/dev/null",
		 srcdir == NULL ? "." : srcdir, name);
	FILE *file = popen(command, "r");
	struct store_point *points = NULL;
	size_t capacity = 0;
	long long time_s, user;
	double lat, lon;
	*count = 0;
	while (file != NULL && fscanf(file, "%lld %lld %lf %lf", &time_s, &user, &lat, &lon) == 4) {
		if (*count == capacity) {
			capacity = capacity * 2 + 1024;
			points = realloc(points, capacity * sizeof(*points));
		}
		points[(*count)++] =
			(struct store_point){ { (uint64_t)user },
					      time_s * 1000,
					      { (int32_t)(lat * 1e7 + (lat < 0 ? -0.5 : 0.5)),
						(int32_t)(lon * 1e7 + (lon < 0 ? -0.5 : 0.5)) } };
	}
	if (file != NULL)
		pclose(file);
	return points;
}

static void a_day_of_real_taxis_takes_at_most_8_bytes_a_location(void **state)
{
	(void)state;
	size_t count;
	struct store_point *points = data_read("sf-cabs-day.tsv.gz", &count);
	if (points == NULL)
		skip();
	/* One commit for ten seconds, to spare the test's time: that is a seventh of the windows. */
	assert_true(bytes_a_location("taxis", points, count, 10000) <= 8);
	uint64_t user = points[count / 2].user.value;
	free(points);
	assert_history(false, user, INT64_MIN, INT64_MAX);
	assert_history(true, 0, world.points[count / 3].ts_ms, world.points[count / 2].ts_ms);
	reopen();
}

static void years_of_real_check_ins_come_back_as_they_were(void **state)
{
	(void)state;
	size_t count;
	struct store_point *points = data_read("gowalla-1k-checkins.tsv.gz", &count);
	if (points == NULL)
		skip();
	bytes_a_location("check-ins", points, count, INT64_C(86400) * 1000);
	free(points);
	assert_history(true, 0, INT64_MIN, INT64_MAX);
	assert_history(false, 90, INT64_MIN, INT64_MAX);
	reopen();
}

static void a_city_of_walkers_with_noise_takes_at_most_8_bytes_a_location(void **state)
{
	(void)state;
	enum { WALKERS = 300, STEPS = 2880, PERIOD_MS = 30000, WINDOWS = 3 };
	struct store_point *points = malloc((size_t)WALKERS * STEPS * sizeof(*points));
	struct store_point *walker = calloc(WALKERS, sizeof(*walker));
	size_t count = 0;
	for (uint64_t i = 0; i < WALKERS; i++) {
		walker[i].user.value = hash_u64(i) >> 1; /* ids from anywhere in their range */
		walker[i].place.lat_e7 = 377000000 + (int32_t)random_below(2000000);
		walker[i].place.lon_e7 = -1224000000 + (int32_t)random_below(2000000);
	}
	/* A day; a third of all report in each ten seconds; metres of noise, some 100 ms of jitter. */
	for (unsigned turn = 0; turn < STEPS * WINDOWS; turn++)
		for (unsigned i = turn % WINDOWS; i < WALKERS; i += WINDOWS) {
			walker[i].ts_ms =
				(int64_t)turn * PERIOD_MS / WINDOWS + (int64_t)random_below(200);
			walker[i].place.lat_e7 += (int32_t)random_below(8000) - 4000;
			walker[i].place.lon_e7 += (int32_t)random_below(8000) - 4000;
			points[count++] = walker[i];
		}
	free(walker);
	assert_true(bytes_a_location("walkers", points, count, PERIOD_MS / WINDOWS) <= 8);
	free(points);
	assert_history(true, 0, 10000000, 20000000);
	reopen();
}

/* One window of format 1: a block of form 1 with a point of each of two users. */
static void old_file_make(void)
{
	static const struct lmdb_table tables[RUN_TABLE_COUNT] = { { .name = "meta" },	{ .name = "runs" },
								   { .name = "hidden" }, { .name = "tier0" },
								   { .name = "tier1" },	{ .name = "tier2" },
								   { .name = "tier3" } };
	char path[128];
	const char *reason = "";
	uint8_t block[100];
	struct bits_out out = { .at = block + 7 };
	struct lmdb *lmdb;
	struct lmdb_txn txn;
	snprintf(path, sizeof(path), "%s/history.mdb", world.dir);
	struct lmdb_config config = { .path = path, .format = 1, .tables = tables,
				      .table_count = RUN_TABLE_COUNT, .map_bytes = MAP_BYTES };
	assert_int_equal(lmdb_open(&lmdb, &config, &reason), 0);
	memcpy(block + 4, "\001\002\000", 3);
	for (unsigned i = 0; i < 2; i++) {
		bits_put_number(&out, 5);
		bits_put(&out, 0, 1);
		bits_put_number(&out, 2 * 100);
		bits_put(&out, i, 32);
		bits_put(&out, 70 + i, 32);
	}
	bits_put(&out, 0, 7);
	struct bytes value = { block, (size_t)(out.at - block) };
	block_seal(block, value.length);
	struct run run = run_empty(0, 1, 1);
	run.record.ts_min_ms = 100;
	run.record.ts_max_ms = 200;
	run.record.blocks = 1;
	run.record.bytes = value.length;
	run.record.points = 2;
	struct run_block_key key = run_block_key(1, 5, 0);
	lmdb_begin_write(lmdb, &txn);
	run_put(&txn, &run);
	run_set_next_window(&txn, 2);
	lmdb_put(&txn, RUN_TABLE_TIER0, (struct bytes){ key.bytes, sizeof(key.bytes) }, value, LMDB_APPEND);
	assert_int_equal(lmdb_commit(&txn), 0);
	lmdb_close(&lmdb);
}

static void a_file_of_format_1_is_taken_over_and_merged_with_what_comes(void **state)
{
	(void)state;
	static const struct store_point old[] = { { { 5 }, 100, { 0, 70 } }, { { 10 }, 200, { 1, 71 } } };
	char path[128];
	const char *reason = "";
	history_close(&world.history);
	snprintf(path, sizeof(path), "%s/history.mdb", world.dir);
	assert_int_equal(unlink(path), 0);
	old_file_make();
	/* Who only looks at it is told what to do. */
	assert_int_equal(history_check(world.dir, &reason), -EPROTO);
	assert_non_null(strstr(reason, "has format 1, which becomes 2 when nearbyd starts"));
	assert_int_equal(history_open(&world.history, world.dir, MAP_BYTES, &reason), 0);
	world.points = malloc(sizeof(old));
	world.count = world.capacity = 2;
	memcpy(world.points, old, sizeof(old));
	assert_everything(20);
	reopen();
	commit_windows(RUN_FAN_IN, 100, 20);
	assert_everything(20);
	upkeep_to_the_end();
	assert_everything(20);
	reopen();
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(an_empty_history_answers_with_nothing),
		STORY(ranges_equal_a_filter_before_and_after_merging),
		STORY(every_step_of_a_merge_leaves_each_point_once),
		STORY(so_it_does_when_a_user_fills_many_blocks),
		STORY(windows_in_memory_are_the_latest_for_which_there_is_room),
		STORY(merging_keeps_the_number_of_runs_small),
		STORY(fetching_ahead_changes_nothing),
		STORY(pages_lead_to_where_a_cursor_finds_a_user),
		STORY(an_export_that_pauses_while_runs_are_merged_still_gives_each_point_once),
		STORY(a_user_with_more_than_a_portion_is_exported_whole_among_others),
		STORY(a_clock_that_steps_back_changes_no_order_and_loses_nothing),
		STORY(what_is_older_than_the_retention_goes_whole_runs_at_a_time),
		STORY(a_deleted_users_points_are_gone_at_once_and_later_ones_are_not),
		STORY(deleted_points_leave_the_file_when_they_are_merged),
		STORY(a_file_of_format_1_is_taken_over_and_merged_with_what_comes),
		STORY(reading_a_damaged_block_is_an_error_and_not_a_crash),
		STORY(a_day_of_real_taxis_takes_at_most_8_bytes_a_location),
		STORY(years_of_real_check_ins_come_back_as_they_were),
		STORY(a_city_of_walkers_with_noise_takes_at_most_8_bytes_a_location),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
