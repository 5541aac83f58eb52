/*
 * Owns: the futex of a bell.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/bell.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint32_t bell_seen(const struct bell *bell)
{
	return atomic_load((_Atomic uint32_t *)&bell->count);
}

void bell_wait(struct bell *bell, uint32_t seen, uint64_t timeout_us)
{
	struct timespec timeout = { (time_t)(timeout_us / 1000000u),
				    (long)(timeout_us % 1000000u) * 1000 };
	atomic_store(&bell->asleep, 1);
	if (atomic_load(&bell->count) == seen)
		syscall(SYS_futex, &bell->count, FUTEX_WAIT_PRIVATE, seen,
			timeout_us == BELL_FOREVER ? NULL : &timeout, NULL, 0);
	atomic_store(&bell->asleep, 0);
}

void bell_ring(struct bell *bell)
{
	atomic_fetch_add(&bell->count, 1);
	if (atomic_load(&bell->asleep) != 0)
		syscall(SYS_futex, &bell->count, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
