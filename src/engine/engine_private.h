/*
 * Owns: the records that the engine's files share.
 * Invariant: what each record says beside its members; engine_check walks them all.
 * Thread: as engine.h.
 * Does not know: more than engine.h does.
 *
 * The parts, each a file: channel (what this core knows of a user), session (a device),
 * subscription (the pair of a session and a friend), privacy (the gate), sharing (what it is
 * asked by), look (what a user's
 * change means for who follows, and a viewer's own for its list), merge (moves told together),
 * nearby (pages), flush (frames),
 * pace (whose turn it is), peer (other cores), sweep (the TTL). For strangers: directory (all who are
 * seen by them), presence (who is in it), herald (what other cores hear of that), persona (what a
 * user is towards strangers), view (what a client believes), strangers (when that is found out).
 */
#ifndef NEARBY_ENGINE_ENGINE_PRIVATE_H
#define NEARBY_ENGINE_ENGINE_PRIVATE_H

#include "engine/arena.h"
#include "engine/directory.h"
#include "engine/engine.h"
#include "engine/geo.h"
#include "engine/roll.h"
#include "engine/taglist.h"

/* No channel, no session, no place in a queue. */
#define NONE UINT32_MAX

/* Tags of a subscription in the session's list. */
enum {
	TAG_KNOWN = 1,	 /* the client believes that this friend is in range */
	TAG_DIRTY = 2,	 /* to be judged at the next flush */
	TAG_MUTED = 4,	 /* unsubscribed: never KNOWN or DIRTY */
	TAG_REMOVED = 8, /* no friend any more, but KNOWN and DIRTY: `gone` is still to be said */
	TAG_EDGE = 16, /* about as far as the radius: the viewer's own steps may change its range */
};

/* Tags of a subscription in the channel's list. */
enum {
	FOLLOWER_KNOWN = 1, /* as TAG_KNOWN */
	FOLLOWER_EDGE = 8,  /* as TAG_EDGE */
};

/* Between them: what the channel's user shows this follower beside what it shows everybody; an enum
 * sharing_mode, DEFAULT for no exception. */
#define EXCEPTION_SHIFT 1
#define EXCEPTION_MASK	(3u << EXCEPTION_SHIFT)
static inline enum sharing_mode exception_of(uint32_t follower)
{
	return (enum sharing_mode)((follower & EXCEPTION_MASK) >> EXCEPTION_SHIFT);
}

/* Both at once, otherwise impossible: being added, with others that may not find room. */
#define TAG_FRESH (TAG_MUTED | TAG_REMOVED)

/*
 * What this core knows of a user who is followed from here, has sessions here, or is homed here and
 * followed from other cores. It lives as long as one of these holds or a message about it waits.
 */
struct channel {
	_Alignas(32) uint64_t user;
	struct roll followers; /* session slots */
	uint32_t first_session; /* of this user; the others hang on session.sibling. Or free list */
	nearby_hint hint;
	uint32_t name; /* span of the name's bytes, 0 for none; only while there are followers */
	uint8_t name_length;
	bool is_live : 1;
	bool is_wanted : 1; /* its reach has interest or looks */
	bool is_told : 1;   /* the home core was told that we follow */
	bool is_untold : 1; /* is_told is not what should be: in the list of that peer */
	/* The user had no unexpired location, and we were not told to look since: none has come, or a
	 * message about it is on its way. */
	bool is_absent : 1;
	/* The user shows nothing to everybody, so who has no exception is told `off` when it is missing;
	 * and nothing to anybody, so all are. */
	bool is_off : 1;
	bool is_void : 1;
	bool has_exceptions : 1; /* some follower here has one */
	/* Of a user with sessions here: what it shows everybody, an enum sharing_mode, and whether some
	 * exception shows it something. */
	bool is_shown : 1;
	uint8_t mode : 2;
};
_Static_assert(sizeof(struct channel) == 32, "two to a line of cache");

