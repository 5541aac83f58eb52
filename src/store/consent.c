/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/consent.h"

#include "base/check.h"
#include "store/exception_row.h"
#include "store/people.h"
#include "store/profile_row.h"
#include "store/relation.h"
#include "store/user_tables.h"

#include <errno.h>
#include <stdlib.h>

/* ---- what holds between two ------------------------------------------------------------------ */

static bool is_blocked(struct lmdb_txn *txn, const struct store_pair *pair)
{
	return relation_has(txn, &relation_blocks, pair->a, pair->b) ||
	       relation_has(txn, &relation_blocks, pair->b, pair->a);
}

static bool asks_end(struct lmdb_txn *txn, const struct store_pair *pair)
{
	/* At most one is there. */
	return relation_remove(txn, &relation_asks, pair->a, pair->b) ||
	       relation_remove(txn, &relation_asks, pair->b, pair->a);
}

static bool friendship_end(struct lmdb_txn *txn, struct user_id a, struct user_id b)
{
	if (!relation_remove(txn, &relation_friends, a, b))
		return false;
	exception_row_remove(txn, a, b);
	exception_row_remove(txn, b, a);
	return true;
}

static bool has_room(struct lmdb_txn *txn, struct user_id user, uint32_t friends_max)
{
	return relation_count(txn, USERS_TABLE_FRIENDS, user) < friends_max;
}

static void befriend(struct lmdb_txn *txn, struct store_pair *pair, struct people_names *names)
{
	asks_end(txn, pair);
	relation_put(txn, &relation_friends, pair->a, pair->b);
	people_name_pair(names, txn, pair);
	pair->result = STORE_PAIR_ADDED;
}

/* ---- pairs that an administrator names ------------------------------------------------------- */

static void pair_put(struct lmdb_txn *txn, uint32_t friends_max, struct people_names *names,
		     struct store_pair *pair)
{
	if (user_id_equal(pair->a, pair->b)) {
		pair->result = STORE_PAIR_SELF;
		return;
	}
	if (relation_has(txn, &relation_friends, pair->a, pair->b)) {
		pair->result = STORE_PAIR_PRESENT;
		return;
	}
	profile_row_make(txn, pair->a);
	profile_row_make(txn, pair->b);
	if (is_blocked(txn, pair))
		pair->result = STORE_PAIR_BLOCKED;
	else if (!has_room(txn, pair->a, friends_max) || !has_room(txn, pair->b, friends_max))
		pair->result = STORE_PAIR_LIMIT;
	else
		befriend(txn, pair, names);
}

static void pair_remove(struct lmdb_txn *txn, struct store_pair *pair)
{
	if (user_id_equal(pair->a, pair->b))
		pair->result = STORE_PAIR_SELF;
	else
		pair->result = friendship_end(txn, pair->a, pair->b) ? STORE_PAIR_ADDED
								     : STORE_PAIR_PRESENT;
}

void consent_pairs_change(struct lmdb_txn *txn, uint32_t friends_max, struct store_request *request)
{
	struct people_names names = { .text = NULL };
	for (uint32_t i = 0; i < request->pair_count && txn->error == 0; i++) {
		if (request->op == STORE_FRIENDS_PUT)
			pair_put(txn, friends_max, &names, &request->pairs[i]);
		else
			pair_remove(txn, &request->pairs[i]);
	}
	request->names = names.text; /* the request frees it, also when the transaction fails */
}

/* ---- what one user does to another ----------------------------------------------------------- */

static void ask_first(struct lmdb_txn *txn, struct store_pair *pair, struct people_names *names)
{
	if (relation_count(txn, USERS_TABLE_ASKED, pair->a) >= STORE_ASKS_MAX ||
	    relation_count(txn, USERS_TABLE_ASKING, pair->b) >= STORE_ASKS_MAX) {
		pair->result = STORE_PAIR_LIMIT;
		return;
	}
	profile_row_make(txn, pair->a);
	relation_put(txn, &relation_asks, pair->a, pair->b);
	people_name_pair(names, txn, pair);
	pair->result = STORE_PAIR_ASKED;
}

static void ask(struct lmdb_txn *txn, uint32_t friends_max, struct store_request *request,
		struct people_names *names)
{
	struct store_pair *pair = request->pairs;
	if (is_blocked(txn, pair)) {
		pair->result = STORE_PAIR_BLOCKED;
	} else if (relation_has(txn, &relation_friends, pair->a, pair->b)) {
		pair->result = STORE_PAIR_PRESENT;
		request->is_friend = true;
	} else if (relation_has(txn, &relation_asks, pair->a, pair->b)) {
		pair->result = STORE_PAIR_PRESENT;
	} else if (!has_room(txn, pair->a, friends_max) || !has_room(txn, pair->b, friends_max)) {
		pair->result = STORE_PAIR_LIMIT;
	} else if (relation_has(txn, &relation_asks, pair->b, pair->a)) {
		befriend(txn, pair, names);
		request->is_friend = true;
	} else {
		ask_first(txn, pair, names);
	}
}

/* Whether there was something to end. */
static bool end_all(struct lmdb_txn *txn, struct store_request *request)
{
	const struct store_pair *pair = request->pairs;
	request->was_friend = friendship_end(txn, pair->a, pair->b);
	request->was_asked = !request->was_friend && asks_end(txn, pair);
	return request->was_friend || request->was_asked;
}

static void end(struct lmdb_txn *txn, struct store_request *request, struct people_names *names)
{
	struct store_pair *pair = request->pairs;
	pair->result = STORE_PAIR_PRESENT;
	if (!end_all(txn, request))
		return;
	pair->result = STORE_PAIR_ADDED;
	people_name_pair(names, txn, pair);
}

