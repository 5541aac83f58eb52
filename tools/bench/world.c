/*
 * Owns: the memory of a world and looking things up in it.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: what is right.
 */
#include "bench/world.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

static int pair_order(const void *left, const void *right)
{
	const struct pair *l = left, *r = right;
	if (l->a != r->a)
		return l->a < r->a ? -1 : 1;
	return l->b < r->b ? -1 : l->b > r->b;
}

/* Smaller index first, sorted, each once, none with itself. Returns how many are left. */
static size_t pairs_tidy(struct pair *pairs, size_t pair_count)
{
	for (size_t i = 0; i < pair_count; i++) {
		if (pairs[i].a > pairs[i].b)
			pairs[i] = (struct pair){ .a = pairs[i].b, .b = pairs[i].a };
	}
	qsort(pairs, pair_count, sizeof(*pairs), pair_order);
	size_t kept = 0;
	for (size_t i = 0; i < pair_count; i++) {
		bool is_repeat = kept > 0 && pair_order(&pairs[kept - 1], &pairs[i]) == 0;
		if (pairs[i].a != pairs[i].b && !is_repeat)
			pairs[kept++] = pairs[i];
	}
	return kept;
}

/* Takes `count` records off the mapping, each part on a cache line of its own. */
static void *carve(size_t *at, uint8_t *base, size_t count, size_t record_bytes)
{
	void *part = base == NULL ? NULL : base + *at;
	*at += (count * record_bytes + 63) & ~(size_t)63;
	return part;
}

/* Lays the arrays out from `base`; with NULL it only sums up. Returns the bytes. */
static size_t world_lay_out(struct world *world, uint8_t *base)
{
	size_t at = 0, users = world->user_count, edges = world->edge_count;
	carve(&at, base, 1, sizeof(*world));
	world->ids = carve(&at, base, users, sizeof(*world->ids));
	world->edge_first = carve(&at, base, users + 1, sizeof(*world->edge_first));
	world->edge_user = carve(&at, base, edges, sizeof(*world->edge_user));
	world->views = carve(&at, base, edges, sizeof(*world->views));
	world->tracks = carve(&at, base, users, sizeof(*world->tracks));
	world->sightings = carve(&at, base, users * world->track_depth, sizeof(*world->sightings));
	world->names = carve(&at, base, users, sizeof(*world->names));
	return at;
}

/*
 * Pairs are sorted by (a, b), so filling in their order gives each user its smaller friends first
 * and then its larger ones, both ascending: the whole row is.
 */
static void world_fill_edges(struct world *world, const struct pair *pairs, size_t pair_count)
{
	for (size_t i = 0; i < pair_count; i++) {
		world->edge_first[pairs[i].a + 1]++;
		world->edge_first[pairs[i].b + 1]++;
	}
	for (uint32_t user = 0; user < world->user_count; user++)
		world->edge_first[user + 1] += world->edge_first[user];
	/* While filling, edge_first[user] is where the next friend goes; shifted back at the end. */
	for (size_t i = 0; i < pair_count; i++)
		world->edge_user[world->edge_first[pairs[i].b]++] = pairs[i].a;
	for (size_t i = 0; i < pair_count; i++)
		world->edge_user[world->edge_first[pairs[i].a]++] = pairs[i].b;
	for (uint32_t user = world->user_count; user > 0; user--)
		world->edge_first[user] = world->edge_first[user - 1];
	world->edge_first[0] = 0;
}

static uint32_t depth_for(uint32_t user_count)
{
	uint32_t depth = TRACK_DEPTH_MAX;
	while (depth > TRACK_DEPTH_MIN &&
	       (uint64_t)depth * user_count * sizeof(struct sighting) > TRACK_BYTES_WANTED)
		depth /= 2;
	return depth;
}

static struct sighting *sighting_slot(const struct world *world, uint32_t user, uint32_t version)
{
	uint32_t depth = world->track_depth;
	return &world->sightings[(size_t)user * depth + version % depth];
}

int world_open(struct world **world, const uint64_t *ids, uint32_t user_count, struct pair *pairs,
	       size_t pair_count)
{
	pair_count = pairs_tidy(pairs, pair_count);
	if (pair_count > UINT32_MAX / 2)
		return -E2BIG;
	struct world plan = { .user_count = user_count, .edge_count = (uint32_t)(2 * pair_count) };
	plan.track_depth = depth_for(user_count);
	plan.bytes = world_lay_out(&plan, NULL);
	void *base = mmap(NULL, plan.bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	world_lay_out(&plan, base);
	*world = base;
	**world = plan;
	for (uint32_t user = 0; user < user_count; user++) {
		check(user == 0 || ids[user - 1] < ids[user]);
		plan.ids[user] = ids[user];
	}
	world_fill_edges(*world, pairs, pair_count);
	return 0;
}

void world_close(struct world **world)
{
	if (*world != NULL)
		munmap(*world, (*world)->bytes);
	*world = NULL;
}

bool world_find(const struct world *world, uint64_t id, uint32_t *user)
{
	uint32_t low = 0, high = world->user_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (world->ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	*user = low;
	return low < world->user_count && world->ids[low] == id;
}

bool world_find_friend(const struct world *world, uint32_t user, uint64_t id, uint32_t *edge)
{
	uint32_t low = world->edge_first[user], end = world->edge_first[user + 1], high = end;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (world->ids[world->edge_user[middle]] < id)
			low = middle + 1;
		else
			high = middle;
	}
	*edge = low;
	return low < end && world->ids[world->edge_user[low]] == id;
}

uint32_t world_move(struct world *world, uint32_t user, const struct sighting *sighting)
{
	struct user_track *track = &world->tracks[user];
	uint32_t version = atomic_load_explicit(&track->version, memory_order_relaxed) + 1;
	*sighting_slot(world, user, version) = *sighting;
	atomic_store_explicit(&track->version, version, memory_order_release);
	return version;
}

uint32_t world_version(const struct world *world, uint32_t user)
{
	return atomic_load_explicit(&world->tracks[user].version, memory_order_acquire);
}

uint32_t world_oldest(const struct world *world, uint32_t user)
{
	uint32_t version = world_version(world, user);
	/* Two less than there are: the slot that the next version will take may be half written. */
	uint32_t readable = world->track_depth - 2;
	return version > readable ? version - readable + 1 : 1;
}

bool world_sighting(const struct world *world, uint32_t user, uint32_t version,
		    struct sighting *sighting)
{
	if (version == 0 || version > world_version(world, user))
		return false;
	*sighting = *sighting_slot(world, user, version);
	atomic_thread_fence(memory_order_acquire);
	return version >= world_oldest(world, user);
}
