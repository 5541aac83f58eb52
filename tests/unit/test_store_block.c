/*
 * Owns: what block.h and point.h promise.
 * Invariant: none of its own; every random choice comes from a fixed seed.
 * Thread: one.
 * Does not know: files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/id.h"
#include "store/bits.h"
#include "store/block.h"
#include "store/point.h"

static uint64_t seed;

static uint64_t random_u64(void)
{
	return hash_u64(seed++);
}

static int64_t random_between(int64_t low, int64_t high)
{
	return low + (int64_t)(random_u64() % (uint64_t)(high - low + 1));
}

static void assert_points_equal(const struct store_point *a, const struct store_point *b,
				size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(point_compare(&a[i], &b[i]), 0);
}

static int compare_points(const void *a, const void *b)
{
	return point_compare(a, b);
}

/* Encodes all in as many blocks as it takes and expects them back. Returns the bytes. */
static size_t round_trip(const struct store_point *points, size_t count)
{
	static struct store_point back[BLOCK_POINTS_MAX];
	uint8_t block[BLOCK_BUFFER_BYTES];
	size_t bytes = 0;
	for (size_t done = 0; done < count;) {
		size_t length;
		uint32_t back_count = 0;
		uint32_t taken = block_encode(points + done, count - done, block, &length);
		assert_in_range(taken, 1, BLOCK_POINTS_MAX);
		assert_in_range(length, 1, BLOCK_BYTES_MAX);
		assert_int_equal(block_decode(block, length, back, &back_count), 0);
		assert_int_equal(back_count, taken);
		assert_points_equal(back, points + done, taken);
		done += taken;
		bytes += length;
	}
	return bytes;
}

static struct nearby_place random_place(void)
{
	return (struct nearby_place){ (int32_t)random_between(-900000000, 900000000),
				      (int32_t)random_between(-1800000000, 1800000000) };
}

enum { COUNT = 6000 };
static struct store_point points[COUNT], scratch[COUNT];

static void any_points_come_back_as_they_were(void **state)
{
	(void)state;
	for (uint64_t spread = 1; spread != 0; spread <<= 3) {
		for (size_t i = 0; i < COUNT; i++)
			points[i] = (struct store_point){ { random_u64() % spread & USER_ID_MAX },
							  (int64_t)random_u64(),
							  random_place() };
		points_sort(points, scratch, COUNT);
		round_trip(points, COUNT);
	}
}

static void the_ends_of_every_range_come_back(void **state)
{
	(void)state;
	static const int64_t times[] = { INT64_MIN, INT64_MIN + 1, -1,	     0,
					 1,	    INT64_MAX - 1, INT64_MAX };
	static const int32_t places[] = { INT32_MIN, INT32_MAX, 0, INT32_MIN, -1, 1, INT32_MAX };
	for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
		points[i] = (struct store_point){ { 0 }, times[i], { places[i], places[6 - i] } };
		points[i + 7] = points[i];
		points[i + 7].user.value = USER_ID_MAX;
	}
	round_trip(points, 14);
	for (size_t i = 0; i < 14; i++)
		round_trip(points + i, 1);
}

/* A walker who reports every 30 s with a phone's jitter and noise. */
static void walk(struct store_point *to, size_t count, uint64_t user, int64_t unit_ms,
		 int32_t unit_e7)
{
	struct store_point at = { { user }, random_between(0, 30000), random_place() };
	for (size_t i = 0; i < count; i++) {
		at.ts_ms += 30000 + random_between(-300, 300);
		at.place.lat_e7 += (int32_t)random_between(-4000, 4000);
		at.place.lon_e7 += (int32_t)random_between(-4000, 4000);
		to[i] = at;
		to[i].ts_ms -= at.ts_ms % unit_ms;
		to[i].place.lat_e7 -= at.place.lat_e7 % unit_e7;
		to[i].place.lon_e7 -= at.place.lon_e7 % unit_e7;
	}
}

static void a_walkers_point_takes_little_and_less_when_the_phone_rounds(void **state)
{
	(void)state;
	walk(points, COUNT, 7, 1, 1);
	assert_in_range(round_trip(points, COUNT), COUNT * 3, COUNT * 6);
	walk(points, COUNT, 7, 1000, 100);
	assert_in_range(round_trip(points, COUNT), COUNT, COUNT * 3);
	/* Who does not move at all takes half a byte. */
	for (size_t i = 0; i < COUNT; i++)
		points[i] = (struct store_point){ { 7 }, 30000 * (int64_t)i, { 1, 2 } };
	assert_in_range(round_trip(points, COUNT), 1, COUNT / 2);
}

static void a_gap_of_days_and_a_flight_cost_only_themselves(void **state)
{
	(void)state;
	walk(points, 200, 7, 1, 1);
	size_t before = round_trip(points, 200);
	for (size_t i = 100; i < 200; i++) {
		points[i].ts_ms += INT64_C(5) * 86400 * 1000;
		points[i].place.lat_e7 -= 300000000;
		points[i].place.lon_e7 += 100000000;
	}
	assert_in_range(round_trip(points, 200), before, before + 100);
}

