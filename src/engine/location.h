/*
 * Owns: what happens when a location comes in, and when one expires.
 * Invariant: the table has it before anybody hears of it, and never one that nobody may see.
 * Thread: as engine.h.
 * Does not know: how locations arrive or where history is kept.
 */
#ifndef NEARBY_ENGINE_LOCATION_H
#define NEARBY_ENGINE_LOCATION_H

#include "engine/engine_private.h"

/* EVENT_LOCATION for a session that exists. */
void location_accept(struct engine *engine, const struct event *event, uint32_t slot,
		     struct engine_out *out);
/* The location of a user homed here was just freed from the table. */
void location_expire(struct engine *engine, uint64_t now_us, uint64_t user);
/* The user was deleted: removes its location, if there is one, and tells as of an expiry. */
void location_forget(struct engine *engine, uint64_t now_us, uint64_t user);
/* What the user shows has changed, to `mode` for everybody, and somebody may see something: its
 * location in the table says so, and is put there when its devices alone had it. */
void location_show(struct engine *engine, uint64_t now_us, uint64_t user, enum sharing_mode mode);
/* ... and nobody may see anything: it leaves the table. Its devices go on looking from there. */
void location_hide(struct engine *engine, uint64_t now_us, uint64_t user);

#endif
