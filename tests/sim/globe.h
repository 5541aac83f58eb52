/*
 * Owns: the simulation's own idea of distance, written apart from the engine's.
 * Invariant: haversine in long double on a sphere of GLOBE_RADIUS_M.
 * Thread: any, no state.
 * Does not know: users.
 */
#ifndef NEARBY_SIM_GLOBE_H
#define NEARBY_SIM_GLOBE_H

#include "nearbyshm.h"

#define GLOBE_RADIUS_M 6371008.8L

long double globe_distance_m(struct nearby_place a, struct nearby_place b);

/* Where one is after `distance_m` in the direction `bearing` (radians, clockwise from north). */
struct nearby_place globe_travel(struct nearby_place from, double bearing, double distance_m);

/* Degrees to the 1e-7 that the table keeps. */
struct nearby_place globe_place(double lat, double lon);

#endif
