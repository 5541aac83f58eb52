/*
 * Owns: one core's turn between network, engine, store and the other cores.
 * Invariant: what a turn takes in is bounded, so a busy core still ticks and flushes.
 * Thread: the core's.
 * Does not know: what is said in messages and requests (session.c, api.c and others do).
 */
#include "app/app_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/reserve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Records taken from one ring in one turn. */
#define MESH_BATCH 512u
/* After so long a turn handles no further answers of the store: a join of some hundred friends takes up to
 * a millisecond. */
#define STORE_US 2000u
/* While something waits for room in a ring or for the store, look again after this. */
#define RETRY_US 500u

/* ---- opening and closing ---------------------------------------------------------------------- */

/* Hash of users over cores is even, but not exactly: a tenth and 64 more than a core's share. */
static uint32_t share_of_core(uint64_t total, uint32_t cores)
{
	uint64_t share = total / cores + total / cores / 10 + 64;
	if (share > total)
		share = total;
	return share > UINT32_MAX ? UINT32_MAX : (uint32_t)share;
}

/* Friends a user has on average that memory is reserved for; the figure of the design is 400. */
#define FRIENDS_AVERAGE 512u
/* Distinct friends of all sessions, for each session: most friends are offline, but friends of many. A
 * population of ten times the sessions fits. Costs address space, and 8 bytes for its place in a map. */
#define FOLLOWED_AVERAGE 16u

static struct engine_config engine_config_of(const struct app *app)
{
	const struct config *config = app->config;
	uint64_t per_user = config->friends_max < FRIENDS_AVERAGE ? config->friends_max : FRIENDS_AVERAGE;
	uint64_t subscriptions = (uint64_t)app->sessions_max * per_user + 4 * (uint64_t)config->friends_max;
	/* The users that are followed may be more than those who have a location. */
	uint64_t channels = FOLLOWED_AVERAGE * (uint64_t)config->sessions_max;
	if (channels < config->users_max)
		channels = config->users_max;
	if (channels > subscriptions)
		channels = subscriptions;
	channels += 4 * (uint64_t)config->friends_max;
	if (channels > ENGINE_KEYS_MAX)
		channels = ENGINE_KEYS_MAX;
	struct engine_config engine = {
		.core = app->core,
		.cores = app->shared->cores,
		.radius_m = config->radius_m,
		.ttl_us = (uint64_t)config->ttl_s * 1000000u,
		.sessions_max = app->sessions_max,
		.friends_max = (uint32_t)config->friends_max,
		.cell_length = config->strangers_cell_length,
		.strangers_max = STRANGERS_MAX,
		.channels_max = (uint32_t)channels,
		.subscriptions_max = subscriptions > UINT32_MAX ? UINT32_MAX : (uint32_t)subscriptions,
		.segment = app->shared->segment,
		.counters = app->counters.engine,
	};
	store_secret(app->shared->store, engine.grid_secret);
	return engine;
}

static int open_engine(struct app *app, const char **reason)
{
	struct engine_config config = engine_config_of(app);
	app->engine_bytes = engine_memory_bytes(&config);
	app->engine_memory = reserve_take(app->engine_bytes);
	if (app->engine_memory == NULL) {
		static _Thread_local char text[120];
		snprintf(text, sizeof(text), "the engine needs %zu MiB of address space a core: lower sessions-max",
			 app->engine_bytes >> 20);
		*reason = text;
		return -ENOMEM;
	}
	int error = engine_init(&app->engine, &config, app->engine_memory, app->engine_bytes);
	if (error != 0)
		*reason = "the engine refuses its limits (sessions-max, friends-max, users-max, radius-m, ttl-s)";
	return error;
}

static void refresh_live(struct app *app)
{
	const struct app_live *live = atomic_load_explicit(&app->shared->live, memory_order_acquire);
	app->config = &live->config;
	app->key = live->key;
	if (app->net == NULL)
		return;
	net_set_tls(app->net, live->tls);
	net_set_proxies(app->net, live->proxies, live->config.proxy_from.count);
}

