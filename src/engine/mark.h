/*
 * Owns: what the byte means that a location in the table carries (nearby_location.mark).
 * Invariant: 0 is a location that is shown as it is, and has no history on the grid.
 * Thread: any, no state.
 * Does not know: who looks.
 *
 * The home core writes it with the location, in one step; so whoever reads a location reads with it
 * what its user shows everybody, and where on the grid it is shown.
 */
#ifndef NEARBY_ENGINE_MARK_H
#define NEARBY_ENGINE_MARK_H

#include "base/sharing.h"

#include <stdbool.h>
#include <stdint.h>

#define MARK_OFFSET    0x0fu /* of grid.h */
#define MARK_MODE      0x30u /* what everybody sees; PRECISE is 0 */
#define MARK_STRANGERS 0x40u /* strangers may see it */

/* The mark of what everybody sees (no DEFAULT), on the grid by this offset. */
static inline uint8_t mark_make(enum sharing_mode mode, uint8_t offset, bool is_for_strangers)
{
	return (uint8_t)(((mode ^ SHARING_PRECISE) & 3) << 4 | (offset & MARK_OFFSET) |
			 (is_for_strangers ? MARK_STRANGERS : 0));
}

/* Never DEFAULT as long as the engine wrote it; the gate takes that for OFF. */
static inline enum sharing_mode mark_mode(uint8_t mark)
{
	return (enum sharing_mode)((mark & MARK_MODE) >> 4 ^ SHARING_PRECISE);
}

/* Where on the grid the location is shown, as grid.h counts it. */
static inline uint8_t mark_offset(uint8_t mark)
{
	return mark & MARK_OFFSET;
}

#endif
