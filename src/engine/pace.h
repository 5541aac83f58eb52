/*
 * Owns: whose turn it is: the sessions that have something to hear and can take it.
 * Invariant: a heap whose first is the session whose last turn ended longest ago; a session knows
 *   its place in it.
 * Thread: as engine.h.
 * Does not know: what is to be said.
 *
 * A heap and not a queue, because the pause between turns is the caller's and may differ in every
 * call: the first is due first whatever it is.
 */
#ifndef NEARBY_ENGINE_PACE_H
#define NEARBY_ENGINE_PACE_H

#include "engine/engine_private.h"

/* Puts the session in, or moves it, with its last_frame_us. */
void pace_put(struct engine *engine, uint32_t slot);
/* Takes it out when it is in. */
void pace_remove(struct engine *engine, uint32_t slot);
/* The first, or NONE when there is none whose last turn ended by `before_us`. */
uint32_t pace_first(const struct engine *engine, uint64_t before_us);
void pace_check(const struct engine *engine);

#endif
