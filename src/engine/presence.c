/*
 * Owns: see presence.h.
 * Invariant: see presence.h.
 * Thread: as engine.h.
 * Does not know: who is near whom.
 */
#include "engine/presence.h"

#include "base/check.h"
#include "engine/herald.h"
#include "engine/persona.h"
#include "engine/privacy.h"
#include "engine/view.h"

static bool is_own(const struct engine *engine, uint64_t user)
{
	return nearby_home_core(user, engine->config.cores) == engine->config.core;
}

uint32_t presence_put(struct engine *engine, uint64_t user, uint64_t code)
{
	uint32_t person = directory_put(&engine->directory, user, code);
	if (person == NOBODY)
		engine_count(engine, ENGINE_COUNTER_STRANGERS_REFUSED, 1);
	else
		view_outdate(engine, person);
	return person;
}

void presence_remove(struct engine *engine, uint32_t person, enum gone_why why)
{
	view_lose(engine, person, why);
	directory_remove(&engine->directory, person);
	engine->directory.persons[person].why = (uint8_t)why;
}

void presence_settle(struct engine *engine, uint32_t person)
{
	uint32_t before = engine->directory.person_count;
	bool was_own = is_own(engine, engine->directory.persons[person].user);
	directory_settle(&engine->directory, person);
	if (was_own && engine->directory.person_count < before)
		engine->own_person_count--;
}

/* Records of users homed here are bounded, those that only wait to be told of included. */
static uint32_t put_own(struct engine *engine, uint64_t user, uint64_t code)
{
	bool is_new = directory_find(&engine->directory, user) == NOBODY;
	if (is_new && engine->own_person_count == engine->heralds_max) {
		engine_count(engine, ENGINE_COUNTER_STRANGERS_REFUSED, 1);
		return NOBODY;
	}
	uint32_t person = presence_put(engine, user, code);
	if (person != NOBODY)
		engine->own_person_count += is_new;
	return person;
}

bool presence_refresh(struct engine *engine, uint64_t now_us, uint32_t persona)
{
	struct persona *record = &engine->personas[persona];
	struct user_id user = { engine->channels[record->channel].user };
	uint64_t code;
	enum gone_why why;
	bool is_shown = privacy_find_stranger(engine, now_us, user, &code, &why);
	if (!is_shown || !persona_is_on(engine, persona)) {
		/* Of who shows nothing to nobody there is no location either. */
		bool is_idle = !is_shown && why == GONE_IDLE &&
			       engine->channels[record->channel].mode != SHARING_OFF;
		presence_end(engine, persona, is_idle ? GONE_IDLE : GONE_OFF);
		return false;
	}
	if (record->person != NOBODY && engine->directory.persons[record->person].code == code)
		return false;
	uint32_t person = put_own(engine, user.value, code);
	if (person == NOBODY)
		return false;
	if (record->person == NOBODY) {
		engine_gauge(engine, ENGINE_COUNTER_STRANGERS_SEEN, ++engine->seen_count);
		privacy_mark_strangers(engine, user, true);
	}
	record->person = person;
	herald_note(engine, person);
	return true;
}

void presence_end(struct engine *engine, uint32_t persona, enum gone_why why)
{
	struct persona *record = &engine->personas[persona];
	uint32_t person = record->person;
	if (person == NOBODY)
		return;
	record->person = NOBODY;
	privacy_mark_strangers(engine, (struct user_id){ engine->channels[record->channel].user },
			       false);
	for (uint32_t view = record->first_view; view != NONE; view = engine->views[view].sibling)
		view_doubt_all(engine, view, why);
	presence_remove(engine, person, why);
	herald_note(engine, person);
	presence_settle(engine, person);
	engine_gauge(engine, ENGINE_COUNTER_STRANGERS_SEEN, --engine->seen_count);
}

void presence_check_all(const struct engine *engine)
{
	uint32_t own = 0, seen = 0;
	for (uint32_t p = 0; p < engine->directory.person_high; p++) {
		const struct person *person = &engine->directory.persons[p];
		bool is_used = person->is_here || person->told != 0 || person->waiting != 0;
		own += is_used && is_own(engine, person->user);
	}
	for (uint32_t persona = 0; persona < engine->persona_high; persona++) {
		const struct persona *record = &engine->personas[persona];
		seen += record->channel != NONE && record->person != NOBODY;
		for (uint32_t view = record->channel == NONE ? NONE : record->first_view;
		     view != NONE; view = engine->views[view].sibling)
			check(record->person != NOBODY ||
			      engine->views[view].count == engine->views[view].gone_count);
	}
	check(own == engine->own_person_count);
	check(seen == engine->seen_count);
}
