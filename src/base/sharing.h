/*
 * Owns: the words for what somebody shows of where they are.
 * Invariant: OFF is what holds when nothing else is known to.
 * Thread: any, no state.
 * Does not know: who may see it (the engine's gate), how it is kept (the store).
 */
#ifndef NEARBY_BASE_SHARING_H
#define NEARBY_BASE_SHARING_H

#include "base/id.h"

#include <stdint.h>

/* Two bits wide: kept in marks of locations and in files. */
enum sharing_mode {
	SHARING_DEFAULT = 0,	 /* of an exception: there is none, what everybody sees holds */
	SHARING_PRECISE = 1,	 /* the place as it was sent */
	SHARING_APPROXIMATE = 2, /* a place on a grid of about 1 km */
	SHARING_OFF = 3,	 /* nothing */
};
#define SHARING_MODES 4

/* A mode, and until when it holds: ms since 1970, 0 for ever. After that it is OFF. */
struct sharing {
	enum sharing_mode mode;
	int64_t until_ms;
};

/* What one viewer sees that differs from what everybody does. */
struct sharing_exception {
	struct user_id user; /* the viewer */
	struct sharing sharing;
};

/* Exceptions that one user may have. */
#define SHARING_EXCEPTIONS_MAX 100

/* The mode that holds at `now_ms`. */
static inline enum sharing_mode sharing_now(const struct sharing *sharing, int64_t now_ms)
{
	return sharing->until_ms != 0 && now_ms >= sharing->until_ms ? SHARING_OFF : sharing->mode;
}

#endif
