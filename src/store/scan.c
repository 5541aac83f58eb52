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
	const struct run *run;
	struct points_row row;	  /* all its points, when they are in memory */
	struct run_reader reader; /* when they are not */
	bool has_more;		  /* than what is at hand */
	uint32_t ahead;		  /* points to be at hand before a batch is made */
	const struct store_point *points;
	size_t at; /* the next point */
	size_t count;
	struct store_point decoded[INPUT_POINTS];
};

/* ---- inputs ---------------------------------------------------------------------------------- */

static size_t input_left(const struct scan_input *input)
{
	return input->count - input->at;
}

/* Has so many more at hand, of those in memory. */
static void row_load(struct scan_input *input, size_t wanted)
{
	size_t left = input->row.count - input->count;
	input->count += wanted < left ? wanted : left;
	input->has_more = input->count < input->row.count;
}

/* Decodes the next block. What others answer for is not read. */
static void block_load(struct scan_input *input)
{
	struct run_reader *reader = &input->reader;
	input->count += run_reader_take(reader, input->decoded + input->count);
	run_reader_pass(reader);
	while (input->count > 0 &&
	       input->decoded[input->count - 1].user.value >= input->run->user_end) {
		input->count--;
		reader->has_block = false;
	}
	input->has_more = reader->has_block;
}

/* Has more points at hand, until there are enough or no more. */
static void input_fill(struct scan_input *input)
{
	size_t left = input_left(input);
	if (!input->has_more || left >= input->ahead)
		return;
	if (input->row.count > 0) {
		row_load(input, input->ahead - left);
		return;
	}
	memmove(input->decoded, input->decoded + input->at, left * sizeof(*input->decoded));
	input->at = 0;
	input->count = left;
	while (input->has_more && input->count < input->ahead)
		block_load(input);
}

/* The place of the first point of a user >= `user` among those at hand. */
static size_t input_seek(const struct scan_input *input, uint64_t user)
{
	size_t low = input->at, high = input->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (input->points[middle].user.value < user)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void input_open(struct scan_input *input, struct lmdb_txn *txn, uint64_t user_from)
{
	uint64_t from = input->run->user_from > user_from ? input->run->user_from : user_from;
	input->at = input->count = 0;
	if (input->row.count > 0) {
		input->points = input->row.points;
		input->count = input->row.count;
		input->at = input->count = input_seek(input, from);
		input->has_more = input->at < input->row.count;
		return;
	}
	input->points = input->decoded;
	run_reader_open(&input->reader, txn, input->run, from);
	input->has_more = input->reader.has_block;
	while (input_left(input) == 0 && input->has_more) {
		input->at = input->count = 0;
		block_load(input);
		input->at = input_seek(input, from);
	}
}

/* ---- opening --------------------------------------------------------------------------------- */

void scan_open(struct scan *scan, struct lmdb_txn *txn, const struct run *const *runs,
	       const struct points_row *rows, uint32_t count, uint64_t user_from, size_t batch_points)
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
		input->run = runs[i];
		input->row = rows != NULL ? rows[i] : (struct points_row){ NULL, 0 };
		input_open(input, txn, user_from);
	}
}

void scan_close(struct scan *scan)
{
	for (uint32_t i = 0; i < scan->input_count; i++)
		if (scan->inputs[i].row.count == 0)
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
	size_t to = input_seek(input, end), count = to - input->at;
	if (count == 0 || !reserve(scan, scan->count + count))
		return;
	size_t from = scan->count;
	memcpy(scan->points + from, input->points + input->at, count * sizeof(*scan->points));
	scan->count += count;
	input->at = to;
	drop_hidden(scan, from, input->run);
}

/* Takes all points of the one user before `end`, whose points may fill many blocks. */
static void take_user(struct scan *scan, struct scan_input *input, uint64_t end)
{
	take_below(scan, input, end);
	while (input_left(input) == 0 && input->has_more && scan->txn->error == 0) {
		input_fill(input);
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
		size_t to = input_seek(input, end);
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
		if (!input->has_more)
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
