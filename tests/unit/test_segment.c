/*
 * Owns: what a named segment promises: one owner, adoption, refusal of what is not ours.
 * Invariant: every test leaves no name behind.
 * Thread: one; daemons that die are forked children.
 * Does not know: what happens within one write (test_shm_kill.c).
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
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counter.h"
#include "nearbyshm.h"

enum { USERS = 3000 };

static const struct nearby_counter_info rows[] = {
	{ .name = "moves_total", .help = "Moves.", .kind = NEARBY_COUNTER },
	{ .name = "wait_us", .help = "Waits.", .kind = NEARBY_HISTOGRAM },
	{ .name = "sessions", .help = "Sessions.", .kind = NEARBY_GAUGE },
};

static char instance[NEARBYSHM_INSTANCE_BYTES + 1];

static int fresh_name(void **state)
{
	(void)state;
	static int number;
	snprintf(instance, sizeof(instance), "test-%d-%d", (int)getpid(), number++);
	return 0;
}

static int drop_name(void **state)
{
	(void)state;
	nearby_segment_unlink(instance);
	return 0;
}

static struct nearby_segment_config usual(void)
{
	return (struct nearby_segment_config){
		.instance = instance, .cores = 2, .blocks = 3, .users_max = USERS,
		.counters = rows, .counter_count = 2,
	};
}

static int create(struct nearby_segment **segment, const struct nearby_segment_config *config,
		  enum nearby_segment_birth wanted)
{
	const char *reason = NULL;
	enum nearby_segment_birth birth;
	int result = nearby_segment_create(segment, config, &birth, &reason);
	if (result == 0)
		assert_int_equal(birth, wanted);
	else
		assert_non_null(reason);
	return result;
}

/* Without the padding behind it. */
#define LOCATION_BYTES (offsetof(struct nearby_location, mark) + 1)

static struct nearby_location location_of(uint64_t number)
{
	return (struct nearby_location){ { (int32_t)number, 5 }, (int64_t)number, number,
					 (uint8_t)number };
}

static void put_all(struct nearby_segment *segment, uint64_t users)
{
	for (uint64_t user = 0; user < users; user++) {
		nearby_hint hint = 0;
		struct nearby_location location = location_of(user);
		assert_int_equal(nearby_table_put(segment, user, &hint, &location), 0);
	}
}

static void assert_all(const struct nearby_segment *segment, uint64_t users)
{
	uint64_t count = 0;
	for (uint64_t user = 0; user < users; user++) {
		nearby_hint hint = 0;
		struct nearby_location back, wanted = location_of(user);
		assert_int_equal(nearby_table_get(segment, user, &hint, &back), 0);
		assert_memory_equal(&back, &wanted, LOCATION_BYTES);
	}
	for (uint32_t partition = 0; partition < NEARBYSHM_PARTITIONS; partition++)
		count += nearby_table_count(segment, partition);
	assert_int_equal(count, users);
}

