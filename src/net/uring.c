/*
 * Owns: the only use of liburing.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "net/uring.h"

#include "base/check.h"

#include <errno.h>
#include <liburing.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	URING_MAGIC = 0x7572696e,
	/* Entries that gather before a submit is forced. */
	SUBMISSIONS = 1024,
	/* Events that wait without the kernel having to store them aside. */
	COMPLETIONS = 8192,
	BUFFER_GROUP = 0,
	/* What the kernel takes at most for one table. */
	FILES_MAX = 1 << 20,
};

/* Linux 6.7; named by later headers than Debian 12's. */
enum { SOCKET_COMMAND_SETSOCKOPT = 3 };

struct uring {
	uint32_t magic;
	struct io_uring ring;
	bool has_ring;
	struct io_uring_buf_ring *buffer_ring;
	uint8_t *buffers;
	uint32_t buffer_count;
};

/* The list of free buffers has whole pages, so that the buffers begin with one. */
#define BUFFER_RING_BYTES (URING_BUFFERS_MAX * sizeof(struct io_uring_buf))

static int enter_result(int result)
{
	/* Nothing came in time, a signal, or events that must be taken first: all is well. */
	if (result == -ETIME || result == -EINTR || result == -EAGAIN || result == -EBUSY)
		return 0;
	return result < 0 ? result : 0;
}

static struct io_uring_sqe *entry(struct uring *uring, uring_tag tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
	/* A full queue is submitted; the kernel takes entries even when events wait. */
	for (int tries = 0; sqe == NULL && tries < 100; tries++) {
		io_uring_submit(&uring->ring);
		sqe = io_uring_get_sqe(&uring->ring);
	}
	check(sqe != NULL);
	/* The prep functions below leave user_data and flags alone or clear them: set by finish(). */
	sqe->user_data = tag;
	return sqe;
}

static void finish(struct io_uring_sqe *sqe, uring_tag tag, unsigned flags)
{
	io_uring_sqe_set_data64(sqe, tag);
	sqe->flags |= (uint8_t)flags;
	if (uring_tag_kind(tag) == 0)
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

uint32_t uring_files_max(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > FILES_MAX)
		return FILES_MAX;
	return (uint32_t)limit.rlim_cur;
}

static int ring_init(struct io_uring *ring)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
		.cq_entries = COMPLETIONS,
	};
	return io_uring_queue_init_params(SUBMISSIONS, ring, &params);
}

/* ---- buffers -------------------------------------------------------------------------------- */

static size_t buffers_bytes(const struct uring *uring)
{
	return BUFFER_RING_BYTES + (size_t)uring->buffer_count * URING_BUFFER_BYTES;
}

