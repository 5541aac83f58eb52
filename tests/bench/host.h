/*
 * Owns: engines as a daemon runs them, on one thread: their memory, the segment, the sessions.
 * Invariant: what goes out has taken the whole way but the socket: it is a frame's bytes in memory.
 * Thread: one.
 * Does not know: clocks (time is virtual), what is measured.
 */
#ifndef NEARBY_BENCH_HOST_H
#define NEARBY_BENCH_HOST_H

#include "crowd.h"

#include "engine/engine.h"

#include <stdbool.h>
#include <stdint.h>

#define HOST_ENGINES_MAX 16
#define HOST_RADIUS_M 8046.72

/* What was delivered. */
struct deliveries {
	uint64_t frames;
	uint64_t bytes;
	uint64_t updates; /* friends in update messages */
	uint64_t gones;	  /* friends in gone messages */
	/* Sum over the two of a hash of who was told what of whom; only when it is asked for. */
	uint64_t digest;
};

struct host {
	const struct crowd *crowd;
	bool is_judged; /* fill in the digest */
	uint32_t engine_count;
	struct engine *engines[HOST_ENGINES_MAX];
	void *memories[HOST_ENGINES_MAX];
	size_t memory_bytes;
	counter_word counters[HOST_ENGINES_MAX][ENGINE_COUNTER_COUNT];
	struct nearby_segment *segment;
	struct session_id *sessions;	     /* by user */
	uint32_t *viewers[HOST_ENGINES_MAX]; /* users by session slot */
	uint64_t now_us;
	uint8_t *frame;
	struct deliveries deliveries;
};

/*
 * Engines with a table for `users` locations. Everybody of the crowd is connected, in the order of
 * numbers, and the rest of `users` have a location and nobody here who follows them. Ends the
 * program with the figure that is needed when it does not fit.
 */
void host_open(struct host *host, const struct crowd *crowd, uint32_t users, uint32_t engine_count,
	       bool is_judged);
void host_close(struct host *host);

/* Zeroed memory as the daemon takes it for an engine, large pages and all, until the program ends. */
void *host_memory(const char *what, uint64_t bytes);

/* The user is at a place: one location of a client, as it has been decoded. */
void host_move(struct host *host, uint32_t user, struct nearby_place place);
/* The user will move after ENGINE_EXPECT_AHEAD others: a turn of a core's loop knows whose it has. */
void host_expect(struct host *host, uint32_t user);
/* Messages between the engines, then every frame that is due, until there are none. */
void host_flush(struct host *host);
/* Lets time pass and does all that falls due. */
void host_pass(struct host *host, uint64_t us);

uint64_t host_count(const struct host *host, enum engine_counter counter);

/* What an entry of an update, or else a gone, adds to the digest. */
uint64_t host_digest(uint32_t viewer, uint32_t user, bool is_gone);

#endif
