/*
 * Owns: who is in the directory, and since when not: those homed here by what holds of them, the
 *   others by what their cores tell.
 * Invariant: a user homed here is in the directory while one of its sessions wants strangers and is
 *   somewhere, its location counts, and it shows everybody something. Who leaves is lost by every
 *   view at once.
 * Thread: as engine.h.
 * Does not know: who is near whom.
 */
#ifndef NEARBY_ENGINE_PRESENCE_H
#define NEARBY_ENGINE_PRESENCE_H

#include "engine/engine_private.h"

/* Something of a persona may have changed. True when it came or is shown at another place. */
bool presence_refresh(struct engine *engine, uint64_t now_us, uint32_t persona);
/* It leaves, when it is there; and sees nobody any more. */
void presence_end(struct engine *engine, uint32_t persona, enum gone_why why);

/* A user homed elsewhere came or moved. The person, or NOBODY: no room. */
uint32_t presence_put(struct engine *engine, uint64_t user, uint64_t code);
/* A person goes; to be settled. */
void presence_remove(struct engine *engine, uint32_t person, enum gone_why why);
/* To be called after a change: its record may be gone then. */
void presence_settle(struct engine *engine, uint32_t person);

void presence_check_all(const struct engine *engine);

#endif
