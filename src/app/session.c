/*
 * Owns: WebSocket sessions: from the upgrade request over the home core and the store to the
 *   engine's join, then every message both ways, until the end.
 * Invariant: a session is in the engine exactly while its slot is_open; a join that waits for the
 *   store outlives its connection; friendship changes that arrive meanwhile are applied after it.
 * Thread: the core's.
 * Does not know: how messages are written (proto), what they do (engine), frames (net).
 *
 * Order of a join: the store reads the friend list at some moment; changes that become durable later
 * reach this core as control messages later than that, so either before the answer (then they are
 * kept with the join and applied after it) or after (then the session is there). A change that the
 * list has already is applied twice, which does nothing. The same goes for names.
 */
#include "app/app_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Frames sent in one turn at most; the rest follows in the next. */
#define FLUSH_FRAMES_MAX 4096u
/* Sessions whose token is looked at in one tick: a million in ten seconds. */
#define EXPIRY_SLOTS 1024u
/* Sessions told to reconnect in one tick at most: a million in ten seconds. */
#define DRAIN_SLOTS 1024u
/* Bytes of one entry in JSON at most, see ENCODED_BYTES_MAX. */
#define ENTRY_BYTES_MAX (6 * NAME_BYTES_MAX + 160)

struct kept_change {
	struct kept_change *next;
	struct event event;
	char name[NAME_BYTES_MAX];
};

/* A session on its way: the baggage of a hand-over, then what waits for the store. */
struct join {
	uint32_t magic;
	struct app *app; /* of the home core, once it is there */
	struct join *next, *previous;
	struct conn_id conn;
	bool conn_gone;
	bool is_logged_out; /* the user was deleted while this waited for the store */
	bool has_protocol; /* the client offered ours by name */
	int64_t expires_s;
	uint64_t began_us;
	struct user_id user;
	struct store_request request;
	uint32_t rename_from;	     /* in app->renames: those from here on came after the question */
	struct kept_change *changes; /* in order of arrival */
	struct kept_change **changes_end;
};

enum { JOIN_MAGIC = 0x6a6f696e };

_Static_assert(USER_SESSIONS_MAX == 64, "the refusal of enter() names it");
#define SUBPROTOCOL "nearby.v1.json"

/* ---- asking in -------------------------------------------------------------------------------- */

/* Whether a comma-separated list holds `name`. */
static bool list_has(struct net_text list, const char *name)
{
	size_t length = strlen(name);
	const char *at = list.bytes, *end = list.bytes + list.length;
	while (at < end) {
		while (at < end && (*at == ' ' || *at == ',' || *at == '\t'))
			at++;
		const char *start = at;
		while (at < end && *at != ',' && *at != ' ' && *at != '\t')
			at++;
		if ((size_t)(at - start) == length && memcmp(start, name, length) == 0)
			return true;
	}
	return false;
}

/* NULL, or why this request cannot become a session, with the status to answer. */
static const char *refusal(const struct app *app, const struct net_request *request, unsigned *status)
{
	if (!request->is_upgrade) {
		*status = 426;
		return "this address speaks WebSocket: GET with Upgrade: websocket and version 13";
	}
	if (request->subprotocols.length > 0 && !list_has(request->subprotocols, SUBPROTOCOL)) {
		*status = 400;
		return "offer the subprotocol " SUBPROTOCOL ", or none";
	}
	*status = 503;
	if (atomic_load_explicit(&app->shared->draining, memory_order_relaxed))
		return "the server drains: come back later";
	return NULL;
}

void session_request(struct exchange *exchange, const struct net_request *request)
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
	join->user = exchange->user;
	join->expires_s = exchange->expires_s;
	join->has_protocol = request->subprotocols.length > 0;
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
	join->magic = 0;
	free(join);
}

void session_handover_failed(void *context, void *baggage)
{
	struct app *app = context;
	struct join *join = baggage;
	check_object(join, JOIN_MAGIC);
	counter_add(&app->counters.app[APP_COUNTER_REFUSED_FULL], 1);
	join_free(join);
}

void session_note_name(struct app *app, const struct store_user *user)
{
	if (app->join_count == 0)
		return;
	if (app->rename_count == app->rename_capacity) {
		app->rename_capacity = app->rename_capacity == 0 ? 64 : 2 * app->rename_capacity;
		app->renames = realloc(app->renames, app->rename_capacity * sizeof(*app->renames));
		/* Bounded by what the store changes while it answers the joins before. */
		check(app->renames != NULL);
	}
	app->renames[app->rename_count++] = *user;
}

