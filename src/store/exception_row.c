/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/exception_row.h"

#include "store/user_tables.h"
#include "store/user_values.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

struct value {
	uint64_t other; /* most significant byte first, so that values sort by it */
	uint64_t mode;
	int64_t until_ms;
};

static struct bytes value_bytes(const struct value *value)
{
	return (struct bytes){ value, sizeof(*value) };
}

bool exception_row_decode(struct bytes bytes, struct sharing_exception *exception)
{
	struct value value;
	if (bytes.length != sizeof(value))
		return false;
	memcpy(&value, bytes.at, sizeof(value));
	exception->user.value = be64toh(value.other);
	exception->sharing = (struct sharing){ (enum sharing_mode)value.mode, value.until_ms };
	return value.mode >= SHARING_PRECISE && value.mode <= SHARING_OFF && value.until_ms >= 0;
}

/* Puts the cursor on what the user has with this other. */
static bool seek(struct lmdb_cursor *cursor, struct user_id user, struct user_id other,
		 struct sharing_exception *found)
{
	struct value from = { .other = htobe64(other.value) };
	if (!lmdb_seek_value_from(cursor, id_bytes(&user), value_bytes(&from)))
		return false;
	if (!exception_row_decode(cursor->value, found)) {
		lmdb_fail(cursor->txn, -EIO);
		return false;
	}
	return user_id_equal(found->user, other);
}

bool exception_row_find(struct lmdb_txn *txn, uint32_t table, struct user_id user,
			struct user_id other, struct sharing *sharing)
{
	struct lmdb_cursor cursor;
	struct sharing_exception found;
	struct bytes first;
	/* Most have none, and the look without a cursor costs least. */
	if (!lmdb_get(txn, table, id_bytes(&user), &first))
		return false;
	lmdb_cursor_open(&cursor, txn, table);
	bool there = seek(&cursor, user, other, &found);
	lmdb_cursor_close(&cursor);
	if (there)
		*sharing = found.sharing;
	return there;
}

static void side_put(struct lmdb_txn *txn, uint32_t table, struct user_id user,
		     struct user_id other, struct sharing sharing)
{
	struct value value = { htobe64(other.value), sharing.mode, sharing.until_ms };
	lmdb_put(txn, table, id_bytes(&user), value_bytes(&value), LMDB_ADD);
}

static void side_remove(struct lmdb_txn *txn, uint32_t table, struct user_id user,
			struct user_id other, struct sharing sharing)
{
	struct value value = { htobe64(other.value), sharing.mode, sharing.until_ms };
	struct bytes bytes = value_bytes(&value);
	lmdb_remove(txn, table, id_bytes(&user), &bytes);
}

bool exception_row_get(struct lmdb_txn *txn, struct user_id sharer, struct user_id viewer,
		       struct sharing *sharing)
{
	return exception_row_find(txn, USERS_TABLE_SHOWN, sharer, viewer, sharing);
}

void exception_row_remove(struct lmdb_txn *txn, struct user_id sharer, struct user_id viewer)
{
	struct sharing sharing;
	if (!exception_row_get(txn, sharer, viewer, &sharing))
		return;
	side_remove(txn, USERS_TABLE_SHOWN, sharer, viewer, sharing);
	side_remove(txn, USERS_TABLE_SEEN, viewer, sharer, sharing);
	if (sharing.until_ms != 0)
		side_remove(txn, USERS_TABLE_LAPSES, sharer, viewer, sharing);
}

void exception_row_put(struct lmdb_txn *txn, struct user_id sharer, struct user_id viewer,
		       struct sharing sharing)
{
	exception_row_remove(txn, sharer, viewer);
	side_put(txn, USERS_TABLE_SHOWN, sharer, viewer, sharing);
	side_put(txn, USERS_TABLE_SEEN, viewer, sharer, sharing);
	if (sharing.until_ms != 0)
		side_put(txn, USERS_TABLE_LAPSES, sharer, viewer, sharing);
}

void exception_row_lapse(struct lmdb_txn *txn, struct user_id sharer, struct sharing sharing)
{
	struct sharing before;
	if (exception_row_find(txn, USERS_TABLE_LAPSES, sharer, EXCEPTION_EVERYBODY, &before))
		side_remove(txn, USERS_TABLE_LAPSES, sharer, EXCEPTION_EVERYBODY, before);
	if (sharing.until_ms != 0)
		side_put(txn, USERS_TABLE_LAPSES, sharer, EXCEPTION_EVERYBODY, sharing);
}

void exception_row_remove_all(struct lmdb_txn *txn, struct user_id user)
{
	struct sharing_exception *list;
	uint32_t count = exception_row_list(txn, USERS_TABLE_SHOWN, user, &list);
	for (uint32_t i = 0; i < count; i++)
		exception_row_remove(txn, user, list[i].user);
	free(list);
	count = exception_row_list(txn, USERS_TABLE_SEEN, user, &list);
	for (uint32_t i = 0; i < count; i++)
		exception_row_remove(txn, list[i].user, user);
	free(list);
	exception_row_lapse(txn, user, (struct sharing){ .until_ms = 0 });
}

static bool exception_decode(struct bytes value, void *exception)
{
	return exception_row_decode(value, exception);
}

uint32_t exception_row_list(struct lmdb_txn *txn, uint32_t table, struct user_id user,
			    struct sharing_exception **list)
{
	uint32_t count;
	*list = user_values_read(txn, table, user, exception_decode, sizeof(**list), &count);
	return count;
}
