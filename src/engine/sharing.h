/*
 * Owns: what users show of where they are: what a home core knows of its own, and the exceptions for
 *   the viewers of this core.
 * Invariant: what a user shows everybody stands in the mark of its location, so whoever reads the
 *   one reads the other; a user whom nobody may see has no location in the table.
 * Thread: as engine.h.
 * Does not know: until when it holds, and who decided.
 */
#ifndef NEARBY_ENGINE_SHARING_H
#define NEARBY_ENGINE_SHARING_H

#include "engine/engine_private.h"

/* The session has joined: when it is its user's first, what the join says of the user holds. */
void sharing_join(struct engine *engine, const struct event *join, uint32_t slot);
/* EVENT_SHARING. */
void sharing_change(struct engine *engine, const struct event *event);
/* EVENT_EXCEPTION. */
void sharing_except(struct engine *engine, const struct event *event);

#endif
