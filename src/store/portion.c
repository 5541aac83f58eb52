/*
 * Owns: answering STORE_HISTORY and STORE_EXPORT in portions.
 * Invariant: a portion begins where the one before it ended, whatever was merged in between: the
 *   place is a user and a time, and not a place in the file.
 * Thread: the one that reads history.
 * Does not know: rings, clients.
 */
#include "base/check.h"
#include "store/history.h"
#include "store/point.h"
#include "store/run.h"
#include "store/scan.h"
#include "store/warm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A scan for an export reads about so far ahead: what it has when a portion is full is for nothing. */
enum { EXPORT_BATCH_POINTS = STORE_PORTION_MAX / 4 };

/* The points of one user that come first in time, gathered from many runs with bounded memory. */
struct earliest {
	struct store_point *points;
	size_t count;
	size_t wanted;	/* the earliest so many are kept; there is room for twice that */
	int64_t end_ms; /* later points are not wanted any more */
};

static void earliest_cut(struct earliest *earliest)
{
	points_sort_by_time(earliest->points, earliest->count);
	if (earliest->count <= earliest->wanted)
		return;
	earliest->count = earliest->wanted;
	earliest->end_ms = earliest->points[earliest->wanted - 1].ts_ms;
}

static void earliest_add(struct earliest *earliest, const struct store_point *point)
{
	if (earliest->count == 2 * earliest->wanted)
		earliest_cut(earliest);
	earliest->points[earliest->count++] = *point;
}

/* Where a portion begins in one user's time, and what it may hold. */
struct span {
	struct user_id user;
	int64_t from_ms; /* from_ms <= ts < to_ms */
	int64_t to_ms;
	uint64_t skip; /* points at exactly from_ms that were given before */
};

/* Adds what a block has of the span. False: the span ends in it. */
static bool span_add(const struct span *span, const struct store_point *points, uint32_t count,
		     struct earliest *earliest)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct store_point *point = &points[i];
		if (point->user.value < span->user.value)
			continue;
		if (!user_id_equal(point->user, span->user) || point->ts_ms >= span->to_ms ||
		    point->ts_ms > earliest->end_ms)
			return false;
		if (point->ts_ms >= span->from_ms)
			earliest_add(earliest, point);
	}
	return true;
}

static void span_read_run(const struct span *span, struct lmdb_txn *txn, const struct run *run,
			  struct earliest *earliest)
{
	struct store_point points[BLOCK_POINTS_MAX];
	struct run_reader reader;
	run_reader_open(&reader, txn, run, span->user.value);
	/* Not a block further than the span, as it may lie in a page that is still to come from disk. */
	while (reader.has_block && span_add(span, points, run_reader_take(&reader, points), earliest))
		run_reader_pass(&reader);
	run_reader_close(&reader);
}

static bool run_overlaps(const struct run *run, int64_t from_ms, int64_t to_ms)
{
	return run->record.ts_min_ms < to_ms && run->record.ts_max_ms >= from_ms &&
	       run->user_from < run->user_end;
}

static bool run_answers(const struct run *run, struct user_id user)
{
	return run->user_from <= user.value && user.value < run->user_end;
}

static int points_answer(struct store_request *request, const struct store_point *points,
			 size_t count)
{
	if (count > 0) {
		request->points = malloc(count * sizeof(*points));
		if (request->points == NULL)
			return -ENOMEM;
		memcpy(request->points, points, count * sizeof(*points));
	}
	request->point_count = (uint32_t)count;
	return 0;
}

/*
 * Gives the earliest of a span, and says in *span where the next portion begins. A portion ends
 * between two times, so that a point that comes later at its last time shifts nothing; only when one
 * time fills all of it, it ends inside and counts.
 */
