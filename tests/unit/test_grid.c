/*
 * Owns: what the grid of shown places promises, on places from all over the earth.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: who looks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/id.h"
#include "engine/geo.h"
#include "engine/grid.h"
#include "engine/mark.h"

enum { QUARTER_E7 = 900000000, HALF_E7 = 1800000000 };

/* One step of a walk, some 11 m. */
#define STEP_E7 1000

static const uint8_t secret[GRID_SECRET_BYTES] = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3 };
static uint64_t thrown;

/* -1 to 1, the same in every run. */
static double dice(void)
{
	return (double)(int64_t)hash_u64(thrown++) * 0x1p-63;
}

static struct user_id any_user(void)
{
	return (struct user_id){ hash_u64(thrown++) >> 1 };
}

static struct nearby_place place_of(double lat, double lon)
{
	return (struct nearby_place){ (int32_t)lrint(lat * 1e7), (int32_t)lrint(lon * 1e7) };
}

/* Even over the sphere, and now and then around a pole, or at the antimeridian. */
static struct nearby_place any_place(uint32_t turn)
{
	double lat = asin(dice()) * (180 / M_PI), lon = dice() * 180;
	if (turn % 4 == 1)
		lat = copysign(90 - fabs(dice()) * 0.05, lat);
	if (turn % 4 == 2)
		lon = copysign(180 - fabs(dice()) * 0.02, lon);
	return place_of(lat, lon);
}

static double metres(struct nearby_place a, struct nearby_place b)
{
	struct point from = geo_point(a), to = geo_point(b);
	return (double)geo_distance_mm(&from, &to) / 1000;
}

static bool is_same(struct nearby_place a, struct nearby_place b)
{
	return metres(a, b) < 0.05;
}

/* Somebody who walks, and what is shown of that. */
struct walker {
	struct user_id user;
	struct nearby_place place;
	uint8_t offset;
};

static struct nearby_place shown(const struct walker *walker)
{
	return grid_place(secret, walker->user, walker->place, walker->offset);
}

static void walk_to(struct walker *walker, struct nearby_place place)
{
	walker->offset = grid_snap(secret, walker->user, place, &walker->place, walker->offset);
	assert_true(walker->offset < GRID_OFFSETS);
	walker->place = place;
}

static struct nearby_place place_beside(struct nearby_place from, double lat_e7, double east_e7)
{
	double lat = from.lat_e7 + lat_e7;
	double lon = from.lon_e7 + east_e7 / fmax(cos(lat * (M_PI / 180e7)), 1e-3);
	lat = fmax(-QUARTER_E7, fmin(QUARTER_E7, lat));
	lon -= 36e8 * round(lon / 36e8);
	return (struct nearby_place){ (int32_t)lrint(lat), (int32_t)lrint(lon) };
}

static void a_place_is_shown_within_the_bound_of_where_it_is(void **state)
{
	(void)state;
	double worst_m = 0, worst_own_m = 0;
	for (uint32_t i = 0; i < 200000; i++) {
		struct walker walker = { .user = any_user(), .place = any_place(i) };
		worst_own_m = fmax(worst_own_m, metres(walker.place, shown(&walker)));
		for (int step = 0; step < 3; step++) {
			walk_to(&walker, place_beside(walker.place, dice() * 6e4, dice() * 6e4));
			worst_m = fmax(worst_m, metres(walker.place, shown(&walker)));
		}
	}
	print_message("standing %.0f m, walking %.0f m from where it is shown, at most\n", worst_own_m,
		      worst_m);
	assert_true(worst_own_m < 1100);
	assert_true(worst_m < GRID_BOUND_M);
	/* No looser than need be. */
	assert_true(worst_m > 1100);
}

static void far_from_the_poles_the_bound_is_seven_eighths_of_a_cell_both_ways(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 200000; i++) {
		struct walker walker = { .user = any_user(),
					 .place = place_of(dice() * 80, dice() * 180) };
		for (int step = 0; step < 3; step++) {
			walk_to(&walker, place_beside(walker.place, dice() * 6e4, dice() * 6e4));
			assert_true(metres(walker.place, shown(&walker)) < 1250);
		}
	}
}

static void the_middle_of_a_cell_is_shown_where_it_is(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 200000; i++) {
		struct walker walker = { .user = any_user(), .place = any_place(i) };
		struct nearby_place middle = shown(&walker);
		assert_true(is_same(grid_place(secret, walker.user, middle, GRID_OFFSET_OWN), middle));
	}
}

