/*
 * Owns: followers who are to be told of a user, until that is noted in their lists.
 * Invariant: all are noted before anything else looks at a list or changes who follows whom, so
 *   nobody can tell that they waited.
 * Thread: as engine.h.
 * Does not know: who is near whom.
 *
 * A follower's session and its list of friends are seldom in a cache, and the list is known only when
 * the session has come. So a sighting waits a little while these are on their way, and the work goes
 * on with the next.
 */
#ifndef NEARBY_ENGINE_SIGHTING_H
#define NEARBY_ENGINE_SIGHTING_H

#include "engine/engine_private.h"

/* The follower exists and follows, and does so until all are noted. */
void sighting_put(struct engine *engine, const struct sighting *sighting);
/* Notes all. */
void sighting_note_all(struct engine *engine);

#endif
