/*
 * Owns: the way of a deletion from the moment that it is hidden until the files hold nothing of it.
 * Invariant: one pass at a time; all deletions that are there when it begins end with it; what a stop or
 *   a crash breaks off is begun anew, as the rows in history.mdb tell.
 * Thread: the one that writes history.
 * Does not know: requests, how blocks and pages are cleared.
 *
 * A pass: the points leave the blocks of history.mdb (erase.c); its file is scrubbed, and meanwhile that of
 * users.mdb by its own thread, when users were deleted; then the rows go. The two threads meet in two
 * numbers of struct store: this one counts up what it wants, the other says which of these is done.
 */
#ifndef NEARBY_STORE_ERASER_H
#define NEARBY_STORE_ERASER_H

#include "store/history.h"
#include "store/scrubber.h"

struct store;

enum eraser_state { ERASER_IDLE, ERASER_BLOCKS, ERASER_FILE, ERASER_USERS, ERASER_END };

struct eraser {
	struct store *store;
	enum eraser_state state;
	struct history_pass pass;
	struct scrubber scrubber;
	uint64_t users_wanted; /* the scrub of users.mdb that this pass waits for; 0: none */
	bool has_users;	       /* users were deleted since the last pass began, or may have been before the start */
	bool fails;
	uint64_t due_us;
	uint64_t waiting; /* deletions, those of the pass included */
};

/* Takes up what was left at the last stop. */
void eraser_init(struct eraser *eraser, struct store *store);
void eraser_fini(struct eraser *eraser);
/* Users were hidden, and some of them, perhaps, are deleted from users.mdb by a request that has left. */
void eraser_note(struct eraser *eraser, uint32_t count, bool has_users);
/* Some milliseconds of work, when it is due. */
void eraser_turn(struct eraser *eraser);
/* How long nothing is to be done, in microseconds; BELL_FOREVER when nothing waits. */
uint64_t eraser_rest_us(const struct eraser *eraser);

#endif
