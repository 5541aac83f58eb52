/*
 * Owns: the gate. What a viewer may see of a sharer is decided here and nowhere else.
 * Invariant: no other file of the daemon reads locations from the table, or asks a grid, so that
 *   none can be sent past it; it is asked at the moment of sending.
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
	bool is_off, is_void;	     /* as in the channel */
	enum sharing_mode exception; /* of the sharer for the viewer; DEFAULT: none */
	/* Filled in: as TAG_EDGE; and whether the sharer had no unexpired location when looked for. */
	bool is_at_edge;
	bool is_missing;
};

/* True: the viewer sees the sharer, *entry is filled save for the name. False: *why it does not. */
bool privacy_see(const struct engine *engine, uint64_t now_us, struct sight *sight,
		 struct entry *entry, enum gone_why *why);

/* Where the filter finds a sharer, for all its viewers at once: by the exception that a viewer has,
 * those of DEFAULT first; the others are filled in when some viewer here has one. SPOT_UNSEEN for who
 * sees nothing now. This only chooses whom to ask privacy_see about. */
void privacy_find(struct engine *engine, uint64_t now_us, struct channel *sharer,
		  struct spot shown[SHARING_MODES]);

/* Where on its grid a user is shown that is at `place` now, after what the table has; see grid_snap. */
uint8_t privacy_snap(const struct engine *engine, struct channel *user, struct nearby_place place);
/* The user's location in the table, homed here, says from now on what it shows everybody. False when
 * there is none; *is_changed is set when it said something else. */
bool privacy_remark(struct engine *engine, uint64_t user, enum sharing_mode mode, bool *is_changed);

/* Who looks at which stranger. */
struct stranger_sight {
	const struct vantage *viewer;
	struct geohash_cell cell; /* where the viewer itself is shown */
	struct user_id sharer;
	nearby_hint *hint; /* of the sharer; updated */
	bool is_here;	   /* it is in the directory */
	bool is_apart;	   /* it is a friend, or kept apart by a bar */
};

/* As privacy_see; the entry has no name, and the place is one of the grid's. */
bool privacy_see_stranger(const struct engine *engine, uint64_t now_us,
			  const struct stranger_sight *sight, struct entry *entry,
			  enum gone_why *why);

/* The location of a user homed here, if it has one, says from now on whether strangers may see it: so
 * no core sends it to one more of them, whatever that core has heard. */
void privacy_mark_strangers(struct engine *engine, struct user_id user, bool is_for_strangers);

/* Where strangers would find a user: the geohash of the place on the grid. False: nowhere, and why. */
bool privacy_find_stranger(const struct engine *engine, uint64_t now_us, struct user_id user,
			   uint64_t *code, enum gone_why *why);

/* Whether the table has a location that is off for everybody. */
bool privacy_is_off(const struct engine *engine, struct user_id user);

/* Where a user is itself, to look from; false when it has no location that counts. */
bool privacy_find_self(const struct engine *engine, uint64_t now_us, struct user_id user,
		       struct vantage *vantage);

/* The vantage is where the table has the user, or nowhere when it has not; for engine_check. */
void privacy_check_self(const struct engine *engine, struct user_id user,
			const struct vantage *vantage);

#endif
