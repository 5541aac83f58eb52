/*
 * Owns: one worker of a load: its sessions, what they send when, and what they hear.
 * Invariant: what is due is sent as soon as the worker gets to it, whatever the server does (open
 *   loop), and counted from when it was due; every wait is bounded.
 * Thread: a process of its own, single-threaded.
 * Does not know: the server's language; a dialect does.
 */
#ifndef NEARBY_BENCH_LOADER_H
#define NEARBY_BENCH_LOADER_H

#include "bench/address.h"
#include "bench/dialect.h"
#include "bench/ledger.h"
#include "bench/town.h"
#include "app/token.h"

/* What a load is made of; ready before the workers are forked, and the same in all. */
struct load {
	struct ledger *ledger;
	const struct dialect *dialect;
	struct address target;
	const struct token_key *key; /* NULL: no tokens */
	struct town town;
	uint64_t first_user;
	uint32_t idle; /* sessions that only sit there, beside those of the town */
	uint32_t workers;
	uint32_t joining_max; /* handshakes under way at once, in all workers */
	double joins_per_s;   /* begun, in all workers; 0: as many as go */
	uint64_t timeout_us;  /* a session that is not in by then is given up */
};

/* The worker's whole life. Returns its exit status. */
int loader_run(const struct load *load, uint32_t number);

/* ---- for dialects: what session `local` has heard ------------------------------------------- */

/* It is in. */
void loader_joined(struct loader *loader, uint32_t local, uint64_t now_us);
/* A friend's location from that time, as the server pushed it. */
void loader_told(struct loader *loader, uint32_t local, uint64_t id, int64_t ts_ms,
		 uint64_t now_us);
/* The same of a server that does not filter: counts only in range. */
void loader_told_at(struct loader *loader, uint32_t local, uint64_t id, int64_t ts_ms,
		    struct nearby_place place, uint64_t now_us);
/* A friend stood on a list that the session asked for: in view from now on. */
void loader_listed(struct loader *loader, uint32_t local, uint64_t id, int64_t ts_ms);
/* A friend is no longer in view: what was in range until then counts as told. */
void loader_gone(struct loader *loader, uint32_t local, uint64_t id, uint64_t now_us);
/* An error message. */
void loader_refused(struct loader *loader, uint32_t local, const char *text, size_t length);
/* A message that is not as the dialect has it. */
void loader_bad(struct loader *loader, uint32_t local, const char *text, size_t length);

/* Says something that is no location. */
void loader_say(struct loader *loader, uint32_t local, const char *text, size_t length);
/* A token of the session's user. */
void loader_token(const struct loader *loader, uint32_t local, char text[TOKEN_BYTES_MAX + 1]);
/* Whose session it is, as a number in the town; and the id that goes with a number. */
uint32_t loader_user(const struct loader *loader, uint32_t local);
uint64_t loader_id(const struct loader *loader, uint32_t user);
const struct town *loader_town(const struct loader *loader);

#endif