/* The bytes of the object, for writing what no daemon would. */
static uint8_t *raw_map(size_t bytes)
{
	char name[64];
	snprintf(name, sizeof(name), "/nearby.%s", instance);
	int fd = shm_open(name, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	struct stat status;
	assert_int_equal(fstat(fd, &status), 0);
	if ((size_t)status.st_size < bytes)
		assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(memory != MAP_FAILED);
	close(fd);
	return memory;
}

static void a_segment_without_a_past_is_fresh_and_told_of_by_its_header(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL, *reader = NULL;
	struct nearby_segment_config config = usual();
	assert_int_equal(nearby_segment_open(&reader, instance, NULL), -ENOENT);
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	assert_int_equal(nearby_segment_open(&reader, instance, NULL), 0);
	struct nearby_segment_info info;
	nearby_segment_info(reader, &info);
	assert_int_equal(info.version, 4);
	assert_int_equal(info.cores, 2);
	assert_int_equal(info.blocks, 3);
	assert_int_equal(info.counter_count, 2);
	assert_int_equal(info.users_max, USERS);
	assert_int_equal(info.slot_count, nearby_table_partition_slots(reader) * 256);
	assert_int_equal(info.pid, getpid());
	assert_true(info.is_owned);
	assert_string_equal(info.instance, instance);
	assert_int_equal(strlen(info.boot_id), 36);
	assert_true(info.birth_ms > 1600000000000 && info.adopted_ms >= info.birth_ms);
	nearby_segment_close(&segment);
	nearby_segment_info(reader, &info);
	assert_false(info.is_owned);
	nearby_segment_close(&reader);
}

static void a_reader_sees_what_the_writer_puts(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL, *reader = NULL;
	struct nearby_segment_config config = usual();
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	assert_int_equal(nearby_segment_open(&reader, instance, NULL), 0);
	put_all(segment, USERS);
	assert_all(reader, USERS);
	counter_add(&nearby_segment_block(segment, 2)[0], 7);
	assert_int_equal(nearby_segment_read(reader, 0, 0), 7);
	nearby_segment_beat(segment, 1, 99);
	assert_int_equal(nearby_segment_last_beat(reader, 1), 99);
	nearby_segment_close(&reader);
	nearby_segment_close(&segment);
}

/* Whether the kernel has huge pages to give or not. */
static void pages_become_huge_under_readers_and_change_nothing(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL, *reader = NULL;
	struct nearby_segment_config config = usual();
	config.users_max = 100000;
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	assert_int_equal(nearby_segment_open(&reader, instance, NULL), 0);
	put_all(segment, USERS);
	struct nearby_segment_info info;
	nearby_segment_info(segment, &info);
	uint64_t steps = 0;
	while (nearby_segment_make_huge(segment)) {
		assert_in_range(++steps, 1, info.bytes >> 21);
		assert_all(reader, USERS);
	}
	assert_true(steps > 0);
	assert_false(nearby_segment_make_huge(segment));
	put_all(segment, 2 * USERS);
	assert_all(reader, 2 * USERS);
	nearby_segment_close(&segment);
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_ADOPTED), 0);
	assert_all(segment, 2 * USERS);
	nearby_segment_close(&segment);
	nearby_segment_close(&reader);
}

static void locations_outlive_their_daemon_and_its_number_of_cores(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL;
	struct nearby_segment_config config = usual();
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	put_all(segment, USERS);
	static const uint32_t cores[] = { 8, 1, 64, 3 };
	for (size_t i = 0; i < ARRAY_COUNT(cores); i++) {
		nearby_segment_close(&segment);
		config.cores = cores[i];
		config.blocks = cores[i] + 2;
		assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_ADOPTED), 0);
		assert_all(segment, USERS);
		struct nearby_segment_info info;
		nearby_segment_info(segment, &info);
		assert_int_equal(info.cores, cores[i]);
		assert_int_equal(info.blocks, cores[i] + 2);
	}
	nearby_segment_close(&segment);
}

static void counters_and_beats_start_at_zero_and_may_be_others_after_an_upgrade(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL;
	struct nearby_segment_config config = usual();
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	put_all(segment, USERS);
	for (uint32_t block = 0; block < 3; block++) {
		for (uint32_t word = 0; word < 30; word++)
			counter_add(&nearby_segment_block(segment, block)[word], 1);
	}
	nearby_segment_beat(segment, 1, 5);
	nearby_segment_close(&segment);
	config.counters = &rows[1];
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_ADOPTED), 0);
	assert_all(segment, USERS);
	assert_string_equal(nearby_segment_counter(segment, 0)->name, "wait_us");
	assert_string_equal(nearby_segment_counter(segment, 1)->name, "sessions");
	for (uint32_t word = 0; word < NEARBY_HISTOGRAM_WORDS; word++)
		assert_int_equal(nearby_segment_read(segment, 0, word), 0);
	assert_int_equal(nearby_segment_read(segment, 1, 0), 0);
	assert_int_equal(nearby_segment_last_beat(segment, 1), 0);
	nearby_segment_close(&segment);
}

