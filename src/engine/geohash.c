/*
 * Owns: see geohash.h.
 * Invariant: see geohash.h.
 * Thread: any, no state.
 * Does not know: who is in which cell.
 */
#include "engine/geohash.h"

#include "base/check.h"

#include <math.h>

/* Of each of the two. */
#define HALF_BITS (GEOHASH_BITS / 2)
#define HALF_COUNT (UINT32_C(1) << HALF_BITS)
#define QUARTER_E7 INT64_C(900000000)
#define RADIANS_OF_E7 (M_PI / 180e7)

/* ---- codes -------------------------------------------------------------------------------- */

/* Puts a free bit above each. */
static uint64_t spread(uint32_t half)
{
	uint64_t bits = half;
	bits = (bits | bits << 16) & UINT64_C(0x0000ffff0000ffff);
	bits = (bits | bits << 8) & UINT64_C(0x00ff00ff00ff00ff);
	bits = (bits | bits << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	bits = (bits | bits << 2) & UINT64_C(0x3333333333333333);
	return (bits | bits << 1) & UINT64_C(0x5555555555555555);
}

/* Takes every second bit, from the lowest. */
static uint32_t gather(uint64_t bits)
{
	bits &= UINT64_C(0x5555555555555555);
	bits = (bits | bits >> 1) & UINT64_C(0x3333333333333333);
	bits = (bits | bits >> 2) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	bits = (bits | bits >> 4) & UINT64_C(0x00ff00ff00ff00ff);
	bits = (bits | bits >> 8) & UINT64_C(0x0000ffff0000ffff);
	return (uint32_t)(bits | bits >> 16);
}

static uint32_t half_of(int64_t from_edge_e7, int64_t whole_e7)
{
	return (uint32_t)(((uint64_t)from_edge_e7 << HALF_BITS) / (uint64_t)whole_e7);
}

uint64_t geohash_of(struct nearby_place place)
{
	int64_t from_south = place.lat_e7 + QUARTER_E7, from_west = place.lon_e7 + 2 * QUARTER_E7;
	check(from_south >= 0 && from_south <= 2 * QUARTER_E7);
	check(from_west >= 0 && from_west <= 4 * QUARTER_E7);
	uint32_t row = half_of(from_south, 2 * QUARTER_E7);
	if (row == HALF_COUNT)
		row--; /* the north pole ends the last row */
	return spread(row) | spread(half_of(from_west % (4 * QUARTER_E7), 4 * QUARTER_E7)) << 1;
}

/* ---- cells -------------------------------------------------------------------------------- */

static uint32_t row_bits(uint32_t length)
{
	return 5 * length / 2;
}

static uint32_t column_bits(uint32_t length)
{
	return (5 * length + 1) / 2;
}

struct geohash_cell geohash_cell(uint64_t code, uint32_t length)
{
	check(length >= 1 && length <= GEOHASH_LENGTH_MAX);
	return (struct geohash_cell){
		.row = gather(code) >> (HALF_BITS - row_bits(length)),
		.column = gather(code >> 1) >> (HALF_BITS - column_bits(length)),
	};
}

bool geohash_is_polar(uint32_t row, uint32_t length)
{
	return row == 0 || row == (1u << row_bits(length)) - 1;
}

bool geohash_is_near(struct geohash_cell a, struct geohash_cell b, uint32_t length)
{
	if (a.row == b.row && geohash_is_polar(a.row, length))
		return true;
	/* From one before to one after, around the earth. */
	uint32_t columns = 1u << column_bits(length);
	return a.row + 1 - b.row <= 2 && (a.column + 1 - b.column) % columns <= 2;
}

bool geohash_step(struct geohash_cell *cell, int north, int east, uint32_t length)
{
	uint32_t row = cell->row + (uint32_t)north;
	if (row >= 1u << row_bits(length))
		return false;
	cell->row = row;
	cell->column = (cell->column + (uint32_t)east) % (1u << column_bits(length));
	return true;
}

/* ---- boxes -------------------------------------------------------------------------------- */

struct geohash_box geohash_box(uint64_t code, uint32_t bits)
{
	check(bits <= GEOHASH_BITS);
	uint32_t rows = HALF_COUNT >> bits / 2, columns = HALF_COUNT >> (bits + 1) / 2;
	uint32_t south = gather(code) & ~(rows - 1), west = gather(code >> 1) & ~(columns - 1);
	return (struct geohash_box){ south, south + rows - 1, west, west + columns - 1 };
}

bool geohash_box_is_near(const struct geohash_box *box, struct geohash_cell cell, uint32_t length)
{
	uint32_t rows = row_bits(length), columns = column_bits(length);
	uint32_t south = box->south >> (HALF_BITS - rows), north = box->north >> (HALF_BITS - rows);
	if (geohash_is_polar(cell.row, length) && south <= cell.row && cell.row <= north)
		return true;
	if (south > cell.row + 1 || north + 1 < cell.row)
		return false;
	/* Two arcs meet when one begins within the other. */
	uint32_t west = box->west >> (HALF_BITS - columns),
		 east = box->east >> (HALF_BITS - columns);
	uint32_t around = (1u << columns) - 1, first = cell.column - 1;
	return ((west - first) & around) <= 2 || ((first - west) & around) <= east - west;
}

/* The cosine of the angle to the nearest point of a part of a meridian: it grows up to the point
 * that is nearest on the whole meridian, and falls beyond. */
static double meridian_cosine(const struct point *eye, double lon, double south, double north)
{
	double level = eye->x * cos(lon) + eye->y * sin(lon);
	double south_sine = sin(south), south_cosine = cos(south);
	double north_sine = sin(north), north_cosine = cos(north);
	double grows_at_south = eye->z * south_cosine - level * south_sine;
	double grows_at_north = eye->z * north_cosine - level * north_sine;
	if (grows_at_south > 0 && grows_at_north < 0)
		return sqrt(eye->z * eye->z + level * level);
	return fmax(eye->z * south_sine + level * south_cosine,
		    eye->z * north_sine + level * north_cosine);
}

/* The edge before a row or column. */
static double row_edge(uint32_t row)
{
	return (row * (2.0 * (double)QUARTER_E7 / HALF_COUNT) - (double)QUARTER_E7) * RADIANS_OF_E7;
}

static double column_edge(uint32_t column)
{
	return (column * (4.0 * (double)QUARTER_E7 / HALF_COUNT) - 2.0 * (double)QUARTER_E7) *
	       RADIANS_OF_E7;
}

double geohash_box_chord2(const struct geohash_box *box, const struct geohash_eye *eye)
{
	double south = row_edge(box->south), north = row_edge(box->north + 1);
	double west = column_edge(box->west), east = column_edge(box->east + 1);
	double lat = eye->place.lat_e7 * RADIANS_OF_E7, lon = eye->place.lon_e7 * RADIANS_OF_E7;
	double chord2;
	if (lon >= west && lon <= east) {
		double half = sin(fmax(0, fmax(south - lat, lat - north)) / 2);
		chord2 = 4 * half * half;
	} else {
		/* Nearest is a point of an edge, as on each parallel what is nearer in longitude is nearer. */
		double cosine = fmax(meridian_cosine(&eye->point, west, south, north),
				     meridian_cosine(&eye->point, east, south, north));
		chord2 = 2 - 2 * cosine;
	}
	return fmax(0, chord2 - GEOHASH_SLACK);
}
