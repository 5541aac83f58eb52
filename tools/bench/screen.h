/*
 * Owns: what is seen while a run goes on: a progress line, or the table of one user's friends.
 * Invariant: the terminal is left as it was found, also when a signal ends the run; without a
 *   terminal there are plain lines, and no progress.
 * Thread: the parent's.
 * Does not know: sessions; it looks at the world and the sums.
 */
#ifndef NEARBY_BENCH_SCREEN_H
#define NEARBY_BENCH_SCREEN_H

#include "bench/control.h"

struct screen;

/* 0, or -ENOMEM. With a watched user in `control` it shows that one on stdout, else the progress on
 * stderr. */
int screen_open(struct screen **screen, const struct world *world, const struct control *control);
void screen_close(struct screen **screen);

/* Shows how things are. `share` 0 .. 1 of the phase is done; below 0 when nobody knows. */
void screen_show(struct screen *screen, const struct tally *sum, const char *phase, double share);

#endif
