/*
 * Owns: the sessions of one of the herd's processes.
 * Invariant: a session that should be open is open, on its way, or waits until it may try again.
 * Thread: its process has one.
 * Does not know: who are friends; it takes what the server says.
 *
 * A location's ts is its due time, so each entry of an update tells how late it is; where nothing
 * comes from the server itself, such as a friend who stood still while the viewer came near, the age
 * is no delay. With steps of 42 m in a radius of 8 km that is one entry of some hundred.
 */
#include "herd.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/id.h"
#include "bench/fleet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	TOKEN_VALID_S = 86400,
	IDLE_POLL_US = 50000,
	/* Between two looks at what came, and at who is due: at least, and for each worker. All together look a
	 * thousand times a second at most. */
	LOOK_US_MIN = 20000,
	LOOK_US_OF_EACH = 1000,
	RETRY_MS = 1000,
	/* Connections opened between two looks at what came. */
	OPENED_AT_ONCE = 64,
	/* Locations said between two looks, where many are due. */
	SENT_AT_ONCE = 64,
};

#define STEP_M	     42.0
#define CIRCLE_STEPS 60
#define METRES_A_DEGREE 111195.0
/* South-west corner of the square that all live in. */
#define HOME_LAT 37.2
#define HOME_LON 126.6
#define E7 10000000u

enum member_state { MEMBER_OUT, MEMBER_JOINING, MEMBER_IN };

struct member {
	uint8_t state; /* enum member_state */
	uint64_t began_us;  /* its first attempt to join */
	uint64_t retry_us;  /* while OUT: not before */
};

struct worker {
	struct herd *herd;
	uint32_t number;
	struct herd_order *order;
	struct herd_tally *tally;
	struct fleet *fleet;
	struct member *members;
	uint32_t count, joining, round;
	uint32_t at; /* next member to be looked at */
	uint64_t moves; /* so far: whose turn is next */
};

/* ---- what a session says ---------------------------------------------------------------------- */

static uint64_t user_of(const struct worker *worker, uint32_t client)
{
	return worker->herd->options.first_user + (uint64_t)worker->number * worker->count + client;
}

/* Everyone walks around a circle of their own, STEP_M each time. */
static void say_where(struct worker *worker, uint32_t client, uint64_t step, int64_t due_ms)
{
	if (worker->members[client].state != MEMBER_IN) {
		worker->tally->unsent++;
		return;
	}
	uint64_t dice = hash_u64(user_of(worker, client));
	double side = worker->herd->options.side_m;
	double radius = STEP_M * CIRCLE_STEPS / (2 * M_PI);
	double angle = 2 * M_PI * (double)((step + dice) % CIRCLE_STEPS) / CIRCLE_STEPS;
	double north = side * (double)(dice >> 32) / 4294967296.0 + radius * sin(angle);
	double east = side * (double)(uint32_t)dice / 4294967296.0 + radius * cos(angle);
	/* In units of 1e-7 degrees, all positive here: whole numbers are written faster. */
	uint64_t lat = (uint64_t)(1e7 * (HOME_LAT + north / METRES_A_DEGREE));
	uint64_t lon = (uint64_t)(1e7 * (HOME_LON + east / METRES_A_DEGREE / cos(HOME_LAT * M_PI / 180)));
	char text[128];
	int length = snprintf(text, sizeof(text),
			      "{\"type\":\"location\",\"lat\":%lu.%07lu,\"lon\":%lu.%07lu,\"ts\":%lld}",
			      lat / E7, lat % E7, lon / E7, lon % E7, (long long)due_ms);
	if (fleet_send(worker->fleet, client, text, (size_t)length))
		worker->tally->sent++;
	else
		worker->tally->unsent++;
}

/* ---- what the server says --------------------------------------------------------------------- */

static void on_opened(void *context, uint32_t client)
{
	(void)context;
	(void)client;
}

static void on_pong(void *context, uint32_t client)
{
	(void)context;
	(void)client;
}

static void welcomed(struct worker *worker, uint32_t client, uint64_t now_us)
{
	struct member *member = &worker->members[client];
	member->state = MEMBER_IN;
	worker->joining--;
	worker->tally->open++;
	latency_add(&worker->tally->join, elapsed_us(member->began_us, now_us));
	if (worker->herd->options.greets)
		say_where(worker, client, worker->moves / worker->count, wall_ms());
}

