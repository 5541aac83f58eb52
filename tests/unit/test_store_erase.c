/*
 * Owns: what is promised of erased users: unreadable at once, and no byte of them in a file later.
 * Invariant: none of its own; random choices come from a fixed seed.
 * Thread: one; store threads beside it.
 * Does not know: sessions, HTTP.
 *
 * The files are read raw: what LMDB says is in them is not what is asked here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "store/block.h"
#include "store/history.h"
#include "store/lmdb.h"
#include "store/page.h"
#include "store/point.h"
#include "store/run.h"
#include "store/scrub.h"

#include "store_fixture.h"

static struct fixture fixture;
static uint64_t seed;

static uint64_t random_below(uint64_t end)
{
	return hash_u64(seed++) % end;
}

static int setup(void **state)
{
	(void)state;
	seed = 1;
	fixture_init(&fixture);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_fini(&fixture);
	return 0;
}

/* ---- files ---------------------------------------------------------------------------------- */

struct file {
	uint8_t *bytes;
	size_t length;
};

static struct file file_read(const char *name)
{
	char path[128];
	struct stat stat_now;
	snprintf(path, sizeof(path), "%s/%s", fixture.dir, name);
	FILE *stream = fopen(path, "rb");
	assert_non_null(stream);
	assert_int_equal(fstat(fileno(stream), &stat_now), 0);
	struct file file = { malloc((size_t)stat_now.st_size + 1), (size_t)stat_now.st_size };
	assert_int_equal(fread(file.bytes, 1, file.length, stream), file.length);
	fclose(stream);
	return file;
}

static bool file_has(const struct file *file, const void *bytes, size_t length)
{
	return memmem(file->bytes, file->length, bytes, length) != NULL;
}

/* How many pieces of 16 bytes of these the file has. */
static size_t pieces_in(const struct file *file, const uint8_t *bytes, size_t length)
{
	size_t found = 0;
	for (size_t at = 0; at + 16 <= length; at += 16)
		found += file_has(file, bytes + at, 16);
	return found;
}

/* ---- a database that is scrubbed --------------------------------------------------------------- */

enum { TAGS = 1000, TAG_BYTES = 16, TABLE_PLAIN = 0, TABLE_MANY = 1 };

static const struct lmdb_table tables[] = { { .name = "plain" },
					    { .name = "many", .integer_keys = true, .integer_dups = true } };

/* Each value that was ever put carries a tag of its own. */
static struct {
	struct lmdb *lmdb;
	size_t lengths[TAGS]; /* of the value with this tag; 0: there is none, or it was removed */
	bool was_put[TAGS];
	bool is_gone[TAGS]; /* it was removed before the scrub began, and has not come back since */
} base;

static void tag_fill(uint64_t tag, uint8_t bytes[TAG_BYTES])
{
	uint64_t words[2] = { hash_u64(tag * 2 + 1000000), hash_u64(tag * 2 + 1000001) };
	memcpy(bytes, words, TAG_BYTES);
}

static void base_reopen(void)
{
	char path[128];
	const char *reason = "";
	snprintf(path, sizeof(path), "%s/base.mdb", fixture.dir);
	assert_int_equal(lmdb_open(&base.lmdb,
				   &(struct lmdb_config){ .path = path,
							  .format = 1,
							  .tables = tables,
							  .table_count = 2,
							  .map_bytes = 1 << 26 },
				   &reason),
			 0);
}

static void base_open(void)
{
	memset(&base, 0, sizeof(base));
	base_reopen();
}

static void value_put(struct lmdb_txn *txn, uint64_t tag, size_t length)
{
	uint8_t value[6000];
	for (size_t at = 0; at < length; at += TAG_BYTES)
		tag_fill(tag, value + at);
	assert_true(lmdb_put(txn, TABLE_PLAIN, (struct bytes){ &tag, sizeof(tag) },
			     (struct bytes){ value, length }, LMDB_REPLACE));
	base.lengths[tag] = length;
	base.was_put[tag] = true;
	base.is_gone[tag] = false;
}

