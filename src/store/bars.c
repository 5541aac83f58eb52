/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/bars.h"

#include "store/user_tables.h"

#include <errno.h>
#include <stdlib.h>

void bars_put(struct lmdb_txn *txn, const struct store_bar *bar)
{
	struct bytes value = { &bar->not_before_s, sizeof(bar->not_before_s) };
	if (bar->not_before_s == 0)
		lmdb_remove(txn, USERS_TABLE_BARS, id_bytes(&bar->user), NULL);
	else
		lmdb_put(txn, USERS_TABLE_BARS, id_bytes(&bar->user), value, LMDB_REPLACE);
}

bool bars_decode(struct bytes value, int64_t *not_before_s)
{
	if (value.length != sizeof(*not_before_s))
		return false;
	memcpy(not_before_s, value.at, sizeof(*not_before_s));
	return *not_before_s != 0;
}

void bars_read(struct lmdb_txn *txn, struct store_request *request)
{
	struct lmdb_cursor cursor;
	struct user_id from = { request->more ? request->resume.user + 1 : 0 };
	request->bars = malloc(STORE_PORTION_MAX * sizeof(*request->bars));
	if (request->bars == NULL) {
		lmdb_fail(txn, -ENOMEM);
		return;
	}
	lmdb_cursor_open(&cursor, txn, USERS_TABLE_BARS);
	for (bool more = lmdb_seek_from(&cursor, id_bytes(&from));
	     more && request->bar_count < STORE_PORTION_MAX; more = lmdb_next(&cursor)) {
		struct store_bar *bar = &request->bars[request->bar_count++];
		bar->user = id_of(cursor.key);
		if (!bars_decode(cursor.value, &bar->not_before_s))
			lmdb_fail(txn, -EIO);
	}
	lmdb_cursor_close(&cursor);
}
