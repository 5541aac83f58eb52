/*
 * Owns: see the header.
 * Invariant: open addressing, at most half full; from each user's own place to where it stands there is
 *   no gap.
 * Thread: see the header.
 * Does not know: time.
 */
#include "app/bars.h"

#include "base/check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

enum { BARS_MAGIC = 0x62617273, CAPACITY_FIRST = 64 };

struct bar {
	uint64_t user;
	int64_t not_before_s; /* 0: this place is free */
};

struct bars {
	uint32_t magic;
	uint32_t count;
	uint32_t capacity; /* a power of two */
	struct bar *places;
};

int bars_open(struct bars **bars)
{
	struct bars *fresh = calloc(1, sizeof(*fresh));
	struct bar *places = calloc(CAPACITY_FIRST, sizeof(*places));
	*bars = NULL;
	if (fresh == NULL || places == NULL) {
		free(fresh);
		free(places);
		return -ENOMEM;
	}
	*fresh = (struct bars){ BARS_MAGIC, 0, CAPACITY_FIRST, places };
	*bars = fresh;
	return 0;
}

void bars_close(struct bars **bars)
{
	if (*bars == NULL)
		return;
	check_object(*bars, BARS_MAGIC);
	(*bars)->magic = 0;
	free((*bars)->places);
	free(*bars);
	*bars = NULL;
}

static uint32_t own_place(const struct bars *bars, uint64_t user)
{
	return (uint32_t)hash_u64(user) & (bars->capacity - 1);
}

/* Where the user stands, or the free place where it would. */
static uint32_t find(const struct bars *bars, uint64_t user)
{
	uint32_t at = own_place(bars, user);
	while (bars->places[at].not_before_s != 0 && bars->places[at].user != user)
		at = (at + 1) & (bars->capacity - 1);
	return at;
}

static void grow(struct bars *bars)
{
	struct bar *old = bars->places;
	uint32_t old_capacity = bars->capacity;
	bars->capacity *= 2;
	bars->places = calloc(bars->capacity, sizeof(*bars->places));
	/* Without it a token that was revoked would open. */
	check(bars->places != NULL);
	for (uint32_t i = 0; i < old_capacity; i++)
		if (old[i].not_before_s != 0)
			bars->places[find(bars, old[i].user)] = old[i];
	free(old);
}

/* Frees a place; those behind it that would no longer be found move up. */
static void take_out(struct bars *bars, uint32_t gap)
{
	uint32_t mask = bars->capacity - 1;
	for (uint32_t at = (gap + 1) & mask; bars->places[at].not_before_s != 0; at = (at + 1) & mask) {
		uint32_t own = own_place(bars, bars->places[at].user);
		if (((at - own) & mask) < ((at - gap) & mask))
			continue;
		bars->places[gap] = bars->places[at];
		gap = at;
	}
	bars->places[gap].not_before_s = 0;
	bars->count--;
}

void bars_set(struct bars *bars, struct user_id user, int64_t not_before_s)
{
	check_object(bars, BARS_MAGIC);
	check(not_before_s >= 0);
	uint32_t at = find(bars, user.value);
	bool is_there = bars->places[at].not_before_s != 0;
	if (not_before_s == 0) {
		if (is_there)
			take_out(bars, at);
		return;
	}
	if (!is_there && 2 * (bars->count + 1) > bars->capacity) {
		grow(bars);
		at = find(bars, user.value);
	}
	bars->count += !is_there;
	bars->places[at] = (struct bar){ user.value, not_before_s };
}

int64_t bars_get(const struct bars *bars, struct user_id user)
{
	check_object(bars, BARS_MAGIC);
	return bars->places[find(bars, user.value)].not_before_s;
}

enum token_verdict bars_judge(const struct bars *bars, struct user_id user, int64_t issued_s)
{
	int64_t not_before_s = bars_get(bars, user);
	if (not_before_s == BARS_ALTOGETHER)
		return TOKEN_BARRED;
	/* One that does not say when was issued at 0. */
	return issued_s < not_before_s ? TOKEN_REVOKED : TOKEN_GOOD;
}
