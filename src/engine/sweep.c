/*
 * Owns: see sweep.h.
 * Invariant: see sweep.h.
 * Thread: as engine.h.
 * Does not know: who has to be told; that is location_expire.
 */
#include "engine/sweep.h"

#include "engine/location.h"
#include "engine/session.h"

/* A round over all partitions of this core takes this long. */
#define ROUND_US 1000000u
/* Steps are not worth while more often than this. */
#define STEP_US 10000u
/* Slots in one step at most, 64 bytes each read in order: about 200 µs. A table of 100 M users on
 * 8 cores is then gone through in 6 s. */
#define STEP_SLOTS_MAX 32768u

static uint64_t partition_slots(const struct engine *engine)
{
	return nearby_table_partition_slots(engine->config.segment);
}

static uint32_t own_partitions(const struct engine *engine)
{
	uint32_t core = engine->config.core, cores = engine->config.cores;
	return (NEARBYSHM_PARTITIONS - core + cores - 1) / cores;
}

void sweep_init(struct engine *engine)
{
	engine->sweep.partition = engine->config.core;
	engine->sweep.left = partition_slots(engine);
	/* The table may be an adopted one: it is walked once before it is believed to be empty. */
	engine->sweep.has_put = true;
}

void sweep_wake(struct engine *engine)
{
	engine->sweep.has_put = true;
	engine->sweep.is_asleep = false;
}

static bool is_table_empty(const struct engine *engine)
{
	for (uint32_t p = engine->config.core; p < NEARBYSHM_PARTITIONS; p += engine->config.cores)
		if (nearby_table_count(engine->config.segment, p) > 0)
			return false;
	return true;
}

static void partition_advance(struct engine *engine)
{
	struct sweep *sweep = &engine->sweep;
	sweep->left = partition_slots(engine);
	sweep->partition += engine->config.cores;
	if (sweep->partition < NEARBYSHM_PARTITIONS)
		return;
	sweep->partition = engine->config.core;
	sweep->is_asleep = !sweep->has_put && is_table_empty(engine);
	sweep->has_put = false;
}

/* Part of one partition. Returns how many slots it looked at. */
static uint64_t sweep_chunk(struct engine *engine, uint64_t now_us, uint64_t slots)
{
	struct sweep *sweep = &engine->sweep;
	uint64_t ttl_us = engine->config.ttl_us, before_us = now_us > ttl_us ? now_us - ttl_us : 0;
	if (slots > SWEEP_CHUNK_SLOTS)
		slots = SWEEP_CHUNK_SLOTS;
	if (slots > sweep->left)
		slots = sweep->left;
	uint32_t removed = nearby_table_sweep(engine->config.segment, sweep->partition,
					      &sweep->cursors[sweep->partition], (uint32_t)slots,
					      before_us, engine->swept);
	sweep->left -= slots;
	if (sweep->left == 0)
		partition_advance(engine);
	for (uint32_t i = 0; i < removed; i++)
		location_expire(engine, now_us, engine->swept[i]);
	return slots;
}

/* Where nothing is in the table it does not tell of the end either: the sessions are gone through. */
static void sweep_hidden(struct engine *engine, uint64_t now_us, uint64_t elapsed_us)
{
	uint64_t left = engine->session_high * elapsed_us / ROUND_US + 1;
	if (left > STEP_SLOTS_MAX)
		left = STEP_SLOTS_MAX;
	for (; left > 0 && engine->hidden_count > 0; left--) {
		uint32_t slot = engine->sweep.session;
		engine->sweep.session = slot + 1 < engine->session_high ? slot + 1 : 0;
		const struct session *session = &engine->sessions[slot];
		if (session->is_hidden && engine_is_expired(engine, now_us, session->receipt_us))
			session_unplace(engine, slot);
	}
}

void sweep_step(struct engine *engine, uint64_t now_us)
{
	struct sweep *sweep = &engine->sweep;
	if (now_us < sweep_next_us(engine))
		return;
	uint64_t elapsed_us = now_us - sweep->last_us;
	if (elapsed_us > ROUND_US)
		elapsed_us = ROUND_US;
	uint64_t table = partition_slots(engine) * own_partitions(engine);
	uint64_t budget = table * elapsed_us / ROUND_US + 1;
	if (budget > STEP_SLOTS_MAX)
		budget = STEP_SLOTS_MAX;
	sweep->last_us = now_us;
	sweep_hidden(engine, now_us, elapsed_us);
	while (budget > 0 && !sweep->is_asleep)
		budget -= sweep_chunk(engine, now_us, budget);
}

uint64_t sweep_next_us(const struct engine *engine)
{
	return engine->sweep.is_asleep && engine->hidden_count == 0
		       ? UINT64_MAX
		       : engine->sweep.last_us + STEP_US;
}
