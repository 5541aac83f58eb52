/*
 * Owns: who was where in each second: walkers from a seed, or a file of real ones.
 * Invariant: seconds come in order, and all of it follows from the seed or the file; every walker is
 *   seen once in TRAIL_PERIOD_S.
 * Thread: one.
 * Does not know: what the locations are kept in.
 *
 * A walker goes straight to one place of their city after another: two in four on foot, one by
 * bicycle, one by car; the phone errs by metres and by tenths of a second, as phones do. Who is seen
 * in which second, and in what order, is drawn once.
 */
#ifndef NEARBY_BENCH_TRAIL_H
#define NEARBY_BENCH_TRAIL_H

#include "store/store.h"

#define TRAIL_PERIOD_S 30

struct trail;

/* `users` walkers. Ends the program with a word when there is no memory. */
struct trail *trail_open(uint32_t users, uint64_t seed);
/* Rows of `time user lat lon`; ends the program with a word when it cannot be read. */
struct trail *trail_read(const char *path);
void trail_close(struct trail **trail);

/*
 * The locations of the next second, in order of arrival, in *points until the next call. 0: a second
 * without any, or the end of a file (trail_is_over).
 */
uint32_t trail_second(struct trail *trail, const struct store_point **points);
bool trail_is_over(const struct trail *trail);

/* The number that a walker goes by: not dense, as those who move are some among all. */
struct user_id trail_user(const struct trail *trail, uint32_t walker);

#endif
