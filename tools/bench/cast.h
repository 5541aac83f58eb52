/*
 * Owns: who takes part in a replay, and as whom.
 * Invariant: ids ascend; every pair and every fix names a user of the cast (or nobody).
 * Thread: the caller's, before the workers are forked.
 * Does not know: sessions.
 */
#ifndef NEARBY_BENCH_CAST_H
#define NEARBY_BENCH_CAST_H

#include "bench/dataset.h"
#include "bench/world.h"

#include <stdbool.h>

struct cast {
	uint64_t *ids;
	uint32_t count;
	struct pair *pairs;
	size_t pair_count;
	uint32_t *users; /* of each fix: its user's index, or UINT32_MAX */
};

/*
 * The users of the fixes, at most `users_max` of them (the lowest ids), and their friendships among
 * each other. With `is_mapped` the fixes are the movement of strangers: these, by ascending id, play
 * the users of the edges, those with most friends first and the lower id first among equals; so the
 * first mover gets the friendships of the best connected user. Movers beyond the last user stay out.
 * 0, or -ENOMEM.
 */
int cast_open(struct cast *cast, const struct fixes *fixes, const struct edges *edges,
	      bool is_mapped, uint32_t users_max);
void cast_close(struct cast *cast);

#endif
