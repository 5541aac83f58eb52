/*
 * Owns: what the store does when the process is killed, the disk is full or a file is not ours.
 * Invariant: none of its own.
 * Thread: the test's; forked children have stores of their own and the parent none meanwhile.
 * Does not know: files and tables, save for the names of the files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store/history.h"
#include "store/lmdb.h"
#include "store/run.h"

#include "store_fixture.h"

static struct fixture fixture;

static int setup(void **state)
{
	(void)state;
	fixture_init(&fixture);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_fini(&fixture);
	return 0;
}

/* ---- killed --------------------------------------------------------------------------------- */

enum { KILLS = 20, KILL_USER = 1, KILL_USERS = 50 };

/* What a child tells after each durable answer: all before these numbers must survive it. */
struct progress {
	uint64_t friends;
	uint64_t points;
};

/* Befriends and appends numbers in order, flushes now and then, and tells; until it is killed. */
static void child_work(int pipe_fd, struct progress at)
{
	fixture.config.history_commit_ms = 1;
	fixture_open(&fixture);
	for (;;) {
		for (unsigned i = 0; i < 100; i++, at.points++)
			while (!fixture_append(&fixture, at.points % KILL_USERS, (int64_t)at.points,
					       1, 2))
				sched_yield();
		check(fixture_befriend(&fixture, STORE_FRIENDS_PUT, KILL_USER, 1000 + at.friends) !=
		      STORE_PAIR_LIMIT);
		at.friends++;
		check(fixture_flush(&fixture) == 0);
		check(write(pipe_fd, &at, sizeof(at)) == sizeof(at));
	}
}

/* Lets a child work until it told `reports` times, kills it, and returns the last it told. */
static struct progress child_kill(struct progress from, uint64_t reports)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		child_work(ends[1], from);
	}
	close(ends[1]);
	struct progress told = from, next;
	for (uint64_t i = 0; i < reports; i++) {
		assert_int_equal(read(ends[0], &next, sizeof(next)), sizeof(next));
		told = next;
	}
	/* Not at a border of its work: some time into what follows. */
	for (uint64_t spin = hash_u64(from.points) % 3000000; spin > 0; spin--)
		__asm__ volatile("");
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	while (read(ends[0], &next, sizeof(next)) == sizeof(next))
		told = next;
	close(ends[0]);
	return told;
}

/* Everything told is there, and beyond it no gap. Returns where the next child goes on. */
static struct progress survivors(struct progress told)
{
	struct store_request load = { .op = STORE_LOAD, .user = { KILL_USER } };
	assert_int_equal(fixture_ask(&fixture, &load), 0);
	assert_in_range(load.friend_count, told.friends, told.friends + 1);
	struct progress found = { .friends = load.friend_count };
	store_request_fini(&load);

	struct points points = fixture_export(&fixture, 0, INT64_MAX);
	assert_true(points.count >= told.points);
	uint8_t *seen = calloc(points.count + 1, 1);
	for (size_t i = 0; i < points.count; i++) {
		assert_true((uint64_t)points.list[i].ts_ms < points.count);
		assert_int_equal(points.list[i].ts_ms % KILL_USERS,
				 (int64_t)points.list[i].user.value);
		assert_int_equal(seen[points.list[i].ts_ms]++, 0);
	}
	found.points = points.count;
	free(seen);
	free(points.list);
	return found;
}

static void a_kill_at_any_moment_loses_nothing_that_was_answered(void **state)
{
	(void)state;
	struct progress at = { 0, 0 };
	for (uint64_t i = 0; i < KILLS; i++) {
		/* The first ones die while they make the files. */
		struct progress told = child_kill(at, i < 3 ? 0 : hash_u64(i) % 40);
		fixture_open(&fixture);
		fixture_check(&fixture);
		at = survivors(told);
		store_close(&fixture.store);
	}
	assert_true(at.points > 1000 && at.friends > 10);
}

/* ---- full ----------------------------------------------------------------------------------- */

static struct rlimit file_limit;

static void files_limit(rlim_t bytes)
{
	struct rlimit limit = { bytes, file_limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int full_setup(void **state)
{
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &file_limit), 0);
	return setup(state);
}

static int full_teardown(void **state)
{
	setrlimit(RLIMIT_FSIZE, &file_limit);
	signal(SIGXFSZ, SIG_DFL);
	return teardown(state);
}

