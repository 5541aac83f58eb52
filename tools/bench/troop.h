/*
 * Owns: the worker processes of a run.
 * Invariant: none outlives its parent; none is left when troop_end returns.
 * Thread: the parent.
 * Does not know: what they do.
 */
#ifndef NEARBY_BENCH_TROOP_H
#define NEARBY_BENCH_TROOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TROOP_MAX 64

struct troop {
	uint32_t count;
	pid_t pids[TROOP_MAX]; /* 0: it has ended */
};

/* Forks so many, each of which becomes `live(context, number)` and ends with what that returns. 0, or
 * negative errno. */
int troop_start(struct troop *troop, uint32_t count,
		int (*live)(const void *context, uint32_t number), const void *context);
/* Takes note of workers that have ended. True when one did. */
bool troop_has_died(struct troop *troop);
/* Waits for all, who have been told to end, and kills those who take too long. */
void troop_end(struct troop *troop);

/* Workers that so many sessions need under the process's limit of descriptors, which is raised to what
 * is allowed. */
uint32_t troop_needed(uint32_t sessions);

#endif
