/*
 * Owns: what all cores share: segment, store, mesh; opened as the config says.
 * Invariant: opened before the first core starts, closed after the last has ended.
 * Thread: main.
 * Does not know: cores.
 */
#include "app/app.h"

#include "base/log.h"

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

int app_shared_open(struct app_shared *shared, void (*wake)(void *context, uint32_t core), void *context)
{
	int error = open_segment(shared);
	if (error == 0)
		error = open_store(shared, wake, context);
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
	mesh_close(&shared->mesh);
	quota_close(&shared->requests);
	quota_close(&shared->arrivals);
	nearby_segment_close(&shared->segment);
}
