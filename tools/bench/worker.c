/*
 * Owns: the loop of a worker, and what it does in each phase.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: whether what is heard is right.
 */
#include "bench/worker.h"

#include "base/clock.h"
#include "bench/crew.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Steps of a plan in one turn of the loop, so that what comes in is read in between. */
#define STEPS_PER_TURN 64
/* Sessions looked at for joining or checking in one turn. */
#define SCAN_PER_TURN 1024
/* Lists asked for at once. */
#define CHECKS_MAX 64
/* A turn waits no longer than this, so orders are seen soon. */
#define TURN_US 20000
/* Tries to join, and the wait between two when the server names none. */
#define JOIN_ATTEMPTS_MAX 30
#define JOIN_RETRY_MS	  1000
#define JOIN_RETRY_S_MAX  60
#define GOODBYE_US	  3000000

struct worker {
	const struct bench *bench;
	struct crew crew;
	void *plan;
	uint32_t order;	     /* being carried out */
	uint32_t join_at;    /* next session to look at */
	uint32_t check_at;
	bool is_plan_over;
};

static uint32_t share_of(const struct worker *worker, uint32_t whole)
{
	uint32_t share = whole / worker->bench->workers;
	return share > 0 ? share : 1;
}

int bench_token(const struct token_key *key, uint64_t user, bool is_admin,
		char text[TOKEN_BYTES_MAX + 1])
{
	struct token token = { .user = { user },
			       .expiry_s = wall_ms() / 1000 + BENCH_TOKEN_VALID_S,
			       .is_admin = is_admin };
	return token_make(key, &token, "", text);
}

/* ---- joining -------------------------------------------------------------------------------- */

static void join_later(struct worker *worker, uint32_t local, unsigned wait_s)
{
	struct session *session = &worker->crew.sessions[local];
	uint64_t wait_ms = wait_s == 0 ? JOIN_RETRY_MS : wait_s * 1000u;
	session->state = SESSION_WAITING;
	session->retry_us = boot_us() + wait_ms * 1000;
	worker->crew.tally->join_retries++;
}

static void join_session(struct worker *worker, uint32_t local)
{
	struct crew *crew = &worker->crew;
	struct session *session = &crew->sessions[local];
	char token[TOKEN_BYTES_MAX + 1];
	uint64_t id = crew->world->ids[crew_user(crew, local)];
	session->attempts++;
	session->since_us = boot_us();
	int error = bench_token(worker->bench->key, id, false, token);
	if (error == 0)
		error = fleet_connect(crew->fleet, local, token);
	if (error == 0) {
		session->state = SESSION_JOINING;
		crew->joining++;
	} else if (error == -EADDRNOTAVAIL && session->attempts < JOIN_ATTEMPTS_MAX) {
		join_later(worker, local, 0);
	} else {
		crew_lose(crew, local, strerror(-error));
	}
}

static void join_more(struct worker *worker)
{
	struct crew *crew = &worker->crew;
	uint32_t room = share_of(worker, worker->bench->joining_max);
	uint64_t now_us = boot_us();
	for (uint32_t i = 0; i < SCAN_PER_TURN && crew->joining < room; i++) {
		struct session *session = &crew->sessions[worker->join_at];
		if (session->state == SESSION_WAITING && session->retry_us <= now_us)
			join_session(worker, worker->join_at);
		worker->join_at = (worker->join_at + 1) % crew->count;
	}
}

/* ---- what the fleet reports ----------------------------------------------------------------- */

static void on_opened(void *context, uint32_t local)
{
	/* The session has joined when its welcome is here. */
	(void)context;
	(void)local;
}

static void on_text(void *context, uint32_t local, const char *text, size_t length, uint64_t now_us)
{
	struct worker *worker = context;
	crew_hear(&worker->crew, local, text, length, now_us);
}

static void on_pong(void *context, uint32_t local)
{
	struct crew *crew = &((struct worker *)context)->crew;
	if (crew->sessions[local].is_fenced) {
		crew->fenced--;
		/* The server has taken what was sent before the ping, and goes by it from here on. */
		oracle_taken(&crew->oracle, crew_user(crew, local));
	}
	crew->sessions[local].is_fenced = false;
}