static void another_users_max_takes_the_locations_along(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL, *reader = NULL;
	struct nearby_segment_config config = usual();
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	put_all(segment, USERS);
	assert_int_equal(nearby_segment_open(&reader, instance, NULL), 0);
	nearby_segment_close(&segment);
	config.users_max = 10 * USERS;
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_ADOPTED), 0);
	assert_all(segment, USERS);
	/* Who had the old one open reads on in it, and can tell that it is nobody's any more. */
	struct nearby_segment_info info;
	assert_all(reader, USERS);
	nearby_segment_info(reader, &info);
	assert_false(info.is_owned);
	nearby_segment_close(&reader);
	assert_int_equal(nearby_segment_open(&reader, instance, NULL), 0);
	assert_int_equal(nearby_table_partition_slots(reader), nearby_table_partition_slots(segment));
	assert_all(reader, USERS);
	nearby_segment_close(&reader);
	nearby_segment_close(&segment);
}

static void a_table_that_is_too_small_for_the_old_locations_tells_how_many_it_lost(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL;
	struct nearby_segment_config config = usual();
	config.users_max = 100 * USERS;
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	put_all(segment, 100 * USERS);
	nearby_segment_close(&segment);
	config.users_max = 1;
	const char *reason = NULL;
	enum nearby_segment_birth birth;
	assert_int_equal(nearby_segment_create(&segment, &config, &birth, &reason), 0);
	assert_int_equal(birth, NEARBY_SEGMENT_ADOPTED);
	uint64_t kept = 0;
	for (uint32_t partition = 0; partition < NEARBYSHM_PARTITIONS; partition++)
		kept += nearby_table_count(segment, partition);
	assert_int_equal(strtoull(reason, NULL, 10), 100 * USERS - kept);
	assert_non_null(strstr(reason, "did not fit"));
	nearby_segment_close(&segment);
}

static void a_second_daemon_is_refused_while_the_first_lives(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL, *second = NULL;
	struct nearby_segment_config config = usual();
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	put_all(segment, USERS);
	assert_int_equal(create(&second, &config, NEARBY_SEGMENT_FRESH), -EBUSY);
	assert_null(second);
	config.users_max = 9 * USERS;
	assert_int_equal(create(&second, &config, NEARBY_SEGMENT_FRESH), -EBUSY);
	assert_all(segment, USERS);
	nearby_segment_close(&segment);
}

static void a_killed_daemon_leaves_its_locations_and_not_its_lock(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL, *reader = NULL;
	struct nearby_segment_config config = usual();
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t daemon = fork();
	if (daemon == 0) {
		enum nearby_segment_birth birth;
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
		    nearby_segment_create(&segment, &config, &birth, NULL) != 0)
			_exit(1);
		put_all(segment, USERS);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(nearby_segment_open(&reader, instance, NULL), 0);
	struct nearby_segment_info info;
	nearby_segment_info(reader, &info);
	assert_true(info.is_owned);
	assert_int_equal(info.pid, daemon);
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), -EBUSY);
	kill(daemon, SIGKILL);
	assert_int_equal(waitpid(daemon, NULL, 0), daemon);
	nearby_segment_info(reader, &info);
	assert_false(info.is_owned);
	assert_all(reader, USERS);
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_ADOPTED), 0);
	assert_all(segment, USERS);
	nearby_segment_close(&segment);
	nearby_segment_close(&reader);
	close(ready[0]);
	close(ready[1]);
}

/* What a reader says to the bytes, and what a daemon does with them. */
static void assert_refused(const char *why)
{
	struct nearby_segment *segment = NULL;
	const char *reason = NULL;
	enum nearby_segment_birth birth;
	assert_int_equal(nearby_segment_open(&segment, instance, &reason), -EPROTO);
	assert_null(segment);
	if (strstr(reason, why) == NULL)
		fail_msg("'%s' does not say '%s'", reason, why);
	struct nearby_segment_config config = usual();
	assert_int_equal(nearby_segment_create(&segment, &config, &birth, &reason), 0);
	assert_int_equal(birth, NEARBY_SEGMENT_REPLACED);
	assert_non_null(strstr(reason, why));
	assert_all(segment, 0);
	put_all(segment, USERS);
	nearby_segment_close(&segment);
}

