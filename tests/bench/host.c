/*
 * Owns: see host.h.
 * Invariant: see host.h.
 * Thread: one.
 * Does not know: clocks, what is measured.
 */
#include "host.h"

#include "base/check.h"
#include "base/id.h"
#include "proto/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define TTL_US 600000000u
#define START_US UINT64_C(3600000000)
#define WALL_START_MS INT64_C(1700000000000)
/* Locations between two flushes while everybody connects. */
#define CONNECT_BATCH 1024
/* Messages between two engines taken at a time. */
#define MESH_BATCH 64

_Noreturn static void refuse(const char *what, uint64_t bytes)
{
	fprintf(stderr, "no memory for %s: it takes %.1f GiB\n", what, (double)bytes / (1u << 30));
	exit(1);
}

void *host_memory(const char *what, uint64_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		refuse(what, bytes);
	/* As the daemon does. */
	madvise(memory, bytes, MADV_HUGEPAGE);
	return memory;
}

static void *zeroed(const char *what, uint64_t count, size_t bytes)
{
	void *memory = calloc(count, bytes);
	if (memory == NULL)
		refuse(what, count * bytes);
	return memory;
}

/* ---- open and close -------------------------------------------------------------------------- */

static void open_segment(struct host *host, uint32_t users)
{
	static const struct nearby_counter_info counter = { .name = "bench_total",
							    .help = "Not used." };
	const char *reason = "";
	enum nearby_segment_birth birth;
	struct nearby_segment_config config = {
		.cores = host->engine_count,
		.blocks = host->engine_count,
		.users_max = users,
		.counters = &counter,
		.counter_count = 1,
	};
	if (nearby_segment_create(&host->segment, &config, &birth, &reason) < 0) {
		fprintf(stderr, "no table for %u users: %s\n", users, reason);
		exit(1);
	}
}

static void open_engine(struct host *host, uint32_t core)
{
	const struct crowd *crowd = host->crowd;
	uint64_t pairs = (uint64_t)crowd->count * (crowd->active + crowd->idle);
	/* The hash does not share users out quite evenly. */
	uint32_t share = crowd->count / host->engine_count;
	uint32_t slack = host->engine_count == 1 ? 1 : share / 4 + 256;
	struct engine_config config = {
		.core = core,
		.cores = host->engine_count,
		.radius_m = HOST_RADIUS_M,
		.ttl_us = TTL_US,
		.cell_length = 5,
		.strangers_max = STRANGERS_MAX,
		.sessions_max = share + slack,
		.friends_max = crowd->active + crowd->idle,
		.channels_max = crowd->count + crowd->strangers,
		.subscriptions_max =
			(uint32_t)(pairs / host->engine_count * (share + slack) / share + 1),
		.segment = host->segment,
		.counters = host->counters[core],
	};
	host->memory_bytes = engine_memory_bytes(&config);
	host->memories[core] = host_memory("an engine", host->memory_bytes);
	if (engine_init(&host->engines[core], &config, host->memories[core], host->memory_bytes) <
	    0) {
		fprintf(stderr, "more friendships than one engine can have: fewer --sessions\n");
		exit(1);
	}
	host->viewers[core] = zeroed("sessions", config.sessions_max, sizeof(uint32_t));
}

static uint32_t home_of(const struct host *host, uint32_t user)
{
	return nearby_home_core(user, host->engine_count);
}

static void step(struct host *host, uint32_t core, struct event *event, struct engine_out *out)
{
	event->now_us = host->now_us;
	event->wall_ms = WALL_START_MS + (int64_t)(host->now_us / 1000);
	check(engine_step(host->engines[core], event, out) == 0);
}

static void join(struct host *host, uint32_t user, struct friend_info *friends)
{
	const struct crowd *crowd = host->crowd;
	uint32_t count = crowd->active + crowd->idle, core = home_of(host, user);
	for (uint32_t i = 0; i < crowd->active; i++)
		friends[i] =
			(struct friend_info){ .user = { crowd_friend(crowd, user, i) }, .name = "Ann Bell", .name_length = 8 };
	/* Those who are not connected come behind all who are in the table. */
	for (uint32_t i = 0; i < crowd->idle; i++)
		friends[crowd->active + i].user.value =
			(UINT64_C(1) << 32) + crowd_stranger(crowd, user, i);
	struct event event = { .type = EVENT_JOIN };
	struct engine_out out;
	event.join.user.value = user;
	event.join.friends = friends;
	event.join.friend_count = count;
	event.join.mode = SHARING_PRECISE;
	step(host, core, &event, &out);
	host->sessions[user] = out.joined;
	host->viewers[core][out.joined.slot] = user;
}

static void join_all(struct host *host)
{
	uint32_t count = host->crowd->active + host->crowd->idle;
	struct friend_info *friends = zeroed("friends", count, sizeof(*friends));
	for (uint32_t user = 0; user < host->crowd->count; user++) {
		join(host, user, friends);
		if (user % CONNECT_BATCH == 0)
			host_flush(host);
	}
	host_flush(host);
	free(friends);
}

