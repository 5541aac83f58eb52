/*
 * Owns: sessions on their way: from the upgrade request over the home core and the store to the engine.
 * Invariant: a join that waits for the store outlives its connection; changes of friendships and names
 *   that arrive meanwhile are applied after it; each join becomes a session or is refused, once.
 * Thread: the core's; a hand-over passes a join to another core whole.
 * Does not know: what a session says or hears.
 *
 * Order of a join: the store reads the friend list at some moment; changes that become durable later
 * reach this core as control messages later than that, so either before the answer (then they are
 * kept with the join and applied after it) or after (then the session is there). A change that the
 * list has already is applied twice, which does nothing. The same goes for names.
 */
#include "app/app_private.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct kept_change {
	struct kept_change *next;
	struct event event;
	char name[NAME_BYTES_MAX];
};

/* A session on its way: the baggage of a hand-over, then what waits for the store. */
struct join {
	uint32_t magic;
	struct app *app; /* of the home core, once it is there */
	struct app_shared *shared;
	struct join *next, *previous;
	struct conn_id conn;
	bool conn_gone;
	bool is_logged_out; /* the user was kicked or deleted while this waited for the store */
	bool has_protocol;   /* the client offered some by name */
	enum codec_id codec; /* the first of them that is ours, or the default */
	int64_t expires_s, issued_s; /* of the token */
	uint64_t began_us;
	struct user_id user;
	struct store_request request;
	uint32_t note_from;	     /* in app->notes: those from here on came after the question */
	struct kept_change *changes; /* in order of arrival */
	struct kept_change **changes_end;
};

enum { JOIN_MAGIC = 0x6a6f696e };

/* ---- asking in -------------------------------------------------------------------------------- */

/* The codec of this name; CODEC_COUNT when there is none. */
static enum codec_id codec_named(const char *name, size_t length)
{
	unsigned id = 0;
	while (id < CODEC_COUNT && (strlen(codecs[id].subprotocol) != length ||
				    memcmp(codecs[id].subprotocol, name, length) != 0))
		id++;
	return (enum codec_id)id;
}

/* The first of a comma-separated list that is one of ours; CODEC_COUNT when none is. Who offers nothing
 * speaks JSON. */
static enum codec_id negotiate(struct net_text list)
{
	const char *at = list.bytes, *end = list.bytes + list.length;
	enum codec_id found = list.length == 0 ? CODEC_JSON : CODEC_COUNT;
	while (at < end && found == CODEC_COUNT) {
		while (at < end && (*at == ' ' || *at == ',' || *at == '\t'))
			at++;
		const char *start = at;
		while (at < end && *at != ',' && *at != ' ' && *at != '\t')
			at++;
		found = codec_named(start, (size_t)(at - start));
	}
	return found;
}

/* NULL, or why this request cannot become a session, with the status to answer. */
static const char *refusal(const struct app *app, const struct net_request *request, unsigned *status)
{
	if (!request->is_upgrade) {
		*status = 426;
		return "this address speaks WebSocket: GET with Upgrade: websocket and version 13";
	}
	if (negotiate(request->subprotocols) == CODEC_COUNT) {
		*status = 400;
		return "offer the subprotocol nearby.v1.json or nearby.v1.protobuf, or none";
	}
	*status = 503;
	if (atomic_load_explicit(&app->shared->draining, memory_order_relaxed))
		return "the server drains: come back later";
	return NULL;
}

static bool is_store_stuck(const struct app *app, uint64_t now_us)
{
	uint64_t answered_us = atomic_load_explicit(&app->shared->join_answered_us, memory_order_relaxed);
	return elapsed_us(answered_us, now_us) > JOIN_STUCK_US;
}

void join_admit(struct app *app, uint64_t now_us)
{
	unsigned most = JOINS_UNDER_WAY * app->shared->cores;
	unsigned count = atomic_load_explicit(&app->shared->join_count, memory_order_relaxed);
	unsigned room = count < most ? (most - count) / app->shared->cores + 1 : 0;
	bool is_crowded = room == 0 && !is_store_stuck(app, now_us);
	if (is_crowded && !app->is_crowded)
		counter_add(&app->counters.app[APP_COUNTER_ADMISSION_PAUSES], 1);
	/* What is granted and not used is not kept: the next turn counts anew. */
	net_listen_admit(app->net, LISTENER_PUBLIC, is_store_stuck(app, now_us) ? UINT32_MAX : room);
	app->is_crowded = is_crowded;
}

