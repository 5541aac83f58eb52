/*
 * Owns: a store in a directory of its own, and a client that waits for its answers.
 * Invariant: a test leaves no files behind.
 * Thread: one client on the test's thread; store threads wake it through a semaphore.
 * Does not know: what is tested. Shared by the tests of the store; include it after cmocka.h.
 */
#ifndef NEARBY_TESTS_STORE_FIXTURE_H
#define NEARBY_TESTS_STORE_FIXTURE_H

#include "base/check.h"
#include "store/lmdb.h"
#include "store/run.h"
#include "store/store.h"

#include <ftw.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Long past any answer: a test that waits so long has failed. */
enum { PATIENCE_S = 60 };

struct fixture {
	char dir[64];
	struct store_config config;
	struct store *store;
	counter_word counters[STORE_WORD_COUNT];
	sem_t awake;
};

static inline void fixture_woken(void *context, uint32_t client)
{
	struct fixture *fixture = context;
	(void)client;
	sem_post(&fixture->awake);
}

static inline void fixture_open(struct fixture *fixture)
{
	const char *reason = NULL;
	int error = store_open(&fixture->store, &fixture->config, &reason);
	if (error != 0)
		fail_msg("store_open: %d %s", error, reason);
}

/* A new directory; the commit window is so long that only a flush commits. */
static inline void fixture_init(struct fixture *fixture)
{
	memset(fixture, 0, sizeof(*fixture));
	strcpy(fixture->dir, "/tmp/nearby-store-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	sem_init(&fixture->awake, 0, 0);
	fixture->config = (struct store_config){
		.data_dir = fixture->dir,
		.clients = 1,
		.friends_max = 5000,
		.history_commit_ms = 3600 * 1000,
		.history_pending_max = 1 << 20,
		.counters = fixture->counters,
		.wake = fixture_woken,
		.wake_context = fixture,
	};
}

static inline int entry_remove(const char *path, const struct stat *stat, int type,
			       struct FTW *walk)
{
	(void)stat;
	(void)type;
	(void)walk;
	return remove(path);
}

static inline void directory_remove(const char *path)
{
	nftw(path, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_fini(struct fixture *fixture)
{
	store_close(&fixture->store);
	sem_destroy(&fixture->awake);
	directory_remove(fixture->dir);
}

/* Waits until the store hands one request back. */
static inline struct store_request *fixture_answer(struct fixture *fixture, uint32_t client)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	struct store_request *request;
	while ((request = store_poll(fixture->store, client)) == NULL)
		assert_int_equal(sem_timedwait(&fixture->awake, &until), 0);
	return request;
}

/* Submits and waits; returns the status. */
static inline int fixture_ask(struct fixture *fixture, struct store_request *request)
{
	assert_int_equal(store_submit(fixture->store, request), 0);
	assert_ptr_equal(fixture_answer(fixture, request->client), request);
	return request->status;
}

static inline int fixture_flush(struct fixture *fixture)
{
	struct store_request request = { .client = 0 };
	assert_int_equal(store_flush(fixture->store, &request), 0);
	assert_ptr_equal(fixture_answer(fixture, 0), &request);
	return request.status;
}

/* Closes, checks the files, and opens again. */
static inline void fixture_check(struct fixture *fixture)
{
	const char *reason = NULL;
	bool was_open = fixture->store != NULL;
	store_close(&fixture->store);
	int error = store_check(fixture->dir, &reason);
	if (error != 0)
		fail_msg("store_check: %d %s", error, reason);
	if (was_open)
		fixture_open(fixture);
}

static inline enum store_pair_result fixture_befriend(struct fixture *fixture, enum store_op op,
						      uint64_t a, uint64_t b)
{
	struct store_pair pair = { .a = { a }, .b = { b } };
	struct store_request request = { .op = op, .pairs = &pair, .pair_count = 1 };
	assert_int_equal(fixture_ask(fixture, &request), 0);
	store_request_fini(&request);
	return pair.result;
}

/* Has `a` do something to `b`. The answer is the caller's to fini, unless it is NULL. */
static inline enum store_pair_result fixture_act(struct fixture *fixture, enum store_op op, uint64_t a,
						 uint64_t b, struct store_request *answer)
{
	struct store_pair pair = { .a = { a }, .b = { b } };
	struct store_request request = { .op = op, .pairs = &pair, .pair_count = 1 };
	assert_int_equal(fixture_ask(fixture, &request), 0);
	if (answer == NULL)
		store_request_fini(&request);
	else
		*answer = request;
	return pair.result;
}

/* Makes users of these ids known, `count` up from `first`. */
static inline void fixture_users(struct fixture *fixture, uint64_t first, uint32_t count)
{
	struct store_user *users = calloc(count, sizeof(*users));
	check(users != NULL && count <= STORE_BATCH_MAX);
	for (uint32_t i = 0; i < count; i++)
		users[i].user.value = first + i;
	struct store_request request = { .op = STORE_USERS_PUT, .users = users, .user_count = count };
	assert_int_equal(fixture_ask(fixture, &request), 0);
	free(users);
}

/* How many people are in a list of the user. */
static inline uint32_t fixture_list(struct fixture *fixture, uint64_t user, enum store_list list)
{
	struct store_request request = {
		.op = STORE_FRIENDS_GET, .user = { user }, .list = list, .limit = UINT32_MAX
	};
	assert_int_equal(fixture_ask(fixture, &request), 0);
	assert_int_equal(request.friend_count, request.friend_total);
	store_request_fini(&request);
	return request.friend_total;
}

/* What is loaded of a user at this time; the caller's to fini. */
static inline struct store_request fixture_load(struct fixture *fixture, uint64_t user,
						int64_t now_ms)
{
	struct store_request request = { .op = STORE_LOAD, .user = { user }, .now_ms = now_ms };
	assert_int_equal(fixture_ask(fixture, &request), 0);
	return request;
}

static inline bool fixture_append(struct fixture *fixture, uint64_t user, int64_t ts_ms,
				  int32_t lat_e7, int32_t lon_e7)
{
	struct nearby_location location = { { lat_e7, lon_e7 }, ts_ms, 1000, 0 };
	return store_append(fixture->store, 0, (struct user_id){ user }, &location);
}

/* A whole answer of history, all portions together. */
struct points {
	struct store_point *list;
	size_t count;
};

static inline struct points fixture_history(struct fixture *fixture, struct store_request request)
{
	struct points points = { NULL, 0 };
	do {
		assert_int_equal(fixture_ask(fixture, &request), 0);
		points.list = realloc(points.list, (points.count + request.point_count + 1) *
							   sizeof(*points.list));
		for (uint32_t i = 0; i < request.point_count; i++)
			points.list[points.count++] = request.points[i];
	} while (request.more);
	store_request_fini(&request);
	return points;
}

static inline struct points fixture_user_history(struct fixture *fixture, uint64_t user,
						 int64_t from_ms, int64_t to_ms)
{
	return fixture_history(fixture, (struct store_request){ .op = STORE_HISTORY,
								.user = { user },
								.from_ms = from_ms,
								.to_ms = to_ms });
}

/* A bit flips in the oldest block that was not merged yet: it cannot be decoded any more. */
static inline void block_damage(struct lmdb *history)
{
	struct lmdb_txn txn;
	struct lmdb_cursor cursor;
	uint8_t block[BLOCK_BYTES_MAX], key[RUN_BLOCK_KEY_BYTES];
	lmdb_begin_write(history, &txn);
	lmdb_cursor_open(&cursor, &txn, RUN_TABLE_TIER0);
	assert_true(lmdb_first(&cursor));
	struct bytes value = { block, cursor.value.length };
	memcpy(block, cursor.value.at, value.length);
	memcpy(key, cursor.key.at, sizeof(key));
	lmdb_cursor_close(&cursor);
	block[value.length / 2] ^= 1;
	lmdb_put(&txn, RUN_TABLE_TIER0, (struct bytes){ key, sizeof(key) }, value, LMDB_REPLACE);
	assert_int_equal(lmdb_commit(&txn), 0);
}

static inline struct points fixture_export(struct fixture *fixture, int64_t from_ms, int64_t to_ms)
{
	return fixture_history(
		fixture,
		(struct store_request){ .op = STORE_EXPORT, .from_ms = from_ms, .to_ms = to_ms });
}

#endif
