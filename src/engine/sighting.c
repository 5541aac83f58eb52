/*
 * Owns: see sighting.h.
 * Invariant: see sighting.h; the first `sighting_asked` of those that wait have their lists asked for.
 * Thread: as engine.h.
 * Does not know: who is near whom.
 */
#include "engine/sighting.h"

#include "base/check.h"
#include "engine/subscription.h"

/* How many wait for their session, and then for their list. */
#define SESSIONS_AHEAD 8
#define LISTS_AHEAD 8
_Static_assert(SESSIONS_AHEAD + LISTS_AHEAD < SIGHTINGS && (SIGHTINGS & (SIGHTINGS - 1)) == 0,
	       "the ring holds them");
/* Places of a list that are asked for, in even steps: all lines of one of 500 friends. */
#define LIST_PLACES 32u

static const struct sighting *waiting(const struct engine *engine, uint32_t idx)
{
	return &engine->sightings[(engine->sighting_first + idx) % SIGHTINGS];
}

static void ask_for_session(const struct engine *engine, uint32_t slot)
{
	const char *session = (const char *)&engine->sessions[slot];
	__builtin_prefetch(session, 1);
	__builtin_prefetch(session + 64, 1);
}

static void ask_for_list(const struct engine *engine, uint32_t slot)
{
	const struct taglist *friends = &engine->sessions[slot].friends;
	const uint32_t *items = taglist_items(&engine->arena, friends);
	uint32_t step = friends->count / LIST_PLACES + 1;
	step = step < 16 ? 16 : step;
	for (uint32_t at = 0; at < friends->count; at += step)
		__builtin_prefetch(items + at, 1);
}

static void ask_for_lists(struct engine *engine, uint32_t count)
{
	for (; engine->sighting_asked < count; engine->sighting_asked++)
		ask_for_list(engine, waiting(engine, engine->sighting_asked)->slot);
}

static void note_first(struct engine *engine)
{
	struct sighting sighting = *waiting(engine, 0);
	engine->sighting_first++;
	engine->sighting_count--;
	engine->sighting_asked--;
	uint32_t *item = taglist_find(&engine->arena, &engine->sessions[sighting.slot].friends,
				      sighting.channel);
	check(item != NULL);
	if (sighting.is_marked)
		subscription_mark(engine, sighting.slot, item);
	if (sighting.is_edged)
		subscription_set_edge(engine, sighting.slot, item, true);
}

void sighting_note_all(struct engine *engine)
{
	ask_for_lists(engine, engine->sighting_count);
	while (engine->sighting_count > 0)
		note_first(engine);
}

void sighting_put(struct engine *engine, const struct sighting *sighting)
{
	ask_for_session(engine, sighting->slot);
	engine->sightings[(engine->sighting_first + engine->sighting_count++) % SIGHTINGS] =
		*sighting;
	/* The follower's next step is judged by whom it has near the edge: that cannot wait. */
	if (sighting->is_edged) {
		sighting_note_all(engine);
		return;
	}
	if (engine->sighting_count > SESSIONS_AHEAD)
		ask_for_lists(engine, engine->sighting_count - SESSIONS_AHEAD);
	if (engine->sighting_count > SESSIONS_AHEAD + LISTS_AHEAD)
		note_first(engine);
}
