/*
 * Owns: the way of a change: from the core that was asked over core 0 to the store, to all cores, and back.
 * Invariant: all changes of users, friendships and consent pass core 0 in one order: in the order in which
 *   they become durable every core hears of them, and each comes back to who submitted it; none is dropped.
 * Thread: handed from core to core; who has it is said at each step.
 * Does not know: what a change means to the store (its request) and to a core (hear.c).
 */
#ifndef NEARBY_APP_CHANGE_H
#define NEARBY_APP_CHANGE_H

#include "store/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct app;

/* What is done for a change, one after the other. All but the first three are told to all cores at once; the
 * next begins when the last core has done it, and those before it in line have got as far. */
enum change_step {
	CHANGE_END,   /* ends each list: the change goes home */
	CHANGE_STORE, /* the store does what `request` asks; if it fails, `otherwise` follows instead */
	CHANGE_REVOKE, /* tokens of request.bar.user are refused, or are no more */
	CHANGE_PAUSE, /* nothing: for lists that are to have as many steps as others, so that none overtakes */
	CHANGE_LOGOUT, /* the sessions of request.user end */
	CHANGE_PAIRS,  /* friendships of request.pairs, or sync_pairs, began or ended, or were asked for */
	CHANGE_BLOCK,  /* of request.pairs, one has blocked the other, or lifted that */
	CHANGE_DELETED,/* the friendships of a deleted user, request.friends, ended */
	CHANGE_BAR,    /* no session of request.user begins, until it is lifted */
	CHANGE_UNBAR,
	CHANGE_FORGET, /* the location of a deleted user goes */
	CHANGE_RENAME, /* names of request.users changed */
	CHANGE_WARN,   /* what is missing of request.user will be so for it shows nothing to everybody */
	CHANGE_HIDE,   /* what request.asked takes back of what request.user shows is hidden */
	CHANGE_STAY,   /* that stays so, as it could not be written: also for sessions that begin */
	CHANGE_SHARE,  /* what request.user shows is as the store has answered */
	CHANGE_TELL,   /* the sessions of request.user are told */
};

/*
 * A change of the caller's, who keeps it until `done`. Filled in: steps, request (what is asked), done,
 * context. What a step takes back from view may stand before CHANGE_STORE, what it gives must follow it.
 *
 * Core 0 alone moves it on; while a step is told, all cores read it and none writes but `waiting`: each core
 * takes one away with release order after its part, and the last one, which reads with acquire, sends it back
 * to core 0, which so sees all parts finished.
 */
struct change {
	uint32_t magic;
	uint32_t origin;
	const enum change_step *steps; /* those that are left */
	const enum change_step *otherwise; /* NULL: none */
	atomic_uint waiting;	       /* cores that have yet to do the step that is told */
	struct change *next;	       /* of those that wait for their turn at core 0 */
	bool is_ready;		       /* its step is done; it goes on when those before it have */
	struct store_request request;  /* with its answer, and its status, in `done` */
	void (*done)(struct app *app, struct change *change); /* on the core that submitted it */
	void *context;
};

/* Takes it on its way. It may be over, and `done` called, before this returns. */
void change_submit(struct app *app, struct change *change);

/* Where a change has come to with a message from another core. */
enum change_arrival {
	CHANGE_SUBMITTED, /* at core 0 */
	CHANGE_TOLD,	  /* at a core that is to do the step */
	CHANGE_HEARD,	  /* at core 0 again: all have done it */
	CHANGE_OVER,	  /* at home */
};
void change_arrive(struct app *app, struct change *change, enum change_arrival arrival);

/* The store has answered. */
void change_stored(struct app *app, struct change *change);

#endif
