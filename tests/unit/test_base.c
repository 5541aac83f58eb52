/*
 * Owns: what src/base promises.
 * Invariant: none of its own.
 * Thread: one, save for the ring, which gets two.
 * Does not know: anything above src/base.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/check.h"
#include "base/counter.h"
#include "base/id.h"
#include "base/reserve.h"
#include "base/ring.h"
#include "base/siphash.h"
#include "base/writer.h"

static void a_user_id_is_its_decimal_text_and_nothing_else(void **state)
{
	(void)state;
	static const uint64_t ids[] = { 0, 7, 42, 18446744073709551615u / 4, USER_ID_MAX };
	for (size_t i = 0; i < ARRAY_COUNT(ids); i++) {
		char text[USER_ID_TEXT_BYTES];
		struct user_id back = { 1 };
		size_t length = user_id_format((struct user_id){ ids[i] }, text);
		assert_true(user_id_parse(text, length, &back));
		assert_int_equal(back.value, ids[i]);
	}
	static const char *const refused[] = { "",    "-1",  "+1", "01", "1 ", " 1", "0x1", "1e3", "9223372036854775808",
					       "99999999999999999999", "seven" };
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		struct user_id untouched = { 5 };
		assert_false(user_id_parse(refused[i], strlen(refused[i]), &untouched));
		assert_int_equal(untouched.value, 5);
	}
}

static struct address address_of(const char *text)
{
	struct address_block block;
	assert_true(address_block_read(&block, text));
	assert_int_equal(block.bits, 128);
	return block.first;
}

static void an_address_has_one_form_and_reads_back(void **state)
{
	(void)state;
	static const char *const texts[] = { "127.0.0.1", "192.0.2.255", "::1", "2001:db8::7", "::" };
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		char text[ADDRESS_TEXT_BYTES];
		struct address address = address_of(texts[i]);
		address_format(&address, text);
		assert_string_equal(text, texts[i]);
	}
	struct address short_form = address_of("192.0.2.1"), long_form = address_of("::ffff:192.0.2.1");
	assert_true(address_equal(&short_form, &long_form));
}

static void a_block_has_the_addresses_that_begin_as_it_does(void **state)
{
	(void)state;
	static const struct {
		const char *block, *inside, *outside;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.1.2", "11.0.0.0" },
		{ "192.0.2.128/25", "192.0.2.128", "192.0.2.127" },
		{ "192.0.2.1/32", "192.0.2.1", "192.0.2.0" },
		{ "0.0.0.0/0", "203.0.113.9", "2001:db8::1" },
		{ "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1" },
		{ "::1", "::1", "127.0.0.1" },
		{ "::/0", "10.1.2.3", NULL },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct address_block block;
		assert_true(address_block_read(&block, rows[i].block));
		struct address inside = address_of(rows[i].inside);
		assert_true(address_block_has(&block, &inside));
		if (rows[i].outside == NULL)
			continue;
		struct address outside = address_of(rows[i].outside);
		assert_false(address_block_has(&block, &outside));
	}
	static const char *const refused[] = { "", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8",
					       "10.0.0", "::1/129", "2001:db8::1/32", "localhost", "/8", "10.0.0.0/0008" };
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		struct address_block untouched = { .bits = 7 };
		assert_false(address_block_read(&untouched, refused[i]));
		assert_int_equal(untouched.bits, 7);
	}
}

static void written(const char *wanted, int64_t value, unsigned decimals)
{
	char memory[64];
	struct writer writer = writer_init(memory, sizeof(memory));
	writer_put_fixed(&writer, value, decimals);
	assert_false(writer.overflow);
	assert_int_equal(writer_length(&writer), strlen(wanted));
	assert_memory_equal(memory, wanted, strlen(wanted));
}

static void fixed_point_numbers_lose_nothing(void **state)
{
	(void)state;
	written("37.5", 375000000, 7);
	written("-0.0000001", -1, 7);
	written("0", 0, 7);
	written("-180", -1800000000, 7);
	written("1234.567", 1234567, 3);
	written("1.05", 105, 2);
	written("0.00000001", 1, 8);
	written("12.99999999", 1299999999, 8);
	written("92233720368.54775807", INT64_MAX, 8);
	written("-92233720368.54775808", INT64_MIN, 8);
	written("100", 100, 0);
	written("10.1", 1010, 2);
	written("-9223372036854775808", INT64_MIN, 0);
}

/* At the end of the memory, digit for digit, and one byte short of it. */
static void fits(const char *wanted, uint64_t value)
{
	char memory[32];
	size_t length = strlen(wanted);
	for (size_t room = length - 1; room <= length; room++) {
		memset(memory, '#', sizeof(memory));
		struct writer writer = writer_init(memory, room);
		writer_put_u64(&writer, value);
		assert_int_equal(writer.overflow, room < length);
		assert_memory_equal(memory, room < length ? "#" : wanted, room < length ? 1 : length);
		assert_int_equal(memory[room], '#');
	}
}

