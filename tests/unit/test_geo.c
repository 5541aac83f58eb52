/*
 * Owns: what distances promise: exactness at the odd places of the sphere, agreement with a
 *   reference in long double, and how far the sphere is from the ellipsoid.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: who is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/id.h"
#include "engine/geo.h"

#define RADIUS_M 8046.72L
#define PI_L 3.14159265358979323846264338327950288L

enum { QUARTER_E7 = 900000000, HALF_E7 = 1800000000 };

static uint64_t thrown;

/* -1 to 1, the same in every run. */
static double dice(void)
{
	return (double)(int64_t)hash_u64(thrown++) * 0x1p-63;
}

static struct nearby_place any_place(void)
{
	/* Even over the sphere. */
	double lat = asin(dice()) * (180 / M_PI), lon = dice() * 180;
	return (struct nearby_place){ (int32_t)lrint(lat * 1e7), (int32_t)lrint(lon * 1e7) };
}

/* Within about `degrees` of another place. */
static struct nearby_place place_beside(struct nearby_place from, double degrees)
{
	double lat = from.lat_e7 * 1e-7 + dice() * degrees;
	double lon = from.lon_e7 * 1e-7 + dice() * degrees / fmax(cos(lat * (M_PI / 180)), 0.01);
	lat = fmax(-90, fmin(90, lat));
	lon -= 360 * round(lon / 360);
	return (struct nearby_place){ (int32_t)lrint(lat * 1e7), (int32_t)lrint(lon * 1e7) };
}

static uint64_t distance_mm(struct nearby_place a, struct nearby_place b)
{
	struct point from = geo_point(a), to = geo_point(b);
	return geo_distance_mm(&from, &to);
}

/* Vincenty's formula for the sphere in long double, metres: good at all distances. */
static long double reference_m(struct nearby_place a, struct nearby_place b)
{
	long double unit = PI_L / 180e7L;
	long double lat_a = a.lat_e7 * unit, lat_b = b.lat_e7 * unit;
	long double lon = ((long double)b.lon_e7 - (long double)a.lon_e7) * unit;
	long double east = cosl(lat_b) * sinl(lon);
	long double north = cosl(lat_a) * sinl(lat_b) - sinl(lat_a) * cosl(lat_b) * cosl(lon);
	long double along = sinl(lat_a) * sinl(lat_b) + cosl(lat_a) * cosl(lat_b) * cosl(lon);
	return atan2l(hypotl(east, north), along) * 6371008.8L;
}

static void agrees(struct nearby_place a, struct nearby_place b)
{
	long double wanted_mm = reference_m(a, b) * 1000;
	if (fabsl((long double)distance_mm(a, b) - wanted_mm) > 0.51L)
		fail_msg("(%d, %d) to (%d, %d): %llu mm, not %.3Lf", a.lat_e7, a.lon_e7, b.lat_e7,
			 b.lon_e7, (unsigned long long)distance_mm(a, b), wanted_mm);
	assert_int_equal(distance_mm(a, b), distance_mm(b, a));
}

static void distances_agree_with_the_reference(void **state)
{
	(void)state;
	static const double spans[] = { 1e-6, 1e-3, 0.1, 1, 30 };
	for (uint32_t i = 0; i < 20000; i++) {
		struct nearby_place from = any_place();
		agrees(from, any_place());
		agrees(from, place_beside(from, spans[i % ARRAY_COUNT(spans)]));
	}
}

static void a_pole_is_one_place_whatever_the_longitude(void **state)
{
	(void)state;
	for (int32_t sign = -1; sign <= 1; sign += 2) {
		for (int32_t lon = -HALF_E7; lon < HALF_E7 - 100000000; lon += 100000000) {
			struct nearby_place pole = { sign * QUARTER_E7, lon };
			assert_int_equal(
				distance_mm(pole, (struct nearby_place){ sign * QUARTER_E7, 0 }),
				0);
			struct point point = geo_point(pole);
			assert_true(point.x == 0 && point.y == 0 && point.z == sign);
			agrees(pole, (struct nearby_place){ sign * 899999999, 123456789 });
		}
	}
	struct nearby_place north = { QUARTER_E7, 0 }, south = { -QUARTER_E7, HALF_E7 };
	assert_int_equal(distance_mm(north, south), 20015114442);
}

