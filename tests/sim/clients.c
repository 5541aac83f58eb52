/*
 * Owns: what clients and the store do to the engines, and what they are answered.
 * Invariant: whatever an engine is told, the oracle is told; every answer is judged.
 * Thread: one.
 * Does not know: how messages travel between cores.
 */
#include "cluster.h"

#include "base/check.h"
#include "cluster_state.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- events ---------------------------------------------------------------------------------- */

static struct moment moment_of(struct cluster *cluster, uint32_t device)
{
	return cluster_core_moment(cluster, cluster->devices[device].core);
}

/* An event of a device. False, when the device is gone: then the engine must say so too. */
static bool step_device(struct cluster *cluster, uint32_t device, struct event *event,
			struct engine_out *out)
{
	if (cluster->devices[device].core == ORACLE_NOBODY)
		return false;
	int status = cluster_step(cluster, cluster->devices[device].core, event, out);
	bool is_alive = oracle_is_alive(cluster->oracle, device);
	if (status != (is_alive ? 0 : -ESTALE) ||
	    (!is_alive && (out->has_answer || out->has_record)))
		oracle_object(cluster->oracle, "an event of %s device %u: status %d",
			      is_alive ? "a living" : "a dead", device, status);
	return is_alive && status == 0;
}

static const struct server_msg *answer_in(const struct engine_out *out)
{
	return out->has_answer ? &out->answer : NULL;
}

static struct friend_info info_of(const struct cluster *cluster, uint32_t user,
				  uint32_t name_version)
{
	const char *name = oracle_name(cluster->oracle, user, name_version);
	return (struct friend_info){ .user = { cluster->config.ids[user] }, .name = name, .name_length = (uint32_t)strlen(name) };
}

/* Ends the load; fills `infos`, `users` and `exceptions`. */
static uint32_t enter_load(struct cluster *cluster, uint32_t load, struct book_self *self)
{
	uint32_t count = book_enter(cluster->book, load, cluster->friends, self);
	for (uint32_t i = 0; i < count; i++) {
		const struct book_friend *with = &cluster->friends[i];
		cluster->infos[i] = info_of(cluster, with->user, with->name_version);
		cluster->infos[i].exception = with->exception;
		cluster->infos[i].is_off = with->is_off;
		cluster->users[i] = with->user;
		cluster->exceptions[i] = with->exception;
	}
	return count;
}

static uint32_t free_device(struct cluster *cluster)
{
	for (uint32_t i = 0; i < cluster->config.devices_max; i++) {
		uint32_t device = (cluster->next_device + i) % cluster->config.devices_max;
		if (oracle_is_alive(cluster->oracle, device))
			continue;
		cluster->next_device = device + 1;
		return device;
	}
	return ORACLE_NOBODY;
}

static void note_slot(struct cluster *cluster, uint32_t core, uint32_t device,
		      struct session_id session)
{
	uint32_t *place = &cluster->nodes[core].devices[session.slot];
	uint32_t before = *place;
	if (before != ORACLE_NOBODY && oracle_is_alive(cluster->oracle, before) &&
	    cluster->devices[before].core == core &&
	    cluster->devices[before].session.slot == session.slot)
		oracle_object(cluster->oracle, "a join was given the slot of device %u", before);
	*place = device;
}