void join_request(struct exchange *exchange, const struct net_request *request)
{
	struct app *app = exchange->app;
	unsigned status;
	const char *why = refusal(app, request, &status);
	if (why != NULL) {
		if (status == 503)
			counter_add(&app->counters.app[APP_COUNTER_REFUSED_DRAIN], 1);
		exchange_problem(exchange, status, "%s", why);
		return;
	}
	struct join *join = calloc(1, sizeof(*join));
	if (join == NULL) {
		exchange_problem(exchange, 503, "no memory for another session");
		return;
	}
	join->magic = JOIN_MAGIC;
	join->shared = app->shared;
	atomic_fetch_add_explicit(&app->shared->join_count, 1, memory_order_relaxed);
	join->user = exchange->user;
	join->expires_s = exchange->expires_s;
	join->issued_s = exchange->issued_s;
	join->has_protocol = request->subprotocols.length > 0;
	join->codec = negotiate(request->subprotocols);
	join->began_us = boot_us();
	join->changes_end = &join->changes;
	struct conn_id conn = exchange->conn;
	/* The exchange is over without an answer: the connection goes on as a session's. */
	exchange_end(exchange, true);
	net_handover(app->net, conn, nearby_home_core(join->user.value, app->shared->cores), join);
}

static void join_free(struct join *join)
{
	struct kept_change *change = join->changes;
	while (change != NULL) {
		struct kept_change *next = change->next;
		free(change);
		change = next;
	}
	store_request_fini(&join->request);
	atomic_fetch_sub_explicit(&join->shared->join_count, 1, memory_order_relaxed);
	join->magic = 0;
	free(join);
}

void join_handover_failed(void *context, void *baggage)
{
	struct app *app = context;
	struct join *join = baggage;
	check_object(join, JOIN_MAGIC);
	counter_add(&app->counters.app[APP_COUNTER_REFUSED_FULL], 1);
	join_free(join);
}

/* Those from before all joins that wait still concern none. */
static void forget_notes(struct app *app)
{
	uint32_t from = app->note_count;
	for (const struct join *join = app->joins; join != NULL; join = join->next)
		if (join->note_from < from)
			from = join->note_from;
	for (struct join *join = app->joins; join != NULL; join = join->next)
		join->note_from -= from;
	app->note_count -= from;
	if (from > 0)
		memmove(app->notes, app->notes + from, app->note_count * sizeof(*app->notes));
}

void join_note(struct app *app, const struct event *event)
{
	if (app->join_count == 0)
		return;
	bool is_full = app->note_count == app->note_capacity;
	if (is_full)
		forget_notes(app);
	/* Half is free after that, or it would be full again too soon. */
	if (is_full && 2 * app->note_count >= app->note_capacity) {
		app->note_capacity = app->note_capacity == 0 ? 64 : 2 * app->note_capacity;
		app->notes = realloc(app->notes, app->note_capacity * sizeof(*app->notes));
		/* Bounded by what the store changes while it answers the joins before. */
		check(app->notes != NULL);
	}
	struct note *note = &app->notes[app->note_count++];
	note->event = *event;
	if (event->type == EVENT_RENAME)
		memcpy(note->name, event->rename.name, event->rename.name_length);
}

static void apply_notes(struct app *app, uint32_t from, enum event_type type)
{
	for (uint32_t i = from; i < app->note_count; i++) {
		struct event event = app->notes[i].event;
		struct engine_out out;
		if (event.type != type)
			continue;
		event.now_us = boot_us();
		if (type == EVENT_RENAME)
			event.rename.name = app->notes[i].name;
		engine_step(app->engine, &event, &out);
	}
}

static void join_unlink(struct join *join)
{
	struct app *app = join->app;
	if (join->previous != NULL)
		join->previous->next = join->next;
	else
		app->joins = join->next;
	if (join->next != NULL)
		join->next->previous = join->previous;
	app->join_count--;
}

void join_close_all(struct app *app)
{
	while (app->joins != NULL) {
		struct join *join = app->joins;
		join_unlink(join);
		join_free(join);
	}
}

/* Why a session is refused that got as far as its home core. */
struct reason {
	enum app_counter counter;
	unsigned status;
	const char *text;
};

