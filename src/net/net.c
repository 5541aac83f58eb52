/*
 * Owns: opening, turning and closing one core's network; waking it.
 * Invariant: see net.h.
 * Thread: see net.h.
 * Does not know: see net.h.
 */
#include "net/state.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	/* Events that are moved out of a ring at once. */
	EVENTS_AT_ONCE = 64,
	/* Events before its turn at which a connection, and what the layer above keeps for it, are asked
	 * of the memory. */
	FAR_AHEAD = 24,
	NEAR_AHEAD = 16,
	/* After so long a turn looks at no further events: in a flood of joins and goodbyes, each of which
	 * may take the layer above a tenth of a millisecond, all others still get their turn. */
	EVENTS_US = 4000,
};

const char *close_reason_text(enum close_reason reason)
{
	static const char *const texts[] = {
#define CLOSE_REASON(name, text, help) text,
#include "net/close_reasons.tbl"
#undef CLOSE_REASON
	};
	check(reason < CLOSE_REASON_COUNT);
	return texts[reason];
}

const char *net_probe(void)
{
	return uring_probe();
}

/* ---- open and close ------------------------------------------------------------------------- */

static void await_wake(struct net *net)
{
	uring_read_eventfd(net->rings[0].uring, net->wake_eventfd, &net->wake_count,
			   uring_tag_make(EVENT_WAKE, 0));
}

static void check_config(const struct net_config *config)
{
	check(config->core < config->cores && config->connections_max > 0);
	check(config->handshake_timeout_ms > 0 && config->request_timeout_ms > 0);
	check(config->ping_interval_ms > 0 && config->pong_timeout_ms > 0);
	check(config->send_timeout_ms > 0 && config->close_timeout_ms > 0);
	check(config->message_timeout_ms > 0);
	check(config->message_bytes_max > 0 && config->handler != NULL);
	check(config->counters != NULL && config->close_counters != NULL);
}

static int open_steps(struct net *net, const char **reason)
{
	*reason = "an eventfd";
	net->wake_eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (net->wake_eventfd < 0)
		return -errno;
	*reason = "memory for the connections";
	int error = connections_open(net);
	if (error != 0)
		return error;
	net->peers = calloc(net->config.cores, sizeof(*net->peers));
	net->plain = malloc(NET_PLAIN_BYTES);
	if (net->peers == NULL || net->plain == NULL)
		return -ENOMEM;
	error = rings_open(net, reason);
	if (error != 0)
		return error;
	await_wake(net);
	*reason = NULL;
	return 0;
}

int net_open(struct net **net, const struct net_config *config, const char **reason)
{
	check_config(config);
	*reason = "memory";
	struct net *fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->magic = NET_MAGIC;
	fresh->config = *config;
	fresh->now_ms = boot_us() / 1000;
	fresh->wake_eventfd = -1;
	for (uint32_t i = 0; i < NET_LISTENERS_MAX; i++)
		fresh->listeners[i].descriptor = -1;
	timer_wheel_init(&fresh->wheel, fresh->now_ms);
	websocket_pool_init(&fresh->websockets, &fresh->buffers, config->message_bytes_max,
			    config->handler->binary != NULL);
	int error = open_steps(fresh, reason);
	if (error != 0)
		net_close(&fresh);
	*net = fresh;
	return error;
}

void net_link(struct net *net, struct net *const *nets)
{
	for (uint32_t core = 0; core < net->config.cores; core++)
		net->peers[core].net = nets[core];
}

/* ---- waking --------------------------------------------------------------------------------- */

void net_wake(struct net *net)
{
	check_object(net, NET_MAGIC);
	if (atomic_exchange_explicit(&net->rung, true, memory_order_acq_rel))
		return;
	uint64_t one = 1;
	/* Fails only when the count is at its limit, and then it is written already. */
	ssize_t written = write(net->wake_eventfd, &one, sizeof(one));
	(void)written;
}

void net_ring_doorbell(struct net *net, uint32_t peer)
{
	check(peer < net->config.cores && peer != net->config.core);
	net->peers[peer].is_rung = true;
}

