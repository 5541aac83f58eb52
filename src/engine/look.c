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
#include "engine/sighting.h"

/* Followers whose spots are asked for ahead of the test: about one memory latency of work. */
#define AHEAD 12

/* A follower that believes the user in range, or is not far from having it there. */
static void meet(struct engine *engine, uint32_t channel, uint32_t follower, float chord2)
{
	struct sighting sighting = {
		.slot = roll_slot(follower),
		.channel = channel,
		.is_marked = chord2 <= engine->near_spot2 || (follower & FOLLOWER_KNOWN),
		.is_edged = chord2 >= engine->edge_least_spot2 &&
			    chord2 <= engine->edge_most_spot2 && !(follower & FOLLOWER_EDGE),
	};
	if (sighting.is_marked || sighting.is_edged)
		sighting_put(engine, &sighting);
}

/* The hot loop of the engine: a quarter of a line of memory a follower, as long as nobody is near. */
static void look_from_all(struct engine *engine, uint32_t channel, const struct spot *shown)
{
	struct rolls rolls = engine->rolls;
	const struct roll *followers = &engine->channels[channel].followers;
	const uint8_t *at = roll_entries(&rolls, followers);
	uint32_t count = followers->count, ahead = AHEAD * rolls.entry_bytes;
	struct spot spot = *shown;
	float most = engine->edge_most_spot2;
	const struct spot *spots = engine->spots;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t follower = roll_read(&rolls, at);
		if (i + AHEAD < count)
			__builtin_prefetch(&spots[roll_slot(roll_read(&rolls, at + ahead))]);
		float chord2 = geo_spot_chord2(&spots[roll_slot(follower)], &spot);
		if ((follower & FOLLOWER_KNOWN) || chord2 <= most)
			meet(engine, channel, follower, chord2);
		at += rolls.entry_bytes;
	}
}

/* The same for a user whom not all see in one place. No other place than the one that a follower
 * sees may count for it: not even when its list is evaluated must depend on where the user is. */
static void look_from_each(struct engine *engine, uint32_t channel, const struct spot *shown)
{
	const struct roll *followers = &engine->channels[channel].followers;
	for (uint32_t i = 0; i < followers->count; i++) {
		uint32_t follower = roll_get(&engine->rolls, followers, i);
		float chord2 = geo_spot_chord2(&engine->spots[roll_slot(follower)],
					       &shown[exception_of(follower)]);
		if ((follower & FOLLOWER_KNOWN) || chord2 <= engine->edge_most_spot2)
			meet(engine, channel, follower, chord2);
	}
}

void look_at(struct engine *engine, uint64_t now_us, uint32_t channel)
{
	struct channel *record = &engine->channels[channel];
	struct spot shown[SHARING_MODES];
	record->is_absent = false;
	if (record->followers.count == 0)
		return;
	privacy_find(engine, now_us, record, shown);
	if (record->has_exceptions)
		look_from_each(engine, channel, shown);
	else
		look_from_all(engine, channel, &shown[SHARING_DEFAULT]);
	engine_count(engine, ENGINE_COUNTER_CHECKS, record->followers.count);
}

void look_publish(struct engine *engine, uint64_t now_us, uint32_t channel)
{
	uint64_t cores = engine->deaf;
	if (engine->channels[channel].is_wanted)
		cores |= engine->reaches[channel].interest;
	check(channel_home(engine, &engine->channels[channel]) == engine->config.core);
	look_at(engine, now_us, channel);
	for (; cores != 0; cores &= cores - 1)
		peer_look(engine, (uint32_t)__builtin_ctzll(cores), channel);
	channel_settle(engine, channel);
}
