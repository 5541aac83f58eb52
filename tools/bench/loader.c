/*
 * Owns: the loop of a worker of a load, its sessions, and what each has heard of its friends.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "bench/loader.h"

#include "base/check.h"
#include "base/clock.h"
#include "bench/fleet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Locations in one turn of the loop, so that what comes in is read in between. */
#define SENDS_PER_TURN 256
/* Sessions looked at for joining in one turn, while any is not in. */
#define SCAN_PER_TURN 1024
#define TURN_US 20000u
/*
 * From one turn to the next at least, once all that was due has been sent. In between the worker is deaf:
 * to wake it for each frame costs the server's processor as much as the rest of sending it, which it does
 * not where clients are elsewhere, and a turn for each location and frame costs the worker's own most of
 * what it has. What is heard is so late by this at most, and counted so.
 */
#define TURN_LEAST_US 250u
/* Between two tries to join, when the server names no time; and what it may name. */
#define JOIN_RETRY_US 1000000u
#define JOIN_RETRY_S_MAX 60u
/* A try without an answer for this long is one that failed. */
#define JOIN_TRY_US 30000000u
/* Longer than any load. */
#define TOKEN_VALID_S (24 * 3600)
#define GOODBYE_US 3000000u
#define GOODBYE_TURN 1024

/* In `heard`: the friend is not in view. */
#define HEARD_GONE (UINT32_C(1) << 31)

enum member_state { MEMBER_OUT, MEMBER_JOINING, MEMBER_IN, MEMBER_GIVEN_UP };

struct member {
	uint64_t since_us;	     /* wants to be in */
	uint64_t until_us;	     /* out: tries again then; joining: the try fails then */
	enum member_state state : 8; /* all in two words, as there are many */
};

struct loader {
	const struct load *load;
	struct ledger *ledger;
	struct load_tally *tally;
	struct fleet *fleet;
	struct timetable *timetable;
	uint32_t number;
	uint32_t count;	 /* sessions, */
	uint32_t movers; /* ... of whom the first so many are of the town */
	struct member *members;
	/* For each friend of each mover: the time of what it was last told, as ms since the epoch and 1; with
	 * HEARD_GONE when that is that the friend is gone, and 0 before anything. */
	uint32_t *heard;
	uint32_t order;
	/* Of the ledger, as it was when the order to run came. */
	struct pace pace;
	uint64_t windows_from_us, window_us;
	uint32_t window_count;
	uint32_t join_at; /* next session to look at */
	uint32_t joining;
	uint32_t out;	/* neither in nor given up */
	uint64_t joins; /* begun since joins_since_us */
	uint64_t joins_since_us;
	bool is_ending;
};

static uint32_t session_of(const struct loader *loader, uint32_t local)
{
	return local * loader->load->workers + loader->number;
}

uint32_t loader_user(const struct loader *loader, uint32_t local)
{
	return session_of(loader, local);
}

uint64_t loader_id(const struct loader *loader, uint32_t user)
{
	return loader->load->first_user + user;
}

const struct town *loader_town(const struct loader *loader)
{
	return &loader->load->town;
}

void loader_say(struct loader *loader, uint32_t local, const char *text, size_t length)
{
	if (!fleet_send(loader->fleet, local, text, length))
		loader->tally->counts.unsent++;
}

/* Those who only sit there stand behind everybody's friends. */
static uint64_t id_of(const struct loader *loader, uint32_t local)
{
	const struct town *town = &loader->load->town;
	uint32_t session = session_of(loader, local);
	uint64_t user =
		session < town->count ? session : town_population(town) + (session - town->count);
	return loader->load->first_user + user;
}

void loader_token(const struct loader *loader, uint32_t local, char text[TOKEN_BYTES_MAX + 1])
{
	struct token token = { .user = { id_of(loader, local) },
			       .expiry_s = wall_ms() / 1000 + TOKEN_VALID_S };
	check(token_make(loader->load->key, &token, "", text) == 0);
}

static void example(struct loader *loader, uint32_t local, const char *what, const char *text,
		    size_t length)
{
	if (loader->tally->example[0] == 0)
		snprintf(loader->tally->example, LOAD_EXAMPLE_BYTES, "user %" PRIu64 ", %s: %.*s",
			 id_of(loader, local), what, length < 120 ? (int)length : 120, text);
}

/* ---- joining -------------------------------------------------------------------------------- */

