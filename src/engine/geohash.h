/*
 * Owns: the cells of the geohash, and which of them touch.
 * Invariant: cells are those that every geohash has: a place is in the cell whose text begins its own.
 *   Touching goes both ways.
 * Thread: any, no state.
 * Does not know: who is in which cell.
 *
 * A code is the geohash of a place as a number of GEOHASH_BITS bits, longitude and latitude in turn,
 * longitude first: its first 5 x n bits are the n characters of the text. 28 bits each are 8 cm from
 * south to north and 15 cm from west to east.
 *
 * Rows and columns of a length count from the south and from the west. A cell's neighbours are those
 * that touch it, at an edge or a corner. Columns go around the earth, so the last touches the first;
 * 180 degrees east are 180 west. At a pole the outermost row has no row beyond, but all its cells
 * have the pole as a corner: they touch each other, however many there are.
 */
#ifndef NEARBY_ENGINE_GEOHASH_H
#define NEARBY_ENGINE_GEOHASH_H

#include "engine/geo.h"
#include "nearbyshm.h"

#include <stdbool.h>
#include <stdint.h>

#define GEOHASH_BITS 56
#define GEOHASH_LENGTH_MAX 8

uint64_t geohash_of(struct nearby_place place);

struct geohash_cell {
	uint32_t row, column;
};
struct geohash_cell geohash_cell(uint64_t code, uint32_t length);
/* Whether the cells, of the same length, are the same or touch. */
bool geohash_is_near(struct geohash_cell a, struct geohash_cell b, uint32_t length);
/* The row is the first or the last. */
bool geohash_is_polar(uint32_t row, uint32_t length);
/* The neighbour in that direction, around the earth; false when there is none. */
bool geohash_step(struct geohash_cell *cell, int north, int east, uint32_t length);

/* All places whose codes begin alike: rows and columns of 28 bits, the last ones included. */
struct geohash_box {
	uint32_t south, north, west, east;
};
struct geohash_box geohash_box(uint64_t code, uint32_t bits);
/* Whether some place of the box is in the cell or in one that touches it. */
bool geohash_box_is_near(const struct geohash_box *box, struct geohash_cell cell, uint32_t length);

/* Where somebody looks from: the same place twice. */
struct geohash_eye {
	struct nearby_place place;
	struct point point;
};
/* geo_chord2 from the eye to a place of the box is at least this: exact but for GEOHASH_SLACK. */
double geohash_box_chord2(const struct geohash_box *box, const struct geohash_eye *eye);
/* Of rounding, in squares of earth radii: under a metre where the box is at hand, 1e-7 of 1 km. */
#define GEOHASH_SLACK 2e-14

#endif
