/*
 * Owns: what a change of a user means for those who follow: the filter.
 * Invariant: after any change of a user, every session here that should hear of it has it marked.
 * Thread: as engine.h.
 * Does not know: what is said in the end; that is judged anew at the flush.
 */
#ifndef NEARBY_ENGINE_LOOK_H
#define NEARBY_ENGINE_LOOK_H

#include "engine/engine_private.h"

/* The user moved, expired, or anything about it changed: marks it in the sessions here that have it
 * in range or believe so. */
void look_at(struct engine *engine, uint64_t now_us, uint32_t channel);
/* ... and tells the other cores that follow. The user is homed here. The channel is settled. */
void look_publish(struct engine *engine, uint64_t now_us, uint32_t channel);

#endif