static const struct reason
	is_full = { APP_COUNTER_REFUSED_FULL, 503, "the server holds as many sessions, and friends of theirs, as it can (sessions-max)" },
	is_draining = { APP_COUNTER_REFUSED_DRAIN, 503, "the server drains: come back later" },
	is_logged_out = { APP_COUNTER_REFUSED_USER, 409, "the user was logged out, or deleted, just now" },
	is_revoked = { APP_COUNTER_REFUSED_USER, 401, "the user's tokens were revoked just now" },
	has_no_store = { APP_COUNTER_REFUSED_STORE, 503, "the user database does not answer: try again" },
	has_many_devices = { APP_COUNTER_REFUSED_USER, 429, "the user has as many sessions as one may have" },
	has_many_friends = { APP_COUNTER_REFUSED_USER, 409, "the user has more friends than friends-max" };

static void refuse(struct app *app, struct conn_id conn, const struct reason *reason)
{
	counter_add(&app->counters.app[reason->counter], 1);
	api_refuse(app, conn, reason->status, reason->text);
}

/* A place among sessions-max, for a join and then its session. */
static bool take_place(struct app *app)
{
	if (app->join_count >= JOINS_MAX || app->session_count + app->join_count >= app->sessions_max)
		return false;
	atomic_uint *count = &app->shared->session_count;
	if (atomic_fetch_add_explicit(count, 1, memory_order_relaxed) < app->config->sessions_max)
		return true;
	atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
	return false;
}

void join_give_place(struct app *app)
{
	atomic_fetch_sub_explicit(&app->shared->session_count, 1, memory_order_relaxed);
}

static bool is_leaving(const struct app *app, struct user_id user)
{
	for (uint32_t i = 0; i < app->leaving_count; i++)
		if (user_id_equal(app->leaving[i], user))
			return true;
	return false;
}

void join_adopted(void *context, struct conn_id conn, void *baggage)
{
	struct app *app = context;
	struct join *join = baggage;
	check_object(join, JOIN_MAGIC);
	bool is_barred = is_leaving(app, join->user);
	if (is_barred || !take_place(app)) {
		refuse(app, conn, is_barred ? &is_logged_out : &is_full);
		join_free(join);
		return;
	}
	join->app = app;
	join->conn = conn;
	join->next = app->joins;
	if (app->joins != NULL)
		app->joins->previous = join;
	app->joins = join;
	if (app->join_count++ == 0)
		app->note_count = 0;
	join->note_from = app->note_count;
	net_set_cookie(app->net, conn, cookie_of_pointer(COOKIE_JOIN, join));
	join->request = (struct store_request){
		.op = STORE_LOAD,
		.user = join->user,
		.now_ms = wall_ms(),
		.context = (void *)(uintptr_t)cookie_of_pointer(COOKIE_JOIN, join),
	};
	app_submit(app, &join->request);
}

/* A copy of an event; of those that are kept only friendships lend something. */
static struct kept_change *change_copy(const struct event *event)
{
	struct kept_change *change = calloc(1, sizeof(*change));
	check(change != NULL);
	change->event = *event;
	if (event->type != EVENT_BEFRIEND && event->type != EVENT_UNFRIEND)
		return change;
	memcpy(change->name, event->friendship.with.name, event->friendship.with.name_length);
	change->event.friendship.with.name = change->name;
	return change;
}

bool join_keep(struct app *app, struct user_id user, const struct event *event)
{
	bool is_kept = false;
	for (struct join *join = app->joins; join != NULL; join = join->next) {
		if (!user_id_equal(join->user, user))
			continue;
		struct kept_change *change = change_copy(event);
		*join->changes_end = change;
		join->changes_end = &change->next;
		is_kept = true;
	}
	/* Another device of the user may be in already, and hears of it now; the kept copy then does
	 * nothing new. */
	return is_kept && engine_session_count(app->engine, user) == 0;
}

/* ---- joining ---------------------------------------------------------------------------------- */

static int join_engine(struct join *join, struct session_id *id)
{
	struct app *app = join->app;
	const struct store_request *answer = &join->request;
	struct friend_info *friends = app_friends(answer);
	/* The store does not know of it. */
	bool is_hidden = bars_get(app->hidden, join->user) != 0;
	if (friends == NULL)
		return -ENOSPC;
	struct event event = { .type = EVENT_JOIN,
			       .now_us = boot_us(),
			       .wall_ms = wall_ms(),
			       .join = { .user = join->user,
					 .friends = friends,
					 .friend_count = answer->friend_count,
					 .mode = is_hidden ? SHARING_OFF : answer->sharing.mode,
					 .is_shown = !is_hidden && app_is_shown(answer),
					 .barred = answer->barred,
					 .barred_count = answer->barred_count } };
	struct engine_out out;
	int error = engine_step(app->engine, &event, &out);
	*id = out.joined;
	free(friends);
	/* What is said of all comes before what is said of this one; a new friend before its newer name. */
	if (error == 0)
		apply_notes(app, join->note_from, EVENT_SHARING);
	for (struct kept_change *change = join->changes; change != NULL && error == 0; change = change->next) {
		change->event.now_us = event.now_us;
		engine_step(app->engine, &change->event, &out);
	}
	if (error == 0)
		apply_notes(app, join->note_from, EVENT_RENAME);
	return error;
}

