/*
 * Owns: see strangers.h.
 * Invariant: see strangers.h; as all wait equally long, the list of timers is a queue.
 * Thread: as engine.h.
 * Does not know: who is in the directory, and why.
 */
#include "engine/strangers.h"

#include "base/check.h"
#include "engine/channel.h"
#include "engine/persona.h"
#include "engine/presence.h"
#include "engine/privacy.h"
#include "engine/session.h"
#include "engine/subscription.h"
#include "engine/view.h"

#include <string.h>

/* Views that one step looks after: a search each at worst. */
#define STEP_VIEWS 64

/* ---- finding out -------------------------------------------------------------------------- */

/* One search. The nearest so far stand sorted in engine.entries, their persons in engine.found. */
struct search {
	uint32_t slot, persona;
	struct vantage viewer;
	struct geohash_cell cell; /* where the viewer is shown */
	uint32_t count;
};

static bool is_friend(const struct engine *engine, uint32_t slot, uint64_t user)
{
	const uint32_t *item = subscription_find(engine, slot, user);
	return item != NULL && !(*item & TAG_REMOVED);
}

static bool see(struct engine *engine, uint64_t now_us, const struct search *search,
		uint32_t person, struct entry *entry, enum gone_why *why)
{
	struct person *record = &engine->directory.persons[person];
	struct user_id user = { record->user };
	struct stranger_sight sight = {
		.viewer = &search->viewer,
		.cell = search->cell,
		.sharer = user,
		.hint = &record->hint,
		.is_here = record->is_here,
		.is_apart = is_friend(engine, search->slot, user.value) ||
			    persona_is_barred(engine, search->persona, user),
	};
	return privacy_see_stranger(engine, now_us, &sight, entry, why);
}

static bool is_before(const struct entry *a, const struct entry *b)
{
	if (a->distance_mm != b->distance_mm)
		return a->distance_mm < b->distance_mm;
	return a->user.value < b->user.value;
}

static void keep(struct engine *engine, struct search *search, const struct entry *entry,
		 uint32_t person)
{
	uint32_t at = search->count;
	while (at > 0 && is_before(entry, &engine->entries[at - 1]))
		at--;
	if (at == engine->config.strangers_max)
		return;
	if (search->count < engine->config.strangers_max)
		search->count++;
	uint32_t moved = search->count - 1 - at;
	memmove(&engine->entries[at + 1], &engine->entries[at], moved * sizeof(engine->entries[0]));
	memmove(&engine->found[at + 1], &engine->found[at], moved * sizeof(engine->found[0]));
	engine->entries[at] = *entry;
	engine->found[at] = person;
}

/* Nobody beyond is wanted: once there are enough, who is further than the last. */
static double most_chord2(const struct engine *engine, const struct search *search)
{
	if (search->count < engine->config.strangers_max)
		return 5;
	uint64_t last_mm = engine->entries[search->count - 1].distance_mm;
	return geo_chord2_limit((double)(last_mm + 1) / 1000);
}

static void look_around(struct engine *engine, uint64_t now_us, struct search *search)
{
	struct nearby_place place = engine->sessions[search->slot].place;
	struct geohash_eye eye = { place, search->viewer.point };
	uint32_t own = engine->personas[search->persona].person, looks = 0, person;
	double most = most_chord2(engine, search);
	directory_search(&engine->directory, &eye, search->cell);
	while (looks < STRANGERS_LOOKS_MAX &&
	       (person = directory_search_next(&engine->directory, most)) != NOBODY) {
		struct entry entry;
		enum gone_why why;
		looks++;
		if (person == own || !see(engine, now_us, search, person, &entry, &why))
			continue;
		keep(engine, search, &entry, person);
		most = most_chord2(engine, search);
	}
	engine_count(engine, ENGINE_COUNTER_STRANGERS_LOOKS, looks);
}

static bool is_found(const struct engine *engine, const struct search *search, uint64_t user)
{
	for (uint32_t i = 0; i < search->count; i++)
		if (engine->entries[i].user.value == user)
			return true;
	return false;
}

/* Whom the client believes in and was not found: somebody whom it may not see any more, or who is
 * further away than others. */
static void doubt_rest(struct engine *engine, uint64_t now_us, const struct search *search,
		       uint32_t view)
{
	struct view *record = &engine->views[view];
	for (uint32_t i = 0; i < record->count; i++) {
		struct belief *belief = &record->beliefs[i];
		struct entry entry;
		enum gone_why why;
		if (belief->is_gone || is_found(engine, search, belief->user))
			continue;
		if (see(engine, now_us, search, belief->person, &entry, &why))
			why = GONE_FAR;
		view_doubt(engine, view, belief, why);
	}
}

