/*
 * Owns: see evaluate.h.
 * Invariant: see evaluate.h; as all wait equally long, the list of timers is a queue.
 * Thread: as engine.h.
 * Does not know: what is said in the end; that is judged anew at the flush.
 */
#include "engine/evaluate.h"

#include "base/check.h"
#include "engine/session.h"
#include "engine/subscription.h"

/* Lines of memory read in one step, or those of one session when it takes more: of its list, and of
 * the table for those near the edge. */
#define STEP_LINES 2048
/* Friends whose slots in the table are asked for ahead. */
#define AHEAD 8
/* Lines of the next list that are asked for. */
#define LIST_LINES 4

void evaluate_cancel(struct engine *engine, uint32_t slot)
{
	struct session *session = &engine->sessions[slot];
	if (!session->is_timed)
		return;
	uint32_t next = session->timer_next, previous = session->timer_previous;
	*(next != NONE ? &engine->sessions[next].timer_previous : &engine->timer_last) = previous;
	*(previous != NONE ? &engine->sessions[previous].timer_next : &engine->timer_first) = next;
	session->timer_next = session->timer_previous = NONE;
	session->is_timed = false;
}

static void evaluate_later(struct engine *engine, uint64_t now_us, uint32_t slot)
{
	struct session *session = &engine->sessions[slot];
	if (session->is_timed)
		return;
	session->is_timed = true;
	session->evaluate_us = now_us + REEVALUATE_AFTER_US;
	session->timer_previous = engine->timer_last;
	*(engine->timer_last != NONE ? &engine->sessions[engine->timer_last].timer_next
				     : &engine->timer_first) = slot;
	engine->timer_last = slot;
}

static void note_evaluated(struct engine *engine, uint64_t now_us, uint32_t slot)
{
	engine->sessions[slot].evaluated_us = now_us;
	engine->sessions[slot].evaluated = engine->sessions[slot].place;
	evaluate_cancel(engine, slot);
}

void evaluate_done(struct engine *engine, uint64_t now_us, uint32_t slot)
{
	engine->sessions[slot].anchor = engine->sessions[slot].place;
	note_evaluated(engine, now_us, slot);
}

static void prefetch_location(const struct engine *engine, const struct channel *channel)
{
	if (!channel->is_absent)
		nearby_table_prefetch(engine->config.segment, channel->user, channel->hint);
}

static void prefetch_friend(const struct engine *engine, const uint32_t *items, uint32_t at,
			    uint32_t count)
{
	if (at + 2 * AHEAD < count)
		__builtin_prefetch(&engine->channels[tag_key(items[at + 2 * AHEAD])]);
	if (at + AHEAD < count)
		prefetch_location(engine, &engine->channels[tag_key(items[at + AHEAD])]);
}

/*
 * Most friends are not active, and to find that out again takes the longest of all walks through the
 * table. Whoever becomes active is told of to all who follow, so until then it need not be asked.
 */
static bool is_worth_a_look(const struct engine *engine, uint32_t item)
{
	if (item & (TAG_MUTED | TAG_REMOVED))
		return false;
	return (item & (TAG_KNOWN | TAG_EDGE)) || !engine->channels[tag_key(item)].is_absent;
}

static void evaluate_friend(struct engine *engine, uint64_t now_us, uint32_t slot,
			    const struct vantage *viewer, uint32_t *item)
{
	struct entry entry;
	enum gone_why why;
	bool is_seen = subscription_see(engine, now_us, slot, viewer, item, &entry, &why);
	if (is_seen != ((*item & TAG_KNOWN) != 0))
		subscription_mark(engine, slot, item);
}

void evaluate_now(struct engine *engine, uint64_t now_us, uint32_t slot)
{
	struct session *session = &engine->sessions[slot];
	struct vantage viewer = session_vantage(engine, slot);
	uint32_t *items = taglist_items(&engine->arena, &session->friends);
	uint32_t count = session->friends.count;
	for (uint32_t i = 0; i < count; i++) {
		prefetch_friend(engine, items, i, count);
		if (is_worth_a_look(engine, items[i]))
			evaluate_friend(engine, now_us, slot, &viewer, &items[i]);
	}
	evaluate_done(engine, now_us, slot);
	engine_count(engine, ENGINE_COUNTER_EVALUATIONS, 1);
}

/* Finds the next friends near the edge, `count` that there are, and asks for their channels. Returns
 * where it stopped. */
