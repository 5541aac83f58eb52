/*
 * Owns: the two LMDB environments (users.mdb, history.mdb) and the threads that alone touch them.
 * Invariant: a change is durable before its request comes back; both directions of a friendship
 *   are written in one transaction; history is whole up to the commit window; whatever the disk
 *   does, no caller ever waits.
 * Thread: `clients` threads (the cores) post requests and poll for answers, each over its own
 *   rings; store threads do the rest.
 * Does not know: connections, sessions, tokens, who is near whom.
 *
 * A request is the caller's object: filled in, submitted, and later handed back by store_poll on
 * the same client with `status` and its answer filled in. Between the two it is the store's.
 */
#ifndef NEARBY_STORE_STORE_H
#define NEARBY_STORE_STORE_H

#include "base/counter.h"
#include "base/id.h"
#include "nearbyshm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_counter {
#define COUNTER(name, text, kind, help) STORE_COUNTER_##name,
#include "store/store_counters.tbl"
#undef COUNTER
	STORE_COUNTER_COUNT
};

/* Bytes of the texts of a profile, without a closing NUL. */
#define STORE_NAME_BYTES_MAX	64
#define STORE_PICTURE_BYTES_MAX 512

struct store_config {
	const char *data_dir; /* made (0700) when it is missing */
	uint32_t clients;     /* 1 .. NEARBYSHM_CORES_MAX */
	uint32_t friends_max;
	uint64_t history_commit_ms;
	uint64_t history_retention_ms; /* 0: for ever */
	/* Locations that may wait for a commit; over it they are dropped and counted. */
	uint64_t history_pending_max;
	/* STORE_COUNTER_COUNT words (each histogram HISTOGRAM_WORDS), lent for the store's life, written
	 * by store threads only (one writer a word: each store thread has rows of its own). */
	counter_word *counters;
	/* Tells client `client` that store_poll has something. Called on store threads. */
	void (*wake)(void *context, uint32_t client);
	void *wake_context;
};

struct store_friend {
	struct user_id user;
	uint32_t name_offset; /* into `names` of the answer */
	uint32_t name_length;
};

struct store_profile {
	char name[STORE_NAME_BYTES_MAX];
	uint32_t name_length;
	char picture[STORE_PICTURE_BYTES_MAX];
	uint32_t picture_length;
};

/* One line of an import, or one change of friendships: what became of it. */
enum store_pair_result {
	STORE_PAIR_ADDED,
	STORE_PAIR_PRESENT, /* it was so before */
	STORE_PAIR_SELF,    /* a = b */
	STORE_PAIR_LIMIT,   /* one of the two has friends_max friends */
};

struct store_pair {
	struct user_id a;
	struct user_id b;
	enum store_pair_result result; /* filled in */
};

struct store_user {
	struct user_id user;
	struct store_profile profile;
	bool has_name, has_picture; /* what is to be changed; the rest stays */
	bool created;		    /* filled in */
};

/* A point of history as it comes out. */
struct store_point {
	struct user_id user;
	int64_t ts_ms;
	struct nearby_place place;
};

enum store_op {
	STORE_LOAD,	     /* user -> profile, friends; creates an unknown user with an empty profile */
	STORE_USER_GET,	     /* user -> profile; -ENOENT */
	STORE_USERS_PUT,     /* users[] in one transaction */
	STORE_USER_DELETE,   /* user -> its friends (that it no longer has), profile and history; -ENOENT */
	STORE_FRIENDS_GET,   /* user, after, limit -> friends, friend_total (0 and empty when unknown) */
	STORE_FRIENDS_PUT,   /* pairs[] in one transaction; creates unknown users */
	STORE_FRIENDS_DELETE,/* pairs[]; result ADDED means removed, PRESENT that there was none */
	STORE_HISTORY,	     /* user, from_ms, to_ms -> points by time, in portions: see `more` */
	STORE_EXPORT,	     /* from_ms, to_ms of all users -> points, by block, in portions */
	STORE_BACKUP,	     /* directory -> consistent copies of both databases, made while running */
};

struct store_request {
	enum store_op op;
	uint32_t client; /* who submits and polls */
	void *context;	 /* the caller's, untouched */

	/* -- asked -- */
	struct user_id user;
	bool has_after;
	struct user_id after; /* STORE_FRIENDS_GET: friends with a greater id */
	uint32_t limit;
	struct store_user *users; /* the caller's, for the request's life */
	uint32_t user_count;	  /* at most STORE_BATCH_MAX */
	struct store_pair *pairs; /* the caller's */
	uint32_t pair_count;	  /* at most STORE_BATCH_MAX */
	int64_t from_ms;	  /* history: from_ms <= ts < to_ms */
	int64_t to_ms;
	const char *directory;

	/* -- answered -- */
	/* 0, -ENOENT, -ENOSPC (disk or map full: nothing was changed), -EIO, or another errno. */
	int status;
	struct store_profile profile;
	bool created;
	struct store_friend *friends; /* in order of id; freed by store_request_fini */
	uint32_t friend_count;
	uint32_t friend_total;
	char *names;
	/*
	 * History comes in portions of at most STORE_PORTION_MAX points. `more`: submit the same
	 * request again, unchanged, for the next; no LMDB transaction stays open in between. Or stop.
	 */
	struct store_point *points; /* freed by store_request_fini */
	uint32_t point_count;
	bool more;
	/* Where the next portion begins; the store's. */
	struct {
		uint32_t tier;
		uint64_t key;
		uint64_t skip;
		uint64_t end_key;
	} resume;
};

#define STORE_BATCH_MAX	  8192
#define STORE_PORTION_MAX 16384

struct store;

/*
 * Opens both databases (making them when they are missing; an older format is migrated or refused),
 * clears stale readers, starts the threads. 0 or negative errno with *reason a text that says what
 * is wrong and what is allowed.
 */
int store_open(struct store **store, const struct store_config *config, const char **reason);
/* Commits what is pending, ends the threads, closes. Requests not yet answered come back with
 * -ECANCELED through store_poll before the last call of it. */
void store_close(struct store **store);

/* 0, or -EAGAIN: the client's ring is full, try again after polling. */
int store_submit(struct store *store, struct store_request *request);
/* An answered request of this client, or NULL. */
struct store_request *store_poll(struct store *store, uint32_t client);
/* Frees what the answer holds (friends, names, points) so that the object may be used again or
 * dropped. */
void store_request_fini(struct store_request *request);

/*
 * Keeps a location as history, in one of the next commits. Copies it. Never waits. False when the
 * buffer is full (disk full or too slow): the caller counts the drop.
 */
bool store_append(struct store *store, uint32_t client, struct user_id user,
		  const struct nearby_location *location);

/* Everything appended by any client before the call will be committed; comes back as a request's
 * answer would: wake and store_poll of `request`, whose other fields are not used. For drain. */
int store_flush(struct store *store, struct store_request *request);

/*
 * Opens each database read-only, walks all of it and checks every invariant (counts, order, both
 * directions, decodable blocks). 0, or negative errno with *reason. For `nearbyctl` and tests; works
 * beside a running daemon in another process.
 */
int store_check(const char *data_dir, const char **reason);

#endif
