/*
 * Owns: bulk imports: a streamed body becomes batches for the store, counts become the answer.
 * Invariant: at most one batch is with the store and one being filled; the body waits meanwhile, so
 *   memory is bounded whatever comes; each line is counted once.
 * Thread: the core's.
 * Does not know: how the store keeps it.
 */
#include "app/app_private.h"
#include "app/import_line.h"
#include "app/lines.h"

#include <stdlib.h>
#include <string.h>

static const char *const reason_texts[IMPORT_REASON_COUNT] = {
#define IMPORT_REASON(name, text, help) [IMPORT_##name] = text,
#include "app/import_reasons.tbl"
#undef IMPORT_REASON
};

struct tally {
	uint64_t count;
	uint64_t first_line;
};

struct import {
	struct exchange *exchange;
	struct lines lines;
	uint64_t accepted;
	struct tally rejected[IMPORT_REASON_COUNT];
	bool is_pairs;
	bool is_last;	 /* the body has ended */
	bool is_with_store;
	int failure;	 /* of the store; what was taken before stands */
	uint32_t count;	 /* in the batch that is being filled */
	struct store_pair *pairs;
	struct store_user *users;
	uint64_t *line_numbers;
	/* Bytes of the body that came while both batches were full. */
	char *rest;
	size_t rest_length;
	/* The batch that is with the store, and then with the cores. */
	struct change change;
	struct store_pair *sent_pairs;
	struct store_user *sent_users;
	uint64_t *sent_line_numbers;
	uint32_t sent_count;
};

/* ---- lines ------------------------------------------------------------------------------------ */

static void reject(struct import *import, enum import_reason reason, uint64_t line)
{
	struct tally *tally = &import->rejected[reason];
	if (tally->count++ == 0 || line < tally->first_line)
		tally->first_line = line;
	counter_add(&import->exchange->app->counters.app[APP_COUNTER_IMPORT_REJECTED], 1);
}

static void take_line(struct import *import, const char *line, size_t length)
{
	enum import_reason reason =
		import->is_pairs
			? import_read_pair(line, length, &import->pairs[import->count])
			: import_read_user(import->exchange->app->reader, line, length,
					   &import->users[import->count]);
	if (reason == IMPORT_GOOD)
		import->line_numbers[import->count++] = import->lines.number;
	else if (reason != IMPORT_IGNORED)
		reject(import, reason, import->lines.number);
}

/* Takes lines until the batch is full; returns where it stopped. */
static const char *take_lines(struct import *import, const char *at, const char *end)
{
	while (import->count < STORE_BATCH_MAX) {
		const char *line;
		size_t length;
		enum lines_result result =
			lines_feed(&import->lines, &at, end, import->is_last, &line, &length);
		if (result == LINES_MORE)
			break;
		if (result == LINES_LONG)
			reject(import, IMPORT_TOO_LONG, import->lines.number);
		else
			take_line(import, line, length);
	}
	return at;
}

/* ---- batches ---------------------------------------------------------------------------------- */

static void go_on(struct import *import);

static void tally_batch(struct import *import)
{
	uint64_t before = import->accepted;
	for (uint32_t i = 0; i < import->sent_count; i++) {
		enum store_pair_result result = import->is_pairs ? import->sent_pairs[i].result : STORE_PAIR_ADDED;
		if (result == STORE_PAIR_LIMIT)
			reject(import, IMPORT_LIMIT, import->sent_line_numbers[i]);
		else if (result == STORE_PAIR_BLOCKED)
			reject(import, IMPORT_BLOCKED, import->sent_line_numbers[i]);
		else
			import->accepted++;
	}
	counter_add(&import->exchange->app->counters.app[APP_COUNTER_IMPORT_LINES], import->accepted - before);
}

/* The batch is durable, and live sessions have heard of it. */
static void batch_done(struct exchange *exchange, struct store_request *request)
{
	struct import *import = exchange->own;
	import->failure = request->status;
	if (request->status == 0)
		tally_batch(import);
	import->is_with_store = false;
	go_on(import);
}

static void swap_batches(struct import *import)
{
	struct store_pair *pairs = import->pairs;
	struct store_user *users = import->users;
	uint64_t *numbers = import->line_numbers;
	import->pairs = import->sent_pairs;
	import->users = import->sent_users;
	import->line_numbers = import->sent_line_numbers;
	import->sent_pairs = pairs;
	import->sent_users = users;
	import->sent_line_numbers = numbers;
	import->sent_count = import->count;
	import->count = 0;
}

static const enum change_step pairs_steps[] = { CHANGE_STORE, CHANGE_PAIRS, CHANGE_END };
static const enum change_step users_steps[] = { CHANGE_STORE, CHANGE_RENAME, CHANGE_END };

static void send_batch(struct import *import)
{
	swap_batches(import);
	store_request_fini(&import->change.request);
	import->change.request = (struct store_request){
		.op = import->is_pairs ? STORE_FRIENDS_PUT : STORE_USERS_PUT,
		.pairs = import->sent_pairs,
		.pair_count = import->is_pairs ? import->sent_count : 0,
		.users = import->sent_users,
		.user_count = import->is_pairs ? 0 : import->sent_count,
	};
	import->is_with_store = true;
	import->exchange->on_store = batch_done;
	exchange_change(import->exchange, &import->change, import->is_pairs ? pairs_steps : users_steps);
}

/* ---- the answer ------------------------------------------------------------------------------- */