static void block(struct lmdb_txn *txn, struct store_request *request, struct people_names *names)
{
	struct store_pair *pair = request->pairs;
	if (relation_has(txn, &relation_blocks, pair->a, pair->b)) {
		pair->result = STORE_PAIR_PRESENT;
		return;
	}
	if (relation_count(txn, USERS_TABLE_BLOCKED, pair->a) >= STORE_BLOCKS_MAX) {
		pair->result = STORE_PAIR_LIMIT;
		return;
	}
	profile_row_make(txn, pair->a);
	end_all(txn, request);
	relation_put(txn, &relation_blocks, pair->a, pair->b);
	people_name_pair(names, txn, pair);
	pair->result = STORE_PAIR_ADDED;
}

static void unblock(struct lmdb_txn *txn, struct store_request *request, struct people_names *names)
{
	struct store_pair *pair = request->pairs;
	pair->result = STORE_PAIR_PRESENT;
	if (relation_remove(txn, &relation_blocks, pair->a, pair->b)) {
		pair->result = STORE_PAIR_ADDED;
		people_name_pair(names, txn, pair);
	}
	request->still_barred = relation_has(txn, &relation_blocks, pair->b, pair->a);
}

void consent_act(struct lmdb_txn *txn, uint32_t friends_max, struct store_request *request)
{
	struct people_names names = { .text = NULL };
	struct store_pair *pair = request->pairs;
	check(request->pair_count == 1);
	if (user_id_equal(pair->a, pair->b))
		pair->result = STORE_PAIR_SELF;
	else if (request->op == STORE_END)
		end(txn, request, &names);
	else if (request->op == STORE_UNBLOCK)
		unblock(txn, request, &names);
	else if (!profile_row_exists(txn, pair->b))
		pair->result = STORE_PAIR_UNKNOWN;
	else if (request->op == STORE_ASK)
		ask(txn, friends_max, request, &names);
	else
		block(txn, request, &names);
	request->names = names.text;
}

/* ---- exactly these friends ------------------------------------------------------------------- */

/* The friends of before and the ids that are asked for, both ascending, while they are compared. */
struct sync {
	struct lmdb_txn *txn;
	struct store_request *request;
	struct user_id *friends;
	uint32_t friend_count;
	uint32_t kept; /* of the friends */
};

static void sync_note(struct sync *sync, struct user_id other)
{
	struct store_request *request = sync->request;
	request->sync_pairs[request->sync_count++] =
		(struct store_pair){ .a = request->user, .b = other, .result = STORE_PAIR_ADDED };
}

/* Notes who is to be added: an id that is no friend, and is not barred. */
static void sync_note_added(struct sync *sync)
{
	struct store_request *request = sync->request;
	uint32_t at = 0;
	for (uint32_t i = 0; i < request->id_count; i++) {
		struct store_pair pair = { .a = request->user, .b = request->ids[i] };
		while (at < sync->friend_count && sync->friends[at].value < pair.b.value)
			at++;
		if (at < sync->friend_count && user_id_equal(sync->friends[at], pair.b))
			sync->kept++;
		else if (!is_blocked(sync->txn, &pair))
			sync_note(sync, pair.b);
	}
	request->sync_removed_from = request->sync_count;
}

static void sync_note_removed(struct sync *sync)
{
	const struct store_request *request = sync->request;
	uint32_t at = 0;
	for (uint32_t i = 0; i < sync->friend_count; i++) {
		while (at < request->id_count && request->ids[at].value < sync->friends[i].value)
			at++;
		if (at == request->id_count || !user_id_equal(request->ids[at], sync->friends[i]))
			sync_note(sync, sync->friends[i]);
	}
}

static int sync_judge(const struct sync *sync, uint32_t friends_max)
{
	const struct store_request *request = sync->request;
	if (sync->kept + request->sync_removed_from > friends_max)
		return -EDQUOT;
	for (uint32_t i = 0; i < request->sync_removed_from; i++)
		if (!has_room(sync->txn, request->sync_pairs[i].b, friends_max))
			return -EMLINK;
	return 0;
}

static void sync_apply(struct lmdb_txn *txn, struct store_request *request)
{
	struct people_names names = { .text = NULL };
	request->created = profile_row_make(txn, request->user);
	for (uint32_t i = 0; i < request->sync_count && txn->error == 0; i++) {
		struct store_pair *pair = &request->sync_pairs[i];
		if (i >= request->sync_removed_from) {
			friendship_end(txn, pair->a, pair->b);
			people_name_pair(&names, txn, pair);
		} else {
			profile_row_make(txn, pair->b);
			befriend(txn, pair, &names);
		}
	}
	request->names = names.text;
}

void consent_sync(struct lmdb_txn *txn, uint32_t friends_max, struct store_request *request)
{
	struct sync sync = { .txn = txn, .request = request };
	sync.friend_count = relation_list(txn, USERS_TABLE_FRIENDS, request->user, &sync.friends);
	size_t room = (size_t)request->id_count + sync.friend_count;
	request->sync_pairs = malloc((room + 1) * sizeof(*request->sync_pairs));
	if (request->sync_pairs == NULL) {
		lmdb_fail(txn, -ENOMEM);
	} else {
		sync_note_added(&sync);
		sync_note_removed(&sync);
		request->status = sync_judge(&sync, friends_max);
		if (request->status == 0)
			sync_apply(txn, request);
		else
			request->sync_count = request->sync_removed_from = 0;
	}
	free(sync.friends);
}

/* ---- leaving --------------------------------------------------------------------------------- */

void consent_leave(struct lmdb_txn *txn, struct user_id user)
{
	exception_row_remove_all(txn, user);
	relation_remove_all(txn, &relation_friends, user);
	relation_remove_all(txn, &relation_asks, user);
	relation_remove_from(txn, &relation_blocks, user);
}
