/*
 * Owns: how a store thread sleeps and is woken.
 * Invariant: a ring between bell_seen and bell_wait is never slept through.
 * Thread: one sleeps, any thread rings; ringing a thread that is awake costs no system call.
 * Does not know: what there is to do.
 *
 * The ringer counts up and then looks whether the owner sleeps; the owner says that it sleeps and
 * then has the kernel compare the count. Both are sequentially consistent, so one of the two sees
 * the other.
 */
#ifndef NEARBY_STORE_BELL_H
#define NEARBY_STORE_BELL_H

#include <stdatomic.h>
#include <stdint.h>

struct bell {
	_Atomic uint32_t count;
	_Atomic uint32_t asleep;
};

#define BELL_FOREVER UINT64_MAX

/* What the owner has seen, to be asked before it looks for work. */
uint32_t bell_seen(const struct bell *bell);
/* Sleeps until somebody rings after `seen` was asked, or `timeout_us` is over. May wake early. */
void bell_wait(struct bell *bell, uint32_t seen, uint64_t timeout_us);
void bell_ring(struct bell *bell);

#endif