static void cut_or_changed_bytes_are_an_error(void **state)
{
	(void)state;
	static struct store_point back[BLOCK_POINTS_MAX];
	uint8_t block[BLOCK_BUFFER_BYTES], broken[BLOCK_BUFFER_BYTES];
	size_t length;
	uint32_t count;
	walk(points, 300, 7, 1, 1);
	block_encode(points, 300, block, &length);
	for (size_t cut = 0; cut < length; cut++)
		assert_int_equal(block_decode(block, cut, back, &count), -EBADMSG);
	for (size_t at = 0; at < length; at++) {
		memcpy(broken, block, length);
		broken[at] ^= (uint8_t)(1u << random_between(0, 7));
		assert_int_equal(block_decode(broken, length, back, &count), -EBADMSG);
	}
	assert_int_equal(block_decode(broken, BLOCK_BUFFER_BYTES, back, &count), -EBADMSG);
}

/* Whatever comes out of bytes that carry a right checksum is in order and in range. */
static void decode_sealed(uint8_t *block, size_t length)
{
	static struct store_point back[BLOCK_POINTS_MAX];
	uint32_t count = 0;
	block_seal(block, length);
	if (block_decode(block, length, back, &count) != 0)
		return;
	assert_in_range(count, 1, BLOCK_POINTS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		assert_true(back[i].user.value <= USER_ID_MAX);
		assert_true(i == 0 || back[i - 1].user.value < back[i].user.value ||
			    (back[i - 1].user.value == back[i].user.value &&
			     back[i - 1].ts_ms <= back[i].ts_ms));
	}
}

static void hostile_bytes_with_a_right_checksum_do_no_harm(void **state)
{
	(void)state;
	/* Of the exact size, so that AddressSanitizer sees a step past the end. */
	for (unsigned round = 0; round < 20000; round++) {
		size_t length = (size_t)random_between(8, 300);
		uint8_t *block = malloc(length);
		for (size_t i = 0; i < length; i++)
			block[i] = (uint8_t)random_u64();
		block[4] = (uint8_t)(1 + round % 2);
		block[6] &= 3;
		decode_sealed(block, length);
		free(block);
	}
	uint8_t good[BLOCK_BUFFER_BYTES];
	size_t length;
	walk(points, 100, 7, 1, 1);
	walk(points + 100, 100, 9, 1000, 100);
	block_encode(points, 200, good, &length);
	for (unsigned round = 0; round < 20000; round++) {
		size_t cut = (size_t)random_between(8, (int64_t)length);
		uint8_t *block = malloc(cut);
		memcpy(block, good, cut);
		for (int64_t changes = random_between(0, 4); changes > 0; changes--)
			block[random_between(7, (int64_t)cut - 1)] ^=
				(uint8_t)(1u << random_between(0, 7));
		decode_sealed(block, cut);
		free(block);
	}
}

/* A block of form 1: a user with one point, and one with three, a minute and 5e-6 degrees apart. */
static size_t old_block(uint8_t *block)
{
	struct bits_out out = { .at = block + 7 };
	memcpy(block + 4, "\001\004\000", 3);
	bits_put_number(&out, 1000); /* user */
	bits_put(&out, 0, 1);
	bits_put_number(&out, 2 * 1700000000000u); /* time */
	bits_put(&out, 375000000, 32);
	bits_put(&out, 1270000000, 32);
	bits_put_number(&out, 11); /* user */
	bits_put(&out, 1, 1);
	bits_put_number(&out, 2 * 500 - 1); /* 500 ms before the user before */
	bits_put(&out, (uint32_t)-5, 32);
	bits_put(&out, 7, 32);
	bits_put_number(&out, 2); /* further points */
	bits_put(&out, 1, 3);	  /* tens of 1e-7 degrees */
	bits_put(&out, 1, 1);	  /* seconds */
	bits_put_number(&out, 2 * 60);
	bits_put(&out, 0 | 3 << 5 | 3 << 10, 15);
	for (unsigned i = 0; i < 2; i++) {
		bits_put(&out, 0, 1);		 /* the usual step */
		bits_put(&out, 1 | 2 << 2, 5);	 /* 5 units north, folded 10: one 8, and 2 */
		bits_put(&out, 1 | 1 << 2, 5);	 /* 5 south, folded 9 */
	}
	bits_put(&out, 0, 7);
	block_seal(block, (size_t)(out.at - block));
	return (size_t)(out.at - block);
}