/* Of those who were found, who is news to the client; they stand at the front then. */
static void drop_known(struct engine *engine, struct search *search, uint32_t view)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < search->count; i++) {
		struct belief *belief = view_find(engine, view, engine->entries[i].user.value);
		if (belief != NULL && belief->is_gone)
			view_revive(engine, view, belief, engine->found[i]);
		if (belief != NULL && !belief->is_stale)
			continue;
		engine->entries[kept] = engine->entries[i];
		engine->found[kept++] = engine->found[i];
	}
	search->count = kept;
}

/* Finds out who belongs into the view: marks who does not, and returns how many are news, as
 * engine.entries. */
static uint32_t find_out(struct engine *engine, uint64_t now_us, uint32_t view)
{
	struct view *record = &engine->views[view];
	struct session *session = &engine->sessions[record->slot];
	uint32_t own = engine->personas[session->persona].person;
	record->is_asked = record->is_due = false;
	if (own == NOBODY || !session_sees(engine, now_us, record->slot)) {
		view_doubt_all(engine, view, GONE_IDLE);
		return 0;
	}
	struct search search = {
		.slot = record->slot,
		.persona = session->persona,
		.viewer = session_vantage(engine, record->slot),
		.cell = geohash_cell(engine->directory.persons[own].code, engine->directory.length),
	};
	look_around(engine, now_us, &search);
	doubt_rest(engine, now_us, &search, view);
	drop_known(engine, &search, view);
	record->next_us = now_us + STRANGERS_PAUSE_US;
	record->change = engine->directory.change;
	record->evaluated = session->place;
	engine_count(engine, ENGINE_COUNTER_STRANGERS_EVALUATIONS, 1);
	return search.count;
}

static void say_people(struct engine *engine, uint32_t view, uint32_t count, struct server_msg *msg)
{
	for (uint32_t i = 0; i < count; i++)
		view_believe(engine, view, engine->found[i]);
	*msg = (struct server_msg){ .type = SERVER_STRANGERS };
	msg->update.entries = engine->entries;
	msg->update.count = count;
	engine_count(engine, ENGINE_COUNTER_STRANGERS_SENT, count);
}

static void say_gone(struct engine *engine, uint32_t view, struct server_msg *msg)
{
	*msg = (struct server_msg){ .type = SERVER_STRANGERS_GONE };
	msg->gone.friends = engine->gones;
	msg->gone.count = view_drain_gone(engine, view);
	engine_count(engine, ENGINE_COUNTER_STRANGERS_GONE_SENT, msg->gone.count);
}

/* What is gone is said first, so that a client never has more than STRANGERS_MAX; who came is found
 * out again then, as it is judged when it is sent. */
bool strangers_flush(struct engine *engine, uint64_t now_us, uint32_t slot, struct server_msg *msg)
{
	uint32_t view = persona_view(engine, slot);
	struct session *session = &engine->sessions[slot];
	if (view == NONE) {
		session->has_strangers = false;
		return false;
	}
	struct view *record = &engine->views[view];
	uint32_t news = record->is_due ? find_out(engine, now_us, view) : 0;
	session->has_strangers = false;
	if (record->gone_count > 0) {
		say_gone(engine, view, msg);
		record->is_due = session->has_strangers = news > 0;
		return true;
	}
	if (news > 0)
		say_people(engine, view, news, msg);
	return news > 0;
}

/* ---- when --------------------------------------------------------------------------------- */

static void timer_append(struct engine *engine, uint64_t now_us, uint32_t view)
{
	struct view *record = &engine->views[view];
	record->check_us = now_us + STRANGERS_CHECK_US;
	record->timer_next = NONE;
	record->timer_previous = engine->view_timer_last;
	*(engine->view_timer_last != NONE ? &engine->views[engine->view_timer_last].timer_next
					  : &engine->view_timer_first) = view;
	engine->view_timer_last = view;
}

static void timer_remove(struct engine *engine, uint32_t view)
{
	struct view *record = &engine->views[view];
	uint32_t next = record->timer_next, previous = record->timer_previous;
	*(next != NONE ? &engine->views[next].timer_previous : &engine->view_timer_last) = previous;
	*(previous != NONE ? &engine->views[previous].timer_next : &engine->view_timer_first) =
		next;
	record->timer_next = record->timer_previous = NONE;
}

static void make_due(struct engine *engine, uint32_t view)
{
	engine->views[view].is_due = true;
	view_note(engine, view);
}