static void a_full_disk_refuses_changes_of_users_and_keeps_what_there_is(void **state)
{
	(void)state;
	enum { BATCH = 500 };
	static struct store_pair pairs[BATCH];
	fixture_open(&fixture);
	files_limit(1 << 20);
	uint64_t durable = 0;
	struct store_request request = { .op = STORE_FRIENDS_PUT,
					 .pairs = pairs,
					 .pair_count = BATCH };
	int status;
	do {
		for (uint64_t i = 0; i < BATCH; i++)
			pairs[i] = (struct store_pair){ .a = { durable + i },
							.b = { 1000000 + durable + i } };
		status = fixture_ask(&fixture, &request);
		durable += status == 0 ? BATCH : 0;
	} while (status == 0 && durable < 1000000);
	assert_int_equal(status, -ENOSPC);
	assert_true(durable >= BATCH);

	struct store_request get = { .op = STORE_FRIENDS_GET, .user = { durable }, .limit = 10 };
	assert_int_equal(fixture_ask(&fixture, &get), 0);
	assert_int_equal(get.friend_total, 0);
	get.user.value = durable - 1;
	assert_int_equal(fixture_ask(&fixture, &get), 0);
	assert_int_equal(get.friend_total, 1);
	store_request_fini(&get);
	fixture_check(&fixture);

	files_limit(file_limit.rlim_cur);
	assert_int_equal(fixture_ask(&fixture, &request), 0);
	assert_int_equal(pairs[0].result, STORE_PAIR_ADDED);
	fixture_check(&fixture);
}

static void a_full_disk_makes_history_wait_then_drop_and_then_go_on(void **state)
{
	(void)state;
	fixture.config.history_pending_max = 20000;
	fixture.config.history_commit_ms = 1;
	fixture_open(&fixture);
	files_limit(1 << 20);
	uint64_t kept = 0, dropped = 0;
	while (counter_get(&fixture.counters[STORE_WORD_HISTORY_FAILED]) < 3 || dropped == 0) {
		bool taken = fixture_append(&fixture, hash_u64(kept) % 5000, (int64_t)kept,
					    (int32_t)hash_u64(kept), (int32_t)hash_u64(~kept));
		kept += taken;
		dropped += !taken;
		if (!taken)
			sched_yield();
	}
	assert_int_equal(fixture_flush(&fixture), -ENOSPC);
	assert_in_range(counter_get(&fixture.counters[STORE_WORD_HISTORY_PENDING]), 1, 20000);

	/* What is there can be read while nothing can be written. */
	struct points points = fixture_export(&fixture, 0, INT64_MAX);
	assert_int_equal(points.count,
			 counter_get(&fixture.counters[STORE_WORD_HISTORY_LOCATIONS]));
	free(points.list);

	files_limit(file_limit.rlim_cur);
	assert_int_equal(fixture_flush(&fixture), 0);
	points = fixture_export(&fixture, 0, INT64_MAX);
	assert_int_equal(points.count, kept);
	free(points.list);
	fixture_check(&fixture);
}

static void history_goes_on_by_itself_when_there_is_room_again(void **state)
{
	(void)state;
	fixture.config.history_commit_ms = 1;
	fixture_open(&fixture);
	files_limit(4096);
	assert_true(fixture_append(&fixture, 7, 1, 2, 3));
	while (counter_get(&fixture.counters[STORE_WORD_HISTORY_FAILED]) == 0)
		sched_yield();
	files_limit(file_limit.rlim_cur);
	while (counter_get(&fixture.counters[STORE_WORD_HISTORY_LOCATIONS]) == 0)
		sched_yield();
	fixture_check(&fixture);
}

static void the_buffer_of_history_has_the_size_it_was_given(void **state)
{
	(void)state;
	fixture.config.history_pending_max = 1000;
	fixture.config.clients = 3;
	fixture_open(&fixture);
	files_limit(4096);
	struct nearby_location location = { { 1, 2 }, 3, 4, 0 };
	uint64_t taken = 0, refused = 0;
	for (uint64_t i = 0; i < 30000; i++) {
		bool kept = store_append(fixture.store, (uint32_t)(i % 3), (struct user_id){ i },
					 &location);
		taken += kept;
		refused += !kept;
		if (i % 1000 == 0)
			fixture_flush(&fixture);
	}
	assert_in_range(taken, 300, 1000);
	assert_true(refused > 0);
	files_limit(file_limit.rlim_cur);
	assert_int_equal(fixture_flush(&fixture), 0);
	assert_int_equal(counter_get(&fixture.counters[STORE_WORD_HISTORY_LOCATIONS]), taken);
}

