/*
 * Owns: the lists of people, and their names, in answers.
 * Invariant: a name in an answer is the one that the transaction sees.
 * Thread: the users thread.
 * Does not know: what a list is asked for.
 */
#ifndef NEARBY_STORE_PEOPLE_H
#define NEARBY_STORE_PEOPLE_H

#include "store/lmdb.h"
#include "store/name_cache.h"
#include "store/store.h"

/*
 * Fills in friends, names and total of the request: of its user's row in `table` those after `after`
 * (all when it is NULL), `limit` at most, and who of them shows nothing at now_ms. `names`: NULL in a
 * transaction that changes some.
 */
void people_read(struct name_cache *names, struct lmdb_txn *txn, struct store_request *request,
		 uint32_t table, const struct user_id *after, uint64_t limit);

/* The names of an answer while they are gathered; {0} at first. */
struct people_names {
	char *text;
	uint32_t length;
	uint32_t capacity;
};

/* Adds the names of both of a pair, whom the transaction knows. */
void people_name_pair(struct people_names *names, struct lmdb_txn *txn, struct store_pair *pair);

#endif
