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
#include "base/sharing.h"
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

/* Where each counter's first word stands in the array that is lent to the store: in the order of the
 * table, one word each, HISTOGRAM_WORDS for a histogram. */
enum store_counter_word {
#define STORE_WORDS_COUNTER   1
#define STORE_WORDS_GAUGE     1
#define STORE_WORDS_HISTOGRAM HISTOGRAM_WORDS
#define COUNTER(name, text, kind, help)                                                            \
	STORE_WORD_##name, STORE_WORD_LAST_##name = STORE_WORD_##name + STORE_WORDS_##kind - 1,
#include "store/store_counters.tbl"
#undef COUNTER
	STORE_WORD_COUNT
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
	uint64_t history_pending_max; /* at least 1; takes up to 72 bytes each */
	/* Names of friends that are kept in memory, of 32 bytes each; 0 for a million. */
	uint64_t names_max;
	/* First size of the databases' maps, 0 for 64 GiB. A limit and not a reservation; at the start it
	 * is made at least twice the file, and it doubles while running when it is full. */
	uint64_t map_bytes;
	/* STORE_WORD_COUNT words, lent for the store's life, written by store threads only (one writer a
	 * word: each store thread has rows of its own). HISTORY_DROPPED is left to the callers of
	 * store_append, in rows of their own. */
	counter_word *counters;
	/* Tells client `client` that store_poll has something. Called on store threads. */
	void (*wake)(void *context, uint32_t client);
	void *wake_context;
};

struct store_friend {
	struct user_id user;
	uint32_t name_offset; /* into `names` of the answer */
	uint32_t name_length;
	/* STORE_LOAD only: what this friend shows the user beside what it shows everybody (DEFAULT: nothing
	 * else). */
	enum sharing_mode exception;
	bool is_off; /* it shows nothing to everybody, as of now_ms of the request */
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
	STORE_PAIR_LIMIT,   /* one of the two has friends_max friends, or STORE_ASKS_MAX open asks */
	STORE_PAIR_ASKED,   /* STORE_ASK: a asks now, b is to answer */
	STORE_PAIR_BLOCKED, /* one of the two has blocked the other */
	STORE_PAIR_UNKNOWN, /* STORE_ASK, STORE_BLOCK: b is no user */
};

/* Asks that a user may have open, made and received each; users that it may have blocked. */
#define STORE_ASKS_MAX	 1000
#define STORE_BLOCKS_MAX 5000

/* Whom a list names, of STORE_FRIENDS_GET. */
enum store_list { STORE_LIST_FRIENDS, STORE_LIST_ASKED, STORE_LIST_ASKING, STORE_LIST_BLOCKED };

/* When something that is shared ends by itself. */
struct store_lapse {
	struct user_id sharer;
	bool has_viewer; /* an exception for this one, else what everybody sees */
	struct user_id viewer;
	struct sharing sharing; /* what holds until then; until_ms is not 0 */
};

/* Tokens of a user that were issued before this are refused. */
struct store_bar {
	struct user_id user;
	int64_t not_before_s; /* since 1970; 0: none; INT64_MAX: the user is barred altogether */
};