/* ---- broken --------------------------------------------------------------------------------- */

/* The later of the two descriptors that LMDB has of a file: the one for its header. */
static int header_fd(const char *path)
{
	char name[64], target[256];
	int found = -1;
	for (int fd = 0; fd < 256; fd++) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		ssize_t length = readlink(name, target, sizeof(target) - 1);
		if (length > 0 && (size_t)length == strlen(path) &&
		    memcmp(target, path, (size_t)length) == 0)
			found = fd;
	}
	return found;
}

static void a_disk_that_failed_once_does_not_end_the_store(void **state)
{
	(void)state;
	char path[128];
	snprintf(path, sizeof(path), "%s/users.mdb", fixture.dir);
	fixture_open(&fixture);
	fixture_befriend(&fixture, STORE_FRIENDS_PUT, 1, 2);

	/* LMDB gives up for good when its header cannot be written: here, as it may only be read. */
	int fd = header_fd(path);
	assert_true(fd >= 0);
	int broken = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(dup2(broken, fd), fd);
	close(broken);
	struct store_pair pair = { .a = { 3 }, .b = { 4 } };
	struct store_request put = { .op = STORE_FRIENDS_PUT, .pairs = &pair, .pair_count = 1 };
	assert_int_not_equal(fixture_ask(&fixture, &put), 0);
	for (unsigned tries = 0; fixture_ask(&fixture, &put) != 0; tries++)
		assert_true(tries < 3);
	assert_int_equal(pair.result, STORE_PAIR_ADDED);
	store_request_fini(&put);
	fixture_check(&fixture);
}

/* ---- beside --------------------------------------------------------------------------------- */

enum { CHECKS = 20 };

/* ... while no store has the file. */
static void closed_block_damage(void)
{
	struct lmdb *lmdb;
	const char *reason = "";
	assert_int_equal(history_database_open(&lmdb, fixture.dir, 1 << 26, LMDB_SERVE, &reason), 0);
	block_damage(lmdb);
	lmdb_close(&lmdb);
}

static void what_cannot_be_merged_keeps_no_location_from_being_kept(void **state)
{
	(void)state;
	fixture_open(&fixture);
	for (int64_t i = 0; i < RUN_FAN_IN - 1; i++) {
		assert_true(fixture_append(&fixture, 7, i, 2, 3));
		assert_int_equal(fixture_flush(&fixture), 0);
	}
	store_close(&fixture.store);
	closed_block_damage();
	fixture_open(&fixture);
	for (int64_t i = 0; i < 5; i++) {
		assert_true(fixture_append(&fixture, 9, i, 2, 3));
		assert_int_equal(fixture_flush(&fixture), 0);
	}
	assert_int_equal(counter_get(&fixture.counters[STORE_WORD_HISTORY_FAILED]), 0);
	assert_int_equal(counter_get(&fixture.counters[STORE_WORD_HISTORY_MERGES]), 0);
	assert_int_equal(counter_get(&fixture.counters[STORE_WORD_HISTORY_LOCATIONS]), RUN_FAN_IN - 1 + 5);
	store_close(&fixture.store);
	struct lmdb *lmdb;
	struct lmdb_txn txn;
	struct run_list list;
	const char *reason = "";
	assert_int_equal(history_database_open(&lmdb, fixture.dir, 0, LMDB_LOOK, &reason), 0);
	lmdb_begin_read(lmdb, &txn);
	assert_true(run_list_load(&list, &txn));
	assert_int_equal(list.count, RUN_FAN_IN - 1 + 5);
	run_list_free(&list);
	lmdb_abort(&txn);
	lmdb_close(&lmdb);
}

static void a_check_in_another_process_works_while_the_store_writes(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char byte;
		const char *reason;
		check(read(ends[0], &byte, 1) == 1);
		for (unsigned i = 0; i < CHECKS; i++)
			check(store_check(fixture.dir, &reason) == 0);
		_exit(0);
	}
	fixture.config.history_commit_ms = 1;
	fixture_open(&fixture);
	fixture_befriend(&fixture, STORE_FRIENDS_PUT, 1, 2);
	assert_int_equal(write(ends[1], "g", 1), 1);
	int status = -1;
	for (uint64_t i = 0; waitpid(child, &status, WNOHANG) == 0; i++) {
		fixture_append(&fixture, i % 100, (int64_t)i, 1, 2);
		fixture_befriend(&fixture, STORE_FRIENDS_PUT, i % 50, 100 + i);
	}
	assert_int_equal(status, 0);
	close(ends[0]);
	close(ends[1]);
}

