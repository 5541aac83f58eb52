/*
 * Owns: a Redis server of its own, and one connection to it over a Unix socket.
 * Invariant: the server keeps nothing on disk and ends with this process, however that ends.
 * Thread: one.
 * Does not know: what is kept in it.
 *
 * Commands are gathered and sent together, and their replies read together: pipelining, as fast as
 * a client can drive a server.
 */
#ifndef NEARBY_BENCH_REDIS_H
#define NEARBY_BENCH_REDIS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct redis;

/* Starts redis-server. False, with *reason a text, when there is none or it does not come up. */
bool redis_open(struct redis **redis, const char **reason);
void redis_close(struct redis **redis);
/* As the server names it. */
const char *redis_version(const struct redis *redis);

/* Gathers a command: how many words, then each. Between two redis_finish there is room for this
 * many bytes, of which a word takes 16 beside its own at most. */
#define REDIS_OUTPUT_BYTES (4u << 20)
void redis_begin(struct redis *redis, uint32_t words);
void redis_word(struct redis *redis, const void *bytes, uint32_t length);

/* What replies said: of integers the sum. */
struct redis_replies {
	uint64_t ok;	 /* +OK */
	uint64_t bulk;	 /* strings */
	uint64_t absent; /* nil */
	int64_t sum;
};

/* Sends what was gathered and reads `replies` to commands, a list counting as one, and adds up what
 * they say. Ends the program when one is an error. */
void redis_finish(struct redis *redis, uint64_t replies, struct redis_replies *said);

/* CPU time of the server so far, user and system, in s; in steps of the kernel's clock tick. */
double redis_cpu_s(const struct redis *redis);

/* Memory of the server, as much as it has touched. */
double redis_memory_bytes(const struct redis *redis);

#endif