static void join_later(struct loader *loader, uint32_t local, uint64_t now_us, uint64_t wait_us)
{
	struct member *member = &loader->members[local];
	member->state = MEMBER_OUT;
	member->until_us = now_us + wait_us;
	loader->tally->counts.join_retries++;
	if (member->until_us <= member->since_us + loader->load->timeout_us)
		return;
	member->state = MEMBER_GIVEN_UP;
	loader->tally->counts.given_up++;
	loader->out--;
}

static void join_one(struct loader *loader, uint32_t local, uint64_t now_us)
{
	const struct load *load = loader->load;
	struct member *member = &loader->members[local];
	char text[TOKEN_BYTES_MAX + 1], *token = NULL;
	if (load->dialect->shows_token) {
		loader_token(loader, local, text);
		token = text;
	}
	loader->joins++;
	if (member->since_us == 0)
		member->since_us = now_us;
	if (fleet_connect(loader->fleet, local, token) < 0) {
		loader->tally->counts.broken++;
		join_later(loader, local, now_us, JOIN_RETRY_US);
		return;
	}
	member->state = MEMBER_JOINING;
	member->until_us = now_us + JOIN_TRY_US;
	loader->joining++;
}

static void join_expire(struct loader *loader, uint32_t local, uint64_t now_us)
{
	fleet_drop(loader->fleet, local);
	loader->joining--;
	loader->tally->counts.timed_out++;
	join_later(loader, local, now_us, JOIN_RETRY_US);
}

/* How many more joins may be begun now. */
static uint32_t join_room(const struct loader *loader, uint64_t now_us)
{
	const struct load *load = loader->load;
	uint32_t most = load->joining_max / load->workers, room;
	most = most > 0 ? most : 1;
	/* A storm knows no manners. */
	if (ledger_phase(loader->order) == LOAD_STORM)
		most = loader->count;
	room = most > loader->joining ? most - loader->joining : 0;
	if (load->joins_per_s > 0) {
		double begun = load->joins_per_s / load->workers *
			       (double)(now_us - loader->joins_since_us) / 1e6;
		double left = begun - (double)loader->joins;
		room = left < room ? (left > 0 ? (uint32_t)left : 0) : room;
	}
	return room;
}

static void join_more(struct loader *loader, uint64_t now_us)
{
	uint32_t room = join_room(loader, now_us);
	for (uint32_t i = 0; i < SCAN_PER_TURN && loader->out > 0; i++) {
		uint32_t local = loader->join_at;
		struct member *member = &loader->members[local];
		loader->join_at = (local + 1) % loader->count;
		if (member->state == MEMBER_OUT && member->until_us <= now_us && room > 0) {
			join_one(loader, local, now_us);
			room--;
		} else if (member->state == MEMBER_JOINING && member->until_us <= now_us) {
			join_expire(loader, local, now_us);
		}
	}
}

void loader_joined(struct loader *loader, uint32_t local, uint64_t now_us)
{
	struct member *member = &loader->members[local];
	if (member->state != MEMBER_JOINING) {
		loader_bad(loader, local, "a second welcome", strlen("a second welcome"));
		return;
	}
	member->state = MEMBER_IN;
	loader->joining--;
	loader->out--;
	loader->tally->counts.joined++;
	latency_add(&loader->tally->join_latency, elapsed_us(member->since_us, now_us));
}

/* ---- a storm -------------------------------------------------------------------------------- */

static void forget_friends(struct loader *loader, uint32_t local)
{
	uint32_t active = loader->load->town.active;
	if (local < loader->movers)
		memset(&loader->heard[(size_t)local * active], 0, active * sizeof(*loader->heard));
}

/* The worker's share of the first sessions is cut off at once, and wants to be in again at once. */
static void storm_begin(struct loader *loader, uint64_t now_us)
{
	memset(&loader->tally->join_latency, 0, sizeof(loader->tally->join_latency));
	loader->joins = 0;
	loader->joins_since_us = now_us;
	for (uint32_t local = 0; local < loader->count; local++) {
		struct member *member = &loader->members[local];
		if (member->state != MEMBER_IN ||
		    session_of(loader, local) >= loader->ledger->storm)
			continue;
		fleet_drop(loader->fleet, local);
		forget_friends(loader, local);
		*member = (struct member){ .state = MEMBER_OUT, .since_us = now_us };
		loader->tally->counts.dropped++;
		loader->out++;
	}
}

