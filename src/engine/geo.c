/*
 * Owns: the trigonometry.
 * Invariant: see geo.h.
 * Thread: any, no state.
 * Does not know: who is there.
 */
#include "engine/geo.h"

#include <math.h>
#include <stdlib.h>

#define QUARTER_E7 900000000.0

/* Two angles at a time, a latitude and a longitude. */
typedef double pair __attribute__((vector_size(16)));
typedef int64_t pair_bits __attribute__((vector_size(16)));

static inline pair both(double value)
{
	return (pair){ value, value };
}

/*
 * Taylor's series up to 45 degrees, where what they leave out, x^17 / 17! and x^18 / 18!, is 5e-17
 * and 2e-18: less than what a double rounds off.
 */
static inline pair sine_short(pair x)
{
	pair z = x * x;
	pair sum = both(1 / 6227020800.0) - z * (1 / 1307674368000.0);
	sum = both(1 / 39916800.0) - z * sum;
	sum = both(1 / 362880.0) - z * sum;
	sum = both(1 / 5040.0) - z * sum;
	sum = both(1 / 120.0) - z * sum;
	sum = both(1 / 6.0) - z * sum;
	return x - x * z * sum;
}

static inline pair cosine_short(pair x)
{
	pair z = x * x;
	pair sum = both(1 / 87178291200.0) - z * (1 / 20922789888000.0);
	sum = both(1 / 479001600.0) - z * sum;
	sum = both(1 / 3628800.0) - z * sum;
	sum = both(1 / 40320.0) - z * sum;
	sum = both(1 / 720.0) - z * sum;
	sum = both(1 / 24.0) - z * sum;
	sum = both(0.5) - z * sum;
	return both(1) - z * sum;
}

/* What has the bits of `a` where the mask has, and those of `b` elsewhere. */
static inline pair choose(pair_bits mask, pair a, pair b)
{
	return (pair)(((pair_bits)a & mask) | ((pair_bits)b & ~mask));
}

/* Changes the sign where bit 1 of the quarters is set. */
static inline pair turn(pair value, pair_bits quarters)
{
	return (pair)((pair_bits)value ^ (quarters & 2) << 62);
}

/*
 * Sines and cosines of angles in 1e-7 degrees. The nearest quarter turn is taken off in whole
 * numbers, so that multiples of 90 degrees come out as exact 0 and 1; a pole then has one vector for
 * all longitudes, and 180 east is 180 west.
 */
static inline void sines_cosines(pair angles_e7, pair *sines, pair *cosines)
{
	/* Adding it leaves no room for a fraction, and the whole number in the lowest bits. */
	const pair whole = both(0x1.8p52);
	pair shifted = angles_e7 * (1 / QUARTER_E7) + whole;
	pair_bits quarters = (pair_bits)shifted;
	pair rest = (angles_e7 - (shifted - whole) * QUARTER_E7) * (M_PI / 180e7);
	pair sine = sine_short(rest), cosine = cosine_short(rest);
	pair_bits is_odd = -(quarters & 1);
	*sines = turn(choose(is_odd, cosine, sine), quarters);
	*cosines = turn(choose(is_odd, sine, cosine), quarters + 1);
}

struct point geo_point(struct nearby_place place)
{
	pair sines, cosines;
	sines_cosines((pair){ place.lat_e7, place.lon_e7 }, &sines, &cosines);
	return (struct point){ cosines[0] * cosines[1], cosines[0] * sines[1], sines[0] };
}

double geo_chord2_limit(double radius_m)
{
	double half_angle = radius_m / (2 * GEO_EARTH_RADIUS_M);
	if (half_angle >= M_PI / 2)
		return 4.5; /* the whole sphere, with room for rounding */
	double half_chord = sin(half_angle);
	return 4 * half_chord * half_chord;
}

/*
 * A way over the sphere is no longer than the same way drawn on a map where a degree of longitude is
 * as long everywhere as at the equator; so who is within on the map is within. A thousandth is left
 * for rounding.
 */
struct geo_range geo_range(double radius_m)
{
	double metres_e7 = GEO_EARTH_RADIUS_M * (M_PI / 180e7);
	double plain_e7 = fmin(radius_m / metres_e7 * 0.999, 1e9);
	return (struct geo_range){
		.chord2 = geo_chord2_limit(radius_m),
		.plain_e14 = (uint64_t)(plain_e7 * plain_e7),
	};
}

bool geo_is_within(const struct geo_range *range, struct nearby_place a, struct nearby_place b)
{
	/* Unsigned, as the sum of squares over the whole sphere is just under 2^64. */
	uint64_t lat = (uint64_t)llabs((int64_t)a.lat_e7 - b.lat_e7);
	uint64_t lon = (uint64_t)llabs((int64_t)a.lon_e7 - b.lon_e7);
	if (lat * lat + lon * lon <= range->plain_e14)
		return true;
	struct point from = geo_point(a), to = geo_point(b);
	return geo_chord2(&from, &to) <= range->chord2;
}

float geo_spot_chord2_most(double radius_m)
{
	double chord = sqrt(geo_chord2_limit(radius_m)) + GEO_SPOT_ERROR;
	return (float)(chord * chord * (1 + 1e-6));
}

float geo_spot_chord2_least(double radius_m)
{
	double chord = fmax(0, sqrt(geo_chord2_limit(radius_m)) - GEO_SPOT_ERROR);
	return (float)(chord * chord * (1 - 1e-6));
}

/* The arc over a chord, in earth radii. Up to 127 km the term of the series that is left out,
 * 5/7168 chord^7, is under a thousandth of a millimetre. */
static double arc(const struct point *a, const struct point *b)
{
	double chord2 = geo_chord2(a, b);
	if (chord2 <= 4e-4)
		return sqrt(chord2) * (1 + chord2 * (1 / 24.0 + chord2 * (3 / 640.0)));
	struct point opposite = { -b->x, -b->y, -b->z };
	return 2 * atan2(sqrt(chord2), sqrt(geo_chord2(a, &opposite)));
}

uint64_t geo_distance_mm(const struct point *a, const struct point *b)
{
	return (uint64_t)(arc(a, b) * (GEO_EARTH_RADIUS_M * 1000) + 0.5);
}
