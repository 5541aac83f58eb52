/*
 * Owns: many sends and receives made with one system call.
 * Invariant: none waits for its socket, and nothing is under way once batch_run has returned.
 * Thread: the one that opened it.
 * Does not know: what is sent, whose sockets they are.
 *
 * It is an io_uring used as a list of system calls, for which the kernel is entered once. A load is to
 * cost its own processor little beside the server's, and entering costs a third of a small message.
 */
#ifndef NEARBY_BENCH_BATCH_H
#define NEARBY_BENCH_BATCH_H

#include <stddef.h>
#include <stdint.h>

struct batch;

/* For `most` operations at once, a power of two. 0, or negative errno: -ENOSYS or -EPERM where this
 * system has no io_uring to give, -EINVAL before Linux 6.1. */
int batch_open(struct batch **batch, uint32_t most);
void batch_close(struct batch **batch);

/* Adds an operation; `most` fit in. The bytes are used by batch_run; `tag` comes back with the
 * result. */
void batch_send(struct batch *batch, int fd, const void *bytes, size_t length, uint64_t tag);
void batch_receive(struct batch *batch, int fd, void *bytes, size_t length, uint64_t tag);
/* The operation added last takes so many bytes more, which follow the others in memory. */
void batch_extend(struct batch *batch, size_t more);

/*
 * Carries out all that was added, in that order, then calls `done` for each: `result` is what send and
 * recv return, or negative errno, -EAGAIN where the socket would have to be waited for. Operations may be
 * added meanwhile, for the next time. 0, or negative errno: nobody knows what was done then, and the batch
 * is only to be closed.
 */
int batch_run(struct batch *batch, void (*done)(void *context, uint64_t tag, int result),
	      void *context);

#endif