static void the_antimeridian_is_no_border(void **state)
{
	(void)state;
	for (int32_t lat = -QUARTER_E7; lat < QUARTER_E7; lat += 12345678) {
		struct nearby_place east = { lat, HALF_E7 }, west = { lat, -HALF_E7 };
		assert_int_equal(distance_mm(east, west), 0);
		agrees((struct nearby_place){ lat, HALF_E7 - 5000 },
		       (struct nearby_place){ lat, -HALF_E7 + 5000 });
	}
}

static void a_place_is_at_no_distance_from_itself_and_half_around_from_its_antipode(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		struct nearby_place here = any_place();
		struct nearby_place there = { -here.lat_e7, here.lon_e7 > 0
								    ? here.lon_e7 - HALF_E7
								    : here.lon_e7 + HALF_E7 };
		assert_int_equal(distance_mm(here, here), 0);
		assert_int_equal(distance_mm(here, there), 20015114442);
		struct nearby_place nearly = place_beside(there, 1e-4);
		agrees(here, nearly);
	}
}

static void neighbouring_places_are_told_apart(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		struct nearby_place here = any_place(), beside = here;
		beside.lat_e7 += here.lat_e7 < QUARTER_E7 ? 1 : -1;
		assert_int_equal(distance_mm(here, beside), 11);
	}
}

/* The filter and the distance that is shown never disagree by what can be seen. */
static void in_range_is_what_the_distance_says(void **state)
{
	(void)state;
	double limit = geo_chord2_limit((double)RADIUS_M);
	uint32_t in_range = 0, close = 0;
	for (uint32_t i = 0; i < 200000; i++) {
		struct nearby_place from = any_place(), to = place_beside(from, 0.09);
		struct point a = geo_point(from), b = geo_point(to);
		long double off_m = reference_m(from, to) - RADIUS_M;
		bool is_near = geo_chord2(&a, &b) <= limit;
		if (is_near)
			assert_true(geo_distance_mm(&a, &b) <= (uint64_t)(RADIUS_M * 1000));
		else
			assert_true(geo_distance_mm(&a, &b) >= (uint64_t)(RADIUS_M * 1000));
		/* A micrometre decides. */
		if (fabsl(off_m) > 1e-6L)
			assert_int_equal(is_near, off_m < 0);
		in_range += is_near;
		close += fabsl(off_m) < 10;
	}
	assert_in_range(in_range, 20000, 180000);
	assert_true(close > 50);
}

static void every_radius_has_a_limit(void **state)
{
	(void)state;
	struct point here = geo_point((struct nearby_place){ 0, 0 });
	struct point antipode = geo_point((struct nearby_place){ 0, HALF_E7 });
	assert_true(geo_chord2(&here, &antipode) <= geo_chord2_limit(20015115));
	assert_true(geo_chord2(&here, &antipode) <= geo_chord2_limit(1e9));
	assert_true(geo_chord2(&here, &antipode) > geo_chord2_limit(20015114));
	assert_true(geo_chord2_limit(1e300) < 5);
	assert_true(geo_chord2(&here, &here) <= geo_chord2_limit(1e-9));
}

/* The quick answer is the exact one, and neither a pole nor the antimeridian is far from itself. */
static void a_range_is_what_its_limit_says(void **state)
{
	(void)state;
	static const double radii_m[] = { 1, 400, 8046.72, 2e5, 3e6, 2e7 };
	uint32_t within = 0;
	for (uint32_t i = 0; i < 120000; i++) {
		struct geo_range range = geo_range(radii_m[i % 6]);
		struct nearby_place from = any_place(), to = any_place();
		if (i % 6 < 5)
			to = place_beside(from, radii_m[i % 6] * 1.2e-5);
		struct point a = geo_point(from), b = geo_point(to);
		bool is_within = geo_is_within(&range, from, to);
		assert_int_equal(is_within, geo_chord2(&a, &b) <= range.chord2);
		within += is_within;
	}
	assert_in_range(within, 20000, 110000);
}