static int buffers_open(struct uring *uring)
{
	void *memory = mmap(NULL, buffers_bytes(uring), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	uring->buffer_ring = memory;
	uring->buffers = (uint8_t *)memory + BUFFER_RING_BYTES;
	struct io_uring_buf_reg registration = {
		.ring_addr = (uint64_t)(uintptr_t)memory,
		.ring_entries = uring->buffer_count,
		.bgid = BUFFER_GROUP,
	};
	int error = io_uring_register_buf_ring(&uring->ring, &registration, 0);
	if (error != 0)
		return error;
	for (uint16_t buffer = 0; buffer < uring->buffer_count; buffer++)
		uring_buffer_give(uring, buffer);
	return 0;
}

const uint8_t *uring_buffer_bytes(const struct uring *uring, uint16_t buffer)
{
	check(buffer < uring->buffer_count);
	return uring->buffers + (size_t)buffer * URING_BUFFER_BYTES;
}

/* The kernel reads the tail with acquire: the entry before it is then whole. */
void uring_buffer_give(struct uring *uring, uint16_t buffer)
{
	check(buffer < uring->buffer_count);
	uint16_t tail = uring->buffer_ring->tail;
	struct io_uring_buf *slot =
		(struct io_uring_buf *)uring->buffer_ring + (tail & (uring->buffer_count - 1));
	slot->addr = (uint64_t)(uintptr_t)uring_buffer_bytes(uring, buffer);
	slot->len = URING_BUFFER_BYTES;
	slot->bid = buffer;
	__atomic_store_n(&uring->buffer_ring->tail, (uint16_t)(tail + 1), __ATOMIC_RELEASE);
}

/* ---- open and close ------------------------------------------------------------------------- */

static int open_steps(struct uring *uring, const struct uring_config *config, const char **reason)
{
	*reason = "io_uring_setup";
	int error = ring_init(&uring->ring);
	if (error != 0)
		return error;
	uring->has_ring = true;
	*reason = "a table of direct descriptors (the descriptor limit bounds it)";
	error = io_uring_register_files_sparse(&uring->ring, config->files);
	if (error != 0)
		return error;
	*reason = "a ring of provided buffers";
	error = buffers_open(uring);
	if (error != 0 || config->signal_eventfd < 0)
		return error;
	*reason = "an eventfd on a ring";
	return io_uring_register_eventfd(&uring->ring, config->signal_eventfd);
}

int uring_open(struct uring **uring, const struct uring_config *config, const char **reason)
{
	*reason = "memory";
	struct uring *fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->magic = URING_MAGIC;
	fresh->buffer_count = config->buffers;
	int error = open_steps(fresh, config, reason);
	if (error != 0)
		uring_close(&fresh);
	else
		*reason = NULL;
	*uring = fresh;
	return error;
}

/* Waits until nothing under way can touch our memory; only then it is freed. What was filled in but
 * not submitted never runs. */
static void cancel_all(struct uring *uring)
{
	struct io_uring_sync_cancel_reg all = {
		.fd = -1,
		.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
		.timeout = { .tv_sec = 5 },
	};
	io_uring_register_sync_cancel(&uring->ring, &all);
}

void uring_close(struct uring **uring)
{
	struct uring *it = *uring;
	if (it == NULL)
		return;
	check_object(it, URING_MAGIC);
	if (it->has_ring) {
		cancel_all(it);
		io_uring_queue_exit(&it->ring);
	}
	if (it->buffer_ring != NULL)
		munmap(it->buffer_ring, buffers_bytes(it));
	it->magic = 0;
	free(it);
	*uring = NULL;
}

int uring_descriptor(const struct uring *uring)
{
	return uring->ring.ring_fd;
}

/* ---- probing -------------------------------------------------------------------------------- */

static const struct {
	uint8_t opcode;
	const char *lacking;
} needed_operations[] = {
	{ IORING_OP_ACCEPT, "the kernel's io_uring lacks ACCEPT" },
	{ IORING_OP_RECV, "the kernel's io_uring lacks RECV" },
	{ IORING_OP_SEND, "the kernel's io_uring lacks SEND" },
	{ IORING_OP_READ, "the kernel's io_uring lacks READ" },
	{ IORING_OP_CLOSE, "the kernel's io_uring lacks CLOSE" },
	{ IORING_OP_SHUTDOWN, "the kernel's io_uring lacks SHUTDOWN (Linux 5.11)" },
	{ IORING_OP_ASYNC_CANCEL, "the kernel's io_uring lacks ASYNC_CANCEL" },
	{ IORING_OP_MSG_RING, "the kernel's io_uring lacks MSG_RING (Linux 5.18; to pass "
			      "descriptors between rings 6.0)" },
	/* Came with 6.0 as multishot receive did, which cannot be asked for itself. */
	{ IORING_OP_SEND_ZC, "the kernel's io_uring lacks multishot RECV (Linux 6.0)" },
};

static const char *probe_operations(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	if (probe == NULL)
		return "the kernel's io_uring does not say what it can (Linux 5.6)";
	const char *lacking = NULL;
	for (size_t i = 0; i < ARRAY_COUNT(needed_operations) && lacking == NULL; i++)
		if (!io_uring_opcode_supported(probe, needed_operations[i].opcode))
			lacking = needed_operations[i].lacking;
	io_uring_free_probe(probe);
	return lacking;
}

static const char *probe_setup(int error)
{
	switch (error) {
	case -ENOSYS:
		return "this kernel was built without io_uring";
	case -EPERM:
		return "io_uring is forbidden here (sysctl kernel.io_uring_disabled, or a seccomp "
		       "filter)";
	case -EINVAL:
		return "the kernel's io_uring lacks SINGLE_ISSUER or DEFER_TASKRUN (Linux 6.1)";
	case -ENOMEM:
		return "no memory for an io_uring";
	default:
		return "an io_uring cannot be made";
	}
}

const char *uring_probe(void)
{
	struct io_uring ring;
	int error = ring_init(&ring);
	if (error != 0)
		return probe_setup(error);
	const char *lacking = probe_operations(&ring);
	if (lacking == NULL && (ring.features & IORING_FEAT_CQE_SKIP) == 0)
		lacking = "the kernel's io_uring lacks CQE_SKIP (Linux 5.17)";
	if (lacking == NULL && (ring.features & IORING_FEAT_EXT_ARG) == 0)
		lacking = "the kernel's io_uring lacks EXT_ARG (Linux 5.11)";
	io_uring_queue_exit(&ring);
	if (lacking != NULL)
		return lacking;
	struct uring *uring = NULL;
	const char *reason;
	if (uring_open(&uring, &(struct uring_config){ .files = 1, .buffers = 1, .signal_eventfd = -1 },
		       &reason) != 0)
		return reason;
	uring_close(&uring);
	return NULL;
}

/* ---- turning -------------------------------------------------------------------------------- */

int uring_turn(struct uring *uring, uint32_t count, uint64_t wait_us)
{
	if (wait_us == 0)
		return uring_flush(uring);
	struct __kernel_timespec timeout = {
		.tv_sec = (int64_t)(wait_us / 1000000u),
		.tv_nsec = (long long)(wait_us % 1000000u) * 1000,
	};
	struct io_uring_cqe *cqe;
	return enter_result(
		io_uring_submit_and_wait_timeout(&uring->ring, &cqe, count, &timeout, NULL));
}

int uring_submit(struct uring *uring)
{
	if (io_uring_sq_ready(&uring->ring) == 0)
		return 0;
	return enter_result(io_uring_submit(&uring->ring));
}

int uring_flush(struct uring *uring)
{
	return enter_result(io_uring_submit_and_get_events(&uring->ring));
}

uint32_t uring_take(struct uring *uring, struct uring_event *events, uint32_t max)
{
	unsigned head;
	struct io_uring_cqe *cqe;
	uint32_t count = 0;
	io_uring_for_each_cqe(&uring->ring, head, cqe)
	{
		if (count == max)
			break;
		events[count++] = (struct uring_event){
			.tag = cqe->user_data,
			.result = cqe->res,
			.buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT),
			.has_buffer = (cqe->flags & IORING_CQE_F_BUFFER) != 0,
			.more = (cqe->flags & IORING_CQE_F_MORE) != 0,
		};
	}
	io_uring_cq_advance(&uring->ring, count);
	return count;
}

