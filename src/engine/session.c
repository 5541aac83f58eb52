/*
 * Owns: see session.h.
 * Invariant: see session.h.
 * Thread: as engine.h.
 * Does not know: frames; connections.
 */
#include "engine/session.h"

#include "base/check.h"
#include "engine/channel.h"
#include "engine/evaluate.h"
#include "engine/pace.h"
#include "engine/privacy.h"
#include "engine/strangers.h"
#include "engine/subscription.h"

#include <errno.h>

uint32_t session_find(const struct engine *engine, struct session_id id)
{
	if (id.slot >= engine->session_high)
		return NONE;
	const struct session *session = &engine->sessions[id.slot];
	return session->is_live && session->generation == id.generation ? id.slot : NONE;
}

struct session_id session_id(const struct engine *engine, uint32_t slot)
{
	return (struct session_id){ slot, engine->sessions[slot].generation };
}

static uint32_t slot_take(struct engine *engine)
{
	uint32_t slot = engine->session_free;
	if (slot != NONE) {
		engine->session_free = engine->sessions[slot].sibling;
		return slot;
	}
	return engine->session_high < engine->config.sessions_max ? engine->session_high++ : NONE;
}

static void slot_give(struct engine *engine, uint32_t slot)
{
	struct session *session = &engine->sessions[slot];
	session->is_live = false;
	session->sibling = engine->session_free;
	engine->session_free = slot;
}

/* A generation is used once: an id from before names nothing, until 2^32 sessions later. */
static void session_init(struct engine *engine, uint32_t slot, uint32_t channel)
{
	struct channel *user = &engine->channels[channel];
	engine->sessions[slot] = (struct session){
		.generation = engine->sessions[slot].generation + 1,
		.channel = channel,
		.sibling = user->first_session,
		.pace_idx = NONE,
		.timer_next = NONE,
		.timer_previous = NONE,
		.persona = NONE,
		.is_live = true,
	};
	engine->spots[slot] = SPOT_NOWHERE;
	user->first_session = slot;
	engine_gauge(engine, ENGINE_COUNTER_SESSIONS, ++engine->session_count);
}

static void session_unlink(struct engine *engine, uint32_t slot)
{
	uint32_t *link = &engine->channels[engine->sessions[slot].channel].first_session;
	while (*link != slot) {
		check(*link != NONE);
		link = &engine->sessions[*link].sibling;
	}
	*link = engine->sessions[slot].sibling;
}

int session_open(struct engine *engine, struct user_id user, const struct friend_info *friends,
		 uint32_t count, struct session_id *id)
{
	check(nearby_home_core(user.value, engine->config.cores) == engine->config.core);
	if (count > engine->config.friends_max)
		return -E2BIG;
	if (engine_session_count(engine, user) >= USER_SESSIONS_MAX)
		return -EUSERS;
	uint32_t slot = slot_take(engine);
	if (slot == NONE)
		return -ENOSPC;
	uint32_t channel = channel_take(engine, user.value);
	if (channel == NONE) {
		slot_give(engine, slot);
		return -ENOSPC;
	}
	session_init(engine, slot, channel);
	if (subscription_add_all(engine, slot, friends, count) < 0) {
		session_close(engine, slot);
		return -ENOSPC;
	}
	*id = session_id(engine, slot);
	return 0;
}

void session_close(struct engine *engine, uint32_t slot)
{
	uint32_t channel = engine->sessions[slot].channel;
	strangers_close(engine, slot);
	subscription_drop_all(engine, slot);
	session_hide(engine, slot, false);
	pace_remove(engine, slot);
	evaluate_cancel(engine, slot);
	session_unlink(engine, slot);
	engine->spots[slot] = SPOT_NOWHERE;
	slot_give(engine, slot);
	engine_gauge(engine, ENGINE_COUNTER_SESSIONS, --engine->session_count);
	channel_settle(engine, channel);
}

void session_pause(struct engine *engine, uint32_t slot)
{
	engine->sessions[slot].is_paused = true;
	pace_remove(engine, slot);
}