static void blocks_of_form_1_are_read(void **state)
{
	(void)state;
	static const struct store_point expected[] = {
		{ { 1000 }, 1700000000000, { 375000000, 1270000000 } },
		{ { 1011 }, 1699999999500, { -5, 7 } },
		{ { 1011 }, 1700000059500, { 45, -43 } },
		{ { 1011 }, 1700000119500, { 95, -93 } },
	};
	static struct store_point back[BLOCK_POINTS_MAX];
	uint8_t block[200];
	uint32_t count;
	size_t length = old_block(block);
	assert_int_equal(block_decode(block, length, back, &count), 0);
	assert_int_equal(count, ARRAY_COUNT(expected));
	assert_points_equal(back, expected, count);
	for (size_t cut = 0; cut < length; cut++)
		assert_int_equal(block_decode(block, cut, back, &count), -EBADMSG);
	block[4] = 3;
	block_seal(block, length);
	assert_int_equal(block_decode(block, length, back, &count), -EBADMSG);
}

/* Users one behind the other, and users by hash: what tells them apart takes what it must. */
static void users_with_a_point_each_take_little_beside_their_places(void **state)
{
	(void)state;
	for (unsigned bits = 23; bits <= 63; bits += 10) {
		for (size_t i = 0; i < COUNT; i++)
			points[i] = (struct store_point){ { random_u64() >> (64 - bits) },
							  1700000000000 + random_between(0, 1023),
							  random_place() };
		points_sort(points, scratch, COUNT);
		/* 64 bits of place, 12 of time, and as many as the mean step between users and two more. */
		size_t step_bits = bits - 12;
		assert_in_range(round_trip(points, COUNT), COUNT * 72 / 8,
				COUNT * (64 + 12 + step_bits + 3) / 8);
	}
}

/* Users that are some close together and some far from all others, or in order. */
static uint64_t clustered_user(unsigned round)
{
	static const unsigned shifts[] = { 0, 20, 55 };
	return random_u64() % 50 << shifts[random_u64() % (1 + round % 3)];
}

static void rows_are_merged_wherever_users_lie(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		struct points_row rows[5];
		size_t count = 0;
		for (unsigned row = 0; row < 5; row++) {
			rows[row].points = scratch + count;
			rows[row].count = random_u64() % (round % 3 == 0 ? 4 : COUNT / 5);
			for (size_t i = 0; i < rows[row].count; i++)
				scratch[count + i] = (struct store_point){ { clustered_user(round) },
									   random_between(0, 9),
									   random_place() };
			qsort(scratch + count, rows[row].count, sizeof(*scratch), compare_points);
			count += rows[row].count;
		}
		struct store_point *other = malloc((count + 1) * sizeof(*other));
		struct store_point *expected = malloc((count + 1) * sizeof(*expected));
		points_merge(points, other, rows, 5, count);
		memcpy(expected, scratch, count * sizeof(*expected));
		qsort(expected, count, sizeof(*expected), compare_points);
		assert_points_equal(points, expected, count);
		free(expected);
		free(other);
	}
}

static void sorting_is_by_user_then_time_whatever_the_order_was(void **state)
{
	(void)state;
	static const size_t counts[] = { 0, 1, 2, 32, 33, 64, 100, 513, COUNT };
	static struct store_point unsorted[COUNT], sorted[COUNT];
	static const uint64_t users[] = { 1, 3, 1000, (uint64_t)1 << 33, USER_ID_MAX };
	for (size_t c = 0; c < ARRAY_COUNT(counts); c++) {
		for (size_t u = 0; u < ARRAY_COUNT(users); u++) {
			uint64_t sum = 0;
			for (size_t i = 0; i < counts[c]; i++) {
				points[i] = (struct store_point){ { random_u64() % users[u] },
								  random_between(-5, 5000),
								  random_place() };
				sum += hash_u64(points[i].user.value ^ (uint64_t)points[i].ts_ms
									       << 40);
			}
			memcpy(unsorted, points, sizeof(unsorted));
			points_sort(points, scratch, counts[c]);
			points_sort_to(sorted, scratch, unsorted, counts[c]);
			assert_points_equal(points, sorted, counts[c]);
			for (size_t i = 0; i < counts[c]; i++) {
				assert_true(i == 0 ||
					    point_compare(&points[i - 1], &points[i]) <= 0);
				sum -= hash_u64(points[i].user.value ^ (uint64_t)points[i].ts_ms
									       << 40);
			}
			assert_int_equal(sum, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_points_come_back_as_they_were),
		cmocka_unit_test(the_ends_of_every_range_come_back),
		cmocka_unit_test(a_walkers_point_takes_little_and_less_when_the_phone_rounds),
		cmocka_unit_test(a_gap_of_days_and_a_flight_cost_only_themselves),
		cmocka_unit_test(cut_or_changed_bytes_are_an_error),
		cmocka_unit_test(hostile_bytes_with_a_right_checksum_do_no_harm),
		cmocka_unit_test(blocks_of_form_1_are_read),
		cmocka_unit_test(users_with_a_point_each_take_little_beside_their_places),
		cmocka_unit_test(rows_are_merged_wherever_users_lie),
		cmocka_unit_test(sorting_is_by_user_then_time_whatever_the_order_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
