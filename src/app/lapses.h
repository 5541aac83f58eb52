/*
 * Owns: what ends by itself of what users share, in order of when.
 * Invariant: at most one entry for what a user shows everybody and for each of its exceptions; what is
 *   taken out next is what ends first.
 * Thread: one core's, which is home to the users that share.
 * Does not know: clocks, the engine, the store.
 */
#ifndef NEARBY_APP_LAPSES_H
#define NEARBY_APP_LAPSES_H

#include "base/id.h"

#include <stdbool.h>
#include <stdint.h>

struct lapse {
	struct user_id sharer;
	bool has_viewer; /* an exception for this one, else what everybody sees */
	struct user_id viewer; /* 0 when there is none */
	int64_t until_ms; /* since 1970, not 0 */
};

struct lapses;

/* None yet. 0, or -ENOMEM. */
int lapses_open(struct lapses **lapses);
void lapses_close(struct lapses **lapses);

/* Sets when it ends, in place of what was set before; until_ms 0: it does not end by itself. */
void lapses_set(struct lapses *lapses, const struct lapse *lapse);
/* Takes out what ends first, if it does by now_ms. */
bool lapses_take(struct lapses *lapses, int64_t now_ms, struct lapse *lapse);
uint32_t lapses_count(const struct lapses *lapses);

/* Checks every invariant; for tests. */
void lapses_check(const struct lapses *lapses);

#endif
