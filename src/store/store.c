/*
 * Owns: opening and closing of the store, and what clients call.
 * Invariant: a client has at most LANE_RING_CAPACITY - 1 requests on their way, so that every answer
 *   has its place.
 * Thread: see the header.
 * Does not know: what threads do (users_thread.c, writer_thread.c, reader_thread.c).
 */
#include "store/threads.h"

#include "base/check.h"
#include "store/reason.h"
#include "store/recent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STORE_MAGIC = 0x73746f72 };

/* First size of a map: a limit, so that only a large database ever has to grow. (No larger, as
 * ThreadSanitizer leaves little address space.) */
#define MAP_BYTES_DEFAULT ((uint64_t)1 << 36)
#define NAMES_DEFAULT ((uint64_t)1 << 20)
/* At most so many points go into one commit. */
#define WINDOW_POINTS_MAX ((uint64_t)1 << 20)
_Static_assert(WINDOW_POINTS_MAX <= RECENT_POINTS_MAX, "a window is kept whole");

/* ---- opening -------------------------------------------------------------------------------- */

static int directory_make(const char *path, const char **reason)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	int error = -errno;
	*reason = reason_format("cannot make the data directory %s: %s", path, strerror(errno));
	return error;
}

/* One store a directory: LMDB must not be opened twice in a process, nor history have two writers. */
static int directory_lock(struct store *store, const char *data_dir, const char **reason)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/lock", data_dir) >= (int)sizeof(path)) {
		*reason = reason_format("the path of the data directory is too long");
		return -ENAMETOOLONG;
	}
	store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (store->lock_fd >= 0 && flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	int error = errno == EWOULDBLOCK ? -EBUSY : -errno;
	*reason = error == -EBUSY
			  ? reason_format("the data directory %s is used by another nearbyd",
					  data_dir)
			  : reason_format("%s: %s", path, strerror(-error));
	return error;
}

static uint64_t power_of_two_below(uint64_t value)
{
	return value < 2 ? 2 : (uint64_t)1 << (63 - __builtin_clzll(value));
}

/* The buffer is one window in the making and, behind it, a ring for each client. */
static int pending_open(struct store *store, const struct store_config *config)
{
	uint64_t window = config->history_pending_max / 4;
	window = window > WINDOW_POINTS_MAX ? WINDOW_POINTS_MAX : window < 1 ? 1 : window;
	uint64_t capacity =
		power_of_two_below((config->history_pending_max - window) / config->clients);
	if (capacity > (uint64_t)1 << 30)
		capacity = (uint64_t)1 << 30;
	store->window_max = (uint32_t)window;
	store->append_capacity = (uint32_t)capacity;
	store->window = malloc(window * sizeof(*store->window));
	store->scratch = malloc(window * sizeof(*store->scratch));
	store->appends = calloc(config->clients, sizeof(struct ring *));
	store->clients = aligned_alloc(64, config->clients * sizeof(*store->clients));
	if (store->window == NULL || store->scratch == NULL || store->appends == NULL || store->clients == NULL)
		return -ENOMEM;
	memset(store->clients, 0, config->clients * sizeof(*store->clients));
	int error = 0;
	for (uint32_t i = 0; i < config->clients && error == 0; i++)
		error = ring_open(&store->appends[i], store->append_capacity,
				  sizeof(struct append));
	return error;
}

static int lanes_open(struct store *store)
{
	const struct store_config *config = &store->config;
	int error = 0;
	for (uint32_t i = 0; i < LANE_COUNT && error == 0; i++)
		error = lane_open(&store->lanes[i], config->clients + 1, config);
	return error;
}

static int databases_open(struct store *store, const char **reason)
{
	const struct store_config *config = &store->config;
	uint64_t map_bytes = config->map_bytes == 0 ? MAP_BYTES_DEFAULT : config->map_bytes;
	int error = directory_make(config->data_dir, reason);
	if (error == 0)
		error = directory_lock(store, config->data_dir, reason);
	if (error == 0)
		error = users_open(
			&store->users,
			&(struct users_config){ .data_dir = config->data_dir,
						.map_bytes = map_bytes,
						.friends_max = config->friends_max,
						.names_max = config->names_max == 0
								     ? NAMES_DEFAULT
								     : config->names_max },
			reason);
	if (error == 0)
		error = history_open(&store->history, config->data_dir, map_bytes, reason);
	return error;
}

static int threads_start(struct store *store)
{
	static void *(*const bodies[LANE_COUNT])(void *) = {
		[LANE_USERS] = users_thread,
		[LANE_WRITER] = writer_thread,
		[LANE_READER] = reader_thread,
	};
	for (uint32_t i = 0; i < LANE_COUNT; i++) {
		int error = pthread_create(&store->threads[i], NULL, bodies[i], store);
		if (error != 0)
			return -error;
		store->thread_count++;
	}
	return 0;
}

