/*
 * Owns: the gate. What a viewer may see of a sharer is decided here and nowhere else.
 * Invariant: no other file of the daemon reads locations from the table, so that none can be sent
 *   past it; it is asked at the moment of sending.
 * Thread: as engine.h.
 * Does not know: sessions, frames, lists.
 */
#ifndef NEARBY_ENGINE_PRIVACY_H
#define NEARBY_ENGINE_PRIVACY_H

#include "engine/engine_private.h"

/* Who looks at whom. */
struct sight {
	const struct vantage *viewer;
	struct user_id sharer;
	nearby_hint *hint; /* of the sharer; updated */
	bool is_friend;
	/* Filled in: as TAG_EDGE. */
	bool is_at_edge;
};

/* True: the viewer sees the sharer, *entry is filled save for the name. False: *why it does not. */
bool privacy_see(const struct engine *engine, uint64_t now_us, struct sight *sight,
		 struct entry *entry, enum gone_why *why);

/* Where the filter finds a sharer, for all its viewers at once; false when nobody sees it now. This
 * only chooses whom to ask privacy_see about, so it may say more than that, never less. */
bool privacy_find(struct engine *engine, uint64_t now_us, struct channel *sharer,
		  struct spot *spot);

/* Where a user is itself, to look from; false when it has no location that counts. */
bool privacy_find_self(const struct engine *engine, uint64_t now_us, struct user_id user,
		       struct vantage *vantage);

/* The vantage is where the table has the user, or nowhere when it has not; for engine_check. */
void privacy_check_self(const struct engine *engine, struct user_id user,
			const struct vantage *vantage);

#endif