static void value_remove(struct lmdb_txn *txn, uint64_t tag)
{
	assert_true(lmdb_remove(txn, TABLE_PLAIN, (struct bytes){ &tag, sizeof(tag) }, NULL));
	base.lengths[tag] = 0;
}

/* One transaction of puts, replacements by other lengths, removals, and many values of a key. */
static void base_change(unsigned changes)
{
	struct lmdb_txn txn;
	lmdb_begin_write(base.lmdb, &txn);
	for (unsigned i = 0; i < changes; i++) {
		uint64_t tag = random_below(TAGS), key = random_below(5), value = random_below(500);
		struct bytes many = { &value, sizeof(value) };
		if (base.lengths[tag] > 0 && random_below(3) > 0)
			value_remove(&txn, tag);
		else
			value_put(&txn, tag, TAG_BYTES * (1 + (random_below(40) == 0 ? 300 : random_below(60))));
		if (random_below(2) == 0)
			lmdb_put(&txn, TABLE_MANY, (struct bytes){ &key, sizeof(key) }, many, LMDB_ADD);
		else
			lmdb_remove(&txn, TABLE_MANY, (struct bytes){ &key, sizeof(key) }, &many);
	}
	assert_int_equal(lmdb_commit(&txn), 0);
}

/* Every value is there, whole; returns how many. */
static unsigned base_verify(struct lmdb_txn *txn, const size_t lengths[TAGS])
{
	unsigned count = 0;
	for (uint64_t tag = 0; tag < TAGS; tag++) {
		struct bytes value;
		uint8_t expected[TAG_BYTES];
		bool found = lmdb_get(txn, TABLE_PLAIN, (struct bytes){ &tag, sizeof(tag) }, &value);
		assert_int_equal(found, lengths[tag] > 0);
		if (!found)
			continue;
		count++;
		tag_fill(tag, expected);
		assert_int_equal(value.length, lengths[tag]);
		for (size_t at = 0; at < value.length; at += TAG_BYTES)
			assert_memory_equal((const uint8_t *)value.at + at, expected, TAG_BYTES);
	}
	assert_int_equal(txn->error, 0);
	return count;
}

/* How many of the tags that are gone the file still has. */
static unsigned leftovers(void)
{
	unsigned count = 0;
	struct file file = file_read("base.mdb");
	for (uint64_t tag = 0; tag < TAGS; tag++) {
		uint8_t bytes[TAG_BYTES];
		tag_fill(tag, bytes);
		count += base.is_gone[tag] && file_has(&file, bytes, TAG_BYTES);
	}
	free(file.bytes);
	return count;
}

static void gone_note(void)
{
	for (uint64_t tag = 0; tag < TAGS; tag++)
		base.is_gone[tag] = base.was_put[tag] && base.lengths[tag] == 0;
}

static void nothing_removed_before_a_scrub_is_in_the_file_after_it(void **state)
{
	(void)state;
	base_open();
	for (unsigned round = 0; round < 6; round++) {
		struct scrub scrub;
		for (unsigned i = 0; i < 20; i++)
			base_change(1 + (unsigned)random_below(300));
		gone_note();
		assert_true(leftovers() > 0);
		assert_int_equal(scrub_begin(&scrub, base.lmdb), 0);
		while (!scrub.is_done) {
			assert_int_equal(scrub_step(&scrub, base.lmdb, 1 + (uint32_t)random_below(200)), 0);
			if (random_below(2) == 0)
				base_change(1 + (unsigned)random_below(60));
		}
		assert_true(scrub.cleared > 0);
		scrub_end(&scrub);
		struct lmdb_txn txn;
		lmdb_begin_read(base.lmdb, &txn);
		base_verify(&txn, base.lengths);
		lmdb_abort(&txn);
		assert_int_equal(leftovers(), 0);
	}
	lmdb_close(&base.lmdb);
}

