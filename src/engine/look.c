/*
 * Owns: see look.h.
 * Invariant: see look.h.
 * Thread: as engine.h.
 * Does not know: what is said in the end; that is judged anew at the flush.
 */
#include "engine/look.h"

#include "base/check.h"
#include "engine/channel.h"
#include "engine/peer.h"
#include "engine/privacy.h"
#include "engine/subscription.h"

/* Followers whose vantages are asked for ahead of the test: about one memory latency of work. */
#define AHEAD 12

static bool is_near(const struct engine *engine, const struct vantage *vantage,
		    const struct point *point, uint64_t horizon_us)
{
	return geo_chord2(&vantage->point, point) <= engine->near_chord2 &&
	       vantage->receipt_us >= horizon_us;
}

static void mark(struct engine *engine, uint32_t slot, uint32_t channel)
{
	uint32_t *item = taglist_find(&engine->arena, &engine->sessions[slot].friends, channel);
	check(item != NULL);
	subscription_mark(engine, slot, item);
}

/* The hot loop of the engine: one line of memory a follower, as long as nobody is near. */
void look_at(struct engine *engine, uint64_t now_us, uint32_t channel)
{
	struct channel *record = &engine->channels[channel];
	uint32_t count = record->followers.count;
	record->is_absent = false;
	if (count == 0)
		return;
	struct point point;
	bool is_seen = privacy_find(engine, now_us, record, &point);
	uint64_t ttl_us = engine->config.ttl_us, horizon_us = now_us > ttl_us ? now_us - ttl_us : 0;
	const uint32_t *items = taglist_items(&engine->arena, &record->followers);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t slot = tag_key(items[i]);
		if (i + AHEAD < count)
			__builtin_prefetch(&engine->vantages[tag_key(items[i + AHEAD])]);
		if ((items[i] & TAG_KNOWN) ||
		    (is_seen && is_near(engine, &engine->vantages[slot], &point, horizon_us)))
			mark(engine, slot, channel);
	}
	engine_count(engine, ENGINE_COUNTER_CHECKS, count);
}

void look_publish(struct engine *engine, uint64_t now_us, uint32_t channel)
{
	uint64_t cores = engine->channels[channel].interest | engine->deaf;
	check(channel_home(engine, &engine->channels[channel]) == engine->config.core);
	look_at(engine, now_us, channel);
	for (; cores != 0; cores &= cores - 1)
		peer_look(engine, (uint32_t)__builtin_ctzll(cores), channel);
	channel_settle(engine, channel);
}
