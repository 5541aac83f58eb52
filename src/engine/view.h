/*
 * Owns: what the client of a session believes about strangers.
 * Invariant: a belief changes with the frame that says so; it stands in the list of its person
 *   until that is gone, or gone from this view.
 * Thread: as engine.h.
 * Does not know: who belongs into a view.
 */
#ifndef NEARBY_ENGINE_VIEW_H
#define NEARBY_ENGINE_VIEW_H

#include "engine/engine_private.h"

/* A fresh one for the session, which has none; there is one for every session. */
uint32_t view_take(struct engine *engine, uint32_t slot);
/* It has been cleared and is in no list. */
void view_give(struct engine *engine, uint32_t view);

/* There is something to say, or to find out: the session takes part in the flush. */
void view_note(struct engine *engine, uint32_t view);
/* The belief about a user, or NULL; lent until one is dropped. */
struct belief *view_find(struct engine *engine, uint32_t view, uint64_t user);
/* The client is told of the person where it is now: it did not believe in it before, or did. */
void view_believe(struct engine *engine, uint32_t view, uint32_t person);
/* The person is back before it was said that it is gone: it is to be told of anew instead. */
void view_revive(struct engine *engine, uint32_t view, struct belief *belief, uint32_t person);
/* That the person is gone from this view is to be said. */
void view_doubt(struct engine *engine, uint32_t view, struct belief *belief, enum gone_why why);
void view_doubt_all(struct engine *engine, uint32_t view, enum gone_why why);
/* Takes out what is to be said as gone, into engine.gones; returns how many. */
uint32_t view_drain_gone(struct engine *engine, uint32_t view);
/* The client forgets all, unasked. */
void view_clear(struct engine *engine, uint32_t view);

/* All who were told of the person: it is gone, or stands elsewhere. */
void view_lose(struct engine *engine, uint32_t person, enum gone_why why);
void view_outdate(struct engine *engine, uint32_t person);

void view_check_all(const struct engine *engine);

#endif
