/*
 * Owns: see sharing.h.
 * Invariant: see sharing.h.
 * Thread: as engine.h.
 * Does not know: until when it holds, and who decided.
 */
#include "engine/sharing.h"

#include "base/check.h"
#include "engine/channel.h"
#include "engine/location.h"
#include "engine/privacy.h"
#include "engine/subscription.h"

/* At the home core. */
static void set_shown(struct engine *engine, uint64_t now_us, uint64_t user, enum sharing_mode mode,
		      bool is_shown)
{
	uint32_t channel = channel_find(engine, user);
	check(mode != SHARING_DEFAULT);
	if (channel != NONE) {
		engine->channels[channel].mode = (uint8_t)mode & 3;
		engine->channels[channel].is_shown = is_shown;
		channel_note_off(&engine->channels[channel], mode, is_shown);
	}
	if (mode == SHARING_OFF && !is_shown)
		location_hide(engine, now_us, user);
	else
		location_show(engine, now_us, user, mode);
}

void sharing_join(struct engine *engine, const struct event *join, uint32_t slot)
{
	if (engine->sessions[slot].sibling == NONE)
		set_shown(engine, join->now_us, join->join.user.value, join->join.mode,
			  join->join.is_shown);
}

/* No exception shows the user to anybody: those of before are over, and who saw by one sees that it is off. */
static void end_exceptions(struct engine *engine, uint32_t channel)
{
	struct channel *record = &engine->channels[channel];
	if (!record->has_exceptions)
		return;
	for (uint32_t i = 0; i < record->followers.count; i++) {
		uint32_t follower = roll_get(&engine->rolls, &record->followers, i);
		if (exception_of(follower) != SHARING_DEFAULT)
			subscription_except(engine, roll_slot(follower), channel, SHARING_OFF);
	}
}

bool engine_is_excepted(const struct engine *engine, struct user_id user)
{
	uint32_t channel = channel_find(engine, user.value);
	if (channel == NONE || engine->channels[channel].first_session == NONE)
		return privacy_is_off(engine, user);
	return engine->channels[channel].mode == SHARING_OFF && engine->channels[channel].is_shown;
}

void sharing_change(struct engine *engine, const struct event *event)
{
	uint64_t user = event->sharing.user.value;
	uint32_t channel = channel_find(engine, user);
	bool is_off = event->sharing.mode == SHARING_OFF;
	if (channel != NONE)
		channel_note_off(&engine->channels[channel], event->sharing.mode,
				 event->sharing.is_shown);
	if (channel != NONE && is_off && !event->sharing.is_shown)
		end_exceptions(engine, channel);
	if (nearby_home_core(user, engine->config.cores) == engine->config.core)
		set_shown(engine, event->now_us, user, event->sharing.mode,
			  event->sharing.is_shown);
}

void sharing_except(struct engine *engine, const struct event *event)
{
	uint32_t viewer = channel_find(engine, event->exception.viewer.value);
	uint32_t slot = viewer == NONE ? NONE : engine->channels[viewer].first_session;
	for (; slot != NONE; slot = engine->sessions[slot].sibling) {
		uint32_t *item =
			subscription_find(engine, slot, event->exception.sharer.value);
		if (item == NULL || (*item & TAG_REMOVED))
			continue;
		subscription_except(engine, slot, tag_key(*item), event->exception.mode);
		if (engine->sessions[slot].is_located)
			subscription_mark(engine, slot, item);
	}
}
