/*
 * Owns: what cores tell each other beside moves: friendships, names and users that changed.
 * Invariant: a message is handled once on every core, in the order in which one core sent it, and
 *   comes back to its origin after the last; nothing is dropped, a full ring makes it wait.
 * Thread: the core's; the message is shared and read-only while it travels, save for `waiting`.
 * Does not know: who asked for the change.
 *
 * Changes of friendships are made by one core only (the one with the admin listener), so all cores
 * see them in the order in which the store made them durable. The counter `waiting` is decremented
 * with release order by each core after its part and read with acquire by the last one, so `done`
 * sees all cores' parts finished.
 */
#include "app/app_private.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* Control messages taken from one ring in one turn. */
#define CONTROL_BATCH 64u

struct control_record {
	struct control *control;
	uint64_t unused;
};
_Static_assert(sizeof(struct control_record) == MESH_RECORD_BYTES, "a control record fills its lane's");

/* ---- applying --------------------------------------------------------------------------------- */

/* Gives one side of a friendship change to the engine, when that side lives here. */
static void apply_side(struct app *app, const struct control *control, struct user_id user,
		       struct user_id with, uint32_t name_offset, uint32_t name_length)
{
	if (nearby_home_core(user.value, app->shared->cores) != app->core)
		return;
	struct event event = {
		.type = control->is_removal ? EVENT_UNFRIEND : EVENT_BEFRIEND,
		.now_us = boot_us(),
		.friendship = { .user = user,
				.with = { with, control->names + name_offset, name_length } },
	};
	if (join_keep(app, &event) || engine_session_count(app->engine, user) == 0)
		return;
	struct engine_out out;
	/* No room for one more subscription is counted by the engine; the next join has it. */
	engine_step(app->engine, &event, &out);
}

static void apply_pairs(struct app *app, const struct control *control)
{
	for (uint32_t i = 0; i < control->pair_count; i++) {
		const struct store_pair *pair = &control->pairs[i];
		if (pair->result != STORE_PAIR_ADDED)
			continue;
		apply_side(app, control, pair->a, pair->b, pair->b_name_offset, pair->b_name_length);
		apply_side(app, control, pair->b, pair->a, pair->a_name_offset, pair->a_name_length);
	}
}

static void apply_names(struct app *app, const struct control *control)
{
	for (uint32_t i = 0; i < control->user_count; i++) {
		const struct store_user *user = &control->users[i];
		if (!user->has_name)
			continue;
		app_rename(app, user);
		join_note_name(app, user);
	}
}

/* A deleted user's location goes. Its friendships came as pairs before. */
static void apply_forget(struct app *app, const struct control *control)
{
	if (nearby_home_core(control->user.value, app->shared->cores) != app->core)
		return;
	session_logout(app, control->user);
	struct event event = { .type = EVENT_FORGET, .now_us = boot_us(), .forget = control->user };
	struct engine_out out;
	engine_step(app->engine, &event, &out);
}

static void apply(struct app *app, const struct control *control)
{
	switch (control->type) {
	case CONTROL_PAIRS:
		apply_pairs(app, control);
		return;
	case CONTROL_RENAME:
		apply_names(app, control);
		return;
	case CONTROL_LOGOUT:
		session_logout(app, control->user);
		return;
	case CONTROL_FORGET:
		apply_forget(app, control);
		return;
	}
	check(!"control type");
}

/* ---- travelling ------------------------------------------------------------------------------- */

static bool post_now(struct app *app, uint32_t to, struct control *control)
{
	struct control_record record = { control, 0 };
	if (!mesh_post(app->shared->mesh, MESH_LANE_CONTROL, app->core, to, &record))
		return false;
	net_ring_doorbell(app->net, to);
	return true;
}

static void post(struct app *app, uint32_t to, struct control *control)
{
	struct control_queue *queue = &app->control[to];
	if (queue->count == 0 && post_now(app, to, control))
		return;
	counter_add(&app->counters.app[APP_COUNTER_CONTROL_WAITED], 1);
	if (queue->count == queue->capacity) {
		queue->capacity = queue->capacity == 0 ? 64 : 2 * queue->capacity;
		queue->items = realloc(queue->items, queue->capacity * sizeof(*queue->items));
		/* Bounded by the requests in flight; a change of consent must not be dropped. */
		check(queue->items != NULL);
	}
	queue->items[queue->count++] = control;
}

static void post_waiting(struct app *app, uint32_t to)
{
	struct control_queue *queue = &app->control[to];
	uint32_t done = 0;
	while (done < queue->count && post_now(app, to, queue->items[done]))
		done++;
	queue->count -= done;
	memmove(queue->items, queue->items + done, queue->count * sizeof(*queue->items));
}

/* This core's part is finished. The last one sends it home, where `done` frees it. */
static void finish_part(struct app *app, struct control *control)
{
	if (atomic_fetch_sub_explicit(&control->waiting, 1, memory_order_acq_rel) != 1)
		return;
	if (control->origin == app->core)
		control->done(app, control);
	else
		post(app, control->origin, control);
}

void control_send(struct app *app, struct control *control)
{
	uint32_t cores = app->shared->cores;
	control->origin = app->core;
	atomic_store_explicit(&control->waiting, cores, memory_order_relaxed);
	for (uint32_t peer = 0; peer < cores; peer++)
		if (peer != app->core)
			post(app, peer, control);
	apply(app, control);
	finish_part(app, control);
}

static void take(struct app *app, uint32_t from)
{
	struct control_record records[CONTROL_BATCH];
	uint32_t count =
		mesh_drain(app->shared->mesh, MESH_LANE_CONTROL, from, app->core, records, CONTROL_BATCH);
	for (uint32_t i = 0; i < count; i++) {
		struct control *control = records[i].control;
		/* Nothing waits any more: it came home. */
		if (atomic_load_explicit(&control->waiting, memory_order_acquire) == 0) {
			control->done(app, control);
			continue;
		}
		apply(app, control);
		finish_part(app, control);
	}
}

bool control_turn(struct app *app)
{
	bool is_waiting = false;
	for (uint32_t peer = 0; peer < app->shared->cores; peer++) {
		if (peer == app->core)
			continue;
		take(app, peer);
		if (app->control[peer].count > 0)
			post_waiting(app, peer);
		is_waiting |= app->control[peer].count > 0;
	}
	return is_waiting;
}