struct store_pair {
	struct user_id a;
	struct user_id b;
	/* Filled in; the names, into `names` of the answer, only where something changed, and not of
	 * STORE_FRIENDS_DELETE. */
	enum store_pair_result result;
	uint32_t a_name_offset, a_name_length;
	uint32_t b_name_offset, b_name_length;
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
	/*
	 * user -> its friends (that it no longer has), profile; -ENOENT. All that it had with others ends:
	 * asks and exceptions, of either side, and its blocks; others' blocks of it and its bar stay. Its history goes first, as by
	 * STORE_HISTORY_ERASE, also when the user is not known. End its sessions before.
	 */
	STORE_USER_DELETE,
	STORE_FRIENDS_GET,   /* user, after, limit -> friends, friend_total (0 and empty when unknown) */
	/* pairs[] in one transaction; creates unknown users; ends asks between two, yet no block */
	STORE_FRIENDS_PUT,
	STORE_FRIENDS_DELETE,/* pairs[]; result ADDED means removed, PRESENT that there was none */
	/*
	 * user, ids[] (ascending, no duplicates, not the user) -> afterwards its friends are exactly these;
	 * pairs (fresh memory, freed by store_request_fini as sync_pairs) tell what was added and, from
	 * sync_removed_from on, removed. -EDQUOT: more than friends_max; -EMLINK: one of them has that
	 * many (nothing changed). Who has blocked the user, or is blocked by it, is passed over. Creates
	 * unknown users.
	 */
	STORE_FRIENDS_SYNC,
	/*
	 * Consent, one pair, a is who acts; names of both are filled in when something changed. An unknown a
	 * that asks or blocks is created.
	 * STORE_ASK: ADDED (b had asked: friends from now on), ASKED, PRESENT (friends before, or asked
	 * before: see is_friend), LIMIT, BLOCKED, UNKNOWN, SELF. The asks between two end with what they led to.
	 * STORE_END: friendship, asks either way; ADDED means something ended (was_friend: a friendship),
	 * PRESENT that there was nothing. Exceptions of sharing between the two end with the friendship.
	 * STORE_BLOCK: as STORE_END, and a has blocked b; ADDED, PRESENT (blocked before), LIMIT, UNKNOWN,
	 * SELF; was_friend, was_asked. STORE_UNBLOCK: ADDED means removed, PRESENT; still_barred when b
	 * has blocked a.
	 */
	STORE_ASK,
	STORE_END,
	STORE_BLOCK,
	STORE_UNBLOCK,
	/* user -> sharing, exceptions, as they hold at now_ms; all precise when unknown. */
	STORE_SHARING_GET,
	/*
	 * user, has_other, other, sharing, now_ms -> the same, changed. Without other: what everybody sees;
	 * when that becomes OFF all exceptions end, and `ended` says which. With: the exception for
	 * other; DEFAULT ends it. Makes an unknown user. -ENOENT: other is no friend; -EDQUOT:
	 * SHARING_EXCEPTIONS_MAX. When what everybody sees has lapsed by now_ms, that is written first, as
	 * if OFF had been put.
	 */
	STORE_SHARING_PUT,
	/* user, now_ms -> the same; what has lapsed by then is written as OFF, and its exceptions end with what
	 * everybody sees: `ended`. So it stays over though the clock is set back. Nothing else changes. */
	STORE_SHARING_LAPSE,
	/* -> lapses, all of them by sharer, those of the past too, in portions: see `more`. */
	STORE_LAPSES,
	/* user, bar -> durable. STORE_BARS -> bars, all of them, in portions. */
	STORE_BAR_PUT,
	STORE_BARS,
	STORE_HISTORY,	     /* user, from_ms, to_ms -> points by time, in portions: see `more` */
	/*
	 * user -> all that was appended for it before the request was submitted can no longer be read, durable
	 * with the answer; what is appended after the answer is kept. (A portion that is read at that moment
	 * may still hold it.) Within STORE_ERASE_WITHIN_MS neither file holds a byte of it: it is taken
	 * out of the blocks, and the files' free room is cleared; so are profile and friendships of who was
	 * deleted. What may stay is the user's bare number, as a border in an index. While a backup is made
	 * it waits for its end; a restart goes on with it. A scrub reads the whole file once, at half of the
	 * disk's pace: what the disk cannot read in a quarter of an hour takes longer.
	 */
	STORE_HISTORY_ERASE,
	STORE_EXPORT,	     /* from_ms, to_ms of all users -> points by user, then time, in portions */
	/* directory (made when missing) -> users.mdb and history.mdb, each a consistent copy made while
	 * running; -EEXIST when one is there. Restoring is putting them into an empty data_dir. */
	STORE_BACKUP,
};

struct store_request {
	enum store_op op;
	uint32_t client; /* who submits and polls */
	void *context;	 /* the caller's, untouched */

