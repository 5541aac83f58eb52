/*
 * Owns: when the next step is due.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/sweeper.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

/* Pages of a step: 8 MiB, some milliseconds out of memory and some ten from a disk. */
enum { STEP_PAGES = 2048 };
/* A reader or a copy holds it up; the disk is full. */
#define HELD_US	  ((uint64_t)100 * 1000)
#define FAILED_US ((uint64_t)1000 * 1000)

static void note_failure(struct sweeper *sweeper, const char *name, int error)
{
	bool fails = error != 0 && error != -EBUSY;
	if (fails && !sweeper->fails)
		log_warning("%s cannot be swept of what was deleted: %s; it is tried again", name,
			    strerror(-error));
	sweeper->fails = fails;
}

static int step(struct sweeper *sweeper, struct lmdb *lmdb)
{
	if (sweeper->is_begun)
		return lmdb_sweep_step(lmdb, &sweeper->sweep, STEP_PAGES);
	int error = lmdb_sweep_begin(lmdb, &sweeper->sweep);
	sweeper->is_begun = error == 0;
	sweeper->counted = 0;
	return error;
}

bool sweeper_turn(struct sweeper *sweeper, struct lmdb *lmdb, const char *name, counter_word *pages)
{
	uint64_t start_us = boot_us();
	if (start_us < sweeper->due_us)
		return false;
	int error = step(sweeper, lmdb);
	uint64_t end_us = boot_us();
	note_failure(sweeper, name, error);
	bool is_held = error == -EBUSY || sweeper->sweep.is_held;
	sweeper->due_us = end_us + (sweeper->fails ? FAILED_US : is_held ? HELD_US : end_us - start_us);
	counter_add(pages, sweeper->sweep.cleared - sweeper->counted);
	sweeper->counted = sweeper->sweep.cleared;
	if (!sweeper->sweep.is_done)
		return false;
	sweeper_fini(sweeper);
	return true;
}

uint64_t sweeper_rest_us(const struct sweeper *sweeper)
{
	uint64_t now_us = boot_us();
	return sweeper->due_us > now_us ? sweeper->due_us - now_us : 0;
}

void sweeper_fini(struct sweeper *sweeper)
{
	lmdb_sweep_end(&sweeper->sweep);
	sweeper->is_begun = false;
	sweeper->counted = 0;
}
