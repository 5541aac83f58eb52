/*
 * Owns: making a users.mdb of any size from a seed, for benchmarks of what it carries.
 * Invariant: the file is what the daemon would have written for these friendships, and reads the same.
 * Thread: one.
 * Does not know: how the friendships came to be asked for.
 *
 * Users are first .. first+users-1. The first `listed` of them are those who will ever connect: each
 * has `active` friends among the listed, at a few distances in number (crowd.h), so both directions
 * follow from the number alone; the rest of their friends are from the others. Those have profiles and
 * no lists, as nobody will read them: only with listed = users it is a whole database (store_check).
 * All is written in the order of its keys, without a sync until the end.
 */
#include "crowd.h"
#include "options.h"

#include "base/check.h"
#include "base/clock.h"
#include "store/user_tables.h"
#include "store/users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FRIENDS_MAX = CROWD_FRIENDS_MAX };
/* Users in a transaction: some ten thousand pages. */
enum { BATCH_USERS = 16384 };

static struct {
	uint32_t users, friends, listed, active, first, seed;
	const char *data_dir;
} options = { .users = 1000000, .friends = 400, .first = 1, .seed = 1, .data_dir = "" };

static const struct option_row rows[] = {
	{ "data-dir", "where users.mdb is made; it must not be there", NULL, 0, 0,
	  &options.data_dir },
	{ "users", "profiles", &options.users, 4, UINT32_MAX / 4, NULL },
	{ "friends", "of each, even", &options.friends, 2, FRIENDS_MAX, NULL },
	{ "listed",
	  "only so many users, the first, have their list written: for a population of "
	  "whom only these ever connect; 0: all",
	  &options.listed, 0, UINT32_MAX / 4, NULL },
	{ "active", "friends of the listed who are listed, even; 0: all of them, or a tenth",
	  &options.active, 0, FRIENDS_MAX, NULL },
	{ "first-user", "number of the first", &options.first, 0, UINT32_MAX / 2, NULL },
	{ "seed", "of the friendships", &options.seed, 0, UINT32_MAX, NULL },
	{ .name = NULL },
};

static _Noreturn void give_up(const char *what, int error)
{
	fprintf(stderr, "fill_users: %s: %s\n", what, strerror(-error));
	exit(1);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	return (left > right) - (left < right);
}

/*
 * The numbers at + steps[i], of 0 .. count-1 in a circle, in ascending order after `base`; `steps`
 * ascend and are below `count`.
 */
static uint64_t *circle_put(uint64_t *to, uint64_t base, uint32_t count, uint32_t at,
			    const uint32_t *steps, uint32_t step_count)
{
	uint32_t wrapped = step_count;
	while (wrapped > 0 && (uint64_t)at + steps[wrapped - 1] >= count)
		wrapped--;
	for (uint32_t i = wrapped; i < step_count; i++)
		*to++ = base + at + steps[i] - count;
	for (uint32_t i = 0; i < wrapped; i++)
		*to++ = base + at + steps[i];
	return to;
}

/* The ways to a user's friends, the same for all. */
struct graph {
	uint32_t near[FRIENDS_MAX]; /* among the listed */
	uint32_t far[FRIENDS_MAX];  /* among the others */
	uint32_t near_count, far_count;
};

static void graph_init(struct graph *graph)
{
	struct crowd crowd;
	crowd_init(&crowd, options.listed, options.active, 0, options.seed);
	graph->near_count = options.active;
	for (uint32_t i = 0; i < options.active; i++)
		graph->near[i] = crowd_friend(&crowd, 0, i);
	qsort(graph->near, graph->near_count, sizeof(graph->near[0]), compare_u32);
	graph->far_count = options.friends - options.active;
	for (uint32_t i = 0; i < graph->far_count; i++)
		graph->far[i] = i * ((options.users - options.listed) / graph->far_count);
}