	/* -- asked -- */
	struct user_id user;
	bool has_after;
	struct user_id after; /* STORE_FRIENDS_GET: friends with a greater id */
	uint32_t limit; /* STORE_FRIENDS_GET: at most so many */
	enum store_list list; /* STORE_FRIENDS_GET */
	const struct user_id *ids; /* the caller's, for the request's life */
	uint32_t id_count;	   /* at most STORE_BATCH_MAX */
	bool has_other;
	struct user_id other;
	struct sharing asked; /* STORE_SHARING_PUT */
	/* Wall clock; LOAD, FRIENDS_GET, SHARING_GET and SHARING_PUT: what has lapsed by then is off. */
	int64_t now_ms;
	struct store_bar bar;
	struct store_user *users; /* the caller's, for the request's life */
	uint32_t user_count;	  /* at most STORE_BATCH_MAX */
	struct store_pair *pairs; /* the caller's */
	uint32_t pair_count;	  /* at most STORE_BATCH_MAX */
	int64_t from_ms;	  /* history: from_ms <= ts < to_ms */
	int64_t to_ms;
	const char *directory;

	/* -- answered -- */
	/* 0, -ENOENT, -ENOSPC (disk or map full), -ECANCELED (the store stops), -EIO, or another errno;
	 * on failure nothing was changed. */
	int status;
	struct store_profile profile;
	bool created;
	/* LOAD, SHARING_GET, SHARING_PUT: what the user shows everybody, and its exceptions by id. */
	struct sharing sharing;
	struct sharing_exception *exceptions; /* freed by store_request_fini, as all below */
	uint32_t exception_count;
	struct sharing_exception *ended;
	uint32_t ended_count;
	/* LOAD: who has blocked the user or is blocked by it, in order of id. */
	struct user_id *barred;
	uint32_t barred_count;
	struct store_pair *sync_pairs;
	uint32_t sync_count, sync_removed_from;
	bool is_friend, was_friend, was_asked, still_barred; /* see the operations */
	struct store_lapse *lapses;
	uint32_t lapse_count;
	struct store_bar *bars;
	uint32_t bar_count;
	struct store_friend *friends; /* in order of id; freed by store_request_fini */
	uint32_t friend_count;
	uint32_t friend_total;
	char *names;
	/*
	 * History, lapses and bars come in portions of at most STORE_PORTION_MAX (a portion may be empty). `more`:
	 * submit the same request again, unchanged, for the next; it takes the place of the last. No
	 * LMDB transaction stays open in between. Or stop. Points that are committed meanwhile may be in
	 * it or not; all others come exactly once.
	 */
	struct store_point *points; /* freed by store_request_fini */
	uint32_t point_count;
	bool more;
	/* Where the next portion begins; the store's. */
	struct {
		uint64_t user;
		int64_t ts_ms;
		uint64_t skip;
		bool inside; /* of that user's points */
	} resume;
	bool is_flush; /* the store's */
};

/* What was erased has left the files by then; later is an alert. */
#define STORE_ERASE_WITHIN_MS ((int64_t)3600 * 1000)

#define STORE_BATCH_MAX	  8192
#define STORE_PORTION_MAX 16384

struct store;

/*
 * Opens both databases (making them when they are missing; one of another format is refused), clears
 * stale readers, starts the threads. 0 or negative errno with *reason a text that says what is wrong and
 * what is allowed: -EBUSY another store has the directory, -EPROTO a file is of another format.
 */
int store_open(struct store **store, const struct store_config *config, const char **reason);
/*
 * Commits what is pending and ends the threads. Every request that is not yet answered comes back with
 * -ECANCELED: poll until NULL. Nothing may be submitted or appended during and after it. Calling it
 * again does nothing.
 */
void store_stop(struct store *store);
/* Stops, when that was not done, and closes. Requests that were not polled are the caller's again. */
void store_close(struct store **store);

/* The secret of this database: random bytes, made with it and kept for ever. */
void store_secret(const struct store *store, uint8_t secret[16]);

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

/*
 * Commits everything that any client appended before the call; comes back as a request's answer would:
 * wake and store_poll of `request`, with status 0 or what the commit failed with (the locations are
 * kept and tried again). Only `client` and `context` are used. For drain. 0, or -EAGAIN.
 */
int store_flush(struct store *store, struct store_request *request);

/*
 * Opens each database read-only, walks all of it and checks every invariant (counts, order, both
 * directions, decodable blocks). 0, or negative errno with *reason. For `nearbyctl` and tests; works
 * beside a running daemon in another process, never in the process that has the store open.
 */
int store_check(const char *data_dir, const char **reason);

#endif