static void a_scrub_waits_for_readers_and_changes_nothing_that_they_read(void **state)
{
	(void)state;
	static size_t lengths[TAGS];
	struct scrub scrub;
	struct lmdb_txn reader;
	base_open();
	for (unsigned i = 0; i < 30; i++)
		base_change(200);
	/* Who reads already keeps it from beginning. */
	lmdb_begin_read(base.lmdb, &reader);
	assert_int_equal(scrub_begin(&scrub, base.lmdb), -EBUSY);
	lmdb_abort(&reader);
	gone_note();
	assert_int_equal(scrub_begin(&scrub, base.lmdb), 0);
	/* Who comes later sees what was there then, to its end, however much changes. */
	lmdb_begin_read(base.lmdb, &reader);
	memcpy(lengths, base.lengths, sizeof(lengths));
	for (unsigned i = 0; i < 60 && !scrub.is_done; i++) {
		base_verify(&reader, lengths);
		assert_int_equal(scrub_step(&scrub, base.lmdb, 50), 0);
		base_change(20);
	}
	assert_true(base_verify(&reader, lengths) > 0);
	lmdb_abort(&reader);
	while (!scrub.is_done)
		assert_int_equal(scrub_step(&scrub, base.lmdb, 1000), 0);
	scrub_end(&scrub);
	assert_int_equal(leftovers(), 0);
	lmdb_close(&base.lmdb);
}

/* Another process reads, from before the scrub on, until it is killed. */
static pid_t reader_start(void)
{
	int ends[2];
	char ready;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char path[128];
		const char *reason = "";
		struct lmdb *lmdb;
		struct lmdb_txn txn;
		snprintf(path, sizeof(path), "%s/base.mdb", fixture.dir);
		check(lmdb_open(&lmdb,
				&(struct lmdb_config){ .path = path,
						       .format = 1,
						       .tables = tables,
						       .table_count = 2,
						       .access = LMDB_LOOK },
				&reason) == 0);
		lmdb_begin_read(lmdb, &txn);
		check(txn.error == 0 && write(ends[1], "r", 1) == 1);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &ready, 1), 1);
	close(ends[0]);
	return child;
}

static void a_reader_of_another_process_holds_a_scrub_up_until_it_ends(void **state)
{
	(void)state;
	struct scrub scrub;
	base_open();
	for (unsigned i = 0; i < 10; i++)
		base_change(200);
	/* LMDB must not be open when a process forks. */
	lmdb_close(&base.lmdb);
	pid_t reader = reader_start();
	base_reopen();
	for (unsigned i = 0; i < 10; i++)
		base_change(200);
	gone_note();
	assert_int_equal(scrub_begin(&scrub, base.lmdb), 0);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(scrub_step(&scrub, base.lmdb, 1000), 0);
		assert_true(scrub.is_held && !scrub.is_done && scrub.cleared == 0);
	}
	kill(reader, SIGKILL);
	assert_int_equal(waitpid(reader, NULL, 0), reader);
	while (!scrub.is_done)
		assert_int_equal(scrub_step(&scrub, base.lmdb, 1000), 0);
	scrub_end(&scrub);
	assert_int_equal(leftovers(), 0);
	lmdb_close(&base.lmdb);
}

static void of_a_page_that_is_not_understood_nothing_is_cleared(void **state)
{
	(void)state;
	uint8_t page[4096];
	for (unsigned i = 0; i < 200000; i++) {
		for (unsigned at = 0; at < 24; at++)
			page[at] = (uint8_t)random_below(random_below(2) == 0 ? 4 : 256);
		uint64_t number;
		memcpy(&number, page, sizeof(number));
		struct page_form other = page_form_of(page, sizeof(page), number + 1);
		assert_true(other.pages == 1 && other.gap_from == other.gap_end);
		struct page_form form = page_form_of(page, sizeof(page), number);
		assert_true(form.pages > 0 && form.gap_from <= form.gap_end && form.gap_end <= sizeof(page));
		assert_true(form.gap_from == form.gap_end || form.gap_from >= 16);
	}
}

/* ---- passes --------------------------------------------------------------------------------- */

