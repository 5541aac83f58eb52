/*
 * Owns: the states of a pass.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/eraser.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/threads.h"

#include <string.h>

/* After a failure: the disk is full, most likely. */
#define FAILED_US ((uint64_t)1000 * 1000)
/* How often it is asked whether the other thread is done. */
#define LOOK_US ((uint64_t)10 * 1000)

/* What waits, for the gauges and for the next pass. */
static int waiting_find(struct eraser *eraser)
{
	int64_t since_ms;
	int error = history_hidden(eraser->store->history, &eraser->waiting, &since_ms);
	if (error != 0)
		return error;
	/* A row without its time is of an older program. */
	if (eraser->waiting > 0 && since_ms == 0)
		since_ms = wall_ms();
	counter_set(store_counter(eraser->store, STORE_WORD_ERASURES_WAITING), eraser->waiting);
	counter_set(store_counter(eraser->store, STORE_WORD_ERASING_SINCE),
		    eraser->waiting > 0 ? (uint64_t)since_ms : 0);
	return 0;
}

void eraser_init(struct eraser *eraser, struct store *store)
{
	*eraser = (struct eraser){ .store = store };
	int error = waiting_find(eraser);
	if (error != 0)
		log_error("history: what was to be erased cannot be read: %s", strerror(-error));
	eraser->has_users = eraser->waiting > 0;
}

void eraser_fini(struct eraser *eraser)
{
	history_pass_end(&eraser->pass);
	scrubber_fini(&eraser->scrubber);
}

void eraser_note(struct eraser *eraser, uint32_t count, bool has_users)
{
	counter_add(store_counter(eraser->store, STORE_WORD_ERASURES_ASKED), count);
	eraser->has_users |= has_users;
	waiting_find(eraser);
}

/* ---- states --------------------------------------------------------------------------------- */

static int begin(struct eraser *eraser)
{
	int error = history_pass_begin(eraser->store->history, &eraser->pass);
	if (error == 0)
		eraser->state = ERASER_BLOCKS;
	return error;
}

static int blocks_step(struct eraser *eraser)
{
	struct store *store = eraser->store;
	uint64_t before = eraser->pass.changed;
	int error = history_pass_step(store->history, &eraser->pass);
	counter_add(store_counter(store, STORE_WORD_ERASURE_BLOCKS), eraser->pass.changed - before);
	if (error != 0 || !eraser->pass.is_through)
		return error;
	eraser->state = ERASER_FILE;
	eraser->users_wanted = 0;
	if (eraser->has_users) {
		/* Behind the requests that delete these users: they are in the other thread's ring. */
		eraser->users_wanted = atomic_fetch_add(&store->users_scrub_wanted, 1) + 1;
		bell_ring(&store->lanes[LANE_USERS].bell);
	}
	eraser->has_users = false;
	return 0;
}

static void file_step(struct eraser *eraser)
{
	struct store *store = eraser->store;
	if (scrubber_turn(&eraser->scrubber, history_lmdb(store->history), "history.mdb",
			 store_counter(store, STORE_WORD_HISTORY_SCRUBBED)))
		eraser->state = ERASER_USERS;
}

static int end(struct eraser *eraser)
{
	uint64_t count = eraser->pass.mark_count;
	int error = history_unhide(eraser->store->history, &eraser->pass);
	if (error == 0)
		error = waiting_find(eraser);
	if (error != 0)
		return error;
	counter_add(store_counter(eraser->store, STORE_WORD_ERASURES_DONE), count);
	history_pass_end(&eraser->pass);
	eraser->state = ERASER_IDLE;
	return 0;
}

static int step(struct eraser *eraser)
{
	switch (eraser->state) {
	case ERASER_IDLE:
		return begin(eraser);
	case ERASER_BLOCKS:
		return blocks_step(eraser);
	case ERASER_FILE:
		file_step(eraser);
		return 0;
	case ERASER_USERS:
		if (atomic_load(&eraser->store->users_scrub_done) >= eraser->users_wanted)
			eraser->state = ERASER_END;
		return 0;
	case ERASER_END:
		return end(eraser);
	}
	return 0;
}

void eraser_turn(struct eraser *eraser)
{
	uint64_t start_us = boot_us();
	if (eraser->waiting == 0 || start_us < eraser->due_us)
		return;
	int error = step(eraser);
	if (error != 0 && !eraser->fails)
		log_warning("history cannot be erased: %s; it is tried again", strerror(-error));
	eraser->fails = error != 0;
	uint64_t end_us = boot_us();
	/* It takes half of the thread's time at most. */
	uint64_t rest_us = eraser->fails ? FAILED_US : eraser->state == ERASER_USERS ? LOOK_US : end_us - start_us;
	eraser->due_us = end_us + rest_us;
}

uint64_t eraser_rest_us(const struct eraser *eraser)
{
	uint64_t now_us = boot_us();
	if (eraser->waiting == 0)
		return BELL_FOREVER;
	uint64_t rest_us = eraser->due_us > now_us ? eraser->due_us - now_us : 0;
	uint64_t scrubber_us = eraser->state == ERASER_FILE ? scrubber_rest_us(&eraser->scrubber) : 0;
	return rest_us > scrubber_us ? rest_us : scrubber_us;
}
