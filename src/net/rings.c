/*
 * Owns: how many rings a core has, and which of them takes the next connection.
 * Invariant: files_used of a ring counts what is in its table and what accepts may bring, and so
 *   is never below what the table holds of accepted connections.
 * Thread: the core's.
 * Does not know: what the files are used for.
 *
 * The descriptor limit of the process bounds each ring's table, not the sum of all tables.
 */
#include "net/state.h"

#include "base/check.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Kept free for what other cores pass: it comes unasked. */
static uint32_t spare_files(const struct net_ring *ring)
{
	return ring->files / 8;
}

static void await_signal(struct net *net, uint32_t number)
{
	struct net_ring *ring = &net->rings[number];
	uring_read_eventfd(net->rings[0].uring, ring->eventfd, &ring->eventfd_count,
			   uring_tag_make(EVENT_SIGNAL, number));
}

static int ring_open(struct net *net, const char **reason)
{
	check(net->ring_count < NET_RINGS_MAX);
	uint32_t number = net->ring_count;
	struct net_ring *ring = &net->rings[number];
	*ring = (struct net_ring){ .eventfd = -1 };
	ring->files = net->config.files_max != 0 ? net->config.files_max : uring_files_max();
	if (number > 0) {
		ring->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (ring->eventfd < 0) {
			*reason = "an eventfd";
			return -errno;
		}
	}
	struct uring_config config = { .files = ring->files,
				       .buffers = number == 0 ? NET_BUFFERS : NET_BUFFERS_FURTHER,
				       .signal_eventfd = ring->eventfd };
	int error = uring_open(&ring->uring, &config, reason);
	if (error != 0) {
		if (ring->eventfd >= 0)
			close(ring->eventfd);
		return error;
	}
	net->ring_count++;
	if (number > 0)
		await_signal(net, number);
	return 0;
}

int rings_open(struct net *net, const char **reason)
{
	int error = ring_open(net, reason);
	if (error == 0)
		rings_choose_intake(net);
	return error;
}

void rings_close(struct net *net)
{
	/* Ring 0 last: it reads the eventfds of the others. */
	while (net->ring_count > 0) {
		struct net_ring *ring = &net->rings[--net->ring_count];
		uring_close(&ring->uring);
		if (ring->eventfd >= 0)
			close(ring->eventfd);
	}
}

static uint32_t ring_with_room(const struct net *net)
{
	for (uint32_t i = 0; i < net->ring_count; i++) {
		const struct net_ring *ring = &net->rings[i];
		if (ring->files_used + spare_files(ring) < ring->files)
			return i;
	}
	return NET_RINGS_MAX;
}

/* A number of a ring with room, opened if need be. */
static uint32_t ring_find(struct net *net)
{
	uint32_t number = ring_with_room(net);
	const char *reason;
	if (number != NET_RINGS_MAX || net->ring_count == NET_RINGS_MAX)
		return number;
	if (ring_open(net, &reason) != 0)
		return NET_RINGS_MAX;
	net_count(net, NET_COUNTER_RINGS, 1);
	return net->ring_count - 1;
}

void rings_choose_intake(struct net *net)
{
	uint32_t number = ring_find(net);
	if (number == NET_RINGS_MAX)
		number = 0;
	atomic_store_explicit(&net->intake, uring_descriptor(net->rings[number].uring),
			      memory_order_relaxed);
}

uint32_t rings_reserve(struct net *net)
{
	uint32_t number = ring_find(net);
	if (number != NET_RINGS_MAX)
		net->rings[number].files_used++;
	return number;
}

void rings_release(struct net *net, uint32_t number)
{
	check(net->rings[number].files_used > 0);
	net->rings[number].files_used--;
}