int app_open(struct app **app, struct app_shared *shared, uint32_t core, const char **reason)
{
	struct app *fresh = calloc(1, sizeof(*fresh));
	*reason = "out of memory";
	if (fresh == NULL)
		return -ENOMEM;
	fresh->magic = APP_MAGIC;
	fresh->core = core;
	fresh->shared = shared;
	refresh_live(fresh);
	fresh->sessions_max = share_of_core(fresh->config->sessions_max, shared->cores);
	fresh->counters = counters_block(shared->segment, core);
	fresh->sessions = reserve_take(fresh->sessions_max * sizeof(*fresh->sessions));
	int error = fresh->sessions == NULL ? -ENOMEM : decoder_open(&fresh->decoder);
	if (error == 0)
		error = bars_open(&fresh->bars);
	if (error == 0)
		error = bars_open(&fresh->hidden);
	for (uint32_t i = 0; error == 0 && i < shared->bar_count; i++)
		bars_set(fresh->bars, shared->bars[i].user, shared->bars[i].not_before_s);
	if (error == 0)
		error = sharing_open(fresh);
	if (error == 0)
		error = json_reader_open(&fresh->reader);
	if (error == 0)
		error = open_engine(fresh, reason);
	if (error != 0) {
		app_close(&fresh);
		return error;
	}
	*app = fresh;
	return 0;
}

void app_attach(struct app *app, struct net *net)
{
	app->net = net;
	refresh_live(app);
}

void app_close(struct app **app)
{
	struct app *old = *app;
	if (old == NULL)
		return;
	check_object(old, APP_MAGIC);
	exchange_close_all(old);
	join_close_all(old);
	sharing_close(old);
	bars_close(&old->bars);
	bars_close(&old->hidden);
	decoder_close(&old->decoder);
	json_reader_close(&old->reader);
	reserve_give(old->engine_memory, old->engine_bytes);
	for (uint32_t i = 0; i < NEARBYSHM_CORES_MAX; i++)
		free(old->control[i].records);
	for (uint32_t i = 0; i < old->sessions_max && old->sessions != NULL; i++)
		news_free(&old->sessions[i]);
	free(old->waiting);
	free(old->notes);
	free(old->leaving);
	reserve_give(old->sessions, old->sessions_max * sizeof(*old->sessions));
	old->magic = 0;
	free(old);
	*app = NULL;
}

/* ---- what the network calls ------------------------------------------------------------------- */

static void on_expected(void *context, uint64_t cookie)
{
	struct app *app = context;
	if (COOKIE_KIND(cookie) != COOKIE_SESSION)
		return;
	__builtin_prefetch(&app->sessions[COOKIE_SLOT(cookie)], 1);
	engine_expect(app->engine, (struct session_id){ .slot = COOKIE_SLOT(cookie) });
}

static struct session *session_of(struct app *app, struct conn_id conn)
{
	uint64_t cookie = net_cookie(app->net, conn);
	check(COOKIE_KIND(cookie) == COOKIE_SESSION);
	return &app->sessions[COOKIE_SLOT(cookie)];
}

static void on_message(void *context, struct conn_id conn, const void *text, size_t length)
{
	session_message(context, session_of(context, conn), false, text, length);
}

static void on_binary(void *context, struct conn_id conn, const void *bytes, size_t length)
{
	session_message(context, session_of(context, conn), true, bytes, length);
}

static void on_writable(void *context, struct conn_id conn)
{
	struct app *app = context;
	uint64_t cookie = net_cookie(app->net, conn);
	if (COOKIE_KIND(cookie) == COOKIE_SESSION) {
		session_writable(app, &app->sessions[COOKIE_SLOT(cookie)]);
	} else if (COOKIE_KIND(cookie) == COOKIE_EXCHANGE) {
		struct exchange *exchange = COOKIE_POINTER(cookie);
		if (exchange->on_room != NULL)
			exchange->on_room(exchange);
	}
}

static void on_closed(void *context, struct conn_id conn, enum close_reason reason)
{
	struct app *app = context;
	(void)reason;
	uint64_t cookie = net_cookie(app->net, conn);
	if (COOKIE_KIND(cookie) == COOKIE_EXCHANGE) {
		struct exchange *exchange = COOKIE_POINTER(cookie);
		exchange->conn_gone = true;
		if (exchange->in_flight == 0)
			exchange_end(exchange, false);
	} else if (COOKIE_KIND(cookie) == COOKIE_JOIN) {
		join_gone(COOKIE_POINTER(cookie));
	} else if (COOKIE_KIND(cookie) == COOKIE_SESSION) {
		session_gone(app, &app->sessions[COOKIE_SLOT(cookie)]);
	}
}

/* A turn follows in any case; being awake is all that was asked for. */
static void on_woken(void *context)
{
	(void)context;
}

