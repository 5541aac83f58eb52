/*
 * Owns: the sessions of one worker, and what each of them is waiting for.
 * Invariant: a session has at most one request for its list under way; what it hears is judged at
 *   once and counted in the worker's tally.
 * Thread: the worker that owns it.
 * Does not know: when to send what; the worker does.
 */
#ifndef NEARBY_BENCH_CREW_H
#define NEARBY_BENCH_CREW_H

#include "bench/control.h"
#include "bench/fleet.h"

enum session_state {
	SESSION_WAITING, /* not connected; since the start, or until retry_us */
	SESSION_JOINING, /* connection, handshake, welcome */
	SESSION_READY,
	SESSION_LISTING,  /* the pages of the answer to its first location */
	SESSION_CHECKING, /* the pages of a check */
	SESSION_LOST,
};

struct session {
	enum session_state state;
	bool is_fenced;	       /* a ping after the last location is not answered */
	bool is_at_own_place;  /* it has sent a location */
	uint8_t attempts;      /* to join */
	uint32_t listed;       /* entries on the pages so far */
	uint64_t since_us;     /* joining or asking since */
	uint64_t retry_us;     /* waiting until */
	double last_m;	       /* distance of the last entry of the pages so far, */
	uint64_t last_user;    /* ... and who it is */
};

struct crew {
	struct world *world;
	struct control *control;
	struct tally *tally;
	struct oracle oracle;
	struct fleet *fleet;
	uint32_t worker, workers;
	uint32_t count;
	struct session *sessions;
	uint32_t joining;  /* in SESSION_JOINING */
	uint32_t settled;  /* joined once, or lost for good */
	uint32_t fenced;   /* sessions with is_fenced */
	uint32_t asking;   /* in SESSION_LISTING or SESSION_CHECKING */
	bool has_guest;	   /* somebody who walks by themselves: */
	uint64_t guest;	   /* ... what is told of them is not judged */
	bool is_ending;	   /* an end of a session is no loss any more */
	struct answer answer; /* scratch */
};

static inline uint32_t crew_user(const struct crew *crew, uint32_t local)
{
	return local * crew->workers + crew->worker;
}

/* Judges and counts one message that a session heard. */
void crew_hear(struct crew *crew, uint32_t local, const char *text, size_t length, uint64_t now_us);
/* The session is over: counts it as lost unless the run is ending. */
void crew_lose(struct crew *crew, uint32_t local, const char *why);
/* Asks for the first page of a check. */
void crew_check(struct crew *crew, uint32_t local, uint64_t now_us);
/* Whether a location can be sent now: the session is ready, and its socket takes it. */
bool crew_can_move(const struct crew *crew, uint32_t local);
/* Sends where the user is now; it can. */
void crew_move(struct crew *crew, uint32_t local, const struct sighting *sighting);

#endif
