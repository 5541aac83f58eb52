/*
 * Owns: records and blocks of runs.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/run.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void put_u64(uint8_t *at, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		at[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t take_u64(const uint8_t *at)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | at[i];
	return value;
}

/* ---- records -------------------------------------------------------------------------------- */

static struct bytes run_key(const struct run *run, uint8_t memory[RUN_KEY_BYTES])
{
	memory[0] = (uint8_t)run->tier;
	put_u64(memory + 1, run->first_window);
	return (struct bytes){ memory, RUN_KEY_BYTES };
}

struct run run_empty(uint32_t tier, uint64_t first_window, uint64_t last_window)
{
	return (struct run){ .tier = tier,
			     .first_window = first_window,
			     .record = { .last_window = last_window,
					 .ts_min_ms = INT64_MAX,
					 .ts_max_ms = INT64_MIN,
					 .receipt_min_ms = INT64_MAX,
					 .receipt_max_ms = INT64_MIN },
			     .user_end = RUN_USER_END };
}

void run_put(struct lmdb_txn *txn, const struct run *run)
{
	uint8_t key[RUN_KEY_BYTES];
	struct bytes value = { &run->record, sizeof(run->record) };
	lmdb_put(txn, RUN_TABLE_RUNS, run_key(run, key), value, LMDB_REPLACE);
}

void run_remove(struct lmdb_txn *txn, const struct run *run)
{
	uint8_t key[RUN_KEY_BYTES];
	lmdb_remove(txn, RUN_TABLE_RUNS, run_key(run, key), NULL);
}

static bool run_decode(struct run *run, struct bytes key, struct bytes value)
{
	const uint8_t *at = key.at;
	if (key.length != RUN_KEY_BYTES || value.length != sizeof(run->record) ||
	    at[0] >= RUN_TIERS)
		return false;
	*run = run_empty(at[0], take_u64(at + 1), 0);
	memcpy(&run->record, value.at, sizeof(run->record));
	return run->record.last_window >= run->first_window && run->record.state <= RUN_BUILDING;
}

/* Shares the users between each run that is being built and its inputs. */
static void share_users(struct run_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct run *building = &list->runs[i];
		if (building->record.state != RUN_BUILDING)
			continue;
		building->user_end = building->record.next_user;
		for (uint32_t k = 0; k < i; k++) {
			struct run *input = &list->runs[k];
			if (input->tier + 1 != building->tier ||
			    input->first_window < building->first_window ||
			    input->first_window > building->record.last_window)
				continue;
			input->is_input = true;
			input->user_from = building->record.next_user;
		}
	}
}

bool run_list_load(struct run_list *list, struct lmdb_txn *txn)
{
	*list = (struct run_list){ .runs = NULL };
	uint64_t wanted = lmdb_count(txn, RUN_TABLE_RUNS);
	if (txn->error != 0 || wanted == 0)
		return txn->error == 0;
	list->runs = malloc(wanted * sizeof(*list->runs));
	if (list->runs == NULL) {
		lmdb_fail(txn, -ENOMEM);
		return false;
	}
	struct lmdb_cursor cursor;
	lmdb_cursor_open(&cursor, txn, RUN_TABLE_RUNS);
	for (bool more = lmdb_first(&cursor); more && list->count < wanted;
	     more = lmdb_next(&cursor))
		if (!run_decode(&list->runs[list->count++], cursor.key, cursor.value))
			lmdb_fail(txn, -EBADMSG);
	lmdb_cursor_close(&cursor);
	if (txn->error != 0) {
		run_list_free(list);
		return false;
	}
	share_users(list);
	return true;
}

void run_list_free(struct run_list *list)
{
	free(list->runs);
	*list = (struct run_list){ .runs = NULL };
}

uint64_t run_hidden_before(struct lmdb_txn *txn, struct user_id user)
{
	uint8_t key[8];
	struct bytes value;
	uint64_t window = 0;
	put_u64(key, user.value);
	if (lmdb_get(txn, RUN_TABLE_HIDDEN, (struct bytes){ key, sizeof(key) }, &value) &&
	    value.length == sizeof(window))
		memcpy(&window, value.at, sizeof(window));
	return window;
}

void run_hide_before(struct lmdb_txn *txn, struct user_id user, uint64_t window)
{
	uint8_t key[8];
	put_u64(key, user.value);
	lmdb_put(txn, RUN_TABLE_HIDDEN, (struct bytes){ key, sizeof(key) },
		 (struct bytes){ &window, sizeof(window) }, LMDB_REPLACE);
}