/* Whether it may go better later: the server is full, not up yet, or the network was busy. */
static bool end_is_passing(const struct fleet_end *end)
{
	return end->http_status == 503 || end->http_status == 429 ||
	       (end->http_status == 0 && end->close_code == 0);
}

static void on_ended(void *context, uint32_t local, const struct fleet_end *end)
{
	struct worker *worker = context;
	struct crew *crew = &worker->crew;
	struct session *session = &crew->sessions[local];
	char why[80];
	if (session->state == SESSION_JOINING) {
		crew->joining--;
		if (end_is_passing(end) && session->attempts < JOIN_ATTEMPTS_MAX &&
		    end->retry_after_s <= JOIN_RETRY_S_MAX) {
			join_later(worker, local, end->retry_after_s);
			return;
		}
	}
	if (crew->is_ending)
		return;
	if (end->http_status != 0)
		snprintf(why, sizeof(why), "answered with HTTP status %u", end->http_status);
	else if (end->close_code != 0)
		snprintf(why, sizeof(why), "closed by the server with %u", end->close_code);
	else
		snprintf(why, sizeof(why), "%s",
			 end->error == EPIPE ? "cut off by the server" : strerror(end->error));
	crew_lose(crew, local, why);
}

static const struct fleet_handler HANDLER = { on_opened, on_text, on_pong, on_ended };

/* ---- phases --------------------------------------------------------------------------------- */

/* Sends one step if it can be now. */
static bool send_step(struct worker *worker, const struct plan_step *step, uint64_t now_us)
{
	struct crew *crew = &worker->crew;
	struct sighting sighting = { .sent_us = now_us };
	uint32_t local = step->user / crew->workers;
	uint32_t fenced_max = worker->bench->in_flight_max;
	if (crew->sessions[local].state == SESSION_LOST) {
		worker->bench->plan->take(worker->plan, &sighting);
		crew->tally->skipped++;
		return true;
	}
	if (!crew_can_move(crew, local) || crew->sessions[local].is_fenced ||
	    (fenced_max > 0 && crew->fenced >= share_of(worker, fenced_max)))
		return false;
	worker->bench->plan->take(worker->plan, &sighting);
	crew_move(crew, local, &sighting);
	if (fenced_max > 0 && fleet_ping(crew->fleet, local)) {
		crew->sessions[local].is_fenced = true;
		crew->fenced++;
	}
	return true;
}

/* Sends what is due. Returns how long there is nothing to do, in µs. */
static uint64_t send_due(struct worker *worker)
{
	const struct bench *bench = worker->bench;
	uint64_t start_us = atomic_load_explicit(&bench->control->start_us, memory_order_relaxed);
	for (unsigned i = 0; i < STEPS_PER_TURN; i++) {
		struct plan_step step;
		uint64_t now_us = boot_us();
		if (!bench->plan->next(worker->plan, &step)) {
			worker->is_plan_over = true;
			return TURN_US;
		}
		if (start_us + step.due_us > now_us) {
			uint64_t wait_us = start_us + step.due_us - now_us;
			return wait_us < TURN_US ? wait_us : TURN_US;
		}
		if (!send_step(worker, &step, now_us))
			return 1000;
	}
	return 0;
}

static void check_more(struct worker *worker)
{
	struct crew *crew = &worker->crew;
	uint64_t now_us = boot_us();
	for (uint32_t i = 0; i < SCAN_PER_TURN && crew->asking < CHECKS_MAX; i++) {
		if (worker->check_at == crew->count)
			return;
		const struct session *session = &crew->sessions[worker->check_at];
		if (session->state == SESSION_READY && session->is_at_own_place)
			crew_check(crew, worker->check_at, now_us);
		worker->check_at++;
	}
}

