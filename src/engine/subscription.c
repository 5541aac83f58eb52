/*
 * Owns: see subscription.h.
 * Invariant: see subscription.h.
 * Thread: as engine.h.
 * Does not know: why a friend is known or dirty.
 */
#include "engine/subscription.h"

#include "base/check.h"
#include "engine/channel.h"
#include "engine/pace.h"
#include "engine/privacy.h"

#include <errno.h>

static bool has_exceptions(const struct engine *engine, uint32_t channel)
{
	const struct roll *followers = &engine->channels[channel].followers;
	for (uint32_t i = 0; i < followers->count; i++)
		if (roll_get(&engine->rolls, followers, i) & EXCEPTION_MASK)
			return true;
	return false;
}

/* The place of a session among the followers of a channel that it follows. */
static uint32_t place_of(const struct engine *engine, uint32_t slot, const struct channel *friend)
{
	uint32_t place = roll_find(&engine->rolls, &friend->followers, slot);
	check(place != ROLL_NOWHERE);
	return place;
}

/* The follower's tags of `mask` become `tags`. */
static void set_tags(struct engine *engine, uint32_t slot, const struct channel *friend,
		     uint32_t mask, uint32_t tags)
{
	uint32_t place = place_of(engine, slot, friend);
	uint32_t before = roll_get(&engine->rolls, &friend->followers, place) & ROLL_TAG_MASK;
	roll_tag(&engine->rolls, &friend->followers, place, (before & ~mask) | tags);
}

void subscription_except(struct engine *engine, uint32_t slot, uint32_t channel,
			 enum sharing_mode mode)
{
	struct channel *record = &engine->channels[channel];
	if (mode == SHARING_DEFAULT && !record->has_exceptions)
		return;
	set_tags(engine, slot, record, EXCEPTION_MASK, (uint32_t)mode << EXCEPTION_SHIFT);
	record->has_exceptions = mode != SHARING_DEFAULT || has_exceptions(engine, channel);
}

static enum sharing_mode find_exception(const struct engine *engine, uint32_t slot,
					const struct channel *friend)
{
	if (!friend->has_exceptions)
		return SHARING_DEFAULT;
	return exception_of(
		roll_get(&engine->rolls, &friend->followers, place_of(engine, slot, friend)));
}

static void drop_follower(struct engine *engine, uint32_t slot, uint32_t channel)
{
	subscription_except(engine, slot, channel, SHARING_DEFAULT);
	struct channel *record = &engine->channels[channel];
	roll_remove(&engine->rolls, &record->followers, place_of(engine, slot, record));
}

/* The channel's half. Returns the channel, or NONE: no room, nothing changed. */
static uint32_t follow(struct engine *engine, uint32_t slot, const struct friend_info *friend)
{
	uint32_t channel = channel_take(engine, friend->user.value);
	if (channel == NONE)
		return NONE;
	struct roll *followers = &engine->channels[channel].followers;
	/* The name that the first follower brings holds until a rename. */
	bool is_first = followers->count == 0;
	if (roll_insert(&engine->rolls, followers, slot) < 0)
		goto refuse;
	subscription_except(engine, slot, channel, friend->exception);
	if (is_first)
		engine->channels[channel].is_off = friend->is_off;
	if (is_first && !friend->is_off)
		engine->channels[channel].is_void = false;
	if (is_first && channel_rename(engine, channel, friend->name, friend->name_length) < 0) {
		drop_follower(engine, slot, channel);
		goto refuse;
	}
	channel_settle(engine, channel);
	engine_gauge(engine, ENGINE_COUNTER_SUBSCRIPTIONS, ++engine->subscription_count);
	return channel;
refuse:
	channel_settle(engine, channel);
	return NONE;
}

static void unfollow(struct engine *engine, uint32_t slot, uint32_t channel)
{
	drop_follower(engine, slot, channel);
	engine_gauge(engine, ENGINE_COUNTER_SUBSCRIPTIONS, --engine->subscription_count);
	channel_settle(engine, channel);
}

/* Friends ahead of the one in hand of whom the place in the map, the channel, and its followers are
 * asked for: each is known when the one before is there, and none is in a cache. */
enum { MAP_AHEAD = 24, CHANNEL_AHEAD = 16, FOLLOWERS_AHEAD = 8 };

static void expect_friend(const struct engine *engine, const struct friend_info *friends,
			  uint32_t idx, uint32_t count)
{
	if (idx + MAP_AHEAD < count)
		channel_expect(engine, friends[idx + MAP_AHEAD].user.value);
	uint32_t channel = idx + CHANNEL_AHEAD < count
				   ? channel_guess(engine, friends[idx + CHANNEL_AHEAD].user.value)
				   : NONE;
	if (channel != NONE)
		__builtin_prefetch(&engine->channels[channel], 1);
	channel = idx + FOLLOWERS_AHEAD < count
			  ? channel_guess(engine, friends[idx + FOLLOWERS_AHEAD].user.value)
			  : NONE;
	if (channel != NONE)
		roll_expect(&engine->rolls, &engine->channels[channel].followers);
}

