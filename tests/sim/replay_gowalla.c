/*
 * Owns: the proof on real input: check-ins of a thousand people, replayed in order on their own
 *   clock, lead to exactly the deliveries that brute force counts.
 * Invariant: each move is handled to its end before the next: links empty, frames pulled.
 * Thread: one.
 * Does not know: sockets, wall time.
 *
 * A delivery is an entry about the user who moves, to a device of another. Entries about others are
 * what a device's own movement brought into its view; they and the first lists are counted apart.
 * Whom a move goes out to is also computed here, for each move: every friend with an unexpired
 * location whose distance is at most the radius.
 */
#include "base/check.h"
#include "cluster.h"
#include "globe.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERS 1000
#define RADIUS_M 8046.72
#define SECOND_US 1000000ull
#define NO_EXPIRY_US (1000000000 * SECOND_US)
#define SKIPPED 77

struct checkin {
	uint64_t at_s;
	uint32_t user;
	struct nearby_place place;
};

struct data {
	struct checkin *checkins;
	uint32_t checkin_count;
	uint32_t friends[USERS][USERS];
	uint32_t friend_counts[USERS];
};

struct replay {
	const struct data *data;
	struct cluster *cluster;
	uint32_t devices[USERS];
	uint32_t mover; /* ORACLE_NOBODY between two moves */
	bool is_delivered[USERS];
	uint64_t deliveries, own_movement, first_lists;
	uint32_t border_count, border_otherwise, wrong;
};

/* ---- the data -------------------------------------------------------------------------------- */

static FILE *open_data(const char *command, const char *name)
{
	char line[1024];
	const char *data = getenv("NEARBY_DATA"), *source = getenv("srcdir");
	char near[512];
	snprintf(near, sizeof(near), "%s/../shared/data", source != NULL ? source : ".");
	snprintf(line, sizeof(line), "%s '%s/%s' 2>/dev/null", command, data != NULL ? data : near,
		 name);
	FILE *file = popen(line, "r");
	check(file != NULL);
	return file;
}

static bool read_checkins(struct data *data)
{
	FILE *file = open_data("zcat", "gowalla-1k-checkins.tsv.gz");
	uint32_t room = 0, user;
	uint64_t at_s;
	double lat, lon;
	while (fscanf(file, "%" SCNu64 " %" SCNu32 " %lf %lf", &at_s, &user, &lat, &lon) == 4) {
		check(user < USERS);
		if (data->checkin_count == room) {
			room = room * 2 + 65536;
			data->checkins = realloc(data->checkins, room * sizeof(*data->checkins));
			check(data->checkins != NULL);
		}
		data->checkins[data->checkin_count++] =
			(struct checkin){ at_s, user, globe_place(lat, lon) };
	}
	return pclose(file) == 0 && data->checkin_count > 0;
}

static bool read_friends(struct data *data)
{
	FILE *file = open_data("cat", "gowalla-1k-edges.tsv");
	uint32_t a, b, count = 0;
	for (; fscanf(file, "%" SCNu32 " %" SCNu32, &a, &b) == 2; count++) {
		check(a < USERS && b < USERS);
		data->friends[a][data->friend_counts[a]++] = b;
		data->friends[b][data->friend_counts[b]++] = a;
	}
	return pclose(file) == 0 && count > 0;
}

/* ---- the replay ------------------------------------------------------------------------------ */

static void received(void *context, uint32_t device, bool is_answer, const struct server_msg *msg)
{
	struct replay *replay = context;
	uint32_t to = cluster_device_user(replay->cluster, device);
	(void)is_answer;
	if (msg->type == SERVER_NEARBY)
		replay->first_lists += msg->nearby.count;
	if (msg->type != SERVER_UPDATE)
		return;
	for (uint32_t i = 0; i < msg->update.count; i++) {
		uint32_t about = (uint32_t)msg->update.entries[i].user.value;
		if (about != replay->mover) {
			replay->own_movement++;
			continue;
		}
		replay->wrong += replay->is_delivered[to];
		replay->is_delivered[to] = true;
		replay->deliveries++;
	}
}

static void compare_with(struct replay *replay, const struct checkin *move, uint32_t user)
{
	const struct nearby_location *location = oracle_location(
		cluster_oracle(replay->cluster), cluster_moment(replay->cluster), user);
	bool is_wanted = false, is_border = false;
	if (location != NULL) {
		long double beyond_m =
			globe_distance_m(move->place, location->place) - (long double)RADIUS_M;
		is_wanted = beyond_m <= 0;
		is_border = fabsl(beyond_m) <= 1;
	}
	replay->border_count += is_border;
	if (replay->is_delivered[user] == is_wanted)
		return;
	replay->border_otherwise += is_border;
	replay->wrong++;
	printf("  at %" PRIu64 ": %u to %u was %s%s\n", move->at_s, move->user, user,
	       is_wanted ? "missed" : "wrong", is_border ? ", within 1 m of the border" : "");
}

/* Compares whom the move went out to with all whom it should have; to others is a violation. */
static void compare(struct replay *replay, const struct checkin *move)
{
	for (uint32_t i = 0; i < replay->data->friend_counts[move->user]; i++)
		compare_with(replay, move, replay->data->friends[move->user][i]);
}