static void odd_corners_of_the_earth_are_places_as_any(void **state)
{
	(void)state;
	static const int32_t lats[] = { -QUARTER_E7, -QUARTER_E7 + 1, -1, 0, 1, QUARTER_E7 - 1,
					QUARTER_E7 };
	static const int32_t lons[] = { -HALF_E7, -HALF_E7 + 1, -1, 0, 1, HALF_E7 - 1, HALF_E7 };
	for (uint32_t i = 0; i < 1000; i++) {
		struct user_id user = any_user();
		for (size_t at = 0; at < ARRAY_COUNT(lats) * ARRAY_COUNT(lons); at++) {
			struct nearby_place place = { lats[at / 7], lons[at % 7] };
			struct nearby_place middle = grid_place(secret, user, place, 0);
			assert_in_range(middle.lat_e7 + QUARTER_E7, 0, 2u * QUARTER_E7);
			assert_in_range((int64_t)middle.lon_e7 + HALF_E7, 0, 2u * HALF_E7);
			assert_true(metres(place, middle) < 1100);
		}
	}
}

static void one_point_of_the_earth_is_in_one_cell(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		struct user_id user = any_user();
		int32_t lat = (int32_t)(dice() * 9e8), lon = (int32_t)(dice() * 18e8);
		struct nearby_place west = grid_place(secret, user, (struct nearby_place){ lat, -HALF_E7 }, 0);
		struct nearby_place east = grid_place(secret, user, (struct nearby_place){ lat, HALF_E7 }, 0);
		assert_int_equal(west.lat_e7, east.lat_e7);
		assert_int_equal(west.lon_e7, east.lon_e7);
		int32_t pole = i % 2 == 0 ? QUARTER_E7 : -QUARTER_E7;
		struct nearby_place here = grid_place(secret, user, (struct nearby_place){ pole, lon }, 0);
		struct nearby_place there = grid_place(secret, user, (struct nearby_place){ pole, 0 }, 0);
		assert_int_equal(here.lat_e7, there.lat_e7);
		assert_int_equal(here.lon_e7, there.lon_e7);
	}
}

/* Any offset, and any that is none, as a damaged table might have it, leads to a place. */
static void every_offset_is_a_cell_at_or_around_the_place(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		struct walker walker = { .user = any_user(), .place = any_place(i) };
		for (walker.offset = 0; walker.offset < 16; walker.offset++)
			assert_true(metres(walker.place, shown(&walker)) < 3500);
	}
}

/* To and fro over all borders of the neighbourhood, by less than an eighth of a cell: what is shown
 * changes at most once, namely when the first step leaves a wider strip. */
static void who_walks_along_a_border_is_shown_in_one_place(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		struct walker walker = { .user = any_user(),
					 .place = place_of(dice() * 85, dice() * 180) };
		struct nearby_place home = walker.place, first = shown(&walker);
		for (int step = 0; step < 50; step++) {
			double far = 90000.0 / 8 * 0.7;
			walk_to(&walker, place_beside(home, dice() * far, dice() * far));
			assert_true(is_same(shown(&walker), first));
		}
	}
}

/* Where, in parts of a cell beyond the border, a walk straight on changed what is shown. */
static double change_at(struct walker *walker, double lat_step, double east_step)
{
	struct nearby_place before = shown(walker);
	while (is_same(shown(walker), before))
		walk_to(walker, place_beside(walker->place, lat_step, east_step));
	/* What is shown now is the cell that the walker is in, so its near border is known. */
	assert_int_equal(walker->offset, GRID_OFFSET_OWN);
	struct nearby_place now = shown(walker);
	if (lat_step != 0)
		return fabs((double)walker->place.lat_e7 - now.lat_e7) / 90000;
	return fabs((double)walker->place.lon_e7 - now.lon_e7) *
	       cos(now.lat_e7 * (M_PI / 180e7)) / 90000;
}

static void a_change_comes_past_the_border_and_none_knows_how_far(void **state)
{
	(void)state;
	double least = 1, most = 0;
	for (uint32_t i = 0; i < 4000; i++) {
		struct walker walker = { .user = any_user(),
					 .place = place_of(dice() * 70, dice() * 170) };
		bool is_north = i % 2 == 0;
		double step = i % 4 < 2 ? STEP_E7 : -STEP_E7;
		double from_middle = change_at(&walker, is_north ? step : 0, is_north ? 0 : step);
		/* Half a cell from the middle is the border. */
		least = fmin(least, 0.5 - from_middle);
		most = fmax(most, 0.5 - from_middle);
	}
	print_message("changes from %.3f to %.3f of a cell past the border\n", least, most);
	assert_true(least > 0.12 && least < 0.15);
	assert_true(most > 0.36 && most < 0.40);
}

