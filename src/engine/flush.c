/*
 * Owns: the frames that go out by themselves: `gone` and `update`.
 * Invariant: what is said is judged at this moment; an entry that is said or not worth saying is
 *   clean, the rest stays dirty; a client's belief changes only with the frame that says so.
 * Thread: as engine.h.
 * Does not know: why an entry is dirty.
 */
#include "engine/channel.h"
#include "engine/merge.h"
#include "engine/pace.h"
#include "engine/session.h"
#include "engine/sighting.h"
#include "engine/strangers.h"
#include "engine/subscription.h"

/* What one pass over the dirty friends of a session found. */
struct pass {
	struct vantage viewer;
	uint32_t left; /* dirty ones still to be judged */
	uint32_t gone_count;
	uint32_t entry_count;
	uint32_t dropped_count;
	uint32_t dropped[FRAME_ENTRIES_MAX]; /* channels of friends that are no more */
};

static bool is_full(const struct pass *pass)
{
	return pass->gone_count == FRAME_ENTRIES_MAX || pass->entry_count == FRAME_ENTRIES_MAX;
}

static void note_gone(struct engine *engine, struct pass *pass, uint32_t slot, uint32_t *item,
		      enum gone_why why)
{
	uint32_t channel = tag_key(*item);
	engine->gones[pass->gone_count++] =
		(struct gone){ { engine->channels[channel].user }, why };
	if (*item & TAG_REMOVED)
		pass->dropped[pass->dropped_count++] = channel;
	else
		subscription_set_known(engine, slot, item, false);
}

/* The name stands apart from all that is read to judge the friend, and is wanted right after. */
static void expect_name(const struct engine *engine, uint32_t item)
{
	__builtin_prefetch(arena_words(&engine->names, engine->channels[tag_key(item)].name));
}

static void judge(struct engine *engine, uint64_t now_us, struct pass *pass, uint32_t slot,
		  uint32_t *item)
{
	enum gone_why why;
	expect_name(engine, *item);
	if (subscription_see(engine, now_us, slot, &pass->viewer, item,
			     &engine->entries[pass->entry_count], &why)) {
		engine->picks[pass->entry_count++] = item;
		return;
	}
	bool is_removed = (*item & TAG_REMOVED) != 0;
	if (*item & TAG_KNOWN)
		note_gone(engine, pass, slot, item, why);
	/* A removed one stays whole until it is dropped, after the pass. */
	if (!is_removed)
		subscription_clear(engine, slot, item);
}

/* The next dirty friend of [at, to), or `to`. */
static uint32_t next_dirty(const struct session *session, const uint32_t *items, uint32_t at,
			   uint32_t to)
{
	uint32_t bits = subscription_group_bits(session);
	while (at < to) {
		uint32_t group = at >> bits;
		uint64_t groups = session->dirty_groups >> group;
		if (groups == 0)
			return to;
		uint32_t clean = (uint32_t)__builtin_ctzll(groups);
		if (clean > 0) {
			at = (group + clean) << bits;
			continue;
		}
		uint32_t end = (group + 1) << bits < to ? (group + 1) << bits : to;
		for (; at < end; at++)
			if (items[at] & TAG_DIRTY)
				return at;
	}
	return to;
}

/* The dirty ones of [at, to), until a frame is full. Returns where it stopped. */
static uint32_t judge_range(struct engine *engine, uint64_t now_us, struct pass *pass,
			    uint32_t slot, uint32_t at, uint32_t to)
{
	const struct session *session = &engine->sessions[slot];
	uint32_t *items = taglist_items(&engine->arena, &session->friends);
	while (pass->left > 0 && !is_full(pass)) {
		at = next_dirty(session, items, at, to);
		if (at >= to)
			return to;
		judge(engine, now_us, pass, slot, &items[at++]);
		pass->left--;
	}
	return at;
}

