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
#include "engine/grid.h"
#include "engine/look.h"
#include "engine/mark.h"
#include "engine/merge.h"
#include "engine/nearby.h"
#include "engine/peer.h"
#include "engine/privacy.h"
#include "engine/session.h"
#include "engine/strangers.h"
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
		     uint32_t source, const struct nearby_location *location)
{
	for (uint32_t slot = user->first_session; slot != NONE;
	     slot = engine->sessions[slot].sibling) {
		if (!engine->sessions[slot].is_initialised)
			continue;
		move_session(engine, now_us, slot, location);
		session_hide(engine, slot, channel_is_hidden(user));
		engine->sessions[slot].is_source = slot == source;
	}
}

/* Where on the grid the user is shown costs something, and is only needed when somebody sees that. */
static uint8_t mark_of(const struct engine *engine, struct channel *user, struct nearby_place place)
{
	bool is_for_strangers = strangers_are_wanted(engine, user);
	if (user->mode == SHARING_PRECISE && !user->is_shown && !is_for_strangers)
		return mark_make(SHARING_PRECISE, GRID_OFFSET_OWN, false);
	return mark_make(user->mode, privacy_snap(engine, user, place), is_for_strangers);
}

/* Tells who follows to look, those here and at other cores. */
static void tell(struct engine *engine, uint64_t now_us, uint64_t user)
{
	uint32_t channel = channel_find(engine, user);
	if (channel == NONE) {
		/* Nobody here follows; whether one of the deaf does is not known. */
		peer_rescan(engine, engine->deaf);
		return;
	}
	strangers_moved(engine, now_us, channel);
	look_publish(engine, now_us, channel);
}

static bool put(struct engine *engine, struct channel *user, const struct nearby_location *location)
{
	if (nearby_table_put(engine->config.segment, user->user, &user->hint, location) < 0) {
		engine_count(engine, ENGINE_COUNTER_LOCATIONS_FULL, 1);
		return false;
	}
	sweep_wake(engine);
	return true;
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
		.mark = mark_of(engine, user, event->location.place),
	};
	bool is_hidden = channel_is_hidden(user);
	if (!is_hidden && !put(engine, user, &location)) {
		answer_error(out, ERROR_FULL, "no room for another location now; try again later");
		return;
	}
	engine_count(engine, ENGINE_COUNTER_LOCATIONS, 1);
	out->has_record = user->mode != SHARING_OFF;
	out->record_user.value = user->user;
	out->record = location;
	session->last_ts_ms = location.client_ms;
	bool is_back = !session_sees(engine, event->now_us, slot);
	move_all(engine, event->now_us, user, slot, &location);
	if (!is_hidden)
		merge_moved(engine, event->now_us, slot, is_back);
	if (session->is_initialised)
		return;
	session_place(engine, slot, &location);
	session_hide(engine, slot, is_hidden);
	session->is_source = true;
	nearby_first(engine, event->now_us, slot, &out->answer);
	out->has_answer = true;
}

/* The user is nowhere: its sessions see nothing. */
static void unplace_all(struct engine *engine, uint64_t user)
{
	uint32_t channel = channel_find(engine, user);
	uint32_t slot = channel == NONE ? NONE : engine->channels[channel].first_session;
	for (; slot != NONE; slot = engine->sessions[slot].sibling)
		session_unplace(engine, slot);
}

void location_expire(struct engine *engine, uint64_t now_us, uint64_t user)
{
	engine_count(engine, ENGINE_COUNTER_LOCATIONS_EXPIRED, 1);
	unplace_all(engine, user);
	tell(engine, now_us, user);
}

void location_forget(struct engine *engine, uint64_t now_us, uint64_t user)
{
	check(nearby_home_core(user, engine->config.cores) == engine->config.core);
	unplace_all(engine, user);
	if (nearby_table_remove(engine->config.segment, user) == 0)
		tell(engine, now_us, user);
}

/* The location that the user's devices know goes into the table, where it was not for nobody was to
 * see it. Only the device that sent it knows the phone's time of it. */
static bool put_back(struct engine *engine, uint64_t now_us, struct channel *user)
{
	uint32_t slot = user->first_session;
	while (slot != NONE && !(engine->sessions[slot].is_source && session_sees(engine, now_us, slot)))
		slot = engine->sessions[slot].sibling;
	if (slot == NONE)
		return false;
	const struct session *session = &engine->sessions[slot];
	struct nearby_location location = {
		.place = session->place,
		.client_ms = session->last_ts_ms,
		.receipt_us = session->receipt_us,
		.mark = mark_of(engine, user, session->place),
	};
	return put(engine, user, &location);
}

void location_show(struct engine *engine, uint64_t now_us, uint64_t user, enum sharing_mode mode)
{
	check(nearby_home_core(user, engine->config.cores) == engine->config.core);
	uint32_t channel = channel_find(engine, user);
	bool is_changed = false;
	bool is_there = privacy_remark(engine, user, mode, &is_changed);
	if (!is_there && channel != NONE)
		is_there = is_changed = put_back(engine, now_us, &engine->channels[channel]);
	if (!is_changed)
		return;
	uint32_t slot = channel == NONE ? NONE : engine->channels[channel].first_session;
	for (; slot != NONE; slot = engine->sessions[slot].sibling)
		session_hide(engine, slot, false);
	tell(engine, now_us, user);
}

void location_hide(struct engine *engine, uint64_t now_us, uint64_t user)
{
	check(nearby_home_core(user, engine->config.cores) == engine->config.core);
	uint32_t channel = channel_find(engine, user);
	uint32_t slot = channel == NONE ? NONE : engine->channels[channel].first_session;
	for (; slot != NONE; slot = engine->sessions[slot].sibling)
		session_hide(engine, slot, engine->sessions[slot].is_located);
	if (nearby_table_remove(engine->config.segment, user) == 0)
		tell(engine, now_us, user);
}
