/*
 * Owns: the rings of a lane.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/lane.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>

static int rings_open(struct ring ***rings, uint32_t count)
{
	*rings = calloc(count, sizeof(struct ring *));
	int error = *rings == NULL ? -ENOMEM : 0;
	for (uint32_t i = 0; i < count && error == 0; i++)
		error = ring_open(&(*rings)[i], LANE_RING_CAPACITY, sizeof(struct store_request *));
	return error;
}

static void rings_close(struct ring ***rings, uint32_t count)
{
	for (uint32_t i = 0; i < count && *rings != NULL; i++)
		ring_close(&(*rings)[i]);
	free(*rings);
	*rings = NULL;
}

int lane_open(struct lane *lane, uint32_t posters, const struct store_config *config)
{
	*lane = (struct lane){ .clients = config->clients,
			       .wake = config->wake,
			       .wake_context = config->wake_context };
	int error = rings_open(&lane->requests, posters);
	if (error == 0)
		error = rings_open(&lane->answers, config->clients);
	return error;
}

void lane_close(struct lane *lane, uint32_t posters)
{
	rings_close(&lane->requests, posters);
	rings_close(&lane->answers, lane->clients);
}

bool lane_post(struct lane *lane, uint32_t poster, struct store_request *request)
{
	if (!ring_post(lane->requests[poster], &request))
		return false;
	bell_ring(&lane->bell);
	return true;
}

struct store_request *lane_poll(struct lane *lane, uint32_t client)
{
	struct store_request *request = NULL;
	return ring_drain(lane->answers[client], &request, 1) == 1 ? request : NULL;
}

uint32_t lane_take(struct lane *lane, uint32_t poster, struct store_request **requests,
		   uint32_t max)
{
	return ring_drain(lane->requests[poster], requests, max);
}

void lane_answer(struct lane *lane, struct store_request *request)
{
	/* Once posted it is the client's again, and may be gone. */
	uint32_t client = request->client;
	/* A client has fewer requests on their way than the ring has room for. */
	check(ring_post(lane->answers[client], &request));
	lane->woken |= (uint64_t)1 << client;
}

void lane_wake(struct lane *lane)
{
	for (uint32_t client = 0; lane->woken != 0; client++, lane->woken >>= 1)
		if (lane->woken & 1)
			lane->wake(lane->wake_context, client);
}
