/*
 * Owns: one wheel of timers.
 * Invariant: a timer fires once for each setting, at its due time or up to one tick later.
 * Thread: the core's.
 * Does not know: what the timers are for.
 *
 * Setting one to a later time costs a store only: the wheel looks again when the old time comes.
 */
#ifndef NEARBY_NET_TIMER_H
#define NEARBY_NET_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define TIMER_TICK_MS 16
/* The span is 16 s; a timer beyond it is looked at once each span. */
#define TIMER_SLOTS 1024

/* Lives in what it belongs to. All zero: not set. */
struct timer {
	struct timer *next, *previous;
	uint64_t due_ms;
	uint32_t slot;
	bool is_set;
};

struct timer_wheel {
	struct timer slots[TIMER_SLOTS]; /* list heads */
	uint64_t occupied[TIMER_SLOTS / 64];
	uint64_t tick; /* all ticks before this one have fired */
	uint32_t count;
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms);
void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t due_ms);
void timer_clear(struct timer_wheel *wheel, struct timer *timer);
/* When timer_wheel_advance should be called next; UINT64_MAX when no timer is set. */
uint64_t timer_wheel_next_ms(const struct timer_wheel *wheel);
/* The next timer whose time has come, taken off the wheel, or NULL. */
struct timer *timer_wheel_fire(struct timer_wheel *wheel, uint64_t now_ms);

#endif