/* What the user shows everybody, and whether some exception shows it, as far as this core has heard. */
static inline void channel_note_off(struct channel *channel, enum sharing_mode mode, bool is_shown)
{
	channel->is_off = mode == SHARING_OFF;
	channel->is_void = mode == SHARING_OFF && !is_shown;
}

/* Nothing of the user is to be seen by anybody: then its location is not put into the table. */
static inline bool channel_is_hidden(const struct channel *channel)
{
	return channel->mode == SHARING_OFF && !channel->is_shown;
}

/* The rest of a channel, for machines of several cores; else it is never touched. Zero when the
 * channel is neither wanted nor untold. */
struct reach {
	union {
		struct { /* at the home core */
			uint64_t interest; /* other cores that follow, a bit each */
			uint64_t looks;	   /* other cores for which a look waits, a bit each */
		};
		struct { /* elsewhere */
			uint32_t next, previous; /* in the peer's list of untold interest */
		};
	};
};

/*
 * A viewer's steps take nobody over the edge who was not near it, so small ones ask after those few
 * alone. All friends are judged when the viewer is this part of the radius away from where that was
 * last done, its anchor ...
 */
#define ANCHOR_FRACTION 0.125
/* ... and who was looked at from anywhere within that, and stood further from the edge than it is
 * across, is where it was. A hundredth is for rounding, and for a friend that stands at the rim. */
#define EDGE_FRACTION (2 * ANCHOR_FRACTION + 0.01)

/* Where somebody looks from, or VANTAGE_NOWHERE, which is near nothing. */
struct vantage {
	struct point point;
	uint64_t receipt_us;
};
#define VANTAGE_NOWHERE ((struct point){ 8, 8, 8 })
/* The same for the filter, and where a sharer is whom nobody sees: near nothing, that neither. */
#define SPOT_NOWHERE ((struct spot){ 8, 8, 8 })
#define SPOT_UNSEEN ((struct spot){ -8, -8, -8 })

struct session {
	/* What a location of its user or of a friend in range touches: one line of cache. */
	_Alignas(64) int64_t last_ts_ms;
	uint64_t receipt_us;	    /* of the user's location */
	struct nearby_place place;  /* where that is */
	struct nearby_place anchor; /* where all friends were last judged from */
	struct taglist friends;	    /* keys are channels */
	uint32_t generation;
	uint32_t channel;     /* of its user */
	uint32_t sibling;     /* next session of the user, or in the free list */
	uint32_t edge_count;  /* friends with TAG_EDGE */
	uint32_t dirty_count; /* friends with TAG_DIRTY */
	bool is_live : 1;
	bool is_initialised : 1; /* sent its own first location */
	bool is_located : 1;	 /* its user has a location */
	bool is_paused : 1;
	bool is_timed : 1;
	bool is_hidden : 1; /* is_located, but the location is not in the table */
	bool is_source : 1; /* it was this device that sent it */
	bool has_strangers : 1; /* its view of strangers has something to say, or to find out */
	bool is_untold : 1; /* its user moved since who follows was told to look, see merge.h */
	bool is_queued : 1; /* it has a place in engine.untold */
	/* The rest. */
	uint64_t last_frame_us;
	uint64_t evaluate_us;  /* when is_timed: evaluate the list then */
	uint64_t evaluated_us; /* when the list was last evaluated, as far as was needed */
	uint64_t dirty_groups; /* where in friends there may be dirty ones, see subscription.h */
	struct nearby_place evaluated; /* ... and from where */
	uint32_t removed_count;	       /* friends with TAG_REMOVED */
	uint32_t flush_from; /* where in friends the next flush begins, so that all get a turn */
	uint32_t pace_idx;   /* in engine.pace, or NONE */
	uint32_t timer_next, timer_previous;
	uint32_t persona; /* of its user, or NONE */
};