static void ring_doorbells(struct net *net)
{
	for (uint32_t core = 0; core < net->config.cores; core++) {
		struct net_peer *peer = &net->peers[core];
		if (!peer->is_rung)
			continue;
		peer->is_rung = false;
		if (!atomic_exchange_explicit(&peer->net->rung, true, memory_order_acq_rel))
			uring_post(net->rings[0].uring, uring_descriptor(peer->net->rings[0].uring),
				   uring_tag_make(EVENT_DOORBELL, 0),
				   uring_tag_make(EVENT_RANG, core));
	}
}

/* The kernel had no memory for the message: the ring must not be believed to be on its way. */
static void doorbell_failed(struct net *net, uint32_t core)
{
	atomic_exchange_explicit(&net->peers[core].net->rung, false, memory_order_acq_rel);
	net->peers[core].is_rung = true;
}

static void tell_woken(struct net *net)
{
	if (!net->was_woken)
		return;
	net->was_woken = false;
	atomic_exchange_explicit(&net->rung, false, memory_order_acq_rel);
	net->config.handler->woken(net->config.context);
}

/* ---- closing -------------------------------------------------------------------------------- */

void net_close(struct net **net)
{
	struct net *it = *net;
	if (it == NULL)
		return;
	check_object(it, NET_MAGIC);
	listeners_close(it);
	/* The kernel lets go of all memory before any is freed. */
	rings_close(it);
	connections_close(it);
	handovers_close(it);
	websocket_pool_fini(&it->websockets);
	buffer_pool_fini(&it->buffers);
	tls_server_drop(&it->tls_server);
	free(it->plain);
	if (it->wake_eventfd >= 0)
		close(it->wake_eventfd);
	free(it->peers);
	it->magic = 0;
	free(it);
	*net = NULL;
}

/* ---- turning -------------------------------------------------------------------------------- */

static void handle_received(struct net *net, struct uring *uring, const struct uring_event *event)
{
	struct connection *c = &net->connections[uring_tag_value(event->tag)];
	check(c->is_receiving);
	const void *bytes = event->has_buffer ? uring_buffer_bytes(uring, event->buffer) : NULL;
	connection_received(net, c, event->result, bytes, event->more);
	if (event->has_buffer)
		uring_buffer_give(uring, event->buffer);
}

static void handle_signal(struct net *net, uint32_t number)
{
	struct net_ring *ring = &net->rings[number];
	ring->is_signalled = true;
	uring_read_eventfd(net->rings[0].uring, ring->eventfd, &ring->eventfd_count,
			   uring_tag_make(EVENT_SIGNAL, number));
}

static void handle_event(struct net *net, uint32_t ring, const struct uring_event *event)
{
	uint64_t value = uring_tag_value(event->tag);
	switch ((enum event_kind)uring_tag_kind(event->tag)) {
	case EVENT_NONE:
		break;
	case EVENT_ACCEPT:
		listener_accepted(net, value, event->result);
		break;
	case EVENT_RECEIVE:
		handle_received(net, net->rings[ring].uring, event);
		break;
	case EVENT_SEND:
		connection_sent(net, &net->connections[value], event->result);
		break;
	case EVENT_SHUT:
		connection_was_shut(net, &net->connections[value]);
		break;
	case EVENT_WAKE:
		net->was_woken = true;
		await_wake(net);
		break;
	case EVENT_SIGNAL:
		handle_signal(net, (uint32_t)value);
		break;
	case EVENT_DOORBELL:
		net->was_woken = true;
		break;
	case EVENT_RANG:
		doorbell_failed(net, (uint32_t)value);
		break;
	case EVENT_ADOPT:
		handover_arrived(net, ring, (struct passage *)(uintptr_t)value, event->result);
		break;
	case EVENT_PASSED:
		handover_passed(net, &net->connections[value], event->result);
		break;
	case EVENT_REJECTED:
		handover_rejected(net, (struct passage *)(uintptr_t)value);
		break;
	case EVENT_CROWDED:
		rings_choose_intake(net);
		break;
	}
}

/* Both lines of the record, and of what is received the other one too. */
static void expect_connection(const struct net *net, const struct uring_event *event)
{
	uint32_t kind = uring_tag_kind(event->tag);
	if (kind != EVENT_RECEIVE && kind != EVENT_SEND)
		return;
	const char *c = (const char *)&net->connections[uring_tag_value(event->tag)];
	__builtin_prefetch(c, 1);
	__builtin_prefetch(c + 64, 1);
	if (kind == EVENT_RECEIVE)
		__builtin_prefetch(&net->more[uring_tag_value(event->tag)], 1);
}

