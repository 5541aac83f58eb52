/*
 * Owns: the grids on which places are shown that are not to be known exactly.
 * Invariant: where somebody is shown depends on the cell alone, so whoever looks, how often and
 *   from wherever, learns the cell and nothing within it.
 * Thread: any, no state.
 * Does not know: who may see what.
 *
 * A grid has rows of latitude, 0.009 degrees (1,001 m) high, each cut into columns of about as much;
 * every user has its own, shifted by a keyed hash of its number. So neither can many users be
 * compared on one grid, nor does a map of coast and streets say where the borders are.
 *
 * Somebody at a border is not shown now here, now there: the cell that is shown stays until the
 * place is beyond the border by a part of a cell, which is between an eighth and three eighths,
 * another one for each border, and known to nobody without the key. So a change says that a border
 * was crossed some time ago, and not where the user is now. What is kept for this is the offset: which
 * of the nine cells around the place is shown. The farther a place may be from where it is shown is
 * GRID_BOUND_M.
 */
#ifndef NEARBY_ENGINE_GRID_H
#define NEARBY_ENGINE_GRID_H

#include "base/id.h"
#include "base/siphash.h"
#include "nearbyshm.h"

#define GRID_SECRET_BYTES SIPHASH_KEY_BYTES
/* 7/8 of a cell in both directions, 1,240 m; more only around the poles. */
#define GRID_BOUND_M 1600
/* The cell of the place itself. */
#define GRID_OFFSET_OWN 0
/* Offsets are 0 .. GRID_OFFSETS-1. */
#define GRID_OFFSETS 9

/* Which cell is shown for a place, after `before` was shown with `before_offset`; NULL: nothing was.
 * After a jump that is the place's own. */
uint8_t grid_snap(const uint8_t secret[GRID_SECRET_BYTES], struct user_id user,
		  struct nearby_place place, const struct nearby_place *before,
		  uint8_t before_offset);

/* Where the user is shown: the middle of that cell. */
struct nearby_place grid_place(const uint8_t secret[GRID_SECRET_BYTES], struct user_id user,
			       struct nearby_place place, uint8_t offset);

#endif
