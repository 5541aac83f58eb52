/*
 * Owns: who hears of whose location. Sessions, channels, range filter, nearby lists of one core.
 * Invariant: what a session is told is read from the table at the moment of sending, and only
 *   through the gate (privacy.h); when nothing is pending every session's view equals the truth.
 * Thread: one engine per core, called by that core only; engines meet through mesh messages.
 * Does not know: bytes, sockets, LMDB, clocks (time is in each call), malloc (memory is given at
 *   init), threads, other machines or processes.
 *
 * The shape: `engine_step` takes one event and may fill one answer. What goes out later is pulled
 * by the caller when it has room: frames by `engine_flush`, messages for other cores by
 * `engine_mesh_drain`. So nothing is queued without bound: a frame that is not pulled is a dirty
 * bit per friend, a mesh message that is not pulled is a bit per user and core.
 */
#ifndef NEARBY_ENGINE_ENGINE_H
#define NEARBY_ENGINE_ENGINE_H

#include "base/counter.h"
#include "base/id.h"
#include "base/sharing.h"
#include "nearbyshm.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of the engine's counters, see engine_counters.tbl. */
enum engine_counter {
#define COUNTER(name, text, kind, help) ENGINE_COUNTER_##name,
#include "engine/engine_counters.tbl"
#undef COUNTER
	ENGINE_COUNTER_COUNT
};

struct engine_config {
	uint32_t core;	/* 0 .. cores-1 */
	uint32_t cores; /* 1 .. NEARBYSHM_CORES_MAX */
	double radius_m;
	uint64_t ttl_us;	    /* a location counts while its age is at most this */
	uint8_t grid_secret[16];    /* of the grids of snapped places, see grid.h; kept for ever */
	uint32_t cell_length;	    /* of the geohash cells in which strangers meet, 1 .. 8 */
	uint32_t strangers_max;	    /* that a session is told of: 1 .. STRANGERS_MAX */
	uint32_t sessions_max;	    /* on this core */
	uint32_t friends_max;	    /* of one user */
	uint32_t channels_max;	    /* users followed from, or homed at, this core */
	uint32_t subscriptions_max; /* (session, friend) pairs on this core */
	struct nearby_segment *segment;
	/* ENGINE_COUNTER_COUNT words (a histogram none), lent for the engine's life. */
	counter_word *counters;
};

/* Sessions and channels of one engine: what is left of 32 bits beside the tags of a subscription. */
#define ENGINE_KEYS_MAX ((1u << 27) - 1)
/* Movement that makes the own list be evaluated again at once: this part of the radius. */
#define REEVALUATE_FRACTION 0.05
/* ... and a smaller one, after this time. */
#define REEVALUATE_AFTER_US (10u * 1000000u)
/* Sessions of one user. A location is evaluated for each, so this times friends_max bounds what one
 * frame of a client can cost: 64 x 5,000 looks into the table are some 15 ms. */
#define USER_SESSIONS_MAX 64
/* Strangers that a session is told of at most: the nearest. */
#define STRANGERS_MAX 100
/* How far in the future a client's ts may lie. */
#define CLIENT_FUTURE_MAX_MS 60000

/* A session: slot in 0 .. sessions_max-1, and a generation so that an old one names nothing. */
struct session_id {
	uint32_t slot;
	uint32_t generation;
};

/* A friend as the store tells of it. */
struct friend_info {
	struct user_id user;
	/* Lent during the call; at most NAME_BYTES_MAX are kept, one name a user and core: that of the
	 * first join or befriend that makes the user followed there, then that of EVENT_RENAME. */
	const char *name;
	uint32_t name_length;
	/* What this friend shows the user beside what it shows everybody; DEFAULT: there is no exception. */
	enum sharing_mode exception;
	/* It shows nothing to everybody, so what is missing is `off` and not `idle`. As the name, that of
	 * the first who follows holds, then that of EVENT_SHARING. */
	bool is_off;
};

