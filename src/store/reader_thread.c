/*
 * Owns: the thread that reads history and makes backups.
 * Invariant: one portion a turn and client, so that an export does not hold up another's answer.
 * Thread: this one.
 * Does not know: how history is laid out.
 */
#include "store/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int path_join(char path[PATH_MAX], const char *directory, const char *name)
{
	return snprintf(path, PATH_MAX, "%s/%s", directory, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* The new names are on disk only when their directory is. */
static int directory_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return error;
}

static int backup(struct store *store, const char *directory)
{
	char users[PATH_MAX], history[PATH_MAX];
	int error = path_join(users, directory, "users.mdb");
	if (error == 0)
		error = path_join(history, directory, "history.mdb");
	if (error == 0 && mkdir(directory, 0700) != 0 && errno != EEXIST)
		error = -errno;
	if (error == 0)
		error = users_copy(store->users, users);
	if (error != 0)
		return error;
	error = history_copy(store->history, history);
	if (error != 0)
		unlink(users);
	return error == 0 ? directory_sync(directory) : error;
}

static void request_answer(struct store *store, struct store_request *request)
{
	if (request->op == STORE_BACKUP) {
		request->status = backup(store, request->directory);
	} else {
		request->status = history_read(store->history, request);
		counter_add(store_counter(store, STORE_WORD_HISTORY_REQUESTS), 1);
	}
	lane_answer(&store->lanes[LANE_READER], request);
	lane_wake(&store->lanes[LANE_READER]);
}

void *reader_thread(void *argument)
{
	struct store *store = argument;
	struct lane *lane = &store->lanes[LANE_READER];
	while (!atomic_load(&store->is_stopping[LANE_READER])) {
		uint32_t seen = bell_seen(&lane->bell);
		bool found = false;
		for (uint32_t client = 0; client < store->config.clients; client++) {
			struct store_request *request;
			if (atomic_load(&store->is_stopping[LANE_READER]) ||
			    lane_take(lane, client, &request, 1) == 0)
				continue;
			found = true;
			request_answer(store, request);
		}
		if (!found && !atomic_load(&store->is_stopping[LANE_READER]))
			bell_wait(&lane->bell, seen, BELL_FOREVER);
	}
	lane_cancel(store, LANE_READER);
	return NULL;
}
