/*
 * Owns: who was told of lately, and the moves of those who moved again.
 * Invariant: a session's moves were told, or it is in the queue and will be; the queue is in order of time.
 * Thread: as engine.h.
 * Does not know: what followers see.
 *
 * What a follower is told is read when its frame is made, so between two frames it makes no difference how
 * often it was told to look. While frames are far apart, followers are told of a user once in half of that at
 * most: of a move after a pause at once, of those after it together when the half is over. So whoever was
 * told has been told again before its next frame is due. Only who comes near in between hears of it by that half
 * later.
 */
#ifndef NEARBY_ENGINE_MERGE_H
#define NEARBY_ENGINE_MERGE_H

#include "engine/engine_private.h"

/* The pause between two frames is this long from now on. */
void merge_pace(struct engine *engine, uint64_t interval_us);
/* The session's user moved; or is back, and had no location that others could see: that is told at once. */
void merge_moved(struct engine *engine, uint64_t now_us, uint32_t slot, bool is_back);
/* Tells now what the session's user has moved since it was last told, as the session ends. */
void merge_end(struct engine *engine, uint64_t now_us, uint32_t slot);
/* Tells what has waited long enough, a part at a time. */
void merge_step(struct engine *engine, uint64_t now_us);
/* When merge_step has something to do; UINT64_MAX for never. */
uint64_t merge_next_us(const struct engine *engine);
void merge_check(const struct engine *engine);

#endif
