/*
 * Owns: see view.h.
 * Invariant: see view.h.
 * Thread: as engine.h.
 * Does not know: who belongs into a view.
 *
 * A belief is named by the number of its view times STRANGERS_MAX and its place in it.
 */
#include "engine/view.h"

#include "base/check.h"
#include "engine/pace.h"

uint32_t view_take(struct engine *engine, uint32_t slot)
{
	uint32_t view = engine->view_free;
	if (view != NONE)
		engine->view_free = engine->views[view].sibling;
	else
		view = engine->view_high++;
	check(view < engine->config.sessions_max);
	struct view *record = &engine->views[view];
	*record = (struct view){
		.slot = slot,
		.sibling = NONE,
		.timer_next = NONE,
		.timer_previous = NONE,
	};
	return view;
}

void view_give(struct engine *engine, uint32_t view)
{
	struct view *record = &engine->views[view];
	check(record->count == 0 && !record->is_on);
	record->slot = NONE;
	record->sibling = engine->view_free;
	engine->view_free = view;
}

void view_note(struct engine *engine, uint32_t view)
{
	uint32_t slot = engine->views[view].slot;
	struct session *session = &engine->sessions[slot];
	session->has_strangers = true;
	if (!session->is_paused && session->pace_idx == NONE)
		pace_put(engine, slot);
}

/* ---- beliefs ------------------------------------------------------------------------------ */

static struct belief *belief_of(struct engine *engine, uint32_t name)
{
	return &engine->views[name / STRANGERS_MAX].beliefs[name % STRANGERS_MAX];
}

static uint32_t name_of(const struct engine *engine, uint32_t view, const struct belief *belief)
{
	return view * STRANGERS_MAX + (uint32_t)(belief - engine->views[view].beliefs);
}

/* Into the list of its person. */
static void belief_link(struct engine *engine, uint32_t name)
{
	struct belief *belief = belief_of(engine, name);
	uint32_t *first = &engine->directory.persons[belief->person].first_belief;
	belief->next = *first;
	belief->previous = NONE;
	if (*first != NONE)
		belief_of(engine, *first)->previous = name;
	*first = name;
}

static void belief_unlink(struct engine *engine, struct belief *belief)
{
	if (belief->person == NOBODY)
		return;
	if (belief->next != NONE)
		belief_of(engine, belief->next)->previous = belief->previous;
	if (belief->previous != NONE)
		belief_of(engine, belief->previous)->next = belief->next;
	else
		engine->directory.persons[belief->person].first_belief = belief->next;
	belief->person = NOBODY;
}

struct belief *view_find(struct engine *engine, uint32_t view, uint64_t user)
{
	struct view *record = &engine->views[view];
	for (uint32_t i = 0; i < record->count; i++)
		if (record->beliefs[i].user == user)
			return &record->beliefs[i];
	return NULL;
}

void view_believe(struct engine *engine, uint32_t view, uint32_t person)
{
	struct view *record = &engine->views[view];
	uint64_t user = engine->directory.persons[person].user;
	struct belief *belief = view_find(engine, view, user);
	if (belief == NULL) {
		check(record->count < STRANGERS_MAX);
		belief = &record->beliefs[record->count++];
		*belief = (struct belief){ .user = user, .person = person };
		belief_link(engine, name_of(engine, view, belief));
	}
	check(!belief->is_gone);
	belief->is_stale = false;
}

void view_revive(struct engine *engine, uint32_t view, struct belief *belief, uint32_t person)
{
	check(belief->is_gone);
	engine->views[view].gone_count--;
	belief->is_gone = false;
	belief->is_stale = true;
	belief->person = person;
	belief_link(engine, name_of(engine, view, belief));
}

/* The last one takes its place. */
static void belief_drop(struct engine *engine, uint32_t view, struct belief *belief)
{
	struct view *record = &engine->views[view];
	struct belief *last = &record->beliefs[record->count - 1];
	belief_unlink(engine, belief);
	if (belief->is_gone)
		record->gone_count--;
	if (belief != last) {
		uint32_t person = last->person;
		belief_unlink(engine, last);
		*belief = *last;
		belief->person = person;
		if (person != NOBODY)
			belief_link(engine, name_of(engine, view, belief));
	}
	record->count--;
}

void view_doubt(struct engine *engine, uint32_t view, struct belief *belief, enum gone_why why)
{
	belief_unlink(engine, belief);
	if (!belief->is_gone)
		engine->views[view].gone_count++;
	belief->is_gone = true;
	belief->why = (uint8_t)why;
	view_note(engine, view);
}

void view_doubt_all(struct engine *engine, uint32_t view, enum gone_why why)
{
	struct view *record = &engine->views[view];
	for (uint32_t i = 0; i < record->count; i++)
		if (!record->beliefs[i].is_gone)
			view_doubt(engine, view, &record->beliefs[i], why);
}

uint32_t view_drain_gone(struct engine *engine, uint32_t view)
{
	struct view *record = &engine->views[view];
	uint32_t count = 0;
	for (uint32_t i = record->count; i-- > 0;) {
		struct belief *belief = &record->beliefs[i];
		if (!belief->is_gone)
			continue;
		engine->gones[count++] =
			(struct gone){ { belief->user }, (enum gone_why)belief->why };
		belief_drop(engine, view, belief);
	}
	check(record->gone_count == 0);
	return count;
}

void view_clear(struct engine *engine, uint32_t view)
{
	struct view *record = &engine->views[view];
	for (uint32_t i = 0; i < record->count; i++)
		belief_unlink(engine, &record->beliefs[i]);
	record->count = record->gone_count = 0;
}

/* ---- of a person -------------------------------------------------------------------------- */

void view_lose(struct engine *engine, uint32_t person, enum gone_why why)
{
	uint32_t name;
	while ((name = engine->directory.persons[person].first_belief) != NONE)
		view_doubt(engine, name / STRANGERS_MAX, belief_of(engine, name), why);
}

void view_outdate(struct engine *engine, uint32_t person)
{
	uint32_t name = engine->directory.persons[person].first_belief;
	for (; name != NONE; name = belief_of(engine, name)->next)
		belief_of(engine, name)->is_stale = true;
}

/* ---- check -------------------------------------------------------------------------------- */

static void check_view(const struct engine *engine, uint32_t view)
{
	const struct view *record = &engine->views[view];
	uint32_t gone = 0;
	check(record->count <= STRANGERS_MAX);
	for (uint32_t i = 0; i < record->count; i++) {
		const struct belief *belief = &record->beliefs[i];
		gone += belief->is_gone;
		check(belief->is_gone == (belief->person == NOBODY));
		if (!belief->is_gone)
			check(engine->directory.persons[belief->person].user == belief->user);
		for (uint32_t j = 0; j < i; j++)
			check(record->beliefs[j].user != belief->user);
	}
	check(gone == record->gone_count);
}

void view_check_all(const struct engine *engine)
{
	uint64_t linked = 0, listed = 0;
	for (uint32_t view = 0; view < engine->view_high; view++) {
		if (engine->views[view].slot == NONE)
			continue;
		check_view(engine, view);
		linked += engine->views[view].count - engine->views[view].gone_count;
	}
	for (uint32_t person = 0; person < engine->directory.person_high; person++) {
		const struct person *record = &engine->directory.persons[person];
		if (!record->is_here)
			continue;
		for (uint32_t name = record->first_belief; name != NONE; listed++) {
			const struct view *view = &engine->views[name / STRANGERS_MAX];
			check(view->beliefs[name % STRANGERS_MAX].person == person);
			name = view->beliefs[name % STRANGERS_MAX].next;
		}
	}
	check(linked == listed);
}
