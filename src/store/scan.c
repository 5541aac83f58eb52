/*
 * Owns: the merge of several run readers.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/scan.h"

#include "base/check.h"
#include "store/point.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct scan_input {
	struct run_reader reader;
	struct store_point points[BLOCK_POINTS_MAX];
};

/* Inputs of the same user come in the order of their windows, so that their points nearly do. */
static inline bool comes_before(struct scan_top a, struct scan_top b)
{
	return a.user < b.user || (a.user == b.user && a.input < b.input);
}

static void heap_sink(struct scan *scan, uint32_t at)
{
	struct scan_top *heap = scan->heap, top = heap[at];
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= scan->heap_count)
			break;
		if (child + 1 < scan->heap_count && comes_before(heap[child + 1], heap[child]))
			child++;
		if (!comes_before(heap[child], top))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = top;
}

static bool input_is_over(const struct run_reader *reader)
{
	return !run_reader_has(reader) ||
	       reader->points[reader->at].user.value >= reader->run->user_end;
}

static void hidden_load(struct scan *scan, bool found)
{
	scan->hidden_user = UINT64_MAX;
	if (!found || scan->hidden.value.length != sizeof(scan->hidden_before))
		return;
	const uint8_t *key = scan->hidden.key.at;
	uint64_t user = 0;
	for (size_t i = 0; i < scan->hidden.key.length; i++)
		user = user << 8 | key[i];
	scan->hidden_user = user;
	memcpy(&scan->hidden_before, scan->hidden.value.at, sizeof(scan->hidden_before));
}

void scan_open(struct scan *scan, struct lmdb_txn *txn, const struct run *const *runs,
	       uint32_t count, uint64_t user_from)
{
	*scan = (struct scan){ .txn = txn, .hidden_user = UINT64_MAX };
	lmdb_cursor_open(&scan->hidden, txn, RUN_TABLE_HIDDEN);
	hidden_load(scan, lmdb_first(&scan->hidden));
	if (count == 0 || txn->error != 0)
		return;
	scan->inputs = malloc(count * sizeof(*scan->inputs));
	scan->heap = malloc(count * sizeof(*scan->heap));
	if (scan->inputs == NULL || scan->heap == NULL) {
		lmdb_fail(txn, -ENOMEM);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct scan_input *input = &scan->inputs[scan->input_count++];
		uint64_t from = runs[i]->user_from > user_from ? runs[i]->user_from : user_from;
		run_reader_open(&input->reader, txn, runs[i], from, input->points);
		if (!input_is_over(&input->reader))
			scan->heap[scan->heap_count++] =
				(struct scan_top){ input->points[input->reader.at].user.value, i };
	}
	for (uint32_t i = scan->heap_count / 2; i > 0; i--)
		heap_sink(scan, i - 1);
}

void scan_close(struct scan *scan)
{
	for (uint32_t i = 0; i < scan->input_count; i++)
		run_reader_close(&scan->inputs[i].reader);
	lmdb_cursor_close(&scan->hidden);
	free(scan->inputs);
	free(scan->heap);
	free(scan->points);
	*scan = (struct scan){ .txn = scan->txn };
}

static bool gather(struct scan *scan, const struct store_point *points, uint32_t count)
{
	if (scan->count + count > scan->capacity) {
		size_t capacity = (scan->count + count) * 2;
		struct store_point *larger = realloc(scan->points, capacity * sizeof(*larger));
		if (larger == NULL) {
			lmdb_fail(scan->txn, -ENOMEM);
			return false;
		}
		scan->points = larger;
		scan->capacity = capacity;
	}
	memcpy(scan->points + scan->count, points, count * sizeof(*points));
	scan->count += count;
	return true;
}

/* Takes the points of one user from the reader; keeps them unless they are deleted. */
static void take_user(struct scan *scan, struct run_reader *reader, uint64_t user, bool is_hidden)
{
	while (run_reader_has(reader) && reader->points[reader->at].user.value == user) {
		uint32_t end = reader->at + 1;
		while (end < reader->count && reader->points[end].user.value == user)
			end++;
		if (!is_hidden && !gather(scan, reader->points + reader->at, end - reader->at))
			return;
		run_reader_skip(reader, end - reader->at);
	}
}

/* The window before which this user's points are deleted. */
static uint64_t hidden_before(struct scan *scan, uint64_t user)
{
	while (scan->hidden_user < user)
		hidden_load(scan, lmdb_next(&scan->hidden));
	return scan->hidden_user == user ? scan->hidden_before : 0;
}

/* Takes the points of the user on top from the input there, and finds its new place. */
static void take_top(struct scan *scan, uint64_t before)
{
	struct scan_top *top = &scan->heap[0];
	struct run_reader *reader = &scan->inputs[top->input].reader;
	take_user(scan, reader, top->user, reader->run->record.last_window < before);
	if (input_is_over(reader))
		*top = scan->heap[--scan->heap_count];
	else
		top->user = reader->points[reader->at].user.value;
	if (scan->heap_count > 1)
		heap_sink(scan, 0);
}

bool scan_next(struct scan *scan)
{
	scan->count = 0;
	while (scan->count == 0 && scan->heap_count > 0 && scan->txn->error == 0) {
		uint64_t user = scan->heap[0].user;
		uint64_t before = hidden_before(scan, user);
		while (scan->heap_count > 0 && scan->heap[0].user == user && scan->txn->error == 0)
			take_top(scan, before);
	}
	points_sort_by_time(scan->points, scan->count);
	return scan->count > 0 && scan->txn->error == 0;
}
