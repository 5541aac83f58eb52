/*
 * Owns: friendships, a queue of changes for each core, and loaded lists.
 * Invariant: `friends` is symmetric; a load is patched by every change that its core takes.
 * Thread: one.
 * Does not know: what a core does with a change.
 */
#include "book.h"

#include "base/check.h"
#include "nearbyshm.h"

#include <stdlib.h>
#include <string.h>

#define CORES_MAX NEARBYSHM_CORES_MAX
#define NOT_FRIEND UINT32_MAX

struct queue {
	struct change *changes;
	uint32_t head, count, room;
};

struct load {
	bool is_used;
	uint32_t user;
	uint32_t *name_versions; /* of each user, or NOT_FRIEND */
};

struct book {
	struct oracle *oracle;
	const uint64_t *ids;
	uint32_t user_count;
	uint32_t cores;
	uint8_t *friends; /* a row a user */
	struct queue queues[CORES_MAX];
	struct load loads[BOOK_LOADS_MAX];
};

struct book *book_open(struct oracle *oracle, uint32_t user_count, const uint64_t *ids,
		       uint32_t cores)
{
	struct book *book = calloc(1, sizeof(*book));
	check(book != NULL);
	book->oracle = oracle;
	book->ids = ids;
	book->user_count = user_count;
	book->cores = cores;
	book->friends = calloc(user_count, user_count);
	check(book->friends != NULL);
	for (uint32_t i = 0; i < BOOK_LOADS_MAX; i++) {
		book->loads[i].name_versions = calloc(user_count, sizeof(uint32_t));
		check(book->loads[i].name_versions != NULL);
	}
	return book;
}

void book_close(struct book **book)
{
	for (uint32_t core = 0; core < CORES_MAX; core++)
		free((*book)->queues[core].changes);
	for (uint32_t i = 0; i < BOOK_LOADS_MAX; i++)
		free((*book)->loads[i].name_versions);
	free((*book)->friends);
	free(*book);
	*book = NULL;
}

static uint32_t home_of(const struct book *book, uint32_t user)
{
	return nearby_home_core(book->ids[user], book->cores);
}

static void queue_put(struct queue *queue, struct change change)
{
	if (queue->head + queue->count == queue->room) {
		queue->room = queue->room * 2 + 16;
		queue->changes = realloc(queue->changes, queue->room * sizeof(*queue->changes));
		check(queue->changes != NULL);
	}
	queue->changes[queue->head + queue->count++] = change;
}

bool book_are_friends(const struct book *book, uint32_t a, uint32_t b)
{
	return book->friends[a * book->user_count + b];
}

static void set_friends(struct book *book, uint32_t a, uint32_t b, bool are_friends)
{
	check(a != b);
	book->friends[a * book->user_count + b] = are_friends;
	book->friends[b * book->user_count + a] = are_friends;
	enum change_type type = are_friends ? CHANGE_BEFRIEND : CHANGE_UNFRIEND;
	struct change to_a = { type, a, b, oracle_name_version(book->oracle, b) };
	struct change to_b = { type, b, a, oracle_name_version(book->oracle, a) };
	queue_put(&book->queues[home_of(book, a)], to_a);
	queue_put(&book->queues[home_of(book, b)], to_b);
}

void book_befriend(struct book *book, uint32_t a, uint32_t b)
{
	set_friends(book, a, b, true);
}

void book_unfriend(struct book *book, uint32_t a, uint32_t b)
{
	set_friends(book, a, b, false);
}

void book_rename(struct book *book, uint32_t user, const char *name)
{
	struct change change = { CHANGE_RENAME, user, user,
				 oracle_named(book->oracle, user, name) };
	for (uint32_t core = 0; core < book->cores; core++)
		queue_put(&book->queues[core], change);
}

static void patch(struct load *load, const struct change *change)
{
	switch (change->type) {
	case CHANGE_BEFRIEND:
		if (load->user == change->user)
			load->name_versions[change->with] = change->name_version;
		break;
	case CHANGE_UNFRIEND:
		if (load->user == change->user)
			load->name_versions[change->with] = NOT_FRIEND;
		break;
	case CHANGE_RENAME:
		if (load->name_versions[change->user] != NOT_FRIEND)
			load->name_versions[change->user] = change->name_version;
		break;
	}
}

bool book_take(struct book *book, uint32_t core, struct change *change)
{
	struct queue *queue = &book->queues[core];
	if (queue->count == 0)
		return false;
	*change = queue->changes[queue->head++];
	if (--queue->count == 0)
		queue->head = 0;
	for (uint32_t i = 0; i < BOOK_LOADS_MAX; i++)
		if (book->loads[i].is_used && home_of(book, book->loads[i].user) == core)
			patch(&book->loads[i], change);
	return true;
}

uint32_t book_waiting(const struct book *book, uint32_t core)
{
	return book->queues[core].count;
}

uint32_t book_load(struct book *book, uint32_t user)
{
	uint32_t number = 0;
	while (number < BOOK_LOADS_MAX && book->loads[number].is_used)
		number++;
	if (number == BOOK_LOADS_MAX)
		return ORACLE_NOBODY;
	struct load *load = &book->loads[number];
	load->is_used = true;
	load->user = user;
	for (uint32_t with = 0; with < book->user_count; with++)
		load->name_versions[with] = book_are_friends(book, user, with)
						    ? oracle_name_version(book->oracle, with)
						    : NOT_FRIEND;
	return number;
}

bool book_is_loaded(const struct book *book, uint32_t load, uint32_t *user)
{
	*user = book->loads[load].user;
	return book->loads[load].is_used;
}

uint32_t book_enter(struct book *book, uint32_t load, struct book_friend *friends)
{
	uint32_t count = 0;
	check(book->loads[load].is_used);
	book->loads[load].is_used = false;
	for (uint32_t with = 0; with < book->user_count; with++)
		if (book->loads[load].name_versions[with] != NOT_FRIEND)
			friends[count++] =
				(struct book_friend){ with, book->loads[load].name_versions[with] };
	return count;
}

void book_restart(struct book *book, uint32_t cores)
{
	for (uint32_t core = 0; core < CORES_MAX; core++)
		book->queues[core].head = book->queues[core].count = 0;
	for (uint32_t i = 0; i < BOOK_LOADS_MAX; i++)
		book->loads[i].is_used = false;
	book->cores = cores;
}