static void apply_renames(struct app *app, uint32_t from)
{
	struct event event = { .type = EVENT_RENAME, .now_us = boot_us() };
	struct engine_out out;
	for (uint32_t i = from; i < app->rename_count; i++) {
		const struct store_user *user = &app->renames[i];
		event.rename = (struct friend_info){ user->user, user->profile.name, user->profile.name_length };
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

void session_close_joins(struct app *app)
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
	is_full = { APP_COUNTER_REFUSED_FULL, 503, "the server holds as many sessions as it can (sessions-max)" },
	is_draining = { APP_COUNTER_REFUSED_DRAIN, 503, "the server drains: come back later" },
	is_deleted = { APP_COUNTER_REFUSED_USER, 409, "the user was deleted just now" },
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

static void give_place(struct app *app)
{
	atomic_fetch_sub_explicit(&app->shared->session_count, 1, memory_order_relaxed);
}

void session_adopted(void *context, struct conn_id conn, void *baggage)
{
	struct app *app = context;
	struct join *join = baggage;
	check_object(join, JOIN_MAGIC);
	if (!take_place(app)) {
		refuse(app, conn, &is_full);
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
		app->rename_count = 0;
	join->rename_from = app->rename_count;
	net_set_cookie(app->net, conn, cookie_of_pointer(COOKIE_JOIN, join));
	join->request = (struct store_request){
		.op = STORE_LOAD,
		.user = join->user,
		.context = (void *)(uintptr_t)cookie_of_pointer(COOKIE_JOIN, join),
	};
	app_submit(app, &join->request);
}

bool session_join_keep(struct app *app, const struct event *event)
{
	bool is_kept = false;
	for (struct join *join = app->joins; join != NULL; join = join->next) {
		if (!user_id_equal(join->user, event->friendship.user))
			continue;
		struct kept_change *change = malloc(sizeof(*change));
		check(change != NULL);
		change->next = NULL;
		change->event = *event;
		uint32_t length = event->friendship.with.name_length;
		memcpy(change->name, event->friendship.with.name, length);
		change->event.friendship.with.name = change->name;
		*join->changes_end = change;
		join->changes_end = &change->next;
		is_kept = true;
	}
	/* Another device of the user may be in already, and hears of it now; the kept copy then does
	 * nothing new. */
	return is_kept && engine_session_count(app->engine, event->friendship.user) == 0;
}

/* ---- joining ---------------------------------------------------------------------------------- */

static int join_engine(struct join *join, struct session_id *id)
{
	struct app *app = join->app;
	const struct store_request *answer = &join->request;
	struct friend_info *friends = malloc((answer->friend_count + 1) * sizeof(*friends));
	if (friends == NULL)
		return -ENOSPC;
	for (uint32_t i = 0; i < answer->friend_count; i++)
		friends[i] = (struct friend_info){ answer->friends[i].user,
						   answer->names + answer->friends[i].name_offset,
						   answer->friends[i].name_length };
	struct event event = { .type = EVENT_JOIN,
			       .now_us = boot_us(),
			       .wall_ms = wall_ms(),
			       .join = { join->user, friends, answer->friend_count } };
	struct engine_out out;
	int error = engine_step(app->engine, &event, &out);
	*id = out.joined;
	free(friends);
	for (struct kept_change *change = join->changes; change != NULL && error == 0; change = change->next) {
		change->event.now_us = event.now_us;
		engine_step(app->engine, &change->event, &out);
	}
	if (error == 0)
		apply_renames(app, join->rename_from);
	return error;
}

static void welcome(struct app *app, struct session *session, const struct store_profile *profile)
{
	struct server_msg msg = { .type = SERVER_WELCOME,
				  .welcome = { .user = session->user,
					       .name = profile->name,
					       .name_length = profile->name_length,
					       .radius_mm = (uint64_t)(app->config->radius_m * 1000.0 + 0.5),
					       .ttl_s = app->config->ttl_s,
					       .update_s = app->config->update_s,
					       .ts_ms = wall_ms() } };
	session_send(app, session, &msg);
}

static void open_session(struct app *app, struct join *join, struct session_id id)
{
	struct session *session = &app->sessions[id.slot];
	check(!session->is_open);
	*session = (struct session){ .id = id,
				     .conn = join->conn,
				     .is_open = true,
				     .user = join->user,
				     .expires_s = join->expires_s };
	app->session_count++;
	net_set_cookie(app->net, join->conn, ((uint64_t)id.slot << 2) | COOKIE_SESSION);
	net_upgrade(app->net, join->conn, join->has_protocol ? SUBPROTOCOL : NULL);
	histogram_add(&app->counters.app[APP_COUNTER_JOIN_SECONDS], boot_us() - join->began_us);
	welcome(app, session, &join->request.profile);
}

/* Into the engine, once the store has answered. NULL, or why not. */
static const struct reason *enter(struct join *join, struct session_id *id)
{
	if (atomic_load_explicit(&join->app->shared->draining, memory_order_relaxed))
		return &is_draining;
	if (join->is_logged_out)
		return &is_deleted;
	if (join->request.status != 0)
		return &has_no_store;
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

void session_loaded(struct app *app, struct store_request *request)
{
	struct join *join = COOKIE_POINTER((uintptr_t)request->context);
	check_object(join, JOIN_MAGIC);
	join_unlink(join);
	if (join->conn_gone) {
		give_place(app);
		join_free(join);
		return;
	}
	net_set_cookie(app->net, join->conn, 0);
	struct session_id id;
	const struct reason *reason = enter(join, &id);
	if (reason == NULL) {
		open_session(app, join, id);
	} else {
		give_place(app);
		refuse(app, join->conn, reason);
	}
	join_free(join);
}

/* The handshake lasts until the welcome: who waited for the store too long is told so. The join stays
 * until the store gives back its request. */
static void expire_joins(struct app *app, uint64_t now_us)
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

/* ---- leaving ---------------------------------------------------------------------------------- */

static void close_session(struct app *app, struct session *session)
{
	check(session->is_open);
	struct event event = { .type = EVENT_LEAVE, .now_us = boot_us(), .session = session->id };
	struct engine_out out;
	check(engine_step(app->engine, &event, &out) == 0);
	session->is_open = false;
	app->session_count--;
	give_place(app);
}

void session_shut(struct app *app, struct session *session, unsigned code, const char *text,
		  enum close_reason reason)
{
	close_session(app, session);
	net_set_cookie(app->net, session->conn, 0);
	net_shut(app->net, session->conn, code, text, reason);
}

void session_logout(struct app *app, struct user_id user)
{
	for (struct join *join = app->joins; join != NULL; join = join->next)
		join->is_logged_out |= user_id_equal(join->user, user);
	struct session_id ids[16];
	uint32_t count;
	while ((count = engine_sessions(app->engine, user, ids, ARRAY_COUNT(ids))) > 0)
		for (uint32_t i = 0; i < count; i++)
			session_shut(app, &app->sessions[ids[i].slot], 4401, "the user was deleted", CLOSE_SERVER);
}

void session_gone(struct app *app, uint64_t cookie)
{
	if (COOKIE_KIND(cookie) == COOKIE_JOIN) {
		struct join *join = COOKIE_POINTER(cookie);
		check_object(join, JOIN_MAGIC);
		join->conn_gone = true;
		return;
	}
	close_session(app, &app->sessions[COOKIE_SLOT(cookie)]);
}

/* ---- sending ---------------------------------------------------------------------------------- */

static size_t msg_bytes_max(const struct server_msg *msg)
{
	switch (msg->type) {
	case SERVER_NEARBY:
		return 256 + (size_t)msg->nearby.count * ENTRY_BYTES_MAX;
	case SERVER_UPDATE:
		return 256 + (size_t)msg->update.count * ENTRY_BYTES_MAX;
	case SERVER_GONE:
		return 256 + (size_t)msg->gone.count * 64;
	default:
		return 1024;
	}
}

static void set_paused(struct app *app, struct session *session, bool is_paused)
{
	if (session->is_paused == is_paused)
		return;
	session->is_paused = is_paused;
	struct event event = { .type = is_paused ? EVENT_PAUSE : EVENT_RESUME,
			       .now_us = boot_us(),
			       .session = session->id };
	struct engine_out out;
	check(engine_step(app->engine, &event, &out) == 0);
}

bool session_send(struct app *app, struct session *session, const struct server_msg *msg)
{
	struct writer *writer = net_frame_begin(app->net, session->conn, msg_bytes_max(msg));
	if (writer == NULL) {
		/* It asks faster than it reads: what is pushed waits in the engine, answers cannot. */
		counter_add(&app->counters.app[APP_COUNTER_FRAMES_REFUSED], 1);
		session_shut(app, session, 1008, "answers are not being read", CLOSE_POLICY);
		return false;
	}
	json_encode(writer, msg);
	check(!writer->overflow);
	net_frame_commit(app->net, session->conn);
	return true;
}

void session_writable(struct app *app, struct session *session)
{
	set_paused(app, session, false);
}

static void note_push_times(struct app *app, const struct server_msg *msg, uint64_t now_us)
{
	if (msg->type != SERVER_UPDATE)
		return;
	for (uint32_t i = 0; i < msg->update.count; i++)
		if (msg->update.entries[i].is_move)
			histogram_add(&app->counters.app[APP_COUNTER_PUSH_SECONDS],
				      elapsed_us(msg->update.entries[i].receipt_us, now_us));
}

void session_flush(struct app *app)
{
	uint64_t now_us = boot_us();
	for (uint32_t frames = 0; frames < FLUSH_FRAMES_MAX; frames++) {
		struct session_id id;
		struct server_msg msg;
		if (!engine_flush(app->engine, now_us, app->interval_us, &id, &msg))
			return;
		struct session *session = &app->sessions[id.slot];
		check(session->is_open);
		note_push_times(app, &msg, now_us);
		if (session_send(app, session, &msg) && !net_send_room(app->net, session->conn))
			set_paused(app, session, true);
	}
}

/* ---- what clients say ------------------------------------------------------------------------- */

static void answer_error(struct app *app, struct session *session, enum error_code code, const char *text)
{
	counter_add(&app->counters.app[APP_COUNTER_CLIENT_ERRORS], 1);
	uint64_t now_us = boot_us();
	if (session->errors == 0 || now_us - session->error_window_us > ERROR_WINDOW_US) {
		session->errors = 0;
		session->error_window_us = now_us;
	}
	struct server_msg msg = { .type = SERVER_ERROR, .error = { code, text } };
	if (!session_send(app, session, &msg))
		return;
	if (++session->errors > ERRORS_MAX)
		session_shut(app, session, 1008, "more than 20 errors in a minute", CLOSE_POLICY);
}

/* One event of this session through the engine, with what it answers. */
static void step(struct app *app, struct session *session, struct event *event)
{
	struct engine_out out;
	event->now_us = boot_us();
	check(engine_step(app->engine, event, &out) == 0);
	if (out.has_record &&
	    !store_append(app->shared->store, app->core, out.record_user, &out.record))
		counter_add(&app->counters.store[STORE_WORD_HISTORY_DROPPED], 1);
	if (!out.has_answer)
		return;
	if (out.answer.type == SERVER_ERROR)
		answer_error(app, session, out.answer.error.code, out.answer.error.message);
	else
		session_send(app, session, &out.answer);
}

static void renew_token(struct app *app, struct session *session, const char *text, size_t length)
{
	struct token token;
	enum token_verdict verdict = token_verify(app->key, app->reader, text, length, wall_ms() / 1000,
						  app->config->token_audience, &token);
	if (verdict != TOKEN_GOOD)
		answer_error(app, session, ERROR_BAD_TOKEN, token_verdict_help(verdict));
	else if (!user_id_equal(token.user, session->user))
		answer_error(app, session, ERROR_BAD_TOKEN, "the token is another user's");
	else
		session->expires_s = token.expiry_s;
}

static void handle(struct app *app, struct session *session, const struct client_msg *msg)
{
	struct event event = { 0 };
	switch (msg->type) {
	case CLIENT_LOCATION:
		event.type = EVENT_LOCATION;
		event.wall_ms = wall_ms();
		event.location.session = session->id;
		event.location.place = msg->location.place;
		event.location.ts_ms = msg->location.has_ts ? msg->location.ts_ms : event.wall_ms;
		break;
	case CLIENT_NEARBY:
		event.type = EVENT_NEARBY;
		event.nearby.session = session->id;
		event.nearby.limit = msg->nearby.limit;
		event.nearby.has_cursor = msg->nearby.has_cursor;
		event.nearby.cursor = msg->nearby.cursor;
		break;
	case CLIENT_SUBSCRIBE:
	case CLIENT_UNSUBSCRIBE:
		event.type = msg->type == CLIENT_SUBSCRIBE ? EVENT_SUBSCRIBE : EVENT_UNSUBSCRIBE;
		event.subscribe.session = session->id;
		event.subscribe.user = msg->user;
		break;
	case CLIENT_TOKEN:
		renew_token(app, session, msg->token.text, msg->token.length);
		return;
	case CLIENT_SHARING:
	case CLIENT_STRANGERS:
		answer_error(app, session, ERROR_NOT_YET, "this server does not offer sharing modes and strangers yet");
		return;
	}
	step(app, session, &event);
}

/* Whether one more message is within messages-per-s; then it is counted. */
static bool is_in_time(const struct app *app, struct session *session)
{
	uint64_t rate = app->config->messages_per_s, now_us = boot_us();
	if (rate == 0)
		return true;
	if (session->messages_until_us + MESSAGES_BURST_US < now_us)
		session->messages_until_us = now_us - MESSAGES_BURST_US;
	if (session->messages_until_us > now_us)
		return false;
	session->messages_until_us += 1000000u / rate;
	return true;
}

void session_message(struct app *app, struct session *session, const void *text, size_t length)
{
	check(session->is_open);
	struct client_msg msg;
	struct decode_error error;
	if (!is_in_time(app, session))
		answer_error(app, session, ERROR_TOO_FAST, "more messages than this server hears from one session");
	else if (json_decode(app->decoder, text, length, &msg, &error))
		handle(app, session, &msg);
	else
		answer_error(app, session, error.code, error.message);
}

/* ---- time ------------------------------------------------------------------------------------- */

static void expire_tokens(struct app *app)
{
	int64_t now_s = wall_ms() / 1000;
	uint32_t slots = app->sessions_max < EXPIRY_SLOTS ? app->sessions_max : EXPIRY_SLOTS;
	for (uint32_t i = 0; i < slots; i++) {
		struct session *session = &app->sessions[app->sweep_slot];
		app->sweep_slot = (app->sweep_slot + 1) % app->sessions_max;
		if (session->is_open && session->expires_s <= now_s)
			session_shut(app, session, 4401, "the token expired", CLOSE_TOKEN_EXPIRED);
	}
}

static void send_away(struct app *app, struct session *session)
{
	/* A second or so apart, so that those who come back do not come at once. */
	uint64_t spread = hash_u64(session->user.value ^ app->drain_began_us) % 2000;
	struct server_msg msg = { .type = SERVER_RECONNECT, .reconnect = { 200 + spread } };
	counter_add(&app->counters.app[APP_COUNTER_DRAINED_SESSIONS], 1);
	if (session_send(app, session, &msg))
		session_shut(app, session, 1012, "the server restarts: reconnect", CLOSE_DRAINED);
}

static void drain_begin(struct app *app, uint64_t now_us)
{
	app->drain_began_us = now_us;
	net_listen_stop(app->net, LISTENER_PUBLIC);
	/* Nobody joins any more, so slots above the last one in use stay empty. */
	app->drain_end_slot = app->sessions_max;
	while (app->drain_end_slot > 0 && !app->sessions[app->drain_end_slot - 1].is_open)
		app->drain_end_slot--;
}

/* Sessions are told in order of their slots, evenly over drain-time, the first at once. */
static void drain(struct app *app, uint64_t now_us)
{
	if (app->drain_began_us == 0)
		drain_begin(app, now_us);
	uint64_t whole_us = (uint64_t)app->config->drain_time_s * 1000000u;
	uint64_t spent_us = now_us - app->drain_began_us;
	uint64_t due = spent_us >= whole_us ? app->drain_end_slot
					    : 1 + app->drain_end_slot * spent_us / whole_us;
	if (due > app->drain_end_slot)
		due = app->drain_end_slot;
	if (due > app->drain_slot + DRAIN_SLOTS)
		due = app->drain_slot + DRAIN_SLOTS;
	for (; app->drain_slot < due; app->drain_slot++)
		if (app->sessions[app->drain_slot].is_open)
			send_away(app, &app->sessions[app->drain_slot]);
	/* A WebSocket is open until its close handshake has ended. */
	if (!app->is_drained && app->drain_slot == app->drain_end_slot && app->session_count == 0 &&
	    app->join_count == 0 && counter_get(&app->counters.net[NET_COUNTER_WEBSOCKETS]) == 0) {
		app->is_drained = true;
		atomic_fetch_add_explicit(&app->shared->drained_cores, 1, memory_order_release);
	}
}

void session_tick(struct app *app, uint64_t now_us)
{
	expire_tokens(app);
	expire_joins(app, now_us);
	if (atomic_load_explicit(&app->shared->draining, memory_order_relaxed))
		drain(app, now_us);
}
