/*
 * Owns: the list of all counters of the daemon, put together from the layers' tables.
 * Invariant: each layer's rows lie in a row, so a layer's array is a pointer into a block.
 * Thread: the list is constant; who writes a block's words is said at struct counter_block.
 * Does not know: what is counted.
 */
#ifndef NEARBY_APP_COUNTERS_H
#define NEARBY_APP_COUNTERS_H

#include "base/counter.h"
#include "nearbyshm.h"

#include <stdint.h>

enum route {
#define ROUTE(name, text, method, pattern, where, who, handler) ROUTE_##name,
#include "app/routes.tbl"
#undef ROUTE
	ROUTE_COUNT
};

enum alert {
#define ALERT(name, text, level, help) ALERT_##name,
#include "app/alerts.tbl"
#undef ALERT
	ALERT_COUNT
};

/* Words of the app's counters: a histogram takes HISTOGRAM_WORDS, so these are offsets. */
#define APP_WORDS_COUNTER   1
#define APP_WORDS_GAUGE	    1
#define APP_WORDS_HISTOGRAM HISTOGRAM_WORDS
enum app_counter {
#define COUNTER(name, text, label, kind, help)                                                     \
	APP_COUNTER_##name, APP_COUNTER_##name##_LAST = APP_COUNTER_##name + APP_WORDS_##kind - 1,
#include "app/app_counters.tbl"
#undef COUNTER
	APP_COUNTER_WORDS
};

/* The parts of one block. A core writes engine, net, closes, app and routes of its own block; the
 * store's threads write `store` of the block after the cores'; the main thread writes alerts of the
 * last block. */
struct counter_block {
	counter_word *engine;
	counter_word *net;
	counter_word *closes;
	counter_word *store;
	counter_word *app;
	/* A route: histogram of those that succeeded, then failed (4xx, 5xx), then abandoned. */
	counter_word *routes;
	counter_word *alerts;
};
#define ROUTE_WORDS	(HISTOGRAM_WORDS + 2)
#define ROUTE_FAILED	HISTOGRAM_WORDS
#define ROUTE_ABANDONED (HISTOGRAM_WORDS + 1)

/* Blocks beside the cores': the store's and the main thread's. */
#define BLOCKS_BESIDE_CORES 2

/* All rows, and how many. */
const struct nearby_counter_info *counters_list(uint32_t *count);
/* Where each layer's words are in block `block`. */
struct counter_block counters_block(struct nearby_segment *segment, uint32_t block);
/* Row of a layer's first counter in counters_list, to read it with nearby_segment_read. */
uint32_t counters_engine_row(uint32_t counter);
uint32_t counters_store_row(uint32_t counter);
uint32_t counters_app_row(uint32_t first_word);
uint32_t counters_alert_row(enum alert alert);

#endif
