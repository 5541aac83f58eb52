/*
 * Owns: how the wheel turns.
 * Invariant: a set timer is in the list of the slot it names; a slot's bit is set while its list
 *   is not empty.
 * Thread: the core's.
 * Does not know: the clock; it is told the time.
 */
#include "net/timer.h"

#include "base/check.h"

#include <stddef.h>
#include <string.h>

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->tick = now_ms / TIMER_TICK_MS;
	for (uint32_t i = 0; i < TIMER_SLOTS; i++)
		wheel->slots[i].next = wheel->slots[i].previous = &wheel->slots[i];
}

/* The tick in which `due_ms` has passed, bounded by the wheel's span. */
static uint64_t tick_for(const struct timer_wheel *wheel, uint64_t due_ms)
{
	uint64_t tick = due_ms / TIMER_TICK_MS + 1;
	if (tick < wheel->tick)
		return wheel->tick;
	if (tick > wheel->tick + TIMER_SLOTS - 1)
		return wheel->tick + TIMER_SLOTS - 1;
	return tick;
}

static void link_timer(struct timer_wheel *wheel, struct timer *timer)
{
	timer->slot = (uint32_t)(tick_for(wheel, timer->due_ms) % TIMER_SLOTS);
	struct timer *head = &wheel->slots[timer->slot];
	timer->next = head;
	timer->previous = head->previous;
	head->previous->next = timer;
	head->previous = timer;
	wheel->occupied[timer->slot / 64] |= UINT64_C(1) << (timer->slot % 64);
	timer->is_set = true;
	wheel->count++;
}

void timer_clear(struct timer_wheel *wheel, struct timer *timer)
{
	if (!timer->is_set)
		return;
	timer->next->previous = timer->previous;
	timer->previous->next = timer->next;
	struct timer *head = &wheel->slots[timer->slot];
	if (head->next == head)
		wheel->occupied[timer->slot / 64] &= ~(UINT64_C(1) << (timer->slot % 64));
	timer->is_set = false;
	check(wheel->count > 0);
	wheel->count--;
}

void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t due_ms)
{
	bool is_later = timer->is_set && due_ms >= timer->due_ms;
	if (is_later) {
		timer->due_ms = due_ms;
		return;
	}
	timer_clear(wheel, timer);
	timer->due_ms = due_ms;
	link_timer(wheel, timer);
}

uint64_t timer_wheel_next_ms(const struct timer_wheel *wheel)
{
	if (wheel->count == 0)
		return UINT64_MAX;
	for (uint64_t step = 0; step < TIMER_SLOTS; step++) {
		uint64_t slot = (wheel->tick + step) % TIMER_SLOTS;
		uint64_t word = wheel->occupied[slot / 64] >> (slot % 64);
		if (word != 0)
			return (wheel->tick + step + (uint64_t)__builtin_ctzll(word)) *
			       TIMER_TICK_MS;
		step += 63 - slot % 64;
	}
	return UINT64_MAX;
}

/* Timers that were set to a later time since they were put here move on. */
static struct timer *take_due(struct timer_wheel *wheel, struct timer *head, uint64_t now_ms)
{
	while (head->next != head) {
		struct timer *timer = head->next;
		timer_clear(wheel, timer);
		if (timer->due_ms <= now_ms)
			return timer;
		link_timer(wheel, timer);
		check(timer->slot != (uint32_t)(wheel->tick % TIMER_SLOTS));
	}
	return NULL;
}

struct timer *timer_wheel_fire(struct timer_wheel *wheel, uint64_t now_ms)
{
	uint64_t now_tick = now_ms / TIMER_TICK_MS;
	if (wheel->count == 0)
		wheel->tick = now_tick > wheel->tick ? now_tick : wheel->tick;
	while (wheel->tick <= now_tick) {
		struct timer *timer =
			take_due(wheel, &wheel->slots[wheel->tick % TIMER_SLOTS], now_ms);
		if (timer != NULL)
			return timer;
		if (wheel->tick == now_tick)
			return NULL;
		wheel->tick++;
	}
	return NULL;
}