static void after_a_jump_the_cell_is_that_of_the_place(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		struct walker walker = { .user = any_user(), .place = any_place(i) };
		struct nearby_place to = any_place(i);
		if (metres(walker.place, to) < 5000)
			continue;
		walk_to(&walker, to);
		assert_int_equal(walker.offset, GRID_OFFSET_OWN);
	}
	assert_int_equal(grid_snap(secret, any_user(), any_place(0), NULL, 5), GRID_OFFSET_OWN);
}

/* Many users at one place: where each is shown, relative to the place, is anywhere in a cell. */
static void each_user_has_a_grid_of_its_own(void **state)
{
	(void)state;
	enum { USERS = 64000, PARTS = 8 };
	uint32_t counts[PARTS][PARTS] = { 0 };
	struct nearby_place place = place_of(48.1, 11.5);
	double width_e7 = 36e8 / round(cos(48.1 * (M_PI / 180)) * 40000);
	for (uint32_t i = 0; i < USERS; i++) {
		struct nearby_place middle = grid_place(secret, (struct user_id){ i }, place, 0);
		double north = (middle.lat_e7 - place.lat_e7) / 90000.0 + 0.5;
		double east = (middle.lon_e7 - place.lon_e7) / width_e7 + 0.5;
		/* Rows of other latitudes are cut a little otherwise. */
		int row = (int)fmin(fmax(north * PARTS, 0), PARTS - 1);
		int column = (int)fmin(fmax(east * PARTS, 0), PARTS - 1);
		counts[row][column]++;
	}
	double chi2 = 0, wanted = (double)USERS / (PARTS * PARTS);
	for (int i = 0; i < PARTS * PARTS; i++)
		chi2 += pow(counts[i / PARTS][i % PARTS] - wanted, 2) / wanted;
	/* 63 degrees of freedom: more than 103.4 in one of a thousand; the run is always the same. */
	assert_true(chi2 < 103.4);
}

static void another_secret_is_another_grid(void **state)
{
	(void)state;
	uint8_t other[GRID_SECRET_BYTES] = { 1 };
	uint32_t same = 0;
	for (uint32_t i = 0; i < 1000; i++) {
		struct nearby_place place = any_place(0);
		same += is_same(grid_place(secret, (struct user_id){ 7 }, place, 0),
				grid_place(other, (struct user_id){ 7 }, place, 0));
	}
	assert_int_equal(same, 0);
}

static void a_mark_keeps_what_it_was_made_of_and_zero_is_precise(void **state)
{
	(void)state;
	for (int mode = SHARING_PRECISE; mode <= SHARING_OFF; mode++) {
		for (uint8_t offset = 0; offset < GRID_OFFSETS; offset++) {
			uint8_t mark = mark_make((enum sharing_mode)mode, offset, offset % 2 == 1);
			assert_int_equal(mark_mode(mark), mode);
			assert_int_equal(mark_offset(mark), offset);
			assert_int_equal((mark & MARK_STRANGERS) != 0, offset % 2 == 1);
		}
	}
	assert_int_equal(mark_mode(0), SHARING_PRECISE);
	assert_int_equal(mark_offset(0), GRID_OFFSET_OWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_is_shown_within_the_bound_of_where_it_is),
		cmocka_unit_test(
			far_from_the_poles_the_bound_is_seven_eighths_of_a_cell_both_ways),
		cmocka_unit_test(the_middle_of_a_cell_is_shown_where_it_is),
		cmocka_unit_test(odd_corners_of_the_earth_are_places_as_any),
		cmocka_unit_test(one_point_of_the_earth_is_in_one_cell),
		cmocka_unit_test(every_offset_is_a_cell_at_or_around_the_place),
		cmocka_unit_test(who_walks_along_a_border_is_shown_in_one_place),
		cmocka_unit_test(a_change_comes_past_the_border_and_none_knows_how_far),
		cmocka_unit_test(after_a_jump_the_cell_is_that_of_the_place),
		cmocka_unit_test(each_user_has_a_grid_of_its_own),
		cmocka_unit_test(another_secret_is_another_grid),
		cmocka_unit_test(a_mark_keeps_what_it_was_made_of_and_zero_is_precise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