/* ---- growing -------------------------------------------------------------------------------- */

static void a_tiny_map_grows_while_others_read(void **state)
{
	(void)state;
	enum { BATCH = 4096, BATCHES = 12 };
	static struct store_pair pairs[BATCH];
	static struct store_request export;
	fixture.config.map_bytes = 256 * 1024;
	fixture_open(&fixture);
	for (uint64_t batch = 0; batch < BATCHES; batch++) {
		for (uint64_t i = 0; i < BATCH; i++) {
			uint64_t number = batch * BATCH + i;
			pairs[i] = (struct store_pair){ .a = { hash_u64(number) >> 1 },
							.b = { number } };
			assert_true(fixture_append(&fixture, number, (int64_t)number,
						   (int32_t)hash_u64(number), 1));
		}
		struct store_request put = { .op = STORE_FRIENDS_PUT,
					     .pairs = pairs,
					     .pair_count = BATCH };
		export = (struct store_request){ .op = STORE_EXPORT, .to_ms = INT64_MAX };
		assert_int_equal(store_submit(fixture.store, &export), 0);
		assert_int_equal(store_submit(fixture.store, &put), 0);
		assert_int_equal(fixture_answer(&fixture, 0)->status, 0);
		assert_int_equal(fixture_answer(&fixture, 0)->status, 0);
		store_request_fini(&export);
		assert_int_equal(fixture_flush(&fixture), 0);
	}
	struct points points = fixture_export(&fixture, 0, INT64_MAX);
	assert_int_equal(points.count, BATCH * BATCHES);
	free(points.list);
	fixture_check(&fixture);
	struct stat stat;
	char path[128];
	snprintf(path, sizeof(path), "%s/users.mdb", fixture.dir);
	assert_int_equal(lstat(path, &stat), 0);
	assert_true(stat.st_size > 2 * 256 * 1024);
}

/* ---- backup --------------------------------------------------------------------------------- */

/* Checks a copy and opens it as a store; returns how many points and friends of user 1 it has. */
static struct progress copy_open(const char *path)
{
	const char *reason = "";
	if (store_check(path, &reason) != 0)
		fail_msg("%s", reason);
	static struct fixture copy;
	fixture_init(&copy);
	copy.config.data_dir = path;
	fixture_open(&copy);
	struct points points = fixture_export(&copy, 0, INT64_MAX);
	struct store_request get = { .op = STORE_FRIENDS_GET, .user = { KILL_USER } };
	assert_int_equal(fixture_ask(&copy, &get), 0);
	free(points.list);
	fixture_fini(&copy);
	return (struct progress){ .friends = get.friend_total, .points = points.count };
}

static void a_backup_made_while_writing_is_a_sound_store(void **state)
{
	(void)state;
	char path[128];
	snprintf(path, sizeof(path), "%s/backup", fixture.dir);
	fixture.config.history_commit_ms = 1;
	fixture_open(&fixture);
	static struct store_request backup;
	backup = (struct store_request){ .op = STORE_BACKUP, .directory = path };
	struct progress before = { 0, 0 };
	bool is_done = false;
	for (uint64_t i = 0; !is_done; i++) {
		assert_true(fixture_append(&fixture, i % 100, (int64_t)i, 1, 2));
		fixture_befriend(&fixture, STORE_FRIENDS_PUT, KILL_USER, 2 + i);
		if (i == 100) {
			assert_int_equal(fixture_flush(&fixture), 0);
			before = (struct progress){ .friends = 101, .points = 101 };
			backup.client = 0;
			assert_int_equal(store_submit(fixture.store, &backup), 0);
			/* The next answers are either's. */
			struct store_pair pair = { .a = { KILL_USER }, .b = { 1000000 } };
			struct store_request put = { .op = STORE_FRIENDS_PUT,
						     .pairs = &pair,
						     .pair_count = 1 };
			while (!is_done) {
				pair.b.value++;
				assert_true(
					fixture_append(&fixture, 7, (int64_t)pair.b.value, 1, 2));
				assert_int_equal(store_submit(fixture.store, &put), 0);
				struct store_request *answer;
				while ((answer = fixture_answer(&fixture, 0)) != &put)
					is_done |= answer == &backup;
			}
		}
	}
	assert_int_equal(backup.status, 0);
	struct progress copied = copy_open(path);
	assert_true(copied.friends >= before.friends);
	assert_true(copied.points >= before.points);
	/* It never writes over a backup. */
	assert_int_equal(fixture_ask(&fixture, &backup), -EEXIST);
}