/* Where the fields of the header stand: nearby-shm(5). */
enum { MAGIC_AT = 0, VERSION_AT = 8, HASH_AT = 16, BYTES_AT = 24, SLOTS_AT = 32, BOOT_AT = 48 };

static void a_segment_of_another_kind_is_refused_with_the_reason(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		const char *why;
	} changes[] = {
		{ MAGIC_AT, "magic" },	 { VERSION_AT, "version" }, { HASH_AT, "layout" },
		{ BYTES_AT, "truncated" }, { SLOTS_AT, "layout" },    { BOOT_AT, "another boot" },
	};
	struct nearby_segment *segment = NULL;
	struct nearby_segment_config config = usual();
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	put_all(segment, USERS);
	nearby_segment_close(&segment);
	for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
		uint8_t *raw = raw_map(4096);
		raw[changes[i].at] ^= 1;
		munmap(raw, 4096);
		assert_refused(changes[i].why);
	}
}

static void a_half_made_segment_is_refused(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL;
	struct nearby_segment_config config = usual();
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	nearby_segment_close(&segment);
	uint8_t *raw = raw_map(4096);
	memset(raw, 0, 8);
	munmap(raw, 4096);
	assert_refused("half made");
}

static void a_truncated_segment_is_refused(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL;
	struct nearby_segment_config config = usual();
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	struct nearby_segment_info info;
	nearby_segment_info(segment, &info);
	nearby_segment_close(&segment);
	char path[64];
	snprintf(path, sizeof(path), "/dev/shm/nearby.%s", instance);
	assert_int_equal(truncate(path, (off_t)info.bytes - 1), 0);
	assert_refused("truncated");
	assert_int_equal(truncate(path, 100), 0);
	assert_refused("half made");
}

static void random_bytes_are_refused(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		size_t bytes = 4096 + (size_t)round * 200000;
		uint8_t *raw = raw_map(bytes);
		for (size_t i = 0; i < bytes; i += 8) {
			uint64_t word = nearby_user_hash(i + (uint64_t)round);
			memcpy(raw + i, &word, 8);
		}
		munmap(raw, bytes);
		assert_refused(bytes < 2252800 ? "bytes" : "magic");
		nearby_segment_unlink(instance);
	}
}

static void an_object_that_others_may_write_is_not_trusted(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL;
	struct nearby_segment_config config = usual();
	munmap(raw_map(4096), 4096);
	char path[64];
	snprintf(path, sizeof(path), "/dev/shm/nearby.%s", instance);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), -EACCES);
}

static void unlink_takes_the_name_and_leaves_the_memory_to_those_who_have_it(void **state)
{
	(void)state;
	struct nearby_segment *segment = NULL, *reader = NULL;
	struct nearby_segment_config config = usual();
	assert_int_equal(nearby_segment_unlink(instance), -ENOENT);
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	put_all(segment, USERS);
	assert_int_equal(nearby_segment_open(&reader, instance, NULL), 0);
	assert_int_equal(nearby_segment_unlink(instance), 0);
	assert_int_equal(nearby_segment_unlink(instance), -ENOENT);
	nearby_segment_close(&segment);
	assert_all(reader, USERS);
	nearby_segment_close(&reader);
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	assert_all(segment, 0);
	nearby_segment_close(&segment);
}

static void assert_invalid(const struct nearby_segment_config *config, const char *why)
{
	struct nearby_segment *segment = NULL;
	enum nearby_segment_birth birth;
	const char *reason = NULL;
	assert_int_equal(nearby_segment_create(&segment, config, &birth, &reason), -EINVAL);
	assert_null(segment);
	if (strstr(reason, why) == NULL)
		fail_msg("'%s' does not say '%s'", reason, why);
}