enum { USERS = 30, MAP_BYTES = 1 << 28 };

/* The right answer: every point, and the number of the window in which it came. */
static struct {
	struct history *history;
	struct store_point *points;
	uint64_t *windows;
	size_t count, capacity;
	uint64_t next_window;
	uint64_t hidden_before[USERS];
} world;

static void world_open(void)
{
	const char *reason = "";
	memset(&world, 0, sizeof(world));
	world.next_window = 1;
	if (history_open(&world.history, fixture.dir, MAP_BYTES, &reason) != 0)
		fail_msg("%s", reason);
}

static void world_close(void)
{
	const char *reason = "";
	history_close(&world.history);
	if (history_check(fixture.dir, &reason) != 0)
		fail_msg("%s", reason);
	free(world.points);
	free(world.windows);
}

static void commit_window(size_t count)
{
	struct store_point *scratch = malloc(count * sizeof(*scratch));
	/* Merges find the points in memory, too, and must not take from there what is erased in the file. */
	struct store_point *sorted = history_room(world.history, count);
	if (world.count + count > world.capacity) {
		world.capacity = 2 * (world.count + count);
		world.points = realloc(world.points, world.capacity * sizeof(*world.points));
		world.windows = realloc(world.windows, world.capacity * sizeof(*world.windows));
	}
	for (size_t i = 0; i < count; i++) {
		/* Some users have far more than others: blocks with many, and users with many blocks. */
		uint64_t user = random_below(3) == 0 ? 3 : random_below(USERS);
		sorted[i] = (struct store_point){ { user },
						  (int64_t)random_below(1 << 30),
						  { (int32_t)random_below(1u << 30), (int32_t)random_below(1u << 30) } };
		world.points[world.count] = sorted[i];
		world.windows[world.count++] = world.next_window;
	}
	points_sort(sorted, scratch, count);
	struct history_window window = { sorted, count, 0, 0 };
	assert_int_equal(history_commit(world.history, &window), 0);
	world.next_window++;
	free(scratch);
}

static void hide(uint64_t user)
{
	assert_int_equal(history_hide(world.history, &(struct user_id){ user }, 1), 0);
	world.hidden_before[user] = world.next_window;
}

static void upkeep(uint64_t points_max)
{
	struct history_upkeep done;
	assert_int_equal(history_upkeep(world.history, NULL, points_max, INT64_MIN, &done), 0);
}

static int compare_points(const void *a, const void *b)
{
	return point_compare(a, b);
}

/* The points that are not hidden, sorted; how many in *count. */
static struct store_point *visible(size_t *count)
{
	struct store_point *points = malloc((world.count + 1) * sizeof(*points));
	*count = 0;
	for (size_t i = 0; i < world.count; i++)
		if (world.windows[i] >= world.hidden_before[world.points[i].user.value])
			points[(*count)++] = world.points[i];
	qsort(points, *count, sizeof(*points), compare_points);
	return points;
}

static void assert_visible(void)
{
	size_t count, at = 0;
	struct store_point *expected = visible(&count);
	struct store_request request = { .op = STORE_EXPORT, .from_ms = INT64_MIN, .to_ms = INT64_MAX };
	do {
		assert_int_equal(history_read(world.history, &request), 0);
		for (uint32_t i = 0; i < request.point_count; i++, at++) {
			assert_true(at < count);
			assert_int_equal(point_compare(&request.points[i], &expected[at]), 0);
		}
	} while (request.more);
	assert_int_equal(at, count);
	store_request_fini(&request);
	free(expected);
}

