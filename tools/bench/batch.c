/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 *
 * Without liburing, which is the daemon's: what is needed of it here is two calls and four counters.
 */
#include "bench/batch.h"

#include "base/check.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct batch {
	int ring;
	uint32_t most, queued;
	void *rings; /* the counters of both queues, and the completions */
	size_t rings_bytes, entries_bytes;
	struct io_uring_sqe *entries;
	/* The kernel reads the one and writes the other. */
	_Atomic uint32_t *submitted, *completed;
	_Atomic uint32_t *taken; /* completions that we have seen */
	struct io_uring_cqe *completions;
	uint32_t completions_mask;
};

static void *map(const struct batch *batch, size_t bytes, off_t what)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			    batch->ring, what);
	return memory == MAP_FAILED ? NULL : memory;
}

static int map_rings(struct batch *batch, const struct io_uring_params *params)
{
	size_t submissions_end = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
	size_t completions_end =
		params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
	batch->rings_bytes = submissions_end > completions_end ? submissions_end : completions_end;
	batch->entries_bytes = params->sq_entries * sizeof(struct io_uring_sqe);
	/* One mapping has both queues since Linux 5.4. */
	batch->rings = map(batch, batch->rings_bytes, IORING_OFF_SQ_RING);
	batch->entries = map(batch, batch->entries_bytes, IORING_OFF_SQES);
	if (batch->rings == NULL || batch->entries == NULL)
		return -errno;
	uint8_t *base = batch->rings;
	batch->submitted = (_Atomic uint32_t *)(base + params->sq_off.tail);
	batch->completed = (_Atomic uint32_t *)(base + params->cq_off.tail);
	batch->taken = (_Atomic uint32_t *)(base + params->cq_off.head);
	batch->completions = (struct io_uring_cqe *)(base + params->cq_off.cqes);
	batch->completions_mask = params->cq_entries - 1;
	/* Entries go out in the order of their places. */
	uint32_t *order = (uint32_t *)(base + params->sq_off.array);
	for (uint32_t i = 0; i < params->sq_entries; i++)
		order[i] = i;
	return 0;
}

int batch_open(struct batch **batch, uint32_t most)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SINGLE_ISSUER |
						   IORING_SETUP_DEFER_TASKRUN |
						   IORING_SETUP_SUBMIT_ALL };
	struct batch *made = calloc(1, sizeof(*made));
	*batch = made;
	if (made == NULL)
		return -ENOMEM;
	made->most = most;
	made->ring = (int)syscall(SYS_io_uring_setup, most, &params);
	int error = made->ring < 0 ? -errno : map_rings(made, &params);
	if (error < 0)
		batch_close(batch);
	return error;
}

void batch_close(struct batch **batch)
{
	struct batch *closing = *batch;
	if (closing == NULL)
		return;
	if (closing->rings != NULL)
		munmap(closing->rings, closing->rings_bytes);
	if (closing->entries != NULL)
		munmap(closing->entries, closing->entries_bytes);
	if (closing->ring >= 0)
		close(closing->ring);
	free(closing);
	*batch = NULL;
}

/* The entry of the operation that is added, or was added last. */
static struct io_uring_sqe *entry_at(const struct batch *batch, uint32_t idx)
{
	uint32_t tail = atomic_load_explicit(batch->submitted, memory_order_relaxed);
	return &batch->entries[(tail + idx) & (batch->most - 1)];
}

static void add(struct batch *batch, uint8_t opcode, int fd, const void *bytes, size_t length,
		uint64_t tag)
{
	check(batch->queued < batch->most);
	*entry_at(batch, batch->queued++) = (struct io_uring_sqe){
		.opcode = opcode,
		.fd = fd,
		.addr = (uint64_t)(uintptr_t)bytes,
		.len = (uint32_t)length,
		.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL,
		.user_data = tag,
	};
}

void batch_send(struct batch *batch, int fd, const void *bytes, size_t length, uint64_t tag)
{
	add(batch, IORING_OP_SEND, fd, bytes, length, tag);
}

void batch_receive(struct batch *batch, int fd, void *bytes, size_t length, uint64_t tag)
{
	add(batch, IORING_OP_RECV, fd, bytes, length, tag);
}

void batch_extend(struct batch *batch, size_t more)
{
	check(batch->queued > 0);
	entry_at(batch, batch->queued - 1)->len += (uint32_t)more;
}

/* Submits `count` operations, of which none waits, and has them all completed. */
static int enter(const struct batch *batch, uint32_t count)
{
	for (uint32_t left = count, wanted = count;;) {
		long entered = syscall(SYS_io_uring_enter, batch->ring, left, wanted,
				       IORING_ENTER_GETEVENTS, NULL, 0);
		if (entered < 0 && errno != EINTR)
			return -errno;
		left -= entered > 0 ? (uint32_t)entered : 0;
		if (left == 0)
			return 0;
	}
}

int batch_run(struct batch *batch, void (*done)(void *context, uint64_t tag, int result),
	      void *context)
{
	uint32_t count = batch->queued;
	if (count == 0)
		return 0;
	uint32_t tail = atomic_load_explicit(batch->submitted, memory_order_relaxed);
	atomic_store_explicit(batch->submitted, tail + count, memory_order_release);
	batch->queued = 0;
	int error = enter(batch, count);
	if (error < 0)
		return error;
	uint32_t head = atomic_load_explicit(batch->taken, memory_order_relaxed);
	check(atomic_load_explicit(batch->completed, memory_order_acquire) - head == count);
	for (uint32_t i = 0; i < count; i++) {
		const struct io_uring_cqe *completion =
			&batch->completions[(head + i) & batch->completions_mask];
		done(context, completion->user_data, completion->res);
	}
	atomic_store_explicit(batch->taken, head + count, memory_order_release);
	return 0;
}