static void a_config_out_of_range_is_refused_with_what_is_allowed(void **state)
{
	(void)state;
	struct nearby_segment_config config = usual();
	static const char *const names[] = { "", "a/b", "a b", ".", "ä", "0123456789012345678901234567890123" };
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		struct nearby_segment *segment = NULL;
		config.instance = names[i];
		assert_invalid(&config, "letters");
		assert_int_equal(nearby_segment_open(&segment, names[i], NULL), -ENOENT);
		assert_int_equal(nearby_segment_unlink(names[i]), -ENOENT);
	}
	config = usual();
	config.cores = 0;
	assert_invalid(&config, "1 to 64");
	config.cores = config.blocks = 65;
	assert_invalid(&config, "1 to 64");
	config = usual();
	config.blocks = 1;
	assert_invalid(&config, "2 to 128");
	config.blocks = 129;
	assert_invalid(&config, "2 to 128");
	config = usual();
	config.users_max = 0;
	assert_invalid(&config, "2000000000");
	config.users_max = 2000000001;
	assert_invalid(&config, "2000000000");
	static struct nearby_counter_info many[513];
	config = usual();
	config.counters = many;
	config.counter_count = 513;
	assert_invalid(&config, "512");
	for (size_t i = 0; i < ARRAY_COUNT(many); i++)
		many[i].kind = NEARBY_HISTOGRAM;
	config.counter_count = 71;
	assert_invalid(&config, "2059 words");
}

static void a_segment_that_does_not_fit_says_what_it_needs_and_leaves_nothing(void **state)
{
	(void)state;
	struct statvfs room;
	assert_int_equal(statvfs("/dev/shm", &room), 0);
	if (room.f_blocks == 0 || room.f_bavail * room.f_frsize > (uint64_t)150 << 30)
		skip(); /* it would fit */
	struct nearby_segment *segment = NULL;
	struct nearby_segment_config config = usual();
	config.users_max = 2000000000;
	enum nearby_segment_birth birth;
	const char *reason = NULL;
	assert_int_equal(nearby_segment_create(&segment, &config, &birth, &reason), -ENOSPC);
	assert_non_null(strstr(reason, "bytes of shared memory"));
	assert_int_equal(nearby_segment_unlink(instance), -ENOENT);
	/* Nor does it cost what was there. */
	config = usual();
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), 0);
	put_all(segment, USERS);
	nearby_segment_close(&segment);
	config.users_max = 2000000000;
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_FRESH), -ENOSPC);
	config = usual();
	assert_int_equal(create(&segment, &config, NEARBY_SEGMENT_ADOPTED), 0);
	assert_all(segment, USERS);
	nearby_segment_close(&segment);
}

#define named_test(test) cmocka_unit_test_setup_teardown(test, fresh_name, drop_name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		named_test(a_segment_without_a_past_is_fresh_and_told_of_by_its_header),
		named_test(a_reader_sees_what_the_writer_puts),
		named_test(pages_become_huge_under_readers_and_change_nothing),
		named_test(locations_outlive_their_daemon_and_its_number_of_cores),
		named_test(counters_and_beats_start_at_zero_and_may_be_others_after_an_upgrade),
		named_test(another_users_max_takes_the_locations_along),
		named_test(a_table_that_is_too_small_for_the_old_locations_tells_how_many_it_lost),
		named_test(a_second_daemon_is_refused_while_the_first_lives),
		named_test(a_killed_daemon_leaves_its_locations_and_not_its_lock),
		named_test(a_segment_of_another_kind_is_refused_with_the_reason),
		named_test(a_half_made_segment_is_refused),
		named_test(a_truncated_segment_is_refused),
		named_test(random_bytes_are_refused),
		named_test(an_object_that_others_may_write_is_not_trusted),
		named_test(unlink_takes_the_name_and_leaves_the_memory_to_those_who_have_it),
		named_test(a_config_out_of_range_is_refused_with_what_is_allowed),
		named_test(a_segment_that_does_not_fit_says_what_it_needs_and_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
