/*
 * Owns: giving the movers of a recording their part.
 * Invariant: see the header.
 * Thread: the caller's.
 * Does not know: sessions.
 */
#include "bench/cast.h"

#include <errno.h>
#include <stdlib.h>

/* A mover and the user it plays; or a user and the number of its friends. */
struct part {
	uint64_t id;
	uint64_t other;
};

static int part_order(const void *left, const void *right)
{
	const struct part *l = left, *r = right;
	return l->id < r->id ? -1 : l->id > r->id;
}

/* Most friends first, then the lower id. */
static int friends_order(const void *left, const void *right)
{
	const struct part *l = left, *r = right;
	if (l->other != r->other)
		return l->other > r->other ? -1 : 1;
	return part_order(left, right);
}

static int id_order(const void *left, const void *right)
{
	uint64_t l = *(const uint64_t *)left, r = *(const uint64_t *)right;
	return l < r ? -1 : l > r;
}

static struct part *part_find(struct part *parts, size_t count, uint64_t id)
{
	struct part wanted = { .id = id };
	return count == 0 ? NULL : bsearch(&wanted, parts, count, sizeof(*parts), part_order);
}

/* Sorts by id and adds up `other` of equal ids. Returns how many are left. */
static size_t parts_merge(struct part *parts, size_t count)
{
	size_t kept = 0;
	if (count > 0)
		qsort(parts, count, sizeof(*parts), part_order);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && parts[kept - 1].id == parts[i].id)
			parts[kept - 1].other += parts[i].other;
		else
			parts[kept++] = parts[i];
	}
	return kept;
}

/* All who move, by id. */
static struct part *movers_find(const struct fixes *fixes, size_t *count)
{
	struct part *movers = calloc(fixes->count + 1, sizeof(*movers));
	if (movers == NULL)
		return NULL;
	for (size_t i = 0; i < fixes->count; i++)
		movers[i].id = fixes->rows[i].user;
	*count = parts_merge(movers, fixes->count);
	for (size_t i = 0; i < *count; i++)
		movers[i].other = movers[i].id;
	return movers;
}

/* All users of the edges with the number of their friends, best connected first. */
static struct part *stars_find(const struct edges *edges, size_t *count)
{
	struct part *stars = calloc(2 * edges->count + 1, sizeof(*stars));
	if (stars == NULL)
		return NULL;
	for (size_t i = 0; i < edges->count; i++) {
		stars[2 * i] = (struct part){ .id = edges->rows[i].a, .other = 1 };
		stars[2 * i + 1] = (struct part){ .id = edges->rows[i].b, .other = 1 };
	}
	*count = parts_merge(stars, 2 * edges->count);
	if (*count > 0)
		qsort(stars, *count, sizeof(*stars), friends_order);
	return stars;
}

/* Gives each mover the user it plays; the movers that are left have one. */
static int movers_map(struct part *movers, size_t *count, const struct edges *edges)
{
	size_t star_count;
	struct part *stars = stars_find(edges, &star_count);
	if (stars == NULL)
		return -ENOMEM;
	if (*count > star_count)
		*count = star_count;
	for (size_t i = 0; i < *count; i++)
		movers[i].other = stars[i].id;
	free(stars);
	return 0;
}

static bool cast_find(const struct cast *cast, uint64_t id, uint32_t *user)
{
	const uint64_t *found =
		cast->count == 0 ?
			NULL :
			bsearch(&id, cast->ids, cast->count, sizeof(*cast->ids), id_order);
	*user = found == NULL ? UINT32_MAX : (uint32_t)(found - cast->ids);
	return found != NULL;
}

static int cast_fill(struct cast *cast, struct part *movers, size_t mover_count,
		     const struct fixes *fixes, const struct edges *edges)
{
	cast->count = (uint32_t)mover_count;
	cast->ids = calloc(mover_count + 1, sizeof(*cast->ids));
	cast->users = calloc(fixes->count + 1, sizeof(*cast->users));
	cast->pairs = calloc(edges->count + 1, sizeof(*cast->pairs));
	if (cast->ids == NULL || cast->users == NULL || cast->pairs == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < mover_count; i++)
		cast->ids[i] = movers[i].other;
	qsort(cast->ids, mover_count, sizeof(*cast->ids), id_order);
	for (size_t i = 0; i < fixes->count; i++) {
		const struct part *mover = part_find(movers, mover_count, fixes->rows[i].user);
		cast->users[i] = UINT32_MAX;
		if (mover != NULL)
			cast_find(cast, mover->other, &cast->users[i]);
	}
	for (size_t i = 0; i < edges->count; i++) {
		struct pair pair;
		if (cast_find(cast, edges->rows[i].a, &pair.a) &&
		    cast_find(cast, edges->rows[i].b, &pair.b))
			cast->pairs[cast->pair_count++] = pair;
	}
	return 0;
}

int cast_open(struct cast *cast, const struct fixes *fixes, const struct edges *edges,
	      bool is_mapped, uint32_t users_max)
{
	size_t mover_count = 0;
	*cast = (struct cast){ .count = 0 };
	struct part *movers = movers_find(fixes, &mover_count);
	if (movers == NULL)
		return -ENOMEM;
	if (mover_count > users_max)
		mover_count = users_max;
	int error = is_mapped ? movers_map(movers, &mover_count, edges) : 0;
	if (error == 0)
		error = cast_fill(cast, movers, mover_count, fixes, edges);
	free(movers);
	if (error < 0)
		cast_close(cast);
	return error;
}

void cast_close(struct cast *cast)
{
	free(cast->ids);
	free(cast->pairs);
	free(cast->users);
	*cast = (struct cast){ .count = 0 };
}
