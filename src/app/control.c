/*
 * Owns: the messages by which cores hand changes to each other, beside moves.
 * Invariant: they arrive once each, in the order in which one core posted them to another; nothing is dropped,
 *   a full ring makes them wait.
 * Thread: the core's.
 * Does not know: what a change is, whose it is.
 */
#include "app/app_private.h"

#include <stdlib.h>
#include <string.h>

/* Messages taken from one ring in one turn. */
#define CONTROL_BATCH 64u

_Static_assert(sizeof(struct control_record) == MESH_RECORD_BYTES, "a control record fills its lane's");

static bool post_now(struct app *app, uint32_t to, const struct control_record *record)
{
	if (!mesh_post(app->shared->mesh, MESH_LANE_CONTROL, app->core, to, record))
		return false;
	net_ring_doorbell(app->net, to);
	return true;
}

void control_post(struct app *app, uint32_t to, struct change *change, enum change_arrival arrival)
{
	struct control_queue *queue = &app->control[to];
	struct control_record record = { change, (uint64_t)arrival };
	if (queue->count == 0 && post_now(app, to, &record))
		return;
	counter_add(&app->counters.app[APP_COUNTER_CONTROL_WAITED], 1);
	if (queue->count == queue->capacity) {
		queue->capacity = queue->capacity == 0 ? 64 : 2 * queue->capacity;
		queue->records = realloc(queue->records, queue->capacity * sizeof(*queue->records));
		/* Bounded by the requests in flight; a change of consent must not be dropped. */
		check(queue->records != NULL);
	}
	queue->records[queue->count++] = record;
}

static void post_waiting(struct app *app, uint32_t to)
{
	struct control_queue *queue = &app->control[to];
	uint32_t done = 0;
	while (done < queue->count && post_now(app, to, &queue->records[done]))
		done++;
	queue->count -= done;
	memmove(queue->records, queue->records + done, queue->count * sizeof(*queue->records));
}

static void take(struct app *app, uint32_t from)
{
	struct control_record records[CONTROL_BATCH];
	uint32_t count =
		mesh_drain(app->shared->mesh, MESH_LANE_CONTROL, from, app->core, records, CONTROL_BATCH);
	for (uint32_t i = 0; i < count; i++)
		change_arrive(app, records[i].change, (enum change_arrival)records[i].arrival);
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