/* What a client believes of a stranger. */
struct belief {
	uint64_t user;
	uint32_t person;	 /* in the directory, or NOBODY when it is gone */
	uint32_t next, previous; /* others of the same person */
	bool is_gone;		 /* to be said */
	bool is_stale;		 /* the person is shown at another place since */
	uint8_t why;		 /* it is gone: an enum gone_why */
};

/* The strangers of a session that wanted them once; it lives as long as the session. */
struct view {
	uint32_t slot;			     /* of the session, NONE in the free list */
	uint32_t sibling;		     /* of the same user, or in the free list */
	uint32_t timer_next, timer_previous; /* while it is on: by check_us, ascending */
	uint64_t check_us;		     /* look after it then */
	uint64_t next_us;		     /* its client's doing has no effect before */
	uint64_t change;		     /* of the directory, when it was found out last */
	struct nearby_place evaluated;	     /* ... and from where */
	bool is_on;
	bool is_waiting; /* it counts as on from check_us */
	bool is_asked;	 /* to be found out at check_us whether or not anything changed */
	bool is_due;	 /* to be found out at the next flush */
	uint32_t count, gone_count;
	struct belief beliefs[STRANGERS_MAX];
};

/* See persona.h. */
struct persona {
	uint32_t channel; /* of the user, NONE in the free list */
	uint32_t first_view;
	uint32_t person; /* in the directory, or NOBODY */
	uint32_t barred; /* span of ids, two words each; 0 for none */
	uint32_t barred_count;
	bool is_shut; /* there was no room for one who is barred */
};

/* A session that has something to hear: a node of a heap by last_us. */
struct pace {
	uint64_t last_us; /* when its last turn ended */
	uint32_t slot;
};

/* A session of whose user was told, and when. */
struct untold {
	uint64_t since_us;
	struct session_id session;
};

/* Another core. */
struct peer {
	uint32_t untold_first, untold_last; /* channels homed there, see channel.is_untold */
	uint32_t look_head, look_count;	    /* in looks, a ring of channels homed here */
	uint32_t *looks;
	uint32_t herald_head, herald_count; /* in heralds, a ring of persons homed here */
	uint32_t *heralds;
	bool rescan;	     /* to be told to recheck all; then no look waits */
	uint64_t rescan_end; /* ours of its users goes on until rescan_at is here */
};

/* Slots that the table is asked to sweep at a time. */
#define SWEEP_CHUNK_SLOTS 512

struct sweep {
	uint32_t cursors[NEARBYSHM_PARTITIONS];
	uint32_t partition; /* the one being walked, ours */
	uint64_t left;	    /* slots of it still to be looked at in this round */
	uint64_t last_us;
	uint32_t session; /* the next to be looked at for hidden ones */
	bool is_asleep; /* our partitions are empty: nothing to do until a location is put */
	bool has_put;	/* since the round began */
};

/* Sessions that are expected, see expect.c; a power of two. */
#define EXPECTED 32

/* A follower that a user came near to, or who believes it in range: to be noted, see sighting.h. */
struct sighting {
	uint32_t slot, channel;
	bool is_marked; /* to be judged at the next flush */
	bool is_edged;	/* about as far as the radius */
};

/* Sightings that wait; a power of two. */
#define SIGHTINGS 64

struct engine {
	uint32_t magic;
	struct engine_config config;
	double near_chord2; /* geo_chord2_limit of the radius */
	/* Limits of the filter, with room for the error of a spot: who is near, and who is so near to
	 * the edge that steps of the viewer within `anchored` may carry it over. */
	float near_spot2, edge_least_spot2, edge_most_spot2;
	double edge_least_chord2, edge_most_chord2;
	struct geo_range reevaluate, anchored;

	/* The vector of the place that was asked for last: a mover's is wanted for itself and then for
	 * its followers. */
	struct nearby_place recent_place;
	struct point recent_point;

