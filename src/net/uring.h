/*
 * Owns: one io_uring: its queues, its table of direct descriptors, its receive buffers.
 * Invariant: every operation carries a tag (what it is, and for whom) that comes back with its
 *   event; tags of kind 0 come back to nobody. Only uring.c knows liburing.
 * Thread: the one that opened it (IORING_SETUP_SINGLE_ISSUER).
 * Does not know: connections, protocols, what a tag's value means.
 *
 * A "file" here is an index in the ring's table of direct descriptors, never a descriptor of the
 * process. Functions that start an operation only fill a submission entry; it goes out with the
 * next uring_turn or uring_flush, and must find its memory unchanged until its event came.
 */
#ifndef NEARBY_NET_URING_H
#define NEARBY_NET_URING_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of one receive buffer: several location messages fit, so one receive is seldom cut. */
#define URING_BUFFER_BYTES 4096
/* Receive buffers of a ring at most: 1 MiB. They are held only while events are handled. */
#define URING_BUFFERS_MAX 256

struct uring;

/* Kind in the top byte (0: nobody wants to know), value below: an index or a pointer of user space. */
typedef uint64_t uring_tag;
#define URING_TAG_VALUE_BITS 56
static inline uring_tag uring_tag_make(uint8_t kind, uint64_t value)
{
	return (uint64_t)kind << URING_TAG_VALUE_BITS | value;
}
static inline uint8_t uring_tag_kind(uring_tag tag)
{
	return (uint8_t)(tag >> URING_TAG_VALUE_BITS);
}
static inline uint64_t uring_tag_value(uring_tag tag)
{
	return tag & ((UINT64_C(1) << URING_TAG_VALUE_BITS) - 1);
}

/* What became of an operation. */
struct uring_event {
	uring_tag tag;
	int32_t result;	 /* bytes, a file, or a negative errno */
	uint16_t buffer; /* valid when has_buffer; give it back with uring_buffer_give */
	bool has_buffer;
	bool more; /* the operation stays armed and will report again */
};

struct uring_config {
	uint32_t files;	    /* size of the table of direct descriptors */
	uint32_t buffers;   /* for what is received, a power of two, URING_BUFFERS_MAX at most */
	int signal_eventfd; /* is written when events came, for a ring that nobody waits on; or -1 */
};

/* What this kernel lacks, as a text that names it, or NULL. Makes and closes two rings. */
const char *uring_probe(void);
/* The most files that the system allows one ring: the process's descriptor limit. */
uint32_t uring_files_max(void);

/* 0, or negative errno with *reason. */
int uring_open(struct uring **uring, const struct uring_config *config, const char **reason);
/* Cancels what is under way, waits for the cancelled to be over, and frees. */
void uring_close(struct uring **uring);
/* For messages from other rings. */
int uring_descriptor(const struct uring *uring);

/* Submits what was filled in and waits for `count` events, `wait_us` at most (0: not at all). 0 or a
 * negative errno that the ring does not survive. */
int uring_turn(struct uring *uring, uint32_t count, uint64_t wait_us);
/* Submits what was filled in, if anything. As uring_turn. */
int uring_submit(struct uring *uring);
/* What the kernel makes events of in one call, where no more are waited for: IO_LOCAL_TW_DEFAULT_MAX of Linux
 * 6.13 and later. When so many came, there may be more. */
#define URING_EVENTS_AT_ONCE 20
/* Submits, and lets finished work become events; never waits. As uring_turn. */
int uring_flush(struct uring *uring);
/* Moves up to `max` events out. */
uint32_t uring_take(struct uring *uring, struct uring_event *events, uint32_t max);

const uint8_t *uring_buffer_bytes(const struct uring *uring, uint16_t buffer);
void uring_buffer_give(struct uring *uring, uint16_t buffer);

/* Where the kernel writes the address of whom an accept brings: of IPv4, IPv6, or the family alone. */
struct uring_peer {
	struct sockaddr_in6 address;
	socklen_t length;
};

/* Accepts one connection on `descriptor`; the result is its file. */
void uring_accept(struct uring *uring, int descriptor, struct uring_peer *peer, uring_tag tag);
/* Receives once into a buffer of the ring, which is taken only when bytes are there. */
void uring_receive(struct uring *uring, uint32_t file, uring_tag tag);
/* The same, again and again, until an event without `more`. */
void uring_receive_many(struct uring *uring, uint32_t file, uring_tag tag);
void uring_send(struct uring *uring, uint32_t file, const void *bytes, size_t length,
		uring_tag tag);
/* shutdown(2) with `how`. The file must not be closed before the event: the kernel may run it later
 * than what is submitted after it. */
void uring_shutdown(struct uring *uring, uint32_t file, int how, uring_tag tag);
/* Frees the file; no event. `reset`: what waits to be sent is dropped and the peer gets a reset,
 * where the kernel can (6.7); else as usual, after which TCP_USER_TIMEOUT ends it. */
void uring_close_file(struct uring *uring, uint32_t file, bool reset);
/* Reads an eventfd's count into *count: the event comes with its next write. */
void uring_read_eventfd(struct uring *uring, int descriptor, uint64_t *count, uring_tag tag);
void uring_cancel(struct uring *uring, uring_tag tag);
/* Puts an event with `peer_tag` into the ring `descriptor`. An event here, with `tag`, only when
 * that failed. */
void uring_post(struct uring *uring, int descriptor, uring_tag peer_tag, uring_tag tag);
/* Copies `file` into the table of the ring `descriptor`; the event there (`peer_tag`) has the new
 * file as its result, the event here (`tag`) 0 or more, or -ENFILE when that table is full. */
void uring_pass_file(struct uring *uring, uint32_t file, int descriptor, uring_tag peer_tag,
		     uring_tag tag);

#endif
