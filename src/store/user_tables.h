/*
 * Owns: the names of the tables of users.mdb, and how ids stand in them.
 * Invariant: see users.h.
 * Thread: any, no state.
 * Does not know: what changes them.
 */
#ifndef NEARBY_STORE_USER_TABLES_H
#define NEARBY_STORE_USER_TABLES_H

#include "base/id.h"
#include "store/lmdb.h"

#include <string.h>

enum users_table {
	USERS_TABLE_PROFILES,
	USERS_TABLE_FRIENDS,
	USERS_TABLE_ASKED,
	USERS_TABLE_ASKING,
	USERS_TABLE_BLOCKED,
	USERS_TABLE_BLOCKED_BY,
	USERS_TABLE_SHOWN,
	USERS_TABLE_SEEN,
	USERS_TABLE_LAPSES,
	USERS_TABLE_BARS,
	USERS_TABLE_META,
	USERS_TABLE_COUNT
};

static inline struct bytes id_bytes(const struct user_id *id)
{
	return (struct bytes){ &id->value, sizeof(id->value) };
}

static inline struct user_id id_of(struct bytes bytes)
{
	struct user_id id;
	memcpy(&id.value, bytes.at, sizeof(id.value));
	return id;
}

#endif
