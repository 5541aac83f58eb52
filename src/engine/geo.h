/*
 * Owns: places on the sphere, how far apart they are, and whether that is within a radius.
 * Invariant: exact at the poles, over the antimeridian, for identical and for antipodal places:
 *   places that name the same point give the same vector, bit for bit; symmetric everywhere.
 * Thread: any, no state.
 * Does not know: who is there.
 *
 * The earth is a sphere of its mean radius. Against the geodesics of the WGS 84 ellipsoid (GeodSolve
 * of GeographicLib) the distance is wrong by at most GEO_SPHERE_ERROR_MAX. Measured by test_geo on
 * 20,000 pairs each: anywhere 0.559 %, within 10 degrees 0.561 %, 0.1 degrees 0.561 % (worst is north
 * to south at the equator: 45 m at the edge of 5 miles), 0.01 degrees 0.561 %.
 */
#ifndef NEARBY_ENGINE_GEO_H
#define NEARBY_ENGINE_GEO_H

#include "nearbyshm.h"

#include <stdbool.h>
#include <stdint.h>

/* Mean radius of WGS 84, (2a + b) / 3. */
#define GEO_EARTH_RADIUS_M 6371008.8
#define GEO_SPHERE_ERROR_MAX 0.0057

/* A place as a vector of length 1: what distance tests are made of, without angles. */
struct point {
	double x, y, z;
};

struct point geo_point(struct nearby_place place);

/* The square of the straight line through the earth, in earth radii: grows with the distance. */
static inline double geo_chord2(const struct point *a, const struct point *b)
{
	double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
	return dx * dx + dy * dy + dz * dz;
}

/* Two places are within `radius_m` exactly when geo_chord2 of them is at most this; it is under 5
 * for every radius, so a point further off the sphere than that is near nothing. */
double geo_chord2_limit(double radius_m);

/* Places within a distance of each other, decided without trigonometry when they are close by. */
struct geo_range {
	double chord2;
	uint64_t plain_e14; /* surely within while lat² + lon² of the difference is at most this */
};
struct geo_range geo_range(double radius_m);
bool geo_is_within(const struct geo_range *range, struct nearby_place a, struct nearby_place b);

/*
 * A point in single precision, for tests over many. The straight line between two of them is off by
 * at most GEO_SPOT_ERROR earth radii, 1.9 m: rounding moves each coordinate by 2^-25 at most, so the
 * line by 2 * sqrt(3) * 2^-25 = 1.04e-7, and the arithmetic adds less than that again.
 */
struct spot {
	_Alignas(16) float x;
	float y, z;
};
#define GEO_SPOT_ERROR 3e-7

static inline struct spot geo_spot(const struct point *point)
{
	return (struct spot){ (float)point->x, (float)point->y, (float)point->z };
}

static inline float geo_spot_chord2(const struct spot *a, const struct spot *b)
{
	float dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
	return dx * dx + dy * dy + dz * dz;
}

/* Whoever is within `radius_m` has at most the larger, who is not has at least the smaller. */
float geo_spot_chord2_most(double radius_m);
float geo_spot_chord2_least(double radius_m);

/* Along the great circle, rounded to millimetres. */
uint64_t geo_distance_mm(const struct point *a, const struct point *b);

#endif
