/*
 * Owns: the truth that a run is judged by: the users, who is whose friend, and where each one said
 *   to be, with the last versions of it; and beside it what each session has been told so far.
 * Invariant: one shared mapping, made before the workers are forked. A user's places and views are
 *   written by the one worker that owns the user's session; everybody reads.
 * Thread: see below.
 * Does not know: sockets, distances, or what is right; the oracle does.
 *
 * Two processes touch a track: the owner fills the slot of the next version and then the count, with
 * release; a reader takes the count with acquire, so it sees every place up to it. The slot of a
 * version is used again `track_depth` versions later; a reader looks at the count once more after it
 * has read, and treats what was overtaken as lost.
 */
#ifndef NEARBY_BENCH_WORLD_H
#define NEARBY_BENCH_WORLD_H

#include "nearbyshm.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Versions of a place that are remembered for each user, a power of two: as many as the bytes for all
 * allow, so that a crowd fits and a few users may send a lot before anybody hears of it.
 */
#define TRACK_DEPTH_MIN	  32
#define TRACK_DEPTH_MAX	  1024
#define TRACK_BYTES_WANTED (64u << 20)
/* Bytes of a name with its NUL. */
#define WORLD_NAME_BYTES 32

/* A place that a user sent. */
struct sighting {
	struct nearby_place place;
	int64_t ts_ms;	  /* as the client said it */
	uint64_t sent_us; /* boot clock, just before it was given to the socket */
};

/* What the session of one user knows of one friend; one for each direction of a friendship. */
struct view {
	uint32_t version;     /* of the friend's place that was last told; 0: never */
	uint32_t own_version; /* the viewer's own version when it was told */
	uint32_t frame;	      /* the viewer's frame that told it */
	uint32_t merged;      /* moves of the two just before it that were not told by themselves */
	bool is_shown;	      /* told, and not gone since */
	bool is_paged;	      /* told by a page: one push of the same version may still come */
	bool is_listed;	      /* seen on the pages of the check that is under way */
};

struct user_track {
	_Atomic uint32_t version; /* of the newest place; 0: none was sent */
	uint32_t own_low;	  /* the oldest own version that the server may still judge by */
	uint32_t frame;		  /* frames received */
	bool is_lost;		  /* its session broke; nothing is expected of it any more */
};

struct world {
	uint32_t user_count;
	uint32_t edge_count;  /* of both directions */
	uint32_t track_depth;
	uint64_t *ids;	      /* ascending */
	uint32_t *edge_first; /* [user_count + 1]: where a user's friends start in the next two */
	uint32_t *edge_user;  /* ascending for each user */
	struct view *views;
	struct user_track *tracks;
	struct sighting *sightings; /* [user_count * track_depth] */
	char (*names)[WORLD_NAME_BYTES]; /* "" when the user has none */
	size_t bytes;
};

/* A friendship, by index of the users. */
struct pair {
	uint32_t a, b;
};

/*
 * Makes a world of `user_count` users with these ids (ascending). `pairs` are sorted in place; a pair
 * with itself and one that was there before are left out. 0, or negative errno.
 */
int world_open(struct world **world, const uint64_t *ids, uint32_t user_count, struct pair *pairs,
	       size_t pair_count);
void world_close(struct world **world);

/* False when nobody has this id. */
bool world_find(const struct world *world, uint64_t id, uint32_t *user);
/* The edge from `user` to the friend with this id, as an index into edge_user and views. */
bool world_find_friend(const struct world *world, uint32_t user, uint64_t id, uint32_t *edge);

/* By the owner: the user is here from now on. Returns the version, 1 for the first. */
uint32_t world_move(struct world *world, uint32_t user, const struct sighting *sighting);
uint32_t world_version(const struct world *world, uint32_t user);
/* False when that version is not yet, or not any more. */
bool world_sighting(const struct world *world, uint32_t user, uint32_t version,
		    struct sighting *sighting);
/* The oldest version that is surely readable; 1 at least. */
uint32_t world_oldest(const struct world *world, uint32_t user);

#endif