	struct channel *channels;
	struct reach *reaches;	/* beside channels */
	uint32_t channel_count; /* live */
	uint32_t channel_high;	/* records ever used */
	uint32_t channel_free;	/* first of the free list */
	uint32_t *map;		/* by hash of the user: channel + 1, 0 for empty; linear probing */
	uint64_t map_size;

	struct session *sessions;
	struct spot *spots; /* beside sessions: what the filter reads, and nothing else */
	uint32_t session_count, session_high, session_free;
	uint64_t subscription_count;
	uint32_t hidden_count; /* sessions that are hidden */

	struct arena arena; /* lists */
	struct rolls rolls; /* those of followers in it */
	/* Names stay where they are while lists outgrow their places, which would be holes for good
	 * among them. */
	struct arena names;

	struct pace *pace;
	uint32_t pace_count;

	uint32_t timer_first, timer_last; /* sessions by evaluate_us, ascending */

	struct untold *untold; /* a ring of sessions_max */
	uint32_t untold_first, untold_count;
	uint64_t window_us; /* see merge.h; 0: every move is told at once */
	uint64_t told_us;   /* the last step */

	struct peer *peers;    /* by core; our own is not used */
	uint32_t looks_max;    /* capacity of peer.looks */
	uint64_t deaf;	       /* cores whose interest in some user we could not note */
	uint64_t rescan_at;    /* channel records ever rechecked; modulo channel_high, the next */
	uint64_t rescan_until; /* the largest rescan_end */

	struct sweep sweep;

	struct directory directory;
	uint32_t own_person_count; /* records of the directory that are of users homed here */
	uint32_t heralds_max;	   /* how many may be, so the capacity of peer.heralds */
	uint32_t seen_count;	   /* personas that are in the directory */
	struct persona *personas;
	uint32_t persona_high, persona_free;
	struct view *views;
	uint32_t view_high, view_free, view_on_count;
	uint32_t view_timer_first, view_timer_last;

	struct sighting sightings[SIGHTINGS]; /* a ring */
	uint32_t sighting_first, sighting_count,
		sighting_asked; /* asked: whose lists are under way */

	uint32_t expected[EXPECTED]; /* slots, a ring */
	uint32_t expected_count;     /* ever */

	struct entry entries[FRAME_ENTRIES_MAX];
	struct gone gones[FRAME_ENTRIES_MAX];
	uint32_t *picks[FRAME_ENTRIES_MAX]; /* the subscriptions of entries, or of friends near the
					     * edge, as items of a session */
	uint32_t found[FRAME_ENTRIES_MAX]; /* the persons of entries that are strangers */
	uint64_t swept[SWEEP_CHUNK_SLOTS];
};

static inline void engine_count(struct engine *engine, enum engine_counter counter, uint64_t amount)
{
	counter_add(&engine->config.counters[counter], amount);
}

static inline void engine_gauge(struct engine *engine, enum engine_counter counter, uint64_t value)
{
	counter_set(&engine->config.counters[counter], value);
}

/* Exactly the TTL old is still active. Another core's clock may be ahead of ours by a little. */
static inline bool engine_is_expired(const struct engine *engine, uint64_t now_us,
				     uint64_t receipt_us)
{
	return now_us > receipt_us && now_us - receipt_us > engine->config.ttl_us;
}

static inline const struct point *engine_point(struct engine *engine, struct nearby_place place)
{
	if (place.lat_e7 != engine->recent_place.lat_e7 ||
	    place.lon_e7 != engine->recent_place.lon_e7) {
		engine->recent_place = place;
		engine->recent_point = geo_point(place);
	}
	return &engine->recent_point;
}

/* Whether anything can be seen from there: it is somewhere, and no older than the TTL. */
static inline bool engine_is_vantage(const struct engine *engine, uint64_t now_us,
				     const struct vantage *vantage)
{
	return vantage->point.x != VANTAGE_NOWHERE.x &&
	       !engine_is_expired(engine, now_us, vantage->receipt_us);
}

#endif
