/*
 * Owns: what a session says, and what becomes of what it hears.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: when to send what.
 */
#include "bench/crew.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE_LIMIT 100
/* A cursor longer than this is none of ours to carry. */
#define CURSOR_BYTES_MAX 256

static uint64_t id_of(const struct crew *crew, uint32_t local)
{
	return crew->world->ids[crew_user(crew, local)];
}

/* A finding with what the oracle knew: which place of the friend's was told, of how many. */
static void find(struct crew *crew, uint32_t local, enum verdict verdict, uint64_t about)
{
	const struct world *world = crew->world;
	uint32_t edge, viewer = crew_user(crew, local);
	if (!world_find_friend(world, viewer, about, &edge)) {
		tally_find(crew->tally, verdict, "user %" PRIu64 " about %" PRIu64,
			   id_of(crew, local), about);
		return;
	}
	const struct view *view = &world->views[edge];
	tally_find(crew->tally, verdict,
		   "user %" PRIu64 " (at its place %u) about %" PRIu64 " (%s, told place %u of %u)",
		   id_of(crew, local), world_version(world, viewer), about,
		   view->is_shown ? "in view" : "not in view", view->version,
		   world_version(world, world->edge_user[edge]));
}

void crew_lose(struct crew *crew, uint32_t local, const char *why)
{
	struct session *session = &crew->sessions[local];
	if (session->state == SESSION_LISTING || session->state == SESSION_CHECKING)
		crew->asking--;
	if (session->state == SESSION_JOINING || session->state == SESSION_WAITING)
		crew->settled++;
	if (session->is_fenced)
		crew->fenced--;
	session->is_fenced = false;
	session->state = SESSION_LOST;
	crew->world->tracks[crew_user(crew, local)].is_lost = true;
	tally_find(crew->tally, VERDICT_LOST, "user %" PRIu64 ": %s", id_of(crew, local), why);
}

/* ---- what is said --------------------------------------------------------------------------- */

/* Friends who are in range, by brute force, of a user at this moment. */
static uint64_t friends_due(const struct crew *crew, uint32_t user, uint64_t now_us)
{
	const struct world *world = crew->world;
	struct sighting own, other;
	uint64_t due = 0;
	if (!world_sighting(world, user, world_version(world, user), &own))
		return 0;
	for (uint32_t i = world->edge_first[user]; i < world->edge_first[user + 1]; i++) {
		uint32_t friend = world->edge_user[i];
		due += world_sighting(world, friend, world_version(world, friend), &other) &&
		       now_us <= other.sent_us + crew->oracle.ttl_us &&
		       oracle_distance_m(own.place, other.place) <= crew->oracle.radius_m;
	}
	return due;
}

bool crew_can_move(const struct crew *crew, uint32_t local)
{
	return crew->sessions[local].state == SESSION_READY && fleet_is_drained(crew->fleet, local);
}

void crew_move(struct crew *crew, uint32_t local, const struct sighting *sighting)
{
	char text[160];
	struct session *session = &crew->sessions[local];
	uint32_t user = crew_user(crew, local);
	struct writer writer = writer_init(text, sizeof(text));
	writer_put_text(&writer, "{\"type\":\"location\",\"lat\":");
	writer_put_fixed(&writer, sighting->place.lat_e7, 7);
	writer_put_text(&writer, ",\"lon\":");
	writer_put_fixed(&writer, sighting->place.lon_e7, 7);
	writer_put_text(&writer, ",\"ts\":");
	writer_put_i64(&writer, sighting->ts_ms);
	writer_put_text(&writer, "}");
	check(!writer.overflow);
	/* First the truth, then the message: who hears of it early finds it there. */
	world_move(crew->world, user, sighting);
	check(fleet_send(crew->fleet, local, text, writer_length(&writer)));
	crew->tally->sent++;
	crew->tally->last_sent_us = sighting->sent_us;
	crew->tally->due += friends_due(crew, user, sighting->sent_us);
	if (!session->is_at_own_place) {
		session->is_at_own_place = true;
		session->state = SESSION_LISTING;
		session->since_us = sighting->sent_us;
		session->listed = 0;
		session->last_m = -1;
		crew->asking++;
	}
}

static void ask_page(struct crew *crew, uint32_t local, struct slice cursor)
{
	char text[CURSOR_BYTES_MAX + 80];
	int length = cursor.bytes == NULL ?
			     snprintf(text, sizeof(text), "{\"type\":\"nearby\",\"limit\":%d}",
				      PAGE_LIMIT) :
			     snprintf(text, sizeof(text),
				      "{\"type\":\"nearby\",\"limit\":%d,\"cursor\":\"%.*s\"}",
				      PAGE_LIMIT, (int)cursor.length, cursor.bytes);
	crew->sessions[local].since_us = boot_us();
	fleet_send(crew->fleet, local, text, (size_t)length);
}