/* ---- what the fleet reports ----------------------------------------------------------------- */

static void on_opened(void *context, uint32_t local)
{
	struct loader *loader = context;
	loader->load->dialect->greet(loader, local);
}

static void on_text(void *context, uint32_t local, const char *text, size_t length, uint64_t now_us)
{
	struct loader *loader = context;
	loader->tally->counts.messages++;
	loader->load->dialect->hear(loader, local, text, length, now_us);
}

static void on_pong(void *context, uint32_t local)
{
	/* None was asked for. */
	(void)context;
	(void)local;
}

static void on_ended(void *context, uint32_t local, const struct fleet_end *end)
{
	struct loader *loader = context;
	struct member *member = &loader->members[local];
	char why[100];
	bool was_in = member->state == MEMBER_IN;
	if (loader->is_ending)
		return;
	if (!was_in)
		loader->joining--;
	loader->tally->counts.refused += end->http_status == 503 || end->http_status == 429;
	loader->tally->counts.lost += was_in;
	snprintf(why, sizeof(why), "%s, HTTP status %u, close code %u", strerror(end->error),
		 end->http_status, end->close_code);
	if (was_in) {
		example(loader, local, "ended", why, strlen(why));
		forget_friends(loader, local);
		member->state = MEMBER_GIVEN_UP;
		return;
	}
	loader->tally->counts.broken += end->http_status == 0;
	uint64_t wait_s =
		end->retry_after_s < JOIN_RETRY_S_MAX ? end->retry_after_s : JOIN_RETRY_S_MAX;
	if (end->http_status != 0 && end->http_status != 503 && end->http_status != 429)
		example(loader, local, "not let in", why, strlen(why));
	join_later(loader, local, boot_us(), wait_s == 0 ? JOIN_RETRY_US : wait_s * 1000000);
}

static const struct fleet_handler HANDLER = { on_opened, on_text, on_pong, on_ended };

/* ---- what is heard -------------------------------------------------------------------------- */

/* What the session knows of that friend; NULL, and counted, when it is none. */
static uint32_t *heard_of(struct loader *loader, uint32_t local, uint64_t id)
{
	const struct town *town = &loader->load->town;
	uint64_t friend = id - loader->load->first_user;
	int idx = -1;
	if (local < loader->movers && friend < town->count)
		idx = town_friend_idx(town, session_of(loader, local), (uint32_t) friend);
	if (idx < 0) {
		char text[24];
		int length = snprintf(text, sizeof(text), "%" PRIu64, id);
		loader->tally->counts.not_friend++;
		example(loader, local, "told of who is no friend", text, (size_t)length);
		return NULL;
	}
	return &loader->heard[(size_t)local * town->active + (uint32_t)idx];
}

/* A time of a message as `heard` has it; of one from before this run it is 1. */
static uint32_t heard_at(const struct loader *loader, int64_t ts_ms)
{
	int64_t since_ms = ts_ms - loader->ledger->epoch_ms;
	return since_ms < 0 ? 1 : since_ms < HEARD_GONE - 2 ? (uint32_t)since_ms + 1 : HEARD_GONE - 1;
}

static bool is_in_view(uint32_t heard)
{
	return heard != 0 && (heard & HEARD_GONE) == 0;
}

/* The same of a moment on our clock. */
static uint32_t heard_by(const struct loader *loader, uint64_t at_us)
{
	return heard_at(loader, loader->ledger->epoch_ms +
					(int64_t)(elapsed_us(loader->ledger->epoch_us, at_us) / 1000));
}

/* The end of the millisecond that `heard` has, on our clock. */
static uint64_t told_us(const struct loader *loader, uint32_t heard)
{
	return loader->ledger->epoch_us + heard * UINT64_C(1000);
}

/* The window in which that was due; NULL: none. */
static struct load_window *window_of(struct loader *loader, uint64_t due_us)
{
	if (due_us < loader->windows_from_us)
		return NULL;
	uint64_t number = (due_us - loader->windows_from_us) / loader->window_us;
	return number < loader->window_count ? &loader->tally->windows[number] : NULL;
}

static void cover_one(struct load_window *window, uint64_t due_us, uint64_t now_us)
{
	window->covered++;
	latency_add(&window->latency, elapsed_us(due_us, now_us));
}

/*
 * The friend's locations behind `from` up to `to` (as `heard` has them) have arrived, the last in
 * person, those before as they were overtaken: each took from when it was due until now.
 */
