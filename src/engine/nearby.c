/*
 * Owns: see nearby.h.
 * Invariant: see nearby.h.
 * Thread: as engine.h.
 * Does not know: why a page is wanted.
 */
#include "engine/nearby.h"

#include "base/check.h"
#include "engine/channel.h"
#include "engine/evaluate.h"
#include "engine/privacy.h"
#include "engine/session.h"
#include "engine/subscription.h"

#include <errno.h>
#include <string.h>

/* Friends whose slots in the table are asked for ahead. */
#define AHEAD 8

/* A page in the making: the best so far stand sorted in engine.entries, and their subscriptions,
 * when they have any, in engine.picks. */
struct page {
	const struct page_cursor *after; /* or NULL */
	uint32_t limit;
	uint32_t count;
	uint32_t total;	 /* in range */
	uint32_t behind; /* in range, and behind the cursor */
};

static bool is_before(uint64_t distance_mm, struct user_id user, const struct entry *entry)
{
	if (distance_mm != entry->distance_mm)
		return distance_mm < entry->distance_mm;
	return user.value < entry->user.value;
}

static void page_insert(struct engine *engine, struct page *page, uint32_t at,
			const struct entry *entry, uint32_t *item)
{
	if (page->count < page->limit)
		page->count++;
	uint32_t moved = page->count - 1 - at;
	memmove(&engine->entries[at + 1], &engine->entries[at], moved * sizeof(engine->entries[0]));
	memmove(&engine->picks[at + 1], &engine->picks[at], moved * sizeof(engine->picks[0]));
	engine->entries[at] = *entry;
	engine->picks[at] = item;
}

/* Somebody is in range. Most who come late are beyond the page and cost one comparison. */
static void page_offer(struct engine *engine, struct page *page, const struct entry *entry,
		       uint32_t *item)
{
	page->total++;
	if (page->after != NULL && !is_before(page->after->distance_mm, page->after->user, entry))
		return;
	page->behind++;
	uint32_t at = page->count;
	while (at > 0 && is_before(entry->distance_mm, entry->user, &engine->entries[at - 1]))
		at--;
	if (at < page->limit)
		page_insert(engine, page, at, entry, item);
}

static void page_finish(struct engine *engine, const struct page *page, struct server_msg *msg)
{
	*msg = (struct server_msg){ .type = SERVER_NEARBY };
	msg->nearby.entries = engine->entries;
	msg->nearby.count = page->count;
	msg->nearby.total = page->total;
	msg->nearby.has_next = page->behind > page->count;
	if (msg->nearby.has_next) {
		const struct entry *last = &engine->entries[page->count - 1];
		msg->nearby.next = (struct page_cursor){ last->distance_mm, last->user };
	}
	engine_count(engine, ENGINE_COUNTER_NEARBY_LISTS, 1);
}

static void note_told(struct engine *engine, uint32_t slot, uint32_t *item)
{
	subscription_set_known(engine, slot, item, true);
	subscription_clear(engine, slot, item);
}

/*
 * Most friends are not active, and to find that out again takes the longest of all walks through the
 * table. Of users whose home is here it is known; of others a list that was asked for must not miss one
 * of whom this core will hear in a moment.
 */
static bool is_worth_a_look(const struct engine *engine, uint32_t item)
{
	const struct channel *friend = &engine->channels[tag_key(item)];
	if (item & (TAG_MUTED | TAG_REMOVED))
		return false;
	return (item & (TAG_KNOWN | TAG_EDGE)) || !friend->is_absent ||
	       channel_home(engine, friend) != engine->config.core;
}

/* While the friend at `at` is judged, those behind it are on their way from memory. */
static void expect_friend(const struct engine *engine, const uint32_t *items, uint32_t at, uint32_t count)
{
	if (at + 2 * AHEAD < count)
		__builtin_prefetch(&engine->channels[tag_key(items[at + 2 * AHEAD])]);
	if (at + AHEAD >= count || !is_worth_a_look(engine, items[at + AHEAD]))
		return;
	const struct channel *friend = &engine->channels[tag_key(items[at + AHEAD])];
	nearby_table_prefetch(engine->config.segment, friend->user, friend->hint);
}

static void collect(struct engine *engine, uint64_t now_us, uint32_t slot, struct page *page,
		    bool is_all_told)
{
	const struct session *session = &engine->sessions[slot];
	struct vantage viewer = session_vantage(engine, slot);
	uint32_t *items = taglist_items(&engine->arena, &session->friends);
	uint32_t count = session->friends.count;
	for (uint32_t i = 0; i < count; i++) {
		struct entry entry;
		enum gone_why why;
		expect_friend(engine, items, i, count);
		if (!is_worth_a_look(engine, items[i]) ||
		    !subscription_see(engine, now_us, slot, &viewer, &items[i], &entry, &why))
			continue;
		page_offer(engine, page, &entry, &items[i]);
		if (is_all_told)
			note_told(engine, slot, &items[i]);
	}
}

void nearby_page(struct engine *engine, uint64_t now_us, uint32_t slot,
		 const struct page_cursor *after, uint32_t limit, struct server_msg *msg)
{
	check(limit >= 1 && limit <= PAGE_LIMIT_MAX);
	struct page page = { .after = after, .limit = limit };
	collect(engine, now_us, slot, &page, false);
	for (uint32_t i = 0; i < page.count; i++)
		note_told(engine, slot, engine->picks[i]);
	page_finish(engine, &page, msg);
}

void nearby_first(struct engine *engine, uint64_t now_us, uint32_t slot, struct server_msg *msg)
{
	struct page page = { .limit = PAGE_LIMIT_DEFAULT };
	collect(engine, now_us, slot, &page, true);
	evaluate_done(engine, now_us, slot);
	page_finish(engine, &page, msg);
}

/* Where a user is itself; one whom nobody sees is known to its devices alone. */
static bool find_self(const struct engine *engine, uint64_t now_us, struct user_id user,
		      struct vantage *vantage)
{
	if (privacy_find_self(engine, now_us, user, vantage))
		return true;
	uint32_t channel = channel_find(engine, user.value);
	uint32_t slot = channel == NONE ? NONE : engine->channels[channel].first_session;
	while (slot != NONE && !engine->sessions[slot].is_hidden)
		slot = engine->sessions[slot].sibling;
	if (slot == NONE || !session_sees(engine, now_us, slot))
		return false;
	*vantage = session_vantage(engine, slot);
	return true;
}

int engine_list(struct engine *engine, uint64_t now_us, struct user_id user,
		const struct friend_info *friends, uint32_t friend_count,
		const struct page_cursor *after, uint32_t limit, struct server_msg *msg)
{
	check(limit >= 1 && limit <= PAGE_LIMIT_MAX);
	struct vantage viewer;
	if (!find_self(engine, now_us, user, &viewer))
		return -ENOENT;
	struct page page = { .after = after, .limit = limit };
	for (uint32_t i = 0; i < friend_count; i++) {
		nearby_hint hint = 0;
		struct sight sight = { .viewer = &viewer,
				       .sharer = friends[i].user,
				       .hint = &hint,
				       .is_friend = true,
				       .is_off = friends[i].is_off,
				       .exception = friends[i].exception };
		struct entry entry;
		enum gone_why why;
		if (!privacy_see(engine, now_us, &sight, &entry, &why))
			continue;
		entry.name = friends[i].name;
		entry.name_length = friends[i].name_length;
		page_offer(engine, &page, &entry, NULL);
	}
	page_finish(engine, &page, msg);
	return 0;
}
