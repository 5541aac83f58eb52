/*
 * Owns: the chance of a simulated run.
 * Invariant: the same seed gives the same throws on every machine.
 * Thread: the caller's.
 * Does not know: what is decided by it.
 */
#ifndef NEARBY_SIM_DICE_H
#define NEARBY_SIM_DICE_H

#include "base/id.h"

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_throw(struct dice *dice)
{
	return hash_u64(dice->state++);
}

/* 0 .. sides-1. */
static inline uint32_t dice_below(struct dice *dice, uint32_t sides)
{
	return (uint32_t)(dice_throw(dice) % sides);
}

/* low .. high, both included. */
static inline uint32_t dice_from(struct dice *dice, uint32_t low, uint32_t high)
{
	return low + dice_below(dice, high - low + 1);
}

/* 0 <= value < 1. */
static inline double dice_fraction(struct dice *dice)
{
	return (double)(dice_throw(dice) >> 11) / 9007199254740992.0;
}

static inline bool dice_chance(struct dice *dice, uint32_t percent)
{
	return dice_below(dice, 100) < percent;
}

#endif
