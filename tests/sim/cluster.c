/*
 * Owns: the engines, their memory, the links and the map from sessions to devices.
 * Invariant: a session that an engine names is one that it gave out and that has not left.
 * Thread: one.
 * Does not know: what a right message is (the oracle does), nor when things happen.
 */
#include "cluster.h"

#include "base/check.h"
#include "cluster_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What can be done at one moment ends; an engine that never gets there has a bug. */
#define SETTLE_ROUNDS_MAX 100000
/* cluster_run sleeps at least that long, so that its turns are bounded. */
#define SLEEP_MIN_US 1000
/* One pull or delivery at most. */
#define BATCH_MAX 64

static void *zeroed(size_t count, size_t bytes)
{
	void *memory = calloc(count ? count : 1, bytes);
	check(memory != NULL);
	return memory;
}

/* ---- open and close -------------------------------------------------------------------------- */

static void open_segment(struct cluster *cluster, enum nearby_segment_birth wanted)
{
	static const struct nearby_counter_info counter = { .name = "simulated_total",
							    .help = "Not used." };
	enum nearby_segment_birth birth;
	const char *reason = "";
	struct nearby_segment_config config = {
		.instance = cluster->config.instance,
		.cores = cluster->cores,
		.blocks = cluster->cores,
		.users_max = cluster->config.table_users_max,
		.counters = &counter,
		.counter_count = 1,
	};
	check(nearby_segment_create(&cluster->segment, &config, &birth, &reason) == 0);
	check(birth == wanted);
}

