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
 * Sorts by user and time, from one place to another; in `scratch` and in `points` is room for `count`.
 * Linear in `count` as long as the points of one user come nearly in order: a radix sort of the digits
 * in which users differ.
 */
void points_sort_to(struct store_point *points, struct store_point *scratch,
		    const struct store_point *from, size_t count);

/* The same with points that stay where they are, at somewhat more cost. */
void points_sort(struct store_point *points, struct store_point *scratch, size_t count);

/* A row of points somewhere, in order. */
struct points_row {
	const struct store_point *points;
	size_t count;
};

/*
 * Merges rows, of `count` points together, whose order is nearly that of time, into `points`; there and in
 * `scratch` is room for as many. Cheapest where users are spread evenly: one pass spreads them.
 */
void points_merge(struct store_point *points, struct store_point *scratch,
		  const struct points_row *rows, uint32_t row_count, size_t count);

/* Sorts points of one user, cheaply when they are nearly in order. */
void points_sort_by_time(struct store_point *points, size_t count);

#endif
