/*
 * Owns: the directory of all users whom strangers may see, of all cores, by user and by place.
 * Invariant: who is here stands in the tree under the code of its snapped place, once; a record
 *   lives while its user is here or other cores have still to be told that it is not.
 * Thread: the owner's.
 * Does not know: who may see whom, where anybody truly is, sessions.
 *
 * The tree is a binary one over the bits of (code, user), with a branch only where two differ. So
 * it knows crowds and deserts alike: those nearest to a place come out one by one in the order of
 * the least distance that their part of the map can have, for a cost that grows with how many are
 * wanted and with the logarithm of how many there are.
 *
 * Whoever wants to know later whether anything has changed around a cell compares a stamp: each
 * change stamps its cell. Cells share stamps, so an unchanged one may look changed, never the other
 * way round.
 */
#ifndef NEARBY_ENGINE_DIRECTORY_H
#define NEARBY_ENGINE_DIRECTORY_H

#include "engine/geohash.h"
#include "nearbyshm.h"

#include <stdbool.h>
#include <stdint.h>

/* Nobody. */
#define NOBODY UINT32_MAX

struct person {
	uint64_t user;
	uint64_t code;	  /* geohash of the snapped place */
	uint64_t told;	  /* of a user homed here: cores that believe it is here, see herald.h */
	uint64_t waiting; /* ... for which a message about it waits */
	uint32_t next;	  /* in its bucket, or in the free list */
	uint32_t parent;  /* branch, or NOBODY at the root */
	uint32_t first_belief; /* of the sessions here that were told of it, see strangers.h */
	nearby_hint hint;
	bool is_here;
	uint8_t why; /* not here any more: an enum gone_why */
};

/* A child is a person or a branch: twice its number, and one more for a branch. */
struct branch {
	uint64_t code; /* of all below, as far as it is the same */
	uint32_t children[2];
	uint32_t parent;
	uint8_t bit; /* the first that differs: of the code, then of the user */
};

/* A part of the tree on the way of a search: a node of a heap. */
struct outlook {
	double chord2; /* nobody of it is nearer */
	uint32_t child;
};

/* Parts of the tree that one search may take up. To find the 1,024 nearest of a crowd takes about a
 * third of it. */
#define DIRECTORY_SEARCH_MAX 8192
/* A power of two. In a big city everything changes all the time; this is for the country. */
#define DIRECTORY_STAMPS 16384

struct directory {
	uint32_t length;       /* of the cells */
	uint32_t persons_max;  /* capacity; of branches too */
	uint32_t bucket_count; /* a power of two */
	struct person *persons;
	struct branch *branches;
	uint32_t *buckets; /* person + 1, 0 for none */
	uint64_t *stamps;
	struct outlook *outlooks; /* DIRECTORY_SEARCH_MAX + 1 */
	uint32_t person_high, person_free, person_count;
	uint32_t branch_high, branch_free;
	uint32_t root; /* a child */
	uint32_t here_count;
	uint64_t change; /* number of the last one */
	/* Of the search that goes on. */
	uint32_t outlook_count, outlooks_taken;
	struct geohash_eye eye;
	struct geohash_cell cell;
};

/* The memory, zeroed, is there already, and length and sizes are set. */
void directory_init(struct directory *directory);

/* The record of a user, here or not, or NOBODY. */
uint32_t directory_find(const struct directory *directory, uint64_t user);
/* The user is here from now on, with this code. Its record, or NOBODY: no room. */
uint32_t directory_put(struct directory *directory, uint64_t user, uint64_t code);
/* ... and is here no more; the record stays until it is settled. */
void directory_remove(struct directory *directory, uint32_t person);
/* To be called when nothing may need the record any longer: it may be gone then. */
void directory_settle(struct directory *directory, uint32_t person);

/* Begins a search for those in the cell and its neighbours. */
void directory_search(struct directory *directory, const struct geohash_eye *eye,
		      struct geohash_cell cell);
/* The next one, or NOBODY: there is no more, none within `most_chord2`, or the search took up
 * too much. The directory must not change during a search. */
uint32_t directory_search_next(struct directory *directory, double most_chord2);

/* The number of the last change in the cell or one that touches it, or a later one. */
uint64_t directory_changed(const struct directory *directory, struct geohash_cell cell);

void directory_check(const struct directory *directory);

#endif
