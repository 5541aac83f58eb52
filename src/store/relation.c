/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/relation.h"

#include "store/user_tables.h"
#include "store/user_values.h"

#include <stdlib.h>

const struct relation relation_friends = { USERS_TABLE_FRIENDS, USERS_TABLE_FRIENDS };
const struct relation relation_asks = { USERS_TABLE_ASKED, USERS_TABLE_ASKING };
const struct relation relation_blocks = { USERS_TABLE_BLOCKED, USERS_TABLE_BLOCKED_BY };

bool relation_has(struct lmdb_txn *txn, const struct relation *relation, struct user_id a,
		  struct user_id b)
{
	struct lmdb_cursor cursor;
	lmdb_cursor_open(&cursor, txn, relation->table);
	bool found = lmdb_seek_value(&cursor, id_bytes(&a), id_bytes(&b));
	lmdb_cursor_close(&cursor);
	return found;
}

void relation_put(struct lmdb_txn *txn, const struct relation *relation, struct user_id a,
		  struct user_id b)
{
	lmdb_put(txn, relation->table, id_bytes(&a), id_bytes(&b), LMDB_ADD);
	lmdb_put(txn, relation->inverse, id_bytes(&b), id_bytes(&a), LMDB_ADD);
}

bool relation_remove(struct lmdb_txn *txn, const struct relation *relation, struct user_id a,
		     struct user_id b)
{
	struct bytes to_a = id_bytes(&a), to_b = id_bytes(&b);
	if (!lmdb_remove(txn, relation->table, id_bytes(&a), &to_b))
		return false;
	lmdb_remove(txn, relation->inverse, id_bytes(&b), &to_a);
	return true;
}

/* Removes the rows of the user in one table, and those in the other that lead to the user. */
static void side_remove(struct lmdb_txn *txn, uint32_t table, uint32_t inverse, struct user_id user)
{
	struct user_id *others;
	uint32_t count = relation_list(txn, table, user, &others);
	struct bytes to_user = id_bytes(&user);
	for (uint32_t i = 0; i < count; i++)
		lmdb_remove(txn, inverse, id_bytes(&others[i]), &to_user);
	if (count > 0)
		lmdb_remove(txn, table, id_bytes(&user), NULL);
	free(others);
}

void relation_remove_from(struct lmdb_txn *txn, const struct relation *relation,
			  struct user_id user)
{
	side_remove(txn, relation->table, relation->inverse, user);
}

void relation_remove_all(struct lmdb_txn *txn, const struct relation *relation, struct user_id user)
{
	relation_remove_from(txn, relation, user);
	if (relation->inverse != relation->table)
		side_remove(txn, relation->inverse, relation->table, user);
}

uint64_t relation_count(struct lmdb_txn *txn, uint32_t table, struct user_id user)
{
	struct lmdb_cursor cursor;
	lmdb_cursor_open(&cursor, txn, table);
	uint64_t count = lmdb_seek(&cursor, id_bytes(&user)) ? lmdb_value_count(&cursor) : 0;
	lmdb_cursor_close(&cursor);
	return count;
}

static bool id_decode(struct bytes value, void *id)
{
	*(struct user_id *)id = id_of(value);
	return true;
}

uint32_t relation_list(struct lmdb_txn *txn, uint32_t table, struct user_id user,
		       struct user_id **ids)
{
	uint32_t count;
	*ids = user_values_read(txn, table, user, id_decode, sizeof(**ids), &count);
	return count;
}