enum event_type {
	EVENT_JOIN,	   /* a device of a user whose home core is here is connected */
	EVENT_LEAVE,	   /* ... and is gone. Its location stays until it expires */
	EVENT_LOCATION,	   /* the session's user is here */
	EVENT_NEARBY,	   /* a page of the nearby list is wanted */
	EVENT_SUBSCRIBE,   /* follow a friend (again) */
	EVENT_UNSUBSCRIBE, /* mute a friend; no gone is sent, the client asked for it */
	EVENT_BEFRIEND,	   /* user (homed here) has a new friend; one event for each of the two */
	EVENT_UNFRIEND,	   /* ... has one less */
	EVENT_RENAME,	   /* a user's name changed; to be given to every core */
	EVENT_FORGET,	   /* user (homed here) was deleted: its location goes at once */
	EVENT_SHARING,	   /* what a user shows everybody changed, or whether some exception shows it;
			    * to be given to every core. What it takes away is done when the home core has
			    * it: no message is made after that, here or elsewhere, that shows it */
	EVENT_EXCEPTION,   /* what a user shows one friend changed; for the friend's home core. One that
			    * ends as everybody is to see less from now on is given after the user's home
			    * core has had EVENT_SHARING: it may have shown less than the old default */
	EVENT_BAR,	   /* user (homed here) and another meet as strangers no more, or may again */
	EVENT_STRANGERS,   /* the session wants to see and be seen by strangers, or no more */
	EVENT_PAUSE,	   /* the session cannot take frames now */
	EVENT_RESUME,	   /* ... now it can */
	EVENT_PEER,	   /* a mesh message from another core */
	EVENT_TICK, /* time passed: sweep, timers, rescans; a few hundred µs of work at most */
};

/* What cores tell each other. 16 bytes, plain data. */
struct mesh_msg {
	uint64_t user;
	/* Engine-private. */
	uint64_t type : 8;
	uint64_t detail : 56;
};

struct event {
	enum event_type type;
	uint64_t now_us; /* boot clock, never less than in an earlier event of this core */
	int64_t wall_ms; /* wall clock, to judge a client's ts */
	union {
		struct {
			struct user_id user;
			const struct friend_info *friends; /* lent during the call, no duplicates */
			uint32_t friend_count;
			/* Of the user itself, taken from its first session here; later ones find what
			 * the events since have made of it. */
			enum sharing_mode mode; /* what it shows everybody */
			/* Some exception shows it, be it precisely or not and whatever the mode. While
			 * nobody may see anything its location is nowhere but with its sessions. */
			bool is_shown;
			const struct user_id *barred; /* ascending; lent during the call */
			uint32_t barred_count;
		} join;
		struct session_id session; /* leave, pause, resume */
		struct {
			struct session_id session;
			struct nearby_place place;
			int64_t ts_ms; /* of the client, or wall_ms when it said none */
		} location;
		struct {
			struct session_id session;
			uint32_t limit; /* 1 .. PAGE_LIMIT_MAX */
			bool has_cursor;
			struct page_cursor cursor;
		} nearby;
		struct {
			struct session_id session;
			struct user_id user;
		} subscribe; /* and unsubscribe */
		struct {
			struct user_id user;
			struct friend_info with;
		} friendship; /* befriend and unfriend (there the name is not used) */
		struct friend_info rename;
		struct {
			struct user_id user;
			enum sharing_mode mode; /* not DEFAULT */
			bool is_shown;		/* as in join */
		} sharing;
		struct {
			struct user_id sharer, viewer;
			enum sharing_mode mode; /* DEFAULT: there is none any more */
		} exception;
		struct {
			struct user_id user, other;
			bool is_barred;
		} bar;
		struct {
			struct session_id session;
			bool is_on;
		} strangers;
		struct user_id forget;
		struct {
			uint32_t from_core;
			struct mesh_msg msg;
		} peer;
	};
};

/* What one step gives back, at once. Pointers inside lend from the engine until its next call. */
struct engine_out {
	/* After EVENT_JOIN that succeeded. */
	struct session_id joined;
	/* When has_answer: for the session that the event named. */
	bool has_answer;
	struct server_msg answer;
	/* When has_record: an accepted location, to be kept as history; none is while the user shows
	 * nothing to everybody. */
	bool has_record;
	struct user_id record_user;
	struct nearby_location record;
};

struct engine;

/* What engine_init needs; a sum over the config's limits, documented at its definition. */
size_t engine_memory_bytes(const struct engine_config *config);