uint32_t cluster_join(struct cluster *cluster, uint32_t load)
{
	uint32_t user, device = free_device(cluster);
	check(book_is_loaded(cluster->book, load, &user));
	struct book_self self;
	uint32_t count = enter_load(cluster, load, &self), core = cluster_home(cluster, user);
	bool is_first = !oracle_is_connected(cluster->oracle, user);
	if (device == ORACLE_NOBODY)
		return ORACLE_NOBODY;
	struct engine_out out;
	struct event event = { .type = EVENT_JOIN };
	event.join.user.value = cluster->config.ids[user];
	event.join.friends = cluster->infos;
	event.join.friend_count = count;
	event.join.barred = cluster->barred;
	event.join.barred_count = company_list_barred(cluster->company, user, cluster->barred);
	event.join.mode = self.mode;
	event.join.is_shown = self.is_shown;
	int status = cluster_step(cluster, core, &event, &out);
	if (status != 0) {
		if (status != -ENOSPC)
			oracle_object(cluster->oracle, "a join: status %d", status);
		return ORACLE_NOBODY;
	}
	check(out.joined.slot < cluster->config.sessions_max);
	note_slot(cluster, core, device, out.joined);
	cluster->devices[device] = (struct device){ user, core, out.joined };
	if (is_first)
		oracle_shared(cluster->oracle, cluster_core_moment(cluster, core), user, self.mode,
			      self.is_shown);
	oracle_joined(cluster->oracle, device, user, core, cluster->users, cluster->exceptions,
		      count);
	company_joined(cluster->company, device);
	cluster_report(cluster, user);
	return device;
}

void cluster_leave(struct cluster *cluster, uint32_t device)
{
	struct engine_out out;
	struct event event = { .type = EVENT_LEAVE, .session = cluster->devices[device].session };
	if (step_device(cluster, device, &event, &out))
		oracle_left(cluster->oracle, device);
}

static void set_paused(struct cluster *cluster, uint32_t device, enum event_type type)
{
	struct engine_out out;
	struct event event = { .type = type, .session = cluster->devices[device].session };
	if (step_device(cluster, device, &event, &out))
		oracle_paused(cluster->oracle, device, type == EVENT_PAUSE);
}

void cluster_strangers(struct cluster *cluster, uint32_t device, bool is_on)
{
	struct engine_out out;
	struct event event = { .type = EVENT_STRANGERS };
	event.strangers.session = cluster->devices[device].session;
	event.strangers.is_on = is_on;
	/* Who is on already is answered by what is new, which may be nobody. */
	if (!step_device(cluster, device, &event, &out))
		return;
	company_switched(cluster->company, device, is_on);
	company_judge_answer(cluster->company, moment_of(cluster, device), device, answer_in(&out));
	cluster_receive(cluster, device, true, answer_in(&out));
}

static void bar_one(struct cluster *cluster, uint32_t user, uint32_t other, bool is_barred)
{
	struct engine_out out;
	struct event event = { .type = EVENT_BAR };
	event.bar.user.value = cluster->config.ids[user];
	event.bar.other.value = cluster->config.ids[other];
	event.bar.is_barred = is_barred;
	if (cluster_step(cluster, cluster_home(cluster, user), &event, &out) != 0)
		oracle_object(cluster->oracle, "%" PRIu64 " cannot be barred", event.bar.user.value);
}

void cluster_bar(struct cluster *cluster, uint32_t a, uint32_t b, bool is_barred)
{
	bar_one(cluster, a, b, is_barred);
	bar_one(cluster, b, a, is_barred);
	company_barred(cluster->company, a, b, is_barred);
}

bool cluster_is_barred(const struct cluster *cluster, uint32_t a, uint32_t b)
{
	return company_is_barred(cluster->company, a, b);
}

void cluster_judge_strangers(struct cluster *cluster)
{
	cluster_run(cluster, COMPANY_QUIET_US + cluster->config.interval_us);
	company_judge_views(cluster->company, cluster_moment(cluster));
}

void cluster_pause(struct cluster *cluster, uint32_t device)
{
	set_paused(cluster, device, EVENT_PAUSE);
}

void cluster_resume(struct cluster *cluster, uint32_t device)
{
	set_paused(cluster, device, EVENT_RESUME);
}

void cluster_locate(struct cluster *cluster, uint32_t device, struct nearby_place place,
		    int64_t ts_ms)
{
	struct engine_out out;
	struct event event = { .type = EVENT_LOCATION };
	event.location.session = cluster->devices[device].session;
	event.location.place = place;
	event.location.ts_ms = ts_ms;
	if (!step_device(cluster, device, &event, &out))
		return;
	uint64_t id = cluster->config.ids[cluster->devices[device].user];
	if (out.has_record && out.record_user.value != id)
		oracle_object(cluster->oracle, "a record of %" PRIu64 " by %" PRIu64,
			      out.record_user.value, id);
	oracle_judge_location(cluster->oracle, moment_of(cluster, device), device, place, ts_ms,
			      out.has_record ? &out.record : NULL, answer_in(&out));
	cluster_report(cluster, cluster->devices[device].user);
	cluster_receive(cluster, device, true, answer_in(&out));
}

