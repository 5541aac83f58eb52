/*
 * Owns: the thread that writes history.mdb: commit windows, hiding, merging,
 *   retention, erasing.
 * Invariant: a location is on disk one commit window after it was appended, while the disk works;
 *   while it does not, what waits is kept until the buffer is full, and tried again.
 * Thread: this one. Clients append without waking it: it looks by itself, several times a window.
 * Does not know: how history is laid out.
 *
 * A user is deleted here first and then, by the users thread, from users.mdb: when the machine stops
 * in between, the profile is still there, the deletion was not answered, and asking again does all.
 */
#include "store/threads.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/eraser.h"
#include "store/point.h"

#include <errno.h>
#include <string.h>

enum { LOOKS_A_WINDOW = 8, DRAIN_RECORDS = 256, REQUESTS_MAX = 1024 };
/* A failing commit is tried again after one window, two, four, up to this. */
#define BACKOFF_US_MAX ((uint64_t)10 * 1000 * 1000)
/* Points that a tier merges with each commit: twice what came in, so that merging keeps ahead, and this many
 * more, so that it ends also while little comes in, and in few steps: pages that are freed by one step lie
 * together, and so can be written at once when they are used again. A step of these takes some 25 ms. */
enum { UPKEEP_POINTS = 1024 * 1024 };

struct writer_state {
	struct store *store;
	uint32_t count; /* points in store->window */
	uint64_t receipt_min_us;
	uint64_t receipt_max_us;
	uint64_t due_us;     /* when the window is to be committed, while count > 0 */
	uint64_t backoff_us; /* 0 while commits succeed */
	uint64_t upkeep_due_us;
	uint64_t committed; /* points without an upkeep beside them */
	bool upkeep_fails;
	struct eraser eraser;
};

static uint64_t window_us(const struct store *store)
{
	uint64_t us = store->config.history_commit_ms * 1000;
	return us == 0 ? 1000 : us;
}

/* ---- gathering ------------------------------------------------------------------------------ */

static void window_add(struct writer_state *writer, const struct append *append)
{
	struct store_point *point = &writer->store->window[writer->count++];
	point->user.value = append->user;
	point->ts_ms = append->client_ms;
	point->place = append->place;
	if (append->receipt_us < writer->receipt_min_us)
		writer->receipt_min_us = append->receipt_us;
	if (append->receipt_us > writer->receipt_max_us)
		writer->receipt_max_us = append->receipt_us;
}

/* Takes what clients appended, as far as the window has room. */
static void window_gather(struct writer_state *writer)
{
	struct store *store = writer->store;
	struct append appends[DRAIN_RECORDS];
	bool was_empty = writer->count == 0;
	for (uint32_t client = 0; client < store->config.clients; client++) {
		uint32_t taken;
		do {
			uint32_t room = store->window_max - writer->count;
			taken = ring_drain(store->appends[client], appends,
					   room < DRAIN_RECORDS ? room : DRAIN_RECORDS);
			for (uint32_t i = 0; i < taken; i++)
				window_add(writer, &appends[i]);
		} while (taken == DRAIN_RECORDS);
	}
	/* The first may have waited since the look before this one. */
	if (was_empty && writer->count > 0)
		writer->due_us = boot_us() + window_us(store) - window_us(store) / LOOKS_A_WINDOW;
}

static uint64_t pending(const struct writer_state *writer)
{
	uint64_t count = writer->count;
	for (uint32_t i = 0; i < writer->store->config.clients; i++)
		count += writer->store->append_capacity - 1 - ring_room(writer->store->appends[i]);
	return count;
}

/* ---- upkeep --------------------------------------------------------------------------------- */

static int64_t retain_from_ms(const struct store *store)
{
	uint64_t retention_ms = store->config.history_retention_ms;
	return retention_ms == 0 ? INT64_MIN : wall_ms() - (int64_t)retention_ms;
}

static void upkeep_succeeded(struct writer_state *writer, const struct history_upkeep *done)
{
	struct store *store = writer->store;
	writer->committed = 0;
	counter_add(store_counter(store, STORE_WORD_HISTORY_MERGES), done->merges);
	counter_add(store_counter(store, STORE_WORD_HISTORY_RETIRED), done->retired);
	counter_set(store_counter(store, STORE_WORD_HISTORY_BLOCKS), done->blocks);
	counter_set(store_counter(store, STORE_WORD_HISTORY_BYTES), done->bytes);
}

