/*
 * Owns: reading the two clocks.
 * Invariant: boot_us() never steps back and counts while the machine sleeps; wall_ms() may jump.
 * Thread: any, no state.
 * Does not know: what the times are for. Ages and timeouts use boot_us(), dates use wall_ms().
 */
#ifndef NEARBY_BASE_CLOCK_H
#define NEARBY_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds of CLOCK_BOOTTIME: the same in every process of this boot. */
static inline uint64_t boot_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* From one time to another of the same clock; 0 when that was read on another core a little later. */
static inline uint64_t elapsed_us(uint64_t from_us, uint64_t to_us)
{
	return to_us > from_us ? to_us - from_us : 0;
}

/* Milliseconds since 1970 of the wall clock. */
static inline int64_t wall_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
