/*
 * Owns: the pace of a scrub of one database's file (scrub.h).
 * Invariant: it takes about half of its thread's time, in steps of some milliseconds; what holds it up
 *   is waited for without work.
 * Thread: the one that writes to the database.
 * Does not know: why the file is scrubbed.
 */
#ifndef NEARBY_STORE_SCRUBER_H
#define NEARBY_STORE_SCRUBER_H

#include "base/counter.h"
#include "store/scrub.h"

struct scrubber {
	struct scrub scrub;
	bool is_begun;
	bool fails; /* the last step did */
	uint64_t due_us; /* of the next step, on the boot clock */
	uint64_t counted; /* pages that are in the counter */
};

/*
 * Does a step when it is due, of a scrub that begins with the first; returns true when it is over, and
 * begins anew with the next call. `name` is for the log; `pages` counts those in which bytes were cleared.
 */
bool scrubber_turn(struct scrubber *scrubber, struct lmdb *lmdb, const char *name, counter_word *pages);
/* How long nothing is to be done, in microseconds. */
uint64_t scrubber_rest_us(const struct scrubber *scrubber);
/* Ends a scrub that is not over, and frees what it holds. */
void scrubber_fini(struct scrubber *scrubber);

#endif
