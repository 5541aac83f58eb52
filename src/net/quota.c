/*
 * Owns: see the header.
 * Invariant: see the header; a place only grows.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "net/quota.h"

#include "base/check.h"
#include "base/id.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

enum { QUOTA_MAGIC = 0x71756f74 };

struct quota {
	uint32_t magic;
	uint64_t seeds[QUOTA_ROWS]; /* secret, so that nobody can choose whom to meet */
	_Atomic uint64_t places[QUOTA_ROWS][QUOTA_PLACES];
};

int quota_open(struct quota **quota)
{
	struct quota *fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	if (getrandom(fresh->seeds, sizeof(fresh->seeds), 0) != (ssize_t)sizeof(fresh->seeds)) {
		free(fresh);
		return -EIO;
	}
	fresh->magic = QUOTA_MAGIC;
	*quota = fresh;
	return 0;
}

void quota_close(struct quota **quota)
{
	if (*quota == NULL)
		return;
	check_object(*quota, QUOTA_MAGIC);
	(*quota)->magic = 0;
	free(*quota);
	*quota = NULL;
}

static _Atomic uint64_t *place(struct quota *quota, uint32_t row, uint64_t key)
{
	return &quota->places[row][hash_u64(key ^ quota->seeds[row]) % QUOTA_PLACES];
}

static void raise_to(_Atomic uint64_t *place, uint64_t until_us)
{
	uint64_t found = atomic_load_explicit(place, memory_order_relaxed);
	while (found < until_us &&
	       !atomic_compare_exchange_weak_explicit(place, &found, until_us, memory_order_relaxed,
						      memory_order_relaxed))
		;
}

bool quota_take(struct quota *quota, uint64_t key, uint64_t now_us, uint32_t per_s, uint32_t burst)
{
	check_object(quota, QUOTA_MAGIC);
	check(burst > 0);
	if (per_s == 0)
		return true;
	uint64_t used_us = UINT64_MAX, step_us = 1000000u / per_s + (1000000u % per_s != 0);
	for (uint32_t row = 0; row < QUOTA_ROWS; row++) {
		uint64_t found = atomic_load_explicit(place(quota, row, key), memory_order_relaxed);
		used_us = found < used_us ? found : used_us;
	}
	uint64_t until_us = (used_us > now_us ? used_us : now_us) + step_us;
	if (until_us - now_us > burst * step_us)
		return false;
	for (uint32_t row = 0; row < QUOTA_ROWS; row++)
		raise_to(place(quota, row, key), until_us);
	return true;
}