static void cover(struct loader *loader, uint32_t local, uint32_t friend, uint32_t from,
		  uint32_t to, uint64_t now_us)
{
	const struct pace *pace = &loader->pace;
	/* What was due before the pace began counts for no window any more. */
	uint64_t epoch_us = loader->ledger->epoch_us;
	uint64_t start = (pace->start_us - epoch_us) / 1000 + 1;
	uint64_t period_ms = pace->period_us / 1000;
	if (period_ms == 0 || to < start)
		return;
	uint64_t last = (to - start) / period_ms;
	uint64_t first = from < start ? 0 : (from - start) / period_ms + 1;
	if ((pace_due_us(pace, friend, last) - epoch_us) / 1000 + 1 != to) {
		loader->tally->counts.never_sent++;
		example(loader, local, "told of a place that was never sent", "", 0);
		return;
	}
	for (uint64_t round = first; round <= last; round++) {
		uint64_t due_us = pace_due_us(pace, friend, round);
		struct load_window *window = window_of(loader, due_us);
		if (window != NULL)
			cover_one(window, due_us, now_us);
	}
}

/* Where the user is at that time of the pace; nowhere before its first location. */
static struct spot spot_at(const struct loader *loader, uint32_t user, uint64_t at_us)
{
	const struct pace *pace = &loader->pace;
	const struct town *town = &loader->load->town;
	uint64_t round = (at_us - pace->start_us) / pace->period_us, step = pace->first_step + round;
	if (pace_due_us(pace, user, round) <= at_us)
		return town_spot(town, town_place(town, user, step));
	return step == 0 ? TOWN_NOWHERE : town_spot(town, town_place(town, user, step - 1));
}

/*
 * The same where the friend came into view or left it in between: of the locations behind `from` and due by
 * `until_us` those that were in range then are overtaken, by the place that was told or by the word that the
 * friend is gone.
 */
static void cover_crossing(struct loader *loader, uint32_t local, uint32_t friend, uint32_t from,
			   uint64_t until_us, uint64_t now_us)
{
	const struct pace *pace = &loader->pace;
	const struct town *town = &loader->load->town;
	uint64_t from_us = told_us(loader, from);
	if (from_us < loader->windows_from_us)
		from_us = loader->windows_from_us;
	if (pace->period_us == 0 || loader->window_count == 0 || from_us < pace->start_us)
		return;
	uint64_t round = (from_us - pace->start_us) / pace->period_us, due_us;
	for (; (due_us = pace_due_us(pace, friend, round)) <= until_us; round++) {
		struct load_window *window = window_of(loader, due_us);
		if (window == NULL || due_us < from_us)
			continue;
		struct spot place = town_spot(town, town_place(town, friend, pace->first_step + round));
		if (spots_are_near(place, spot_at(loader, session_of(loader, local), due_us)))
			cover_one(window, due_us, now_us);
	}
}

void loader_told(struct loader *loader, uint32_t local, uint64_t id, int64_t ts_ms, uint64_t now_us)
{
	struct load_counts *counts = &loader->tally->counts;
	uint32_t *heard = heard_of(loader, local, id);
	if (heard == NULL)
		return;
	uint32_t before = *heard, now = heard_at(loader, ts_ms);
	uint32_t friend = (uint32_t)(id - loader->load->first_user);
	bool was_in_view = is_in_view(before);
	counts->entries++;
	if (was_in_view && now < before) {
		counts->backwards++;
		example(loader, local, "told of an older place after a newer", "", 0);
		return;
	}
	*heard = now;
	counts->before += now == 1;
	counts->entered += !was_in_view;
	counts->refreshed += before == now;
	if (!was_in_view)
		cover_crossing(loader, local, friend, before & ~HEARD_GONE, told_us(loader, now), now_us);
	else if (before < now)
		cover(loader, local, friend, before, now, now_us);
}

void loader_told_at(struct loader *loader, uint32_t local, uint64_t id, int64_t ts_ms,
		    struct nearby_place place, uint64_t now_us)
{
	struct spot own = loader->ledger->spots[session_of(loader, local)];
	if (spots_are_near(town_spot(&loader->load->town, place), own)) {
		loader_told(loader, local, id, ts_ms, now_us);
		return;
	}
	uint32_t *heard = heard_of(loader, local, id);
	if (heard != NULL)
		*heard = HEARD_GONE | heard_at(loader, ts_ms);
	loader->tally->counts.filtered++;
}

