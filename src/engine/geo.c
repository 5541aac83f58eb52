/*
 * Owns: the trigonometry.
 * Invariant: see geo.h.
 * Thread: any, no state.
 * Does not know: who is there.
 */
#include "engine/geo.h"

#include <math.h>
#include <stdlib.h>

#define QUARTER_E7 INT64_C(900000000)

/*
 * Sine and cosine of an angle in 1e-7 degrees. The nearest quarter turn is taken off in integers,
 * so that the libm sees at most 45 degrees and multiples of 90 come out as exact 0 and 1; a pole
 * then has one vector for all longitudes, and 180 east is 180 west.
 */
static void sine_cosine(int64_t angle_e7, double *sine, double *cosine)
{
	int64_t quarters = (angle_e7 + 4 * QUARTER_E7 + QUARTER_E7 / 2) / QUARTER_E7 - 4;
	double rest = (double)(angle_e7 - quarters * QUARTER_E7) * (M_PI / 180e7);
	double s = sin(rest), c = cos(rest);
	switch (quarters & 3) {
	case 0:
		*sine = s, *cosine = c;
		break;
	case 1:
		*sine = c, *cosine = -s;
		break;
	case 2:
		*sine = -s, *cosine = -c;
		break;
	default:
		*sine = -c, *cosine = s;
		break;
	}
}

struct point geo_point(struct nearby_place place)
{
	double sin_lat, cos_lat, sin_lon, cos_lon;
	sine_cosine(place.lat_e7, &sin_lat, &cos_lat);
	sine_cosine(place.lon_e7, &sin_lon, &cos_lon);
	return (struct point){ cos_lat * cos_lon, cos_lat * sin_lon, sin_lat };
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

uint64_t geo_distance_mm(const struct point *a, const struct point *b)
{
	struct point opposite = { -b->x, -b->y, -b->z };
	double angle = 2 * atan2(sqrt(geo_chord2(a, b)), sqrt(geo_chord2(a, &opposite)));
	return (uint64_t)llround(angle * GEO_EARTH_RADIUS_M * 1000);
}
