/*
 * Owns: the alerts: what an operator must know of, judged from the counters once a second.
 * Invariant: an alert that starts or ends is logged once; its word in the segment says since when.
 * Thread: main.
 * Does not know: how a counter comes about.
 */
#ifndef NEARBY_DAEMON_WATCH_H
#define NEARBY_DAEMON_WATCH_H

#include "app/app.h"

struct watch {
	struct app_shared *shared;
	counter_word *alerts;
	/* Counters at the last look: an alert on a counter holds while it grows. */
	uint64_t before[ALERT_COUNT];
	uint64_t hold_until_us[ALERT_COUNT];
	uint64_t commits; /* of the history, at the last look */
};

/* `block` is the main thread's block of counters. */
void watch_init(struct watch *watch, struct app_shared *shared, uint32_t block);
/* Judges all alerts. Returns whether every core beats. */
bool watch_look(struct watch *watch, uint64_t now_us);

#endif