/* Beside the commit of a window, or, with NULL, alone. */
static int upkeep(struct writer_state *writer, const struct history_window *window)
{
	struct store *store = writer->store;
	struct history_upkeep done;
	uint64_t points = writer->committed + (window == NULL ? 0 : window->count);
	int error = history_upkeep(store->history, window, 2 * points + UPKEEP_POINTS,
				   retain_from_ms(store), &done);
	writer->upkeep_due_us = boot_us() + window_us(store);
	if (error != 0 && !writer->upkeep_fails)
		log_warning("history cannot be merged: %s; it is tried again", strerror(-error));
	writer->upkeep_fails = error != 0;
	if (error == 0)
		upkeep_succeeded(writer, &done);
	return error;
}

/* ---- committing ----------------------------------------------------------------------------- */

static void window_clear(struct writer_state *writer)
{
	writer->count = 0;
	writer->receipt_min_us = UINT64_MAX;
	writer->receipt_max_us = 0;
}

static void commit_failed(struct writer_state *writer, int error)
{
	if (writer->backoff_us == 0) {
		log_error("history cannot be written: %s; it is kept and tried again",
			  strerror(-error));
		writer->backoff_us = window_us(writer->store);
	} else if (writer->backoff_us < BACKOFF_US_MAX) {
		writer->backoff_us *= 2;
	}
	counter_add(store_counter(writer->store, STORE_WORD_HISTORY_FAILED), 1);
	writer->due_us = boot_us() + writer->backoff_us;
}

static void commit_succeeded(struct writer_state *writer, uint64_t took_us)
{
	struct store *store = writer->store;
	if (writer->backoff_us != 0)
		log_notice("history is written again");
	writer->backoff_us = 0;
	counter_add(store_counter(store, STORE_WORD_HISTORY_LOCATIONS), writer->count);
	counter_add(store_counter(store, STORE_WORD_HISTORY_COMMITS), 1);
	histogram_add(store_counter(store, STORE_WORD_HISTORY_COMMIT_SECONDS), took_us);
	window_clear(writer);
}

/* Commits the window, and merges beside it; what keeps that from being done does not keep the window. */
static int window_write(struct writer_state *writer)
{
	struct store *store = writer->store;
	/* What the wall clock says now about the moments of receipt. */
	int64_t boot_to_wall_ms = wall_ms() - (int64_t)(boot_us() / 1000);
	struct store_point *sorted = history_room(store->history, writer->count);
	points_sort_to(sorted, store->scratch, store->window, writer->count);
	struct history_window window = {
		.points = sorted,
		.count = writer->count,
		.receipt_min_ms = (int64_t)(writer->receipt_min_us / 1000) + boot_to_wall_ms,
		.receipt_max_ms = (int64_t)(writer->receipt_max_us / 1000) + boot_to_wall_ms,
	};
	if (upkeep(writer, &window) == 0)
		return 0;
	int error = history_commit(store->history, &window);
	if (error == 0)
		writer->committed += writer->count;
	return error;
}

/* Commits the window when there is something in it. */
static int window_commit(struct writer_state *writer)
{
	if (writer->count == 0)
		return 0;
	uint64_t start_us = boot_us();
	int error = window_write(writer);
	if (error == 0)
		commit_succeeded(writer, boot_us() - start_us);
	else
		commit_failed(writer, error);
	return error;
}

/*
 * Commits all that was appended before the call: several windows when the rings hold more. Bounded by
 * what was there, so that appending on and on does not keep it here.
 */
static int commit_all(struct writer_state *writer)
{
	uint64_t left = pending(writer);
	int error = 0;
	do {
		window_gather(writer);
		uint64_t count = writer->count;
		error = window_commit(writer);
		left = left > count && count > 0 ? left - count : 0;
	} while (error == 0 && left > 0);
	return error;
}

/* ---- requests ------------------------------------------------------------------------------- */

/*
 * Hides what these users have so far. Order makes it whole: what was appended before a request was
 * submitted is in the rings when the request is taken, so it goes into windows before the one that the
 * row in the file names; what is appended later goes into that or a later one.
 */