/* ---- not ours ------------------------------------------------------------------------------- */

static const struct lmdb_table foreign_tables[] = { { .name = "profiles", .integer_keys = true } };

static struct lmdb *foreign_open(uint64_t format)
{
	char path[128];
	const char *reason = "";
	struct lmdb *lmdb;
	snprintf(path, sizeof(path), "%s/users.mdb", fixture.dir);
	struct lmdb_config config = { .path = path,
				      .format = format,
				      .tables = foreign_tables,
				      .table_count = 1,
				      .map_bytes = 1 << 26 };
	assert_int_equal(lmdb_open(&lmdb, &config, &reason), 0);
	return lmdb;
}

static void an_unknown_format_is_refused_and_named(void **state)
{
	(void)state;
	struct lmdb *lmdb = foreign_open(99);
	lmdb_close(&lmdb);
	const char *reason = NULL;
	assert_int_equal(store_open(&fixture.store, &fixture.config, &reason), -EPROTO);
	assert_non_null(strstr(reason, "users.mdb has format 99"));
	assert_non_null(strstr(reason, "format 2 only"));
	assert_int_equal(store_check(fixture.dir, &reason), -EPROTO);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
	(void)state;
	char path[128];
	snprintf(path, sizeof(path), "%s/history.mdb", fixture.dir);
	FILE *file = fopen(path, "w");
	for (unsigned i = 0; i < 10000; i++)
		fputs("no database\n", file);
	fclose(file);
	const char *reason = NULL;
	assert_true(store_open(&fixture.store, &fixture.config, &reason) < 0);
	assert_non_null(strstr(reason, "history.mdb"));
}

static void a_directory_that_cannot_be_made_is_named(void **state)
{
	(void)state;
	const char *reason = NULL;
	fixture.config.data_dir = "/proc/nearby";
	assert_true(store_open(&fixture.store, &fixture.config, &reason) < 0);
	assert_non_null(strstr(reason, "/proc/nearby"));
}

static void a_reader_that_was_killed_does_not_keep_old_pages(void **state)
{
	(void)state;
	struct lmdb *lmdb = foreign_open(1);
	lmdb_close(&lmdb);
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		struct lmdb_txn txn;
		lmdb = foreign_open(1);
		lmdb_begin_read(lmdb, &txn);
		check(write(ends[1], "r", 1) == 1);
		pause();
	}
	char ready;
	assert_int_equal(read(ends[0], &ready, 1), 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(ends[0]);
	close(ends[1]);

	lmdb = foreign_open(1);
	static const uint8_t value[2000];
	for (uint64_t i = 0; i < 500; i++) {
		struct lmdb_txn txn;
		uint64_t key = i % 4;
		lmdb_begin_write(lmdb, &txn);
		lmdb_put(&txn, 0, (struct bytes){ &key, sizeof(key) },
			 (struct bytes){ value, sizeof(value) }, LMDB_REPLACE);
		assert_int_equal(lmdb_commit(&txn), 0);
	}
	assert_true(lmdb_file_bytes(lmdb) < 200000);
	lmdb_close(&lmdb);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define FULL_STORY(name) cmocka_unit_test_setup_teardown(name, full_setup, full_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_kill_at_any_moment_loses_nothing_that_was_answered),
		FULL_STORY(a_full_disk_refuses_changes_of_users_and_keeps_what_there_is),
		FULL_STORY(a_full_disk_makes_history_wait_then_drop_and_then_go_on),
		FULL_STORY(history_goes_on_by_itself_when_there_is_room_again),
		FULL_STORY(the_buffer_of_history_has_the_size_it_was_given),
		STORY(a_disk_that_failed_once_does_not_end_the_store),
		STORY(what_cannot_be_merged_keeps_no_location_from_being_kept),
		STORY(a_check_in_another_process_works_while_the_store_writes),
		STORY(a_tiny_map_grows_while_others_read),
		STORY(a_backup_made_while_writing_is_a_sound_store),
		STORY(an_unknown_format_is_refused_and_named),
		STORY(a_file_that_is_no_database_is_refused),
		STORY(a_directory_that_cannot_be_made_is_named),
		STORY(a_reader_that_was_killed_does_not_keep_old_pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
