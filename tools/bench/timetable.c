/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "bench/timetable.h"

#include "base/check.h"
#include "base/id.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct due {
	uint32_t local, offset_us;
};

struct timetable {
	struct pace pace;
	uint32_t first, stride, count;
	uint32_t at; /* in the round */
	uint64_t round;
	struct due *dues;    /* of the round, in order */
	uint32_t *positions; /* [count + 1], scratch: where each slice of the round begins */
	struct due *scratch;
};

struct pace pace_make(uint64_t seed, uint32_t users, double rate, uint64_t start_us,
		      uint64_t first_step)
{
	uint64_t period_ms = rate > 0 ? (uint64_t)llround(users / rate * 1000) : 0;
	if (rate > 0 && period_ms == 0)
		period_ms = 1;
	return (struct pace){ .start_us = start_us,
			      .period_us = period_ms * 1000,
			      .first_step = first_step,
			      .seed = seed };
}

double pace_rate(const struct pace *pace, uint32_t users)
{
	return pace->period_us == 0 ? 0 : users * 1e6 / (double)pace->period_us;
}

static uint32_t offset_us(const struct pace *pace, uint32_t user, uint64_t round)
{
	uint64_t of = hash_u64(pace->seed ^ 0x647565) ^ (pace->first_step + round);
	return (uint32_t)(hash_u64(hash_u64(of) ^ user) % pace->period_us);
}

uint64_t pace_due_us(const struct pace *pace, uint32_t user, uint64_t round)
{
	return pace->start_us + round * pace->period_us + offset_us(pace, user, round);
}

int timetable_open(struct timetable **timetable, uint32_t first, uint32_t stride, uint32_t count)
{
	struct timetable *made = calloc(1, sizeof(*made));
	*timetable = made;
	if (made == NULL)
		return -ENOMEM;
	made->first = first;
	made->stride = stride;
	made->count = count;
	made->dues = calloc(count + 1, sizeof(*made->dues));
	made->scratch = calloc(count + 1, sizeof(*made->scratch));
	made->positions = calloc(count + 2, sizeof(*made->positions));
	if (made->dues == NULL || made->scratch == NULL || made->positions == NULL) {
		timetable_close(timetable);
		return -ENOMEM;
	}
	return 0;
}

void timetable_close(struct timetable **timetable)
{
	if (*timetable != NULL) {
		free((*timetable)->dues);
		free((*timetable)->scratch);
		free((*timetable)->positions);
	}
	free(*timetable);
	*timetable = NULL;
}

/* As many slices as users, so each has about one of them, and what is left is little to sort. */
static uint32_t slice_of(const struct timetable *timetable, uint32_t offset)
{
	return (uint32_t)((uint64_t)offset * timetable->count / timetable->pace.period_us);
}

static void insert_sorted(struct due *dues, uint32_t at)
{
	struct due moving = dues[at];
	for (; at > 0 && dues[at - 1].offset_us > moving.offset_us; at--)
		dues[at] = dues[at - 1];
	dues[at] = moving;
}

static void round_make(struct timetable *timetable)
{
	uint32_t *positions = timetable->positions;
	for (uint32_t slice = 0; slice <= timetable->count; slice++)
		positions[slice] = 0;
	for (uint32_t local = 0; local < timetable->count; local++) {
		uint32_t user = local * timetable->stride + timetable->first;
		uint32_t offset = offset_us(&timetable->pace, user, timetable->round);
		timetable->scratch[local] = (struct due){ local, offset };
		positions[slice_of(timetable, offset) + 1]++;
	}
	for (uint32_t slice = 0; slice < timetable->count; slice++)
		positions[slice + 1] += positions[slice];
	for (uint32_t local = 0; local < timetable->count; local++) {
		struct due due = timetable->scratch[local];
		timetable->dues[positions[slice_of(timetable, due.offset_us)]++] = due;
	}
	for (uint32_t i = 1; i < timetable->count; i++)
		insert_sorted(timetable->dues, i);
	timetable->at = 0;
}

void timetable_turn(struct timetable *timetable, const struct pace *pace)
{
	timetable->pace = *pace;
	timetable->round = 0;
	if (pace->period_us > 0)
		round_make(timetable);
}

bool timetable_next(const struct timetable *timetable, struct timetable_entry *entry)
{
	const struct pace *pace = &timetable->pace;
	if (pace->period_us == 0 || timetable->count == 0)
		return false;
	const struct due *due = &timetable->dues[timetable->at];
	*entry = (struct timetable_entry){
		.local = due->local,
		.round = timetable->round,
		.due_us = pace->start_us + timetable->round * pace->period_us + due->offset_us
	};
	return true;
}

void timetable_take(struct timetable *timetable)
{
	check(timetable->pace.period_us > 0);
	if (++timetable->at == timetable->count) {
		timetable->round++;
		round_make(timetable);
	}
}