const struct net_handler app_net_handler = {
	.request = api_request,
	.body = api_body,
	.adopted = join_adopted,
	.handover_failed = join_handover_failed,
	.expected = on_expected,
	.message = on_message,
	.binary = on_binary,
	.writable = on_writable,
	.closed = on_closed,
	.woken = on_woken,
};

/* ---- the store -------------------------------------------------------------------------------- */

static void keep_waiting(struct app *app, struct store_request *request)
{
	if (app->waiting_count == app->waiting_capacity) {
		app->waiting_capacity = app->waiting_capacity == 0 ? 64 : 2 * app->waiting_capacity;
		app->waiting = realloc(app->waiting, app->waiting_capacity * sizeof(*app->waiting));
		/* Bounded by EXCHANGES_MAX of all cores and JOINS_MAX; without it nothing can go on. */
		check(app->waiting != NULL);
	}
	app->waiting[app->waiting_count++] = request;
}

void app_submit(struct app *app, struct store_request *request)
{
	request->client = app->core;
	if (app->waiting_count > 0 || store_submit(app->shared->store, request) != 0)
		keep_waiting(app, request);
}

/* First come, first served: a later request must not overtake an earlier one of its connection. */
static void submit_waiting(struct app *app)
{
	uint32_t done = 0;
	while (done < app->waiting_count && store_submit(app->shared->store, app->waiting[done]) == 0)
		done++;
	app->waiting_count -= done;
	memmove(app->waiting, app->waiting + done, app->waiting_count * sizeof(*app->waiting));
}

static void handle_answer(struct app *app, struct store_request *request)
{
	uint64_t asked_by = (uintptr_t)request->context;
	switch (COOKIE_KIND(asked_by)) {
	case COOKIE_JOIN:
		join_loaded(app, request);
		return;
	case COOKIE_CHANGE:
		change_stored(app, COOKIE_POINTER(asked_by));
		return;
	case COOKIE_EXCHANGE:
		exchange_came_back(COOKIE_POINTER(asked_by), request);
		return;
	case COOKIE_NONE:
	case COOKIE_SESSION:
		break;
	}
	check(!"store request");
}

/* Returns whether there may be more. */
static bool drain_store(struct app *app)
{
	uint64_t until_us = boot_us() + STORE_US;
	struct store_request *request;
	bool is_in_time = true;
	while (is_in_time && (request = store_poll(app->shared->store, app->core)) != NULL) {
		handle_answer(app, request);
		is_in_time = boot_us() < until_us;
	}
	if (app->waiting_count > 0)
		submit_waiting(app);
	return !is_in_time;
}

/* ---- between store and engine ------------------------------------------------------------------ */

struct friend_info *app_friends(const struct store_request *answer)
{
	struct friend_info *friends = calloc(answer->friend_count + 1, sizeof(*friends));
	if (friends == NULL)
		return NULL;
	for (uint32_t i = 0; i < answer->friend_count; i++)
		friends[i] = (struct friend_info){
			.user = answer->friends[i].user,
			.name = answer->names + answer->friends[i].name_offset,
			.name_length = answer->friends[i].name_length,
			.exception = answer->friends[i].exception,
			.is_off = answer->friends[i].is_off,
		};
	return friends;
}

bool app_is_shown(const struct store_request *answer)
{
	for (uint32_t i = 0; i < answer->exception_count; i++)
		if (answer->exceptions[i].sharing.mode != SHARING_OFF)
			return true;
	return false;
}

void app_rename(struct app *app, const struct store_user *user)
{
	struct event event = {
		.type = EVENT_RENAME,
		.now_us = boot_us(),
		.rename = { .user = user->user,
			    .name = user->profile.name,
			    .name_length = user->profile.name_length },
	};
	struct engine_out out;
	engine_step(app->engine, &event, &out);
	join_note(app, &event);
}

/* ---- the other cores -------------------------------------------------------------------------- */

static void take_moves(struct app *app, uint32_t from)
{
	struct mesh_msg msgs[MESH_BATCH];
	uint32_t count = mesh_drain(app->shared->mesh, MESH_LANE_MOVES, from, app->core, msgs, MESH_BATCH);
	struct event event = { .type = EVENT_PEER, .now_us = boot_us(), .peer.from_core = from };
	struct engine_out out;
	for (uint32_t far = 0; far < count + ENGINE_EXPECT_AHEAD; far++) {
		engine_expect_messages(app->engine, msgs, count, far);
		if (far < ENGINE_EXPECT_AHEAD)
			continue;
		event.peer.msg = msgs[far - ENGINE_EXPECT_AHEAD];
		engine_step(app->engine, &event, &out);
	}
}

