/*
 * Owns: what befriending, unfriending, renaming, following and muting mean for live sessions.
 * Invariant: all sessions of a user change together or, without room, none.
 * Thread: as engine.h.
 * Does not know: who asked, and where friendships are kept.
 */
#ifndef NEARBY_ENGINE_FRIENDSHIP_H
#define NEARBY_ENGINE_FRIENDSHIP_H

#include "engine/engine_private.h"

/* Of the user's sessions here. 0, -E2BIG, -ENOSPC. A friend that is one already is no error, nor is
 * unfriending somebody who is none. */
int friendship_add(struct engine *engine, struct user_id user, const struct friend_info *with);
void friendship_remove(struct engine *engine, struct user_id user, struct user_id with);

/* 0, or -ENOSPC: the old name stays. */
int friendship_rename(struct engine *engine, uint64_t now_us, const struct friend_info *friend);

/* A client follows or mutes a friend in one session; unmuting is answered. */
void friendship_subscribe(struct engine *engine, uint64_t now_us, uint32_t slot,
			  struct user_id friend, struct engine_out *out);
void friendship_unsubscribe(struct engine *engine, uint32_t slot, struct user_id friend,
			    struct engine_out *out);

#endif
