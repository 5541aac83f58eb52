/*
 * Owns: see merge.h.
 * Invariant: see merge.h. A session is in the queue at most once while it lives; those that were told or ended
 *   meanwhile stay in it until their time.
 * Thread: as engine.h.
 * Does not know: see merge.h.
 */
#include "engine/merge.h"

#include "base/check.h"
#include "base/id.h"
#include "engine/look.h"
#include "engine/session.h"
#include "engine/sighting.h"

/* A shorter pause is not worth it. */
#define WINDOW_US_MIN 5000u
/* Told in one step, some 200 us; and between two steps, as waking for each would cost more than it. */
#define STEP_MOVES 64u
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

static bool is_first_in_window(const struct engine *engine, uint64_t now_us, uint32_t slot,
			       uint64_t before_us)
{
	if (engine->window_us == 0 || before_us == 0)
		return true;
	uint64_t shift_us = hash_u64(slot) % engine->window_us;
	return (now_us + shift_us) / engine->window_us != (before_us + shift_us) / engine->window_us;
}

void merge_moved(struct engine *engine, uint64_t now_us, uint32_t slot, uint64_t before_us)
{
	struct session *session = &engine->sessions[slot];
	if (session->is_untold)
		engine_count(engine, ENGINE_COUNTER_MOVES_MERGED, 1);
	if (is_first_in_window(engine, now_us, slot, before_us)) {
		tell(engine, now_us, slot);
		return;
	}
	if (!session->is_queued) {
		/* Sessions that ended hold places, too. */
		if (engine->untold_count == engine->config.sessions_max) {
			tell(engine, now_us, slot);
			return;
		}
		*waiting(engine, engine->untold_count++) = (struct untold){ now_us, slot };
	}
	session->is_queued = session->is_untold = true;
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
	uint32_t most = engine->untold_count < STEP_MOVES ? engine->untold_count : STEP_MOVES, count = 0;
	while (count < most && waiting(engine, count)->since_us + engine->window_us <= now_us)
		count++;
	return count;
}

void merge_step(struct engine *engine, uint64_t now_us)
{
	uint32_t count = due_count(engine, now_us);
	for (uint32_t far = 0; count > 0 && far < count + ENGINE_EXPECT_AHEAD; far++) {
		if (far < count)
			engine_expect(engine, session_id(engine, waiting(engine, far)->slot));
		if (far < ENGINE_EXPECT_AHEAD)
			continue;
		uint32_t slot = waiting(engine, far - ENGINE_EXPECT_AHEAD)->slot;
		engine->sessions[slot].is_queued = false;
		if (engine->sessions[slot].is_untold)
			tell(engine, now_us, slot);
	}
	engine->untold_first = (engine->untold_first + count) % engine->config.sessions_max;
	engine->untold_count -= count;
	engine->told_us = now_us;
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
	uint32_t found = 0, untold = 0;
	for (uint32_t i = 0; i < engine->untold_count; i++) {
		check(i == 0 || waiting(engine, i - 1)->since_us <= waiting(engine, i)->since_us);
		found += engine->sessions[waiting(engine, i)->slot].is_untold;
	}
	for (uint32_t slot = 0; slot < engine->session_high; slot++) {
		const struct session *session = &engine->sessions[slot];
		check(!session->is_untold || (session->is_live && session->is_queued));
		untold += session->is_untold;
	}
	check(untold <= found);
}