/* ---- operations ----------------------------------------------------------------------------- */

void uring_accept(struct uring *uring, int descriptor, struct uring_peer *peer, uring_tag tag)
{
	struct io_uring_sqe *sqe = entry(uring, tag);
	peer->length = sizeof(peer->address);
	io_uring_prep_accept(sqe, descriptor, (struct sockaddr *)&peer->address, &peer->length, 0);
	/* liburing 2.3's prep function for this adds 1 to the index, and so asks for a descriptor of
	 * the process instead of a direct one. */
	sqe->file_index = IORING_FILE_INDEX_ALLOC;
	finish(sqe, tag, 0);
}

static void receive(struct uring *uring, uint32_t file, unsigned priority, uring_tag tag)
{
	struct io_uring_sqe *sqe = entry(uring, tag);
	io_uring_prep_recv(sqe, (int)file, NULL, 0, 0);
	sqe->ioprio = (uint16_t)priority;
	sqe->buf_group = BUFFER_GROUP;
	finish(sqe, tag, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
}

void uring_receive(struct uring *uring, uint32_t file, uring_tag tag)
{
	receive(uring, file, 0, tag);
}

void uring_receive_many(struct uring *uring, uint32_t file, uring_tag tag)
{
	receive(uring, file, IORING_RECV_MULTISHOT, tag);
}

void uring_send(struct uring *uring, uint32_t file, const void *bytes, size_t length, uring_tag tag)
{
	struct io_uring_sqe *sqe = entry(uring, tag);
	io_uring_prep_send(sqe, (int)file, bytes, length, MSG_NOSIGNAL);
	finish(sqe, tag, IOSQE_FIXED_FILE);
}

void uring_shutdown(struct uring *uring, uint32_t file, int how, uring_tag tag)
{
	struct io_uring_sqe *sqe = entry(uring, tag);
	io_uring_prep_shutdown(sqe, (int)file, how);
	finish(sqe, tag, IOSQE_FIXED_FILE);
}

static void linger_none(struct uring *uring, uint32_t file)
{
	static const struct linger none = { .l_onoff = 1, .l_linger = 0 };
	struct io_uring_sqe *sqe = entry(uring, 0);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = (int)file;
	sqe->cmd_op = SOCKET_COMMAND_SETSOCKOPT;
	/* Level and option share the place of `addr`, the length that of `splice_fd_in`. */
	sqe->addr = (uint64_t)SO_LINGER << 32 | SOL_SOCKET;
	sqe->splice_fd_in = sizeof(none);
	sqe->addr3 = (uint64_t)(uintptr_t)&none;
	/* Hard link: the close follows also where the kernel does not know the command. */
	finish(sqe, 0, IOSQE_FIXED_FILE | IOSQE_IO_HARDLINK);
}

void uring_close_file(struct uring *uring, uint32_t file, bool reset)
{
	if (reset) {
		/* A link must not be cut by a submit in between. */
		if (io_uring_sq_space_left(&uring->ring) < 2)
			io_uring_submit(&uring->ring);
		linger_none(uring, file);
	}
	struct io_uring_sqe *sqe = entry(uring, 0);
	io_uring_prep_close_direct(sqe, file);
	finish(sqe, 0, 0);
}

void uring_read_eventfd(struct uring *uring, int descriptor, uint64_t *count, uring_tag tag)
{
	struct io_uring_sqe *sqe = entry(uring, tag);
	io_uring_prep_read(sqe, descriptor, count, sizeof(*count), 0);
	finish(sqe, tag, 0);
}

void uring_cancel(struct uring *uring, uring_tag tag)
{
	struct io_uring_sqe *sqe = entry(uring, 0);
	io_uring_prep_cancel64(sqe, tag, 0);
	finish(sqe, 0, 0);
}

void uring_post(struct uring *uring, int descriptor, uring_tag peer_tag, uring_tag tag)
{
	struct io_uring_sqe *sqe = entry(uring, tag);
	io_uring_prep_msg_ring(sqe, descriptor, 0, peer_tag, 0);
	finish(sqe, tag, IOSQE_CQE_SKIP_SUCCESS);
}

void uring_pass_file(struct uring *uring, uint32_t file, int descriptor, uring_tag peer_tag,
		     uring_tag tag)
{
	struct io_uring_sqe *sqe = entry(uring, tag);
	/* liburing 2.3 has no prep function for this one. */
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_MSG_RING;
	sqe->fd = descriptor;
	sqe->off = peer_tag;
	sqe->addr = IORING_MSG_SEND_FD;
	sqe->addr3 = file;
	sqe->file_index = IORING_FILE_INDEX_ALLOC;
	finish(sqe, tag, 0);
}
