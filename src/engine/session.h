/*
 * Owns: the session records, and where their users are.
 * Invariant: the sessions of a user hang on its channel; all of them that are initialised share the
 *   user's location as their vantage, whichever device sent it.
 * Thread: as engine.h.
 * Does not know: frames; connections.
 */
#ifndef NEARBY_ENGINE_SESSION_H
#define NEARBY_ENGINE_SESSION_H

#include "engine/engine_private.h"

/* The record's slot, or NONE when the session is gone. */
uint32_t session_find(const struct engine *engine, struct session_id id);
struct session_id session_id(const struct engine *engine, uint32_t slot);

/* A device joins. 0; -E2BIG, -EUSERS, -ENOSPC and nothing changed. */
int session_open(struct engine *engine, struct user_id user, const struct friend_info *friends,
		 uint32_t count, struct session_id *id);
void session_close(struct engine *engine, uint32_t slot);

void session_pause(struct engine *engine, uint32_t slot);
void session_resume(struct engine *engine, uint32_t slot);

/* Whether the session can see anything: its user is somewhere, and was heard of within the TTL. */
bool session_sees(const struct engine *engine, uint64_t now_us, uint32_t slot);
/* Where it looks from. */
struct vantage session_vantage(const struct engine *engine, uint32_t slot);

/* The session may look from there from now on. */
void session_place(struct engine *engine, uint32_t slot, const struct nearby_location *location);
/* Whether that is not in the table, as nobody may see it. */
void session_hide(struct engine *engine, uint32_t slot, bool is_hidden);
/* The user's location expired: the whole list goes until there is another. */
void session_unplace(struct engine *engine, uint32_t slot);

void session_check_all(const struct engine *engine);

#endif