/* Returns whether the ring was too small for what there was to say. */
static bool give_moves(struct app *app, uint32_t to)
{
	struct mesh *mesh = app->shared->mesh;
	uint32_t room = mesh_room(mesh, MESH_LANE_MOVES, app->core, to);
	if (room == 0) {
		counter_add(&app->counters.app[APP_COUNTER_MESH_FULL], 1);
		return true;
	}
	uint32_t total = 0;
	while (room > 0) {
		struct mesh_msg msgs[MESH_BATCH];
		uint32_t count = engine_mesh_drain(app->engine, to, msgs, room < MESH_BATCH ? room : MESH_BATCH);
		if (count == 0)
			break;
		for (uint32_t i = 0; i < count; i++)
			check(mesh_post(mesh, MESH_LANE_MOVES, app->core, to, &msgs[i]));
		total += count;
		room -= count;
	}
	if (total > 0)
		net_ring_doorbell(app->net, to);
	return room == 0;
}

static bool exchange_moves(struct app *app)
{
	bool is_behind = false;
	for (uint32_t peer = 0; peer < app->shared->cores; peer++) {
		if (peer == app->core)
			continue;
		take_moves(app, peer);
		is_behind |= give_moves(app, peer);
	}
	return is_behind;
}

/* ---- the turn --------------------------------------------------------------------------------- */

/* CPU time of this thread, the kernel's for it included: what it sleeps does not count. */
static uint64_t thread_cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void adapt_interval(struct app *app, uint64_t now_us)
{
	const struct config *config = app->config;
	uint64_t turn_us = interval_note(&app->interval, now_us, thread_cpu_us(),
					 (uint64_t)config->push_interval_ms * 1000u,
					 (uint64_t)config->push_interval_max_ms * 1000u);
	/* What waits for an answer of the databases, or comes in parts, is not held up. */
	bool is_awaited = app->exchange_count > 0 || app->join_count > 0;
	net_set_gather(app->net, is_awaited ? 0 : interval_gather_us(&app->interval));
	counter_set(&app->counters.app[APP_COUNTER_PUSH_INTERVAL], app->interval.us);
	histogram_add(&app->counters.app[APP_COUNTER_TURN_SECONDS], turn_us);
}

static void tick(struct app *app)
{
	uint64_t now_us = boot_us();
	bool is_due = now_us >= app->next_tick_us;
	/* In between only when the engine had more to do than fits into one tick. */
	if (!is_due && engine_next_us(app->engine, app->interval.us) > now_us)
		return;
	struct event event = { .type = EVENT_TICK, .now_us = now_us, .wall_ms = wall_ms() };
	struct engine_out out;
	engine_step(app->engine, &event, &out);
	if (!is_due)
		return;
	join_tick(app, now_us);
	exchange_tick(app, now_us);
	session_tick(app, now_us);
	sharing_tick(app, now_us);
	app->next_tick_us = now_us + TICK_US;
}

/* When the engine has something to do. Frames wait for their interval in any case: those that are due one soon
 * after the other leave together, as receiving gathers. */
static uint64_t engine_until_us(const struct app *app, uint64_t now_us, bool is_flushed)
{
	uint64_t until_us = engine_next_us(app->engine, app->interval.us);
	uint64_t gathered_us = now_us + interval_gather_us(&app->interval);
	return is_flushed && until_us > now_us && until_us < gathered_us ? gathered_us : until_us;
}

uint64_t app_turn(struct app *app)
{
	refresh_live(app);
	/* Each step reads the clock anew: the engine's time must not go back behind a step before. */
	bool is_behind = exchange_moves(app);
	bool has_answers = drain_store(app);
	join_admit(app, boot_us());
	is_behind |= control_turn(app);
	tick(app);
	bool is_flushed = session_flush(app);
	is_behind |= exchange_moves(app);

	uint64_t now_us = boot_us();
	adapt_interval(app, now_us);
	uint64_t until_us = engine_until_us(app, now_us, is_flushed);
	if (until_us > app->next_tick_us)
		until_us = app->next_tick_us;
	if ((is_behind || app->waiting_count > 0) && until_us > now_us + RETRY_US)
		until_us = now_us + RETRY_US;
	if (has_answers || !mesh_is_idle(app->shared->mesh, app->core))
		until_us = now_us;
	return until_us;
}
