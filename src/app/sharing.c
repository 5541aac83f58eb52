/*
 * Owns: see the header.
 * Invariant: see the header. A lapse is in the heap of its sharer's home core exactly while the store has it in
 *   force, but for the time in which a change is on its way.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "app/app_private.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

/* Questions and changes of sessions under way on this core, while a store is stuck; over it they are refused. */
#define ASKS_MAX 4096u
/* Lapses that end in one tick of 10 ms at most. */
#define LAPSES_PER_TICK 1024u
/* Lapses that could not be written are tried again after this. */
#define AGAIN_US 1000000u
/* At most so many: others are found again at the next start, and are over until then all the same. */
#define AGAIN_MAX 1024u

/* A change on its way, of a session or of none. */
struct sharing_ask {
	struct change change;
	struct sharing_ask *next, *previous; /* in app->asks */
	struct session_id session;
	bool is_question;  /* what holds is asked for: the answer is for this session alone */
	uint64_t again_us; /* a lapse that could not be written: when to try again */
};

/* All have as many steps before the store's and behind it: so what one session says takes effect, and is answered,
 * in its order. Other cores are warned before the location goes, or they would tell that it has expired. */
static const enum change_step hide_steps[] = { CHANGE_WARN,  CHANGE_HIDE, CHANGE_STORE,
					       CHANGE_SHARE, CHANGE_TELL, CHANGE_END };
static const enum change_step give_steps[] = { CHANGE_PAUSE, CHANGE_PAUSE, CHANGE_STORE,
					       CHANGE_SHARE, CHANGE_TELL,  CHANGE_END };
static const enum change_step ask_steps[] = { CHANGE_PAUSE, CHANGE_PAUSE, CHANGE_STORE,
					      CHANGE_PAUSE, CHANGE_PAUSE, CHANGE_END };
const enum change_step sharing_failed[] = { CHANGE_STAY, CHANGE_PAUSE, CHANGE_END };
const enum change_step sharing_undo[] = { CHANGE_STORE, CHANGE_SHARE, CHANGE_END };

static bool is_home(const struct app *app, struct user_id user)
{
	return nearby_home_core(user.value, app->shared->cores) == app->core;
}

/* ---- what may be asked ------------------------------------------------------------------------- */

const char *sharing_judge(struct store_request *request)
{
	struct sharing *asked = &request->asked;
	request->now_ms = wall_ms();
	if (asked->mode == SHARING_DEFAULT || asked->mode == SHARING_OFF)
		asked->until_ms = 0;
	return asked->until_ms != 0 && asked->until_ms <= request->now_ms
		       ? "until must be in the future, in milliseconds since 1970"
		       : NULL;
}

const enum change_step *sharing_steps(const struct store_request *request)
{
	return request->asked.mode == SHARING_OFF ? hide_steps : give_steps;
}

bool sharing_is_undone(const struct store_request *request)
{
	return request->op == STORE_SHARING_PUT && request->status == -EDQUOT && request->asked.mode == SHARING_OFF;
}

/* ---- changes on their way ----------------------------------------------------------------------- */

static struct sharing_ask *ask_begin(struct app *app)
{
	struct sharing_ask *ask = calloc(1, sizeof(*ask));
	if (ask == NULL)
		return NULL;
	ask->next = app->asks;
	if (app->asks != NULL)
		app->asks->previous = ask;
	app->asks = ask;
	app->ask_count++;
	return ask;
}

static void ask_end(struct app *app, struct sharing_ask *ask)
{
	if (ask->previous != NULL)
		ask->previous->next = ask->next;
	else
		app->asks = ask->next;
	if (ask->next != NULL)
		ask->next->previous = ask->previous;
	app->ask_count--;
	store_request_fini(&ask->change.request);
	free(ask);
}