int subscription_add_all(struct engine *engine, uint32_t slot, const struct friend_info *friends,
			 uint32_t count)
{
	struct taglist *list = &engine->sessions[slot].friends;
	check(list->count == 0);
	if (engine->subscription_count + count > engine->config.subscriptions_max ||
	    taglist_reserve(&engine->arena, list, count) < 0)
		return -ENOSPC;
	for (uint32_t i = 0; i < count; i++) {
		expect_friend(engine, friends, i, count);
		uint32_t channel = follow(engine, slot, &friends[i]);
		if (channel == NONE) {
			subscription_drop_all(engine, slot);
			return -ENOSPC;
		}
		taglist_append(&engine->arena, list, channel);
	}
	taglist_sort(&engine->arena, list);
	return 0;
}

/* Friends have moved within the list, or groups have another size. */
static void note_shift(struct session *session)
{
	if (session->dirty_count > 0)
		session->dirty_groups = UINT64_MAX;
}

int subscription_add(struct engine *engine, uint32_t slot, const struct friend_info *with)
{
	if (engine->subscription_count == engine->config.subscriptions_max)
		return -ENOSPC;
	uint32_t channel = follow(engine, slot, with);
	if (channel == NONE)
		return -ENOSPC;
	int status = taglist_insert(&engine->arena, &engine->sessions[slot].friends, channel);
	if (status < 0)
		unfollow(engine, slot, channel);
	note_shift(&engine->sessions[slot]);
	return status;
}

void subscription_drop(struct engine *engine, uint32_t slot, uint32_t channel)
{
	struct session *session = &engine->sessions[slot];
	uint32_t *item = taglist_find(&engine->arena, &session->friends, channel);
	check(item != NULL);
	subscription_clear(engine, slot, item);
	subscription_set_edge(engine, slot, item, false);
	if (*item & TAG_REMOVED)
		session->removed_count--;
	taglist_remove(&engine->arena, &session->friends, channel);
	note_shift(session);
	unfollow(engine, slot, channel);
}

void subscription_drop_all(struct engine *engine, uint32_t slot)
{
	struct session *session = &engine->sessions[slot];
	const uint32_t *items = taglist_items(&engine->arena, &session->friends);
	uint32_t count = session->friends.count;
	for (uint32_t i = 0; i < count; i++) {
		if (i + CHANNEL_AHEAD < count)
			__builtin_prefetch(&engine->channels[tag_key(items[i + CHANNEL_AHEAD])], 1);
		if (i + FOLLOWERS_AHEAD < count)
			roll_expect(
				&engine->rolls,
				&engine->channels[tag_key(items[i + FOLLOWERS_AHEAD])].followers);
		unfollow(engine, slot, tag_key(items[i]));
	}
	taglist_clear(&engine->arena, &session->friends);
	session->dirty_count = 0;
	session->dirty_groups = 0;
	session->removed_count = 0;
	session->edge_count = 0;
}

uint32_t *subscription_find(const struct engine *engine, uint32_t slot, uint64_t friend_user)
{
	uint32_t channel = channel_find(engine, friend_user);
	if (channel == NONE)
		return NULL;
	return taglist_find(&engine->arena, &engine->sessions[slot].friends, channel);
}

/* What stands in both lists, as the channel has it. */
static uint32_t mirrored(uint32_t item)
{
	return (item & TAG_KNOWN ? FOLLOWER_KNOWN : 0) | (item & TAG_EDGE ? FOLLOWER_EDGE : 0);
}

/* Changes a tag that stands in both lists. */
static void flip(struct engine *engine, uint32_t slot, uint32_t *item, uint32_t tag)
{
	*item ^= tag;
	set_tags(engine, slot, &engine->channels[tag_key(*item)], FOLLOWER_KNOWN | FOLLOWER_EDGE,
		 mirrored(*item));
}

void subscription_set_known(struct engine *engine, uint32_t slot, uint32_t *item, bool is_known)
{
	if (((*item & TAG_KNOWN) != 0) != is_known)
		flip(engine, slot, item, TAG_KNOWN);
}

void subscription_set_edge(struct engine *engine, uint32_t slot, uint32_t *item, bool is_edge)
{
	if (((*item & TAG_EDGE) != 0) == is_edge)
		return;
	flip(engine, slot, item, TAG_EDGE);
	engine->sessions[slot].edge_count += is_edge ? 1 : UINT32_MAX;
}

