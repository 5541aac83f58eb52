/*
 * Owns: see merge.h.
 * Invariant: see merge.h. A session is in the queue at most once while it lives; those that ended
 *   meanwhile stay in it until their time.
 * Thread: as engine.h.
 * Does not know: see merge.h.
 */
#include "engine/merge.h"

#include "base/check.h"
#include "engine/look.h"
#include "engine/session.h"
#include "engine/sighting.h"

/* A shorter pause is not worth it. */
#define WINDOW_US_MIN 5000u
/* Places that are looked at together: telling of as many takes some 200 us, and ends a step. Most may have
 * nothing to tell; of those so many rounds are a step. */
#define STEP_PLACES 64u
#define STEP_ROUNDS 16u
/* Between two steps, as waking for each would cost more than it. */
#define STEP_US 10000u

void merge_pace(struct engine *engine, uint64_t interval_us)
{
	engine->window_us = interval_us / 2 < WINDOW_US_MIN ? 0 : interval_us / 2;
}

static struct untold *waiting(const struct engine *engine, uint32_t idx)
{
	return &engine->untold[(engine->untold_first + idx) % engine->config.sessions_max];
}

static void tell(struct engine *engine, uint64_t now_us, uint32_t slot)
{
	engine->sessions[slot].is_untold = false;
	look_publish(engine, now_us, engine->sessions[slot].channel);
}

/* Tells, and lets what moves from now on wait until the window is over, unless the queue is full: it
 * holds sessions that ended, too. */
static void tell_and_queue(struct engine *engine, uint64_t now_us, uint32_t slot)
{
	tell(engine, now_us, slot);
	if (engine->window_us == 0 || engine->untold_count == engine->config.sessions_max)
		return;
	engine->sessions[slot].is_queued = true;
	*waiting(engine, engine->untold_count++) =
		(struct untold){ now_us, session_id(engine, slot) };
}

void merge_moved(struct engine *engine, uint64_t now_us, uint32_t slot, bool is_back)
{
	struct session *session = &engine->sessions[slot];
	if (session->is_untold)
		engine_count(engine, ENGINE_COUNTER_MOVES_MERGED, 1);
	if (!session->is_queued)
		tell_and_queue(engine, now_us, slot);
	else if (is_back)
		tell(engine, now_us, slot);
	else
		session->is_untold = true;
}

void merge_end(struct engine *engine, uint64_t now_us, uint32_t slot)
{
	if (!engine->sessions[slot].is_untold)
		return;
	tell(engine, now_us, slot);
	sighting_note_all(engine);
}

static uint32_t due_count(const struct engine *engine, uint64_t now_us)
{
	uint32_t most = engine->untold_count < STEP_PLACES ? engine->untold_count : STEP_PLACES, count = 0;
	while (count < most && waiting(engine, count)->since_us + engine->window_us <= now_us)
		__builtin_prefetch(&engine->sessions[waiting(engine, count++)->session.slot], 1);
	return count;
}

/* Takes the first `count` places out of the queue. Returns whose moves are to be told: in slots. */
static uint32_t take(struct engine *engine, uint32_t count, uint32_t *slots)
{
	uint32_t untold = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t slot = session_find(engine, waiting(engine, i)->session);
		if (slot == NONE)
			continue;
		engine->sessions[slot].is_queued = false;
		if (engine->sessions[slot].is_untold)
			slots[untold++] = slot;
	}
	engine->untold_first = (engine->untold_first + count) % engine->config.sessions_max;
	engine->untold_count -= count;
	return untold;
}

/* Returns whether there may be more to do. */
static bool tell_some(struct engine *engine, uint64_t now_us, uint32_t *told)
{
	uint32_t slots[STEP_PLACES], due = due_count(engine, now_us), count = take(engine, due, slots);
	for (uint32_t far = 0; count > 0 && far < count + ENGINE_EXPECT_AHEAD; far++) {
		if (far < count)
			engine_expect(engine, session_id(engine, slots[far]));
		if (far >= ENGINE_EXPECT_AHEAD)
			tell_and_queue(engine, now_us, slots[far - ENGINE_EXPECT_AHEAD]);
	}
	*told += count;
	return due == STEP_PLACES;
}

void merge_step(struct engine *engine, uint64_t now_us)
{
	uint32_t told = 0;
	bool has_more = true;
	for (uint32_t i = 0; i < STEP_ROUNDS && has_more && told < STEP_PLACES; i++)
		has_more = tell_some(engine, now_us, &told);
	engine->told_us = has_more ? 0 : now_us;
}

uint64_t merge_next_us(const struct engine *engine)
{
	if (engine->untold_count == 0)
		return UINT64_MAX;
	uint64_t due_us = waiting(engine, 0)->since_us + engine->window_us;
	return due_us > engine->told_us + STEP_US ? due_us : engine->told_us + STEP_US;
}

void merge_check(const struct engine *engine)
{
	uint32_t queued = 0;
	for (uint32_t i = 0; i < engine->untold_count; i++) {
		check(i == 0 || waiting(engine, i - 1)->since_us <= waiting(engine, i)->since_us);
		uint32_t slot = session_find(engine, waiting(engine, i)->session);
		check(slot == NONE || engine->sessions[slot].is_queued);
		queued += slot != NONE;
	}
	for (uint32_t slot = 0; slot < engine->session_high; slot++) {
		const struct session *session = &engine->sessions[slot];
		check(!session->is_untold || session->is_queued);
		queued -= session->is_live && session->is_queued;
	}
	check(queued == 0);
}