void crew_check(struct crew *crew, uint32_t local, uint64_t now_us)
{
	struct session *session = &crew->sessions[local];
	check(session->state == SESSION_READY);
	oracle_check_begin(&crew->oracle, crew_user(crew, local));
	session->state = SESSION_CHECKING;
	session->since_us = now_us;
	session->listed = 0;
	session->last_m = -1;
	crew->asking++;
	ask_page(crew, local, (struct slice){ .bytes = NULL });
}

/* ---- what is heard -------------------------------------------------------------------------- */

/* The edge to a friend whom the watched user sees now; UINT32_MAX when it is another viewer, or none. */
static uint32_t watched_edge(const struct crew *crew, uint32_t viewer, uint64_t id)
{
	uint32_t edge;
	bool is_watched = crew->control->watched == (int64_t)viewer;
	return is_watched && world_find_friend(crew->world, viewer, id, &edge) ? edge : UINT32_MAX;
}

static void watch(struct crew *crew, uint32_t edge, bool came, struct slice why, uint64_t now_us)
{
	struct control *control = crew->control;
	uint32_t count = atomic_load_explicit(&control->watch_count, memory_order_relaxed);
	struct watch_event *event = &control->watch_log[count % WATCH_LOG_MAX];
	*event = (struct watch_event){ .friend = crew->world->edge_user[edge],
				       .came = came,
				       .at_us = now_us };
	snprintf(event->why, sizeof(event->why), "%.*s", (int)why.length, why.bytes);
	atomic_store_explicit(&control->watch_count, count + 1, memory_order_release);
}

static void hear_welcome(struct crew *crew, uint32_t local, uint64_t now_us)
{
	struct session *session = &crew->sessions[local];
	const struct answer *answer = &crew->answer;
	if (session->state != SESSION_JOINING || answer->user != id_of(crew, local)) {
		find(crew, local, VERDICT_BAD_MESSAGE, answer->user);
		return;
	}
	session->state = SESSION_READY;
	crew->joining--;
	crew->settled++;
	crew->tally->joined++;
	latency_add(&crew->tally->join_latency, now_us - session->since_us);
	crew->tally->radius_m = crew->oracle.radius_m = answer->radius_m;
	crew->tally->ttl_s = answer->ttl_s;
	crew->oracle.ttl_us = (uint64_t)(answer->ttl_s * 1e6);
}

static void count_push(struct tally *tally, enum push_cause cause, uint64_t latency_us)
{
	switch (cause) {
	case PUSH_MOVED:
		tally->moved++;
		latency_add(&tally->push_latency, latency_us);
		break;
	case PUSH_ENTERED:
		tally->entered++;
		break;
	case PUSH_REFRESHED:
		tally->refreshed++;
		break;
	case PUSH_MERGED:
		tally->merged++;
		break;
	case PUSH_BEFORE:
		tally->before++;
		break;
	}
}

static bool is_guest(const struct crew *crew, uint64_t user)
{
	return crew->has_guest && crew->guest == user;
}

static void hear_entry(struct crew *crew, uint32_t local, const struct answer_entry *entry,
		       uint64_t now_us)
{
	if (is_guest(crew, entry->user))
		return;
	uint32_t viewer = crew_user(crew, local);
	uint32_t edge = watched_edge(crew, viewer, entry->user);
	bool is_news = edge != UINT32_MAX && !crew->world->views[edge].is_shown;
	enum push_cause cause;
	uint64_t sent_us;
	enum verdict verdict =
		oracle_update(&crew->oracle, viewer, entry, now_us, &cause, &sent_us);
	if (verdict != VERDICT_RIGHT) {
		find(crew, local, verdict, entry->user);
		return;
	}
	count_push(crew->tally, cause, now_us > sent_us ? now_us - sent_us : 0);
	if (is_news)
		watch(crew, edge, true, (struct slice){ .bytes = "" }, now_us);
}

static void hear_gone(struct crew *crew, uint32_t local, const struct answer_gone *gone,
		      uint64_t now_us)
{
	if (is_guest(crew, gone->user))
		return;
	uint32_t viewer = crew_user(crew, local);
	uint32_t edge = watched_edge(crew, viewer, gone->user);
	bool is_news = edge != UINT32_MAX && crew->world->views[edge].is_shown;
	enum verdict verdict = oracle_gone(&crew->oracle, viewer, gone, now_us);
	if (verdict != VERDICT_RIGHT)
		find(crew, local, verdict, gone->user);
	else if (slice_is(gone->why, "far"))
		crew->tally->gone_far++;
	else
		crew->tally->gone_idle++;
	if (is_news)
		watch(crew, edge, false, gone->why, now_us);
}

