/*
 * Owns: the life of a client's connection, and its bytes.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: what the messages mean.
 */
#include "bench/fleet.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/id.h"
#include "bench/batch.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 512
/* Sends, and reads, of one system call; and how many operations it has room for, a power of two. What is
 * read before any of it is looked at should stay in the processor's cache. */
#define SENDS_MAX 256
#define READS_MAX 64
#define BATCH_MAX 512
#define SENDS_BYTES (64 * 1024)
_Static_assert(SENDS_MAX + READS_MAX <= BATCH_MAX, "a batch has room for both");
_Static_assert(SENDS_BYTES <= FLEET_PENDING_BYTES_MAX, "what a batch has of a client may wait");
/* What one read takes at most; and how far its places are apart, so that not all of them begin in the same
 * lines of the cache. */
#define READ_BYTES (16 * 1024)
#define READ_STRIDE (READ_BYTES + 192)
/* Bytes of messages that have come in part: two of the largest always fit. */
#define HELD_BYTES_MAX (2 * (FRAME_PAYLOAD_BYTES_MAX + FRAME_HEADER_BYTES_MAX))
#define REQUEST_BYTES_MAX      4096
#define RESPONSE_BYTES_MAX     16384
#define SEND_BYTES_MAX	       4096
#define CLOSE_CODE_NORMAL      1000
#define CLOSE_CODE_PROTOCOL    1002
/*
 * The key protects against caches that answer from memory, nothing else, so every client uses the
 * sample of RFC 6455 section 1.3, whose answer stands beside it there.
 */
#define HANDSHAKE_KEY	 "dGhlIHNhbXBsZSBub25jZQ=="
#define HANDSHAKE_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum client_state { CLIENT_NONE, CLIENT_CONNECTING, CLIENT_UPGRADING, CLIENT_OPEN, CLIENT_SHUT };

struct client {
	int fd;
	enum client_state state : 8;
	bool is_in_batch;	/* bytes of it go out with the batch, or are read */
	uint32_t held_bytes;	/* read, and not yet a whole message */
	uint32_t pending_bytes; /* to be written */
	uint8_t *held;
	uint8_t *pending;
};

/* Bytes that go out with the next batch. */
struct sending {
	uint32_t client;
	uint32_t at, length; /* in `send_bytes` */
};

/* A client whose bytes are read with the next batch. */
struct reading {
	uint32_t client;
	bool may_end; /* what comes has ended, which is no event of its own behind bytes that came with it */
	int got;      /* as recv returns it, or negative errno */
};

struct fleet {
	struct fleet_config config;
	int epoll;
	int error; /* of a batch: negative errno, for the next poll to return */
	uint32_t open_count;
	uint64_t mask_seed;
	uint64_t received_bytes;
	struct client *clients;
	struct batch *batch; /* its operations: all of `sends`, and behind them those of `reads` */
	uint32_t send_count, read_count;
	uint32_t send_bytes_used;
	struct sending sends[SENDS_MAX];
	struct reading reads[READS_MAX];
	uint8_t send_bytes[SENDS_BYTES];
	uint8_t read_bytes[READS_MAX][READ_STRIDE];
};

static int batch_open_or_say(struct batch **batch)
{
	int error = batch_open(batch, BATCH_MAX);
	if (error < 0)
		fprintf(stderr,
			"the clients need io_uring of Linux 6.1 or later, not forbidden by "
			"kernel.io_uring_disabled or a sandbox: %s\n",
			strerror(-error));
	return error;
}

int fleet_open(struct fleet **fleet, const struct fleet_config *config)
{
	struct fleet *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	made->config = *config;
	made->mask_seed = boot_us();
	made->epoll = epoll_create1(EPOLL_CLOEXEC);
	made->clients = calloc(config->clients_max, sizeof(*made->clients));
	*fleet = made;
	int error = made->epoll < 0 ? -errno : made->clients == NULL ? -ENOMEM : 0;
	if (error == 0)
		error = batch_open_or_say(&made->batch);
	if (error < 0)
		fleet_close(fleet);
	return error;
}