static void expect_message(const struct net *net, const struct uring_event *event)
{
	if (uring_tag_kind(event->tag) != EVENT_RECEIVE || event->result <= 0)
		return;
	const struct connection *c = &net->connections[uring_tag_value(event->tag)];
	if (c->state == CONN_WEBSOCKET && net->config.handler->expected != NULL)
		net->config.handler->expected(net->config.context, c->cookie);
}

/* Has what an event will need on its way from memory: first the connection, nearer to its turn what
 * the layer above keeps for it. */
static void look_ahead(const struct net *net, const struct uring_event *far,
		       const struct uring_event *near)
{
	if (far != NULL)
		expect_connection(net, far);
	if (near != NULL)
		expect_message(net, near);
}

/* Copies of events, of all rings: with a million connections a core has many rings, and few events of each
 * in a turn. */
struct batch {
	struct uring_event events[EVENTS_AT_ONCE];
	uint8_t rings[EVENTS_AT_ONCE];
	uint32_t count;
};
_Static_assert(NET_RINGS_MAX <= UINT8_MAX, "a ring's number is a byte");

static void handle_batch(struct net *net, struct batch *batch)
{
	const struct uring_event *events = batch->events;
	uint32_t count = batch->count;
	for (uint32_t i = 0; i < count + FAR_AHEAD; i++) {
		bool has_near = i >= FAR_AHEAD - NEAR_AHEAD && i - (FAR_AHEAD - NEAR_AHEAD) < count;
		look_ahead(net, i < count ? &events[i] : NULL,
			   has_near ? &events[i - (FAR_AHEAD - NEAR_AHEAD)] : NULL);
		if (i >= FAR_AHEAD)
			handle_event(net, batch->rings[i - FAR_AHEAD], &events[i - FAR_AHEAD]);
	}
	net->had_events |= count > 0;
	batch->count = 0;
}

/* Fills what is free of the batch, and returns how many that were. When it is full then there may be more. */
static uint32_t fill_batch(struct net *net, uint32_t ring, struct batch *batch)
{
	uint32_t room = EVENTS_AT_ONCE - batch->count;
	uint32_t taken = uring_take(net->rings[ring].uring, &batch->events[batch->count], room);
	memset(&batch->rings[batch->count], (int)ring, taken);
	batch->count += taken;
	return taken;
}

/* Its events into the batch, which is handled whenever it is full. Where there may be more, nobody will
 * tell of it again: the ring stays signalled. */
static void take_ring(struct net *net, uint32_t ring, struct batch *batch, uint64_t until_us)
{
	uint32_t shown_max = ring == 0 ? net->shown_max : URING_EVENTS_AT_ONCE;
	uint32_t taken = fill_batch(net, ring, batch);
	bool is_cut = false;
	while (batch->count == EVENTS_AT_ONCE && !is_cut) {
		handle_batch(net, batch);
		is_cut = boot_us() >= until_us;
		taken += is_cut ? 0 : fill_batch(net, ring, batch);
	}
	net->rings[ring].is_signalled = is_cut || taken >= shown_max;
}

/* Signals of the others come by ring 0. */
static void note_read(struct net *net)
{
	for (uint32_t i = 0; i < net->ring_count && !net->rings[0].is_signalled; i++)
		if (!net->rings[i].is_signalled)
			net->rings[i].read_ms = net->submitted_ms;
}

/* The first, then the others in turn; those that time does not suffice for come first in the next. */
static int handle_rings(struct net *net)
{
	uint64_t until_us = boot_us() + EVENTS_US;
	uint32_t others = net->ring_count - 1, done = 0;
	struct batch batch = { .count = 0 };
	int error = 0;
	take_ring(net, 0, &batch, until_us);
	/* Among these is which of the others have something. */
	handle_batch(net, &batch);
	for (; done < others && (done == 0 || boot_us() < until_us) && error == 0; done++) {
		uint32_t number = 1 + (net->ring_first + done) % others;
		if (net->rings[number].is_signalled)
			error = uring_flush(net->rings[number].uring);
		take_ring(net, number, &batch, until_us);
	}
	handle_batch(net, &batch);
	for (uint32_t left = done; left < others; left++)
		net->rings[1 + (net->ring_first + left) % others].is_signalled = true;
	net->ring_first += done;
	return error;
}

