/*
 * Owns: see the header.
 * Invariant: a binary heap by until_ms, and a table by sharer and viewer (open addressing, at most half
 *   full) that says where in the heap an entry stands; each entry knows its place in the table.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "app/lapses.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>

enum { LAPSES_MAGIC = 0x6c617073, CAPACITY_FIRST = 32 };
#define FREE UINT32_MAX

struct item {
	struct lapse lapse;
	uint32_t place;
};

struct lapses {
	uint32_t magic;
	uint32_t count;
	uint32_t capacity;   /* of the heap, a power of two; the table has twice as many places */
	struct item *heap;
	uint32_t *places; /* index into the heap, or FREE */
};

/* ---- opening and closing ---------------------------------------------------------------------- */

/* A table of free places. NULL: no memory. */
static uint32_t *make_places(uint32_t capacity)
{
	uint32_t *places = malloc(2 * (size_t)capacity * sizeof(*places));
	for (size_t i = 0; places != NULL && i < 2 * (size_t)capacity; i++)
		places[i] = FREE;
	return places;
}

int lapses_open(struct lapses **lapses)
{
	struct lapses *fresh = calloc(1, sizeof(*fresh));
	*lapses = fresh;
	if (fresh == NULL)
		return -ENOMEM;
	fresh->magic = LAPSES_MAGIC;
	fresh->capacity = CAPACITY_FIRST;
	fresh->heap = calloc(CAPACITY_FIRST, sizeof(*fresh->heap));
	fresh->places = make_places(CAPACITY_FIRST);
	if (fresh->heap != NULL && fresh->places != NULL)
		return 0;
	lapses_close(lapses);
	return -ENOMEM;
}

void lapses_close(struct lapses **lapses)
{
	if (*lapses == NULL)
		return;
	check_object(*lapses, LAPSES_MAGIC);
	(*lapses)->magic = 0;
	free((*lapses)->heap);
	free((*lapses)->places);
	free(*lapses);
	*lapses = NULL;
}

/* ---- the table -------------------------------------------------------------------------------- */

static uint32_t own_place(const struct lapses *lapses, const struct lapse *lapse)
{
	uint64_t viewer = lapse->has_viewer ? hash_u64(lapse->viewer.value + 1) : 0;
	return (uint32_t)hash_u64(lapse->sharer.value ^ viewer) & (2 * lapses->capacity - 1);
}

static bool is_same(const struct lapse *a, const struct lapse *b)
{
	return user_id_equal(a->sharer, b->sharer) && a->has_viewer == b->has_viewer &&
	       (!a->has_viewer || user_id_equal(a->viewer, b->viewer));
}

/* Where the entry stands, or the free place where it would. */
static uint32_t find(const struct lapses *lapses, const struct lapse *lapse)
{
	uint32_t at = own_place(lapses, lapse);
	while (lapses->places[at] != FREE && !is_same(&lapses->heap[lapses->places[at]].lapse, lapse))
		at = (at + 1) & (2 * lapses->capacity - 1);
	return at;
}

/* Frees a place; those behind it that would no longer be found move up. */
static void free_place(struct lapses *lapses, uint32_t gap)
{
	uint32_t mask = 2 * lapses->capacity - 1;
	for (uint32_t at = (gap + 1) & mask; lapses->places[at] != FREE; at = (at + 1) & mask) {
		struct item *item = &lapses->heap[lapses->places[at]];
		if (((at - own_place(lapses, &item->lapse)) & mask) < ((at - gap) & mask))
			continue;
		lapses->places[gap] = lapses->places[at];
		item->place = gap;
		gap = at;
	}
	lapses->places[gap] = FREE;
}

static void grow(struct lapses *lapses)
{
	lapses->capacity *= 2;
	lapses->heap = realloc(lapses->heap, lapses->capacity * sizeof(*lapses->heap));
	free(lapses->places);
	lapses->places = make_places(lapses->capacity);
	/* Without it something would stay shown for longer than its user said. */
	check(lapses->heap != NULL && lapses->places != NULL);
	for (uint32_t i = 0; i < lapses->count; i++) {
		uint32_t place = find(lapses, &lapses->heap[i].lapse);
		lapses->places[place] = i;
		lapses->heap[i].place = place;
	}
}

/* ---- the heap --------------------------------------------------------------------------------- */

static void put_item(struct lapses *lapses, uint32_t at, struct item item)
{
	lapses->heap[at] = item;
	lapses->places[item.place] = at;
}

/* Puts an item where it belongs, when the place `at` is to be filled. */
static void settle(struct lapses *lapses, uint32_t at, struct item item)
{
	int64_t until_ms = item.lapse.until_ms;
	while (at > 0 && lapses->heap[(at - 1) / 2].lapse.until_ms > until_ms) {
		put_item(lapses, at, lapses->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (uint32_t child = 2 * at + 1; child < lapses->count; child = 2 * at + 1) {
		if (child + 1 < lapses->count &&
		    lapses->heap[child + 1].lapse.until_ms < lapses->heap[child].lapse.until_ms)
			child++;
		if (lapses->heap[child].lapse.until_ms >= until_ms)
			break;
		put_item(lapses, at, lapses->heap[child]);
		at = child;
	}
	put_item(lapses, at, item);
}

static void take_out(struct lapses *lapses, uint32_t at)
{
	free_place(lapses, lapses->heap[at].place);
	struct item last = lapses->heap[--lapses->count];
	if (at < lapses->count)
		settle(lapses, at, last);
}

/* ---- what is called --------------------------------------------------------------------------- */

void lapses_set(struct lapses *lapses, const struct lapse *lapse)
{
	check_object(lapses, LAPSES_MAGIC);
	uint32_t place = find(lapses, lapse), at = lapses->places[place];
	if (lapse->until_ms == 0) {
		if (at != FREE)
			take_out(lapses, at);
		return;
	}
	if (at == FREE) {
		if (lapses->count == lapses->capacity) {
			grow(lapses);
			place = find(lapses, lapse);
		}
		at = lapses->count++;
	}
	settle(lapses, at, (struct item){ *lapse, place });
}

bool lapses_take(struct lapses *lapses, int64_t now_ms, struct lapse *lapse)
{
	check_object(lapses, LAPSES_MAGIC);
	if (lapses->count == 0 || lapses->heap[0].lapse.until_ms > now_ms)
		return false;
	*lapse = lapses->heap[0].lapse;
	take_out(lapses, 0);
	return true;
}

uint32_t lapses_count(const struct lapses *lapses)
{
	return lapses->count;
}

void lapses_check(const struct lapses *lapses)
{
	check_object(lapses, LAPSES_MAGIC);
	uint32_t taken = 0;
	for (uint32_t i = 0; i < 2 * lapses->capacity; i++)
		taken += lapses->places[i] != FREE;
	check(taken == lapses->count && lapses->count <= lapses->capacity);
	for (uint32_t i = 0; i < lapses->count; i++) {
		const struct item *item = &lapses->heap[i];
		check(lapses->places[item->place] == i && find(lapses, &item->lapse) == item->place);
		check(i == 0 || lapses->heap[(i - 1) / 2].lapse.until_ms <= item->lapse.until_ms);
	}
}
