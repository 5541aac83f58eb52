/*
 * Owns: the points of the latest commit windows, as they were when they were written to the file.
 * Invariant: what it has of a window is what the file had of it when it was committed; windows go oldest
 *   first, and what it does not have is in the file all the same.
 * Thread: the one that writes history.
 * Does not know: the file, who asks for what.
 *
 * Windows are merged for the first time soon after they came: from here they need not be read and decoded.
 */
#ifndef NEARBY_STORE_RECENT_H
#define NEARBY_STORE_RECENT_H

#include "store/point.h"

/* Those of a minute of a million users who send every 30 s, and some more: 60 MB, used as they come. */
#define RECENT_POINTS_MAX ((size_t)5 << 19)
/* Twice as many as a merge takes at most (run.h). */
#define RECENT_WINDOWS_MAX 128

struct recent_window {
	uint64_t number;
	size_t start, end; /* of its points */
};

struct recent {
	struct store_point *points; /* room for RECENT_POINTS_MAX */
	struct store_point *room;   /* that was made and is not used; or NULL */
	uint32_t first, count;
	struct recent_window windows[RECENT_WINDOWS_MAX]; /* a ring, by number */
};

/* 0, or -ENOMEM. Closed in any case. */
int recent_open(struct recent *recent);
void recent_close(struct recent *recent);

/* Room for a window of so many points, RECENT_POINTS_MAX at most: the caller's until the next call of this.
 * Windows that are in the way are forgotten. */
struct store_point *recent_room(struct recent *recent, size_t count);
/* Keeps a window that was committed, if its points lie where room was made for them. Its number is greater
 * than those before. */
void recent_keep(struct recent *recent, const struct store_point *points, size_t count, uint64_t number);

/* The points of a window; none when it is not here. They stay until room is made or it is forgotten. */
struct points_row recent_find(const struct recent *recent, uint64_t number);

/* Forgets windows up to and with this one. */
void recent_forget(struct recent *recent, uint64_t number);

#endif
