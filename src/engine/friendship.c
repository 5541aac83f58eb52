/*
 * Owns: see friendship.h.
 * Invariant: see friendship.h.
 * Thread: as engine.h.
 * Does not know: who asked, and where friendships are kept.
 */
#include "engine/friendship.h"

#include "base/check.h"
#include "engine/answer.h"
#include "engine/channel.h"
#include "engine/look.h"
#include "engine/session.h"
#include "engine/subscription.h"

#include <errno.h>

static uint32_t first_session(const struct engine *engine, struct user_id user)
{
	uint32_t channel = channel_find(engine, user.value);
	return channel == NONE ? NONE : engine->channels[channel].first_session;
}

static uint32_t next_session(const struct engine *engine, uint32_t slot)
{
	return engine->sessions[slot].sibling;
}

static bool has_room_for_friend(const struct engine *engine, uint32_t slot, struct user_id friend)
{
	const struct session *session = &engine->sessions[slot];
	const uint32_t *item = subscription_find(engine, slot, friend.value);
	return (item != NULL && !(*item & TAG_REMOVED)) ||
	       session->friends.count - session->removed_count < engine->config.friends_max;
}

static bool is_fresh(const uint32_t *item)
{
	return item != NULL && (*item & TAG_FRESH) == TAG_FRESH;
}

/* Every session that has no entry gets one, marked as fresh until all have found room. */
static int add_fresh(struct engine *engine, uint32_t first, const struct friend_info *with)
{
	for (uint32_t slot = first; slot != NONE; slot = next_session(engine, slot)) {
		if (subscription_find(engine, slot, with->user.value) != NULL)
			continue;
		int status = subscription_add(engine, slot, with);
		if (status < 0)
			return status;
		*subscription_find(engine, slot, with->user.value) |= TAG_FRESH;
	}
	return 0;
}

static void drop_fresh(struct engine *engine, uint32_t first, struct user_id with)
{
	for (uint32_t slot = first; slot != NONE; slot = next_session(engine, slot)) {
		uint32_t *item = subscription_find(engine, slot, with.value);
		if (!is_fresh(item))
			continue;
		*item &= ~(uint32_t)TAG_FRESH;
		subscription_drop(engine, slot, tag_key(*item));
	}
}

/* Who goes but was not said to be gone comes back, and what it showed before counts no more. */
static void revive(struct engine *engine, uint32_t slot, uint32_t *item,
		   enum sharing_mode exception)
{
	if (!(*item & TAG_REMOVED))
		return;
	subscription_revive(engine, slot, item);
	subscription_except(engine, slot, tag_key(*item), exception);
}

/* The friend is to be judged by each session that has a place to look from. */
static void settle_fresh(struct engine *engine, uint32_t first, const struct friend_info *with)
{
	for (uint32_t slot = first; slot != NONE; slot = next_session(engine, slot)) {
		uint32_t *item = subscription_find(engine, slot, with->user.value);
		if (!is_fresh(item)) {
			revive(engine, slot, item, with->exception);
			continue;
		}
		*item &= ~(uint32_t)TAG_FRESH;
		if (engine->sessions[slot].is_located)
			subscription_mark(engine, slot, item);
	}
}

int friendship_add(struct engine *engine, struct user_id user, const struct friend_info *with)
{
	uint32_t first = first_session(engine, user);
	for (uint32_t slot = first; slot != NONE; slot = next_session(engine, slot))
		if (!has_room_for_friend(engine, slot, with->user))
			return -E2BIG;
	int status = add_fresh(engine, first, with);
	if (status < 0)
		drop_fresh(engine, first, with->user);
	else
		settle_fresh(engine, first, with);
	return status;
}

void friendship_remove(struct engine *engine, struct user_id user, struct user_id with)
{
	uint32_t first = first_session(engine, user);
	for (uint32_t slot = first; slot != NONE; slot = next_session(engine, slot)) {
		uint32_t *item = subscription_find(engine, slot, with.value);
		if (item != NULL)
			subscription_remove(engine, slot, item);
	}
}

int friendship_rename(struct engine *engine, uint64_t now_us, const struct friend_info *friend)
{
	uint32_t channel = channel_find(engine, friend->user.value);
	if (channel == NONE || engine->channels[channel].followers.count == 0)
		return 0;
	int status = channel_rename(engine, channel, friend->name, friend->name_length);
	if (status == 0)
		look_at(engine, now_us, channel);
	return status;
}

/* The session's item for a friend that it still has, or NULL and the answer says so. */
static uint32_t *find_friend(struct engine *engine, uint32_t slot, struct user_id friend,
			     struct engine_out *out)
{
	uint32_t *item = subscription_find(engine, slot, friend.value);
	if (item != NULL && !(*item & TAG_REMOVED))
		return item;
	answer_error(out, ERROR_NOT_FRIEND, "user must be a friend of yours");
	return NULL;
}

static void answer_seen(struct engine *engine, struct engine_out *out)
{
	out->has_answer = true;
	out->answer.type = SERVER_UPDATE;
	out->answer.update.entries = engine->entries;
	out->answer.update.count = 1;
	engine_count(engine, ENGINE_COUNTER_ENTRIES_SENT, 1);
}

static void answer_gone(struct engine *engine, struct user_id friend, enum gone_why why,
			struct engine_out *out)
{
	engine->gones[0] = (struct gone){ friend, why };
	out->has_answer = true;
	out->answer.type = SERVER_GONE;
	out->answer.gone.friends = engine->gones;
	out->answer.gone.count = 1;
	engine_count(engine, ENGINE_COUNTER_GONE_SENT, 1);
}

void friendship_subscribe(struct engine *engine, uint64_t now_us, uint32_t slot,
			  struct user_id friend, struct engine_out *out)
{
	if (!answer_is_located(engine, now_us, slot, out))
		return;
	uint32_t *item = find_friend(engine, slot, friend, out);
	if (item == NULL)
		return;
	enum gone_why why;
	struct vantage viewer = session_vantage(engine, slot);
	*item &= ~(uint32_t)TAG_MUTED;
	bool is_seen =
		subscription_see(engine, now_us, slot, &viewer, item, &engine->entries[0], &why);
	subscription_set_known(engine, slot, item, is_seen);
	subscription_clear(engine, slot, item);
	if (is_seen)
		answer_seen(engine, out);
	else
		answer_gone(engine, friend, why, out);
}

void friendship_unsubscribe(struct engine *engine, uint32_t slot, struct user_id friend,
			    struct engine_out *out)
{
	uint32_t *item = find_friend(engine, slot, friend, out);
	if (item == NULL)
		return;
	subscription_set_known(engine, slot, item, false);
	subscription_clear(engine, slot, item);
	*item |= TAG_MUTED;
}
