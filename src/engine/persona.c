/*
 * Owns: see persona.h.
 * Invariant: see persona.h; the barred ascend, two words each, the high one first.
 * Thread: as engine.h.
 * Does not know: who is where.
 */
#include "engine/persona.h"

#include "base/check.h"

#include <string.h>

uint32_t persona_take(struct engine *engine, uint32_t slot)
{
	uint32_t persona = engine->sessions[slot].persona;
	if (persona != NONE)
		return persona;
	persona = engine->persona_free;
	if (persona != NONE)
		engine->persona_free = engine->personas[persona].first_view;
	else
		persona = engine->persona_high++;
	/* Users with sessions are no more than sessions. */
	check(persona < engine->config.sessions_max);
	uint32_t channel = engine->sessions[slot].channel;
	engine->personas[persona] = (struct persona){
		.channel = channel,
		.first_view = NONE,
		.person = NOBODY,
	};
	for (uint32_t s = engine->channels[channel].first_session; s != NONE;
	     s = engine->sessions[s].sibling)
		engine->sessions[s].persona = persona;
	return persona;
}

void persona_join(struct engine *engine, uint32_t slot)
{
	/* It is the first of the list itself. */
	uint32_t sibling = engine->sessions[slot].sibling;
	if (sibling != NONE)
		engine->sessions[slot].persona = engine->sessions[sibling].persona;
}

void persona_give(struct engine *engine, uint32_t persona)
{
	struct persona *record = &engine->personas[persona];
	check(record->first_view == NONE && record->person == NOBODY);
	if (record->barred != 0)
		arena_give(&engine->arena, record->barred);
	*record = (struct persona){ .channel = NONE, .first_view = engine->persona_free };
	engine->persona_free = persona;
}

uint32_t persona_view(const struct engine *engine, uint32_t slot)
{
	uint32_t persona = engine->sessions[slot].persona;
	uint32_t view = persona == NONE ? NONE : engine->personas[persona].first_view;
	while (view != NONE && engine->views[view].slot != slot)
		view = engine->views[view].sibling;
	return view;
}

static bool is_view_on(const struct view *view)
{
	return view->is_on && !view->is_waiting;
}

bool persona_is_wanted(const struct engine *engine, uint32_t persona)
{
	uint32_t view = engine->personas[persona].first_view;
	while (view != NONE && !is_view_on(&engine->views[view]))
		view = engine->views[view].sibling;
	return view != NONE;
}

bool persona_is_on(const struct engine *engine, uint32_t persona)
{
	const struct persona *record = &engine->personas[persona];
	for (uint32_t view = record->first_view; view != NONE; view = engine->views[view].sibling) {
		const struct view *of = &engine->views[view];
		if (is_view_on(of) && engine->sessions[of->slot].is_located)
			return !record->is_shut;
	}
	return false;
}

/* ---- the barred --------------------------------------------------------------------------- */

static uint32_t *barred_words(const struct engine *engine, const struct persona *record)
{
	return arena_words(&engine->arena, record->barred);
}

static uint64_t barred_at(const struct engine *engine, const struct persona *record, uint32_t at)
{
	const uint32_t *words = barred_words(engine, record) + 2 * (size_t)at;
	return (uint64_t)words[0] << 32 | words[1];
}

static void barred_set(struct engine *engine, const struct persona *record, uint32_t at,
		       struct user_id user)
{
	uint32_t *words = barred_words(engine, record) + 2 * (size_t)at;
	words[0] = (uint32_t)(user.value >> 32);
	words[1] = (uint32_t)user.value;
}

/* The first that is not before the user. */
static uint32_t barred_place(const struct engine *engine, const struct persona *record,
			     struct user_id user)
{
	uint32_t low = 0, high = record->barred_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (barred_at(engine, record, middle) < user.value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Makes room; false when there is none, and then nobody is met any more. */
static bool barred_reserve(struct engine *engine, struct persona *record, uint32_t count)
{
	uint32_t span = record->barred == 0
				? arena_take(&engine->arena, 2 * count)
				: arena_resize(&engine->arena, record->barred, 2 * count);
	if (span != 0) {
		record->barred = span;
		return true;
	}
	record->is_shut = true;
	engine_count(engine, ENGINE_COUNTER_STRANGERS_REFUSED, 1);
	return false;
}

void persona_bar_all(struct engine *engine, uint32_t persona, const struct user_id *barred,
		     uint32_t count)
{
	struct persona *record = &engine->personas[persona];
	check(record->barred_count == 0);
	if (!barred_reserve(engine, record, count))
		return;
	for (uint32_t i = 0; i < count; i++) {
		check(i == 0 || barred[i - 1].value < barred[i].value);
		barred_set(engine, record, i, barred[i]);
	}
	record->barred_count = count;
}

bool persona_is_barred(const struct engine *engine, uint32_t persona, struct user_id other)
{
	const struct persona *record = &engine->personas[persona];
	uint32_t at = barred_place(engine, record, other);
	return at < record->barred_count && barred_at(engine, record, at) == other.value;
}

void persona_bar(struct engine *engine, uint32_t persona, struct user_id other)
{
	struct persona *record = &engine->personas[persona];
	if (persona_is_barred(engine, persona, other) ||
	    !barred_reserve(engine, record, record->barred_count + 1))
		return;
	uint32_t at = barred_place(engine, record, other);
	uint32_t *words = barred_words(engine, record) + 2 * (size_t)at;
	memmove(words + 2, words, 2 * sizeof(*words) * (record->barred_count - at));
	barred_set(engine, record, at, other);
	record->barred_count++;
}

void persona_unbar(struct engine *engine, uint32_t persona, struct user_id other)
{
	struct persona *record = &engine->personas[persona];
	if (!persona_is_barred(engine, persona, other))
		return;
	uint32_t at = barred_place(engine, record, other);
	uint32_t *words = barred_words(engine, record) + 2 * (size_t)at;
	record->barred_count--;
	memmove(words, words + 2, 2 * sizeof(*words) * (record->barred_count - at));
}

/* ---- check -------------------------------------------------------------------------------- */

static void check_persona(const struct engine *engine, uint32_t persona)
{
	const struct persona *record = &engine->personas[persona];
	uint32_t first = engine->channels[record->channel].first_session;
	check(first != NONE);
	for (uint32_t slot = first; slot != NONE; slot = engine->sessions[slot].sibling)
		check(engine->sessions[slot].persona == persona);
	for (uint32_t i = 1; i < record->barred_count; i++)
		check(barred_at(engine, record, i - 1) < barred_at(engine, record, i));
	for (uint32_t view = record->first_view; view != NONE; view = engine->views[view].sibling)
		check(engine->sessions[engine->views[view].slot].persona == persona);
	if (record->person != NOBODY) {
		const struct person *person = &engine->directory.persons[record->person];
		check(person->is_here);
		check(person->user == engine->channels[record->channel].user);
	}
}

void persona_check_all(const struct engine *engine)
{
	for (uint32_t persona = 0; persona < engine->persona_high; persona++)
		if (engine->personas[persona].channel != NONE)
			check_persona(engine, persona);
	for (uint32_t slot = 0; slot < engine->session_high; slot++) {
		const struct session *session = &engine->sessions[slot];
		if (session->is_live && session->persona != NONE)
			check(engine->personas[session->persona].channel == session->channel);
	}
}
