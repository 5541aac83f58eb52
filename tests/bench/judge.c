/*
 * Owns: see judge.h.
 * Invariant: see judge.h.
 * Thread: one.
 * Does not know: engines, channels, frames.
 */
#include "judge.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void judge_open(struct judge *judge, const struct crowd *crowd)
{
	*judge = (struct judge){ .crowd = crowd };
	judge->places = calloc(crowd->count, sizeof(*judge->places));
	judge->known = calloc((size_t)crowd->count * crowd->active, sizeof(*judge->known));
	check(judge->places != NULL && judge->known != NULL);
}

void judge_close(struct judge *judge)
{
	free(judge->places);
	free(judge->known);
}

static bool is_near(const struct judge *judge, uint32_t a, uint32_t b)
{
	return crowd_distance_m(judge->places[a], judge->places[b]) <= HOST_RADIUS_M;
}

static void expect(struct judge *judge, uint32_t viewer, uint32_t user, bool is_gone)
{
	if (is_gone)
		judge->expected.gones++;
	else
		judge->expected.updates++;
	judge->expected.digest += host_digest(viewer, user, is_gone);
}

static bool *known_of(const struct judge *judge, uint32_t viewer, uint32_t friend_idx)
{
	return &judge->known[(size_t)viewer * judge->crowd->active + friend_idx];
}

void judge_move(struct judge *judge, uint32_t user, struct nearby_place place)
{
	judge->places[user] = place;
	for (uint32_t i = 0; i < judge->crowd->active; i++) {
		uint32_t viewer = crowd_friend(judge->crowd, user, i);
		/* Of two friends one is ahead by a distance and the other behind by the same. */
		bool *known = known_of(judge, viewer, i ^ 1);
		bool is_seen = is_near(judge, viewer, user);
		if (is_seen || *known)
			expect(judge, viewer, user, !is_seen);
		*known = is_seen;
	}
}

void judge_evaluate(struct judge *judge)
{
	for (uint32_t viewer = 0; viewer < judge->crowd->count; viewer++)
		for (uint32_t i = 0; i < judge->crowd->active; i++) {
			uint32_t user = crowd_friend(judge->crowd, viewer, i);
			bool *known = known_of(judge, viewer, i);
			bool is_seen = is_near(judge, viewer, user);
			if (is_seen != *known)
				expect(judge, viewer, user, !is_seen);
			*known = is_seen;
		}
}

void judge_connect(struct judge *judge)
{
	judge_evaluate(judge);
	judge->expected = (struct deliveries){ 0 };
}

void judge_compare(struct judge *judge, const char *what, const struct deliveries *before,
		   const struct deliveries *now)
{
	const struct deliveries *expected = &judge->expected;
	uint64_t updates = now->updates - before->updates, gones = now->gones - before->gones;
	if (updates != expected->updates || gones != expected->gones ||
	    now->digest - before->digest != expected->digest) {
		fprintf(stderr,
			"%s: %" PRIu64 " updates and %" PRIu64 " gones, not %" PRIu64
			" and %" PRIu64 ", or others than those\n",
			what, updates, gones, expected->updates, expected->gones);
		exit(1);
	}
	judge->expected = (struct deliveries){ 0 };
}