static void friends_put(struct lmdb_txn *txn, const struct graph *graph, uint32_t user)
{
	uint64_t friends[FRIENDS_MAX], id = (uint64_t)options.first + user;
	uint64_t *end = circle_put(friends, options.first, options.listed, user, graph->near,
				   graph->near_count);
	uint32_t others = options.users - options.listed;
	if (others > 0)
		end = circle_put(end, (uint64_t)options.first + options.listed, others,
				 (uint32_t)(hash_u64(options.seed + id) % others), graph->far,
				 graph->far_count);
	lmdb_append_values(txn, USERS_TABLE_FRIENDS, (struct bytes){ &id, sizeof(id) }, friends,
			   (size_t)(end - friends));
}

static void user_put(struct lmdb_txn *txn, const struct graph *graph, uint32_t user)
{
	struct user_id id = { (uint64_t)options.first + user };
	struct store_profile profile = { .picture_length = 0 };
	memcpy(profile.name, "user ", 5);
	profile.name_length = 5 + (uint32_t)user_id_format(id, profile.name + 5);
	users_profile_put(txn, id, &profile, LMDB_APPEND);
	if (user < options.listed)
		friends_put(txn, graph, user);
}

static int batch_put(struct lmdb *lmdb, const struct graph *graph, uint32_t from, uint32_t to)
{
	int error;
	do {
		struct lmdb_txn txn;
		lmdb_begin_write(lmdb, &txn);
		for (uint32_t user = from; user < to; user++)
			user_put(&txn, graph, user);
		error = lmdb_commit(&txn);
	} while (error == -EAGAIN);
	return error;
}

static void options_settle(void)
{
	if (options.listed == 0)
		options.listed = options.users;
	if (options.active == 0)
		options.active =
			options.listed == options.users
				? options.friends
				: (options.friends / 20 > 0 ? options.friends / 20 * 2 : 2);
	if (*options.data_dir == '\0' || options.friends % 2 != 0 || options.active % 2 != 0 ||
	    options.active > options.friends || options.listed > options.users ||
	    options.listed <= options.active + 2 ||
	    (options.listed == options.users) != (options.active == options.friends) ||
	    (options.users > options.listed &&
	     options.users - options.listed < options.friends - options.active)) {
		fprintf(stderr,
			"fill_users: say --data-dir=DIR; friends and active are even; there "
			"are more listed users than active friends, more others than other "
			"friends, and others exactly when not all friends are active\n");
		exit(2);
	}
}

static struct lmdb *database_make(void)
{
	char path[4096];
	struct stat stat_now;
	struct lmdb *lmdb;
	const char *reason = "";
	if (snprintf(path, sizeof(path), "%s/users.mdb", options.data_dir) >= (int)sizeof(path))
		give_up(options.data_dir, -ENAMETOOLONG);
	if (mkdir(options.data_dir, 0700) != 0 && errno != EEXIST)
		give_up(options.data_dir, -errno);
	if (stat(path, &stat_now) == 0)
		give_up(path, -EEXIST);
	int error =
		users_database_open(&lmdb, options.data_dir, (uint64_t)1 << 36, LMDB_FILL, &reason);
	if (error != 0)
		give_up(reason, error);
	return lmdb;
}

int main(int argc, char **argv)
{
	static struct graph graph;
	options_read(rows, argc, argv);
	options_settle();
	graph_init(&graph);
	uint64_t start_us = boot_us();
	struct lmdb *lmdb = database_make();
	int error = 0;
	for (uint32_t from = 0; from < options.users && error == 0; from += BATCH_USERS) {
		uint32_t left = options.users - from;
		error = batch_put(lmdb, &graph, from,
				  from + (left < BATCH_USERS ? left : BATCH_USERS));
	}
	if (error == 0)
		error = lmdb_sync(lmdb);
	if (error != 0)
		give_up("users.mdb", error);
	printf("%u users, %llu entries of friends, %.3f GB, %.1f s\n", options.users,
	       (unsigned long long)options.listed * options.friends,
	       (double)lmdb_file_bytes(lmdb) / 1e9, (double)(boot_us() - start_us) / 1e6);
	lmdb_close(&lmdb);
	return 0;
}