static void ask_submit(struct app *app, struct sharing_ask *ask, const enum change_step *steps,
		       void (*done)(struct app *, struct change *))
{
	ask->change.steps = steps;
	ask->change.otherwise = sharing_failed;
	ask->change.done = done;
	ask->change.context = ask;
	change_submit(app, &ask->change);
}

/* The session that asked, if it is still there. */
static struct session *ask_session(struct app *app, const struct sharing_ask *ask)
{
	struct session *session = &app->sessions[ask->session.slot];
	return session->is_open && session->id.generation == ask->session.generation ? session : NULL;
}

/* ---- what sessions are told ---------------------------------------------------------------------- */

static struct server_msg state_of(const struct store_request *request)
{
	uint32_t count = request->exception_count;
	return (struct server_msg){ .type = SERVER_SHARING,
				    .sharing = { .sharing = request->sharing,
						 .exceptions = request->exceptions,
						 .count = count < SHARING_EXCEPTIONS_MAX ? count
											 : SHARING_EXCEPTIONS_MAX } };
}

void sharing_tell(struct app *app, const struct store_request *request)
{
	if (!is_home(app, request->user))
		return;
	struct session_id ids[USER_SESSIONS_MAX];
	uint32_t count = engine_sessions(app->engine, request->user, ids, ARRAY_COUNT(ids));
	struct server_msg msg = state_of(request);
	for (uint32_t i = 0; i < count; i++) {
		struct session *session = &app->sessions[ids[i].slot];
		if (session->is_paused || !net_send_room(app->net, session->conn))
			session->has_missed_sharing = true;
		else
			session_send(app, session, &msg);
	}
}

/* ---- what sessions say --------------------------------------------------------------------------- */

static void answer_failure(struct app *app, struct session *session, int status)
{
	if (status == -ENOENT)
		session_error(app, session, ERROR_NOT_FRIEND, "what one user sees can be said of a friend only");
	else if (status == -EDQUOT)
		session_error(app, session, ERROR_FULL, "there are as many friends as may be shown something of their own");
	else
		session_error(app, session, ERROR_UNAVAILABLE, "the user database failed: nothing new is shown");
}

static void undone(struct app *app, struct change *change)
{
	ask_end(app, change->context);
}

static void ask_done(struct app *app, struct change *change)
{
	struct sharing_ask *ask = change->context;
	struct store_request *request = &change->request;
	struct session *session = ask_session(app, ask);
	if (session != NULL && request->status != 0) {
		answer_failure(app, session, request->status);
	} else if (session != NULL && ask->is_question) {
		struct server_msg msg = state_of(request);
		session_send(app, session, &msg);
	}
	if (sharing_is_undone(request)) {
		request->op = STORE_SHARING_GET;
		ask_submit(app, ask, sharing_undo, undone);
	} else {
		ask_end(app, ask);
	}
}

static struct sharing_ask *ask_of(struct app *app, const struct session *session)
{
	struct sharing_ask *ask = app->ask_count < ASKS_MAX ? ask_begin(app) : NULL;
	if (ask == NULL)
		return NULL;
	ask->session = session->id;
	ask->change.request.user = session->user;
	ask->change.request.now_ms = wall_ms();
	return ask;
}

/* As a change, so that it is answered after those before it. */
static void ask_state(struct app *app, struct sharing_ask *ask)
{
	ask->is_question = true;
	ask->change.request.op = STORE_SHARING_GET;
	ask_submit(app, ask, ask_steps, ask_done);
}

static void ask_change(struct app *app, struct session *session, struct sharing_ask *ask,
		       const struct client_msg *msg)
{
	struct store_request *request = &ask->change.request;
	request->op = STORE_SHARING_PUT;
	request->has_other = msg->sharing.has_user;
	request->other = msg->sharing.user;
	request->asked = msg->sharing.sharing;
	const char *why = sharing_judge(request);
	if (why == NULL) {
		ask_submit(app, ask, sharing_steps(request), ask_done);
	} else {
		ask_end(app, ask);
		session_error(app, session, ERROR_BAD_FIELD, why);
	}
}

