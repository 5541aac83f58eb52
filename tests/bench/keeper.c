/*
 * Owns: see keeper.h.
 * Invariant: see keeper.h.
 * Thread: see keeper.h.
 * Does not know: see keeper.h.
 */
#include "keeper.h"

#include "base/check.h"
#include "base/clock.h"
#include "store/history.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COMMIT_MS = 1000, PENDING_MAX = 4 << 20, MERGE_POINTS = 4 << 20 };

struct keeper {
	struct store *store;
	sem_t awake;
	counter_word counters[STORE_WORD_COUNT];
};

static _Noreturn void give_up(const char *what, int error)
{
	fprintf(stderr, "history: %s: %s\n", what, strerror(-error));
	exit(1);
}

static void woken(void *context, uint32_t client)
{
	struct keeper *keeper = context;
	(void)client;
	sem_post(&keeper->awake);
}

struct keeper *keeper_open(const char *directory)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	const char *reason = "";
	if (keeper == NULL)
		give_up("memory", -ENOMEM);
	sem_init(&keeper->awake, 0, 0);
	struct store_config config = { .data_dir = directory,
				       .clients = 1,
				       .friends_max = 5000,
				       .history_commit_ms = COMMIT_MS,
				       .history_pending_max = PENDING_MAX,
				       .counters = keeper->counters,
				       .wake = woken,
				       .wake_context = keeper };
	int error = store_open(&keeper->store, &config, &reason);
	if (error != 0)
		give_up(reason, error);
	return keeper;
}

void keeper_close(struct keeper **keeper)
{
	store_close(&(*keeper)->store);
	sem_destroy(&(*keeper)->awake);
	free(*keeper);
	*keeper = NULL;
}

static void answer_await(struct keeper *keeper, struct store_request *request)
{
	struct store_request *answered;
	while ((answered = store_poll(keeper->store, 0)) == NULL)
		while (sem_wait(&keeper->awake) != 0)
			check(errno == EINTR);
	check(answered == request);
	if (request->status != 0)
		give_up("a request failed", request->status);
}

void keeper_second(struct keeper *keeper, const struct store_point *points, uint32_t count)
{
	struct store_request flush = { .client = 0 };
	uint64_t now_us = boot_us();
	for (uint32_t i = 0; i < count; i++) {
		struct nearby_location location = { points[i].place, points[i].ts_ms, now_us, 0 };
		check(store_append(keeper->store, 0, points[i].user, &location));
	}
	check(store_flush(keeper->store, &flush) == 0);
	answer_await(keeper, &flush);
}

uint64_t keeper_read(struct keeper *keeper, struct store_request request,
		     void (*take)(void *context, const struct store_point *points, uint32_t count),
		     void *context)
{
	uint64_t count = 0;
	do {
		check(store_submit(keeper->store, &request) == 0);
		answer_await(keeper, &request);
		take(context, request.points, request.point_count);
		count += request.point_count;
	} while (request.more);
	store_request_fini(&request);
	return count;
}

uint64_t keeper_merge_all(const char *directory)
{
	struct history *history;
	struct history_upkeep done = { .more = true };
	const char *reason = "";
	int error = history_open(&history, directory, (uint64_t)1 << 36, &reason);
	if (error != 0)
		give_up(reason, error);
	while (done.more && error == 0)
		error = history_upkeep(history, NULL, MERGE_POINTS, INT64_MIN, &done);
	if (error != 0)
		give_up("a merge", error);
	uint64_t bytes = history_file_bytes(history);
	history_close(&history);
	return bytes;
}

void keeper_forget(const char *directory)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/history.mdb", directory);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		give_up(path, -errno);
	close(fd);
}

static double clock_s(clockid_t clock)
{
	struct timespec time;
	check(clock_gettime(clock, &time) == 0);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double thread_cpu_s(void)
{
	return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

double keeper_cpu_s(void)
{
	return clock_s(CLOCK_PROCESS_CPUTIME_ID) - thread_cpu_s();
}