/*
 * Makes an engine in `memory` (zeroed, 64-byte aligned, of at least engine_memory_bytes), which
 * stays the caller's and may be dropped when the engine is no longer used. 0, or -EINVAL.
 */
int engine_init(struct engine **engine, const struct engine_config *config, void *memory,
		size_t memory_bytes);

/*
 * Handles one event to its end. *out is overwritten.
 * 0, or: -ENOSPC no room for this session, channel, subscription or name (join, befriend, rename;
 * nothing changed); -E2BIG more than friends_max; -EUSERS a join beyond USER_SESSIONS_MAX; -ESTALE
 * a session that is gone (the event did nothing). Befriending who is a friend already changes
 * nothing, nor does unfriending who is none.
 * What a client did wrong is no error here but an answer of SERVER_ERROR.
 */
int engine_step(struct engine *engine, const struct event *event, struct engine_out *out);

/*
 * A hint that changes nothing: the session's location will be given to engine_step soon, best after
 * ENGINE_EXPECT_AHEAD others that are expected before it, in this order. Then what it needs is on its
 * way from memory while theirs are handled. Any session will do, one that is gone too.
 */
#define ENGINE_EXPECT_AHEAD 16
void engine_expect(struct engine *engine, struct session_id session);

/*
 * The same for `count` messages of another core, which will be given to engine_step one by one. To be called
 * with `far` 0, 1, 2 and so on, and the message at `far` - ENGINE_EXPECT_AHEAD handled after each.
 */
void engine_expect_messages(const struct engine *engine, const struct mesh_msg *msgs, uint32_t count,
			    uint32_t far);

/*
 * The next frame that is due: of a session that is not paused, has something to hear and whose last
 * turn ended at least `interval_us` ago, the longest ago first. False when there is none now. The
 * message lends from the engine until its next call. A frame is of one kind and has at most
 * FRAME_ENTRIES_MAX entries. A turn ends with an `update`, or when nothing is left to say: `gone`
 * before it goes out at once, so that neither kind can hold up the other.
 */
bool engine_flush(struct engine *engine, uint64_t now_us, uint64_t interval_us,
		  struct session_id *session, struct server_msg *msg);

/* Slots of sessions that engine_flush will come to soon, at most `max`: the next first, the others in no
 * order. Returns how many. For asking ahead for what the caller keeps of them. */
uint32_t engine_next_frames(const struct engine *engine, uint32_t *slots, uint32_t max);

/*
 * When engine_flush or EVENT_TICK will next have something to do, in µs of the boot clock;
 * UINT64_MAX for never. For the caller's wait.
 */
uint64_t engine_next_us(const struct engine *engine, uint64_t interval_us);

/*
 * Takes out messages for core `to`, at most `room`, in an order that the other side must keep; the
 * caller delivers each exactly once. Returns how many. Call with room 0 never.
 */
uint32_t engine_mesh_drain(struct engine *engine, uint32_t to, struct mesh_msg *msgs,
			   uint32_t room);

/*
 * One page of a user's list without a session, for HTTP: nearest first, as EVENT_NEARBY, judged from
 * the user's location in the table. The user is homed here and `friends` are all its friends.
 * 0 and *msg (lent until the next call), or -ENOENT: the user has no unexpired location.
 */
int engine_list(struct engine *engine, uint64_t now_us, struct user_id user,
		const struct friend_info *friends, uint32_t friend_count,
		const struct page_cursor *after, uint32_t limit, struct server_msg *msg);

/* Whether single exceptions alone show the user, who is homed here, and is off for everybody else: then the
 * end of one may be the end of all, which EVENT_SHARING has to say. */
bool engine_is_excepted(const struct engine *engine, struct user_id user);

/* Sessions of a user that are connected here (all of them, as it is the home core). */
uint32_t engine_session_count(const struct engine *engine, struct user_id user);
/* The sessions of a user, up to `max`; for closing them (kick, token of a deleted user). */
uint32_t engine_sessions(const struct engine *engine, struct user_id user,
			 struct session_id *sessions, uint32_t max);

/* Walks all structures and checks every invariant between them; for tests and simulation. */
void engine_check(const struct engine *engine);

#endif
