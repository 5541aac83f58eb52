/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/user_values.h"

#include "store/user_tables.h"

#include <errno.h>
#include <stdlib.h>

/* From the place where the cursor stands. */
static void *values_decode(struct lmdb_cursor *cursor, user_value_decode *decode, size_t item_bytes,
			   uint32_t *count)
{
	uint64_t total = lmdb_value_count(cursor);
	char *list = malloc(total * item_bytes);
	if (list == NULL) {
		lmdb_fail(cursor->txn, -ENOMEM);
		return NULL;
	}
	bool more = true;
	for (; more && *count < total; more = lmdb_next_value(cursor))
		if (!decode(cursor->value, list + item_bytes * (*count)++))
			lmdb_fail(cursor->txn, -EIO);
	return list;
}

void *user_values_read(struct lmdb_txn *txn, uint32_t table, struct user_id user,
		       user_value_decode *decode, size_t item_bytes, uint32_t *count)
{
	struct bytes first;
	struct lmdb_cursor cursor;
	void *list = NULL;
	*count = 0;
	/* Most have none, and the look without a cursor costs least. */
	if (!lmdb_get(txn, table, id_bytes(&user), &first))
		return NULL;
	lmdb_cursor_open(&cursor, txn, table);
	if (lmdb_seek(&cursor, id_bytes(&user)))
		list = values_decode(&cursor, decode, item_bytes, count);
	lmdb_cursor_close(&cursor);
	return list;
}