void sharing_say(struct app *app, struct session *session, const struct client_msg *msg)
{
	struct sharing_ask *ask = ask_of(app, session);
	if (ask == NULL)
		session_error(app, session, ERROR_UNAVAILABLE, "the user database does not answer: try again");
	else if (msg->sharing.has_mode)
		ask_change(app, session, ask, msg);
	else
		ask_state(app, ask);
}

void sharing_catch_up(struct app *app, struct session *session)
{
	if (!session->has_missed_sharing)
		return;
	struct sharing_ask *ask = ask_of(app, session);
	if (ask == NULL)
		return;
	session->has_missed_sharing = false;
	ask_state(app, ask);
}

/* ---- this core's part of a change ------------------------------------------------------------------ */

static void hear_default(struct app *app, struct user_id user, enum sharing_mode mode, bool is_shown)
{
	struct event event = {
		.type = EVENT_SHARING,
		.now_us = boot_us(),
		.sharing = { .user = user, .mode = mode, .is_shown = is_shown },
	};
	struct engine_out out;
	engine_step(app->engine, &event, &out);
	join_note(app, &event);
}

/* Where the viewer lives. */
static void hear_exception(struct app *app, struct user_id sharer, struct user_id viewer, enum sharing_mode mode)
{
	api_nearby_outdate(app, viewer);
	if (!is_home(app, viewer))
		return;
	struct event event = {
		.type = EVENT_EXCEPTION,
		.now_us = boot_us(),
		.exception = { .sharer = sharer, .viewer = viewer, .mode = mode },
	};
	hear_event(app, viewer, &event);
}

void sharing_warn(struct app *app, const struct store_request *request)
{
	if (!request->has_other && !is_home(app, request->user))
		hear_default(app, request->user, SHARING_OFF, false);
}

void sharing_hide(struct app *app, const struct store_request *request)
{
	if (request->has_other)
		hear_exception(app, request->user, request->other, SHARING_OFF);
	else if (is_home(app, request->user))
		hear_default(app, request->user, SHARING_OFF, false);
}

void sharing_stay(struct app *app, const struct store_request *request)
{
	bool is_unwritten = request->status != -ENOENT && !request->has_other && request->asked.mode == SHARING_OFF;
	if (is_unwritten && is_home(app, request->user))
		bars_set(app->hidden, request->user, BARS_ALTOGETHER);
}

/* What the viewer is shown of its own; DEFAULT when nothing is. */
static struct sharing exception_for(const struct store_request *request, struct user_id viewer)
{
	for (uint32_t i = 0; i < request->exception_count; i++)
		if (user_id_equal(request->exceptions[i].user, viewer))
			return request->exceptions[i].sharing;
	return (struct sharing){ .mode = SHARING_DEFAULT };
}

static void set_lapse(struct app *app, struct user_id sharer, const struct user_id *viewer, int64_t until_ms)
{
	struct lapse lapse = { .sharer = sharer, .has_viewer = viewer != NULL, .until_ms = until_ms };
	if (viewer != NULL)
		lapse.viewer = *viewer;
	if (is_home(app, sharer))
		lapses_set(app->lapses, &lapse);
}

static void hear_one(struct app *app, const struct store_request *request, struct user_id viewer)
{
	struct sharing sharing = exception_for(request, viewer);
	hear_exception(app, request->user, viewer, sharing.mode);
	set_lapse(app, request->user, &viewer, sharing.until_ms);
}

void sharing_hear(struct app *app, const struct store_request *request)
{
	if (!request->has_other)
		bars_set(app->hidden, request->user, 0);
	if (bars_get(app->hidden, request->user) != 0)
		hear_default(app, request->user, SHARING_OFF, false);
	else
		hear_default(app, request->user, request->sharing.mode, app_is_shown(request));
	set_lapse(app, request->user, NULL, request->sharing.until_ms);
	for (uint32_t i = 0; i < request->exception_count; i++)
		hear_one(app, request, request->exceptions[i].user);
	/* Those that were, and may be no more. */
	for (uint32_t i = 0; i < request->ended_count; i++)
		hear_one(app, request, request->ended[i].user);
	if (request->has_other)
		hear_one(app, request, request->other);
}