static int span_answer(struct store_request *request, struct span *span,
		       const struct earliest *earliest)
{
	size_t skip = span->skip < earliest->count ? span->skip : earliest->count;
	const struct store_point *points = earliest->points + skip;
	size_t left = earliest->count - skip, given = left;
	request->more = left > STORE_PORTION_MAX;
	if (request->more) {
		int64_t next_ms = points[STORE_PORTION_MAX].ts_ms;
		given = STORE_PORTION_MAX;
		while (given > 0 && points[given - 1].ts_ms == next_ms)
			given--;
		if (given == 0)
			given = STORE_PORTION_MAX;
		span->skip = given == STORE_PORTION_MAX && points[given - 1].ts_ms == next_ms
				     ? (span->from_ms == next_ms ? span->skip : 0) + given
				     : 0;
		span->from_ms = next_ms;
	}
	return points_answer(request, points, given);
}

/* The runs that may hold points of the span. */
static uint32_t span_runs(const struct span *span, struct lmdb_txn *txn,
			  const struct run_list *list, const struct run **runs)
{
	uint64_t hidden_before = run_hidden_before(txn, span->user);
	uint32_t count = 0;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct run *run = &list->runs[i];
		if (run_answers(run, span->user) && run->record.last_window >= hidden_before &&
		    run_overlaps(run, span->from_ms, span->to_ms))
			runs[count++] = run;
	}
	return count;
}

/* Reads them in turn. When one would have to wait for the disk, or had to, the others most likely would, too: what
 * is left is fetched all at once. The last is the longest and least read, so it is asked before. */
static void span_read_runs(const struct span *span, struct lmdb_txn *txn,
			   const struct run *const *runs, uint32_t count, struct earliest *earliest)
{
	bool is_fetched = count > 0 && !warm_is_here(txn, runs[count - 1], span->user);
	if (is_fetched)
		warm_user(txn, runs, count, span->user);
	uint64_t waits = warm_waits();
	for (uint32_t i = 0; i < count; i++) {
		if (!is_fetched && warm_waits() != waits) {
			warm_user(txn, runs + i, count - i, span->user);
			is_fetched = true;
		}
		if (runs[i]->record.ts_min_ms <= earliest->end_ms)
			span_read_run(span, txn, runs[i], earliest);
	}
}

/* One portion of one user. */
static int span_read(struct span *span, struct lmdb_txn *txn, const struct run_list *list,
		     struct store_request *request)
{
	struct earliest earliest = { .wanted = STORE_PORTION_MAX + 1 + (size_t)span->skip,
				     .end_ms = INT64_MAX };
	earliest.points = malloc(2 * earliest.wanted * sizeof(*earliest.points));
	const struct run **runs = malloc((list->count + 1) * sizeof(struct run *));
	int error = earliest.points == NULL || runs == NULL ? -ENOMEM : 0;
	if (error == 0) {
		uint32_t count = span_runs(span, txn, list, runs);
		span_read_runs(span, txn, runs, count, &earliest);
		earliest_cut(&earliest);
		error = txn->error != 0 ? txn->error : span_answer(request, span, &earliest);
	}
	free(runs);
	free(earliest.points);
	return error;
}

/* ---- one user ------------------------------------------------------------------------------- */

static int user_read(struct lmdb_txn *txn, const struct run_list *list,
		     struct store_request *request, bool resumed)
{
	struct span span = { request->user, request->from_ms, request->to_ms, 0 };
	if (resumed) {
		span.from_ms = request->resume.ts_ms;
		span.skip = request->resume.skip;
	}
	int error = span_read(&span, txn, list, request);
	request->resume.ts_ms = span.from_ms;
	request->resume.skip = span.skip;
	return error;
}

/* ---- all users ------------------------------------------------------------------------------ */

/* Goes on inside a user with more than a portion. */
static int export_inside(struct lmdb_txn *txn, const struct run_list *list,
			 struct store_request *request)
{
	struct span span = { { request->resume.user },
			     request->resume.ts_ms,
			     request->to_ms,
			     request->resume.skip };
	int error = span_read(&span, txn, list, request);
	request->resume.ts_ms = span.from_ms;
	request->resume.skip = span.skip;
	if (!request->more) {
		request->resume.inside = false;
		request->resume.user++;
		request->more = true;
	}
	return error;
}