void loader_listed(struct loader *loader, uint32_t local, uint64_t id, int64_t ts_ms)
{
	uint32_t *heard = heard_of(loader, local, id);
	uint32_t now = heard_at(loader, ts_ms);
	if (heard != NULL && (!is_in_view(*heard) || *heard < now))
		*heard = now;
}

void loader_gone(struct loader *loader, uint32_t local, uint64_t id, uint64_t now_us)
{
	uint32_t *heard = heard_of(loader, local, id);
	loader->tally->counts.gone++;
	if (heard == NULL)
		return;
	if (is_in_view(*heard))
		cover_crossing(loader, local, (uint32_t)(id - loader->load->first_user), *heard, now_us,
			       now_us);
	*heard = HEARD_GONE | heard_by(loader, now_us);
}

void loader_refused(struct loader *loader, uint32_t local, const char *text, size_t length)
{
	loader->tally->counts.errors++;
	example(loader, local, "refused", text, length);
}

void loader_bad(struct loader *loader, uint32_t local, const char *text, size_t length)
{
	loader->tally->counts.bad_messages++;
	example(loader, local, "not understood", text, length);
}

/* ---- what is sent --------------------------------------------------------------------------- */

static uint64_t due_of(const struct loader *loader, uint32_t user, struct spot own)
{
	const struct town *town = &loader->load->town;
	uint64_t due = 0;
	for (uint32_t idx = 0; idx < town->active; idx++)
		due += spots_are_near(loader->ledger->spots[town_friend(town, user, idx)], own);
	return due;
}

static void send_one(struct loader *loader, const struct timetable_entry *entry, uint64_t now_us)
{
	const struct load *load = loader->load;
	struct ledger *ledger = loader->ledger;
	struct load_counts *counts = &loader->tally->counts;
	char text[DIALECT_LOCATION_BYTES_MAX];
	uint32_t user = session_of(loader, entry->local);
	if (loader->members[entry->local].state != MEMBER_IN) {
		counts->not_sent++;
		return;
	}
	struct announcement said = {
		.id = load->first_user + user,
		.place = town_place(&load->town, user, loader->pace.first_step + entry->round),
		.ts_ms = ledger->epoch_ms + (int64_t)((entry->due_us - ledger->epoch_us) / 1000),
	};
	struct spot spot = town_spot(&load->town, said.place);
	ledger->spots[user] = spot;
	if (!fleet_send(loader->fleet, entry->local, text, load->dialect->announce(text, &said))) {
		counts->unsent++;
		return;
	}
	counts->sent++;
	struct load_window *window = window_of(loader, entry->due_us);
	if (window == NULL)
		return;
	latency_add(&window->lateness, elapsed_us(entry->due_us, now_us));
	window->due += due_of(loader, user, spot);
}

/* Sends what is due. Returns how long there is nothing to do, in µs. */
static uint64_t send_due(struct loader *loader, uint64_t now_us)
{
	struct timetable_entry entry;
	for (unsigned i = 0; i < SENDS_PER_TURN; i++) {
		if (!timetable_next(loader->timetable, &entry))
			return TURN_US;
		if (entry.due_us > now_us)
			now_us = boot_us();
		if (entry.due_us > now_us)
			return entry.due_us - now_us < TURN_US ? entry.due_us - now_us : TURN_US;
		send_one(loader, &entry, now_us);
		timetable_take(loader->timetable);
	}
	return 0;
}

/* ---- orders --------------------------------------------------------------------------------- */

/* Takes up a new order. */
static void turn_to(struct loader *loader, uint32_t order, uint64_t now_us)
{
	loader->order = order;
	switch (ledger_phase(order)) {
	case LOAD_WAIT:
		break;
	case LOAD_JOIN:
		loader->joins_since_us = now_us;
		break;
	case LOAD_RUN:
		loader->pace = loader->ledger->pace;
		loader->windows_from_us = loader->ledger->windows_from_us;
		loader->window_us = loader->ledger->window_us;
		loader->window_count = loader->ledger->window_count;
		memset(loader->tally->windows, 0,
		       loader->window_count * sizeof(loader->tally->windows[0]));
		timetable_turn(loader->timetable, &loader->pace);
		break;
	case LOAD_STORM:
		storm_begin(loader, now_us);
		break;
	case LOAD_PAUSE:
	case LOAD_END:
		break;
	}
}

