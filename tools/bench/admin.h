/*
 * Owns: telling a server's admin listener who the users and their friends are.
 * Invariant: one request at a time, each on a connection of its own, each with a timeout.
 * Thread: the caller's; blocks.
 * Does not know: where users and friendships come from.
 */
#ifndef NEARBY_BENCH_ADMIN_H
#define NEARBY_BENCH_ADMIN_H

#include "bench/address.h"

#include <stddef.h>

/* What a request got. */
struct admin_answer {
	unsigned status;
	char body[512]; /* its beginning */
};

/*
 * Posts `body` to `path`. 0 when an answer came, whatever its status; or negative errno, -ETIMEDOUT
 * when none came within `timeout_s`.
 */
int admin_post(const struct address *address, const char *token, const char *path,
	       const char *content_type, const void *body, size_t length, unsigned timeout_s,
	       struct admin_answer *answer);

#endif