void sharing_unfriend(struct app *app, struct user_id a, struct user_id b)
{
	set_lapse(app, a, &b, 0);
	set_lapse(app, b, &a, 0);
}

static void reviewed(struct app *app, struct change *change)
{
	ask_end(app, change->context);
}

void sharing_review(struct app *app, struct user_id user, struct user_id former)
{
	if (!is_home(app, user) || !engine_is_excepted(app->engine, user) || app->ask_count >= ASKS_MAX)
		return;
	struct sharing_ask *ask = ask_begin(app);
	if (ask == NULL)
		return;
	ask->change.request.op = STORE_SHARING_GET;
	ask->change.request.user = user;
	ask->change.request.has_other = true;
	ask->change.request.other = former;
	ask->change.request.now_ms = wall_ms();
	ask_submit(app, ask, sharing_undo, reviewed);
}

void sharing_forget(struct app *app, struct user_id user)
{
	set_lapse(app, user, NULL, 0);
	bars_set(app->hidden, user, 0);
}

/* ---- what ends by itself ----------------------------------------------------------------------------- */

static void lapse_written(struct app *app, struct change *change)
{
	struct sharing_ask *ask = change->context;
	int status = change->request.status;
	bool is_failed = status != 0 && status != -ENOENT && status != -ECANCELED;
	if (!is_failed || app->again_count == AGAIN_MAX) {
		ask_end(app, ask);
		return;
	}
	app->again_count++;
	ask->again_us = boot_us() + AGAIN_US;
}

/* Hidden at once; then it is written. */
static void end_lapse(struct app *app, const struct lapse *lapse, int64_t now_ms)
{
	struct sharing_ask *ask = ask_begin(app);
	/* Without it something would stay shown for longer than its user said. */
	check(ask != NULL);
	struct store_request *request = &ask->change.request;
	request->op = STORE_SHARING_LAPSE;
	request->user = lapse->sharer;
	request->has_other = lapse->has_viewer;
	request->other = lapse->viewer;
	request->asked.mode = SHARING_OFF;
	request->now_ms = now_ms;
	counter_add(&app->counters.app[APP_COUNTER_SHARING_LAPSES], 1);
	ask_submit(app, ask, hide_steps, lapse_written);
}

static void write_again(struct app *app, uint64_t now_us)
{
	struct sharing_ask *next;
	for (struct sharing_ask *ask = app->again_count > 0 ? app->asks : NULL; ask != NULL; ask = next) {
		next = ask->next;
		if (ask->again_us == 0 || ask->again_us > now_us)
			continue;
		app->again_count--;
		ask->again_us = 0;
		ask_submit(app, ask, give_steps, lapse_written);
	}
}

void sharing_tick(struct app *app, uint64_t now_us)
{
	int64_t now_ms = wall_ms();
	struct lapse lapse;
	for (uint32_t i = 0; i < LAPSES_PER_TICK && lapses_take(app->lapses, now_ms, &lapse); i++)
		end_lapse(app, &lapse, now_ms);
	write_again(app, now_us);
}

int sharing_open(struct app *app)
{
	int error = lapses_open(&app->lapses);
	for (uint32_t i = 0; error == 0 && i < app->shared->lapse_count; i++) {
		const struct store_lapse *lapse = &app->shared->lapses[i];
		set_lapse(app, lapse->sharer, lapse->has_viewer ? &lapse->viewer : NULL, lapse->sharing.until_ms);
	}
	return error;
}

void sharing_close(struct app *app)
{
	while (app->asks != NULL)
		ask_end(app, app->asks);
	lapses_close(&app->lapses);
}