void session_resume(struct engine *engine, uint32_t slot)
{
	struct session *session = &engine->sessions[slot];
	session->is_paused = false;
	if ((session->dirty_count > 0 || session->has_strangers) && session->pace_idx == NONE)
		pace_put(engine, slot);
}

bool session_sees(const struct engine *engine, uint64_t now_us, uint32_t slot)
{
	const struct session *session = &engine->sessions[slot];
	return session->is_located && !engine_is_expired(engine, now_us, session->receipt_us);
}

struct vantage session_vantage(const struct engine *engine, uint32_t slot)
{
	const struct session *session = &engine->sessions[slot];
	if (!session->is_located)
		return (struct vantage){ .point = VANTAGE_NOWHERE };
	return (struct vantage){ geo_point(session->place), session->receipt_us };
}

void session_place(struct engine *engine, uint32_t slot, const struct nearby_location *location)
{
	struct session *session = &engine->sessions[slot];
	session->is_initialised = true;
	session->is_located = true;
	session->place = location->place;
	session->receipt_us = location->receipt_us;
	engine->spots[slot] = geo_spot(engine_point(engine, location->place));
}

void session_hide(struct engine *engine, uint32_t slot, bool is_hidden)
{
	struct session *session = &engine->sessions[slot];
	if (session->is_hidden == is_hidden)
		return;
	session->is_hidden = is_hidden;
	engine->hidden_count += is_hidden ? 1 : UINT32_MAX;
}

void session_unplace(struct engine *engine, uint32_t slot)
{
	struct session *session = &engine->sessions[slot];
	if (!session->is_located)
		return;
	session_hide(engine, slot, false);
	session->is_located = false;
	engine->spots[slot] = SPOT_NOWHERE;
	evaluate_cancel(engine, slot);
	uint32_t *items = taglist_items(&engine->arena, &session->friends);
	for (uint32_t i = 0; i < session->friends.count; i++)
		if (items[i] & TAG_KNOWN)
			subscription_mark(engine, slot, &items[i]);
}

static void check_vantage(const struct engine *engine, uint32_t slot)
{
	const struct session *session = &engine->sessions[slot];
	struct vantage vantage = session_vantage(engine, slot);
	struct spot spot = session->is_located ? geo_spot(&vantage.point) : SPOT_NOWHERE;
	struct user_id user = { engine->channels[session->channel].user };
	check(geo_spot_chord2(&engine->spots[slot], &spot) == 0);
	check(!session->is_hidden || session->is_located);
	check(!session->is_source || session->is_initialised);
	if (session->is_hidden)
		vantage.point = VANTAGE_NOWHERE;
	if (session->is_initialised)
		privacy_check_self(engine, user, &vantage);
}

static void check_session(const struct engine *engine, uint32_t slot)
{
	const struct session *session = &engine->sessions[slot];
	const struct channel *user = &engine->channels[session->channel];
	check(user->is_live);
	check(session->is_initialised || !session->is_located);
	check(session->is_hidden || !session->is_located || !channel_is_hidden(user));
	check_vantage(engine, slot);
	check(!session->is_timed || session->is_located);
	check(!session->is_paused || session->pace_idx == NONE);
	check(session->friends.count - session->removed_count <= engine->config.friends_max);
	uint32_t sibling = user->first_session;
	while (sibling != slot && sibling != NONE)
		sibling = engine->sessions[sibling].sibling;
	check(sibling == slot);
}

void session_check_all(const struct engine *engine)
{
	uint32_t live = 0, free_count = 0, hidden = 0;
	for (uint32_t slot = 0; slot < engine->session_high; slot++) {
		if (!engine->sessions[slot].is_live)
			continue;
		check_session(engine, slot);
		hidden += engine->sessions[slot].is_hidden;
		live++;
	}
	for (uint32_t s = engine->session_free; s != NONE; s = engine->sessions[s].sibling) {
		check(!engine->sessions[s].is_live);
		free_count++;
	}
	check(hidden == engine->hidden_count);
	check(live == engine->session_count);
	check(live + free_count == engine->session_high);
}
