/*
 * Owns: haversine and travelling along a great circle.
 * Invariant: a place that comes out is within ±90 and ±180 degrees.
 * Thread: any, no state.
 * Does not know: users.
 */
#include "globe.h"

#include <math.h>

static long double radians(int32_t e7)
{
	return (long double)e7 * 1e-7L * acosl(-1) / 180;
}

static long double square(long double x)
{
	return x * x;
}

long double globe_distance_m(struct nearby_place a, struct nearby_place b)
{
	long double lat_a = radians(a.lat_e7), lat_b = radians(b.lat_e7);
	long double lon = radians(b.lon_e7) - radians(a.lon_e7);
	long double half = square(sinl((lat_b - lat_a) / 2)) +
			   cosl(lat_a) * cosl(lat_b) * square(sinl(lon / 2));
	return 2 * GLOBE_RADIUS_M * asinl(sqrtl(half < 1 ? half : 1));
}

struct nearby_place globe_place(double lat, double lon)
{
	lat = fmin(90, fmax(-90, lat));
	lon = remainder(lon, 360);
	return (struct nearby_place){ (int32_t)lround(lat * 1e7), (int32_t)lround(lon * 1e7) };
}

struct nearby_place globe_travel(struct nearby_place from, double bearing, double distance_m)
{
	double lat = (double)radians(from.lat_e7), lon = (double)radians(from.lon_e7);
	double angle = distance_m / (double)GLOBE_RADIUS_M, degree = acos(-1) / 180;
	double to = asin(
		fmin(1, fmax(-1, sin(lat) * cos(angle) + cos(lat) * sin(angle) * cos(bearing))));
	double east = atan2(sin(bearing) * sin(angle) * cos(lat), cos(angle) - sin(lat) * sin(to));
	return globe_place(to / degree, (lon + east) / degree);
}