static void heard_update(struct herd_tally *tally, const char *text, size_t length)
{
	static const char key[] = "\"ts\":";
	int64_t now_ms = wall_ms();
	tally->frames++;
	const char *end = text + length;
	while ((text = memmem(text, (size_t)(end - text), key, sizeof(key) - 1)) != NULL) {
		text += sizeof(key) - 1;
		int64_t ts_ms = 0;
		while (text < end && *text >= '0' && *text <= '9')
			ts_ms = 10 * ts_ms + (*text++ - '0');
		tally->entries++;
		latency_add(&tally->push, now_ms > ts_ms ? (uint64_t)(now_ms - ts_ms) * 1000 : 0);
	}
}

static void on_text(void *context, uint32_t client, const char *text, size_t length, uint64_t now_us)
{
	static const char update[] = "{\"type\":\"update\"";
	struct worker *worker = context;
	struct member *member = &worker->members[client];
	if (member->state == MEMBER_JOINING)
		welcomed(worker, client, now_us);
	else if (length > sizeof(update) && memcmp(text, update, sizeof(update) - 1) == 0)
		heard_update(worker->tally, text, length);
}

static void on_ended(void *context, uint32_t client, const struct fleet_end *end)
{
	struct worker *worker = context;
	struct member *member = &worker->members[client];
	if (member->state == MEMBER_IN) {
		worker->tally->open--;
		worker->tally->lost++;
	} else {
		worker->joining--;
		worker->tally->refused += end->http_status != 0;
		worker->tally->failed += end->http_status == 0;
	}
	member->state = MEMBER_OUT;
	/* Spread over a second, or all who are refused come back together. */
	uint64_t wait_ms = end->retry_after_s > 0 ? 1000ull * end->retry_after_s : RETRY_MS;
	member->retry_us = boot_us() + 1000 * (wait_ms + hash_u64(client) % 1000);
}

static const struct fleet_handler HANDLER = {
	.opened = on_opened, .text = on_text, .pong = on_pong, .ended = on_ended
};

/* In each second round all have other sources: ports of a dropped connection rest for a minute. */
static uint32_t first_client(const struct worker *worker)
{
	uint32_t all = worker->herd->options.workers * worker->count;
	uint32_t sources = (all + FLEET_CLIENTS_PER_SOURCE - 1) / FLEET_CLIENTS_PER_SOURCE;
	return worker->round % 2 * sources * FLEET_CLIENTS_PER_SOURCE + worker->number * worker->count;
}

static void open_fleet(struct worker *worker)
{
	struct fleet_config config = {
		.target = worker->herd->target,
		.clients_max = worker->count,
		.first_client = first_client(worker),
		.path = "/v1/ws",
		.subprotocol = "nearby.v1.json",
		.handler = &HANDLER,
		.context = worker,
	};
	check(fleet_open(&worker->fleet, &config) == 0);
}

/* ---- looking ---------------------------------------------------------------------------------- */

/*
 * Takes all that came, then sleeps, deaf to what comes meanwhile: waking a process of the herd for a
 * frame would cost the server's CPU more than any other part of sending it, and is no work of a server
 * whose clients are elsewhere; and a hundred processes that look each millisecond need a CPU for that
 * alone. What is heard is so up to a look late, and counted so.
 */
static void hear_and_sleep(struct worker *worker)
{
	uint64_t heard;
	do {
		heard = fleet_received_bytes(worker->fleet);
		check(fleet_poll(worker->fleet, 0) == 0);
	} while (fleet_received_bytes(worker->fleet) != heard);
	uint32_t look_us = LOOK_US_OF_EACH * worker->herd->options.workers;
	usleep(look_us < LOOK_US_MIN ? LOOK_US_MIN : look_us);
}

/* ---- joining ---------------------------------------------------------------------------------- */

static void drop_all(struct worker *worker)
{
	fleet_close(&worker->fleet);
	memset(worker->members, 0, worker->count * sizeof(*worker->members));
	worker->joining = worker->tally->open = 0;
	worker->round++;
	open_fleet(worker);
}

static void try_join(struct worker *worker, uint32_t client, uint64_t now_us)
{
	struct member *member = &worker->members[client];
	struct token token = { .user = { user_of(worker, client) },
			       .expiry_s = wall_ms() / 1000 + TOKEN_VALID_S };
	char text[TOKEN_BYTES_MAX + 1];
	check(token_make(worker->herd->key, &token, "", text) == 0);
	if (member->began_us == 0)
		member->began_us = now_us;
	int error = fleet_connect(worker->fleet, client, text);
	if (error == 0) {
		member->state = MEMBER_JOINING;
		worker->joining++;
		return;
	}
	worker->tally->failed++;
	member->retry_us = now_us + 1000 * RETRY_MS;
}