int store_open(struct store **store, const struct store_config *config, const char **reason)
{
	check(config->clients >= 1 && config->clients <= NEARBYSHM_CORES_MAX);
	check(config->counters != NULL && config->wake != NULL && config->history_pending_max > 0);
	*reason = "out of memory";
	struct store *fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->magic = STORE_MAGIC;
	fresh->config = *config;
	fresh->lock_fd = -1;
	*store = fresh;
	int error = pending_open(fresh, config);
	if (error == 0)
		error = lanes_open(fresh);
	if (error == 0)
		error = databases_open(fresh, reason);
	if (error == 0)
		error = threads_start(fresh);
	if (error != 0)
		store_close(store);
	return error;
}

/* ---- closing -------------------------------------------------------------------------------- */

/* The writer ends first, as it hands requests on to the users thread. */
void store_stop(struct store *store)
{
	static const enum lane_name order[LANE_COUNT] = { LANE_WRITER, LANE_USERS, LANE_READER };
	check_object(store, STORE_MAGIC);
	for (uint32_t i = 0; i < LANE_COUNT; i++) {
		enum lane_name lane = order[i];
		if ((uint32_t)lane >= store->thread_count || store->is_joined[lane])
			continue;
		atomic_store(&store->is_stopping[lane], true);
		bell_ring(&store->lanes[lane].bell);
		pthread_join(store->threads[lane], NULL);
		store->is_joined[lane] = true;
	}
}

void store_close(struct store **store)
{
	if (*store == NULL)
		return;
	struct store *old = *store;
	store_stop(old);
	history_close(&old->history);
	users_close(&old->users);
	for (uint32_t i = 0; i < LANE_COUNT; i++)
		lane_close(&old->lanes[i], old->config.clients + 1);
	for (uint32_t i = 0; i < old->config.clients && old->appends != NULL; i++)
		ring_close(&old->appends[i]);
	if (old->lock_fd >= 0)
		close(old->lock_fd);
	free(old->appends);
	free(old->clients);
	free(old->window);
	free(old->scratch);
	old->magic = 0;
	free(old);
	*store = NULL;
}

/* ---- what clients call ---------------------------------------------------------------------- */

static enum lane_name lane_of(enum store_op op)
{
	switch (op) {
	case STORE_HISTORY_ERASE:
	case STORE_USER_DELETE: /* its history first: see writer_thread.c */
		return LANE_WRITER;
	case STORE_HISTORY:
	case STORE_EXPORT:
	case STORE_BACKUP:
		return LANE_READER;
	default:
		return LANE_USERS;
	}
}

static int submit_to(struct store *store, struct store_request *request, enum lane_name lane)
{
	check_object(store, STORE_MAGIC);
	check(request->client < store->config.clients);
	struct client *client = &store->clients[request->client];
	if (client->outstanding == LANE_RING_CAPACITY - 1)
		return -EAGAIN;
	check(lane_post(&store->lanes[lane], request->client, request));
	client->outstanding++;
	return 0;
}

int store_submit(struct store *store, struct store_request *request)
{
	check(request->user_count <= STORE_BATCH_MAX && request->pair_count <= STORE_BATCH_MAX &&
	      request->id_count <= STORE_BATCH_MAX);
	request->is_flush = false;
	return submit_to(store, request, lane_of(request->op));
}

int store_flush(struct store *store, struct store_request *request)
{
	request->is_flush = true;
	return submit_to(store, request, LANE_WRITER);
}

struct store_request *store_poll(struct store *store, uint32_t client)
{
	check_object(store, STORE_MAGIC);
	for (uint32_t i = 0; i < LANE_COUNT; i++) {
		struct store_request *request = lane_poll(&store->lanes[i], client);
		if (request == NULL)
			continue;
		store->clients[client].outstanding--;
		return request;
	}
	return NULL;
}

void store_request_fini(struct store_request *request)
{
	free(request->friends);
	free(request->names);
	free(request->points);
	free(request->exceptions);
	free(request->ended);
	free(request->barred);
	free(request->sync_pairs);
	free(request->lapses);
	free(request->bars);
	request->friends = NULL;
	request->names = NULL;
	request->points = NULL;
	request->exceptions = request->ended = NULL;
	request->barred = NULL;
	request->sync_pairs = NULL;
	request->lapses = NULL;
	request->bars = NULL;
	request->friend_count = request->point_count = 0;
	request->exception_count = request->ended_count = request->barred_count = 0;
	request->sync_count = request->sync_removed_from = 0;
	request->lapse_count = request->bar_count = 0;
	request->more = false;
}

void store_secret(const struct store *store, uint8_t secret[USERS_SECRET_BYTES])
{
	check_object(store, STORE_MAGIC);
	users_secret(store->users, secret);
}

bool store_append(struct store *store, uint32_t client, struct user_id user,
		  const struct nearby_location *location)
{
	struct append append = { .user = user.value,
				 .place = location->place,
				 .client_ms = location->client_ms,
				 .receipt_us = location->receipt_us };
	return ring_post(store->appends[client], &append);
}

int store_check(const char *data_dir, const char **reason)
{
	int error = users_check(data_dir, reason);
	return error == 0 ? history_check(data_dir, reason) : error;
}
