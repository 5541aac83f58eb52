/*
 * Owns: when each user of a load says where it is, and the order of that for one worker's users.
 * Invariant: fixed by the seed before anything is sent: in each period every user has one due time,
 *   anywhere in it with equal chance and independent of all others. So, but for the bound of one per
 *   user and period, arrivals come as a Poisson process, and no answer of a server moves them.
 * Thread: the pure functions any; a timetable belongs to one worker.
 * Does not know: places, sessions.
 *
 * Whoever knows the pace can tell from the time of a location which one of the user's it was, and when
 * exactly it was due: nothing needs to be remembered or sent for that.
 */
#ifndef NEARBY_BENCH_TIMETABLE_H
#define NEARBY_BENCH_TIMETABLE_H

#include <stdbool.h>
#include <stdint.h>

/* One rate for some time. Times are boot clock; the start of a pace and its period are whole ms. */
struct pace {
	uint64_t start_us;
	uint64_t period_us;  /* 0: nothing is due */
	uint64_t first_step; /* of the walk of every user, when the pace starts */
	uint64_t seed;
};

/* The pace for so many users that send `rate` locations per second in all; 0: none. */
struct pace pace_make(uint64_t seed, uint32_t users, double rate, uint64_t start_us,
		      uint64_t first_step);
/* What it comes to: the rate with the period rounded to ms. */
double pace_rate(const struct pace *pace, uint32_t users);

/* When the user's location of that round (0, 1, ... since the start of the pace) is due. */
uint64_t pace_due_us(const struct pace *pace, uint32_t user, uint64_t round);

struct timetable;

/* For the users local * stride + first, local = 0 .. count-1. 0, or -ENOMEM. */
int timetable_open(struct timetable **timetable, uint32_t first, uint32_t stride, uint32_t count);
void timetable_close(struct timetable **timetable);
/* From here on, and from its first round, this pace holds. */
void timetable_turn(struct timetable *timetable, const struct pace *pace);

struct timetable_entry {
	uint32_t local;
	uint64_t round, due_us;
};
/* What is due next. False: nothing ever at this pace. */
bool timetable_next(const struct timetable *timetable, struct timetable_entry *entry);
/* Takes that off. */
void timetable_take(struct timetable *timetable);

#endif