/* Carries the order on. Returns how long to wait for events at most, in µs. */
static uint64_t carry_on(struct loader *loader, uint64_t now_us)
{
	enum load_phase phase = ledger_phase(loader->order);
	bool is_joining = phase == LOAD_JOIN || phase == LOAD_STORM;
	if (loader->out > 0 && phase != LOAD_WAIT)
		join_more(loader, now_us);
	if (!is_joining || loader->out == 0)
		atomic_store_explicit(&loader->tally->done, loader->order, memory_order_release);
	uint64_t wait_us = TURN_US;
	if (phase == LOAD_RUN || phase == LOAD_STORM)
		wait_us = send_due(loader, now_us);
	/* Waits between joins are short, and looking for who is next takes turns. */
	return loader->out > 0 && wait_us > 1000 ? 1000 : wait_us;
}

/* Sleeps until a turn that began then has taken the least it may. */
static void rest(uint64_t began_us)
{
	uint64_t took_us = elapsed_us(began_us, boot_us());
	if (took_us < TURN_LEAST_US)
		usleep((useconds_t)(TURN_LEAST_US - took_us));
}

/* 0 when told to end, or negative errno. */
static int work(struct loader *loader)
{
	/* Sleeps end when they are to, not up to 50 us later. */
	prctl(PR_SET_TIMERSLACK, 1000ul);
	for (;;) {
		uint64_t now_us = boot_us();
		uint32_t order = ledger_read(loader->ledger);
		if (order != loader->order)
			turn_to(loader, order, now_us);
		if (ledger_phase(order) == LOAD_END)
			return 0;
		uint64_t wait_us = carry_on(loader, now_us);
		int error = fleet_poll(loader->fleet, wait_us);
		loader->tally->counts.bytes = fleet_received_bytes(loader->fleet);
		if (error < 0)
			return error;
		if (wait_us > 0)
			rest(now_us);
	}
}

static void say_goodbye(struct loader *loader)
{
	loader->is_ending = true;
	for (uint32_t local = 0; local < loader->count; local++) {
		if (loader->members[local].state == MEMBER_IN)
			fleet_shut(loader->fleet, local);
		if (local % GOODBYE_TURN == 0)
			fleet_poll(loader->fleet, 0);
	}
	uint64_t until_us = boot_us() + GOODBYE_US;
	while (fleet_open_count(loader->fleet) > 0 && boot_us() < until_us)
		fleet_poll(loader->fleet, TURN_US);
}

/* How many of the numbers below `all` are this worker's. */
static uint32_t share_of(const struct load *load, uint32_t number, uint32_t all)
{
	return all / load->workers + (number < all % load->workers);
}

static int loader_open(struct loader *loader, const struct load *load, uint32_t number)
{
	uint32_t all = load->town.count + load->idle;
	loader->load = load;
	loader->ledger = load->ledger;
	loader->tally = &load->ledger->tallies[number];
	loader->number = number;
	loader->count = loader->out = share_of(load, number, all);
	loader->movers = share_of(load, number, load->town.count);
	loader->members = calloc(loader->count, sizeof(*loader->members));
	loader->heard =
		calloc((size_t)loader->movers * load->town.active + 1, sizeof(*loader->heard));
	if (loader->members == NULL || loader->heard == NULL)
		return -ENOMEM;
	int error = timetable_open(&loader->timetable, number, load->workers, loader->movers);
	if (error < 0)
		return error;
	struct fleet_config config = { .target = load->target,
				       .clients_max = loader->count,
				       .first_client = number * (all / load->workers + 1),
				       .path = load->dialect->path,
				       .subprotocol = load->dialect->subprotocol,
				       .is_binary = load->dialect->is_binary,
				       .handler = &HANDLER,
				       .context = loader };
	return fleet_open(&loader->fleet, &config);
}

int loader_run(const struct load *load, uint32_t number)
{
	struct loader *loader = calloc(1, sizeof(*loader));
	int error = loader == NULL ? -ENOMEM : loader_open(loader, load, number);
	if (error == 0)
		error = work(loader);
	if (error == 0)
		say_goodbye(loader);
	else
		fprintf(stderr, "nearby-bench: worker %u: %s\n", number, strerror(-error));
	if (loader != NULL) {
		fleet_close(&loader->fleet);
		timetable_close(&loader->timetable);
		free(loader->members);
		free(loader->heard);
	}
	free(loader);
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
