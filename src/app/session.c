/*
 * Owns: WebSocket sessions: from the welcome on every message both ways, until the end.
 * Invariant: a session is in the engine exactly while its slot is_open.
 * Thread: the core's.
 * Does not know: how messages are written (proto), what they do (engine), frames (net).
 */
#include "app/app_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Frames sent in one turn; the rest follows in the next, at once. So few buffers are in use that they stay
 * in the cache. */
#define FLUSH_FRAMES 64u
/* Where a turn takes longer than this, with a million sessions or in a storm, so few would never catch up
 * with what comes: then sending gets as much time as a turn has, up to a bound. */
#define FLUSH_LONG_TURN_US 1000u
#define FLUSH_US_MAX 4000u
/* Who comes next, and who may come after it. */
#define FLUSH_AHEAD 5u
/* Every token is looked at once in so many ticks, a second; with more sessions than that takes, so many a tick: a
 * million in ten seconds. */
#define EXPIRY_TICKS (1000000u / TICK_US)
#define EXPIRY_SLOTS 1024u
/* Sessions told to reconnect in one tick at most: a million in ten seconds. */
#define DRAIN_SLOTS 1024u

/* ---- opening ---------------------------------------------------------------------------------- */

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

void session_begin(struct app *app, const struct session *fresh, const struct store_profile *profile)
{
	struct session *session = &app->sessions[fresh->id.slot];
	check(!session->is_open);
	*session = *fresh;
	session->is_open = true;
	app->session_count++;
	net_set_cookie(app->net, session->conn, ((uint64_t)session->id.slot << COOKIE_BITS) | COOKIE_SESSION);
	welcome(app, session, profile);
}

/* ---- leaving ---------------------------------------------------------------------------------- */

static void close_session(struct app *app, struct session *session)
{
	check(session->is_open);
	struct event event = { .type = EVENT_LEAVE, .now_us = boot_us(), .session = session->id };
	struct engine_out out;
	check(engine_step(app->engine, &event, &out) == 0);
	news_free(session);
	session->is_open = false;
	app->session_count--;
	join_give_place(app);
}

void session_shut(struct app *app, struct session *session, unsigned code, const char *text,
		  enum close_reason reason)
{
	close_session(app, session);
	net_set_cookie(app->net, session->conn, 0);
	net_shut(app->net, session->conn, code, text, reason);
}

static void log_out(struct app *app, struct session *session, const char *why)
{
	counter_add(&app->counters.app[APP_COUNTER_SESSIONS_REVOKED], 1);
	session_shut(app, session, 4401, why, CLOSE_SERVER);
}

void session_logout(struct app *app, struct user_id user)
{
	join_logout(app, user);
	struct session_id ids[USER_SESSIONS_MAX];
	uint32_t count = engine_sessions(app->engine, user, ids, ARRAY_COUNT(ids));
	for (uint32_t i = 0; i < count; i++)
		log_out(app, &app->sessions[ids[i].slot], "the user was logged out");
}

void session_revoke(struct app *app, struct user_id user)
{
	/* Those that wait for the store are judged when it has answered. */
	struct session_id ids[USER_SESSIONS_MAX];
	uint32_t count = engine_sessions(app->engine, user, ids, ARRAY_COUNT(ids));
	for (uint32_t i = 0; i < count; i++) {
		struct session *session = &app->sessions[ids[i].slot];
		if (bars_judge(app->bars, user, session->issued_s) != TOKEN_GOOD)
			log_out(app, session, "the token was revoked");
	}
}

void session_gone(struct app *app, struct session *session)
{
	close_session(app, session);
}

/* ---- sending ---------------------------------------------------------------------------------- */

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
	const struct codec *codec = &codecs[session->codec];
	size_t most = measure_message(codec->measure, msg);
	struct writer *writer = net_frame_begin(app->net, session->conn, most);
	if (writer == NULL) {
		/* It asks faster than it reads: what is pushed waits in the engine, answers cannot. */
		counter_add(&app->counters.app[APP_COUNTER_FRAMES_REFUSED], 1);
		session_shut(app, session, 1008, "answers are not being read", CLOSE_POLICY);
		return false;
	}
	codec->encode(writer, msg);
	check(!writer->overflow);
	if (codec->is_binary)
		net_frame_commit_binary(app->net, session->conn);
	else
		net_frame_commit(app->net, session->conn);
	return true;
}