static void subscription(struct cluster *cluster, uint32_t device, struct user_id with,
			 enum event_type type)
{
	struct engine_out out;
	struct event event = { .type = type };
	event.subscribe.session = cluster->devices[device].session;
	event.subscribe.user = with;
	if (!step_device(cluster, device, &event, &out))
		return;
	if (type == EVENT_SUBSCRIBE)
		oracle_judge_subscribe(cluster->oracle, moment_of(cluster, device), device, with,
				       answer_in(&out));
	else
		oracle_judge_unsubscribe(cluster->oracle, moment_of(cluster, device), device, with,
					 answer_in(&out));
	cluster_receive(cluster, device, true, answer_in(&out));
}

void cluster_subscribe(struct cluster *cluster, uint32_t device, struct user_id with)
{
	subscription(cluster, device, with, EVENT_SUBSCRIBE);
}

void cluster_unsubscribe(struct cluster *cluster, uint32_t device, struct user_id with)
{
	subscription(cluster, device, with, EVENT_UNSUBSCRIBE);
}

void cluster_forget(struct cluster *cluster, uint32_t user)
{
	struct engine_out out;
	struct event event = { .type = EVENT_FORGET };
	event.forget.value = cluster->config.ids[user];
	if (cluster_step(cluster, cluster_home(cluster, user), &event, &out) != 0)
		oracle_object(cluster->oracle, "%" PRIu64 " cannot be forgotten", event.forget.value);
	oracle_forgotten(cluster->oracle, user);
	cluster_report(cluster, user);
}

static void note_change(struct cluster *cluster, uint32_t core, const struct change *change)
{
	switch (change->type) {
	case CHANGE_BEFRIEND:
		oracle_befriended(cluster->oracle, change->user, change->with, change->mode);
		break;
	case CHANGE_UNFRIEND:
		oracle_unfriended(cluster->oracle, change->user, change->with);
		break;
	case CHANGE_RENAME:
		oracle_name_heard(cluster->oracle, core, change->user, change->name_version);
		break;
	case CHANGE_SHARING:
		if (change->mode == SHARING_OFF && !change->is_shown)
			oracle_voided(cluster->oracle, core, change->user);
		if (cluster_home(cluster, change->user) != core)
			break;
		oracle_shared(cluster->oracle, cluster_core_moment(cluster, core), change->user,
			      change->mode, change->is_shown);
		cluster_report(cluster, change->user);
		break;
	case CHANGE_EXCEPTION:
		oracle_excepted(cluster->oracle, change->user, change->with, change->mode);
		break;
	}
}

static struct event event_of(const struct cluster *cluster, const struct change *change)
{
	static const enum event_type types[] = { EVENT_BEFRIEND, EVENT_UNFRIEND, EVENT_RENAME,
						 EVENT_SHARING, EVENT_EXCEPTION };
	struct event event = { .type = types[change->type] };
	struct user_id user = { cluster->config.ids[change->user] };
	switch (change->type) {
	case CHANGE_RENAME:
		event.rename = info_of(cluster, change->user, change->name_version);
		break;
	case CHANGE_BEFRIEND:
	case CHANGE_UNFRIEND:
		event.friendship.user = user;
		event.friendship.with = info_of(cluster, change->with, change->name_version);
		event.friendship.with.exception = change->mode;
		event.friendship.with.is_off = !change->is_shown;
		break;
	case CHANGE_SHARING:
		event.sharing.user = user;
		event.sharing.mode = change->mode;
		event.sharing.is_shown = change->is_shown;
		break;
	case CHANGE_EXCEPTION:
		event.exception.sharer = user;
		event.exception.viewer.value = cluster->config.ids[change->with];
		event.exception.mode = change->mode;
		break;
	}
	return event;
}

