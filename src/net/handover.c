/*
 * Owns: passing a connection from the core that accepted it to the core where it belongs.
 * Invariant: a passage is freed by the core that made it, once it is DONE; the other core touches it
 *   between its arrival and then.
 * Thread: each function on the core of its `net`.
 * Does not know: why a connection belongs elsewhere; what the baggage is.
 *
 * The descriptor goes by a message between rings, whose tag is the address of the passage. The
 * kernel orders the two cores, as one enters it before the message and the other leaves it after.
 * `progress` says the same in C, each step stored with release by who makes it and read with acquire
 * by the other: SEALED as the last thing before the submit, TAKEN and REJECTED by the core where it
 * arrives, DONE by whoever needs it no more. A stale value only keeps the memory for another turn.
 */
#include "net/state.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	PASSAGE_MAGIC = 0x70617373,
	/* A full table at the other core, with time between for it to open a further ring. */
	TRIES_MAX = 8,
};

enum passage_progress {
	PASSAGE_PACKED,
	PASSAGE_SEALED,
	PASSAGE_TAKEN, /* the baggage is the other core's */
	PASSAGE_REJECTED,
	PASSAGE_DONE,
};

struct passage {
	uint32_t magic;
	_Atomic int progress; /* enum passage_progress */
	struct passage *next; /* of this core */
	uint32_t from, to;    /* cores */
	void *baggage;
	struct address peer;
	struct tls *tls; /* while neither core has it in a connection */
	uint8_t listener;
	bool is_tls;
	char accept[UPGRADE_ACCEPT_BYTES + 1];
	uint32_t rest_bytes; /* received after the request */
	uint8_t rest[];
};

const char *passage_accept(const struct passage *passage)
{
	return passage->accept;
}

static void advance(struct passage *passage, enum passage_progress progress)
{
	atomic_store_explicit(&passage->progress, (int)progress, memory_order_release);
}

static enum passage_progress progress_of(struct passage *passage)
{
	return (enum passage_progress)atomic_load_explicit(&passage->progress,
							   memory_order_acquire);
}

void passage_done(struct passage **passage)
{
	if (*passage == NULL)
		return;
	check_object(*passage, PASSAGE_MAGIC);
	advance(*passage, PASSAGE_DONE);
	*passage = NULL;
}

static void passage_free(struct passage *passage)
{
	tls_close(&passage->tls);
	passage->magic = 0;
	free(passage);
}

void handovers_sweep(struct net *net)
{
	struct passage **link = &net->passages;
	while (*link != NULL) {
		struct passage *passage = *link;
		if (progress_of(passage) != PASSAGE_DONE) {
			link = &passage->next;
			continue;
		}
		*link = passage->next;
		passage_free(passage);
	}
}

/* No core turns any more: what nobody took goes back to the layer above. */
void handovers_close(struct net *net)
{
	while (net->passages != NULL) {
		struct passage *passage = net->passages;
		net->passages = passage->next;
		enum passage_progress progress = progress_of(passage);
		if (progress != PASSAGE_TAKEN && progress != PASSAGE_DONE)
			net->config.handler->handover_failed(net->config.context, passage->baggage);
		passage_free(passage);
	}
}

static struct passage *passage_make(struct net *net, const struct connection *c, uint32_t to,
				    void *baggage)
{
	size_t rest_bytes = buffer_length(c->rest);
	struct passage *passage = malloc(sizeof(*passage) + rest_bytes);
	if (passage == NULL)
		return NULL;
	*passage = (struct passage){
		.magic = PASSAGE_MAGIC,
		.next = net->passages,
		.from = net->config.core,
		.to = to,
		.baggage = baggage,
		.peer = connection_more(net, c)->peer,
		.listener = c->listener,
		.is_tls = c->is_tls,
		.rest_bytes = (uint32_t)rest_bytes,
	};
	memcpy(passage->accept, http_request_manner(c->http)->accept, sizeof(passage->accept));
	if (rest_bytes > 0)
		memcpy(passage->rest, c->rest->bytes + c->rest->start, rest_bytes);
	net->passages = passage;
	return passage;
}

/* ---- on the core that passes ---------------------------------------------------------------- */

static void fail(struct net *net, struct connection *c)
{
	void *baggage = c->passage->baggage;
	passage_done(&c->passage);
	net_count(net, NET_COUNTER_HANDOVERS_FAILED, 1);
	http_session_refuse(net, c, 503, "The core that serves this user has no room.",
			    CLOSE_REFUSED);
	net->config.handler->handover_failed(net->config.context, baggage);
}

static void pass(struct net *net, struct connection *c)
{
	struct passage *passage = c->passage;
	const struct net *peer = net->peers[passage->to].net;
	int intake = atomic_load_explicit(&peer->intake, memory_order_relaxed);
	c->is_leaving = true;
	passage->tls = connection_more(net, c)->tls;
	connection_more(net, c)->tls = NULL;
	advance(passage, PASSAGE_SEALED);
	uring_pass_file(net_uring(net, c), c->file, intake,
			uring_tag_make(EVENT_ADOPT, (uint64_t)(uintptr_t)passage),
			uring_tag_make(EVENT_PASSED, c->slot));
}