static void fill_table(struct host *host, uint32_t users)
{
	for (uint32_t user = host->crowd->count; user < users; user++) {
		nearby_hint hint = 0;
		struct nearby_location location = { .client_ms = WALL_START_MS,
						    .receipt_us = host->now_us };
		check(nearby_table_put(host->segment, user, &hint, &location) == 0);
	}
}

void host_open(struct host *host, const struct crowd *crowd, uint32_t users, uint32_t engine_count,
	       bool is_judged)
{
	*host = (struct host){ .crowd = crowd,
			       .is_judged = is_judged,
			       .engine_count = engine_count,
			       .now_us = START_US };
	host->sessions = zeroed("sessions", crowd->count, sizeof(*host->sessions));
	host->frame = zeroed("a frame", 1, ENCODED_BYTES_MAX);
	open_segment(host, users);
	for (uint32_t core = 0; core < engine_count; core++)
		open_engine(host, core);
	fill_table(host, users);
	join_all(host);
}

void host_close(struct host *host)
{
	for (uint32_t core = 0; core < host->engine_count; core++) {
		munmap(host->memories[core], host->memory_bytes);
		free(host->viewers[core]);
	}
	nearby_segment_close(&host->segment);
	free(host->sessions);
	free(host->frame);
}

/* ---- the way of a location ------------------------------------------------------------------- */

static void encode(struct host *host, const struct server_msg *msg)
{
	struct writer writer = writer_init(host->frame, ENCODED_BYTES_MAX);
	json_encode(&writer, msg);
	check(!writer.overflow);
	host->deliveries.frames++;
	host->deliveries.bytes += writer_length(&writer);
}

void host_move(struct host *host, uint32_t user, struct nearby_place place)
{
	struct event event = { .type = EVENT_LOCATION };
	struct engine_out out;
	host->now_us++;
	event.location.session = host->sessions[user];
	event.location.place = place;
	event.location.ts_ms = WALL_START_MS + (int64_t)(host->now_us / 1000);
	step(host, home_of(host, user), &event, &out);
	check(out.has_record);
	if (out.has_answer)
		encode(host, &out.answer);
}

void host_expect(struct host *host, uint32_t user)
{
	engine_expect(host->engines[home_of(host, user)], host->sessions[user]);
}

uint64_t host_digest(uint32_t viewer, uint32_t user, bool is_gone)
{
	return hash_u64(hash_u64(((uint64_t)viewer << 32) + user) + is_gone);
}

static void judge(struct host *host, uint32_t viewer, const struct server_msg *msg)
{
	bool is_gone = msg->type == SERVER_GONE;
	uint32_t count = is_gone ? msg->gone.count : msg->update.count;
	for (uint32_t i = 0; i < count; i++) {
		struct user_id user =
			is_gone ? msg->gone.friends[i].user : msg->update.entries[i].user;
		host->deliveries.digest += host_digest(viewer, (uint32_t)user.value, is_gone);
	}
}

static bool flush_one(struct host *host, uint32_t core)
{
	struct session_id session;
	struct server_msg msg;
	if (!engine_flush(host->engines[core], host->now_us, 0, &session, &msg))
		return false;
	check(msg.type == SERVER_UPDATE || msg.type == SERVER_GONE);
	if (msg.type == SERVER_GONE)
		host->deliveries.gones += msg.gone.count;
	else
		host->deliveries.updates += msg.update.count;
	if (host->is_judged)
		judge(host, host->viewers[core][session.slot], &msg);
	encode(host, &msg);
	return true;
}

/* Whether there was anything to carry. */
static bool carry(struct host *host, uint32_t from, uint32_t to)
{
	struct mesh_msg msgs[MESH_BATCH];
	uint32_t count = engine_mesh_drain(host->engines[from], to, msgs, MESH_BATCH);
	for (uint32_t i = 0; i < count; i++) {
		struct event event = { .type = EVENT_PEER };
		struct engine_out out;
		event.peer.from_core = from;
		event.peer.msg = msgs[i];
		step(host, to, &event, &out);
	}
	return count > 0;
}

static void carry_all(struct host *host)
{
	bool is_carried;
	do {
		is_carried = false;
		for (uint32_t from = 0; from < host->engine_count; from++)
			for (uint32_t to = 0; to < host->engine_count; to++)
				if (from != to)
					is_carried |= carry(host, from, to);
	} while (is_carried);
}

void host_flush(struct host *host)
{
	if (host->engine_count > 1)
		carry_all(host);
	for (uint32_t core = 0; core < host->engine_count; core++)
		while (flush_one(host, core))
			;
}

void host_pass(struct host *host, uint64_t us)
{
	host->now_us += us;
	for (uint32_t core = 0; core < host->engine_count; core++)
		while (engine_next_us(host->engines[core], 0) <= host->now_us) {
			struct event event = { .type = EVENT_TICK };
			struct engine_out out;
			step(host, core, &event, &out);
			host_flush(host);
		}
}

uint64_t host_count(const struct host *host, enum engine_counter counter)
{
	uint64_t sum = 0;
	for (uint32_t core = 0; core < host->engine_count; core++)
		sum += counter_get(&host->counters[core][counter]);
	return sum;
}