bool cluster_hear(struct cluster *cluster, uint32_t core)
{
	struct change change;
	if (!book_take(cluster->book, core, &change))
		return false;
	struct engine_out out;
	struct event event = event_of(cluster, &change);
	int status = cluster_step(cluster, core, &event, &out);
	/* No room is a right answer, and nothing has changed; an end needs no room. */
	if (status == 0)
		note_change(cluster, core, &change);
	else if (change.type == CHANGE_UNFRIEND || status != -ENOSPC)
		oracle_object(cluster->oracle, "a change of type %d: status %d", (int)change.type,
			      status);
	return true;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static bool ask_page(struct cluster *cluster, uint32_t device, uint32_t limit,
		     const struct page_cursor *cursor, struct engine_out *out)
{
	struct event event = { .type = EVENT_NEARBY };
	event.nearby.session = cluster->devices[device].session;
	event.nearby.limit = limit;
	event.nearby.has_cursor = cursor != NULL;
	if (cursor != NULL)
		event.nearby.cursor = *cursor;
	if (!step_device(cluster, device, &event, out))
		return false;
	oracle_judge_nearby(cluster->oracle, moment_of(cluster, device), device, limit, cursor,
			    answer_in(out));
	cluster_receive(cluster, device, true, answer_in(out));
	return out->has_answer && out->answer.type == SERVER_NEARBY;
}

void cluster_nearby(struct cluster *cluster, uint32_t device, uint32_t limit,
		    const struct page_cursor *cursor)
{
	struct engine_out out;
	ask_page(cluster, device, limit, cursor, &out);
}

/* Adds a page to the entries, with names that last. False when the list is too long to be true. */
static bool keep_page(struct cluster *cluster, const struct server_msg *page, uint32_t *count)
{
	for (uint32_t i = 0; i < page->nearby.count; i++, (*count)++) {
		if (*count == cluster_entries_max(cluster))
			return false;
		struct entry *entry = &cluster->entries[*count];
		*entry = page->nearby.entries[i];
		memcpy(cluster->names[*count], entry->name, entry->name_length);
		entry->name = cluster->names[*count];
	}
	return true;
}

uint32_t cluster_pages(struct cluster *cluster, uint32_t device, uint32_t limit)
{
	uint32_t count = 0;
	struct page_cursor cursor;
	struct engine_out out;
	bool is_there = ask_page(cluster, device, limit, NULL, &out);
	if (!is_there)
		return 0;
	while (keep_page(cluster, &out.answer, &count) && out.answer.nearby.has_next) {
		cursor = out.answer.nearby.next;
		if (!ask_page(cluster, device, limit, &cursor, &out))
			break;
	}
	oracle_judge_pages(cluster->oracle, moment_of(cluster, device), device, cluster->entries,
			   count, out.answer.nearby.total);
	return count;
}

uint32_t cluster_list(struct cluster *cluster, uint32_t user, uint32_t limit)
{
	uint32_t load = book_load(cluster->book, user), core = cluster_home(cluster, user),
		 count = 0;
	if (load == ORACLE_NOBODY)
		return 0;
	struct book_self self;
	uint32_t friend_count = enter_load(cluster, load, &self);
	struct engine *engine = cluster->nodes[core].engine;
	struct moment moment = cluster_core_moment(cluster, core);
	struct user_id id = { cluster->config.ids[user] };
	struct page_cursor cursor;
	struct server_msg page = { .type = SERVER_NEARBY };
	int status = engine_list(engine, moment.now_us, id, cluster->infos, friend_count, NULL,
				 limit, &page);
	while (status == 0 && keep_page(cluster, &page, &count) && page.nearby.has_next) {
		cursor = page.nearby.next;
		status = engine_list(engine, moment.now_us, id, cluster->infos, friend_count,
				     &cursor, limit, &page);
	}
	oracle_judge_list(cluster->oracle, moment, core, user, cluster->users,
			  cluster->exceptions, friend_count, status == 0, cluster->entries, count, page.nearby.total);
	return count;
}