static void answer(struct import *import)
{
	char body[2048];
	struct writer writer = writer_init(body, sizeof(body));
	uint64_t rejected = 0;
	for (uint32_t i = 0; i < IMPORT_REASON_COUNT; i++)
		rejected += import->rejected[i].count;
	writer_put_format(&writer, "{\"accepted\":%llu,\"rejected\":%llu,\"reasons\":{",
			  (unsigned long long)import->accepted, (unsigned long long)rejected);
	const char *comma = "";
	for (uint32_t i = 0; i < IMPORT_REASON_COUNT; i++) {
		if (import->rejected[i].count == 0)
			continue;
		writer_put_format(&writer, "%s\"%s\":{\"count\":%llu,\"first_line\":%llu}", comma, reason_texts[i],
				  (unsigned long long)import->rejected[i].count,
				  (unsigned long long)import->rejected[i].first_line);
		comma = ",";
	}
	writer_put_text(&writer, "}}\n");
	check(!writer.overflow);
	exchange_answer(import->exchange, 200, "application/json", body, writer_length(&writer));
}

static void answer_failure(struct import *import)
{
	const char *text;
	unsigned status = exchange_store_failure(import->failure, &text);
	exchange_problem(import->exchange, status, "%s; %llu lines before it were accepted and stand", text,
			 (unsigned long long)import->accepted);
}

/* ---- the body --------------------------------------------------------------------------------- */

/* Bytes that found the batch full wait here; there is never more than one piece of the network's. */
static void keep_rest(struct import *import, const char *at, size_t length)
{
	char *rest = length == 0 ? NULL : malloc(length);
	check(length == 0 || rest != NULL);
	if (length > 0)
		memcpy(rest, at, length);
	free(import->rest);
	import->rest = rest;
	import->rest_length = length;
}

/* Fills and sends batches until lines, or room for them, run out. */
static void fill_batches(struct import *import)
{
	for (;;) {
		/* Where there is no rest there is nothing to point into, but the end may still be due. */
		const char *at = import->rest == NULL ? "" : import->rest;
		const char *end = at + import->rest_length;
		at = take_lines(import, at, end);
		keep_rest(import, at, (size_t)(end - at));
		bool is_full = import->count == STORE_BATCH_MAX;
		bool is_end = import->is_last && import->rest_length == 0;
		if (import->is_with_store || !(is_full || (is_end && import->count > 0)))
			return;
		send_batch(import);
	}
}

static void go_on(struct import *import)
{
	struct exchange *exchange = import->exchange;
	if (import->failure != 0) {
		answer_failure(import);
		return;
	}
	fill_batches(import);
	if (!import->is_with_store && exchange->conn_gone)
		exchange_end(exchange, false);
	else if (!import->is_with_store && import->is_last)
		answer(import);
	else if (!import->is_last && import->rest_length == 0)
		net_body_resume(exchange->app->net, exchange->conn);
	else
		net_body_pause(exchange->app->net, exchange->conn);
}

static void import_body(struct exchange *exchange, const void *bytes, size_t length, bool last)
{
	struct import *import = exchange->own;
	import->is_last = last;
	/* Paused before: what the network still had comes behind what waits. */
	char *all = malloc(import->rest_length + length + 1);
	check(all != NULL);
	if (import->rest_length > 0)
		memcpy(all, import->rest, import->rest_length);
	if (length > 0)
		memcpy(all + import->rest_length, bytes, length);
	free(import->rest);
	import->rest = all;
	import->rest_length += length;
	go_on(import);
}

static void import_end(struct exchange *exchange)
{
	struct import *import = exchange->own;
	store_request_fini(&import->change.request);
	free(import->pairs);
	free(import->sent_pairs);
	free(import->users);
	free(import->sent_users);
	free(import->line_numbers);
	free(import->sent_line_numbers);
	free(import->rest);
	free(import);
}

static bool import_allocate(struct import *import)
{
	size_t pairs = import->is_pairs ? STORE_BATCH_MAX : 1, users = import->is_pairs ? 1 : STORE_BATCH_MAX;
	import->pairs = calloc(pairs, sizeof(*import->pairs));
	import->sent_pairs = calloc(pairs, sizeof(*import->pairs));
	import->users = calloc(users, sizeof(*import->users));
	import->sent_users = calloc(users, sizeof(*import->users));
	import->line_numbers = calloc(STORE_BATCH_MAX, sizeof(*import->line_numbers));
	import->sent_line_numbers = calloc(STORE_BATCH_MAX, sizeof(*import->line_numbers));
	return import->pairs != NULL && import->sent_pairs != NULL && import->users != NULL &&
	       import->sent_users != NULL && import->line_numbers != NULL && import->sent_line_numbers != NULL;
}

static void import_begin(struct exchange *exchange, const struct net_request *request, bool is_pairs)
{
	const char *type = is_pairs ? "text/tab-separated-values" : "application/x-ndjson";
	struct net_text given = net_request_header(request, "content-type");
	if (!media_type_is(given, type)) {
		exchange_problem(exchange, 415, "Content-Type: %s is taken here", type);
		return;
	}
	struct import *import = calloc(1, sizeof(*import));
	if (import == NULL) {
		exchange_problem(exchange, 503, "no memory for an import");
		return;
	}
	import->exchange = exchange;
	import->is_pairs = is_pairs;
	exchange->own = import;
	exchange->on_end = import_end;
	if (!import_allocate(import)) {
		exchange_problem(exchange, 503, "no memory for an import");
		return;
	}
	exchange->on_body = import_body;
	if (!request->has_body) {
		import->is_last = true;
		go_on(import);
	}
}

void import_friends(struct exchange *exchange, const struct net_request *request)
{
	import_begin(exchange, request, true);
}

void import_users(struct exchange *exchange, const struct net_request *request)
{
	import_begin(exchange, request, false);
}
