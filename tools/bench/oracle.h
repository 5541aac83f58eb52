/*
 * Owns: judging what sessions are told against the world.
 * Invariant: a finding is a fault of the server for certain. Client and server run side by side, so
 *   what may be true at the moment of judging is a set: the places of a friend from the last one told
 *   up to the newest one sent, seen from the viewer's places since the last that the server used.
 *   Only what no pair of these explains is a finding; within BORDER_M of the radius, and within
 *   TTL_MARGIN_US of the expiry, both answers are right.
 * Thread: the worker that owns the viewer's session.
 * Does not know: sockets. It has its own formula for distances and shares no code with the engine.
 *
 * When all is quiet, the sets shrink to one place for each user, and then the views and the paged
 * lists must equal brute force over all pairs of friends: that is where what is missing shows.
 */
#ifndef NEARBY_BENCH_ORACLE_H
#define NEARBY_BENCH_ORACLE_H

#include "bench/answer.h"
#include "bench/world.h"

enum verdict {
#define VERDICT(name, text, class, meaning) VERDICT_##name,
#include "bench/verdicts.tbl"
#undef VERDICT
	VERDICT_COUNT,
	VERDICT_RIGHT = VERDICT_COUNT
};

enum verdict_class {
	CLASS_WRONG,
	CLASS_DUPLICATE,
	CLASS_MISDIRECTED,
	CLASS_MISSING,
	CLASS_BROKEN,
	VERDICT_CLASS_COUNT
};

const char *verdict_text(enum verdict verdict);
const char *verdict_meaning(enum verdict verdict);
enum verdict_class verdict_class(enum verdict verdict);
const char *verdict_class_text(enum verdict_class class);

/* Within this of the radius a friend may be told or not: two right formulas may differ. */
#define BORDER_M 1.0
/* A reported distance is rounded, and the formulas differ by far less than this. */
#define DISTANCE_TOLERANCE_M 0.05
/* The server counts age from receipt, sweeps in steps, and the clocks are read at different times. */
#define TTL_MARGIN_US (5u * 1000000u)

/* How long after a user's first location the place of an earlier run may still be told. */
#define PRIOR_GRACE_US (5u * 1000000u)

/* Moves within this time may be merged by the server. */
#define MERGE_WINDOW_US (2u * 1000000u)

struct oracle {
	struct world *world;
	double radius_m; /* as the server's welcome says */
	uint64_t ttl_us;
};

/* Great-circle distance by the haversine on the sphere of radius 6,371,008.8 m. */
double oracle_distance_m(struct nearby_place a, struct nearby_place b);

/* Why a friend was told: for what is measured as latency, and what is only counted. */
enum push_cause {
	PUSH_MOVED,	/* the friend moved: from its sending to now is a latency */
	PUSH_ENTERED,	/* the friend came into view when the viewer moved, or when both did */
	PUSH_REFRESHED, /* told again after a page had told it, or as the viewer moved */
	PUSH_MERGED,	/* told again: of moves in quick succession the newest place was told for each */
	PUSH_BEFORE,	/* of a place that the server still knew from before this run */
};

/* The server has proven to know the newest place of `viewer`: what it says from now on goes by it. */
void oracle_taken(struct oracle *oracle, uint32_t viewer);
/* To be called before the entries of each update frame are judged. */
void oracle_frame(struct oracle *oracle, uint32_t viewer);
/*
 * Judges one entry of an update that `viewer` received at `now_us`, and takes it into the view.
 * VERDICT_RIGHT: *cause is set, and *sent_us to when the friend sent that place, but for PUSH_BEFORE.
 */
enum verdict oracle_update(struct oracle *oracle, uint32_t viewer, const struct answer_entry *entry,
			   uint64_t now_us, enum push_cause *cause, uint64_t *sent_us);
/* The same for one friend of a gone frame. */
enum verdict oracle_gone(struct oracle *oracle, uint32_t viewer, const struct answer_gone *gone,
			 uint64_t now_us);
/*
 * The same for an entry of a page of the nearby list. `is_check`: all is quiet, and the entry counts
 * for the check that oracle_check_begin began; otherwise it is taken into the view.
 */
enum verdict oracle_page_entry(struct oracle *oracle, uint32_t viewer,
			       const struct answer_entry *entry, bool is_check, uint64_t now_us);

/* What the check of one viewer found, beside the findings; a pair of friends counts from both sides. */
struct check_counts {
	uint64_t pairs;	 /* friends in range by brute force, border and expiry decided exactly */
	uint64_t border; /* friends within BORDER_M of the radius, or about to expire */
	uint64_t listed; /* friends on the nearby list */
};

/* Forgets the pages of an earlier check of this viewer. */
void oracle_check_begin(struct oracle *oracle, uint32_t viewer);
/*
 * After all pages are in: compares the view and the list of the viewer with brute force. Findings go
 * to `found`, one call each, with the friend they are about.
 */
void oracle_check_end(struct oracle *oracle, uint32_t viewer, uint64_t now_us,
		      struct check_counts *counts,
		      void (*found)(void *context, enum verdict verdict, uint64_t about),
		      void *context);

#endif