/* Now, or if that was just done when its time comes. */
static void ask(struct engine *engine, uint64_t now_us, uint32_t view)
{
	struct view *record = &engine->views[view];
	if (!record->is_on || record->is_waiting)
		return;
	if (now_us >= record->next_us)
		make_due(engine, view);
	else
		record->is_asked = true;
}

static void ask_all(struct engine *engine, uint64_t now_us, uint32_t persona)
{
	uint32_t view = engine->personas[persona].first_view;
	for (; view != NONE; view = engine->views[view].sibling)
		ask(engine, now_us, view);
}

static void refresh(struct engine *engine, uint64_t now_us, uint32_t persona)
{
	if (presence_refresh(engine, now_us, persona))
		ask_all(engine, now_us, persona);
}

/* Whether a view that nobody asked for may have changed all the same. */
static bool is_worth_a_look(const struct engine *engine, const struct view *view)
{
	const struct session *session = &engine->sessions[view->slot];
	uint32_t own = engine->personas[session->persona].person;
	if (own == NOBODY)
		return false;
	if (session->place.lat_e7 != view->evaluated.lat_e7 ||
	    session->place.lon_e7 != view->evaluated.lon_e7)
		return true;
	uint64_t code = engine->directory.persons[own].code;
	struct geohash_cell cell = geohash_cell(code, engine->directory.length);
	return directory_changed(&engine->directory, cell) > view->change;
}

static void look_after(struct engine *engine, uint64_t now_us, uint32_t view)
{
	struct view *record = &engine->views[view];
	timer_remove(engine, view);
	timer_append(engine, now_us, view);
	record->is_waiting = false;
	refresh(engine, now_us, engine->sessions[record->slot].persona);
	if (record->is_asked || is_worth_a_look(engine, record))
		make_due(engine, view);
}

void strangers_step(struct engine *engine, uint64_t now_us)
{
	for (uint32_t i = 0; i < STEP_VIEWS && strangers_next_us(engine) <= now_us; i++)
		look_after(engine, now_us, engine->view_timer_first);
}

uint64_t strangers_next_us(const struct engine *engine)
{
	return engine->view_timer_first == NONE ? UINT64_MAX
						: engine->views[engine->view_timer_first].check_us;
}

/* ---- what happens ------------------------------------------------------------------------- */

void strangers_join(struct engine *engine, uint32_t slot, const struct user_id *barred,
		    uint32_t count)
{
	persona_join(engine, slot);
	bool is_first = engine->sessions[slot].sibling == NONE;
	if (is_first && count > 0)
		persona_bar_all(engine, persona_take(engine, slot), barred, count);
}

static void view_end(struct engine *engine, uint32_t persona, uint32_t view)
{
	uint32_t *link = &engine->personas[persona].first_view;
	while (*link != view)
		link = &engine->views[*link].sibling;
	*link = engine->views[view].sibling;
	view_give(engine, view);
}

static void switch_off(struct engine *engine, uint32_t view)
{
	struct view *record = &engine->views[view];
	uint32_t persona = engine->sessions[record->slot].persona;
	if (!record->is_on)
		return;
	timer_remove(engine, view);
	view_clear(engine, view);
	record->is_on = record->is_waiting = record->is_asked = record->is_due = false;
	engine_gauge(engine, ENGINE_COUNTER_STRANGERS_SESSIONS, --engine->view_on_count);
	if (!persona_is_on(engine, persona))
		presence_end(engine, persona, GONE_OFF);
}

void strangers_close(struct engine *engine, uint32_t slot)
{
	const struct session *session = &engine->sessions[slot];
	uint32_t persona = session->persona, view = persona_view(engine, slot);
	if (persona == NONE)
		return;
	if (view != NONE) {
		switch_off(engine, view);
		view_end(engine, persona, view);
	}
	const struct channel *user = &engine->channels[session->channel];
	if (user->first_session == slot && session->sibling == NONE)
		persona_give(engine, persona);
}

/* Who switches to and fro is let wait, and is seen by nobody until then. */
static void switch_on(struct engine *engine, uint64_t now_us, uint32_t view)
{
	struct view *record = &engine->views[view];
	record->is_on = true;
	record->is_waiting = record->is_asked = now_us < record->next_us;
	timer_append(engine, now_us, view);
	engine_gauge(engine, ENGINE_COUNTER_STRANGERS_SESSIONS, ++engine->view_on_count);
	if (!record->is_waiting)
		refresh(engine, now_us, engine->sessions[record->slot].persona);
}

static uint32_t view_make(struct engine *engine, uint32_t slot)
{
	struct persona *persona = &engine->personas[persona_take(engine, slot)];
	uint32_t view = view_take(engine, slot);
	engine->views[view].sibling = persona->first_view;
	persona->first_view = view;
	return view;
}