/* No block of any tier holds a point that is hidden: blocks are read as they lie, merged inputs too. */
static void assert_blocks_are_clean(void)
{
	size_t count;
	struct store_point *expected = visible(&count), points[BLOCK_POINTS_MAX];
	struct lmdb_txn txn;
	lmdb_begin_read(history_lmdb(world.history), &txn);
	for (uint32_t tier = 0; tier < RUN_TIERS; tier++) {
		struct lmdb_cursor cursor;
		lmdb_cursor_open(&cursor, &txn, RUN_TABLE_TIER0 + tier);
		for (bool more = lmdb_first(&cursor); more; more = lmdb_next(&cursor)) {
			uint32_t found;
			assert_int_equal(block_decode(cursor.value.at, cursor.value.length, points, &found), 0);
			for (uint32_t i = 0; i < found; i++)
				assert_non_null(bsearch(&points[i], expected, count, sizeof(*points),
							compare_points));
		}
		lmdb_cursor_close(&cursor);
	}
	lmdb_abort(&txn);
	free(expected);
}

static void a_pass_takes_out_what_was_hidden_when_it_began_and_nothing_else(void **state)
{
	(void)state;
	world_open();
	for (unsigned round = 0; round < 12; round++) {
		struct history_pass pass;
		for (unsigned i = 0; i < 40; i++) {
			commit_window(1 + random_below(400));
			upkeep(random_below(3000)); /* merges are left in the middle */
		}
		for (unsigned i = 0; i < 1 + round % 4; i++)
			hide(random_below(USERS));
		if (round % 3 == 0)
			hide(3);
		assert_visible();
		assert_int_equal(history_pass_begin(world.history, &pass), 0);
		assert_true(pass.mark_count > 0);
		while (!pass.is_through) {
			assert_int_equal(history_pass_step(world.history, &pass), 0);
			if (random_below(2) == 0)
				commit_window(1 + random_below(200));
			upkeep(random_below(2000));
			assert_visible();
		}
		assert_blocks_are_clean();
		assert_int_equal(history_unhide(world.history, &pass), 0);
		history_pass_end(&pass);
		uint64_t waiting;
		int64_t since_ms;
		assert_int_equal(history_hidden(world.history, &waiting, &since_ms), 0);
		assert_int_equal(waiting, 0);
		assert_visible();
	}
	world_close();
}

static void who_is_erased_again_during_a_pass_is_erased_by_the_next(void **state)
{
	(void)state;
	struct history_pass pass;
	uint64_t waiting;
	int64_t since_ms;
	world_open();
	for (unsigned i = 0; i < 40; i++)
		commit_window(300);
	hide(3);
	assert_int_equal(history_pass_begin(world.history, &pass), 0);
	commit_window(300);
	hide(3);
	commit_window(300);
	while (!pass.is_through)
		assert_int_equal(history_pass_step(world.history, &pass), 0);
	assert_int_equal(history_unhide(world.history, &pass), 0);
	history_pass_end(&pass);
	assert_visible();
	assert_int_equal(history_hidden(world.history, &waiting, &since_ms), 0);
	assert_int_equal(waiting, 1);
	assert_int_equal(history_pass_begin(world.history, &pass), 0);
	while (!pass.is_through)
		assert_int_equal(history_pass_step(world.history, &pass), 0);
	assert_blocks_are_clean();
	assert_int_equal(history_unhide(world.history, &pass), 0);
	history_pass_end(&pass);
	assert_visible();
	world_close();
}

/*
 * A block by whose first users, the erased one among them, great steps between users are told with few
 * bits; by those that are left they take more, and no longer fit.
 */
