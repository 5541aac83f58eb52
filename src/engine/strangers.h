/*
 * Owns: which strangers a session is told of, and when that is found out anew.
 * Invariant: nobody is sent whom the gate does not let through at that moment; a view is found out
 *   at most once a second at its client's doing and else every STRANGERS_CHECK_US, when something
 *   has changed nearby; and no search looks at more than STRANGERS_LOOKS_MAX.
 * Thread: as engine.h.
 * Does not know: who is in the directory, and why.
 *
 * Everybody in the cell of the viewer and those that touch it is a stranger of its, save friends and
 * whom a bar keeps apart. Both are in the cells of the places where they are shown, so it goes both
 * ways. Of many the nearest STRANGERS_MAX are told, by the distance that is told with them: those
 * whom the gate lets through of the STRANGERS_LOOKS_MAX nearest in the directory.
 *
 * Nothing is done for each viewer when somebody moves: the cell is stamped, and the views around
 * compare stamps when their time comes. Who leaves, though, is lost by all at once.
 */
#ifndef NEARBY_ENGINE_STRANGERS_H
#define NEARBY_ENGINE_STRANGERS_H

#include "engine/engine_private.h"

/* How often a view is found out anew when something changed: this bounds what a crowd costs. */
#define STRANGERS_CHECK_US (10u * 1000000u)
/* ... and at the most when its client switches or goes into another cell. */
#define STRANGERS_PAUSE_US 1000000u
/* Persons whom one search offers to the gate: ten times as many as are told of, so that many friends
 * in a crowd leave room for others. */
#define STRANGERS_LOOKS_MAX 1024

/* A session joined; `barred` as in the event. */
void strangers_join(struct engine *engine, uint32_t slot, const struct user_id *barred,
		    uint32_t count);
/* ... and is about to close. */
void strangers_close(struct engine *engine, uint32_t slot);
/* EVENT_STRANGERS. */
void strangers_switch(struct engine *engine, uint64_t now_us, uint32_t slot, bool is_on,
		      struct engine_out *out);
/* EVENT_BAR. */
void strangers_bar(struct engine *engine, uint64_t now_us, struct user_id user,
		   struct user_id other, bool is_barred);
/* The user has a new friend, or one less. */
void strangers_befriended(struct engine *engine, uint64_t now_us, struct user_id user,
			  struct user_id with);
void strangers_unfriended(struct engine *engine, uint64_t now_us, struct user_id user);
/* Whether some session of the user wants to be seen by them. */
bool strangers_are_wanted(const struct engine *engine, const struct channel *user);
/* The location of a user homed here, or what it shows, may have changed, or there is none any more. */
void strangers_moved(struct engine *engine, uint64_t now_us, uint32_t channel);

/* The turn of a session. False when it turns out that there is nothing to say. As long as the session
 * has_strangers then, its turn is not over. */
bool strangers_flush(struct engine *engine, uint64_t now_us, uint32_t slot, struct server_msg *msg);

/* Looks after views whose time has come, a bounded part. */
void strangers_step(struct engine *engine, uint64_t now_us);
/* When the next one's comes, or UINT64_MAX. */
uint64_t strangers_next_us(const struct engine *engine);

void strangers_check_all(const struct engine *engine);

#endif
