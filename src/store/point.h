/*
 * Owns: the order of points: by user, then time, then place.
 * Invariant: a total order, so that equal points are equal in every field.
 * Thread: any, no state.
 * Does not know: where points come from.
 */
#ifndef NEARBY_STORE_POINT_H
#define NEARBY_STORE_POINT_H

#include "store/store.h"

/* Less than, equal to or greater than 0. */
int point_compare(const struct store_point *a, const struct store_point *b);

/*
 * Sorts by user and time; `scratch` has room for `count`. Linear in `count` (a radix sort of the
 * digits in which users differ) as long as the points of one user come nearly in order.
 */
void points_sort(struct store_point *points, struct store_point *scratch, size_t count);

/* Sorts points of one user, cheaply when they are nearly in order. */
void points_sort_by_time(struct store_point *points, size_t count);

#endif
