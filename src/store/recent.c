/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 *
 * The points of a window lie in one piece behind those of the window before it, or at the start of the memory
 * when there is room: so the memory that was touched once is used again before more is.
 */
#include "store/recent.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* A page that a huge one maps costs half of what it costs alone when it is touched first. */
enum { HUGE_PAGE_BYTES = 2 << 20 };

int recent_open(struct recent *recent)
{
	size_t bytes = RECENT_POINTS_MAX * sizeof(*recent->points);
	_Static_assert(RECENT_POINTS_MAX * sizeof(*recent->points) % HUGE_PAGE_BYTES == 0, "whole pages");
	*recent = (struct recent){ .points = aligned_alloc(HUGE_PAGE_BYTES, bytes) };
	if (recent->points == NULL)
		return -ENOMEM;
	madvise(recent->points, bytes, MADV_HUGEPAGE);
	return 0;
}

void recent_close(struct recent *recent)
{
	free(recent->points);
	*recent = (struct recent){ .points = NULL };
}

/* The oldest is number 0. */
static const struct recent_window *window_at(const struct recent *recent, uint32_t i)
{
	return &recent->windows[(recent->first + i) % RECENT_WINDOWS_MAX];
}

static void oldest_forget(struct recent *recent)
{
	recent->first = (recent->first + 1) % RECENT_WINDOWS_MAX;
	recent->count--;
}

/* Whether so many points fit without a window forgotten, and where. */
static bool room_find(struct recent *recent, size_t count)
{
	if (recent->count == 0) {
		recent->room = recent->points;
		return true;
	}
	const struct recent_window *oldest = window_at(recent, 0);
	const struct recent_window *newest = window_at(recent, recent->count - 1);
	bool is_around = newest->start < oldest->start;
	size_t start = !is_around && oldest->start >= count ? 0 : newest->end;
	size_t end = is_around || start == 0 ? oldest->start : RECENT_POINTS_MAX;
	recent->room = recent->points + start;
	return recent->count < RECENT_WINDOWS_MAX && start + count <= end;
}

struct store_point *recent_room(struct recent *recent, size_t count)
{
	check(count > 0 && count <= RECENT_POINTS_MAX);
	while (!room_find(recent, count))
		oldest_forget(recent);
	return recent->room;
}

void recent_keep(struct recent *recent, const struct store_point *points, size_t count, uint64_t number)
{
	if (points != recent->room)
		return;
	size_t start = (size_t)(points - recent->points);
	recent->room = NULL;
	check(recent->count == 0 || window_at(recent, recent->count - 1)->number < number);
	recent->windows[(recent->first + recent->count++) % RECENT_WINDOWS_MAX] =
		(struct recent_window){ number, start, start + count };
}

struct points_row recent_find(const struct recent *recent, uint64_t number)
{
	for (uint32_t i = 0; i < recent->count; i++) {
		const struct recent_window *window = window_at(recent, i);
		if (window->number == number)
			return (struct points_row){ recent->points + window->start,
						    window->end - window->start };
	}
	return (struct points_row){ NULL, 0 };
}

void recent_forget(struct recent *recent, uint64_t number)
{
	while (recent->count > 0 && window_at(recent, 0)->number <= number)
		oldest_forget(recent);
}