/* Carries the order on. Returns how long to wait for events at most, in µs. */
static uint64_t carry_on(struct worker *worker, bool *is_done)
{
	struct crew *crew = &worker->crew;
	bool is_calm = crew->fenced == 0 && crew->asking == 0;
	switch (control_phase(worker->order)) {
	case PHASE_JOIN:
		join_more(worker);
		*is_done = crew->settled == crew->count;
		return TURN_US;
	case PHASE_RUN:
		*is_done = worker->is_plan_over && is_calm;
		return worker->is_plan_over ? TURN_US : send_due(worker);
	case PHASE_PAUSE:
		*is_done = is_calm;
		return TURN_US;
	case PHASE_CHECK:
		check_more(worker);
		*is_done = worker->check_at == crew->count && crew->asking == 0;
		return TURN_US;
	case PHASE_END:
		break;
	}
	return TURN_US;
}

/* Takes up a new order. */
static void turn_to(struct worker *worker, uint32_t order)
{
	worker->order = order;
	if (control_phase(order) == PHASE_CHECK) {
		worker->check_at = 0;
		worker->crew.tally->check = (struct check_counts){ .pairs = 0 };
	}
}

/* 0 when told to end, or negative errno. */
static int work(struct worker *worker)
{
	struct control *control = worker->bench->control;
	for (;;) {
		uint32_t order = control_read(control);
		if (order != worker->order)
			turn_to(worker, order);
		if (control_phase(order) == PHASE_END)
			return 0;
		bool is_done = false;
		uint64_t wait_us = carry_on(worker, &is_done);
		if (is_done)
			atomic_store_explicit(&worker->crew.tally->done, order,
					      memory_order_release);
		int error = fleet_poll(worker->crew.fleet, wait_us);
		if (error < 0)
			return error;
	}
}

static void say_goodbye(struct worker *worker)
{
	struct crew *crew = &worker->crew;
	crew->is_ending = true;
	for (uint32_t local = 0; local < crew->count; local++) {
		const struct session *session = &crew->sessions[local];
		if (session->state == SESSION_CHECKING)
			tally_find(crew->tally, VERDICT_LIST_UNANSWERED, "user %" PRIu64,
				   crew->world->ids[crew_user(crew, local)]);
		if (session->state != SESSION_WAITING && session->state != SESSION_LOST)
			fleet_shut(crew->fleet, local);
		if (local % SCAN_PER_TURN == 0)
			fleet_poll(crew->fleet, 0);
	}
	uint64_t until_us = boot_us() + GOODBYE_US;
	while (fleet_open_count(crew->fleet) > 0 && boot_us() < until_us)
		fleet_poll(crew->fleet, TURN_US);
}

static int worker_open(struct worker *worker, const struct bench *bench, uint32_t number)
{
	struct crew *crew = &worker->crew;
	uint32_t users = bench->world->user_count;
	worker->bench = bench;
	crew->world = bench->world;
	crew->control = bench->control;
	crew->tally = &bench->control->tallies[number];
	crew->oracle = (struct oracle){ .world = bench->world };
	crew->has_guest = bench->has_guest;
	crew->guest = bench->guest;
	crew->worker = number;
	crew->workers = bench->workers;
	crew->count = users / bench->workers + (number < users % bench->workers);
	crew->sessions = calloc(crew->count, sizeof(*crew->sessions));
	worker->plan = bench->plan->open(bench->plan_source, number, bench->workers);
	if (crew->sessions == NULL || worker->plan == NULL)
		return -ENOMEM;
	struct fleet_config config = { .target = bench->target,
				       .clients_max = crew->count,
				       .first_client = number * (users / bench->workers + 1),
				       .path = "/v1/ws",
				       .subprotocol = "nearby.v1.json",
				       .handler = &HANDLER,
				       .context = worker };
	return fleet_open(&crew->fleet, &config);
}

int worker_run(const struct bench *bench, uint32_t number)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int error = worker == NULL ? -ENOMEM : worker_open(worker, bench, number);
	if (error == 0)
		error = work(worker);
	if (error == 0)
		say_goodbye(worker);
	else
		fprintf(stderr, "nearby-bench: worker %u: %s\n", number, strerror(-error));
	if (worker != NULL) {
		fleet_close(&worker->crew.fleet);
		if (worker->plan != NULL)
			bench->plan->close(worker->plan);
		free(worker->crew.sessions);
	}
	free(worker);
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