/* Once around the list from where the last pass ended, until all is judged or a frame is full. */
static void judge_all(struct engine *engine, uint64_t now_us, struct pass *pass, uint32_t slot)
{
	struct session *session = &engine->sessions[slot];
	uint32_t count = session->friends.count;
	pass->left = session->dirty_count;
	uint32_t from = session->flush_from < count ? session->flush_from : 0;
	uint32_t at = judge_range(engine, now_us, pass, slot, from, count);
	if (at == count)
		at = judge_range(engine, now_us, pass, slot, 0, from);
	session->flush_from = at;
}

static void say_gone(struct engine *engine, const struct pass *pass, uint32_t slot,
		     struct server_msg *msg)
{
	for (uint32_t i = 0; i < pass->dropped_count; i++)
		subscription_drop(engine, slot, pass->dropped[i]);
	*msg = (struct server_msg){ .type = SERVER_GONE };
	msg->gone.friends = engine->gones;
	msg->gone.count = pass->gone_count;
	engine_count(engine, ENGINE_COUNTER_GONE_SENT, pass->gone_count);
}

static void say_update(struct engine *engine, const struct pass *pass, uint32_t slot,
		       struct server_msg *msg)
{
	uint64_t evaluated_us = engine->sessions[slot].evaluated_us;
	for (uint32_t i = 0; i < pass->entry_count; i++) {
		/* What was there when the viewer's list was evaluated came by that. */
		engine->entries[i].is_move = engine->entries[i].receipt_us > evaluated_us;
		subscription_set_known(engine, slot, engine->picks[i], true);
		subscription_clear(engine, slot, engine->picks[i]);
	}
	*msg = (struct server_msg){ .type = SERVER_UPDATE };
	msg->update.entries = engine->entries;
	msg->update.count = pass->entry_count;
	engine_count(engine, ENGINE_COUNTER_ENTRIES_SENT, pass->entry_count);
}

/* What is to be said of friends: false when it turns out that there is nothing. */
static bool flush_friends(struct engine *engine, uint64_t now_us, uint32_t slot,
			  struct server_msg *msg)
{
	struct session *session = &engine->sessions[slot];
	struct pass pass;
	pass.viewer = session_vantage(engine, slot);
	pass.gone_count = pass.entry_count = pass.dropped_count = 0;
	judge_all(engine, now_us, &pass, slot);
	if (pass.gone_count > 0)
		say_gone(engine, &pass, slot, msg);
	else if (pass.entry_count > 0)
		say_update(engine, &pass, slot, msg);
	bool is_said = pass.gone_count > 0 || pass.entry_count > 0;
	if (is_said)
		session->last_frame_us = now_us;
	if (session->dirty_count == 0)
		pace_remove(engine, slot);
	else if (pass.gone_count == 0)
		pace_put(engine, slot);
	/* Else the turn goes on at once with what is left, and the place in the heap with it. */
	return is_said;
}

/*
 * The turn of a session: false when it turns out that there is nothing to say. Strangers come first,
 * as they have at most a `gone` and then an update in a turn; while friends still wait the turn goes
 * on, and the place in the heap with it.
 */
static bool flush_session(struct engine *engine, uint64_t now_us, uint32_t slot,
			  struct server_msg *msg)
{
	struct session *session = &engine->sessions[slot];
	if (!session->has_strangers || !strangers_flush(engine, now_us, slot, msg))
		return flush_friends(engine, now_us, slot, msg);
	session->last_frame_us = now_us;
	if (!session->has_strangers && session->dirty_count == 0)
		pace_remove(engine, slot);
	return true;
}

bool engine_flush(struct engine *engine, uint64_t now_us, uint64_t interval_us,
		  struct session_id *session, struct server_msg *msg)
{
	uint64_t before_us = now_us > interval_us ? now_us - interval_us : 0;
	uint32_t slot;
	merge_pace(engine, interval_us);
	sighting_note_all(engine);
	while ((slot = pace_first(engine, before_us)) != NONE) {
		if (flush_session(engine, now_us, slot, msg)) {
			*session = session_id(engine, slot);
			return true;
		}
	}
	return false;
}