static void a_block_that_grows_when_a_user_is_erased_becomes_two(void **state)
{
	(void)state;
	enum { ERASED_AT = 6, SMALL_STEPS = 3, SAMPLES = 9, MANY = 400 };
	struct store_point points[MANY], back[BLOCK_POINTS_MAX];
	struct history_pass pass;
	uint8_t block[BLOCK_BUFFER_BYTES];
	size_t length;
	uint32_t found;
	uint64_t user = 0;
	for (uint32_t i = 0; i < MANY; i++) {
		bool is_small = i <= SMALL_STEPS || i == SAMPLES;
		user += is_small ? 1 : ((uint64_t)1 << 40) + i;
		points[i] = (struct store_point){ { user }, 1700000000000, { 1, (int32_t)i } };
	}
	uint32_t count = block_encode(points, MANY, block, &length);
	struct store_point erased = points[ERASED_AT];
	world_open();
	struct history_window window = { points, count, 0, 0 };
	assert_int_equal(history_commit(world.history, &window), 0);
	memmove(points + ERASED_AT, points + ERASED_AT + 1, (count - ERASED_AT - 1) * sizeof(*points));
	assert_true(block_encode(points, count - 1, block, &length) < count - 1);
	assert_int_equal(history_hide(world.history, &erased.user, 1), 0);
	assert_int_equal(history_pass_begin(world.history, &pass), 0);
	while (!pass.is_through)
		assert_int_equal(history_pass_step(world.history, &pass), 0);
	history_pass_end(&pass);
	struct lmdb_txn txn;
	struct lmdb_cursor cursor;
	uint32_t blocks = 0, at = 0;
	lmdb_begin_read(history_lmdb(world.history), &txn);
	lmdb_cursor_open(&cursor, &txn, RUN_TABLE_TIER0);
	for (bool more = lmdb_first(&cursor); more; more = lmdb_next(&cursor), blocks++) {
		assert_int_equal(block_decode(cursor.value.at, cursor.value.length, back, &found), 0);
		for (uint32_t i = 0; i < found; i++)
			assert_int_equal(point_compare(&back[i], &points[at++]), 0);
	}
	lmdb_cursor_close(&cursor);
	lmdb_abort(&txn);
	assert_int_equal(blocks, 2);
	assert_int_equal(at, count - 1);
	world_close();
}

/* ---- the store ------------------------------------------------------------------------------ */

enum { ERASED = 7, OTHER = 8, TRACK_WINDOWS = 80, TRACK_POINTS = 40 };

/* A track that no other bytes look like, one window of it. */
static void track_fill(unsigned window, struct store_point points[TRACK_POINTS])
{
	for (unsigned i = 0; i < TRACK_POINTS; i++) {
		uint64_t noise = hash_u64(window * 1000 + i);
		points[i] = (struct store_point){ { ERASED },
						  (int64_t)window * 100000 + i * 1000 + (int64_t)(noise % 997),
						  { (int32_t)(noise >> 40), (int32_t)(noise >> 20 & 0xffffff) } };
	}
}

static void track_append(unsigned from, unsigned end)
{
	for (unsigned window = from; window < end; window++) {
		struct store_point points[TRACK_POINTS];
		track_fill(window, points);
		for (unsigned i = 0; i < TRACK_POINTS; i++)
			assert_true(fixture_append(&fixture, ERASED, points[i].ts_ms, points[i].place.lat_e7,
						   points[i].place.lon_e7));
		/* Some windows hold others, too. */
		for (unsigned i = 0; i < window % 3 * 200; i++)
			assert_true(fixture_append(&fixture, OTHER + i % 5, (int64_t)window * 100000 + i,
						   (int32_t)(hash_u64(i) >> 40), 5));
		assert_int_equal(fixture_flush(&fixture), 0);
	}
}

/* Pieces of the blocks that windows of the track alone made, and make again as they were encoded. */
static size_t track_pieces(const char *name, unsigned windows)
{
	struct file file = file_read(name);
	size_t found = 0;
	for (unsigned window = 0; window < windows; window++) {
		struct store_point points[TRACK_POINTS];
		uint8_t block[BLOCK_BUFFER_BYTES];
		size_t length;
		track_fill(window, points);
		points_sort_by_time(points, TRACK_POINTS);
		assert_int_equal(block_encode(points, TRACK_POINTS, block, &length), TRACK_POINTS);
		/* The points after the first; the head and the first differ with who stands before. */
		found += pieces_in(&file, block + 32, length - 40);
	}
	free(file.bytes);
	return found;
}

static void wait_for(enum store_counter_word word, uint64_t value)
{
	const struct timespec pause = { 0, 1000000 };
	for (unsigned i = 0; counter_get(&fixture.counters[word]) < value; i++) {
		assert_true(i < PATIENCE_S * 1000);
		nanosleep(&pause, NULL);
	}
}

