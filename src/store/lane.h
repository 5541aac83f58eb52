/*
 * Owns: the requests and answers between the clients and one store thread.
 * Invariant: a request goes in once and comes out once; no side ever waits for the other.
 * Thread: each client posts and polls on its own thread, one store thread takes and answers.
 * Does not know: what requests ask.
 *
 * Between a client and the store thread stand two rings (base/ring.h), one each way, of pointers to
 * requests; what a request holds is handed over with the pointer. The store thread sleeps on a bell.
 */
#ifndef NEARBY_STORE_LANE_H
#define NEARBY_STORE_LANE_H

#include "base/ring.h"
#include "store/bell.h"
#include "store/store.h"

/* One more than a client may have on its way at once, in all lanes. */
#define LANE_RING_CAPACITY 4096

struct lane {
	uint32_t clients;
	struct ring **requests; /* one a poster */
	struct ring **answers;	/* one a client */
	struct bell bell;
	uint64_t woken; /* clients with answers that were not yet told, a bit each */
	void (*wake)(void *context, uint32_t client);
	void *wake_context;
};

/* `posters` is the number of clients, or more: other store threads that hand requests on. */
int lane_open(struct lane *lane, uint32_t posters, const struct store_config *config);
void lane_close(struct lane *lane, uint32_t posters);

/* Poster's side. False: the ring is full. */
bool lane_post(struct lane *lane, uint32_t poster, struct store_request *request);
/* Client's side. */
struct store_request *lane_poll(struct lane *lane, uint32_t client);

/* The store thread's side: takes up to `max` requests of one poster. */
uint32_t lane_take(struct lane *lane, uint32_t poster, struct store_request **requests,
		   uint32_t max);
/* Hands a request back to its client; lane_wake then tells all clients that got some. */
void lane_answer(struct lane *lane, struct store_request *request);
void lane_wake(struct lane *lane);

#endif