static uint32_t *pick_edges(struct engine *engine, uint32_t *items, uint32_t count)
{
	for (uint32_t picked = 0; picked < count; items++) {
		if (!(*items & TAG_EDGE))
			continue;
		engine->picks[picked++] = items;
		__builtin_prefetch(&engine->channels[tag_key(*items)]);
	}
	return items;
}

static void evaluate_picks(struct engine *engine, uint64_t now_us, uint32_t slot,
			   const struct vantage *viewer, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		prefetch_location(engine, &engine->channels[tag_key(*engine->picks[i])]);
	for (uint32_t i = 0; i < count; i++)
		if (is_worth_a_look(engine, *engine->picks[i]))
			evaluate_friend(engine, now_us, slot, viewer, engine->picks[i]);
}

/* The viewer is not far from its anchor: only those near the edge can have crossed it. */
static void evaluate_edges(struct engine *engine, uint64_t now_us, uint32_t slot)
{
	struct session *session = &engine->sessions[slot];
	struct vantage viewer = session_vantage(engine, slot);
	uint32_t *items = taglist_items(&engine->arena, &session->friends);
	for (uint32_t left = session->edge_count, count; left > 0; left -= count) {
		count = left < FRAME_ENTRIES_MAX ? left : FRAME_ENTRIES_MAX;
		items = pick_edges(engine, items, count);
		evaluate_picks(engine, now_us, slot, &viewer, count);
	}
	note_evaluated(engine, now_us, slot);
	engine_count(engine, ENGINE_COUNTER_EVALUATIONS_OF_EDGES, 1);
}

static bool is_same_place(struct nearby_place a, struct nearby_place b)
{
	return a.lat_e7 == b.lat_e7 && a.lon_e7 == b.lon_e7;
}

void evaluate_moved(struct engine *engine, uint64_t now_us, uint32_t slot,
		    struct nearby_place before)
{
	const struct session *session = &engine->sessions[slot];
	if (is_same_place(before, session->place))
		return;
	if (!geo_is_within(&engine->anchored, session->anchor, session->place))
		evaluate_now(engine, now_us, slot);
	else if (session->edge_count == 0)
		return;
	else if (!geo_is_within(&engine->reevaluate, session->evaluated, session->place))
		evaluate_edges(engine, now_us, slot);
	else
		evaluate_later(engine, now_us, slot);
}

/* Asks for the lists of the session whose timer is next, and for the one after that. The rest of a list
 * follows in order. */
static void expect_next(const struct engine *engine, const struct session *session)
{
	if (session->timer_next == NONE)
		return;
	const struct session *next = &engine->sessions[session->timer_next];
	const uint32_t *items = taglist_items(&engine->arena, &next->friends);
	for (uint32_t line = 0; line < LIST_LINES; line++)
		__builtin_prefetch(items + line * 16, 1);
	if (next->timer_next == NONE)
		return;
	const char *second = (const char *)&engine->sessions[next->timer_next];
	__builtin_prefetch(second, 1);
	__builtin_prefetch(second + 64, 1);
}

void evaluate_step(struct engine *engine, uint64_t now_us)
{
	uint32_t lines = 0;
	while (lines < STEP_LINES && evaluate_next_us(engine) <= now_us) {
		const struct session *session = &engine->sessions[engine->timer_first];
		lines += 1 + session->friends.count / 16 + session->edge_count;
		expect_next(engine, session);
		evaluate_edges(engine, now_us, engine->timer_first);
	}
}

uint64_t evaluate_next_us(const struct engine *engine)
{
	return engine->timer_first == NONE ? UINT64_MAX
					   : engine->sessions[engine->timer_first].evaluate_us;
}

void evaluate_check_all(const struct engine *engine)
{
	uint32_t listed = 0, timed = 0, previous = NONE;
	for (uint32_t s = engine->timer_first; s != NONE; s = engine->sessions[s].timer_next) {
		check(engine->sessions[s].is_live && engine->sessions[s].is_timed);
		check(engine->sessions[s].timer_previous == previous);
		check(previous == NONE ||
		      engine->sessions[previous].evaluate_us <= engine->sessions[s].evaluate_us);
		previous = s;
		listed++;
	}
	check(engine->timer_last == previous);
	for (uint32_t slot = 0; slot < engine->session_high; slot++) {
		const struct session *session = &engine->sessions[slot];
		timed += session->is_live && session->is_timed;
		if (session->is_live && session->is_located)
			check(geo_is_within(&engine->anchored, session->anchor, session->place));
	}
	check(listed == timed);
}
