/*
 * Owns: a small world for stories about the engine: one private segment, some cores, a clock that
 *   only the story moves, friendships, devices, and all that each device hears, as text.
 * Invariant: none of its own; engine_check runs after every settling.
 * Thread: one.
 * Does not know: bytes, connections.
 *
 * What a device hears is a line of words: `nearby 2 3 of 2`, `nearby 2 of 2 more`, `update 2 3`,
 * `gone 2 far`, `error stale`, or `nothing`; several messages are divided by "; ". Users of an update stand in
 * ascending order, as the order within a frame means nothing. Of strangers: `strangers 2 3`, `lost 2 far`.
 */
#ifndef NEARBY_TESTS_ENGINE_WORLD_H
#define NEARBY_TESTS_ENGINE_WORLD_H

#include "engine/engine.h"

#define WORLD_RADIUS_M 8046.72
#define WORLD_TTL_US (600u * UINT64_C(1000000))
#define SECOND_US UINT64_C(1000000)

/* Limits that stories change; zero means the default in brackets. */
struct world_config {
	uint32_t cores;		    /* [1] */
	uint32_t users_max;	    /* of the table [1000] */
	uint32_t cell_length;	    /* of geohash cells [5] */
	uint32_t sessions_max;	    /* of each core [100] */
	uint32_t friends_max;	    /* [5000] */
	uint32_t channels_max;	    /* [8000] */
	uint32_t subscriptions_max; /* [40000] */
};

struct world;

struct device {
	uint64_t user;
	struct session_id session;
	uint32_t core;
};

struct world *world_open(struct world_config config);
void world_close(struct world *world);
struct engine *world_engine(struct world *world, uint32_t core);
struct nearby_segment *world_segment(struct world *world);
uint64_t world_now_us(const struct world *world);
uint64_t world_counter(const struct world *world, enum engine_counter counter);
/* The n-th user, from 1, whose home is that core. */
uint32_t world_user_of(const struct world *world, uint32_t core, uint32_t n);

/* Friendship, for joins to come and for live sessions. The statuses are of both events. */
int befriend(struct world *world, uint64_t a, uint64_t b);
void unfriend(struct world *world, uint64_t a, uint64_t b);
/* The user is deleted: its location goes. */
void forget_user(struct world *world, uint64_t user);
void rename_user(struct world *world, uint64_t user, const char *name);

/* What a user shows everybody from now on; OFF ends its exceptions. share_at_home tells its home core
 * alone, as before such a change is committed. */
void share(struct world *world, uint64_t user, enum sharing_mode mode);
void share_at_home(struct world *world, uint64_t user, enum sharing_mode mode);
/* The store has it, and no core heard of it. */
void share_unheard(struct world *world, uint64_t user, enum sharing_mode mode);
/* ... and what it shows one friend; DEFAULT ends that. */
void share_with(struct world *world, uint64_t user, uint64_t viewer, enum sharing_mode mode);

/* A device joins; it must succeed. try_join returns the status. */
struct device join(struct world *world, uint64_t user);
int try_join(struct world *world, uint64_t user, struct device *device);
void leave(struct world *world, struct device device);

/* The device sends that it is so many metres east of a point of the equator. */
void stand(struct world *world, struct device device, double east_m);
void stand_at(struct world *world, struct device device, struct nearby_place place, int64_t ts_ms);
void ask_nearby(struct world *world, struct device device, uint32_t limit);
/* ... after the page that the device was given last. */
void ask_more(struct world *world, struct device device, uint32_t limit);
void subscribe(struct world *world, struct device device, uint64_t user);
void unsubscribe(struct world *world, struct device device, uint64_t user);
/* The device wants strangers, or no more. */
void switch_on(struct world *world, struct device device);
void switch_off(struct world *world, struct device device);
/* Two users never meet as strangers, in joins to come and in live sessions; or may again. */
void bar(struct world *world, uint64_t a, uint64_t b);
void unbar(struct world *world, uint64_t a, uint64_t b);
/* The strangers that the device has been told of and not lost, in no order. */
const struct entry *world_people(const struct world *world, struct device device, uint32_t *count);
void pause_device(struct world *world, struct device device);
void resume_device(struct world *world, struct device device);

/* Time passes in ticks of 100 ms, each settled. */
void wait_us(struct world *world, uint64_t us);
/* The clock alone moves: nothing is handled. */
void jump_us(struct world *world, uint64_t us);
void tick(struct world *world);
/* Messages between cores are handed over until there are none; frames are given to the devices. */
void exchange(struct world *world);
void flush(struct world *world, uint64_t interval_us);
/* Both, until nothing happens any more. */
void settle(struct world *world);

/* What the device has heard since it was asked last is this (printf-like), and it is forgotten. */
#define hears(world, device, ...) world_hears(world, device, __FILE__, __LINE__, __VA_ARGS__)
__attribute__((format(printf, 5, 6))) void world_hears(struct world *world, struct device device,
						       const char *file, int line,
						       const char *format, ...);
/* Settles before. */
#define then_hears(world, device, ...)                                                             \
	do {                                                                                       \
		settle(world);                                                                     \
		hears(world, device, __VA_ARGS__);                                                 \
	} while (0)

/* From now on messages are given to `listen`, and nothing is kept of them. */
void world_listen(struct world *world,
		  void (*listen)(void *listener, struct device device,
				 const struct server_msg *msg),
		  void *listener);

/* The last message that carried entries to the device, with its entries. */
const struct entry *world_last_entries(const struct world *world, struct device device,
				       uint32_t *count);
/* Whether the device's last location was to be kept as history. */
bool world_has_record(const struct world *world);

/* Whether the last page that the device was given had a next one. */
bool world_has_more(const struct world *world, struct device device);

#endif