bool run_any_hidden(struct lmdb_txn *txn, uint64_t from, uint64_t end)
{
	uint8_t key[8];
	struct lmdb_cursor cursor;
	put_u64(key, from);
	lmdb_cursor_open(&cursor, txn, RUN_TABLE_HIDDEN);
	bool any = lmdb_seek_from(&cursor, (struct bytes){ key, sizeof(key) }) &&
		   cursor.key.length == sizeof(key) && take_u64(cursor.key.at) < end;
	lmdb_cursor_close(&cursor);
	return any;
}

void run_unhide(struct lmdb_txn *txn, struct user_id user, uint64_t window)
{
	uint8_t key[8];
	put_u64(key, user.value);
	if (run_hidden_before(txn, user) == window)
		lmdb_remove(txn, RUN_TABLE_HIDDEN, (struct bytes){ key, sizeof(key) }, NULL);
}

bool run_marks_load(struct lmdb_txn *txn, struct run_mark **marks, uint64_t *count)
{
	uint64_t wanted = lmdb_count(txn, RUN_TABLE_HIDDEN);
	struct lmdb_cursor cursor;
	*count = 0;
	*marks = malloc((wanted + 1) * sizeof(**marks));
	if (*marks == NULL)
		lmdb_fail(txn, -ENOMEM);
	lmdb_cursor_open(&cursor, txn, RUN_TABLE_HIDDEN);
	for (bool more = lmdb_first(&cursor); more && *count < wanted; more = lmdb_next(&cursor)) {
		struct run_mark *mark = &(*marks)[(*count)++];
		if (cursor.key.length != sizeof(uint64_t) || cursor.value.length != sizeof(mark->window)) {
			lmdb_fail(txn, -EBADMSG);
			break;
		}
		mark->user.value = take_u64(cursor.key.at);
		memcpy(&mark->window, cursor.value.at, sizeof(mark->window));
	}
	lmdb_cursor_close(&cursor);
	return txn->error == 0;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static uint64_t meta_get(struct lmdb_txn *txn, struct bytes name, uint64_t otherwise)
{
	struct bytes value;
	uint64_t number = otherwise;
	if (lmdb_get(txn, RUN_TABLE_META, name, &value) && value.length == sizeof(number))
		memcpy(&number, value.at, sizeof(number));
	return number;
}

static void meta_set(struct lmdb_txn *txn, struct bytes name, uint64_t number)
{
	lmdb_put(txn, RUN_TABLE_META, name, (struct bytes){ &number, sizeof(number) }, LMDB_REPLACE);
}

static const struct bytes next_window_name = { "next_window", 11 };
static const struct bytes erasing_since_name = { "erasing_since", 13 };

uint64_t run_next_window(struct lmdb_txn *txn)
{
	return meta_get(txn, next_window_name, 1);
}

void run_set_next_window(struct lmdb_txn *txn, uint64_t window)
{
	meta_set(txn, next_window_name, window);
}

int64_t run_erasing_since(struct lmdb_txn *txn)
{
	return (int64_t)meta_get(txn, erasing_since_name, 0);
}

void run_set_erasing_since(struct lmdb_txn *txn, int64_t since_ms)
{
	meta_set(txn, erasing_since_name, (uint64_t)since_ms);
}

/* ---- blocks --------------------------------------------------------------------------------- */

struct run_block_key run_block_key(uint64_t first_window, uint64_t first_user, uint32_t number)
{
	struct run_block_key key;
	put_u64(key.bytes, first_window);
	put_u64(key.bytes + 8, first_user);
	for (unsigned i = 0; i < 4; i++)
		key.bytes[16 + i] = (uint8_t)(number >> (24 - 8 * i));
	return key;
}

struct run_block_key run_block_key_with_user(struct bytes key, uint64_t first_user)
{
	struct run_block_key other;
	check(key.length == sizeof(other.bytes));
	memcpy(other.bytes, key.at, sizeof(other.bytes));
	put_u64(other.bytes + 8, first_user);
	return other;
}

uint64_t run_block_key_window(struct bytes key)
{
	return key.length == RUN_BLOCK_KEY_BYTES ? take_u64(key.at) : UINT64_MAX;
}

uint64_t run_block_key_user(struct bytes key)
{
	return key.length == RUN_BLOCK_KEY_BYTES ? take_u64((const uint8_t *)key.at + 8)
						 : UINT64_MAX;
}

static struct bytes key_bytes(const struct run_block_key *key)
{
	return (struct bytes){ key->bytes, sizeof(key->bytes) };
}

static uint32_t table_of(const struct run *run)
{
	return RUN_TABLE_TIER0 + run->tier;
}

uint32_t run_append(struct lmdb_txn *txn, struct run *run, const struct store_point *points,
		    size_t count)
{
	uint8_t block[BLOCK_BUFFER_BYTES];
	struct run_record *record = &run->record;
	struct bytes value = { .at = block };
	uint32_t taken = block_encode(points, count, block, &value.length);
	struct run_block_key key =
		run_block_key(run->first_window, points[0].user.value, (uint32_t)record->blocks);
	lmdb_put(txn, table_of(run), key_bytes(&key), value, LMDB_APPEND);
	record->blocks++;
	record->bytes += value.length;
	record->points += taken;
	return taken;
}

void run_times_add(struct run *run, const struct store_point *points, size_t count)
{
	int64_t min_ms = run->record.ts_min_ms, max_ms = run->record.ts_max_ms;
	for (size_t i = 0; i < count; i++) {
		int64_t ts_ms = points[i].ts_ms;
		min_ms = ts_ms < min_ms ? ts_ms : min_ms;
		max_ms = ts_ms > max_ms ? ts_ms : max_ms;
	}
	run->record.ts_min_ms = min_ms;
	run->record.ts_max_ms = max_ms;
}

void run_times_join(struct run *run, const struct run *other)
{
	const struct run_record *theirs = &other->record;
	struct run_record *ours = &run->record;
	ours->ts_min_ms = theirs->ts_min_ms < ours->ts_min_ms ? theirs->ts_min_ms : ours->ts_min_ms;
	ours->ts_max_ms = theirs->ts_max_ms > ours->ts_max_ms ? theirs->ts_max_ms : ours->ts_max_ms;
}

/* Whether the block after this one is of the run, and begins below `user`; stays at this one. */
static bool next_begins_below(struct lmdb_cursor *cursor, const struct run *run, uint64_t user)
{
	bool is_below = lmdb_next(cursor);
	if (!is_below)
		return false;
	is_below = run_block_key_window(cursor->key) == run->first_window &&
		   run_block_key_user(cursor->key) < user;
	return lmdb_prev(cursor) && is_below;
}

uint32_t run_consume(struct lmdb_txn *txn, struct run *run, uint64_t user, uint32_t blocks_max)
{
	struct run_block_key start = run_block_key(run->first_window, 0, 0);
	struct lmdb_cursor cursor;
	uint32_t consumed = 0;
	lmdb_cursor_open(&cursor, txn, table_of(run));
	bool more = lmdb_seek_from(&cursor, key_bytes(&start)) &&
		    run_block_key_window(cursor.key) == run->first_window;
	while (more && consumed < blocks_max) {
		uint64_t length = cursor.value.length;
		/* The users of a block are known to be below those of the next. */
		more = user == RUN_USER_END || next_begins_below(&cursor, run, user);
		if (!more)
			break;
		lmdb_cursor_remove(&cursor);
		run->record.blocks--;
		run->record.bytes -= length;
		consumed++;
		/* It then stands before the next. */
		more = lmdb_next(&cursor) && run_block_key_window(cursor.key) == run->first_window;
	}
	lmdb_cursor_close(&cursor);
	return consumed;
}

/* ---- reader --------------------------------------------------------------------------------- */

static bool is_inside(const struct run_reader *reader)
{
	return run_block_key_window(reader->cursor.key) == reader->run->first_window;
}

void run_reader_open(struct run_reader *reader, struct lmdb_txn *txn, const struct run *run,
		     uint64_t user)
{
	struct run_block_key key = run_block_key(run->first_window, user, 0);
	struct lmdb_cursor *cursor = &reader->cursor;
	*reader = (struct run_reader){ .run = run };
	lmdb_cursor_open(cursor, txn, table_of(run));
	/* The last block that begins before the user may hold their first points. */
	bool found = lmdb_seek_from(cursor, key_bytes(&key));
	reader->has_block = (found ? lmdb_prev(cursor) : lmdb_last(cursor)) && is_inside(reader);
	if (!reader->has_block && found)
		reader->has_block = lmdb_seek_from(cursor, key_bytes(&key)) && is_inside(reader);
}

void run_reader_close(struct run_reader *reader)
{
	lmdb_cursor_close(&reader->cursor);
}

void run_reader_pass(struct run_reader *reader)
{
	check(reader->has_block);
	reader->has_block = lmdb_next(&reader->cursor) && is_inside(reader);
}

uint32_t run_reader_take(struct run_reader *reader, struct store_point points[BLOCK_POINTS_MAX])
{
	struct lmdb_cursor *cursor = &reader->cursor;
	uint32_t count;
	check(reader->has_block);
	int error = block_decode(cursor->value.at, cursor->value.length, points, &count);
	if (error != 0)
		lmdb_fail(cursor->txn, error);
	return error == 0 ? count : 0;
}
