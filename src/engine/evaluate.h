/*
 * Owns: what a viewer's own movement means for its list, now or a little later.
 * Invariant: a session that moved since its list was last evaluated is in the list of timers, unless
 *   no friend is near the edge of its range; and it is never far from its anchor.
 * Thread: as engine.h.
 * Does not know: what is said in the end; that is judged anew at the flush.
 */
#ifndef NEARBY_ENGINE_EVALUATE_H
#define NEARBY_ENGINE_EVALUATE_H

#include "engine/engine_private.h"

/* Looks at all friends from where the session is and marks those that came into view or left it. */
void evaluate_now(struct engine *engine, uint64_t now_us, uint32_t slot);
/* The session moved: evaluates now when it went far enough, else later, and who is not near the edge
 * of its range only now and then. */
void evaluate_moved(struct engine *engine, uint64_t now_us, uint32_t slot,
		    struct nearby_place before);
/* Notes that the list was just evaluated by other means. */
void evaluate_done(struct engine *engine, uint64_t now_us, uint32_t slot);
void evaluate_cancel(struct engine *engine, uint32_t slot);

/* Evaluates lists whose time has come, a bounded part. */
void evaluate_step(struct engine *engine, uint64_t now_us);
/* When the next one is due, or UINT64_MAX. */
uint64_t evaluate_next_us(const struct engine *engine);

void evaluate_check_all(const struct engine *engine);

#endif