void strangers_switch(struct engine *engine, uint64_t now_us, uint32_t slot, bool is_on,
		      struct engine_out *out)
{
	uint32_t view = persona_view(engine, slot), news = 0;
	if (!is_on) {
		if (view != NONE)
			switch_off(engine, view);
		return;
	}
	if (view == NONE)
		view = view_make(engine, slot);
	if (engine->views[view].is_on) {
		ask(engine, now_us, view);
	} else {
		switch_on(engine, now_us, view);
		if (!engine->views[view].is_waiting)
			news = find_out(engine, now_us, view);
	}
	say_people(engine, view, news, &out->answer);
	out->has_answer = true;
}

static uint32_t persona_of(const struct engine *engine, struct user_id user)
{
	uint32_t channel = channel_find(engine, user.value);
	uint32_t first = channel == NONE ? NONE : engine->channels[channel].first_session;
	return first == NONE ? NONE : engine->sessions[first].persona;
}

/* The two do not see each other any more. In a list that was full there is a place for somebody else. */
static void part(struct engine *engine, uint64_t now_us, uint32_t persona, struct user_id other)
{
	uint32_t view = engine->personas[persona].first_view;
	for (; view != NONE; view = engine->views[view].sibling) {
		struct belief *belief = view_find(engine, view, other.value);
		if (belief == NULL)
			continue;
		const struct view *record = &engine->views[view];
		bool was_full = record->count - record->gone_count == engine->config.strangers_max;
		view_doubt(engine, view, belief, GONE_OFF);
		if (was_full)
			ask(engine, now_us, view);
	}
}

void strangers_bar(struct engine *engine, uint64_t now_us, struct user_id user,
		   struct user_id other, bool is_barred)
{
	uint32_t channel = channel_find(engine, user.value);
	uint32_t first = channel == NONE ? NONE : engine->channels[channel].first_session;
	if (first == NONE)
		return;
	uint32_t persona = persona_take(engine, first);
	if (!is_barred) {
		persona_unbar(engine, persona, other);
		ask_all(engine, now_us, persona);
		return;
	}
	persona_bar(engine, persona, other);
	part(engine, now_us, persona, other);
	refresh(engine, now_us, persona);
}

void strangers_befriended(struct engine *engine, uint64_t now_us, struct user_id user, struct user_id with)
{
	uint32_t persona = persona_of(engine, user);
	if (persona != NONE)
		part(engine, now_us, persona, with);
}

void strangers_unfriended(struct engine *engine, uint64_t now_us, struct user_id user)
{
	uint32_t persona = persona_of(engine, user);
	if (persona != NONE)
		ask_all(engine, now_us, persona);
}

bool strangers_are_wanted(const struct engine *engine, const struct channel *user)
{
	uint32_t persona =
		user->first_session == NONE ? NONE : engine->sessions[user->first_session].persona;
	return persona != NONE && persona_is_wanted(engine, persona);
}

void strangers_moved(struct engine *engine, uint64_t now_us, uint32_t channel)
{
	uint32_t first = engine->channels[channel].first_session;
	uint32_t persona = first == NONE ? NONE : engine->sessions[first].persona;
	if (persona != NONE)
		refresh(engine, now_us, persona);
}

/* ---- check -------------------------------------------------------------------------------- */

static uint32_t check_timers(const struct engine *engine)
{
	uint32_t count = 0, previous = NONE;
	for (uint32_t v = engine->view_timer_first; v != NONE; v = engine->views[v].timer_next) {
		check(engine->views[v].is_on && engine->views[v].timer_previous == previous);
		check(previous == NONE ||
		      engine->views[previous].check_us <= engine->views[v].check_us);
		previous = v;
		count++;
	}
	check(engine->view_timer_last == previous);
	return count;
}

void strangers_check_all(const struct engine *engine)
{
	uint32_t on = 0;
	for (uint32_t view = 0; view < engine->view_high; view++) {
		const struct view *record = &engine->views[view];
		if (record->slot == NONE)
			continue;
		const struct session *session = &engine->sessions[record->slot];
		check(session->is_live && persona_view(engine, record->slot) == view);
		check(record->is_on || (record->count == 0 && !record->is_due));
		check(session->has_strangers || (!record->is_due && record->gone_count == 0));
		check(!session->has_strangers || session->is_paused || session->pace_idx != NONE);
		on += record->is_on;
	}
	check(on == engine->view_on_count);
	check(check_timers(engine) == on);
	directory_check(&engine->directory);
	presence_check_all(engine);
	persona_check_all(engine);
	view_check_all(engine);
}
