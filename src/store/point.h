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

/* A row of points somewhere. */
struct points_row {
	const struct store_point *points;
	size_t count;
};

/*
 * Puts the points of all rows, `count` together, into `points` by user and time; `scratch` has room for
 * as many. Linear in `count` as long as the points of one user come nearly in order: one pass, where
 * users are spread evenly, and else a radix sort of the digits in which they differ.
 */
void points_gather(struct store_point *points, struct store_point *scratch,
		   const struct points_row *rows, uint32_t row_count, size_t count);

/* The same with points that stay where they are. */
void points_sort(struct store_point *points, struct store_point *scratch, size_t count);

/* Sorts points of one user, cheaply when they are nearly in order. */
void points_sort_by_time(struct store_point *points, size_t count);

#endif