/* Nearest first, by user where two are equally far, from page to page; so nobody comes twice. */
static bool page_is_ordered(struct session *session, const struct answer *answer)
{
	for (uint32_t i = 0; i < answer->count; i++) {
		const struct answer_entry *entry = &answer->entries[i];
		if (entry->distance_m < session->last_m ||
		    (entry->distance_m == session->last_m && entry->user <= session->last_user))
			return false;
		session->last_m = entry->distance_m;
		session->last_user = entry->user;
	}
	return true;
}

/* One session, for the findings of its check. */
struct crew_member {
	struct crew *crew;
	uint32_t local;
};

static void found_in_check(void *context, enum verdict verdict, uint64_t about)
{
	const struct crew_member *member = context;
	find(member->crew, member->local, verdict, about);
}

/* The last page is in, or there is none. */
static void end_pages(struct crew *crew, uint32_t local, uint64_t now_us)
{
	struct session *session = &crew->sessions[local];
	struct crew_member member = { crew, local };
	if (session->state == SESSION_CHECKING) {
		oracle_check_end(&crew->oracle, crew_user(crew, local), now_us,
				 &crew->tally->check, found_in_check, &member);
		crew->tally->checked++;
	}
	session->state = SESSION_READY;
	crew->asking--;
}

static void hear_page(struct crew *crew, uint32_t local, uint64_t now_us)
{
	struct session *session = &crew->sessions[local];
	const struct answer *answer = &crew->answer;
	uint32_t viewer = crew_user(crew, local);
	bool is_check = session->state == SESSION_CHECKING;
	if (!is_check && session->state != SESSION_LISTING) {
		find(crew, local, VERDICT_BAD_MESSAGE, id_of(crew, local));
		return;
	}
	crew->tally->pages++;
	latency_add(&crew->tally->page_latency, now_us - session->since_us);
	if (!page_is_ordered(session, answer))
		find(crew, local, VERDICT_LIST_ORDER, session->last_user);
	for (uint32_t i = 0; i < answer->count; i++) {
		if (is_guest(crew, answer->entries[i].user))
			continue;
		enum verdict verdict = oracle_page_entry(&crew->oracle, viewer,
							 &answer->entries[i], is_check, now_us);
		if (verdict != VERDICT_RIGHT)
			find(crew, local, verdict, answer->entries[i].user);
	}
	session->listed += answer->count;
	bool is_last = answer->next.bytes == NULL;
	bool goes_on = !is_last && answer->count > 0 && answer->next.length <= CURSOR_BYTES_MAX;
	/* While others move, the total may change from page to page; when all is quiet it may not. */
	bool is_complete = is_last && (!is_check || session->listed == answer->total);
	if (!goes_on && !is_complete)
		find(crew, local, VERDICT_LIST_TOTAL, answer->total);
	if (goes_on)
		ask_page(crew, local, answer->next);
	else
		end_pages(crew, local, now_us);
}

static void hear_error(struct crew *crew, uint32_t local, uint64_t now_us)
{
	const struct answer *answer = &crew->answer;
	/* Without an unexpired location of its own a user has no list: to be judged as an empty one. */
	if (crew->sessions[local].state == SESSION_CHECKING && slice_is(answer->code, "no_location")) {
		end_pages(crew, local, now_us);
		return;
	}
	tally_find(crew->tally, VERDICT_REFUSED, "user %" PRIu64 ": %.*s: %.*s", id_of(crew, local),
		   (int)answer->code.length, answer->code.bytes, (int)answer->message.length,
		   answer->message.bytes);
}

void crew_hear(struct crew *crew, uint32_t local, const char *text, size_t length, uint64_t now_us)
{
	struct answer *answer = &crew->answer;
	crew->tally->last_heard_us = now_us;
	if (!answer_read(answer, text, length)) {
		tally_find(crew->tally, VERDICT_BAD_MESSAGE, "user %" PRIu64 ": %.*s",
			   id_of(crew, local), length < 100 ? (int)length : 100, text);
		return;
	}
	switch (answer->type) {
	case ANSWER_WELCOME:
		hear_welcome(crew, local, now_us);
		break;
	case ANSWER_NEARBY:
		hear_page(crew, local, now_us);
		break;
	case ANSWER_UPDATE:
		crew->tally->frames++;
		oracle_frame(&crew->oracle, crew_user(crew, local));
		for (uint32_t i = 0; i < answer->count; i++)
			hear_entry(crew, local, &answer->entries[i], now_us);
		break;
	case ANSWER_GONE:
		crew->tally->frames++;
		for (uint32_t i = 0; i < answer->count; i++)
			hear_gone(crew, local, &answer->gone[i], now_us);
		break;
	case ANSWER_ERROR:
		hear_error(crew, local, now_us);
		break;
	case ANSWER_RECONNECT: /* the close that follows is what counts */
	case ANSWER_OTHER:
		break;
	}
}
