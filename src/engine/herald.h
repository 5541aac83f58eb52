/*
 * Owns: what other cores have to be told of who is in the directory, and what they tell.
 * Invariant: nothing is lost or queued without bound: a message about a user says what holds when
 *   it leaves, a user waits at most once for each core, and its record stays until all were told.
 * Thread: as engine.h.
 * Does not know: why somebody is seen, how messages travel.
 *
 * HERE(X, code) and AWAY(X, why) come from the home core of X alone. A core is told AWAY only when
 * it was told HERE, so who comes and goes while it cannot be told is never told of.
 */
#ifndef NEARBY_ENGINE_HERALD_H
#define NEARBY_ENGINE_HERALD_H

#include "engine/engine_private.h"

/* The person, homed here, came, moved or went: every other core is to be told. */
void herald_note(struct engine *engine, uint32_t person);
/* Messages for a core, at most `room`, 0 too. Returns how many. */
uint32_t herald_drain(struct engine *engine, uint32_t to, struct mesh_msg *msgs, uint32_t room);
/* Handles PEER_HERE and PEER_AWAY. */
void herald_receive(struct engine *engine, const struct mesh_msg *msg);
void herald_check_all(const struct engine *engine);

#endif