/* Who is within by the exact vectors is never left out by the small ones, nor the other way round. */
static void spots_err_to_the_safe_side(void **state)
{
	(void)state;
	static const double radii_m[] = { 1, 100, 8046.72, 2e5 };
	uint32_t told_apart = 0;
	for (uint32_t i = 0; i < 200000; i++) {
		double radius_m = radii_m[i % 4];
		struct nearby_place from = any_place();
		struct nearby_place to = place_beside(from, radius_m * 1.2e-5);
		struct point a = geo_point(from), b = geo_point(to);
		struct spot spot_a = geo_spot(&a), spot_b = geo_spot(&b);
		bool is_within = geo_chord2(&a, &b) <= geo_chord2_limit(radius_m);
		float chord2 = geo_spot_chord2(&spot_a, &spot_b);
		bool is_most = chord2 <= geo_spot_chord2_most(radius_m);
		bool is_least = chord2 >= geo_spot_chord2_least(radius_m);
		assert_true(is_within ? is_most : is_least);
		told_apart += is_most != is_least;
	}
	assert_true(told_apart > 100000);
}

/* ---- the ellipsoid ------------------------------------------------------------------------ */

enum { PAIRS = 20000 };

static struct nearby_place pairs[PAIRS][2];

static void pairs_write(const char *path, double span)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	for (uint32_t i = 0; i < PAIRS; i++) {
		pairs[i][0] = any_place();
		pairs[i][1] = span > 0 ? place_beside(pairs[i][0], span) : any_place();
		for (uint32_t end = 0; end < 2; end++)
			fprintf(file, "%.7f %.7f%c", pairs[i][end].lat_e7 * 1e-7,
				pairs[i][end].lon_e7 * 1e-7, end == 0 ? ' ' : '\n');
	}
	fclose(file);
}

/* The largest relative error of our distance against the geodesics that GeodSolve prints. */
static double largest_error(const char *path)
{
	char command[200];
	snprintf(command, sizeof(command), "GeodSolve -i -p 6 --input-file %s", path);
	FILE *geodesics = popen(command, "r");
	assert_non_null(geodesics);
	double largest = 0;
	for (uint32_t i = 0; i < PAIRS; i++) {
		double there_m;
		assert_int_equal(fscanf(geodesics, "%*s %*s %lf", &there_m), 1);
		double ours_m = (double)distance_mm(pairs[i][0], pairs[i][1]) / 1000;
		/* Under 100 m our millimetres would be what is measured. */
		if (there_m > 100)
			largest = fmax(largest, fabs(ours_m / there_m - 1));
	}
	assert_int_equal(pclose(geodesics), 0);
	return largest;
}

static void the_sphere_is_off_the_ellipsoid_by_what_the_header_says(void **state)
{
	(void)state;
	if (system("GeodSolve --version > /dev/null 2>&1") != 0) {
		print_message("GeodSolve of geographiclib-tools is not installed\n");
		skip();
	}
	char path[] = "/tmp/test_geo-XXXXXX";
	int file = mkstemp(path);
	assert_true(file >= 0);
	close(file);
	static const double spans[] = { 0, 10, 0.1, 0.01 };
	double largest = 0;
	for (uint32_t i = 0; i < ARRAY_COUNT(spans); i++) {
		pairs_write(path, spans[i]);
		double error = largest_error(path);
		print_message("pairs within %g degrees (0 is anywhere): %.3f %%\n", spans[i],
			      error * 100);
		largest = fmax(largest, error);
	}
	unlink(path);
	assert_true(largest < GEO_SPHERE_ERROR_MAX);
	/* The bound is no looser than it must be. */
	assert_true(largest > GEO_SPHERE_ERROR_MAX * 0.95);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distances_agree_with_the_reference),
		cmocka_unit_test(a_pole_is_one_place_whatever_the_longitude),
		cmocka_unit_test(the_antimeridian_is_no_border),
		cmocka_unit_test(
			a_place_is_at_no_distance_from_itself_and_half_around_from_its_antipode),
		cmocka_unit_test(neighbouring_places_are_told_apart),
		cmocka_unit_test(in_range_is_what_the_distance_says),
		cmocka_unit_test(every_radius_has_a_limit),
		cmocka_unit_test(a_range_is_what_its_limit_says),
		cmocka_unit_test(spots_err_to_the_safe_side),
		cmocka_unit_test(the_sphere_is_off_the_ellipsoid_by_what_the_header_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
