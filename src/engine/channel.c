/*
 * Owns: see channel.h.
 * Invariant: see channel.h; the map has no gaps between a user's own place and where it stands.
 * Thread: as engine.h.
 * Does not know: what is sent to whom.
 */
#include "engine/channel.h"

#include "base/check.h"
#include "engine/peer.h"

#include <errno.h>
#include <string.h>

/* Where a user would stand in an empty map; the high bits of the hash times the size. */
static uint64_t map_start(const struct engine *engine, uint64_t user)
{
	return (hash_u64(user) >> 32) * engine->map_size >> 32;
}

static uint64_t map_after(const struct engine *engine, uint64_t at)
{
	return at + 1 < engine->map_size ? at + 1 : 0;
}

/* The place of the user, or the empty one where it would go. */
static uint64_t map_place(const struct engine *engine, uint64_t user)
{
	uint64_t at = map_start(engine, user);
	while (engine->map[at] != 0 && engine->channels[engine->map[at] - 1].user != user)
		at = map_after(engine, at);
	return at;
}

/* Closes the gap by shifting back what stood further from its start than the gap is. */
static void map_remove(struct engine *engine, uint64_t user)
{
	uint64_t gap = map_place(engine, user);
	check(engine->map[gap] != 0);
	for (uint64_t at = map_after(engine, gap); engine->map[at] != 0;
	     at = map_after(engine, at)) {
		uint64_t start = map_start(engine, engine->channels[engine->map[at] - 1].user);
		uint64_t from_start = (at + engine->map_size - start) % engine->map_size;
		uint64_t from_gap = (at + engine->map_size - gap) % engine->map_size;
		if (from_start < from_gap)
			continue;
		engine->map[gap] = engine->map[at];
		gap = at;
	}
	engine->map[gap] = 0;
}

uint32_t channel_find(const struct engine *engine, uint64_t user)
{
	uint32_t stored = engine->map[map_place(engine, user)];
	return stored == 0 ? NONE : stored - 1;
}

void channel_expect(const struct engine *engine, uint64_t user)
{
	__builtin_prefetch(&engine->map[map_start(engine, user)]);
}

uint32_t channel_guess(const struct engine *engine, uint64_t user)
{
	uint32_t stored = engine->map[map_start(engine, user)];
	return stored == 0 ? NONE : stored - 1;
}

static uint32_t record_take(struct engine *engine)
{
	uint32_t channel = engine->channel_free;
	if (channel != NONE) {
		engine->channel_free = engine->channels[channel].first_session;
		return channel;
	}
	return engine->channel_high < engine->config.channels_max ? engine->channel_high++ : NONE;
}

uint32_t channel_take(struct engine *engine, uint64_t user)
{
	uint64_t at = map_place(engine, user);
	if (engine->map[at] != 0)
		return engine->map[at] - 1;
	uint32_t channel = record_take(engine);
	if (channel == NONE)
		return NONE;
	engine->channels[channel] = (struct channel){
		.user = user,
		.first_session = NONE,
		.is_live = true,
	};
	engine->map[at] = channel + 1;
	engine_gauge(engine, ENGINE_COUNTER_CHANNELS, ++engine->channel_count);
	return channel;
}

static void record_give(struct engine *engine, uint32_t channel)
{
	struct channel *record = &engine->channels[channel];
	map_remove(engine, record->user);
	*record = (struct channel){ .first_session = engine->channel_free };
	engine->channel_free = channel;
	engine_gauge(engine, ENGINE_COUNTER_CHANNELS, --engine->channel_count);
}

static void name_clear(struct engine *engine, struct channel *record)
{
	if (record->name != 0)
		arena_give(&engine->names, record->name);
	record->name = 0;
	record->name_length = 0;
}

bool channel_is_needed(const struct channel *channel)
{
	return channel->followers.count > 0 || channel->first_session != NONE || channel->is_wanted;
}

void channel_settle(struct engine *engine, uint32_t channel)
{
	struct channel *record = &engine->channels[channel];
	check(record->is_live);
	if (record->followers.count == 0)
		name_clear(engine, record);
	peer_note_interest(engine, channel);
	if (!channel_is_needed(record) && !record->is_told && !record->is_untold)
		record_give(engine, channel);
}

uint32_t channel_home(const struct engine *engine, const struct channel *channel)
{
	return nearby_home_core(channel->user, engine->config.cores);
}

int channel_rename(struct engine *engine, uint32_t channel, const char *name, uint32_t length)
{
	struct channel *record = &engine->channels[channel];
	if (length > NAME_BYTES_MAX)
		length = NAME_BYTES_MAX;
	if (length == 0) {
		name_clear(engine, record);
		return 0;
	}
	uint32_t words = (length + 3) / 4;
	uint32_t span = record->name == 0 ? arena_take(&engine->names, words)
					  : arena_resize(&engine->names, record->name, words);
	if (span == 0)
		return -ENOSPC;
	memcpy(arena_words(&engine->names, span), name, length);
	record->name = span;
	record->name_length = (uint8_t)length;
	return 0;
}

static void check_channel(const struct engine *engine, uint32_t channel)
{
	const struct channel *record = &engine->channels[channel];
	check(channel_find(engine, record->user) == channel);
	check(channel_is_needed(record) || record->is_told || record->is_untold);
	check((record->name == 0) == (record->name_length == 0));
	check(record->name == 0 || record->followers.count > 0);
	check(record->name_length <= NAME_BYTES_MAX);
	roll_check(&engine->rolls, &record->followers);
	if (channel_home(engine, record) == engine->config.core)
		check(!record->is_told && !record->is_untold);
	else
		check(!record->is_wanted && record->first_session == NONE);
}

void channel_check_all(const struct engine *engine)
{
	uint32_t live = 0, free_count = 0;
	for (uint32_t channel = 0; channel < engine->channel_high; channel++) {
		if (!engine->channels[channel].is_live)
			continue;
		check_channel(engine, channel);
		live++;
	}
	for (uint32_t c = engine->channel_free; c != NONE; c = engine->channels[c].first_session) {
		check(!engine->channels[c].is_live);
		free_count++;
	}
	check(live == engine->channel_count);
	check(live + free_count == engine->channel_high);
}
