/*
 * Owns: a worker's way through a recording.
 * Invariant: see the header.
 * Thread: see plan.h.
 * Does not know: files.
 */
#include "bench/replay.h"


#include <stdlib.h>

struct replay_cursor {
	const struct replay *replay;
	uint32_t worker, workers;
	size_t at;
};

static void *replay_open(const void *source, uint32_t worker, uint32_t workers)
{
	struct replay_cursor *cursor = malloc(sizeof(*cursor));
	if (cursor != NULL)
		*cursor = (struct replay_cursor){ source, worker, workers, 0 };
	return cursor;
}

static bool replay_next(void *plan, struct plan_step *step)
{
	struct replay_cursor *cursor = plan;
	const struct replay *replay = cursor->replay;
	const struct fixes *fixes = replay->fixes;
	while (cursor->at < fixes->count &&
	       (replay->users[cursor->at] == UINT32_MAX ||
		replay->users[cursor->at] % cursor->workers != cursor->worker))
		cursor->at++;
	if (cursor->at == fixes->count)
		return false;
	double since_s = (double)(fixes->rows[cursor->at].time_s - fixes->rows[0].time_s);
	step->user = replay->users[cursor->at];
	step->due_us = replay->speed > 0 ? (uint64_t)(since_s * 1e6 / replay->speed) : 0;
	return true;
}

static void replay_take(void *plan, struct sighting *sighting)
{
	struct replay_cursor *cursor = plan;
	const struct fix *fix = &cursor->replay->fixes->rows[cursor->at++];
	sighting->place = fix->place;
	sighting->ts_ms = fix->time_s * 1000;
}

const struct plan_class replay_plan = { replay_open, free, replay_next, replay_take };
