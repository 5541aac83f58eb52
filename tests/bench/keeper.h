/*
 * Owns: the store of locations as the daemon has it, driven second by second.
 * Invariant: what a second brought is one commit window, on disk when keeper_second returns.
 * Thread: one client; the store's own threads do the work.
 * Does not know: walkers, what is measured.
 *
 * Time is virtual: the seconds come as fast as they can be written, each closed by a flush, so that
 * commits are exactly those of a daemon with the normal window.
 */
#ifndef NEARBY_BENCH_KEEPER_H
#define NEARBY_BENCH_KEEPER_H

#include "store/store.h"

struct keeper;

/* Ends the program with a word when it cannot. */
struct keeper *keeper_open(const char *directory);
void keeper_close(struct keeper **keeper);

/* Appends, and waits for the commit. */
void keeper_second(struct keeper *keeper, const struct store_point *points, uint32_t count);

/* Asks for history or an export; calls `take` with each portion. Returns the points. */
uint64_t keeper_read(struct keeper *keeper, struct store_request request,
		     void (*take)(void *context, const struct store_point *points, uint32_t count),
		     void *context);

/* Merges, without a keeper open, what would be merged in time. Returns the bytes of the file. */
uint64_t keeper_merge_all(const char *directory);
/* Has the system forget the pages of the file, without a keeper open, so that they come from disk. */
void keeper_forget(const char *directory);

/* CPU seconds of the process but for this thread: what the store spent. */
double keeper_cpu_s(void);
/* CPU seconds of this thread. */
double thread_cpu_s(void);

#endif
