/*
 * Owns: what must be delivered, found by asking of each pair of friends how far apart it is.
 * Invariant: it is computed from places alone, by other formulas than the engine's.
 * Thread: one.
 * Does not know: engines, channels, frames.
 */
#ifndef NEARBY_BENCH_JUDGE_H
#define NEARBY_BENCH_JUDGE_H

#include "crowd.h"
#include "host.h"

struct judge {
	const struct crowd *crowd;
	struct nearby_place *places;
	bool *known; /* by viewer and index of the friend: the viewer was told of it last as near */
	struct deliveries expected; /* updates, gones and the digest */
};

void judge_open(struct judge *judge, const struct crowd *crowd);
void judge_close(struct judge *judge);

/* The user has moved, and the frames of it have gone out. */
void judge_move(struct judge *judge, uint32_t user, struct nearby_place place);
/* Every list has been evaluated, and the frames of it have gone out. */
void judge_evaluate(struct judge *judge);
/* As judge_evaluate, but what it takes to come there is not counted. */
void judge_connect(struct judge *judge);

/* Ends the program with a word when what was delivered since `before` is not what is expected. */
void judge_compare(struct judge *judge, const char *what, const struct deliveries *before,
		   const struct deliveries *now);

#endif