static void numbers_of_every_length_are_written(void **state)
{
	(void)state;
	char wanted[32];
	uint64_t least = 1;
	for (unsigned digits = 1; digits <= 20; digits++, least *= 10) {
		uint64_t most = digits < 20 ? least * 10 - 1 : UINT64_MAX;
		uint64_t values[] = { least, most, least + (most - least) / 7, least + (most - least) / 3 };
		for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
			snprintf(wanted, sizeof(wanted), "%" PRIu64, values[i]);
			fits(wanted, values[i]);
		}
	}
	fits("0", 0);
	for (uint64_t value = 0; value < 100000; value += 7) {
		snprintf(wanted, sizeof(wanted), "%" PRIu64, value * 10007);
		fits(wanted, value * 10007);
	}
}

static void a_writer_that_is_full_says_so_once_and_for_all(void **state)
{
	(void)state;
	char memory[4];
	struct writer writer = writer_init(memory, sizeof(memory));
	writer_put_text(&writer, "abc");
	assert_false(writer.overflow);
	writer_put_text(&writer, "de");
	assert_true(writer.overflow);
	writer_put_text(&writer, "f");
	assert_true(writer.overflow);
	assert_int_equal(writer_length(&writer), 3);
}

static void a_histogram_counts_each_value_in_the_lowest_bucket_that_holds_it(void **state)
{
	(void)state;
	counter_word words[HISTOGRAM_WORDS] = { 0 };
	static const uint64_t values[] = { 0, 1, 2, 3, 4, 5, (uint64_t)1 << 26, ((uint64_t)1 << 26) + 1, UINT32_MAX };
	for (size_t i = 0; i < ARRAY_COUNT(values); i++)
		histogram_add(words, values[i]);
	assert_int_equal(counter_get(&words[1]), 2);	      /* 0, 1 */
	assert_int_equal(counter_get(&words[2]), 1);	      /* 2 */
	assert_int_equal(counter_get(&words[3]), 2);	      /* 3, 4 */
	assert_int_equal(counter_get(&words[4]), 1);	      /* 5 */
	assert_int_equal(counter_get(&words[1 + 26]), 1);
	assert_int_equal(counter_get(&words[1 + 27]), 2);
}

enum { RING_RECORDS = 200000 };

struct record {
	uint64_t number;
	uint64_t twice;
};

static void *post_all(void *argument)
{
	struct ring *ring = argument;
	for (uint64_t i = 0; i < RING_RECORDS; i++) {
		struct record record = { i, 2 * i };
		while (!ring_post(ring, &record))
			sched_yield();
	}
	return NULL;
}

