/*
 * Owns: the merge of several runs.
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

/* Points that are decoded ahead of an input, and room for a block that goes past them. */
enum { AHEAD_MAX = 1024, INPUT_POINTS = AHEAD_MAX + BLOCK_POINTS_MAX };

struct scan_input {
	struct run_reader reader;
	uint32_t ahead; /* points to be decoded before a batch is made */
	uint32_t at;	/* the next point */
	uint32_t count;
	struct store_point points[INPUT_POINTS];
};

/* ---- inputs ---------------------------------------------------------------------------------- */

static uint32_t input_left(const struct scan_input *input)
{
	return input->count - input->at;
}

/* Decodes the next block. What others answer for is not read. */
static void input_load(struct scan_input *input)
{
	struct run_reader *reader = &input->reader;
	input->count += run_reader_take(reader, input->points + input->count);
	run_reader_pass(reader);
	while (input->count > 0 &&
	       input->points[input->count - 1].user.value >= reader->run->user_end) {
		input->count--;
		reader->has_block = false;
	}
}

/* Decodes blocks until enough points are ahead, or there are no more. */
static void input_fill(struct scan_input *input)
{
	uint32_t left = input_left(input);
	if (!input->reader.has_block || left >= input->ahead)
		return;
	memmove(input->points, input->points + input->at, left * sizeof(*input->points));
	input->at = 0;
	input->count = left;
	while (input->reader.has_block && input->count < input->ahead)
		input_load(input);
}

static void input_open(struct scan_input *input, struct lmdb_txn *txn, const struct run *run,
		       uint64_t user_from)
{
	uint64_t from = run->user_from > user_from ? run->user_from : user_from;
	input->at = input->count = 0;
	run_reader_open(&input->reader, txn, run, from);
	while (input_left(input) == 0 && input->reader.has_block) {
		input->at = input->count = 0;
		input_load(input);
		while (input->at < input->count && input->points[input->at].user.value < from)
			input->at++;
	}
	input->at = input->at < input->count ? input->at : input->count;
}

/* ---- opening --------------------------------------------------------------------------------- */

void scan_open(struct scan *scan, struct lmdb_txn *txn, const struct run *const *runs,
	       uint32_t count, uint64_t user_from, size_t batch_points)
{
	*scan = (struct scan){ .txn = txn, .next_user = user_from };
	if (count == 0 || txn->error != 0)
		return;
	scan->inputs = malloc(count * sizeof(*scan->inputs));
	scan->rows = malloc(count * sizeof(*scan->rows));
	if (scan->inputs == NULL || scan->rows == NULL) {
		lmdb_fail(txn, -ENOMEM);
		return;
	}
	uint64_t points = 1;
	for (uint32_t i = 0; i < count; i++)
		points += runs[i]->record.points;
	for (uint32_t i = 0; i < count; i++) {
		struct scan_input *input = &scan->inputs[scan->input_count++];
		/* Dense runs reach as far ahead among the users as sparse ones. */
		uint64_t ahead = batch_points * runs[i]->record.points / points;
		input->ahead = ahead > AHEAD_MAX ? AHEAD_MAX : ahead < 1 ? 1 : (uint32_t)ahead;
		input_open(input, txn, runs[i], user_from);
	}
}

void scan_close(struct scan *scan)
{
	for (uint32_t i = 0; i < scan->input_count; i++)
		run_reader_close(&scan->inputs[i].reader);
	free(scan->inputs);
	free(scan->rows);
	free(scan->memory);
	free(scan->scratch);
	*scan = (struct scan){ .txn = scan->txn };
}

/* ---- batches --------------------------------------------------------------------------------- */

static bool reserve(struct scan *scan, size_t count)
{
	if (count <= scan->capacity)
		return true;
	size_t capacity = count * 2;
	struct store_point *memory =
		realloc(scan->memory, (SCAN_ROOM_BEFORE + capacity) * sizeof(*memory));
	if (memory != NULL) {
		scan->memory = memory;
		scan->points = memory + SCAN_ROOM_BEFORE;
	}
	struct store_point *scratch = realloc(scan->scratch, capacity * sizeof(*scratch));
	if (scratch != NULL)
		scan->scratch = scratch;
	if (memory == NULL || scratch == NULL) {
		lmdb_fail(scan->txn, -ENOMEM);
		return false;
	}
	scan->capacity = capacity;
	return true;
}

