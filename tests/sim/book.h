/*
 * Owns: the store of a simulated run: friendships, names and sharing, and how changes reach the
 *   cores.
 * Invariant: changes are committed one after the other and reach every core in that order, each
 *   core at its own time; a list of friends that is loaded meanwhile misses none of them.
 * Thread: one.
 * Does not know: the engine, sessions.
 *
 * The rule that makes a join right: a list shows the store at one moment, and enters the engine
 * later. Changes that its core takes between the two are applied to the list as well, in order,
 * even if it shows them already (each sets a state, so doing it twice changes nothing); those that
 * come after the join reach the session as any other. A change may therefore be neither lost nor
 * undone, whichever of the two is faster. It needs one order of all changes of a user at its home
 * core: the order of their commits.
 */
#ifndef NEARBY_SIM_BOOK_H
#define NEARBY_SIM_BOOK_H

#include "oracle.h"

#include <stdbool.h>
#include <stdint.h>

enum change_type {
	CHANGE_BEFRIEND,
	CHANGE_UNFRIEND,
	CHANGE_RENAME,
	CHANGE_SHARING,	  /* of `user`, to `mode` */
	CHANGE_EXCEPTION, /* of `user`, for `with`, who is homed at the core that takes it */
};

struct change {
	enum change_type type;
	uint32_t user;	       /* homed at the core that takes it; of a rename: who was renamed */
	uint32_t with;	       /* not of a rename */
	uint32_t name_version; /* of `with`, or of `user` in a rename */
	enum sharing_mode mode; /* of a befriend: the exception of `with` for `user` */
	bool is_shown;		/* of a sharing; of a befriend: `with` shows nothing to everybody */
	bool is_awaited;	/* the choice of `user` goes on when all such are taken */
};

/* A friend in a loaded list. */
struct book_friend {
	uint32_t user;
	uint32_t name_version;
	enum sharing_mode exception;
	bool is_off;
};

/* What a loaded list says of its own user. */
struct book_self {
	enum sharing_mode mode;
	bool is_shown;
};

/* Lists that are loaded and have not entered their engine. */
#define BOOK_LOADS_MAX 8

struct book;

/* `oracle` keeps the names and the ids; both it and the book are the caller's to close. */
struct book *book_open(struct oracle *oracle, uint32_t user_count, const uint64_t *ids,
		       uint32_t cores);
void book_close(struct book **book);

bool book_are_friends(const struct book *book, uint32_t a, uint32_t b);
/* The change is committed here and now; the cores hear of it later. */
void book_befriend(struct book *book, uint32_t a, uint32_t b);
void book_unfriend(struct book *book, uint32_t a, uint32_t b);
void book_rename(struct book *book, uint32_t user, const char *name);

/*
 * A user chooses what everybody sees, or what one friend does. As the daemon does it: what takes away
 * is told to the home core that it concerns, then committed, then told to all, then answered; what
 * gives is committed first. A user makes one choice at a time: false when one is under way, or `with`
 * is no friend. OFF for everybody ends all exceptions.
 */
bool book_share(struct book *book, uint32_t user, enum sharing_mode mode);
bool book_except(struct book *book, uint32_t user, uint32_t with, enum sharing_mode mode);
/* Commits the user's choice, if one is ready for that. */
bool book_commit(struct book *book, uint32_t user);

/* The oldest change that the core has not taken. */
bool book_take(struct book *book, uint32_t core, struct change *change);
uint32_t book_waiting(const struct book *book, uint32_t core);

/* The list of friends as it is now. Returns a load, or ORACLE_NOBODY when BOOK_LOADS_MAX wait. */
uint32_t book_load(struct book *book, uint32_t user);
/* Whether there is such a load, and whose it is. */
bool book_is_loaded(const struct book *book, uint32_t load, uint32_t *user);
/* Ends the load; `friends` has room for all users. Returns how many. */
uint32_t book_enter(struct book *book, uint32_t load, struct book_friend *friends,
		    struct book_self *self);

/* The daemon died: changes and loads that were under way are lost, what is committed stays. */
void book_restart(struct book *book, uint32_t cores);

#endif