static int ask(enum store_op op, uint64_t user)
{
	struct store_request request = { .op = op, .user = { user } };
	int status = fixture_ask(&fixture, &request);
	store_request_fini(&request);
	return status;
}

static size_t history_count(uint64_t user)
{
	struct points points = fixture_user_history(&fixture, user, INT64_MIN, INT64_MAX);
	free(points.list);
	return points.count;
}

static void erased_history_is_hidden_at_once_and_then_gone_from_the_file(void **state)
{
	(void)state;
	fixture_open(&fixture);
	track_append(0, TRACK_WINDOWS);
	size_t others = history_count(OTHER);
	assert_true(track_pieces("history.mdb", TRACK_WINDOWS) > TRACK_WINDOWS);
	assert_int_equal(ask(STORE_HISTORY_ERASE, ERASED), 0);
	assert_int_equal(history_count(ERASED), 0);
	/* What comes later is kept, and stays. */
	assert_true(fixture_append(&fixture, ERASED, 1, 2, 3));
	assert_int_equal(fixture_flush(&fixture), 0);
	assert_int_equal(history_count(ERASED), 1);
	wait_for(STORE_WORD_ERASURES_DONE, 1);
	assert_int_equal(counter_get(&fixture.counters[STORE_WORD_ERASURES_WAITING]), 0);
	assert_int_equal(counter_get(&fixture.counters[STORE_WORD_ERASING_SINCE]), 0);
	assert_int_equal(track_pieces("history.mdb", TRACK_WINDOWS), 0);
	assert_int_equal(history_count(ERASED), 1);
	assert_int_equal(history_count(OTHER), others);
	fixture_check(&fixture);
	assert_int_equal(history_count(ERASED), 1);
	assert_int_equal(history_count(OTHER), others);
}

static void what_waits_for_a_commit_is_erased_too(void **state)
{
	(void)state;
	fixture_open(&fixture);
	track_append(0, 2);
	size_t others = history_count(OTHER);
	assert_true(fixture_append(&fixture, ERASED, 1, 2, 3));
	assert_true(fixture_append(&fixture, OTHER, 1, 2, 3));
	assert_int_equal(ask(STORE_HISTORY_ERASE, ERASED), 0);
	assert_int_equal(fixture_flush(&fixture), 0);
	assert_int_equal(history_count(ERASED), 0);
	assert_int_equal(history_count(OTHER), others + 1);
	wait_for(STORE_WORD_ERASURES_DONE, 1);
	assert_int_equal(track_pieces("history.mdb", 2), 0);
	/* Who has no history may erase it as well. */
	assert_int_equal(ask(STORE_HISTORY_ERASE, 12345), 0);
	wait_for(STORE_WORD_ERASURES_DONE, 2);
	assert_int_equal(history_count(OTHER), others + 1);
}

static void a_deleted_user_leaves_both_files(void **state)
{
	(void)state;
	static const char name[] = "Ann Distinctive-Name", picture[] = "https://example.org/a-picture-of-ann.png";
	struct store_user users[200];
	memset(users, 0, sizeof(users));
	fixture_open(&fixture);
	for (uint64_t i = 0; i < 200; i++) {
		users[i] = (struct store_user){ .user = { i }, .has_name = true, .has_picture = true };
		users[i].profile.name_length =
			(uint32_t)snprintf(users[i].profile.name, STORE_NAME_BYTES_MAX, "%s",
					   i == ERASED ? name : "somebody else");
		users[i].profile.picture_length =
			(uint32_t)snprintf(users[i].profile.picture, STORE_PICTURE_BYTES_MAX, "%s",
					   i == ERASED ? picture : "https://example.org/other.png");
	}
	struct store_request put = { .op = STORE_USERS_PUT, .users = users, .user_count = 200 };
	assert_int_equal(fixture_ask(&fixture, &put), 0);
	for (uint64_t i = 10; i < 60; i++)
		fixture_befriend(&fixture, STORE_FRIENDS_PUT, ERASED, i);
	track_append(0, 10);
	assert_int_equal(ask(STORE_USER_DELETE, ERASED), 0);
	wait_for(STORE_WORD_ERASURES_DONE, 1);
	struct file file = file_read("users.mdb");
	assert_false(file_has(&file, name, strlen(name)));
	assert_false(file_has(&file, picture, strlen(picture)));
	assert_true(file_has(&file, "somebody else", 13));
	free(file.bytes);
	assert_int_equal(track_pieces("history.mdb", 10), 0);
	assert_true(counter_get(&fixture.counters[STORE_WORD_USERS_SCRUBBED]) > 0);
	assert_int_equal(ask(STORE_USER_GET, ERASED), -ENOENT);
	assert_int_equal(ask(STORE_USER_GET, 10), 0);
	/* Unknown by now: its history is erased all the same. */
	assert_true(fixture_append(&fixture, ERASED, 1, 2, 3));
	assert_int_equal(ask(STORE_USER_DELETE, ERASED), -ENOENT);
	assert_int_equal(history_count(ERASED), 0);
	fixture_check(&fixture);
}