static void move(struct replay *replay, const struct checkin *checkin)
{
	struct cluster *cluster = replay->cluster;
	struct moment moment = cluster_moment(cluster);
	cluster_advance(cluster, checkin->at_s * SECOND_US - moment.now_us, 0);
	for (uint32_t core = 0; core < cluster_cores(cluster); core++)
		cluster_tick(cluster, core);
	cluster_settle(cluster);
	replay->mover = checkin->user;
	memset(replay->is_delivered, 0, sizeof(replay->is_delivered));
	cluster_locate(cluster, replay->devices[checkin->user], checkin->place,
		       (int64_t)checkin->at_s * 1000);
	cluster_settle(cluster);
	replay->mover = ORACLE_NOBODY;
	compare(replay, checkin);
}

static void open_replay(struct replay *replay, uint32_t cores, uint64_t ttl_us, const uint64_t *ids)
{
	struct cluster_config config = {
		.cores = cores,
		.user_count = USERS,
		.ids = ids,
		.devices_max = USERS,
		.radius_m = RADIUS_M,
		.ttl_us = ttl_us,
		.sessions_max = USERS,
		.friends_max = USERS,
		.cell_length = 5,
		.strangers_max = STRANGERS_MAX,
		.channels_max = USERS,
		.subscriptions_max = 16000,
		.table_users_max = 4 * USERS,
		.link_room = 256,
		.start_us = replay->data->checkins[0].at_s * SECOND_US,
		.start_ms = (int64_t)replay->data->checkins[0].at_s * 1000,
		.received = received,
		.context = replay,
	};
	replay->cluster = cluster_open(&config);
	struct book *book = cluster_book(replay->cluster);
	for (uint32_t user = 0; user < USERS; user++)
		oracle_named(cluster_oracle(replay->cluster), user, "");
	for (uint32_t a = 0; a < USERS; a++)
		for (uint32_t i = 0; i < replay->data->friend_counts[a]; i++)
			if (a < replay->data->friends[a][i])
				book_befriend(book, a, replay->data->friends[a][i]);
	book_restart(book, cores);
	for (uint32_t user = 0; user < USERS; user++) {
		replay->devices[user] = cluster_join(replay->cluster, book_load(book, user));
		check(replay->devices[user] != ORACLE_NOBODY);
	}
	cluster_settle(replay->cluster);
}

/* Pairs of friends in range of each other, from everyone's list. */
static uint64_t count_pairs(struct replay *replay)
{
	uint64_t entries = 0;
	for (uint32_t user = 0; user < USERS; user++)
		entries += cluster_pages(replay->cluster, replay->devices[user], 7);
	return entries / 2;
}

static bool replay_all(const struct data *data, uint32_t cores, uint64_t ttl_us,
		       uint64_t deliveries, uint64_t pairs)
{
	static uint64_t ids[USERS];
	for (uint32_t user = 0; user < USERS; user++)
		ids[user] = user;
	struct replay *replay = calloc(1, sizeof(*replay));
	check(replay != NULL);
	replay->data = data;
	replay->mover = ORACLE_NOBODY;
	open_replay(replay, cores, ttl_us, ids);
	struct oracle *oracle = cluster_oracle(replay->cluster);
	for (uint32_t i = 0; i < data->checkin_count && oracle_violation(oracle) == NULL; i++)
		move(replay, &data->checkins[i]);
	uint64_t moves_out = replay->deliveries, own = replay->own_movement,
		 lists = replay->first_lists;
	cluster_run(replay->cluster, 13 * SECOND_US);
	oracle_judge_views(oracle, cluster_moment(replay->cluster), ttl_us);
	uint64_t pairs_found = pairs > 0 ? count_pairs(replay) : 0;
	cluster_check(replay->cluster);
	printf("%u cores, %s: %" PRIu64 " deliveries (%" PRIu64
	       " wanted), apart from these %" PRIu64 " by own movement and %" PRIu64
	       " in first lists; %u checks within 1 m of the border, "
	       "%u decided otherwise",
	       cores, ttl_us == NO_EXPIRY_US ? "no expiry" : "expiry after 600 s", moves_out,
	       deliveries, own, lists, replay->border_count, replay->border_otherwise);
	if (pairs > 0)
		printf("; %" PRIu64 " pairs in range (%" PRIu64 " wanted)", pairs_found, pairs);
	printf("\n");
	if (oracle_violation(oracle) != NULL)
		printf("  violation: %s\n", oracle_violation(oracle));
	bool is_right = moves_out == deliveries && pairs_found == pairs && replay->wrong == 0 &&
			oracle_violation(oracle) == NULL;
	cluster_close(&replay->cluster);
	free(replay);
	return is_right;
}

int main(void)
{
	static struct data data;
	static const uint32_t cores[] = { 1, 2, 8 };
	if (!read_friends(&data) || !read_checkins(&data)) {
		printf("skipped: no gowalla-1k in $NEARBY_DATA or ../shared/data\n");
		return SKIPPED;
	}
	bool is_right = true;
	for (size_t i = 0; i < ARRAY_COUNT(cores); i++) {
		is_right &= replay_all(&data, cores[i], NO_EXPIRY_US, 345740, 868);
		is_right &= replay_all(&data, cores[i], 600 * SECOND_US, 11974, 0);
	}
	free(data.checkins);
	return is_right ? EXIT_SUCCESS : EXIT_FAILURE;
}