static void a_ring_keeps_order_and_content_between_two_threads(void **state)
{
	(void)state;
	struct ring *ring = NULL;
	assert_int_equal(ring_open(&ring, 64, sizeof(struct record)), 0);
	pthread_t poster;
	assert_int_equal(pthread_create(&poster, NULL, post_all, ring), 0);
	uint64_t next = 0;
	while (next < RING_RECORDS) {
		struct record records[7];
		uint32_t count = ring_drain(ring, records, ARRAY_COUNT(records));
		for (uint32_t i = 0; i < count; i++, next++) {
			assert_int_equal(records[i].number, next);
			assert_int_equal(records[i].twice, 2 * next);
		}
		if (count == 0)
			sched_yield();
	}
	pthread_join(poster, NULL);
	assert_true(ring_is_empty(ring));
	ring_close(&ring);
	assert_null(ring);
}

static void a_full_ring_refuses_and_keeps_what_it_has(void **state)
{
	(void)state;
	struct ring *ring = NULL;
	assert_int_equal(ring_open(&ring, 4, 8), 0);
	for (uint64_t i = 0; i < 3; i++)
		assert_true(ring_post(ring, &i));
	uint64_t refused = 9, records[4];
	assert_int_equal(ring_room(ring), 0);
	assert_false(ring_post(ring, &refused));
	assert_int_equal(ring_drain(ring, records, 4), 3);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(records[i], i);
	ring_close(&ring);
}

/* A location's receipt is read from another core's clock, it may be a little later than our now. */
static void time_between_two_cores_never_goes_back(void **state)
{
	(void)state;
	assert_int_equal(elapsed_us(5, 7), 2);
	assert_int_equal(elapsed_us(7, 7), 0);
	assert_int_equal(elapsed_us(8, 7), 0);
}

/* Of the authors' reference: the key is 0 to 15, the message 0, 1, 2 and so on. */
static void siphash_is_that_of_its_authors(void **state)
{
	(void)state;
	static const uint64_t hashes[] = {
		UINT64_C(0x726fdb47dd0e0e31), /* of nothing, */
		UINT64_C(0x93f5f5799a932462), /* 8 bytes, */
		UINT64_C(0x3f2acc7f57c29bdb), /* 16 bytes */
	};
	uint8_t key[SIPHASH_KEY_BYTES];
	uint64_t words[2] = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
	for (uint8_t i = 0; i < sizeof(key); i++)
		key[i] = i;
	for (size_t count = 0; count < ARRAY_COUNT(hashes); count++)
		assert_true(siphash_words(key, words, count) == hashes[count]);
}

static void reserved_memory_is_zero_until_it_is_written(void **state)
{
	(void)state;
	const size_t bytes = (size_t)1 << 30;
	uint8_t *memory = reserve_take(bytes);
	assert_non_null(memory);
	assert_int_equal(memory[0] + memory[bytes / 2] + memory[bytes - 1], 0);
	memory[bytes / 2] = 7;
	assert_int_equal(memory[bytes / 2], 7);
	reserve_give(memory, bytes);
	reserve_give(NULL, bytes);
	assert_null(reserve_take(SIZE_MAX / 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_id_is_its_decimal_text_and_nothing_else),
		cmocka_unit_test(an_address_has_one_form_and_reads_back),
		cmocka_unit_test(a_block_has_the_addresses_that_begin_as_it_does),
		cmocka_unit_test(fixed_point_numbers_lose_nothing),
		cmocka_unit_test(numbers_of_every_length_are_written),
		cmocka_unit_test(a_writer_that_is_full_says_so_once_and_for_all),
		cmocka_unit_test(a_histogram_counts_each_value_in_the_lowest_bucket_that_holds_it),
		cmocka_unit_test(a_ring_keeps_order_and_content_between_two_threads),
		cmocka_unit_test(a_full_ring_refuses_and_keeps_what_it_has),
		cmocka_unit_test(siphash_is_that_of_its_authors),
		cmocka_unit_test(reserved_memory_is_zero_until_it_is_written),
		cmocka_unit_test(time_between_two_cores_never_goes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