void subscription_mark(struct engine *engine, uint32_t slot, uint32_t *item)
{
	struct session *session = &engine->sessions[slot];
	if (*item & (TAG_DIRTY | TAG_MUTED))
		return;
	*item |= TAG_DIRTY;
	session->dirty_count++;
	uint32_t idx = (uint32_t)(item - taglist_items(&engine->arena, &session->friends));
	session->dirty_groups |= UINT64_C(1) << (idx >> subscription_group_bits(session));
	if (!session->is_paused && session->pace_idx == NONE)
		pace_put(engine, slot);
}

void subscription_clear(struct engine *engine, uint32_t slot, uint32_t *item)
{
	if (!(*item & TAG_DIRTY))
		return;
	*item &= ~(uint32_t)TAG_DIRTY;
	if (--engine->sessions[slot].dirty_count == 0)
		engine->sessions[slot].dirty_groups = 0;
}

void subscription_remove(struct engine *engine, uint32_t slot, uint32_t *item)
{
	if (!(*item & TAG_KNOWN)) {
		subscription_drop(engine, slot, tag_key(*item));
		return;
	}
	if (*item & TAG_REMOVED)
		return;
	*item |= TAG_REMOVED;
	engine->sessions[slot].removed_count++;
	subscription_mark(engine, slot, item);
}

void subscription_revive(struct engine *engine, uint32_t slot, uint32_t *item)
{
	if (!(*item & TAG_REMOVED))
		return;
	*item &= ~(uint32_t)TAG_REMOVED;
	engine->sessions[slot].removed_count--;
}

bool subscription_see(struct engine *engine, uint64_t now_us, uint32_t slot,
		      const struct vantage *viewer, uint32_t *item, struct entry *entry,
		      enum gone_why *why)
{
	struct channel *friend = &engine->channels[tag_key(*item)];
	struct sight sight = {
		.viewer = viewer,
		.sharer = { friend->user },
		.hint = &friend->hint,
		.is_friend = !(*item & TAG_REMOVED),
		.is_off = friend->is_off,
		.is_void = friend->is_void,
		.exception = find_exception(engine, slot, friend),
	};
	bool is_seen = privacy_see(engine, now_us, &sight, entry, why);
	if (sight.is_missing)
		friend->is_absent = true;
	subscription_set_edge(engine, slot, item, sight.is_at_edge);
	if (!is_seen)
		return false;
	if (friend->name != 0)
		entry->name = (const char *)arena_words(&engine->names, friend->name);
	entry->name_length = friend->name_length;
	return true;
}

static void check_item(const struct engine *engine, uint32_t slot, uint32_t item)
{
	const struct channel *channel = &engine->channels[tag_key(item)];
	check(tag_key(item) < engine->channel_high && channel->is_live);
	uint32_t follower =
		roll_get(&engine->rolls, &channel->followers, place_of(engine, slot, channel));
	check((follower & (FOLLOWER_KNOWN | FOLLOWER_EDGE)) == mirrored(item));
	check(!(item & TAG_MUTED) || !(item & (TAG_KNOWN | TAG_DIRTY | TAG_REMOVED)));
	check(!(item & TAG_REMOVED) || (item & TAG_KNOWN && item & TAG_DIRTY));
	check(!(item & (TAG_KNOWN | TAG_DIRTY)) || engine->sessions[slot].is_initialised);
}

static void check_session(const struct engine *engine, uint32_t slot)
{
	const struct session *session = &engine->sessions[slot];
	uint32_t dirty = 0, removed = 0, edges = 0, bits = subscription_group_bits(session);
	taglist_check(&engine->arena, &session->friends);
	const uint32_t *items = taglist_items(&engine->arena, &session->friends);
	for (uint32_t i = 0; i < session->friends.count; i++) {
		check_item(engine, slot, items[i]);
		dirty += (items[i] & TAG_DIRTY) != 0;
		check(!(items[i] & TAG_DIRTY) || (session->dirty_groups >> (i >> bits) & 1));
		removed += (items[i] & TAG_REMOVED) != 0;
		edges += (items[i] & TAG_EDGE) != 0;
	}
	check(edges == session->edge_count);
	check(dirty == session->dirty_count);
	check(removed == session->removed_count);
	check(dirty == 0 || session->is_paused || session->pace_idx != NONE);
}

void subscription_check_all(const struct engine *engine)
{
	uint64_t in_sessions = 0, in_channels = 0;
	for (uint32_t slot = 0; slot < engine->session_high; slot++) {
		if (!engine->sessions[slot].is_live)
			continue;
		check_session(engine, slot);
		in_sessions += engine->sessions[slot].friends.count;
	}
	for (uint32_t channel = 0; channel < engine->channel_high; channel++) {
		in_channels += engine->channels[channel].followers.count;
		check(engine->channels[channel].has_exceptions == has_exceptions(engine, channel));
	}
	check(in_sessions == engine->subscription_count);
	check(in_channels == engine->subscription_count);
}