void session_writable(struct app *app, struct session *session)
{
	if (!news_go_on(app, session))
		return;
	set_paused(app, session, false);
	sharing_catch_up(app, session);
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

/* How long a turn may send beyond FLUSH_FRAMES. */
static uint64_t flush_us(const struct app *app)
{
	uint64_t turn_us = app->interval.turn_us;
	if (turn_us < FLUSH_LONG_TURN_US)
		return 0;
	return turn_us < FLUSH_US_MAX ? turn_us : FLUSH_US_MAX;
}

/* Asks for what the next frames will need: of those who come soon their records, and of the next, whose
 * record has come by now, its connection. */
static void expect_frames(const struct app *app)
{
	uint32_t slots[FLUSH_AHEAD];
	uint32_t count = engine_next_frames(app->engine, slots, FLUSH_AHEAD);
	if (count > 0)
		net_expect(app->net, app->sessions[slots[0]].conn);
	for (uint32_t i = 1; i < count; i++)
		__builtin_prefetch(&app->sessions[slots[i]]);
}

bool session_flush(struct app *app)
{
	uint64_t now_us = boot_us(), until_us = now_us + flush_us(app);
	for (uint32_t frames = 0; frames < FLUSH_FRAMES || boot_us() < until_us; frames++) {
		struct session_id id;
		struct server_msg msg;
		if (!engine_flush(app->engine, now_us, app->interval.us, &id, &msg))
			return true;
		expect_frames(app);
		struct session *session = &app->sessions[id.slot];
		check(session->is_open);
		note_push_times(app, &msg, now_us);
		if (session_send(app, session, &msg) && !net_send_room(app->net, session->conn))
			set_paused(app, session, true);
	}
	return false;
}

/* ---- what clients say ------------------------------------------------------------------------- */

void session_error(struct app *app, struct session *session, enum error_code code, const char *text)
{
	counter_add(&app->counters.app[APP_COUNTER_CLIENT_ERRORS], 1);
	uint32_t now_s = (uint32_t)(boot_us() / 1000000);
	if (session->errors == 0 || now_s - session->error_window_s > ERROR_WINDOW_S) {
		session->errors = 0;
		session->error_window_s = now_s;
	}
	struct server_msg msg = { .type = SERVER_ERROR, .error = { code, text } };
	if (!session_send(app, session, &msg))
		return;
	if (++session->errors > app->config->errors_per_min)
		session_shut(app, session, 1008, "more errors in a minute than this server takes", CLOSE_POLICY);
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
		session_error(app, session, out.answer.error.code, out.answer.error.message);
	else
		session_send(app, session, &out.answer);
}

static void renew_token(struct app *app, struct session *session, const char *text, size_t length)
{
	struct token token;
	enum token_verdict verdict = api_judge(app, text, length, &token);
	if (verdict == TOKEN_GOOD && !token.is_nobody && user_id_equal(token.user, session->user)) {
		session->expires_s = token.expiry_s;
		session->issued_s = token.issued_s;
		return;
	}
	session_error(app, session, ERROR_BAD_TOKEN,
		     verdict == TOKEN_GOOD ? "the token is another user's" : token_verdict_help(verdict));
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
	case CLIENT_STRANGERS:
		event.type = EVENT_STRANGERS;
		event.strangers.session = session->id;
		event.strangers.is_on = msg->strangers_on;
		break;
	case CLIENT_SHARING:
		sharing_say(app, session, msg);
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

void session_message(struct app *app, struct session *session, bool is_binary, const void *bytes, size_t length)
{
	check(session->is_open);
	const struct codec *codec = &codecs[session->codec];
	struct client_msg msg;
	struct decode_error error;
	if (is_binary != codec->is_binary)
		session_shut(app, session, 1003, codec->is_binary ? "nearby.v1.protobuf is spoken in binary messages" : "nearby.v1.json is spoken in text messages", CLOSE_UNSUPPORTED);
	else if (!is_in_time(app, session))
		session_error(app, session, ERROR_TOO_FAST, "more messages than this server hears from one session");
	else if (codec->decode(app->decoder, bytes, length, &msg, &error))
		handle(app, session, &msg);
	else
		session_error(app, session, error.code, error.message);
}

/* ---- time ------------------------------------------------------------------------------------- */

static void expire_tokens(struct app *app)
{
	int64_t now_s = wall_ms() / 1000;
	uint32_t slots = app->sessions_max / EXPIRY_TICKS + 1;
	if (slots > EXPIRY_SLOTS)
		slots = EXPIRY_SLOTS;
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
	if (atomic_load_explicit(&app->shared->draining, memory_order_relaxed))
		drain(app, now_us);
}
