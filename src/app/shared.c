/*
 * Owns: what all cores share: segment, store, mesh; opened as the config says.
 * Invariant: opened before the first core starts, closed after the last has ended.
 * Thread: main.
 * Does not know: cores.
 */
#include "app/app.h"

#include "base/check.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Records of each ring between two cores: 256 KiB. */
#define MESH_CAPACITY 16384u
/* Locations that may wait for a commit of the history: 40 MB, a hundred seconds of 10,000/s. */
#define HISTORY_PENDING_MAX (1u << 20)

static int open_segment(struct app_shared *shared)
{
	uint32_t count;
	const struct nearby_counter_info *list = counters_list(&count);
	const struct config *config = &atomic_load(&shared->live)->config;
	struct nearby_segment_config wanted = {
		.instance = config->instance,
		.cores = shared->cores,
		.blocks = shared->cores + BLOCKS_BESIDE_CORES,
		.users_max = config->users_max,
		.counters = list,
		.counter_count = count,
	};
	enum nearby_segment_birth birth;
	const char *reason = "";
	int error = nearby_segment_create(&shared->segment, &wanted, &birth, &reason);
	if (error != 0) {
		log_error("segment of instance %s: %s", config->instance, reason);
		return error;
	}
	static const char *const births[] = { "made empty", "adopted with its locations",
					      "made empty: the one there was of another boot or layout" };
	log_info("segment of instance %s: %s", config->instance, births[birth]);
	if (reason != NULL)
		log_notice("segment of instance %s: %s", config->instance, reason);
	return 0;
}

static int open_store(struct app_shared *shared, void (*wake)(void *, uint32_t), void *context)
{
	const struct config *config = &atomic_load(&shared->live)->config;
	struct store_config wanted = {
		.data_dir = config->data_dir,
		.clients = shared->cores,
		.friends_max = config->friends_max,
		.history_commit_ms = config->history_commit_ms,
		.history_retention_ms = (uint64_t)config->history_retention_d * 86400000u,
		.history_pending_max = HISTORY_PENDING_MAX,
		.names_max = config->users_max,
		.counters = counters_block(shared->segment, shared->cores).store,
		.wake = wake,
		.wake_context = context,
	};
	const char *reason = "";
	int error = store_open(&shared->store, &wanted, &reason);
	if (error != 0)
		log_error("store in %s: %s", config->data_dir, reason);
	return error;
}

/* Between two looks for an answer. */
#define LOOK_NS 200000

/* One portion. There is nobody yet whom waiting could hold up. */
static int ask(struct app_shared *shared, struct store_request *request)
{
	const struct timespec pause = { 0, LOOK_NS };
	int error = store_submit(shared->store, request);
	if (error != 0)
		return error;
	while (store_poll(shared->store, request->client) == NULL)
		nanosleep(&pause, NULL);
	return request->status;
}

/* `count` more items of `bytes` each behind those of a list. */
static void append(void **list, uint32_t *list_count, const void *items, uint32_t count, size_t bytes)
{
	if (count == 0)
		return;
	*list = realloc(*list, (*list_count + (size_t)count) * bytes);
	/* Without it what was revoked, or has ended, would be let in again. */
	check(*list != NULL);
	memcpy((char *)*list + *list_count * bytes, items, count * bytes);
	*list_count += count;
}

static int load_bars(struct app_shared *shared)
{
	struct store_request request = { .op = STORE_BARS };
	void *bars = NULL;
	int error;
	do {
		error = ask(shared, &request);
		if (error == 0)
			append(&bars, &shared->bar_count, request.bars, request.bar_count, sizeof(*request.bars));
	} while (error == 0 && request.more);
	store_request_fini(&request);
	shared->bars = bars;
	if (error != 0)
		log_error("store: whose tokens were revoked cannot be read: %s", strerror(-error));
	return error;
}

static int load_lapses(struct app_shared *shared)
{
	struct store_request request = { .op = STORE_LAPSES };
	void *lapses = NULL;
	int error;
	do {
		error = ask(shared, &request);
		if (error == 0)
			append(&lapses, &shared->lapse_count, request.lapses, request.lapse_count,
			       sizeof(*request.lapses));
	} while (error == 0 && request.more);
	store_request_fini(&request);
	shared->lapses = lapses;
	if (error != 0)
		log_error("store: what ends of what is shared cannot be read: %s", strerror(-error));
	return error;
}

void app_shared_started(struct app_shared *shared)
{
	free(shared->bars);
	free(shared->lapses);
	shared->bars = NULL;
	shared->lapses = NULL;
	shared->bar_count = shared->lapse_count = 0;
}

int app_shared_open(struct app_shared *shared, void (*wake)(void *context, uint32_t core), void *context)
{
	int error = open_segment(shared);
	if (error == 0)
		error = open_store(shared, wake, context);
	if (error == 0)
		error = load_bars(shared);
	if (error == 0)
		error = load_lapses(shared);
	if (error == 0)
		error = mesh_open(&shared->mesh, shared->cores, MESH_CAPACITY);
	if (error == 0)
		error = quota_open(&shared->requests);
	if (error == 0)
		error = quota_open(&shared->arrivals);
	return error;
}

void app_shared_close_store(struct app_shared *shared)
{
	if (shared->store != NULL)
		store_close(&shared->store);
}

void app_shared_close(struct app_shared *shared)
{
	app_shared_started(shared);
	mesh_close(&shared->mesh);
	quota_close(&shared->requests);
	quota_close(&shared->arrivals);
	nearby_segment_close(&shared->segment);
}