/* Copies those within the range of time; returns how many. */
static size_t points_within(const struct store_request *request, const struct store_point *points,
			    size_t count, struct store_point *to)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (points[i].ts_ms >= request->from_ms && points[i].ts_ms < request->to_ms)
			to[kept++] = points[i];
	return kept;
}

/* A portion while it is filled: room for one user who fits, and is then too much. */
struct portion {
	struct store_point *points;
	size_t count;
};

/* Adds one user, or says that the next portion begins with them. */
static bool export_user(struct store_request *request, const struct store_point *points,
			size_t count, struct portion *portion)
{
	size_t within = 0;
	if (count <= STORE_PORTION_MAX)
		within = points_within(request, points, count, portion->points + portion->count);
	else
		for (size_t i = 0; i < count; i++)
			within += points[i].ts_ms >= request->from_ms &&
				  points[i].ts_ms < request->to_ms;
	if (portion->count + within > STORE_PORTION_MAX) {
		request->more = true;
		request->resume.user = points[0].user.value;
		request->resume.inside = portion->count == 0;
		request->resume.ts_ms = request->from_ms;
		request->resume.skip = 0;
		return false;
	}
	if (count > STORE_PORTION_MAX)
		points_within(request, points, count, portion->points + portion->count);
	portion->count += within;
	return true;
}

/* Fills a portion with whole users. */
static void export_users(struct scan *scan, struct store_request *request, struct portion *portion)
{
	while (scan_next(scan)) {
		for (size_t at = 0, end; at < scan->count; at = end) {
			end = at + scan_whole_users(scan->points + at, scan->count - at, 1);
			if (!export_user(request, scan->points + at, end - at, portion))
				return;
		}
	}
}

/* The runs that may have points of that time, in the order of their windows, as what is of a higher tier is
 * older: the points of a user then come nearly sorted. */
static uint32_t runs_overlapping(const struct run_list *list, const struct store_request *request,
				 const struct run **runs)
{
	uint32_t count = 0;
	for (uint32_t tier = RUN_TIERS; tier-- > 0;)
		for (uint32_t i = 0; i < list->count; i++)
			if (list->runs[i].tier == tier &&
			    run_overlaps(&list->runs[i], request->from_ms, request->to_ms))
				runs[count++] = &list->runs[i];
	return count;
}

static int export_read(struct lmdb_txn *txn, const struct run_list *list,
		       struct store_request *request)
{
	const struct run **runs = malloc((list->count + 1) * sizeof(struct run *));
	struct portion portion = { .points = malloc(2 * STORE_PORTION_MAX *
						    sizeof(*portion.points)) };
	int error = runs == NULL || portion.points == NULL ? -ENOMEM : 0;
	if (error == 0) {
		uint32_t count = runs_overlapping(list, request, runs);
		struct scan scan;
		scan_open(&scan, txn, runs, NULL, count, request->resume.user, EXPORT_BATCH_POINTS);
		export_users(&scan, request, &portion);
		scan_close(&scan);
		error = points_answer(request, portion.points, portion.count);
	}
	free(portion.points);
	free(runs);
	return error == 0 ? txn->error : error;
}

int history_read(struct history *history, struct store_request *request)
{
	bool resumed = request->more;
	free(request->points);
	request->points = NULL;
	request->point_count = 0;
	request->more = false;
	if (!resumed)
		memset(&request->resume, 0, sizeof(request->resume));
	struct lmdb_txn txn;
	struct run_list list;
	lmdb_begin_read(history_lmdb(history), &txn);
	int error = 0;
	if (run_list_load(&list, &txn)) {
		if (request->op == STORE_HISTORY)
			error = user_read(&txn, &list, request, resumed);
		else if (request->resume.inside)
			error = export_inside(&txn, &list, request);
		else
			error = export_read(&txn, &list, request);
		run_list_free(&list);
	}
	if (error == 0)
		error = txn.error;
	lmdb_abort(&txn);
	if (error != 0)
		request->more = false;
	return error;
}
