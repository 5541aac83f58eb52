/*
 * Owns: the inside of the store that its threads share.
 * Invariant: each field has one writing thread, named here, or is fixed before the threads start.
 * Thread: users, writer and reader, one a lane, and the clients.
 * Does not know: what is in the databases.
 */
#ifndef NEARBY_STORE_THREADS_H
#define NEARBY_STORE_THREADS_H

#include "store/history.h"
#include "store/lane.h"
#include "store/users.h"

#include <pthread.h>
#include <stdatomic.h>

enum lane_name { LANE_USERS, LANE_WRITER, LANE_READER, LANE_COUNT };

/* A location on its way from a core to the writer, by value. */
struct append {
	uint64_t user;
	struct nearby_place place;
	int64_t client_ms;
	uint64_t receipt_us;
};

/* The client's own: on a cache line of its own. */
struct client {
	_Alignas(64) uint32_t outstanding; /* requests not yet polled */
};

struct store {
	uint32_t magic;
	/* Fixed before the threads start. */
	struct store_config config;
	int lock_fd;
	struct users *users;
	struct history *history;
	uint32_t append_capacity;
	uint32_t window_max;
	pthread_t threads[LANE_COUNT];
	uint32_t thread_count;
	/* Written by whoever stops the store; read by the thread of the lane. */
	_Atomic bool is_stopping[LANE_COUNT];
	bool is_joined[LANE_COUNT]; /* the stopper's */
	struct lane lanes[LANE_COUNT];
	struct client *clients; /* each its client's */
	struct ring **appends;	/* from each client to the writer */
	/* Scrubs of users.mdb: the writer counts up what it wants, the users thread says which is done. */
	_Atomic uint64_t users_scrub_wanted;
	_Atomic uint64_t users_scrub_done;
	/* The writer's. */
	struct store_point *window; /* what goes into the next commit; room for window_max */
	struct store_point *scratch;
};

/* Poster of the users lane through which the writer hands requests on. */
static inline uint32_t writer_poster(const struct store *store)
{
	return store->config.clients;
}

static inline counter_word *store_counter(const struct store *store, enum store_counter_word word)
{
	return &store->config.counters[word];
}

/* Bodies of the threads; the argument is the store. */
void *users_thread(void *store);
void *writer_thread(void *store);
void *reader_thread(void *store);

/* Gives back what still waits in a lane, with -ECANCELED. The last thing that its thread does. */
void lane_cancel(struct store *store, enum lane_name name);

#endif
