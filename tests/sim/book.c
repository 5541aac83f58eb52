/*
 * Owns: friendships and sharing, a queue of changes for each core, and loaded lists.
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
	uint8_t *exceptions;	 /* of each user for this one */
	bool *are_off;
	struct book_self self;
};

/* What a user shows. */
struct share {
	enum sharing_mode mode;
	uint8_t *exceptions; /* for each user */
};

/* READY: to be committed; TOLD: all cores are to take it, then it is answered. */
enum choice_state { CHOICE_NONE, CHOICE_FIRST_TOLD, CHOICE_READY, CHOICE_TOLD };

/* What a user has chosen, what of that is committed, and what was answered last. */
struct choice {
	enum choice_state state;
	uint32_t awaited;
	bool *has_ended; /* for each user: the friendship, while the choice was under way */
	struct share wanted, committed, answered;
};

struct book {
	struct oracle *oracle;
	const uint64_t *ids;
	uint32_t user_count;
	uint32_t cores;
	uint8_t *friends; /* a row a user */
	struct choice *choices; /* by user */
	struct queue queues[CORES_MAX];
	struct load loads[BOOK_LOADS_MAX];
};

static void share_open(struct share *share, uint32_t user_count)
{
	share->mode = SHARING_PRECISE;
	share->exceptions = calloc(user_count, 1);
	check(share->exceptions != NULL);
}

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
		struct load *load = &book->loads[i];
		load->name_versions = calloc(user_count, sizeof(uint32_t));
		load->exceptions = calloc(user_count, 1);
		load->are_off = calloc(user_count, sizeof(bool));
		check(load->name_versions != NULL && load->exceptions != NULL &&
		      load->are_off != NULL);
	}
	book->choices = calloc(user_count, sizeof(*book->choices));
	check(book->choices != NULL);
	for (uint32_t user = 0; user < user_count; user++) {
		book->choices[user].has_ended = calloc(user_count, sizeof(bool));
		check(book->choices[user].has_ended != NULL);
		share_open(&book->choices[user].wanted, user_count);
		share_open(&book->choices[user].committed, user_count);
		share_open(&book->choices[user].answered, user_count);
	}
	return book;
}

