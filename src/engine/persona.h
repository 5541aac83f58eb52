/*
 * Owns: what holds of a user, homed here and with sessions, towards strangers: whom it never meets,
 *   and its views.
 * Invariant: all sessions of a user have the same persona or none; it lives with them. Who is
 *   barred is never forgotten before: without room for it the persona is shut, and meets nobody.
 * Thread: as engine.h.
 * Does not know: who is where.
 */
#ifndef NEARBY_ENGINE_PERSONA_H
#define NEARBY_ENGINE_PERSONA_H

#include "engine/engine_private.h"

/* The session's user has it from now on, when it had none. */
uint32_t persona_take(struct engine *engine, uint32_t slot);
/* A session joined: it has the persona of the user's others. */
void persona_join(struct engine *engine, uint32_t slot);
/* The last session goes. */
void persona_give(struct engine *engine, uint32_t persona);

/* The view of a session, or NONE. */
uint32_t persona_view(const struct engine *engine, uint32_t slot);
/* Whether one of its views is on. */
bool persona_is_wanted(const struct engine *engine, uint32_t persona);
/* ... of a session that is somewhere. */
bool persona_is_on(const struct engine *engine, uint32_t persona);

/* All at once, ascending, when there are none yet. */
void persona_bar_all(struct engine *engine, uint32_t persona, const struct user_id *barred,
		     uint32_t count);
void persona_bar(struct engine *engine, uint32_t persona, struct user_id other);
void persona_unbar(struct engine *engine, uint32_t persona, struct user_id other);
bool persona_is_barred(const struct engine *engine, uint32_t persona, struct user_id other);

void persona_check_all(const struct engine *engine);

#endif