/* Starts some of those that may; all are looked at in turn. Returns whether there may be more. */
static bool join_some(struct worker *worker, uint32_t in_flight)
{
	uint64_t now_us = boot_us();
	uint32_t opened = 0;
	for (uint32_t looked = 0; looked < worker->count && opened < OPENED_AT_ONCE; looked++) {
		if (in_flight > 0 && worker->joining >= in_flight)
			return false;
		uint32_t client = worker->at;
		worker->at = (worker->at + 1) % worker->count;
		struct member *member = &worker->members[client];
		if (member->state != MEMBER_OUT || member->retry_us > now_us)
			continue;
		try_join(worker, client, now_us);
		opened++;
	}
	return opened == OPENED_AT_ONCE;
}

static void join_all(struct worker *worker)
{
	uint64_t until_us = boot_us() + 1000000ull * worker->order->seconds;
	while (worker->tally->open < worker->count && boot_us() < until_us) {
		if (join_some(worker, worker->order->in_flight))
			check(fleet_poll(worker->fleet, 0) == 0);
		else
			hear_and_sleep(worker);
	}
}

/* ---- moving ----------------------------------------------------------------------------------- */

/* Evenly spaced, each at its due time or at the first look after it. */
static void move_all(struct worker *worker)
{
	const struct herd_options *options = &worker->herd->options;
	/* No two workers start their rounds at once. */
	uint64_t began_us = boot_us() + 1000000ull / options->workers * worker->number;
	int64_t wall_offset_us = wall_ms() * 1000 - (int64_t)boot_us();
	double step_us = 1e6 * worker->order->period_s / worker->count;
	uint64_t total = (uint64_t)(1e6 * worker->order->seconds / step_us);
	for (uint64_t sent = 0; sent < total;) {
		uint64_t now_us = boot_us();
		uint64_t due_us = began_us + (uint64_t)((double)sent * step_us);
		if (due_us <= now_us) {
			latency_add(&worker->tally->lateness, now_us - due_us);
			say_where(worker, (uint32_t)(worker->moves % worker->count),
				 worker->moves / worker->count,
				 ((int64_t)due_us + wall_offset_us) / 1000);
			worker->moves++;
			if (++sent % SENT_AT_ONCE != 0)
				continue;
			check(fleet_poll(worker->fleet, 0) == 0);
		} else {
			hear_and_sleep(worker);
		}
	}
	/* What was sent last is heard, too. */
	for (uint64_t end_us = boot_us() + 1000000; boot_us() < end_us;)
		hear_and_sleep(worker);
}

/* ---- its life --------------------------------------------------------------------------------- */

static void empty_tally(struct herd_tally *tally)
{
	uint32_t open = tally->open, done = atomic_load(&tally->done);
	uint64_t lost = tally->lost;
	memset(tally, 0, sizeof(*tally));
	tally->open = open;
	tally->lost = lost;
	atomic_store(&tally->done, done);
}

static void obey(struct worker *worker)
{
	empty_tally(worker->tally);
	switch (worker->order->verb) {
	case HERD_STORM:
		drop_all(worker);
		join_all(worker);
		break;
	case HERD_JOIN:
		join_all(worker);
		break;
	case HERD_MOVE:
		move_all(worker);
		break;
	case HERD_DROP:
		drop_all(worker);
		break;
	case HERD_END:
		break;
	}
}

void herd_worker(struct herd *herd, uint32_t number)
{
	struct worker worker = { .herd = herd,
				 .number = number,
				 .order = &herd->orders[number],
				 .tally = &herd->tallies[number],
				 .count = herd->options.sessions };
	worker.members = calloc(worker.count, sizeof(*worker.members));
	check(worker.members != NULL);
	open_fleet(&worker);
	for (uint32_t done = 0;;) {
		uint32_t turn = atomic_load_explicit(&worker.order->turn, memory_order_acquire);
		if (turn == done) {
			check(fleet_poll(worker.fleet, IDLE_POLL_US) == 0);
			continue;
		}
		obey(&worker);
		done = turn;
		atomic_store_explicit(&worker.tally->done, done, memory_order_release);
		if (worker.order->verb == HERD_END)
			break;
	}
	fleet_close(&worker.fleet);
	free(worker.members);
}
