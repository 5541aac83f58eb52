/*
 * Owns: see location.h.
 * Invariant: see location.h.
 * Thread: as engine.h.
 * Does not know: how locations arrive or where history is kept.
 */
#include "engine/location.h"

#include "base/check.h"
#include "engine/answer.h"
#include "engine/channel.h"
#include "engine/evaluate.h"
#include "engine/look.h"
#include "engine/nearby.h"
#include "engine/peer.h"
#include "engine/session.h"
#include "engine/sweep.h"

static bool is_time_good(struct engine *engine, const struct event *event,
			 const struct session *session, struct engine_out *out)
{
	int64_t ts_ms = event->location.ts_ms;
	/* By subtraction of the smaller from the larger, as hostile values may be anything. */
	if (ts_ms > event->wall_ms &&
	    (uint64_t)ts_ms - (uint64_t)event->wall_ms > CLIENT_FUTURE_MAX_MS) {
		engine_count(engine, ENGINE_COUNTER_LOCATIONS_BAD_TIME, 1);
		answer_error(out, ERROR_BAD_TIME, "ts must be at most a minute in the future");
		return false;
	}
	if (session->is_initialised && ts_ms < session->last_ts_ms) {
		engine_count(engine, ENGINE_COUNTER_LOCATIONS_STALE, 1);
		answer_error(out, ERROR_STALE, "ts must not be before that of your last location");
		return false;
	}
	return true;
}

/* A session that was placed before: what comes into view from its user's new place, or leaves it. */
static void move_session(struct engine *engine, uint64_t now_us, uint32_t slot,
			 const struct nearby_location *location)
{
	/* While it saw nothing it was not told who came, so standing still is no excuse. */
	bool was_blind = !session_sees(engine, now_us, slot);
	struct nearby_place before = engine->sessions[slot].place;
	session_place(engine, slot, location);
	if (was_blind)
		evaluate_now(engine, now_us, slot);
	else
		evaluate_moved(engine, now_us, slot, before);
}

static void move_all(struct engine *engine, uint64_t now_us, const struct channel *user,
		     const struct nearby_location *location)
{
	for (uint32_t slot = user->first_session; slot != NONE;
	     slot = engine->sessions[slot].sibling)
		if (engine->sessions[slot].is_initialised)
			move_session(engine, now_us, slot, location);
}

void location_accept(struct engine *engine, const struct event *event, uint32_t slot,
		     struct engine_out *out)
{
	struct session *session = &engine->sessions[slot];
	if (!is_time_good(engine, event, session, out))
		return;
	struct channel *user = &engine->channels[session->channel];
	struct nearby_location location = {
		.place = event->location.place,
		.client_ms = event->location.ts_ms,
		.receipt_us = event->now_us,
	};
	if (nearby_table_put(engine->config.segment, user->user, &user->hint, &location) < 0) {
		engine_count(engine, ENGINE_COUNTER_LOCATIONS_FULL, 1);
		answer_error(out, ERROR_FULL, "no room for another location now; try again later");
		return;
	}
	sweep_wake(engine);
	engine_count(engine, ENGINE_COUNTER_LOCATIONS, 1);
	out->has_record = true;
	out->record_user.value = user->user;
	out->record = location;
	session->last_ts_ms = location.client_ms;
	move_all(engine, event->now_us, user, &location);
	look_publish(engine, event->now_us, session->channel);
	if (session->is_initialised)
		return;
	session_place(engine, slot, &location);
	nearby_first(engine, event->now_us, slot, &out->answer);
	out->has_answer = true;
}

/* The location is out of the table: its user's sessions see nothing, its followers look. */
static void tell_absence(struct engine *engine, uint64_t now_us, uint64_t user)
{
	uint32_t channel = channel_find(engine, user);
	if (channel == NONE) {
		/* Nobody here follows; whether one of the deaf does is not known. */
		peer_rescan(engine, engine->deaf);
		return;
	}
	for (uint32_t slot = engine->channels[channel].first_session; slot != NONE;
	     slot = engine->sessions[slot].sibling)
		session_unplace(engine, slot);
	look_publish(engine, now_us, channel);
}

void location_expire(struct engine *engine, uint64_t now_us, uint64_t user)
{
	engine_count(engine, ENGINE_COUNTER_LOCATIONS_EXPIRED, 1);
	tell_absence(engine, now_us, user);
}

void location_forget(struct engine *engine, uint64_t now_us, uint64_t user)
{
	check(nearby_home_core(user, engine->config.cores) == engine->config.core);
	if (nearby_table_remove(engine->config.segment, user) == 0)
		tell_absence(engine, now_us, user);
}
