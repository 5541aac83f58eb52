/*
 * Owns: that cells are those of every geohash, that touching cells are found, and that a box is never
 *   nearer than what is in it.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: users.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/id.h"
#include "engine/geohash.h"

static struct nearby_place at(double lat, double lon)
{
	return (struct nearby_place){ (int32_t)lround(lat * 1e7), (int32_t)lround(lon * 1e7) };
}

/* The text of the first characters. */
static void text_of(uint64_t code, uint32_t length, char *text)
{
	static const char digits[] = "0123456789bcdefghjkmnpqrstuvwxyz";
	for (uint32_t i = 0; i < length; i++)
		text[i] = digits[code >> (GEOHASH_BITS - 5 * (i + 1)) & 31];
	text[length] = '\0';
}

static struct geohash_cell cell_at(double lat, double lon, uint32_t length)
{
	return geohash_cell(geohash_of(at(lat, lon)), length);
}

static bool are_near(struct nearby_place a, struct nearby_place b, uint32_t length)
{
	return geohash_is_near(geohash_cell(geohash_of(a), length),
			       geohash_cell(geohash_of(b), length), length);
}

/* Published ones: of Wikipedia, of geohash.org and of the documentation of Redis and Elasticsearch. */
static void codes_are_the_geohashes_that_everybody_has(void **state)
{
	(void)state;
	static const struct {
		double lat, lon;
		const char *text;
	} known[] = {
		{ 57.64911, 10.40744, "u4pruydqqvj" },	{ 42.605, -5.603, "ezs42" },
		{ 37.8324, 112.5584, "ww8p1r4t8" },	{ 38.115556, 13.361389, "sqc8b49rny" },
		{ 37.502669, 15.087269, "sqdtr74hyu" }, { -25.382708, -49.265506, "6gkzwgjzn8" },
		{ 0.0001, 0.0001, "s000000" },		{ -0.0001, -0.0001, "7zzzzzz" },
		{ -90, -180, "00000000000" },		{ 90, 179.9999999, "zzzzzzzz" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
		char text[16];
		uint32_t length = (uint32_t)strlen(known[i].text);
		text_of(geohash_of(at(known[i].lat, known[i].lon)), length, text);
		assert_string_equal(text, known[i].text);
	}
}

static void rows_and_columns_of_a_length_are_as_many_as_it_has_bits(void **state)
{
	(void)state;
	static const uint32_t rows[] = { 4, 32, 128, 1024, 4096, 32768, 131072, 1048576 };
	static const uint32_t columns[] = { 8, 32, 256, 1024, 8192, 32768, 262144, 1048576 };
	for (uint32_t length = 1; length <= GEOHASH_LENGTH_MAX; length++) {
		struct geohash_cell last = cell_at(90, 179.9999999, length);
		assert_int_equal(last.row, rows[length - 1] - 1);
		assert_int_equal(last.column, columns[length - 1] - 1);
		struct geohash_cell first = cell_at(-90, -180, length);
		assert_int_equal(first.row, 0);
		assert_int_equal(first.column, 0);
	}
}

/* Of ezs42: the eight that geohash.org's neighbours are. */
static void neighbours_are_the_eight_around(void **state)
{
	(void)state;
	static const char *const wanted[] = { "ezefp", "ezs40", "ezs41", "ezefr", "ezs42",
					      "ezs43", "ezefx", "ezs48", "ezs49" };
	double height = 180.0 / 4096, width = 360.0 / 8192;
	uint32_t found = 0;
	for (int north = -1; north <= 1; north++) {
		for (int east = -1; east <= 1; east++) {
			struct geohash_cell cell = cell_at(42.605, -5.603, 5);
			assert_true(geohash_step(&cell, north, east, 5));
			struct nearby_place place =
				at(42.605 + north * height, -5.603 + east * width);
			struct geohash_cell there = geohash_cell(geohash_of(place), 5);
			assert_int_equal(cell.row, there.row);
			assert_int_equal(cell.column, there.column);
			char text[16];
			text_of(geohash_of(place), 5, text);
			assert_string_equal(text, wanted[found++]);
			assert_true(are_near(at(42.605, -5.603), place, 5));
		}
	}
	assert_false(are_near(at(42.605, -5.603), at(42.605 + 2 * height, -5.603), 5));
	assert_false(are_near(at(42.605, -5.603), at(42.605, -5.603 - 2 * width), 5));
}

static void cells_go_around_the_earth(void **state)
{
	(void)state;
	for (uint32_t length = 1; length <= GEOHASH_LENGTH_MAX; length++) {
		assert_true(are_near(at(10, 179.9999999), at(10, -179.9999999), length));
		assert_true(are_near(at(10, 180), at(10, -179.9999999), length));
		struct geohash_cell cell = cell_at(10, -179.9999999, length);
		assert_int_equal(cell.column, 0);
		assert_true(geohash_step(&cell, 0, -1, length));
		assert_int_equal(cell.column, cell_at(10, 179.9999999, length).column);
	}
	assert_int_equal(geohash_of(at(10, 180)), geohash_of(at(10, -180)));
	double width = 360.0 / 8192;
	assert_false(are_near(at(10, 180 - 1.5 * width), at(10, -180 + 0.5 * width), 5));
}

static void around_a_pole_all_cells_touch(void **state)
{
	(void)state;
	for (double pole = -90; pole <= 90; pole += 180) {
		double beside = pole - copysign(0.0001, pole);
		double below = pole - copysign(1.5 * 180.0 / 4096, pole);
		assert_true(are_near(at(beside, 10), at(beside, -170), 5));
		assert_true(are_near(at(pole, 0), at(beside, 123), 5));
		assert_true(are_near(at(beside, 10), at(below, 10), 5));
		assert_false(are_near(at(beside, 10), at(below, -170), 5));
		assert_false(are_near(at(below, 10), at(below, -170), 5));
		struct geohash_cell cell = cell_at(pole, 10, 5);
		assert_true(geohash_is_polar(cell.row, 5));
		assert_false(geohash_step(&cell, pole > 0 ? 1 : -1, 0, 5));
	}
}

/* ---- boxes -------------------------------------------------------------------------------- */

static uint64_t throw(uint64_t * dice)
{
	return hash_u64((*dice)++);
}

/* Often at a pole, at the antimeridian or at 0, and then a little beside. */
static struct nearby_place throw_place(uint64_t *dice)
{
	static const double lats[] = { 90, -90, 0, 45 }, lons[] = { 180, -180, 0, 90 };
	double lat = (double)(throw(dice) % 1800000000) / 1e7 - 90;
	double lon = (double)(throw(dice) % 3600000000) / 1e7 - 180;
	if (throw(dice) % 2)
		lat = lats[throw(dice) % 4] + (double)(throw(dice) % 100000) / 1e7;
	if (throw(dice) % 2)
		lon = lons[throw(dice) % 4] + (double)(throw(dice) % 100000) / 1e7;
	return at(fmax(-90, fmin(90, lat)), lon > 180 ? lon - 360 : lon);
}

static void touching_goes_both_ways_and_a_box_has_a_cell_that_touches(void **state)
{
	(void)state;
	uint64_t dice = 1;
	uint32_t near = 0;
	for (int i = 0; i < 200000; i++) {
		struct nearby_place a = throw_place(&dice), b = throw_place(&dice);
		uint32_t length = 1 + (uint32_t)(throw(&dice) % GEOHASH_LENGTH_MAX);
		uint32_t bits = (uint32_t)(throw(&dice) % (GEOHASH_BITS + 1));
		bool is_near = are_near(a, b, length);
		assert_int_equal(is_near, are_near(b, a, length));
		struct geohash_box box = geohash_box(geohash_of(b), bits);
		struct geohash_cell cell = geohash_cell(geohash_of(a), length);
		if (is_near)
			assert_true(geohash_box_is_near(&box, cell, length));
		else if (bits == GEOHASH_BITS)
			assert_false(geohash_box_is_near(&box, cell, length));
		near += is_near;
	}
	assert_in_range(near, 1000, 199000);
}

/* For whole cells, by asking each. */
static void a_box_is_near_exactly_when_one_of_its_cells_is(void **state)
{
	(void)state;
	enum { LENGTH = 2, SIDE = 32 };
	for (uint32_t bits = 0; bits <= 10; bits++) {
		for (uint64_t start = 0; start < 1u << bits; start++) {
			struct geohash_box box = geohash_box(start << (GEOHASH_BITS - bits), bits);
			uint32_t down = 28 - 5;
			for (uint32_t row = 0; row < SIDE; row += 3) {
				struct geohash_cell cell = { row == 30 ? 31 : row, start % SIDE };
				bool is_near = false;
				for (uint32_t r = box.south >> down; r <= box.north >> down; r++)
					for (uint32_t c = box.west >> down; c <= box.east >> down;
					     c++)
						is_near |= geohash_is_near(
							cell, (struct geohash_cell){ r, c },
							LENGTH);
				assert_int_equal(geohash_box_is_near(&box, cell, LENGTH), is_near);
			}
		}
	}
}

static void nobody_in_a_box_is_nearer_than_the_box(void **state)
{
	(void)state;
	uint64_t dice = 7;
	uint32_t tight = 0, count = 300000;
	for (uint32_t i = 0; i < count; i++) {
		struct nearby_place from = throw_place(&dice), to = throw_place(&dice);
		if (i % 2)
			to = at(fmin(90, from.lat_e7 / 1e7 + (double)(throw(&dice) % 100) / 1e4),
				from.lon_e7 / 1e7);
		struct geohash_eye eye = { from, geo_point(from) };
		struct point point = geo_point(to);
		uint32_t bits = (uint32_t)(throw(&dice) % (GEOHASH_BITS + 1));
		struct geohash_box box = geohash_box(geohash_of(to), bits);
		double least = geohash_box_chord2(&box, &eye);
		double chord2 = geo_chord2(&eye.point, &point);
		assert_true(least >= 0 && least <= chord2 + 1e-15);
		/* And not much less: a box of 8 cm says where it is. */
		box = geohash_box(geohash_of(to), GEOHASH_BITS);
		least = sqrt(geohash_box_chord2(&box, &eye) + GEOHASH_SLACK) * GEO_EARTH_RADIUS_M;
		assert_true(least + 1.3 >= sqrt(chord2) * GEO_EARTH_RADIUS_M);
		tight += bits > 20 && least > 1000;
	}
	assert_true(tight > count / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_are_the_geohashes_that_everybody_has),
		cmocka_unit_test(rows_and_columns_of_a_length_are_as_many_as_it_has_bits),
		cmocka_unit_test(neighbours_are_the_eight_around),
		cmocka_unit_test(cells_go_around_the_earth),
		cmocka_unit_test(around_a_pole_all_cells_touch),
		cmocka_unit_test(touching_goes_both_ways_and_a_box_has_a_cell_that_touches),
		cmocka_unit_test(a_box_is_near_exactly_when_one_of_its_cells_is),
		cmocka_unit_test(nobody_in_a_box_is_nearer_than_the_box),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
