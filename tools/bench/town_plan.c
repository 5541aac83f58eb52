/*
 * Owns: the steps of one worker's users.
 * Invariant: see the header.
 * Thread: see plan.h.
 * Does not know: sessions.
 */
#include "bench/town_plan.h"

#include "base/check.h"
#include "base/clock.h"

#include <stdlib.h>

struct walk_of_town {
	const struct town_walk *source;
	struct timetable *timetable;
	uint32_t worker, workers;
};

static void walk_close(void *plan)
{
	struct walk_of_town *walk = plan;
	timetable_close(&walk->timetable);
	free(walk);
}

static void *walk_open(const void *source, uint32_t worker, uint32_t workers)
{
	const struct town_walk *of = source;
	struct walk_of_town *walk = calloc(1, sizeof(*walk));
	if (walk == NULL)
		return NULL;
	uint32_t count = of->town->count / workers + (worker < of->town->count % workers);
	*walk = (struct walk_of_town){ .source = of, .worker = worker, .workers = workers };
	if (timetable_open(&walk->timetable, worker, workers, count) < 0) {
		free(walk);
		return NULL;
	}
	timetable_turn(walk->timetable, &of->pace);
	return walk;
}

static bool walk_next(void *plan, struct plan_step *step)
{
	const struct walk_of_town *walk = plan;
	struct timetable_entry entry;
	if (!timetable_next(walk->timetable, &entry))
		return false;
	step->user = entry.local * walk->workers + walk->worker;
	step->due_us = entry.due_us;
	return true;
}

static void walk_take(void *plan, struct sighting *sighting)
{
	struct walk_of_town *walk = plan;
	struct timetable_entry entry;
	check(timetable_next(walk->timetable, &entry));
	uint32_t user = entry.local * walk->workers + walk->worker;
	sighting->place = town_place(walk->source->town, user, entry.round);
	sighting->ts_ms = wall_ms();
	timetable_take(walk->timetable);
}

const struct plan_class town_plan = { walk_open, walk_close, walk_next, walk_take };