void book_close(struct book **book)
{
	for (uint32_t core = 0; core < CORES_MAX; core++)
		free((*book)->queues[core].changes);
	for (uint32_t i = 0; i < BOOK_LOADS_MAX; i++) {
		free((*book)->loads[i].name_versions);
		free((*book)->loads[i].exceptions);
		free((*book)->loads[i].are_off);
	}
	for (uint32_t user = 0; user < (*book)->user_count; user++) {
		free((*book)->choices[user].has_ended);
		free((*book)->choices[user].wanted.exceptions);
		free((*book)->choices[user].committed.exceptions);
		free((*book)->choices[user].answered.exceptions);
	}
	free((*book)->choices);
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

/* ---- sharing --------------------------------------------------------------------------------- */

static enum sharing_mode share_for(const struct share *share, uint32_t viewer)
{
	enum sharing_mode exception = (enum sharing_mode)share->exceptions[viewer];
	return exception != SHARING_DEFAULT ? exception : share->mode;
}

static int rank_of(enum sharing_mode mode)
{
	return mode == SHARING_PRECISE ? 2 : mode == SHARING_APPROXIMATE ? 1 : 0;
}

static bool is_shown(const struct book *book, const struct share *share)
{
	for (uint32_t viewer = 0; viewer < book->user_count; viewer++)
		if (rank_of((enum sharing_mode)share->exceptions[viewer]) > 0)
			return true;
	return false;
}

static void share_copy(const struct book *book, struct share *to, const struct share *from)
{
	to->mode = from->mode;
	memcpy(to->exceptions, from->exceptions, book->user_count);
}

/* The most that each viewer may see: whatever was answered, or may hold already. */
static void note_consent(struct book *book, uint32_t user)
{
	const struct choice *choice = &book->choices[user];
	const struct share *shares[] = { &choice->answered, &choice->committed, &choice->wanted };
	for (uint32_t viewer = 0; viewer < book->user_count; viewer++) {
		enum sharing_mode most = SHARING_OFF;
		for (size_t i = 0; i < ARRAY_COUNT(shares); i++)
			if (rank_of(share_for(shares[i], viewer)) > rank_of(most))
				most = share_for(shares[i], viewer);
		oracle_consents(book->oracle, user, viewer, most);
	}
}

static void tell(struct book *book, uint32_t core, struct change change)
{
	if (change.is_awaited)
		book->choices[change.user].awaited++;
	queue_put(&book->queues[core], change);
}

static struct change sharing_change(const struct book *book, uint32_t user,
				    const struct share *share, bool is_awaited)
{
	return (struct change){ .type = CHANGE_SHARING,
				.user = user,
				.with = user,
				.mode = share->mode,
				.is_shown = is_shown(book, share),
				.is_awaited = is_awaited };
}

static struct change exception_change(uint32_t user, uint32_t viewer, const struct share *share)
{
	return (struct change){ .type = CHANGE_EXCEPTION,
				.user = user,
				.with = viewer,
				.mode = (enum sharing_mode)share->exceptions[viewer],
				.is_awaited = true };
}

/* Whether somebody is to see less. */
static bool takes_away(const struct book *book, const struct choice *choice)
{
	for (uint32_t viewer = 0; viewer < book->user_count; viewer++)
		if (rank_of(share_for(&choice->wanted, viewer)) <
		    rank_of(share_for(&choice->committed, viewer)))
			return true;
	return false;
}

static void tell_exceptions(struct book *book, uint32_t user)
{
	const struct choice *choice = &book->choices[user];
	for (uint32_t viewer = 0; viewer < book->user_count; viewer++)
		if (choice->wanted.exceptions[viewer] != choice->committed.exceptions[viewer])
			tell(book, home_of(book, viewer),
			     exception_change(user, viewer, &choice->wanted));
}

/* `wanted` has been filled in. What everybody sees is told to the user's home core first, and the
 * exceptions that end with that only afterwards: one of them may have shown less. */
static void begin_choice(struct book *book, uint32_t user)
{
	struct choice *choice = &book->choices[user];
	memset(choice->has_ended, 0, book->user_count * sizeof(bool));
	note_consent(book, user);
	choice->state = CHOICE_READY;
	if (!takes_away(book, choice))
		return;
	choice->state = CHOICE_FIRST_TOLD;
	tell(book, home_of(book, user), sharing_change(book, user, &choice->wanted, true));
	if (choice->wanted.mode == choice->committed.mode)
		tell_exceptions(book, user);
}

bool book_share(struct book *book, uint32_t user, enum sharing_mode mode)
{
	struct choice *choice = &book->choices[user];
	if (choice->state != CHOICE_NONE)
		return false;
	choice->wanted.mode = mode;
	if (mode == SHARING_OFF)
		memset(choice->wanted.exceptions, SHARING_DEFAULT, book->user_count);
	begin_choice(book, user);
	return true;
}

bool book_except(struct book *book, uint32_t user, uint32_t with, enum sharing_mode mode)
{
	struct choice *choice = &book->choices[user];
	if (choice->state != CHOICE_NONE || !book_are_friends(book, user, with))
		return false;
	choice->wanted.exceptions[with] = (uint8_t)mode;
	begin_choice(book, user);
	return true;
}

bool book_commit(struct book *book, uint32_t user)
{
	struct choice *choice = &book->choices[user];
	if (choice->state != CHOICE_READY)
		return false;
	choice->state = CHOICE_TOLD;
	for (uint32_t core = 0; core < book->cores; core++)
		tell(book, core, sharing_change(book, user, &choice->wanted, true));
	tell_exceptions(book, user);
	share_copy(book, &choice->committed, &choice->wanted);
	return true;
}

/* A core takes a change that the user's choice waits for. */
static void note_taken(struct book *book, uint32_t user)
{
	struct choice *choice = &book->choices[user];
	if (--choice->awaited > 0)
		return;
	if (choice->state == CHOICE_FIRST_TOLD) {
		choice->state = CHOICE_READY;
		return;
	}
	check(choice->state == CHOICE_TOLD);
	choice->state = CHOICE_NONE;
	choice->answered.mode = choice->committed.mode;
	for (uint32_t viewer = 0; viewer < book->user_count; viewer++)
		if (!choice->has_ended[viewer])
			choice->answered.exceptions[viewer] = choice->committed.exceptions[viewer];
	note_consent(book, user);
}

/* A friendship that begins or ends knows of no exception; one that ended may have shown the user. */
static void end_exception(struct book *book, uint32_t user, uint32_t viewer)
{
	struct choice *choice = &book->choices[user];
	bool was_there = choice->committed.exceptions[viewer] != SHARING_DEFAULT;
	/* The viewer may see what it could until the end of the friendship is heard, which is not
	 * before the user's next choice is answered. */
	if (rank_of(share_for(&choice->committed, viewer)) >
	    rank_of(share_for(&choice->answered, viewer)))
		choice->answered.exceptions[viewer] =
			(uint8_t)share_for(&choice->committed, viewer);
	choice->has_ended[viewer] = true;
	choice->wanted.exceptions[viewer] = SHARING_DEFAULT;
	choice->committed.exceptions[viewer] = SHARING_DEFAULT;
	note_consent(book, user);
	for (uint32_t core = 0; was_there && core < book->cores; core++)
		tell(book, core, sharing_change(book, user, &choice->committed, false));
}

/* ---- friendships ----------------------------------------------------------------------------- */

/* For a, of b. */
static struct change friend_change(const struct book *book, enum change_type type, uint32_t a,
				   uint32_t b)
{
	const struct share *share = &book->choices[b].committed;
	return (struct change){ .type = type,
				.user = a,
				.with = b,
				.name_version = oracle_name_version(book->oracle, b),
				.mode = (enum sharing_mode)share->exceptions[a],
				.is_shown = share->mode != SHARING_OFF };
}

static void set_friends(struct book *book, uint32_t a, uint32_t b, bool are_friends)
{
	check(a != b);
	book->friends[a * book->user_count + b] = are_friends;
	book->friends[b * book->user_count + a] = are_friends;
	enum change_type type = are_friends ? CHANGE_BEFRIEND : CHANGE_UNFRIEND;
	if (!are_friends) {
		end_exception(book, a, b);
		end_exception(book, b, a);
	}
	tell(book, home_of(book, a), friend_change(book, type, a, b));
	tell(book, home_of(book, b), friend_change(book, type, b, a));
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
	struct change change = { .type = CHANGE_RENAME,
				 .user = user,
				 .with = user,
				 .name_version = oracle_named(book->oracle, user, name) };
	for (uint32_t core = 0; core < book->cores; core++)
		queue_put(&book->queues[core], change);
}

static void patch(struct load *load, const struct change *change)
{
	switch (change->type) {
	case CHANGE_BEFRIEND:
		if (load->user != change->user)
			break;
		/* Who is a friend already is none anew: what it shows has been told otherwise. */
		if (load->name_versions[change->with] == NOT_FRIEND) {
			load->exceptions[change->with] = (uint8_t)change->mode;
			load->are_off[change->with] = !change->is_shown;
		}
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
	case CHANGE_SHARING:
		load->are_off[change->user] = change->mode == SHARING_OFF;
		if (load->user == change->user)
			load->self = (struct book_self){ change->mode, change->is_shown };
		break;
	case CHANGE_EXCEPTION:
		if (load->user == change->with)
			load->exceptions[change->user] = (uint8_t)change->mode;
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
	if (change->is_awaited)
		note_taken(book, change->user);
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
	const struct share *own = &book->choices[user].committed;
	load->self = (struct book_self){ own->mode, is_shown(book, own) };
	for (uint32_t with = 0; with < book->user_count; with++) {
		const struct share *share = &book->choices[with].committed;
		load->name_versions[with] = book_are_friends(book, user, with)
						    ? oracle_name_version(book->oracle, with)
						    : NOT_FRIEND;
		load->exceptions[with] = share->exceptions[user];
		load->are_off[with] = share->mode == SHARING_OFF;
	}
	return number;
}

bool book_is_loaded(const struct book *book, uint32_t load, uint32_t *user)
{
	*user = book->loads[load].user;
	return book->loads[load].is_used;
}

uint32_t book_enter(struct book *book, uint32_t load, struct book_friend *friends,
		    struct book_self *self)
{
	uint32_t count = 0;
	struct load *from = &book->loads[load];
	check(from->is_used);
	from->is_used = false;
	*self = from->self;
	for (uint32_t with = 0; with < book->user_count; with++)
		if (from->name_versions[with] != NOT_FRIEND)
			friends[count++] = (struct book_friend){
				with, from->name_versions[with],
				(enum sharing_mode)from->exceptions[with], from->are_off[with]
			};
	return count;
}

void book_restart(struct book *book, uint32_t cores)
{
	for (uint32_t core = 0; core < CORES_MAX; core++)
		book->queues[core].head = book->queues[core].count = 0;
	for (uint32_t i = 0; i < BOOK_LOADS_MAX; i++)
		book->loads[i].is_used = false;
	/* A choice that was not committed was never made; one that was, but not answered, holds. */
	for (uint32_t user = 0; user < book->user_count; user++) {
		struct choice *choice = &book->choices[user];
		choice->state = CHOICE_NONE;
		choice->awaited = 0;
		share_copy(book, &choice->wanted, &choice->committed);
		note_consent(book, user);
	}
	book->cores = cores;
}