/* The place of the first point of a user >= `end` among those at hand. */
static uint32_t input_seek(const struct scan_input *input, uint64_t end)
{
	uint32_t low = input->at, high = input->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (input->points[middle].user.value < end)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Drops, of the points from `from` on, those that are deleted: they came from one run. */
static void drop_hidden(struct scan *scan, size_t from, const struct run *run)
{
	size_t kept = from;
	for (size_t at = from, end; at < scan->count; at = end) {
		end = at + scan_whole_users(scan->points + at, scan->count - at, 1);
		if (run->record.last_window < run_hidden_before(scan->txn, scan->points[at].user))
			continue;
		memmove(scan->points + kept, scan->points + at, (end - at) * sizeof(*scan->points));
		kept += end - at;
	}
	scan->count = kept;
}

/* Takes the points of users below `end` that the input has at hand, but for those that are deleted. */
static void take_below(struct scan *scan, struct scan_input *input, uint64_t end)
{
	uint32_t to = input_seek(input, end), count = to - input->at;
	if (count == 0 || !reserve(scan, scan->count + count))
		return;
	size_t from = scan->count;
	memcpy(scan->points + from, input->points + input->at, count * sizeof(*scan->points));
	scan->count += count;
	input->at = to;
	drop_hidden(scan, from, input->reader.run);
}

/* Takes all points of the one user before `end`, whose points may fill many blocks. */
static void take_user(struct scan *scan, struct scan_input *input, uint64_t end)
{
	take_below(scan, input, end);
	while (input_left(input) == 0 && input->reader.has_block && scan->txn->error == 0) {
		input->at = input->count = 0;
		input_load(input);
		take_below(scan, input, end);
	}
}

/* Takes those before `end`, of whom some are deleted, or one user who fills many blocks. */
static void gather_apart(struct scan *scan, uint64_t end, bool is_one_user)
{
	for (uint32_t i = 0; i < scan->input_count; i++)
		if (is_one_user)
			take_user(scan, &scan->inputs[i], end);
		else
			take_below(scan, &scan->inputs[i], end);
	points_sort(scan->points, scan->scratch, scan->count);
}

/* Takes those before `end`, whom all inputs have at hand, from where they lie. */
static void gather_at_once(struct scan *scan, uint64_t end)
{
	size_t count = 0;
	for (uint32_t i = 0; i < scan->input_count; i++) {
		struct scan_input *input = &scan->inputs[i];
		uint32_t to = input_seek(input, end);
		scan->rows[i] = (struct points_row){ input->points + input->at, to - input->at };
		count += scan->rows[i].count;
		input->at = to;
	}
	if (!reserve(scan, count))
		return;
	points_merge(scan->points, scan->scratch, scan->rows, scan->input_count, count);
	scan->count = count;
}

/* The user before whom all inputs have all their points at hand. */
static uint64_t batch_end(struct scan *scan)
{
	uint64_t end = RUN_USER_END;
	for (uint32_t i = 0; i < scan->input_count; i++) {
		struct scan_input *input = &scan->inputs[i];
		input_fill(input);
		if (!input->reader.has_block)
			continue;
		uint64_t last = input->points[input->count - 1].user.value;
		end = last < end ? last : end;
	}
	return end;
}

/* Gathers what lies before the place that all inputs have reached, or else one user there. */
static void batch_gather(struct scan *scan)
{
	uint64_t end = batch_end(scan);
	bool is_one_user = end == scan->next_user;
	if (is_one_user)
		end++;
	if (is_one_user || run_any_hidden(scan->txn, scan->next_user, end))
		gather_apart(scan, end, is_one_user);
	else
		gather_at_once(scan, end);
	scan->next_user = end;
}

bool scan_next(struct scan *scan)
{
	scan->count = 0;
	while (scan->count == 0 && scan->next_user < RUN_USER_END && scan->txn->error == 0)
		batch_gather(scan);
	return scan->count > 0 && scan->txn->error == 0;
}

size_t scan_whole_users(const struct store_point *points, size_t count, size_t wanted)
{
	size_t end = wanted < count ? wanted : count;
	while (end > 0 && end < count && user_id_equal(points[end].user, points[end - 1].user))
		end++;
	return end;
}
