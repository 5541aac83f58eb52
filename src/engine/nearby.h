/*
 * Owns: the nearby list: who is in range, nearest first, a page at a time.
 * Invariant: ordered by (distance in mm, user), so that pages neither repeat nor skip anyone who
 *   stands still; memory is that of one page, however many friends.
 * Thread: as engine.h.
 * Does not know: why a page is wanted.
 */
#ifndef NEARBY_ENGINE_NEARBY_H
#define NEARBY_ENGINE_NEARBY_H

#include "engine/engine_private.h"

/* The page of a session that is located, after a cursor or from the start (NULL). The client then
 * knows those on the page. */
void nearby_page(struct engine *engine, uint64_t now_us, uint32_t slot,
		 const struct page_cursor *after, uint32_t limit, struct server_msg *msg);
/* The first page after a session's first location: the client is to page on, and is held to know
 * the whole list. */
void nearby_first(struct engine *engine, uint64_t now_us, uint32_t slot, struct server_msg *msg);

#endif
