/*
 * Owns: what the parent of a load tells its workers, what they tell it, and where everybody is.
 * Invariant: one shared mapping. The parent alone writes orders and what goes with them, and only
 *   while nothing is under way that reads it; each tally has one writer, its worker; each spot has
 *   one writer, the worker that owns the user.
 * Thread: the parent and the workers, as said; sums read while a run goes on are no snapshot. A spot
 *   read while it is written may be half old and half new, a few metres off at most.
 * Does not know: what the numbers mean to a reader; the report does.
 *
 * Orders work as in control.h: released by the parent, acquired by the workers, and stored as `done`,
 * with release, by a worker that has carried it out.
 */
#ifndef NEARBY_BENCH_LEDGER_H
#define NEARBY_BENCH_LEDGER_H

#include "bench/latency.h"
#include "bench/timetable.h"
#include "bench/town.h"
#include "bench/troop.h"

#include <stdatomic.h>

enum load_phase {
	LOAD_WAIT,  /* nothing yet: what holds before the first order, so that no join escapes its count */
	LOAD_JOIN,  /* open all sessions */
	LOAD_RUN,   /* send what is due at the ledger's pace */
	LOAD_STORM, /* the same, and lose the first `storm` sessions at once and join them again */
	LOAD_PAUSE, /* send nothing */
	LOAD_END,
};

/* What a worker has counted since its start. */
struct load_counts {
	uint64_t joined, join_retries;
	uint64_t refused;   /* joins answered with 503 or 429 */
	uint64_t timed_out; /* joins that got no answer in time */
	uint64_t broken;    /* joins whose connection could not be made, or broke */
	uint64_t given_up;  /* sessions that never came in */
	uint64_t lost;	    /* sessions that ended unasked, */
	uint64_t dropped;   /* ... and that the storm ended */
	uint64_t sent;
	uint64_t not_sent; /* as the session was not there */
	uint64_t unsent;   /* ... or as the server took too little of what was sent before */
	uint64_t messages, bytes;
	uint64_t entries;   /* of updates */
	uint64_t entered;   /* entries of friends who were not in view */
	uint64_t refreshed; /* entries that tell again what was told */
	uint64_t before;    /* entries of places from before this run */
	uint64_t filtered;  /* locations of friends out of range, where the client has to filter */
	uint64_t gone;
	/* Findings: */
	uint64_t not_friend, never_sent, backwards, bad_messages, errors;
};

/* Windows that follow each other at one rate. */
#define LOAD_WINDOWS_MAX 32

/* What a worker has counted of the locations that were due within a window. */
struct load_window {
	uint64_t due;		 /* pairs of a location and a friend in range when it was sent */
	uint64_t covered;	 /* ... of which the friend got it, or a newer one */
	struct latency latency;	 /* from its due time to that */
	struct latency lateness; /* from its due time to when it was sent */
};

#define LOAD_EXAMPLE_BYTES 200

struct load_tally {
	_Atomic uint32_t done; /* the order that has been carried out */
	struct load_counts counts;
	struct load_window windows[LOAD_WINDOWS_MAX];
	struct latency join_latency;	  /* from the first try to being in, of the last joining */
	char example[LOAD_EXAMPLE_BYTES]; /* of what went wrong first */
};

struct ledger {
	_Atomic uint32_t order; /* turn << 8 | phase */
	uint32_t worker_count;
	/* The same moment on both clocks: what the times in messages count from. */
	uint64_t epoch_us;
	int64_t epoch_ms;
	struct pace pace;
	uint64_t windows_from_us, window_us; /* the first, and how long each is */
	uint32_t window_count;
	uint32_t storm; /* sessions */
	size_t mapped_bytes;
	struct load_tally tallies[TROOP_MAX];
	struct spot spots[]; /* of each user; TOWN_NOWHERE before the first location */
};

/* 0, or negative errno. */
int ledger_open(struct ledger **ledger, uint32_t worker_count, uint32_t users);
void ledger_close(struct ledger **ledger);

/* Gives an order, and reads the last one. */
void ledger_order(struct ledger *ledger, enum load_phase phase);
uint32_t ledger_read(const struct ledger *ledger);
static inline enum load_phase ledger_phase(uint32_t order)
{
	return (enum load_phase)(order & 0xff);
}
/* Whether all workers have carried out the last order. */
bool ledger_is_done(const struct ledger *ledger);

/* What all workers have counted; at little cost. */
struct load_counts ledger_counts(const struct ledger *ledger);
/* Adds all workers' tallies up; the example is the first there is. */
void ledger_sum(const struct ledger *ledger, struct load_tally *sum);
/* What came to be from the one sum to the other. */
struct load_counts load_counts_between(const struct load_counts *from,
				       const struct load_counts *to);

#endif
