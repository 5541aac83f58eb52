/*
 * Owns: a whole machine on one thread: engines over one segment, the links between them, two
 *   clocks, the devices that are connected, and the oracle that watches them.
 * Invariant: whatever an engine is told, the oracle is told; whatever a client would receive, the
 *   oracle judges. A link keeps its order and loses nothing; links do not know of each other.
 * Thread: one.
 * Does not know: chance. Who moves what, and when, is the caller's.
 *
 * Users and devices are numbers, as in the oracle.
 */
#ifndef NEARBY_SIM_CLUSTER_H
#define NEARBY_SIM_CLUSTER_H

#include "book.h"
#include "engine/engine.h"
#include "oracle.h"

#include <stdbool.h>
#include <stdint.h>

struct cluster_config {
	uint32_t cores;
	uint32_t user_count;
	const uint64_t *ids; /* ascending; lent for the cluster's life */
	uint32_t devices_max;
	double radius_m;
	uint64_t ttl_us;
	uint32_t cell_length, strangers_max; /* see engine_config */
	uint64_t interval_us; /* between two frames to a device */
	/* Of each engine: see engine_config. */
	uint32_t sessions_max, friends_max, channels_max, subscriptions_max;
	uint64_t table_users_max;
	bool may_be_full;     /* the table is too small on purpose */
	uint32_t link_room;   /* messages a link holds */
	uint8_t grid_secret[16];
	const char *instance; /* the segment's name, or NULL for private memory */
	uint64_t start_us;
	int64_t start_ms;
	/* Called with every message that a client receives, after the oracle; may be NULL. */
	void (*received)(void *context, uint32_t device, bool is_answer,
			 const struct server_msg *msg);
	void *context;
};

struct cluster;

struct cluster *cluster_open(const struct cluster_config *config);
void cluster_close(struct cluster **cluster);
/* All engines, links and sessions are gone; the segment stays and is given to other engines. */
void cluster_restart(struct cluster *cluster, uint32_t cores);

struct oracle *cluster_oracle(struct cluster *cluster);
struct book *cluster_book(struct cluster *cluster);
/* By the clock that is ahead of all others. */
struct moment cluster_moment(const struct cluster *cluster);
uint32_t cluster_cores(const struct cluster *cluster);
uint32_t cluster_home(const struct cluster *cluster, uint32_t user);
/* The user of a device, also of one that is gone. */
uint32_t cluster_device_user(const struct cluster *cluster, uint32_t device);
/* Sum of an engine counter over all engines that ever were. */
uint64_t cluster_counter(const struct cluster *cluster, enum engine_counter counter);

/* Time passes: the boot clock by `us`, the wall clock with it and by `jump_ms` more. */
void cluster_advance(struct cluster *cluster, uint64_t us, int64_t jump_ms);
/* From now on a core's clock is that far behind, or less where it would have to step back. */
void cluster_lag(struct cluster *cluster, uint32_t core, uint64_t lag_us);
void cluster_interval(struct cluster *cluster, uint64_t interval_us);

/* ---- what clients and the store do ----------------------------------------------------------- */

/* A loaded list enters its engine. The new device, or ORACLE_NOBODY when there was no room. */
uint32_t cluster_join(struct cluster *cluster, uint32_t load);
/* Those below do nothing but see that nothing happens when the device is gone. */
void cluster_leave(struct cluster *cluster, uint32_t device);
void cluster_locate(struct cluster *cluster, uint32_t device, struct nearby_place place,
		    int64_t ts_ms);
/* A page; `cursor` may be NULL. */
void cluster_nearby(struct cluster *cluster, uint32_t device, uint32_t limit,
		    const struct page_cursor *cursor);
/* All pages, judged together as well. Returns the number of entries. */
uint32_t cluster_pages(struct cluster *cluster, uint32_t device, uint32_t limit);
void cluster_subscribe(struct cluster *cluster, uint32_t device, struct user_id with);
void cluster_unsubscribe(struct cluster *cluster, uint32_t device, struct user_id with);
/* The device wants strangers, or no more; two users never meet as such, or may again. */
void cluster_strangers(struct cluster *cluster, uint32_t device, bool is_on);
void cluster_bar(struct cluster *cluster, uint32_t a, uint32_t b, bool is_barred);
bool cluster_is_barred(const struct cluster *cluster, uint32_t a, uint32_t b);
/* After a rest: each device has the strangers that it should have; first it is quiet for that long. */
void cluster_judge_strangers(struct cluster *cluster);
void cluster_pause(struct cluster *cluster, uint32_t device);
void cluster_resume(struct cluster *cluster, uint32_t device);
/* All pages of a user's list without a device. Returns the number of entries. */
uint32_t cluster_list(struct cluster *cluster, uint32_t user, uint32_t limit);
/* The user's location goes at once, as when it is deleted; its devices stay. */
void cluster_forget(struct cluster *cluster, uint32_t user);
/* The core takes the oldest change that it has not heard of. False when there is none. */
bool cluster_hear(struct cluster *cluster, uint32_t core);

/* ---- what the machine does ------------------------------------------------------------------- */

void cluster_tick(struct cluster *cluster, uint32_t core);
/* Up to `max` messages out of an engine into the link, and out of the link into the other engine.
 * Return how many. */
uint32_t cluster_pull(struct cluster *cluster, uint32_t from, uint32_t to, uint32_t max);
uint32_t cluster_deliver(struct cluster *cluster, uint32_t from, uint32_t to, uint32_t max);
uint32_t cluster_link_count(const struct cluster *cluster, uint32_t from, uint32_t to);
/* Up to `max` frames to devices. Returns how many. */
uint32_t cluster_flush(struct cluster *cluster, uint32_t core, uint32_t max);

/* A held link carries nothing, a held core hears of no change, until released. */
void cluster_hold_link(struct cluster *cluster, uint32_t from, uint32_t to, bool is_held);
void cluster_hold_changes(struct cluster *cluster, uint32_t core, bool is_held);

/* Everything that can be done at this moment is done. */
void cluster_settle(struct cluster *cluster);
/* As the daemon does it: sleeps until an engine has something to do, and does it, for `us`. */
void cluster_run(struct cluster *cluster, uint64_t us);
/* Every invariant of every engine. */
void cluster_check(struct cluster *cluster);

#endif