static int erasures_hide(struct writer_state *writer, struct store_request *const *requests, uint32_t count)
{
	struct user_id users[REQUESTS_MAX];
	uint32_t erased = 0;
	bool has_users = false;
	for (uint32_t i = 0; i < count; i++) {
		if (requests[i]->is_flush)
			continue;
		users[erased++] = requests[i]->user;
		has_users |= requests[i]->op == STORE_USER_DELETE;
	}
	int error = erased == 0 ? 0 : history_hide(writer->store->history, users, erased);
	if (error == 0 && erased > 0)
		eraser_note(&writer->eraser, erased, has_users);
	return error;
}

/* Answers flushes and erasures, and hands deletions on to the users thread, all after one commit. */
static void requests_answer(struct writer_state *writer, struct store_request **requests,
			    uint32_t count)
{
	struct store *store = writer->store;
	int error = commit_all(writer);
	if (error == 0)
		error = erasures_hide(writer, requests, count);
	for (uint32_t i = 0; i < count; i++) {
		struct store_request *request = requests[i];
		bool is_deletion = !request->is_flush && request->op == STORE_USER_DELETE;
		request->status = error;
		if (is_deletion && error == 0)
			check(lane_post(&store->lanes[LANE_USERS], writer_poster(store), request));
		else
			lane_answer(&store->lanes[LANE_WRITER], request);
	}
	lane_wake(&store->lanes[LANE_WRITER]);
}

/* Never more than the users thread's ring takes. */
static uint32_t requests_take(struct store *store, struct store_request **requests)
{
	uint32_t max = ring_room(store->lanes[LANE_USERS].requests[writer_poster(store)]);
	if (max > REQUESTS_MAX)
		max = REQUESTS_MAX;
	uint32_t count = 0;
	for (uint32_t client = 0; client < store->config.clients; client++)
		count += lane_take(&store->lanes[LANE_WRITER], client, requests + count,
				   max - count);
	return count;
}

/* ---- thread --------------------------------------------------------------------------------- */

static bool commit_is_due(const struct writer_state *writer)
{
	bool full = writer->count == writer->store->window_max && writer->backoff_us == 0;
	return writer->count > 0 && (full || boot_us() >= writer->due_us);
}

/* One look at everything. Returns whether it found something that may have left more behind. */
static bool turn(struct writer_state *writer)
{
	struct store_request *requests[REQUESTS_MAX];
	uint32_t count = requests_take(writer->store, requests);
	window_gather(writer);
	bool due = commit_is_due(writer);
	if (count > 0)
		requests_answer(writer, requests, count);
	else if (due)
		window_commit(writer);
	/* Also when there are no commits. */
	if (boot_us() >= writer->upkeep_due_us)
		upkeep(writer, NULL);
	eraser_turn(&writer->eraser);
	counter_set(store_counter(writer->store, STORE_WORD_HISTORY_PENDING), pending(writer));
	return count > 0 || (due && writer->backoff_us == 0);
}

/* How long it may sleep: it looks for appended locations by itself. */
static uint64_t rest_us(const struct writer_state *writer)
{
	uint64_t look_us = window_us(writer->store) / LOOKS_A_WINDOW;
	uint64_t erase_us = eraser_rest_us(&writer->eraser);
	return look_us < erase_us ? look_us : erase_us;
}

void *writer_thread(void *argument)
{
	struct store *store = argument;
	struct bell *bell = &store->lanes[LANE_WRITER].bell;
	struct writer_state writer = { .store = store };
	window_clear(&writer);
	eraser_init(&writer.eraser, store);
	while (!atomic_load(&store->is_stopping[LANE_WRITER])) {
		uint32_t seen = bell_seen(bell);
		if (!turn(&writer) && !atomic_load(&store->is_stopping[LANE_WRITER]))
			bell_wait(bell, seen, rest_us(&writer));
	}
	if (commit_all(&writer) != 0)
		log_error("history: %llu locations could not be written before the end",
			  (unsigned long long)pending(&writer));
	eraser_fini(&writer.eraser);
	lane_cancel(store, LANE_WRITER);
	return NULL;
}