/* The upgrade is answered, and from here on it is a session. */
static void open_session(struct join *join, struct session_id id)
{
	struct app *app = join->app;
	struct session fresh = { .id = id,
				 .codec = (uint8_t)join->codec,
				 .conn = join->conn,
				 .user = join->user,
				 .expires_s = join->expires_s,
				 .issued_s = join->issued_s };
	net_upgrade(app->net, join->conn, join->has_protocol ? codecs[join->codec].subprotocol : NULL);
	histogram_add(&app->counters.app[APP_COUNTER_JOIN_SECONDS], boot_us() - join->began_us);
	session_begin(app, &fresh, &join->request.profile);
}

/* Into the engine, once the store has answered. NULL, or why not. */
static const struct reason *enter(struct join *join, struct session_id *id)
{
	if (atomic_load_explicit(&join->app->shared->draining, memory_order_relaxed))
		return &is_draining;
	if (join->is_logged_out)
		return &is_logged_out;
	/* Again, as the other core that judged the token may not have heard of it yet. */
	if (bars_judge(join->app->bars, join->user, join->issued_s) != TOKEN_GOOD)
		return &is_revoked;
	if (join->request.status != 0)
		return &has_no_store;
	if (engine_session_count(join->app->engine, join->user) >= join->app->config->user_sessions_max)
		return &has_many_devices;
	switch (join_engine(join, id)) {
	case 0:
		return NULL;
	case -EUSERS:
		return &has_many_devices;
	case -E2BIG:
		return &has_many_friends;
	default:
		return &is_full;
	}
}

void join_loaded(struct app *app, struct store_request *request)
{
	struct join *join = COOKIE_POINTER((uintptr_t)request->context);
	check_object(join, JOIN_MAGIC);
	atomic_store_explicit(&app->shared->join_answered_us, boot_us(), memory_order_relaxed);
	join_unlink(join);
	if (join->conn_gone) {
		join_give_place(app);
		join_free(join);
		return;
	}
	net_set_cookie(app->net, join->conn, 0);
	struct session_id id;
	const struct reason *reason = enter(join, &id);
	if (reason == NULL) {
		open_session(join, id);
	} else {
		join_give_place(app);
		refuse(app, join->conn, reason);
	}
	join_free(join);
}

/* ---- ending ----------------------------------------------------------------------------------- */

/* The handshake lasts until the welcome: who waited for the store too long is told so. The join stays
 * until the store gives back its request. */
void join_tick(struct app *app, uint64_t now_us)
{
	uint64_t timeout_us = (uint64_t)app->config->handshake_timeout_s * 1000000u;
	for (struct join *join = app->joins; join != NULL; join = join->next) {
		if (join->conn_gone || elapsed_us(join->began_us, now_us) <= timeout_us)
			continue;
		join->conn_gone = true;
		net_set_cookie(app->net, join->conn, 0);
		refuse(app, join->conn, &has_no_store);
	}
}

void join_bar(struct app *app, struct user_id user)
{
	if (app->leaving_count == app->leaving_capacity) {
		app->leaving_capacity = app->leaving_capacity == 0 ? 16 : 2 * app->leaving_capacity;
		app->leaving = realloc(app->leaving, app->leaving_capacity * sizeof(*app->leaving));
		/* Bounded by the requests under way; without it a user could come back half deleted. */
		check(app->leaving != NULL);
	}
	app->leaving[app->leaving_count++] = user;
}

void join_unbar(struct app *app, struct user_id user)
{
	for (uint32_t i = 0; i < app->leaving_count; i++) {
		if (!user_id_equal(app->leaving[i], user))
			continue;
		app->leaving[i] = app->leaving[--app->leaving_count];
		return;
	}
	check(!"a bar that is lifted was there");
}

void join_logout(struct app *app, struct user_id user)
{
	for (struct join *join = app->joins; join != NULL; join = join->next)
		join->is_logged_out |= user_id_equal(join->user, user);
}

void join_gone(struct join *join)
{
	check_object(join, JOIN_MAGIC);
	join->conn_gone = true;
}
