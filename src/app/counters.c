/*
 * Owns: the order of all counters: engine, net, closes, store, app, routes, alerts.
 * Invariant: rows and words come in that order, each layer's in the order of its own table.
 * Thread: built once, before the threads start.
 * Does not know: values.
 */
#include "app/counters.h"

#include "base/check.h"
#include "engine/engine.h"
#include "net/net.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#define KIND_COUNTER   NEARBY_COUNTER
#define KIND_GAUGE     NEARBY_GAUGE
#define KIND_HISTOGRAM NEARBY_HISTOGRAM

struct row {
	const char *name, *label, *help;
	enum nearby_counter_kind kind;
	uint32_t level;
};

static const struct row engine_rows[] = {
#define COUNTER(name, text, kind, help) { text, "", help, KIND_##kind, 0 },
#include "engine/engine_counters.tbl"
#undef COUNTER
};
static const struct row net_rows[] = {
#define COUNTER(name, text, label, kind, help) { text, label, help, KIND_##kind, 0 },
#include "net/net_counters.tbl"
#undef COUNTER
};
static const struct row close_rows[] = {
#define CLOSE_REASON(name, text, help)                                                             \
	{ "connections_closed_total", "reason=\"" text "\"", help, NEARBY_COUNTER, 0 },
#include "net/close_reasons.tbl"
#undef CLOSE_REASON
};
static const struct row store_rows[] = {
#define COUNTER(name, text, kind, help) { text, "", help, KIND_##kind, 0 },
#include "store/store_counters.tbl"
#undef COUNTER
};
static const struct row app_rows[] = {
#define COUNTER(name, text, label, kind, help) { text, label, help, KIND_##kind, 0 },
#include "app/app_counters.tbl"
#undef COUNTER
};
static const struct row route_rows[] = {
#define ROUTE(name, text, method, pattern, where, who, handler)                                          \
	{ "http_request_seconds", "route=\"" text "\"",                              \
	  "Time of HTTP requests that succeeded (for streams: all of it).", NEARBY_HISTOGRAM, 0 }, \
		{ "http_requests_failed_total", "route=\"" text "\"",                \
		  "HTTP requests answered 4xx or 5xx.", NEARBY_COUNTER, 0 },                       \
		{ "http_requests_abandoned_total", "route=\"" text "\"",             \
		  "HTTP requests whose client left, or timed out, before the answer was whole.",   \
		  NEARBY_COUNTER, 0 },
#include "app/routes.tbl"
#undef ROUTE
};
static const struct row alert_rows[] = {
#define ALERT(name, text, level, help) { text, "", help, NEARBY_ALERT, level },
#include "app/alerts.tbl"
#undef ALERT
};

struct layer {
	const struct row *rows;
	uint32_t count;
};

enum { LAYER_ENGINE, LAYER_NET, LAYER_CLOSES, LAYER_STORE, LAYER_APP, LAYER_ROUTES, LAYER_ALERTS, LAYER_COUNT };

static const struct layer layers[LAYER_COUNT] = {
	[LAYER_ENGINE] = { engine_rows, ARRAY_COUNT(engine_rows) },
	[LAYER_NET] = { net_rows, ARRAY_COUNT(net_rows) },
	[LAYER_CLOSES] = { close_rows, ARRAY_COUNT(close_rows) },
	[LAYER_STORE] = { store_rows, ARRAY_COUNT(store_rows) },
	[LAYER_APP] = { app_rows, ARRAY_COUNT(app_rows) },
	[LAYER_ROUTES] = { route_rows, ARRAY_COUNT(route_rows) },
	[LAYER_ALERTS] = { alert_rows, ARRAY_COUNT(alert_rows) },
};

#define ROW_COUNT                                                                                  \
	(ARRAY_COUNT(engine_rows) + ARRAY_COUNT(net_rows) + ARRAY_COUNT(close_rows) +              \
	 ARRAY_COUNT(store_rows) + ARRAY_COUNT(app_rows) + ARRAY_COUNT(route_rows) +               \
	 ARRAY_COUNT(alert_rows))

static uint32_t layer_first_row(uint32_t layer)
{
	uint32_t row = 0;
	for (uint32_t i = 0; i < layer; i++)
		row += layers[i].count;
	return row;
}

static void info_fill(struct nearby_counter_info *info, const struct row *row)
{
	int name = snprintf(info->name, sizeof(info->name), "%s", row->name);
	int label = snprintf(info->label, sizeof(info->label), "%s", row->label);
	snprintf(info->help, sizeof(info->help), "%s", row->help);
	check((size_t)name < sizeof(info->name) && (size_t)label < sizeof(info->label));
	info->kind = row->kind;
	info->level = row->level;
}

const struct nearby_counter_info *counters_list(uint32_t *count)
{
	static struct nearby_counter_info list[ROW_COUNT];
	*count = ROW_COUNT;
	if (list[0].name[0] != '\0')
		return list;
	uint32_t row = 0;
	for (uint32_t layer = 0; layer < LAYER_COUNT; layer++)
		for (uint32_t i = 0; i < layers[layer].count; i++)
			info_fill(&list[row++], &layers[layer].rows[i]);
	return list;
}

static counter_word *layer_words(struct nearby_segment *segment, uint32_t block, uint32_t layer)
{
	return nearby_segment_block(segment, block) +
	       nearby_segment_counter(segment, layer_first_row(layer))->word_idx;
}

struct counter_block counters_block(struct nearby_segment *segment, uint32_t block)
{
	return (struct counter_block){
		.engine = layer_words(segment, block, LAYER_ENGINE),
		.net = layer_words(segment, block, LAYER_NET),
		.closes = layer_words(segment, block, LAYER_CLOSES),
		.store = layer_words(segment, block, LAYER_STORE),
		.app = layer_words(segment, block, LAYER_APP),
		.routes = layer_words(segment, block, LAYER_ROUTES),
		.alerts = layer_words(segment, block, LAYER_ALERTS),
	};
}

uint32_t counters_engine_row(uint32_t counter)
{
	return layer_first_row(LAYER_ENGINE) + counter;
}

uint32_t counters_store_row(uint32_t counter)
{
	return layer_first_row(LAYER_STORE) + counter;
}

uint32_t counters_app_row(uint32_t first_word)
{
	uint32_t word = 0, row = 0;
	while (word < first_word) {
		word += app_rows[row].kind == NEARBY_HISTOGRAM ? HISTOGRAM_WORDS : 1;
		row++;
	}
	check(word == first_word);
	return layer_first_row(LAYER_APP) + row;
}

uint32_t counters_alert_row(enum alert alert)
{
	return layer_first_row(LAYER_ALERTS) + alert;
}
