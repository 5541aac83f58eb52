/*
 * Owns: what becomes of a segment whose writer is killed.
 * Invariant: a child that writes is killed before its k-th store, for every k of every operation, so
 *   each state that a death can leave is looked at: by a reader, then by the next owner.
 * Thread: one; writers are forked children.
 * Does not know: readers that look while the writer goes on (test_shm_steps.c).
 *
 * It brings its own copy of shm/, in which every store counts a step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "partition.h"

/* One crowded partition of 64 slots, so that chains of moves are long and wrap around. */
enum { PARTITION = 77, USERS = 64, ENTRIES_MAX = 56, ENTRIES_LEAST = 40, NEVER = -1 };

static long stores_left = NEVER;

void nearbyshm_test_load(void)
{
}

void nearbyshm_test_store(void)
{
	if (stores_left != NEVER && stores_left-- == 0)
		kill(getpid(), SIGKILL);
}

static char instance[NEARBYSHM_INSTANCE_BYTES + 1];
static uint64_t users[USERS];

static int first_name(void **state)
{
	(void)state;
	snprintf(instance, sizeof(instance), "kill-%d", (int)getpid());
	uint64_t user = 0;
	for (uint32_t i = 0; i < USERS; i++) {
		/* Their places are the last three quarters of the slots. */
		while (nearby_partition(user) != PARTITION || nearby_user_hash(user) >> 32 < 1u << 30)
			user++;
		users[i] = user++;
	}
	return 0;
}

static int drop_name(void **state)
{
	(void)state;
	nearby_segment_unlink(instance);
	return 0;
}

static struct nearby_segment *own_for(uint64_t users_max, enum nearby_segment_birth *birth)
{
	struct nearby_segment_config config = {
		.instance = instance, .cores = 1, .blocks = 1, .users_max = users_max,
	};
	struct nearby_segment *segment = NULL;
	check(nearby_segment_create(&segment, &config, birth, NULL) == 0);
	return segment;
}

static struct nearby_segment *own(void)
{
	enum nearby_segment_birth birth;
	struct nearby_segment *segment = own_for(1, &birth);
	check(birth != NEARBY_SEGMENT_REPLACED);
	return segment;
}