static void batch_go(struct fleet *fleet);

static void client_drop(struct fleet *fleet, struct client *client)
{
	/* Its descriptor may soon be another's. */
	if (client->is_in_batch)
		batch_go(fleet);
	if (client->state == CLIENT_OPEN || client->state == CLIENT_SHUT)
		fleet->open_count--;
	close(client->fd);
	free(client->held);
	free(client->pending);
	*client = (struct client){ .fd = -1 };
}

void fleet_close(struct fleet **fleet)
{
	struct fleet *closing = *fleet;
	if (closing == NULL)
		return;
	for (uint32_t i = 0; closing->clients != NULL && i < closing->config.clients_max; i++) {
		if (closing->clients[i].state != CLIENT_NONE)
			client_drop(closing, &closing->clients[i]);
	}
	if (closing->epoll >= 0)
		close(closing->epoll);
	batch_close(&closing->batch);
	free(closing->clients);
	free(closing);
	*fleet = NULL;
}

static void client_end(struct fleet *fleet, uint32_t number, struct fleet_end end)
{
	client_drop(fleet, &fleet->clients[number]);
	fleet->config.handler->ended(fleet->config.context, number, &end);
}

static void client_watch(struct fleet *fleet, uint32_t number, int operation)
{
	struct client *client = &fleet->clients[number];
	/* Told of once, not until it is read: an event that is still there is put back and looked at
	 * again, which for a socket that is in no cache takes as long as reading it. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.u32 = number };
	if (client->pending_bytes > 0 || client->state == CLIENT_CONNECTING)
		event.events |= EPOLLOUT;
	check(epoll_ctl(fleet->epoll, operation, client->fd, &event) == 0);
}

/* Keeps bytes for later. False when that would be too many, or there is no memory. */
static bool client_keep(uint8_t **kept, uint32_t *kept_bytes, const void *bytes, size_t length,
			size_t limit)
{
	if (length == 0)
		return true;
	if (*kept_bytes + length > limit)
		return false;
	uint8_t *grown = realloc(*kept, *kept_bytes + length);
	if (grown == NULL)
		return false;
	memcpy(grown + *kept_bytes, bytes, length);
	*kept = grown;
	*kept_bytes += (uint32_t)length;
	return true;
}

/* Half a frame cannot be taken back: where its rest cannot be kept the connection ends, and that is
 * reported as any end. */
static void client_keep_unsent(struct fleet *fleet, uint32_t number, const void *bytes,
			       size_t length)
{
	struct client *client = &fleet->clients[number];
	if (!client_keep(&client->pending, &client->pending_bytes, bytes, length,
			 FLEET_PENDING_BYTES_MAX))
		shutdown(client->fd, SHUT_RDWR);
	else
		client_watch(fleet, number, EPOLL_CTL_MOD);
}

/* A tag is the number of a send, or, behind all sends, that of a read. */
static void operation_done(void *context, uint64_t tag, int result)
{
	struct fleet *fleet = context;
	if (tag >= SENDS_MAX) {
		struct reading *reading = &fleet->reads[tag - SENDS_MAX];
		reading->got = result;
		fleet->clients[reading->client].is_in_batch = false;
		return;
	}
	const struct sending *sending = &fleet->sends[tag];
	fleet->clients[sending->client].is_in_batch = false;
	/* A broken socket is reported by epoll; here its bytes just wait. */
	uint32_t written = result < 0 ? 0 : (uint32_t)result;
	if (written < sending->length)
		client_keep_unsent(fleet, sending->client, fleet->send_bytes + sending->at + written,
				   sending->length - written);
}

/* After an error nothing is sent or read any more; fleet_poll tells of it. */
static void batch_go(struct fleet *fleet)
{
	if (fleet->error == 0)
		fleet->error = batch_run(fleet->batch, operation_done, fleet);
	fleet->send_count = fleet->send_bytes_used = 0;
}

/* Writes with the next batch what the socket takes then; the rest is kept. */
static bool client_write(struct fleet *fleet, uint32_t number, const void *bytes, size_t length)
{
	struct client *client = &fleet->clients[number];
	/* Two sends of one client are one, or the second might overtake what the socket did not take of the
	 * first. */
	struct sending *last = fleet->send_count > 0 ? &fleet->sends[fleet->send_count - 1] : NULL;
	bool is_last = last != NULL && last->client == number && fleet->read_count == 0;
	if ((client->is_in_batch && !is_last) || fleet->send_count == SENDS_MAX ||
	    fleet->send_bytes_used + length > SENDS_BYTES) {
		batch_go(fleet);
		is_last = false;
	}
	if (client->pending_bytes + length > FLEET_PENDING_BYTES_MAX)
		return false;
	if (client->pending_bytes > 0) {
		client_keep_unsent(fleet, number, bytes, length);
		return true;
	}
	uint8_t *place = fleet->send_bytes + fleet->send_bytes_used;
	memcpy(place, bytes, length);
	if (is_last) {
		last->length += (uint32_t)length;
		batch_extend(fleet->batch, length);
	} else {
		fleet->sends[fleet->send_count] =
			(struct sending){ number, fleet->send_bytes_used, (uint32_t)length };
		batch_send(fleet->batch, client->fd, place, length, fleet->send_count++);
		client->is_in_batch = true;
	}
	fleet->send_bytes_used += (uint32_t)length;
	return true;
}

static void client_flush(struct fleet *fleet, uint32_t number)
{
	struct client *client = &fleet->clients[number];
	ssize_t written = send(client->fd, client->pending, client->pending_bytes,
			       MSG_NOSIGNAL | MSG_DONTWAIT);
	if (written <= 0)
		return;
	client->pending_bytes -= (uint32_t)written;
	memmove(client->pending, client->pending + written, client->pending_bytes);
	if (client->pending_bytes == 0) {
		free(client->pending);
		client->pending = NULL;
		client_watch(fleet, number, EPOLL_CTL_MOD);
	}
}

static int client_socket(const struct fleet *fleet, uint32_t number)
{
	const struct address *target = &fleet->config.target;
	int fd = socket(target->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int on = 1;
	struct address source;
	uint32_t block = (fleet->config.first_client + number) / FLEET_CLIENTS_PER_SOURCE;
	if (target->socket.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (block > 0 && address_source(target, block, &source)) {
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&source.socket, source.socket_bytes) < 0)
			goto failed;
	}
	if (connect(fd, (const struct sockaddr *)&target->socket, target->socket_bytes) == 0 ||
	    errno == EINPROGRESS)
		return fd;
failed:;
	int error = -errno;
	close(fd);
	return error;
}

int fleet_connect(struct fleet *fleet, uint32_t number, const char *token)
{
	struct client *client = &fleet->clients[number];
	char request[REQUEST_BYTES_MAX];
	check(number < fleet->config.clients_max && client->state == CLIENT_NONE);
	const struct fleet_config *config = &fleet->config;
	const char *subprotocol = config->subprotocol;
	int length = snprintf(request, sizeof(request),
			      "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"
			      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
			      "Sec-WebSocket-Key: " HANDSHAKE_KEY "\r\n%s%s%s%s%s%s\r\n",
			      config->path, config->target.host,
			      subprotocol == NULL ? "" : "Sec-WebSocket-Protocol: ",
			      subprotocol == NULL ? "" : subprotocol,
			      subprotocol == NULL ? "" : "\r\n",
			      token == NULL ? "" : "Authorization: Bearer ",
			      token == NULL ? "" : token, token == NULL ? "" : "\r\n");
	if (length < 0 || (size_t)length >= sizeof(request))
		return -E2BIG;
	int fd = client_socket(fleet, number);
	if (fd < 0)
		return fd;
	*client = (struct client){ .fd = fd, .state = CLIENT_CONNECTING };
	if (!client_keep(&client->pending, &client->pending_bytes, request, (size_t)length,
			 sizeof(request))) {
		client_drop(fleet, client);
		return -ENOMEM;
	}
	client_watch(fleet, number, EPOLL_CTL_ADD);
	return 0;
}

static bool client_send_frame(struct fleet *fleet, uint32_t number, enum frame_opcode opcode,
			      const void *payload, size_t length)
{
	uint8_t bytes[SEND_BYTES_MAX + FRAME_HEADER_BYTES_MAX];
	if (fleet->clients[number].state != CLIENT_OPEN || length > SEND_BYTES_MAX)
		return false;
	uint32_t mask = (uint32_t)hash_u64(fleet->mask_seed++);
	return client_write(fleet, number, bytes, frame_write(bytes, opcode, payload, length, mask));
}

bool fleet_send(struct fleet *fleet, uint32_t client, const void *text, size_t length)
{
	enum frame_opcode opcode = fleet->config.is_binary ? FRAME_BINARY : FRAME_TEXT;
	return client_send_frame(fleet, client, opcode, text, length);
}

bool fleet_ping(struct fleet *fleet, uint32_t client)
{
	return client_send_frame(fleet, client, FRAME_PING, "", 0);
}

static void client_say_goodbye(struct fleet *fleet, uint32_t number, unsigned code)
{
	uint8_t payload[2] = { (uint8_t)(code >> 8), (uint8_t)code };
	if (client_send_frame(fleet, number, FRAME_CLOSE, payload, sizeof(payload)))
		fleet->clients[number].state = CLIENT_SHUT;
}

void fleet_drop(struct fleet *fleet, uint32_t number)
{
	struct client *client = &fleet->clients[number];
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	if (client->state == CLIENT_NONE)
		return;
	setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	client_drop(fleet, client);
}

void fleet_shut(struct fleet *fleet, uint32_t client)
{
	client_say_goodbye(fleet, client, CLOSE_CODE_NORMAL);
}

bool fleet_is_drained(const struct fleet *fleet, uint32_t client)
{
	return fleet->clients[client].pending_bytes == 0 && !fleet->clients[client].is_in_batch;
}

uint32_t fleet_open_count(const struct fleet *fleet)
{
	return fleet->open_count;
}

/* The number that follows `name` in the head of a response, or 0. */
static unsigned response_header_number(const char *head, const char *name)
{
	const char *line = strcasestr(head, name);
	return line == NULL ? 0 : (unsigned)strtoul(line + strlen(name), NULL, 10);
}

/* Judges the response's head. The bytes it took; 0: it is not whole yet; -1: the client has ended. */
static ssize_t client_upgrade(struct fleet *fleet, uint32_t number, uint8_t *bytes, size_t length)
{
	const uint8_t *end = memmem(bytes, length, "\r\n\r\n", 4);
	if (end == NULL && length < RESPONSE_BYTES_MAX)
		return 0;
	char head[RESPONSE_BYTES_MAX + 1];
	size_t head_bytes = end == NULL ? RESPONSE_BYTES_MAX : (size_t)(end - bytes);
	head_bytes = head_bytes < RESPONSE_BYTES_MAX ? head_bytes : RESPONSE_BYTES_MAX;
	memcpy(head, bytes, head_bytes);
	head[head_bytes] = 0;
	unsigned status = response_header_number(head, "HTTP/1.1 ");
	if (status != 101 || end == NULL || strstr(head, HANDSHAKE_ACCEPT) == NULL) {
		unsigned wait_s = response_header_number(head, "\r\nRetry-After: ");
		client_end(fleet, number, (struct fleet_end){ .error = status == 101 ? EPROTO : 0,
							      .http_status = status,
							      .retry_after_s = wait_s });
		return -1;
	}
	fleet->clients[number].state = CLIENT_OPEN;
	fleet->open_count++;
	fleet->config.handler->opened(fleet->config.context, number);
	return (ssize_t)head_bytes + 4;
}

/* What came is not as the protocol has it: the client ends. */
static void client_refuse(struct fleet *fleet, uint32_t number)
{
	client_say_goodbye(fleet, number, CLOSE_CODE_PROTOCOL);
	client_end(fleet, number, (struct fleet_end){ .error = EPROTO });
}

/* Handles one frame. False: the client has ended. */
static bool client_frame(struct fleet *fleet, uint32_t number, const struct frame *frame,
			 uint64_t now_us)
{
	const struct fleet_handler *handler = fleet->config.handler;
	unsigned code = 0;
	switch (frame->opcode) {
	case FRAME_TEXT:
	case FRAME_BINARY:
		if ((frame->opcode == FRAME_BINARY) != fleet->config.is_binary) {
			client_refuse(fleet, number);
			return false;
		}
		handler->text(fleet->config.context, number, frame->payload, frame->length, now_us);
		return true;
	case FRAME_PING:
		client_send_frame(fleet, number, FRAME_PONG, frame->payload, frame->length);
		return true;
	case FRAME_PONG:
		handler->pong(fleet->config.context, number);
		return true;
	case FRAME_CLOSE:
		if (frame->length >= 2)
			code = (uint8_t)frame->payload[0] << 8 | (uint8_t)frame->payload[1];
		client_say_goodbye(fleet, number, code != 0 ? code : CLOSE_CODE_NORMAL);
		client_end(fleet, number, (struct fleet_end){ .close_code = code });
		return false;
	}
	return false;
}

/* Handles all whole messages. Returns the bytes they took, or -1: the client has ended. */
static ssize_t client_consume(struct fleet *fleet, uint32_t number, uint8_t *bytes, size_t length,
			      uint64_t now_us)
{
	size_t taken = 0;
	if (fleet->clients[number].state == CLIENT_UPGRADING) {
		ssize_t head_bytes = client_upgrade(fleet, number, bytes, length);
		if (head_bytes <= 0)
			return head_bytes;
		taken = (size_t)head_bytes;
	}
	while (taken < length) {
		struct frame frame;
		ssize_t frame_bytes = frame_read(bytes + taken, length - taken, &frame);
		if (frame_bytes == 0)
			break;
		if (frame_bytes < 0) {
			client_refuse(fleet, number);
			return -1;
		}
		taken += (size_t)frame_bytes;
		/* Whoever heard it may have dropped the client. */
		if (!client_frame(fleet, number, &frame, now_us) ||
		    fleet->clients[number].state == CLIENT_NONE)
			return -1;
	}
	return (ssize_t)taken;
}

static void read_later(struct fleet *fleet, uint32_t number, bool may_end)
{
	uint32_t idx = fleet->read_count++;
	fleet->reads[idx] = (struct reading){ .client = number, .may_end = may_end };
	fleet->clients[number].is_in_batch = true;
	batch_receive(fleet->batch, fleet->clients[number].fd, fleet->read_bytes[idx], READ_BYTES,
		      SENDS_MAX + idx);
}

static bool client_fail(struct fleet *fleet, uint32_t number)
{
	client_end(fleet, number, (struct fleet_end){ .error = ENOMEM });
	return false;
}

/* Handles what was read of a message that had come in part. False: the client has ended. */
static bool client_hear_more(struct fleet *fleet, uint32_t number, const uint8_t *bytes,
			     uint32_t length, uint64_t now_us)
{
	struct client *client = &fleet->clients[number];
	if (!client_keep(&client->held, &client->held_bytes, bytes, length, HELD_BYTES_MAX))
		return client_fail(fleet, number);
	/* Whoever hears a message may drop the client, so what is held is not its own meanwhile. */
	uint8_t *held = client->held;
	uint32_t held_bytes = client->held_bytes;
	client->held = NULL;
	client->held_bytes = 0;
	ssize_t taken = client_consume(fleet, number, held, held_bytes, now_us);
	if (taken < 0 || (uint32_t)taken == held_bytes) {
		free(held);
		return taken >= 0;
	}
	memmove(held, held + taken, held_bytes - (uint32_t)taken);
	client->held = held;
	client->held_bytes = held_bytes - (uint32_t)taken;
	return true;
}

static bool client_hear(struct fleet *fleet, uint32_t number, uint8_t *bytes, uint32_t length,
			uint64_t now_us)
{
	struct client *client = &fleet->clients[number];
	if (client->held_bytes > 0)
		return client_hear_more(fleet, number, bytes, length, now_us);
	ssize_t taken = client_consume(fleet, number, bytes, length, now_us);
	if (taken < 0)
		return false;
	return client_keep(&client->held, &client->held_bytes, bytes + taken,
			   length - (size_t)taken, HELD_BYTES_MAX) ||
	       client_fail(fleet, number);
}

/* Handles what one read brought. False: nothing, or the client has ended. */
static bool client_read(struct fleet *fleet, const struct reading *reading, uint8_t *bytes,
			uint64_t now_us)
{
	/* One that was read before may have ended this client. */
	if (fleet->clients[reading->client].state == CLIENT_NONE || reading->got == -EAGAIN)
		return false;
	if (reading->got <= 0) {
		int error = reading->got < 0 ? -reading->got : EPIPE;
		client_end(fleet, reading->client, (struct fleet_end){ .error = error });
		return false;
	}
	fleet->received_bytes += (uint64_t)reading->got;
	return client_hear(fleet, reading->client, bytes, (uint32_t)reading->got, now_us);
}

/* Carries out the batch and handles what was read, until each client has been read to its end. */
static void read_all(struct fleet *fleet)
{
	while (fleet->read_count > 0) {
		batch_go(fleet);
		uint32_t count = fleet->error == 0 ? fleet->read_count : 0;
		uint64_t now_us = boot_us();
		fleet->read_count = 0;
		for (uint32_t i = 0; i < count; i++) {
			struct reading reading = fleet->reads[i];
			if (client_read(fleet, &reading, fleet->read_bytes[i], now_us) &&
			    (reading.got == READ_BYTES || reading.may_end))
				read_later(fleet, reading.client, reading.may_end);
		}
	}
}

static void client_event(struct fleet *fleet, uint32_t number, uint32_t events)
{
	struct client *client = &fleet->clients[number];
	/* An event of this turn may have ended a client that another event was for. */
	if (client->state == CLIENT_NONE)
		return;
	if (client->state == CLIENT_CONNECTING && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
		int error = 0;
		socklen_t error_bytes = sizeof(error);
		getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes);
		if (error != 0) {
			client_end(fleet, number, (struct fleet_end){ .error = error });
			return;
		}
		client->state = CLIENT_UPGRADING;
	}
	if ((events & EPOLLOUT) && client->pending_bytes > 0)
		client_flush(fleet, number);
	uint32_t ends = events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP);
	if ((events & EPOLLIN) || ends != 0)
		read_later(fleet, number, ends != 0);
}

uint64_t fleet_received_bytes(const struct fleet *fleet)
{
	return fleet->received_bytes;
}

int fleet_poll(struct fleet *fleet, uint64_t timeout_us)
{
	struct epoll_event events[EVENTS_MAX];
	/* What is to be sent goes out at once, in one system call with what is read. */
	if (fleet->send_count > 0)
		timeout_us = 0;
	struct timespec timeout = { .tv_sec = (time_t)(timeout_us / 1000000),
				    .tv_nsec = (long)(timeout_us % 1000000) * 1000 };
	int count = epoll_pwait2(fleet->epoll, events, EVENTS_MAX, &timeout, NULL);
	if (count < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < count; i++) {
		client_event(fleet, events[i].data.u32, events[i].events);
		if (fleet->read_count == READS_MAX)
			read_all(fleet);
	}
	read_all(fleet);
	batch_go(fleet);
	return fleet->error;
}
