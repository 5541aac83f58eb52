/*
 * Owns: see grid.h.
 * Invariant: see grid.h; every place is in one cell, and the middle of a cell is in that cell.
 * Thread: any, no state.
 * Does not know: who may see what.
 */
#include "engine/grid.h"

#include "base/check.h"

#include <math.h>

#define ROW_E7	INT64_C(90000)
#define POLE_E7 INT64_C(900000000)
#define TURN_E7 INT64_C(3600000000)

/* A user's grid. Latitudes count from the south pole, longitudes from 180 west plus the shift. */
struct grid {
	const uint8_t *secret;
	uint64_t user;
	int64_t lat_shift; /* 0 .. ROW_E7-1: so much of the first row lies before the south pole */
	int64_t lon_shift; /* 0 .. TURN_E7-1 */
};

struct row {
	int64_t number;
	int64_t from, to; /* latitudes: to is in the next row, or the north pole */
	int64_t columns;
};

struct cell {
	struct row row;
	int64_t column;
};

/* A place as a grid counts. */
struct spot_e7 {
	int64_t lat, lon;
};

static struct grid grid_of(const uint8_t *secret, uint64_t user)
{
	uint64_t hash = siphash_words(secret, &user, 1);
	return (struct grid){
		.secret = secret,
		.user = user,
		.lat_shift = (int64_t)((uint64_t)(uint32_t)hash * ROW_E7 >> 32),
		.lon_shift = (int64_t)((hash >> 32) * TURN_E7 >> 32),
	};
}

static struct spot_e7 spot_of(const struct grid *grid, struct nearby_place place)
{
	bool is_pole = place.lat_e7 == POLE_E7 || place.lat_e7 == -POLE_E7;
	int64_t lon = is_pole ? 0 : place.lon_e7;
	int64_t lat = place.lat_e7 + POLE_E7;
	return (struct spot_e7){
		/* The north pole is in the row that reaches it. */
		.lat = lat < 2 * POLE_E7 ? lat : 2 * POLE_E7 - 1,
		.lon = (lon + TURN_E7 / 2 + grid->lon_shift) % TURN_E7,
	};
}

static int64_t row_number(const struct grid *grid, int64_t lat)
{
	return (lat + grid->lat_shift) / ROW_E7;
}

static int64_t row_middle(const struct row *row)
{
	return (row->from + row->to) / 2;
}

static struct row row_of(const struct grid *grid, int64_t number)
{
	int64_t from = number * ROW_E7 - grid->lat_shift, to = from + ROW_E7;
	struct row row = {
		.number = number,
		.from = from > 0 ? from : 0,
		.to = to < 2 * POLE_E7 ? to : 2 * POLE_E7,
	};
	double lat = (double)(row_middle(&row) - POLE_E7) * (M_PI / 180e7);
	row.columns = llround(cos(lat) * (double)(TURN_E7 / ROW_E7));
	if (row.columns < 1)
		row.columns = 1;
	return row;
}

static int64_t column_of(const struct row *row, int64_t lon)
{
	return lon * row->columns / TURN_E7;
}

static int64_t column_middle(const struct cell *cell)
{
	return (2 * cell->column + 1) * TURN_E7 / (2 * cell->row.columns);
}

/* Which of the rows or columns around: 0, 1, and 2 for the one before. */
static int64_t step_of(uint8_t third)
{
	return third == 2 ? -1 : third;
}

static struct cell cell_of(const struct grid *grid, const struct spot_e7 *spot, uint8_t offset)
{
	int64_t number = row_number(grid, spot->lat) + step_of(offset / 3 % 3);
	int64_t last = row_number(grid, 2 * POLE_E7 - 1);
	struct cell cell = { .row = row_of(grid, number < 0 ? 0 : number > last ? last : number) };
	int64_t column = column_of(&cell.row, spot->lon) + step_of(offset % 3);
	cell.column = (column + cell.row.columns) % cell.row.columns;
	return cell;
}

/* How far beyond a border the cell is still shown: an eighth and up to a quarter more of its size. */
static int64_t margin(uint64_t hash, int64_t size)
{
	return size / 8 + (int64_t)((hash & 0xffff) * (uint64_t)size >> 18);
}

static bool is_still_shown(const struct grid *grid, const struct cell *cell,
			   const struct spot_e7 *spot)
{
	const uint64_t name[] = { grid->user,
				  (uint64_t)cell->row.number << 32 | (uint64_t)cell->column };
	uint64_t hash = siphash_words(grid->secret, name, 2);
	if (spot->lat < cell->row.from - margin(hash, ROW_E7) ||
	    spot->lat >= cell->row.to + margin(hash >> 16, ROW_E7))
		return false;
	int64_t width = TURN_E7 / cell->row.columns;
	int64_t east = (spot->lon - column_middle(cell) + TURN_E7 + TURN_E7 / 2) % TURN_E7 -
		       TURN_E7 / 2;
	return cell->row.columns == 1 || (east >= -width / 2 - margin(hash >> 32, width) &&
					  east < width / 2 + margin(hash >> 48, width));
}

/* The offset under which a cell is found that is the spot's own or one around it. */
static uint8_t offset_of(const struct grid *grid, const struct cell *cell,
			 const struct spot_e7 *spot)
{
	int64_t rows = cell->row.number - row_number(grid, spot->lat);
	int64_t columns = cell->column - column_of(&cell->row, spot->lon);
	if (columns < 0)
		columns += cell->row.columns;
	if (columns > 1 && columns == cell->row.columns - 1)
		columns = 2;
	check(rows >= -1 && rows <= 1 && columns <= 2);
	return (uint8_t)((rows < 0 ? 2 : rows) * 3 + columns);
}

uint8_t grid_snap(const uint8_t secret[GRID_SECRET_BYTES], struct user_id user,
		  struct nearby_place place, const struct nearby_place *before,
		  uint8_t before_offset)
{
	if (before == NULL)
		return GRID_OFFSET_OWN;
	struct grid grid = grid_of(secret, user.value);
	struct spot_e7 spot = spot_of(&grid, place), spot_before = spot_of(&grid, *before);
	struct cell shown = cell_of(&grid, &spot_before, before_offset);
	return is_still_shown(&grid, &shown, &spot) ? offset_of(&grid, &shown, &spot)
						    : GRID_OFFSET_OWN;
}

struct nearby_place grid_place(const uint8_t secret[GRID_SECRET_BYTES], struct user_id user,
			       struct nearby_place place, uint8_t offset)
{
	struct grid grid = grid_of(secret, user.value);
	struct spot_e7 spot = spot_of(&grid, place);
	struct cell cell = cell_of(&grid, &spot, offset);
	int64_t lon = (column_middle(&cell) - grid.lon_shift + TURN_E7) % TURN_E7;
	return (struct nearby_place){
		.lat_e7 = (int32_t)(row_middle(&cell.row) - POLE_E7),
		.lon_e7 = (int32_t)(lon - TURN_E7 / 2),
	};
}