/* A child that does not outlive this test, whatever ends it. */
static pid_t child_fork(void)
{
	pid_t child = fork();
	check(child >= 0);
	if (child == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		_exit(1);
	return child;
}

static uint64_t random_next(uint64_t *state)
{
	*state += 1;
	return nearby_user_hash(*state);
}

/* Without the padding behind it. */
#define LOCATION_BYTES (offsetof(struct nearby_location, mark) + 1)

/* All words of a location follow from one number, so a mixed one is noticed. */
static struct nearby_location location_of(uint64_t number)
{
	return (struct nearby_location){ { (int32_t)number, (int32_t)(number * 3) },
					 (int64_t)(number * 5),
					 number * 7,
					 (uint8_t)(number * 11) };
}

/* ---- what the table holds ------------------------------------------------------------------- */

/* By user: 0 absent, else the number of its location. */
struct content {
	uint64_t number[USERS];
};

static uint64_t number_read(const struct nearby_segment *segment, uint64_t user, nearby_hint *hint)
{
	struct nearby_location back;
	int result = nearby_table_get(segment, user, hint, &back);
	if (result == -ENOENT)
		return 0;
	assert_int_equal(result, 0);
	struct nearby_location wanted = location_of(back.receipt_us / 7);
	assert_memory_equal(&back, &wanted, LOCATION_BYTES);
	return back.receipt_us / 7;
}

static void content_read(const struct nearby_segment *segment, struct content *content)
{
	for (uint32_t i = 0; i < USERS; i++) {
		nearby_hint cold = 0;
		content->number[i] = number_read(segment, users[i], &cold);
		/* From any slot of the partition as a hint the same is found. */
		nearby_hint wild = (nearby_hint)(PARTITION * segment->partition_slots + i + 1);
		assert_int_equal(number_read(segment, users[i], &wild), content->number[i]);
	}
}

/* At rest: nothing dead, nothing double, tags as the keys, moves and changes even, count right, all
 * reachable. */
static void assert_at_rest(const struct nearby_segment *segment, const struct content *content)
{
	uint32_t cursor = 0, live = 0, seen = 0;
	uint64_t user;
	struct nearby_location location;
	struct span span = span_of(segment, PARTITION);
	struct slot *slots = span.slots;
	for (uint32_t i = 0; i < segment->partition_slots; i++) {
		uint64_t key = word_load(&slots[i].key);
		if (key != 0)
			assert_true((word_load(&slots[i].meta) & META_LIVE) != 0);
		assert_int_equal(span_tag(&span, i), key != 0 ? tag_of(nearby_user_hash(key - 1)) : 0);
	}
	for (uint32_t i = 0; i < USERS; i++)
		live += content->number[i] != 0;
	while (nearby_table_next(segment, PARTITION, &cursor, &user, &location))
		seen++;
	assert_int_equal(seen, live);
	assert_int_equal(nearby_table_count(segment, PARTITION), live);
	assert_int_equal(word_load(&segment->partitions[PARTITION].moves) % 2, 0);
	assert_int_equal(word_load(&segment->partitions[PARTITION].changes) % 2, 0);
}

/* ---- operations ----------------------------------------------------------------------------- */

struct operation {
	uint32_t user_idx;
	uint64_t number; /* to put; 0 to remove */
};

static void operate(struct nearby_segment *segment, const struct operation *operation)
{
	uint64_t user = users[operation->user_idx];
	nearby_hint hint = 0;
	struct nearby_location location = location_of(operation->number);
	if (operation->number != 0)
		check(nearby_table_put(segment, user, &hint, &location) == 0);
	else
		check(nearby_table_remove(segment, user) == 0);
}

static struct operation operation_choose(const struct content *content, uint64_t number,
					 uint64_t *random)
{
	uint32_t live = 0, user_idx = (uint32_t)(random_next(random) % USERS);
	for (uint32_t i = 0; i < USERS; i++)
		live += content->number[i] != 0;
	while (content->number[user_idx] == 0 && live == ENTRIES_MAX)
		user_idx = (user_idx + 1) % USERS;
	bool removes = content->number[user_idx] != 0 && live > ENTRIES_LEAST && random_next(random) % 3 != 0;
	return (struct operation){ user_idx, removes ? 0 : number };
}

static bool child_was_killed(pid_t child)
{
	int status = 0;
	check(waitpid(child, &status, 0) == child);
	check(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

/* A child makes or resizes the segment, and dies in that. False: it was done before. */
static bool child_dies_making_at(long step, uint64_t users_max)
{
	pid_t child = child_fork();
	if (child == 0) {
		enum nearby_segment_birth birth;
		stores_left = step;
		own_for(users_max, &birth);
		_exit(0);
	}
	return child_was_killed(child);
}

/* A child owns the segment, then dies before store number `step` of what it does. False: it had
 * done all before. With `operation` NULL it dies in adopting. */
static bool child_dies_at(long step, const struct operation *operation)
{
	pid_t child = child_fork();
	if (child == 0) {
		if (operation == NULL)
			stores_left = step;
		struct nearby_segment *segment = own();
		stores_left = step;
		if (operation != NULL)
			operate(segment, operation);
		_exit(0);
	}
	return child_was_killed(child);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void assert_like(const struct content *now, const struct content *before,
			const struct operation *operation)
{
	for (uint32_t i = 0; i < USERS; i++) {
		if (i == operation->user_idx && now->number[i] == operation->number)
			continue;
		assert_int_equal(now->number[i], before->number[i]);
	}
}

static struct nearby_segment *reader_open(void)
{
	struct nearby_segment *reader = NULL;
	assert_int_equal(nearby_segment_open(&reader, instance, NULL), 0);
	return reader;
}

/* Adopts, and finds exactly what a reader found before. */
static void assert_adopted(const struct content *found)
{
	struct content adopted;
	struct nearby_segment *segment = own();
	content_read(segment, &adopted);
	assert_memory_equal(&adopted, found, sizeof(adopted));
	assert_at_rest(segment, &adopted);
	nearby_segment_close(&segment);
}

/* The partition's bytes, to go back to. */
struct snapshot {
	struct partition partition;
	shm_word tags[64 / BUCKET_SLOTS];
	struct slot slots[64];
};

static void snapshot_take(struct snapshot *snapshot)
{
	struct nearby_segment *segment = own();
	check(segment->partition_slots == ARRAY_COUNT(snapshot->slots));
	memcpy(&snapshot->partition, &segment->partitions[PARTITION], sizeof(snapshot->partition));
	memcpy(snapshot->tags, span_of(segment, PARTITION).tags, sizeof(snapshot->tags));
	memcpy(snapshot->slots, segment->slots + PARTITION * 64, sizeof(snapshot->slots));
	nearby_segment_close(&segment);
}

static void snapshot_restore(const struct snapshot *snapshot)
{
	struct nearby_segment *segment = own();
	memcpy(&segment->partitions[PARTITION], &snapshot->partition, sizeof(snapshot->partition));
	memcpy(span_of(segment, PARTITION).tags, snapshot->tags, sizeof(snapshot->tags));
	memcpy(segment->slots + PARTITION * 64, snapshot->slots, sizeof(snapshot->slots));
	nearby_segment_close(&segment);
}

static void fill(struct content *content, uint64_t *random)
{
	struct nearby_segment *segment = own();
	memset(content, 0, sizeof(*content));
	for (uint64_t number = 1; number < 400; number++) {
		struct operation operation = operation_choose(content, number, random);
		operate(segment, &operation);
		content->number[operation.user_idx] = operation.number;
	}
	nearby_segment_close(&segment);
}

static uint64_t seed_of_run(void)
{
	const char *given = getenv("NEARBY_TEST_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 7;
	print_message("NEARBY_TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static uint32_t operation_count(uint32_t usual)
{
	const char *given = getenv("NEARBY_TEST_OPERATIONS");
	return given != NULL ? (uint32_t)strtoul(given, NULL, 10) : usual;
}

static void a_writer_killed_at_any_step_of_an_operation_loses_and_hides_nothing(void **state)
{
	(void)state;
	uint64_t random = seed_of_run(), deaths = 0;
	struct content before, found;
	static struct snapshot snapshot;
	fill(&before, &random);
	struct nearby_segment *reader = reader_open();
	for (uint64_t number = 1000; number < 1000 + operation_count(600); number++) {
		struct operation operation = operation_choose(&before, number, &random);
		snapshot_take(&snapshot);
		for (long step = 0; child_dies_at(step, &operation); step++) {
			content_read(reader, &found);
			assert_like(&found, &before, &operation);
			assert_adopted(&found);
			snapshot_restore(&snapshot);
			deaths++;
		}
		before.number[operation.user_idx] = operation.number;
		content_read(reader, &found);
		assert_memory_equal(&found, &before, sizeof(found));
	}
	print_message("%llu deaths\n", (unsigned long long)deaths);
	assert_true(deaths > 4 * operation_count(600));
	nearby_segment_close(&reader);
}

/* Dies in an operation, and then the next one dies in the repair of that. */
static void an_owner_killed_at_any_step_of_adopting_loses_and_hides_nothing(void **state)
{
	(void)state;
	uint64_t random = seed_of_run(), deaths = 0;
	struct content before, broken, found;
	fill(&before, &random);
	struct nearby_segment *reader = reader_open();
	for (uint64_t number = 1000; number < 1000 + operation_count(60); number++) {
		struct operation operation = operation_choose(&before, number, &random);
		child_dies_at((long)(random_next(&random) % 16), &operation);
		content_read(reader, &broken);
		assert_like(&broken, &before, &operation);
		before = broken;
		/* An adoption's first stores are the repair; it goes on from what the last one left. */
		for (long step = 0; step < 40 && child_dies_at(step, NULL); step++) {
			content_read(reader, &found);
			assert_memory_equal(&found, &before, sizeof(found));
			deaths++;
		}
		assert_adopted(&before);
	}
	assert_true(deaths > 0);
	nearby_segment_close(&reader);
}

/* Seen by a count that no writer leaves: it is taken anew only where the partition is walked. */
static void adopting_walks_a_partition_that_is_not_at_rest_and_no_other(void **state)
{
	(void)state;
	struct nearby_segment *segment = own();
	operate(segment, &(struct operation){ 0, 1 });
	word_store(&segment->partitions[PARTITION].count, 7);
	nearby_segment_close(&segment);
	segment = own();
	assert_int_equal(nearby_table_count(segment, PARTITION), 7);
	span_change_begin(&(struct span){ .partition = &segment->partitions[PARTITION] });
	nearby_segment_close(&segment);
	segment = own();
	assert_int_equal(nearby_table_count(segment, PARTITION), 1);
	nearby_segment_close(&segment);
}

static void a_segment_whose_maker_was_killed_is_refused_and_made_anew(void **state)
{
	(void)state;
	long step = 0;
	for (; child_dies_making_at(step, 1); step++) {
		struct nearby_segment *segment = NULL;
		enum nearby_segment_birth birth;
		assert_int_equal(nearby_segment_open(&segment, instance, NULL), -EPROTO);
		segment = own_for(1, &birth);
		assert_int_equal(birth, NEARBY_SEGMENT_REPLACED);
		nearby_segment_close(&segment);
		assert_int_equal(nearby_segment_unlink(instance), 0);
	}
	assert_true(step > 5);
}

/* Whether the segment that was being made in the place of ours is still there. */
static bool is_left_over(void)
{
	char path[64];
	snprintf(path, sizeof(path), "/dev/shm/nearby.%s+", instance);
	return access(path, F_OK) == 0;
}

static void a_daemon_killed_while_it_resizes_leaves_the_old_segment_or_the_new(void **state)
{
	(void)state;
	enum { USERS_MAX = 20000 };
	uint64_t random = seed_of_run();
	enum nearby_segment_birth birth;
	struct content before, found;
	long step = 0;
	fill(&before, &random);
	/* What such a death leaves is cleared away by the next owner, also by one who does not resize. */
	assert_true(child_dies_making_at(80, USERS_MAX));
	assert_true(is_left_over());
	struct nearby_segment *segment = own();
	assert_false(is_left_over());
	nearby_segment_close(&segment);
	for (; child_dies_making_at(step, USERS_MAX); step++) {
		struct nearby_segment *reader = reader_open();
		content_read(reader, &found);
		assert_memory_equal(&found, &before, sizeof(found));
		/* The last stores come after the new one has taken the name. */
		bool is_new = reader->partition_slots != 64;
		nearby_segment_close(&reader);
		if (is_new)
			break;
	}
	assert_true(step > 100);
	segment = own_for(USERS_MAX, &birth);
	assert_int_equal(birth, NEARBY_SEGMENT_ADOPTED);
	content_read(segment, &found);
	assert_memory_equal(&found, &before, sizeof(found));
	assert_at_rest(segment, &found);
	nearby_segment_close(&segment);
}

/* Written by the child, read by the parent: which number of a user is surely in, or may be. */
struct progress {
	_Atomic uint64_t begun[USERS];
	_Atomic uint64_t done[USERS];
};

/* The first half of the users are put again and again; the others come and go. */
static _Noreturn void child_writes_forever(struct progress *progress, uint64_t number)
{
	struct nearby_segment *segment = own();
	uint64_t random = number;
	for (;; number++) {
		uint32_t i = (uint32_t)(random_next(&random) % ENTRIES_MAX);
		nearby_hint hint = 0;
		struct nearby_location location = location_of(number);
		if (i >= ENTRIES_MAX / 2 && random_next(&random) % 2 == 0) {
			nearby_table_remove(segment, users[i]);
			continue;
		}
		atomic_store(&progress->begun[i], number);
		check(nearby_table_put(segment, users[i], &hint, &location) == 0);
		atomic_store(&progress->done[i], number);
	}
}

static void reader_follows(const struct nearby_segment *reader, struct progress *progress,
			   uint64_t reads, uint64_t *random)
{
	for (uint64_t n = 0; n < reads; n++) {
		uint32_t i = (uint32_t)(random_next(random) % (ENTRIES_MAX / 2));
		nearby_hint hint = 0;
		uint64_t done = atomic_load(&progress->done[i]);
		uint64_t number = number_read(reader, users[i], &hint);
		assert_true(number >= done);
		assert_true(number <= atomic_load(&progress->begun[i]));
	}
}

static void a_writer_killed_at_random_moments_loses_nothing_that_was_done(void **state)
{
	(void)state;
	uint64_t random = seed_of_run();
	struct content found;
	struct progress *progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(progress != MAP_FAILED);
	nearby_segment_unlink(instance);
	struct nearby_segment *segment = own();
	nearby_segment_close(&segment);
	struct nearby_segment *reader = reader_open();
	for (uint64_t round = 1; round <= operation_count(100); round++) {
		pid_t child = child_fork();
		if (child == 0)
			child_writes_forever(progress, round << 24);
		/* The last user to be written first in this round tells that it is under way. */
		while (atomic_load(&progress->done[0]) < round << 24)
			sched_yield();
		reader_follows(reader, progress, random_next(&random) % 3000, &random);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		reader_follows(reader, progress, 500, &random);
		content_read(reader, &found);
		assert_adopted(&found);
	}
	nearby_segment_close(&reader);
	munmap(progress, sizeof(*progress));
}

#define named_test(test) cmocka_unit_test_setup_teardown(test, first_name, drop_name)

/* One thread has nothing for ThreadSanitizer, and forks by the thousand are minutes under it. */
#if defined(__SANITIZE_THREAD__)
#define IS_SKIPPED true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_SKIPPED true
#endif
#endif
#ifndef IS_SKIPPED
#define IS_SKIPPED false
#endif

int main(void)
{
	if (IS_SKIPPED)
		return 77; /* what automake knows as skipped */
	alarm(300); /* a reader that hangs is a failure, not a wait */
	const struct CMUnitTest tests[] = {
		named_test(a_writer_killed_at_any_step_of_an_operation_loses_and_hides_nothing),
		named_test(an_owner_killed_at_any_step_of_adopting_loses_and_hides_nothing),
		named_test(adopting_walks_a_partition_that_is_not_at_rest_and_no_other),
		named_test(a_segment_whose_maker_was_killed_is_refused_and_made_anew),
		named_test(a_daemon_killed_while_it_resizes_leaves_the_old_segment_or_the_new),
		named_test(a_writer_killed_at_random_moments_loses_nothing_that_was_done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