/* ---- killed --------------------------------------------------------------------------------- */

enum { KILLS = 12 };

/* Has one erased after the other, tells when an answer came, and goes on; until it is killed. */
static void child_work(int pipe_fd)
{
	char told = 1;
	fixture_open(&fixture);
	check(ask(STORE_USER_DELETE, ERASED) != -EIO);
	check(write(pipe_fd, &told, 1) == 1);
	for (uint64_t user = 100;; user++) {
		struct store_request request = { .op = STORE_HISTORY_ERASE, .user = { user } };
		check(fixture_ask(&fixture, &request) == 0);
	}
}

/* Kills a child some time after the user was deleted. */
static void child_kill(unsigned round)
{
	int ends[2];
	char told = 0;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		child_work(ends[1]);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &told, 1), 1);
	for (uint64_t spin = hash_u64(round) % 60000000; spin > 0; spin--)
		__asm__ volatile("");
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(ends[0]);
}

static void a_kill_at_any_moment_neither_brings_back_nor_leaves_anything(void **state)
{
	(void)state;
	for (unsigned round = 0; round < KILLS; round++) {
		fixture_open(&fixture);
		assert_int_equal(ask(STORE_LOAD, ERASED), 0);
		track_append(0, 34);
		size_t others = history_count(OTHER);
		store_close(&fixture.store);
		child_kill(round);
		memset(fixture.counters, 0, sizeof(fixture.counters));
		fixture_open(&fixture);
		assert_int_equal(history_count(ERASED), 0);
		assert_int_equal(history_count(OTHER), others);
		/* It goes on by itself; a row may have gone with the child. */
		assert_int_equal(ask(STORE_HISTORY_ERASE, 1), 0);
		uint64_t asked = counter_get(&fixture.counters[STORE_WORD_ERASURES_WAITING]);
		wait_for(STORE_WORD_ERASURES_DONE, asked > 0 ? asked : 1);
		assert_int_equal(track_pieces("history.mdb", 34), 0);
		assert_int_equal(history_count(OTHER), others);
		fixture_check(&fixture);
		store_close(&fixture.store);
	}
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(of_a_page_that_is_not_understood_nothing_is_cleared),
		STORY(nothing_removed_before_a_scrub_is_in_the_file_after_it),
		STORY(a_scrub_waits_for_readers_and_changes_nothing_that_they_read),
		STORY(a_reader_of_another_process_holds_a_scrub_up_until_it_ends),
		STORY(a_pass_takes_out_what_was_hidden_when_it_began_and_nothing_else),
		STORY(a_block_that_grows_when_a_user_is_erased_becomes_two),
		STORY(who_is_erased_again_during_a_pass_is_erased_by_the_next),
		STORY(erased_history_is_hidden_at_once_and_then_gone_from_the_file),
		STORY(what_waits_for_a_commit_is_erased_too),
		STORY(a_deleted_user_leaves_both_files),
		STORY(a_kill_at_any_moment_neither_brings_back_nor_leaves_anything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
