/*
 * Owns: what the parent tells its workers, and what they tell it.
 * Invariant: one shared mapping. The parent alone writes the order; each tally has one writer, its
 *   worker, and is only ever added to.
 * Thread: the parent and the workers, as said; sums read while a run goes on are no snapshot.
 * Does not know: what the numbers mean to a reader; the report does.
 *
 * The order is one word, phase and turn together, released by the parent after the fields that go
 * with it and acquired by the workers. A worker that has done what was ordered stores the same word
 * as `done`, with release, so that the parent then sees all that the worker counted.
 */
#ifndef NEARBY_BENCH_CONTROL_H
#define NEARBY_BENCH_CONTROL_H

#include "bench/latency.h"
#include "bench/oracle.h"
#include "bench/troop.h"

#include <stdatomic.h>

#define WORKERS_MAX   TROOP_MAX
#define EXAMPLES_MAX  6
#define EXAMPLE_BYTES 200
#define WATCH_LOG_MAX 64

enum phase {
	PHASE_JOIN,  /* open all sessions, and hear their welcome */
	PHASE_RUN,   /* send what is due */
	PHASE_PAUSE, /* send nothing, and see that all that was sent has been taken */
	PHASE_CHECK, /* all is quiet: page through every list and compare with brute force */
	PHASE_END,   /* say goodbye */
};

/* What one worker has seen; all counts since the start. */
struct tally {
	_Atomic uint32_t done; /* the order that has been carried out */
	uint64_t joined;
	uint64_t join_retries;
	uint64_t sent;
	uint64_t skipped; /* moves of users whose session is lost */
	uint64_t due;	  /* friends in range, by brute force, at the moment of each sending */
	uint64_t frames;  /* update and gone */
	uint64_t moved, entered, refreshed, merged, before; /* entries of updates by cause */
	uint64_t gone_far, gone_idle;
	uint64_t pages;
	uint64_t checked; /* sessions, in all checks */
	uint64_t verdicts[VERDICT_COUNT];
	uint64_t last_heard_us, last_sent_us;
	struct check_counts check; /* of the last check alone */
	struct latency push_latency, join_latency, page_latency;
	double radius_m, ttl_s; /* as the last welcome said */
	uint32_t example_count;
	char examples[EXAMPLES_MAX][EXAMPLE_BYTES];
};

/* Something that happened in the view of the user who is watched. */
struct watch_event {
	uint32_t friend;
	bool came;
	char why[12]; /* of a gone */
	uint64_t at_us;
};

struct control {
	_Atomic uint32_t order;	   /* turn << 8 | phase */
	_Atomic uint64_t start_us; /* boot clock at which the run's own clock was 0 */
	uint32_t worker_count;
	int64_t watched; /* user, or -1 */
	_Atomic uint32_t watch_count;
	struct watch_event watch_log[WATCH_LOG_MAX]; /* event n is at n % WATCH_LOG_MAX */
	struct tally tallies[WORKERS_MAX];
};

/* 0, or negative errno. */
int control_open(struct control **control, uint32_t worker_count);
void control_close(struct control **control);

void control_order(struct control *control, enum phase phase);
uint32_t control_read(const struct control *control);
static inline enum phase control_phase(uint32_t order)
{
	return (enum phase)(order & 0xff);
}
/* Whether all workers have carried out the last order. */
bool control_is_done(const struct control *control);

/* Counts a finding, and keeps the text of the first few. */
void tally_find(struct tally *tally, enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Adds all workers' tallies up. */
void control_sum(const struct control *control, struct tally *sum);
uint64_t tally_findings(const struct tally *tally);

#endif
