/*
 * Owns: the thread that reads and changes users.mdb.
 * Invariant: what waits when it looks is one group: answered together, after one commit at most.
 * Thread: this one.
 * Does not know: what requests do to the tables.
 */
#include "store/scrubber.h"
#include "store/threads.h"

#include "base/clock.h"

#include <errno.h>

/* Requests in a group, and about how many rows they may change: so that a commit stays short. */
enum { GROUP_MAX = 1024, GROUP_ROWS_MAX = 4 * STORE_BATCH_MAX };

struct group {
	struct store_request *requests[GROUP_MAX];
	uint32_t count;
	uint32_t rows;
};

/* Takes one request of each poster in turn, so that none starves another. Whether it took all. */
static bool group_take(struct store *store, struct group *group)
{
	struct lane *lane = &store->lanes[LANE_USERS];
	group->count = 0;
	group->rows = 0;
	bool found = true;
	while (found) {
		found = false;
		for (uint32_t poster = 0; poster <= writer_poster(store); poster++) {
			if (group->count == GROUP_MAX || group->rows >= GROUP_ROWS_MAX)
				return false;
			struct store_request **slot = &group->requests[group->count];
			if (lane_take(lane, poster, slot, 1) == 0)
				continue;
			found = true;
			group->count++;
			group->rows += (*slot)->user_count + (*slot)->pair_count + (*slot)->id_count;
		}
	}
	return true;
}

static void group_answer(struct store *store, const struct group *group)
{
	uint64_t start_us = boot_us();
	if (users_execute(store->users, group->requests, group->count))
		counter_add(store_counter(store, STORE_WORD_USER_COMMITS), 1);
	uint64_t took_us = boot_us() - start_us;
	for (uint32_t i = 0; i < group->count; i++) {
		int status = group->requests[i]->status;
		counter_add(store_counter(store, STORE_WORD_USER_REQUESTS), 1);
		if (status != 0 && status != -ENOENT)
			counter_add(store_counter(store, STORE_WORD_USER_FAILED), 1);
		histogram_add(store_counter(store, STORE_WORD_USER_SECONDS), took_us);
		lane_answer(&store->lanes[LANE_USERS], group->requests[i]);
	}
	lane_wake(&store->lanes[LANE_USERS]);
}

/* ---- scrubing ------------------------------------------------------------------------------- */

/* A scrub that the writer wants, of the file: see eraser.h. */
struct users_scrub {
	uint64_t wanted; /* the last that is asked for and, once it is begun, the one that it answers */
	bool is_begun;
	struct scrubber scrubber;
};

/*
 * The deletions of a scrub were posted before it was asked for. So when it was asked for before the rings
 * were looked at, and they were empty when the look ended, all of these are committed.
 */
static void scrub_turn(struct store *store, struct users_scrub *scrub, uint64_t wanted, bool is_drained)
{
	if (!scrub->is_begun && is_drained && wanted > atomic_load(&store->users_scrub_done)) {
		scrub->is_begun = true;
		scrub->wanted = wanted;
	}
	if (!scrub->is_begun || !scrubber_turn(&scrub->scrubber, users_lmdb(store->users), "users.mdb",
					      store_counter(store, STORE_WORD_USERS_SCRUBBED)))
		return;
	scrub->is_begun = false;
	atomic_store(&store->users_scrub_done, scrub->wanted);
}

static uint64_t scrub_rest_us(const struct store *store, const struct users_scrub *scrub)
{
	if (scrub->is_begun)
		return scrubber_rest_us(&scrub->scrubber);
	return atomic_load(&store->users_scrub_wanted) > atomic_load(&store->users_scrub_done) ? 0 : BELL_FOREVER;
}

/* ---- thread --------------------------------------------------------------------------------- */

void *users_thread(void *argument)
{
	struct store *store = argument;
	struct bell *bell = &store->lanes[LANE_USERS].bell;
	struct group group;
	struct users_scrub scrub = { .wanted = 0 };
	for (;;) {
		uint32_t seen = bell_seen(bell);
		if (atomic_load(&store->is_stopping[LANE_USERS]))
			break;
		uint64_t wanted = atomic_load(&store->users_scrub_wanted);
		bool is_drained = group_take(store, &group);
		if (group.count > 0)
			group_answer(store, &group);
		scrub_turn(store, &scrub, wanted, is_drained);
		uint64_t rest_us = scrub_rest_us(store, &scrub);
		if (group.count == 0 && rest_us > 0)
			bell_wait(bell, seen, rest_us);
	}
	scrubber_fini(&scrub.scrubber);
	lane_cancel(store, LANE_USERS);
	return NULL;
}

void lane_cancel(struct store *store, enum lane_name name)
{
	struct lane *lane = &store->lanes[name];
	for (uint32_t poster = 0; poster <= writer_poster(store); poster++) {
		struct store_request *request;
		while (lane_take(lane, poster, &request, 1) == 1) {
			request->status = -ECANCELED;
			lane_answer(lane, request);
		}
	}
	lane_wake(lane);
}