void net_handover(struct net *net, struct conn_id conn, uint32_t core, void *baggage)
{
	struct connection *c = connection_find(net, conn);
	check(core < net->config.cores);
	if (c == NULL || c->state != CONN_REQUEST) {
		net->config.handler->handover_failed(net->config.context, baggage);
		return;
	}
	check(c->is_upgrade && !c->has_begun && !c->answered && !c->is_receiving);
	connection_forget_id(c);
	if (core == net->config.core) {
		net->config.handler->adopted(net->config.context, connection_id(c), baggage);
		return;
	}
	c->is_known = false;
	c->passage = passage_make(net, c, core, baggage);
	if (c->passage == NULL) {
		connection_finish(net, c, CLOSE_INTERNAL);
		net->config.handler->handover_failed(net->config.context, baggage);
		return;
	}
	c->state = CONN_PASSING;
	c->pass_tries = 0;
	connection_rearm(net, c);
	handover_proceed(net, c);
}

/* Answers to earlier requests are sent from here, before the other core says anything. */
void handover_proceed(struct net *net, struct connection *c)
{
	if (!c->is_leaving && c->pass_tries == 0 && connection_is_drained(net, c))
		pass(net, c);
}

void handover_cut(struct net *net, struct connection *c)
{
	void *baggage = c->passage->baggage;
	check(!c->is_leaving);
	passage_done(&c->passage);
	net->config.handler->handover_failed(net->config.context, baggage);
}

void handover_passed(struct net *net, struct connection *c, int32_t result)
{
	c->is_leaving = false;
	if (result >= 0) {
		net_count(net, NET_COUNTER_HANDOVERS, 1);
		/* The other core is at it. */
		c->passage = NULL;
		connection_leave(net, c);
		return;
	}
	connection_more(net, c)->tls = c->passage->tls;
	c->passage->tls = NULL;
	if (result != -ENFILE || ++c->pass_tries == TRIES_MAX) {
		fail(net, c);
		return;
	}
	uring_post(net->rings[0].uring,
		   uring_descriptor(net->peers[c->passage->to].net->rings[0].uring),
		   uring_tag_make(EVENT_CROWDED, 0), 0);
	c->since_ms = (uint32_t)net->now_ms;
	connection_rearm(net, c);
}

void handover_retry(struct net *net, struct connection *c)
{
	if (!c->is_leaving)
		pass(net, c);
}

/* The other core got the descriptor but had no record for it; it has closed it. */
void handover_rejected(struct net *net, struct passage *passage)
{
	check_object(passage, PASSAGE_MAGIC);
	check(progress_of(passage) == PASSAGE_REJECTED);
	void *baggage = passage->baggage;
	passage_done(&passage);
	net_count(net, NET_COUNTER_HANDOVERS_FAILED, 1);
	net->config.handler->handover_failed(net->config.context, baggage);
}

/* ---- on the core that takes ----------------------------------------------------------------- */

static void reject(struct net *net, uint32_t ring, struct passage *passage, uint32_t file)
{
	int source = uring_descriptor(net->peers[passage->from].net->rings[0].uring);
	uring_close_file(net->rings[ring].uring, file, true);
	rings_release(net, ring);
	net_count(net, NET_COUNTER_REFUSED, 1);
	advance(passage, PASSAGE_REJECTED);
	uring_post(net->rings[0].uring, source,
		   uring_tag_make(EVENT_REJECTED, (uint64_t)(uintptr_t)passage), 0);
}

static void take_tls(struct net *net, struct connection *c, struct passage *passage)
{
	c->is_tls = passage->is_tls;
	connection_more(net, c)->tls = passage->tls;
	passage->tls = NULL;
	if (c->is_tls)
		tls_move(connection_more(net, c)->tls, &net->buffers);
}

void handover_arrived(struct net *net, uint32_t ring, struct passage *passage, int32_t file)
{
	check(progress_of(passage) == PASSAGE_SEALED && file >= 0);
	check_object(passage, PASSAGE_MAGIC);
	net->rings[ring].files_used++;
	rings_choose_intake(net);
	struct connection *c = NULL;
	if (net->connection_count < net->config.connections_max)
		c = connection_take(net, ring, (uint32_t)file, &passage->peer);
	if (c == NULL) {
		reject(net, ring, passage, (uint32_t)file);
		return;
	}
	take_tls(net, c, passage);
	advance(passage, PASSAGE_TAKEN);
	c->state = CONN_REQUEST;
	c->is_known = true;
	c->is_upgrade = true;
	c->body_done = true;
	c->listener = passage->listener;
	c->passage = passage;
	if (!connection_keep(net, c, passage->rest, passage->rest_bytes))
		c->closes = true;
	net->config.handler->adopted(net->config.context, connection_id(c), passage->baggage);
}
