/*
 * Owns: when the next step is due.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/scrubber.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

/* Pages of a step: 8 MiB, some milliseconds out of memory and some ten from a disk. */
enum { STEP_PAGES = 2048 };
/* A reader or a copy holds it up; the disk is full. */
#define HELD_US	  ((uint64_t)100 * 1000)
#define FAILED_US ((uint64_t)1000 * 1000)

static void note_failure(struct scrubber *scrubber, const char *name, int error)
{
	bool fails = error != 0 && error != -EBUSY;
	if (fails && !scrubber->fails)
		log_warning("%s cannot be scrubbed of what was deleted: %s; it is tried again", name,
			    strerror(-error));
	scrubber->fails = fails;
}

static int step(struct scrubber *scrubber, struct lmdb *lmdb)
{
	if (scrubber->is_begun)
		return scrub_step(&scrubber->scrub, lmdb, STEP_PAGES);
	int error = scrub_begin(&scrubber->scrub, lmdb);
	scrubber->is_begun = error == 0;
	scrubber->counted = 0;
	return error;
}

bool scrubber_turn(struct scrubber *scrubber, struct lmdb *lmdb, const char *name, counter_word *pages)
{
	uint64_t start_us = boot_us();
	if (start_us < scrubber->due_us)
		return false;
	int error = step(scrubber, lmdb);
	uint64_t end_us = boot_us();
	note_failure(scrubber, name, error);
	bool is_held = error == -EBUSY || scrubber->scrub.is_held;
	scrubber->due_us = end_us + (scrubber->fails ? FAILED_US : is_held ? HELD_US : end_us - start_us);
	counter_add(pages, scrubber->scrub.cleared - scrubber->counted);
	scrubber->counted = scrubber->scrub.cleared;
	if (!scrubber->scrub.is_done)
		return false;
	scrubber_fini(scrubber);
	return true;
}

uint64_t scrubber_rest_us(const struct scrubber *scrubber)
{
	uint64_t now_us = boot_us();
	return scrubber->due_us > now_us ? scrubber->due_us - now_us : 0;
}

void scrubber_fini(struct scrubber *scrubber)
{
	scrub_end(&scrubber->scrub);
	scrubber->is_begun = false;
	scrubber->counted = 0;
}