static void send_dirty(struct net *net)
{
	struct connection *c;
	while ((c = connection_at(net, net->dirty)) != NULL) {
		net->dirty = c->next_dirty;
		c->is_dirty = false;
		if (c->state == CONN_DYING)
			connection_end(net, c, (enum close_reason)c->reason);
		else
			connection_flush(net, c);
	}
}

/* Those that become ready meanwhile are put in front of the next round, so one busy connection
 * does not hold up the turn. */
static void proceed_ready(struct net *net)
{
	struct connection *c;
	uint32_t list = net->ready;
	net->ready = 0;
	while ((c = connection_at(net, list)) != NULL) {
		list = c->next_ready;
		c->is_ready = false;
		if (c->state == CONN_DYING)
			connection_end(net, c, (enum close_reason)c->reason);
		else
			connection_proceed(net, c);
	}
}

static void fire_timers(struct net *net)
{
	struct timer *timer;
	while ((timer = timer_wheel_fire(&net->wheel, net->now_ms)) != NULL)
		connection_due(net, (struct connection *)((char *)timer -
							  offsetof(struct connection, timer)));
}

static uint64_t wait_us(const struct net *net, uint64_t now_us, uint64_t until_us)
{
	uint64_t next_ms = timer_wheel_next_ms(&net->wheel);
	if (net->accepts_wait && net->accepts_retry_ms < next_ms)
		next_ms = net->accepts_retry_ms;
	if (next_ms < until_us / 1000)
		until_us = next_ms * 1000;
	for (uint32_t i = 0; i < net->ring_count; i++)
		if (net->rings[i].is_signalled)
			return 0;
	if (net->ready != 0 || until_us <= now_us)
		return 0;
	return until_us - now_us;
}

static void rearm_accepts(struct net *net)
{
	if (!net->accepts_wait || (!net->files_freed && net->now_ms < net->accepts_retry_ms))
		return;
	net->files_freed = false;
	listeners_arm(net);
}

/* Submits on all rings, waits on the first, and lets finished work become events on those that
 * signalled. */
static int submit_and_wait(struct net *net, uint64_t until_us)
{
	int error = 0;
	for (uint32_t i = 1; i < net->ring_count && error == 0; i++)
		error = uring_submit(net->rings[i].uring);
	if (error != 0)
		return error;
	uint64_t now_us = boot_us();
	net->submitted_ms = now_us / 1000;
	uint64_t longest_us = wait_us(net, now_us, until_us);
	bool gathers = net->had_events && net->gather_us > 0;
	if (gathers && longest_us > net->gather_us)
		longest_us = net->gather_us;
	net->shown_max = gathers && longest_us > 0 ? NET_GATHER_EVENTS : URING_EVENTS_AT_ONCE;
	return uring_turn(net->rings[0].uring, gathers ? NET_GATHER_EVENTS : 1, longest_us);
}

void net_expect(const struct net *net, struct conn_id conn)
{
	if (conn.slot >= net->connection_fresh)
		return;
	const char *c = (const char *)&net->connections[conn.slot];
	__builtin_prefetch(c, 1);
	__builtin_prefetch(c + 64, 1);
}

void net_set_gather(struct net *net, uint32_t gather_us)
{
	net->gather_us = gather_us;
}

int net_turn(struct net *net, uint64_t until_us)
{
	check_object(net, NET_MAGIC);
	proceed_ready(net);
	send_dirty(net);
	ring_doorbells(net);
	int error = submit_and_wait(net, until_us);
	if (error != 0)
		return error;
	net->now_ms = boot_us() / 1000;
	net->had_events = false;
	error = handle_rings(net);
	note_read(net);
	fire_timers(net);
	proceed_ready(net);
	rearm_accepts(net);
	if (net->passages != NULL)
		handovers_sweep(net);
	tell_woken(net);
	return error;
}
