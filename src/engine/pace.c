/*
 * Owns: see pace.h.
 * Invariant: see pace.h.
 * Thread: as engine.h.
 * Does not know: what is to be said.
 */
#include "engine/pace.h"

#include "base/check.h"

/* Children of a node: four of 16 bytes are one line of cache. */
#define WIDTH 4

static void place(struct engine *engine, uint32_t at, struct pace pace)
{
	engine->pace[at] = pace;
	engine->sessions[pace.slot].pace_idx = at;
}

static uint32_t sift_up(struct engine *engine, uint32_t at, struct pace pace)
{
	while (at > 0) {
		uint32_t parent = (at - 1) / WIDTH;
		if (engine->pace[parent].last_us <= pace.last_us)
			break;
		place(engine, at, engine->pace[parent]);
		at = parent;
	}
	return at;
}

/* Which of two it is cannot be foretold, so it is computed and not branched to. */
static uint32_t earlier(const struct pace *pace, uint32_t a, uint32_t b)
{
	return a + (b - a) * (pace[b].last_us < pace[a].last_us);
}

static uint32_t first_child(const struct engine *engine, uint32_t at)
{
	const struct pace *pace = engine->pace;
	uint32_t first = at * WIDTH + 1, best = first;
	if (first + WIDTH <= engine->pace_count)
		return earlier(pace, earlier(pace, first, first + 1),
			       earlier(pace, first + 2, first + 3));
	for (uint32_t i = first + 1; i < engine->pace_count; i++)
		best = earlier(pace, best, i);
	return best;
}

static uint32_t sift_down(struct engine *engine, uint32_t at, struct pace pace)
{
	while (at * WIDTH + 1 < engine->pace_count) {
		uint32_t child = first_child(engine, at);
		if (engine->pace[child].last_us >= pace.last_us)
			break;
		place(engine, at, engine->pace[child]);
		at = child;
	}
	return at;
}

static void settle(struct engine *engine, uint32_t at, struct pace pace)
{
	place(engine, sift_down(engine, sift_up(engine, at, pace), pace), pace);
}

void pace_put(struct engine *engine, uint32_t slot)
{
	struct session *session = &engine->sessions[slot];
	uint32_t at = session->pace_idx != NONE ? session->pace_idx : engine->pace_count++;
	settle(engine, at, (struct pace){ session->last_frame_us, slot });
}

void pace_remove(struct engine *engine, uint32_t slot)
{
	uint32_t at = engine->sessions[slot].pace_idx;
	if (at == NONE)
		return;
	engine->sessions[slot].pace_idx = NONE;
	struct pace last = engine->pace[--engine->pace_count];
	if (at < engine->pace_count)
		settle(engine, at, last);
}

uint32_t pace_first(const struct engine *engine, uint64_t before_us)
{
	if (engine->pace_count == 0 || engine->pace[0].last_us > before_us)
		return NONE;
	return engine->pace[0].slot;
}

void pace_check(const struct engine *engine)
{
	for (uint32_t i = 0; i < engine->pace_count; i++) {
		const struct pace *pace = &engine->pace[i];
		check(engine->sessions[pace->slot].pace_idx == i);
		check(i == 0 || engine->pace[(i - 1) / WIDTH].last_us <= pace->last_us);
	}
}