static void open_node(struct cluster *cluster, uint32_t core)
{
	struct node *node = &cluster->nodes[core];
	const struct cluster_config *of = &cluster->config;
	memset(node->counters, 0, sizeof(node->counters));
	struct engine_config config = {
		.core = core,
		.cores = cluster->cores,
		.radius_m = of->radius_m,
		.ttl_us = of->ttl_us,
		.cell_length = of->cell_length,
		.strangers_max = of->strangers_max,
		.sessions_max = of->sessions_max,
		.friends_max = of->friends_max,
		.channels_max = of->channels_max,
		.subscriptions_max = of->subscriptions_max,
		.segment = cluster->segment,
		.counters = node->counters,
	};
	memcpy(config.grid_secret, of->grid_secret, sizeof(config.grid_secret));
	node->memory_bytes = engine_memory_bytes(&config);
	node->memory = mmap(NULL, node->memory_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(node->memory != MAP_FAILED);
	check(engine_init(&node->engine, &config, node->memory, node->memory_bytes) == 0);
	node->devices = zeroed(of->sessions_max, sizeof(*node->devices));
	for (uint32_t slot = 0; slot < of->sessions_max; slot++)
		node->devices[slot] = ORACLE_NOBODY;
	node->is_deaf = false;
	node->lag_us = 0;
	node->now_us = cluster->now_us;
	for (uint32_t to = 0; to < cluster->cores; to++) {
		cluster->links[core][to] = (struct link){ 0 };
		cluster->links[core][to].msgs = zeroed(of->link_room, sizeof(struct mesh_msg));
	}
}

static void close_node(struct cluster *cluster, uint32_t core)
{
	struct node *node = &cluster->nodes[core];
	for (uint32_t i = 0; i < ENGINE_COUNTER_COUNT; i++)
		cluster->counters[i] += counter_get(&node->counters[i]);
	munmap(node->memory, node->memory_bytes);
	free(node->devices);
	for (uint32_t to = 0; to < cluster->cores; to++)
		free(cluster->links[core][to].msgs);
}

static struct oracle *open_oracle(const struct cluster_config *of)
{
	struct oracle_config config = {
		.user_count = of->user_count,
		.ids = of->ids,
		.devices_max = of->devices_max,
		.cores_max = CORES_MAX,
		.radius_m = of->radius_m,
		.ttl_us = of->ttl_us,
		.may_be_full = of->may_be_full,
	};
	memcpy(config.grid_secret, of->grid_secret, sizeof(config.grid_secret));
	return oracle_open(&config);
}

struct cluster *cluster_open(const struct cluster_config *config)
{
	struct cluster *cluster = zeroed(1, sizeof(*cluster));
	cluster->config = *config;
	cluster->cores = config->cores;
	cluster->now_us = config->start_us;
	cluster->wall_ms = config->start_ms;
	cluster->oracle = open_oracle(config);
	cluster->book = book_open(cluster->oracle, config->user_count, config->ids, config->cores);
	cluster->devices = zeroed(config->devices_max, sizeof(*cluster->devices));
	for (uint32_t device = 0; device < config->devices_max; device++)
		cluster->devices[device].core = ORACLE_NOBODY;
	cluster->friends = zeroed(config->user_count, sizeof(*cluster->friends));
	cluster->infos = zeroed(config->user_count, sizeof(*cluster->infos));
	cluster->users = zeroed(config->user_count, sizeof(*cluster->users));
	cluster->barred = zeroed(config->user_count, sizeof(*cluster->barred));
	cluster->company = company_open(cluster);
	cluster->exceptions = zeroed(config->user_count, sizeof(*cluster->exceptions));
	cluster->entries = zeroed(cluster_entries_max(cluster), sizeof(*cluster->entries));
	cluster->names = zeroed(cluster_entries_max(cluster), sizeof(*cluster->names));
	open_segment(cluster, NEARBY_SEGMENT_FRESH);
	for (uint32_t core = 0; core < cluster->cores; core++)
		open_node(cluster, core);
	return cluster;
}

void cluster_close(struct cluster **cluster)
{
	struct cluster *of = *cluster;
	for (uint32_t core = 0; core < of->cores; core++)
		close_node(of, core);
	nearby_segment_close(&of->segment);
	if (of->config.instance != NULL)
		nearby_segment_unlink(of->config.instance);
	book_close(&of->book);
	company_close(&of->company);
	free(of->barred);
	oracle_close(&of->oracle);
	free(of->devices);
	free(of->friends);
	free(of->infos);
	free(of->users);
	free(of->exceptions);
	free(of->entries);
	free(of->names);
	free(of);
	*cluster = NULL;
}

void cluster_restart(struct cluster *cluster, uint32_t cores)
{
	for (uint32_t core = 0; core < cluster->cores; core++)
		close_node(cluster, core);
	/* An engine that is new may give out the same ids again: the old ones name nothing now. */
	for (uint32_t device = 0; device < cluster->config.devices_max; device++)
		cluster->devices[device].core = ORACLE_NOBODY;
	cluster->cores = cores;
	book_restart(cluster->book, cores);
	oracle_restarted(cluster->oracle);
	if (cluster->config.instance != NULL) {
		nearby_segment_close(&cluster->segment);
		open_segment(cluster, NEARBY_SEGMENT_ADOPTED);
	}
	for (uint32_t core = 0; core < cores; core++)
		open_node(cluster, core);
}

/* ---- what it is ------------------------------------------------------------------------------ */

struct oracle *cluster_oracle(struct cluster *cluster)
{
	return cluster->oracle;
}

struct book *cluster_book(struct cluster *cluster)
{
	return cluster->book;
}

struct moment cluster_moment(const struct cluster *cluster)
{
	return (struct moment){ cluster->now_us, cluster->wall_ms, cluster->now_us };
}

uint32_t cluster_cores(const struct cluster *cluster)
{
	return cluster->cores;
}

uint32_t cluster_home(const struct cluster *cluster, uint32_t user)
{
	return nearby_home_core(cluster->config.ids[user], cluster->cores);
}

uint32_t cluster_device_user(const struct cluster *cluster, uint32_t device)
{
	return cluster->devices[device].user;
}

uint64_t cluster_counter(const struct cluster *cluster, enum engine_counter counter)
{
	uint64_t sum = cluster->counters[counter];
	for (uint32_t core = 0; core < cluster->cores; core++)
		sum += counter_get(&cluster->nodes[core].counters[counter]);
	return sum;
}

void cluster_advance(struct cluster *cluster, uint64_t us, int64_t jump_ms)
{
	uint64_t before_ms = cluster->now_us / 1000;
	cluster->now_us += us;
	cluster->wall_ms += (int64_t)(cluster->now_us / 1000 - before_ms) + jump_ms;
}

void cluster_lag(struct cluster *cluster, uint32_t core, uint64_t lag_us)
{
	cluster->nodes[core].lag_us = lag_us;
}

struct moment cluster_core_moment(struct cluster *cluster, uint32_t core)
{
	struct node *node = &cluster->nodes[core];
	uint64_t now_us = cluster->now_us > node->lag_us ? cluster->now_us - node->lag_us : 0;
	if (now_us > node->now_us)
		node->now_us = now_us;
	return (struct moment){ node->now_us, cluster->wall_ms, cluster->now_us };
}

void cluster_interval(struct cluster *cluster, uint64_t interval_us)
{
	cluster->config.interval_us = interval_us;
}

void cluster_report(struct cluster *cluster, uint32_t user)
{
	struct nearby_location location;
	nearby_hint hint = 0;
	bool is_there = nearby_table_get(cluster->segment, cluster->config.ids[user], &hint,
					 &location) == 0;
	oracle_placed(cluster->oracle,
		      cluster_core_moment(cluster, cluster_home(cluster, user)), user,
		      is_there ? &location : NULL);
}

/* ---- the machine ----------------------------------------------------------------------------- */

int cluster_step(struct cluster *cluster, uint32_t core, struct event *event,
		 struct engine_out *out)
{
	struct moment moment = cluster_core_moment(cluster, core);
	event->now_us = moment.now_us;
	event->wall_ms = moment.wall_ms;
	return engine_step(cluster->nodes[core].engine, event, out);
}

void cluster_receive(struct cluster *cluster, uint32_t device, bool is_answer,
		     const struct server_msg *msg)
{
	if (msg != NULL && cluster->config.received != NULL)
		cluster->config.received(cluster->config.context, device, is_answer, msg);
}

void cluster_tick(struct cluster *cluster, uint32_t core)
{
	struct engine_out out;
	struct event event = { .type = EVENT_TICK };
	int status = cluster_step(cluster, core, &event, &out);
	if (status != 0 || out.has_answer || out.has_record)
		oracle_object(cluster->oracle, "a tick: status %d", status);
}

uint32_t cluster_pull(struct cluster *cluster, uint32_t from, uint32_t to, uint32_t max)
{
	struct link *link = &cluster->links[from][to];
	struct mesh_msg msgs[BATCH_MAX];
	uint32_t room = cluster->config.link_room - link->count;
	room = room < max ? room : max;
	room = room < BATCH_MAX ? room : BATCH_MAX;
	if (room == 0 || link->is_held)
		return 0;
	uint32_t count = engine_mesh_drain(cluster->nodes[from].engine, to, msgs, room);
	check(count <= room);
	for (uint32_t i = 0; i < count; i++)
		link->msgs[(link->head + link->count++) % cluster->config.link_room] = msgs[i];
	return count;
}

uint32_t cluster_deliver(struct cluster *cluster, uint32_t from, uint32_t to, uint32_t max)
{
	struct link *link = &cluster->links[from][to];
	uint32_t count = 0;
	while (count < max && link->count > 0 && !link->is_held) {
		struct engine_out out;
		struct event event = { .type = EVENT_PEER };
		event.peer.from_core = from;
		event.peer.msg = link->msgs[link->head];
		link->head = (link->head + 1) % cluster->config.link_room;
		link->count--;
		count++;
		int status = cluster_step(cluster, to, &event, &out);
		if (status != 0 || out.has_answer || out.has_record)
			oracle_object(cluster->oracle, "a peer's message: status %d", status);
	}
	return count;
}

uint32_t cluster_link_count(const struct cluster *cluster, uint32_t from, uint32_t to)
{
	return cluster->links[from][to].count;
}

/* The living device of a session, or ORACLE_NOBODY. */
static uint32_t device_of(const struct cluster *cluster, uint32_t core, struct session_id session)
{
	if (session.slot >= cluster->config.sessions_max)
		return ORACLE_NOBODY;
	uint32_t device = cluster->nodes[core].devices[session.slot];
	if (device == ORACLE_NOBODY || !oracle_is_alive(cluster->oracle, device))
		return ORACLE_NOBODY;
	const struct device *found = &cluster->devices[device];
	bool is_same = found->core == core && found->session.slot == session.slot &&
		       found->session.generation == session.generation;
	return is_same ? device : ORACLE_NOBODY;
}

uint32_t cluster_flush(struct cluster *cluster, uint32_t core, uint32_t max)
{
	uint32_t count = 0;
	uint64_t interval_us = cluster->config.interval_us;
	struct engine *engine = cluster->nodes[core].engine;
	struct moment moment = cluster_core_moment(cluster, core);
	struct session_id session;
	struct server_msg msg;
	while (count < max && engine_flush(engine, moment.now_us, interval_us, &session, &msg)) {
		uint32_t device = device_of(cluster, core, session);
		if (msg.type == SERVER_STRANGERS || msg.type == SERVER_STRANGERS_GONE)
			company_judge_frame(cluster->company, moment, device, &msg);
		else
			oracle_judge_frame(cluster->oracle, moment, device, interval_us, &msg);
		count++;
		if (device == ORACLE_NOBODY)
			break;
		cluster_receive(cluster, device, false, &msg);
	}
	return count;
}

void cluster_hold_link(struct cluster *cluster, uint32_t from, uint32_t to, bool is_held)
{
	cluster->links[from][to].is_held = is_held;
}

void cluster_hold_changes(struct cluster *cluster, uint32_t core, bool is_held)
{
	cluster->nodes[core].is_deaf = is_held;
}

static uint32_t settle_core(struct cluster *cluster, uint32_t core)
{
	uint32_t done = 0;
	while (!cluster->nodes[core].is_deaf && cluster_hear(cluster, core))
		done++;
	for (uint32_t to = 0; to < cluster->cores; to++) {
		if (to == core)
			continue;
		done += cluster_pull(cluster, core, to, BATCH_MAX);
		done += cluster_deliver(cluster, core, to, BATCH_MAX);
	}
	return done + cluster_flush(cluster, core, BATCH_MAX);
}

void cluster_settle(struct cluster *cluster)
{
	for (uint32_t round = 0; round < SETTLE_ROUNDS_MAX; round++) {
		uint32_t done = 0;
		for (uint32_t core = 0; core < cluster->cores; core++)
			done += settle_core(cluster, core);
		for (uint32_t user = 0; user < cluster->config.user_count; user++)
			done += book_commit(cluster->book, user);
		if (done == 0 || oracle_violation(cluster->oracle) != NULL)
			return;
	}
	oracle_object(cluster->oracle, "the cores never come to rest");
}

/* When the first engine wants to be woken. */
static uint64_t next_us(const struct cluster *cluster)
{
	uint64_t next = UINT64_MAX;
	for (uint32_t core = 0; core < cluster->cores; core++) {
		uint64_t of_core =
			engine_next_us(cluster->nodes[core].engine, cluster->config.interval_us);
		next = of_core < next ? of_core : next;
	}
	return next;
}

void cluster_run(struct cluster *cluster, uint64_t us)
{
	uint64_t until = cluster->now_us + us;
	cluster_settle(cluster);
	while (cluster->now_us < until && oracle_violation(cluster->oracle) == NULL) {
		uint64_t next = next_us(cluster);
		if (next < cluster->now_us + SLEEP_MIN_US)
			next = cluster->now_us + SLEEP_MIN_US;
		cluster_advance(cluster, (next < until ? next : until) - cluster->now_us, 0);
		for (uint32_t core = 0; core < cluster->cores; core++)
			if (engine_next_us(cluster->nodes[core].engine,
					   cluster->config.interval_us) <= cluster->now_us)
				cluster_tick(cluster, core);
		cluster_settle(cluster);
	}
}

static void check_sessions(struct cluster *cluster, uint32_t user)
{
	struct session_id sessions[16];
	struct engine *engine = cluster->nodes[cluster_home(cluster, user)].engine;
	struct user_id id = { cluster->config.ids[user] };
	uint32_t alive = 0, given = engine_sessions(engine, id, sessions, 16);
	for (uint32_t device = 0; device < cluster->config.devices_max; device++)
		alive += oracle_is_alive(cluster->oracle, device) &&
			 cluster->devices[device].user == user;
	if (engine_session_count(engine, id) != alive || given != (alive < 16 ? alive : 16))
		oracle_object(cluster->oracle, "%" PRIu64 " has %u devices, not %u", id.value,
			      alive, given);
	for (uint32_t i = 0; i < given; i++) {
		uint32_t device = device_of(cluster, cluster_home(cluster, user), sessions[i]);
		if (device == ORACLE_NOBODY || cluster->devices[device].user != user)
			oracle_object(cluster->oracle,
				      "%" PRIu64 " is given a session that is not its own",
				      id.value);
	}
}

/* The engines count as many sessions as there are devices. */
static void check_gauges(struct cluster *cluster)
{
	uint64_t alive = 0, counted = 0;
	for (uint32_t device = 0; device < cluster->config.devices_max; device++)
		alive += oracle_is_alive(cluster->oracle, device);
	for (uint32_t core = 0; core < cluster->cores; core++)
		counted += counter_get(&cluster->nodes[core].counters[ENGINE_COUNTER_SESSIONS]);
	if (counted != alive)
		oracle_object(cluster->oracle, "%" PRIu64 " sessions counted, not %" PRIu64,
			      counted, alive);
}

void cluster_check(struct cluster *cluster)
{
	check_gauges(cluster);
	for (uint32_t core = 0; core < cluster->cores; core++)
		engine_check(cluster->nodes[core].engine);
	for (uint32_t user = 0; user < cluster->config.user_count; user++) {
		check_sessions(cluster, user);
		cluster_report(cluster, user);
	}
}
