/*
 * Owns: what one core does with what the network brings: sessions, the HTTP API, and the traffic
 *   between network, engine, store and the other cores.
 * Invariant: no call waits; what cannot go on now is kept with the connection it belongs to.
 * Thread: one `struct app` per core, used on that core only; struct app_shared is shared, see there.
 * Does not know: threads, signals, how long to sleep, rings of the kernel.
 */
#ifndef NEARBY_APP_APP_H
#define NEARBY_APP_APP_H

#include "app/counters.h"
#include "app/config.h"
#include "app/token.h"
#include "nearbyshm.h"
#include "net/mesh.h"
#include "net/net.h"
#include "net/quota.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What a reload replaces as a whole. */
struct app_live {
	struct config config;
	struct token_key *key;
	struct tls_server *tls; /* NULL: no TLS */
	struct address_block proxies[CONFIG_LIST_MAX]; /* as proxy-from lists them */
};

/*
 * What all cores share. Filled in before the first core starts and constant from then on, save for
 * the atomics: the main thread (or a drain request) writes them, each core reads them once a turn; a
 * turn's delay is the cost of a stale value. An app_live that was replaced is kept until every core
 * has ended a turn after that.
 */
struct app_shared {
	_Atomic(const struct app_live *) live;
	uint32_t cores;
	struct nearby_segment *segment;
	struct store *store;
	struct mesh *mesh;
	struct quota *requests; /* of each user, over all cores */
	struct quota *arrivals; /* connections of each address, over all cores */
	/* What the store knew at the start, for each core to take its own from: until app_shared_started. */
	struct store_bar *bars;
	uint32_t bar_count;
	struct store_lapse *lapses;
	uint32_t lapse_count;
	atomic_bool draining;
	/* Sessions and joins of all cores: each core adds and takes away its own, and looks at the sum when
	 * one comes in, for sessions-max. */
	atomic_uint session_count;
	/* Joins from their request to the welcome, of all cores: while there are many, new connections wait. */
	atomic_uint join_count;
	/* When the store last answered a join, on the boot clock. */
	_Atomic uint64_t join_answered_us;
	/* Cores whose sessions are all gone after `draining`. */
	atomic_uint drained_cores;
};

/*
 * Opens segment, store and mesh as the live config says; `wake` as in store_config. 0, or negative
 * errno, logged; what was opened is closed by app_shared_close in any case.
 */
int app_shared_open(struct app_shared *shared, void (*wake)(void *context, uint32_t core), void *context);
/* All cores are open, or have failed: what only they needed goes. */
void app_shared_started(struct app_shared *shared);
/* Ends the store's threads, after the cores' loops have ended and before their networks close. */
void app_shared_close_store(struct app_shared *shared);
/* The segment stays in place, for the next start to adopt. */
void app_shared_close(struct app_shared *shared);

/* A core that has not ended a turn for this long is stalled. */
#define CORE_STALLED_US 2000000u

/* Listener numbers given to net_listen. */
enum app_listener { LISTENER_PUBLIC, LISTENER_ADMIN, LISTENER_CONTROL };

struct app;

/* The functions that `net` is to call, with the app as context. */
extern const struct net_handler app_net_handler;

/* 0, -ENOMEM, or -EINVAL, with *reason a text. */
int app_open(struct app **app, struct app_shared *shared, uint32_t core, const char **reason);
/* The core's network, before the first turn. */
void app_attach(struct app *app, struct net *net);
void app_close(struct app **app);

/*
 * Between two turns of net: drains the other cores' messages and the store's answers, ticks the
 * engine, sends the frames that are due, hands messages to other cores. Returns until when (boot
 * clock, µs) the core may sleep.
 */
uint64_t app_turn(struct app *app);

#endif
