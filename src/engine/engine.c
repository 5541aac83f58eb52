/*
 * Owns: an engine's memory, and which part handles which event.
 * Invariant: every limit of the config has its memory from the start.
 * Thread: as engine.h.
 * Does not know: how any event is handled.
 */
#include "engine/engine_private.h"

#include "base/check.h"
#include "engine/answer.h"
#include "engine/channel.h"
#include "engine/evaluate.h"
#include "engine/friendship.h"
#include "engine/location.h"
#include "engine/merge.h"
#include "engine/nearby.h"
#include "engine/pace.h"
#include "engine/peer.h"
#include "engine/session.h"
#include "engine/sharing.h"
#include "engine/sighting.h"
#include "engine/strangers.h"
#include "engine/subscription.h"
#include "engine/sweep.h"

#include <errno.h>

#define ENGINE_MAGIC 0x454e474eu /* "ENGN" */
_Static_assert(ENGINE_KEYS_MAX == TAG_KEY_MAX, "what an item can name");

/* Looks that wait for one core: an eighth of the channels, within these. More become a rescan. */
#define LOOKS_MIN 2u
#define LOOKS_MAX 4096u
/* In the arena for each session: 8 whom its user never meets. Few users have any. */
#define BARRED_WORDS 16u
/* In the directory: more than 100 M. */
#define PERSONS_MAX (1u << 27)

/* ---- memory ------------------------------------------------------------------------------- */

/* Cuts memory into pieces; with no memory it only sums them up. */
struct carver {
	uint8_t *memory;
	size_t bytes;
};

static void *carve(struct carver *carver, uint64_t count, size_t each_bytes)
{
	void *piece = carver->memory == NULL ? NULL : carver->memory + carver->bytes;
	carver->bytes += (count * each_bytes + 63) & ~(size_t)63;
	return piece;
}

static uint32_t looks_capacity(const struct engine_config *config)
{
	uint32_t wanted = config->channels_max / 8;
	return wanted < LOOKS_MIN ? LOOKS_MIN : wanted > LOOKS_MAX ? LOOKS_MAX : wanted;
}

/*
 * Words of the arena when everything is as large as it can be. A list of friends has n + n/8 + 8 words
 * (room to grow, header, rounding), a roll of followers the same in entries of 3 or 4 bytes with a 32nd
 * for growth; each subscription stands in both, and is alone in the roll at worst. A fifth of all is for
 * what gets lost between spans: 6 % of a large arena, 13 % of a small one, when friend lists come and go
 * at the brim.
 */
static uint64_t arena_capacity_words(const struct engine_config *config)
{
	uint64_t friends = (uint64_t)config->subscriptions_max * 9 / 8;
	uint64_t followers = (uint64_t)config->subscriptions_max * 33 / 32 *
			     rolls_init(NULL, config->sessions_max - 1).entry_bytes / 4;
	uint64_t lists = friends + followers +
			 ((uint64_t)config->sessions_max + config->channels_max) * 8;
	uint64_t barred = (uint64_t)config->sessions_max * BARRED_WORDS;
	return ((lists + barred) * 5 / 4 + 64) & ~UINT64_C(3);
}

/* The same for names, of 16 words and a header each. */
static uint64_t names_capacity_words(const struct engine_config *config)
{
	return ((uint64_t)config->channels_max * 20 * 5 / 4 + 64) & ~UINT64_C(3);
}

/* Whoever is seen has a session somewhere; and while other cores are slow to hear that somebody is
 * not any more, as many again of ours. */
static uint32_t persons_capacity(const struct engine_config *config)
{
	uint64_t wanted = (uint64_t)config->sessions_max * (config->cores + 1);
	return wanted < PERSONS_MAX ? (uint32_t)wanted : PERSONS_MAX;
}

static uint32_t buckets_capacity(const struct engine_config *config)
{
	uint32_t count = 1;
	while (count < persons_capacity(config))
		count *= 2;
	return count;
}

static uint32_t heralds_capacity(const struct engine_config *config)
{
	return config->cores > 1 ? 2 * config->sessions_max : config->sessions_max;
}

/* One slot in three stays empty, so that probes are short. */
static uint64_t map_capacity(const struct engine_config *config)
{
	return (uint64_t)config->channels_max * 3 / 2 + 2;
}

static void lay_out_directory(struct carver *carver, const struct engine_config *config,
			  struct directory *directory)
{
	directory->length = config->cell_length;
	directory->persons_max = persons_capacity(config);
	directory->bucket_count = buckets_capacity(config);
	directory->persons = carve(carver, directory->persons_max, sizeof(*directory->persons));
	directory->branches = carve(carver, directory->persons_max, sizeof(*directory->branches));
	directory->buckets = carve(carver, directory->bucket_count, sizeof(*directory->buckets));
	directory->stamps = carve(carver, DIRECTORY_STAMPS, sizeof(*directory->stamps));
	directory->outlooks = carve(carver, DIRECTORY_SEARCH_MAX + 1, sizeof(*directory->outlooks));
}

static struct engine *lay_out(struct carver *carver, const struct engine_config *config)
{
	struct engine parts = { 0 };
	struct engine *engine = carve(carver, 1, sizeof(*engine));
	parts.channels = carve(carver, config->channels_max, sizeof(*parts.channels));
	parts.reaches = carve(carver, config->channels_max, sizeof(*parts.reaches));
	parts.map = carve(carver, map_capacity(config), sizeof(*parts.map));
	parts.sessions = carve(carver, config->sessions_max, sizeof(*parts.sessions));
	parts.spots = carve(carver, config->sessions_max, sizeof(*parts.spots));
	parts.pace = carve(carver, config->sessions_max, sizeof(*parts.pace));
	parts.untold = carve(carver, config->sessions_max, sizeof(*parts.untold));
	parts.peers = carve(carver, config->cores, sizeof(*parts.peers));
	uint32_t *looks =
		carve(carver, (uint64_t)config->cores * looks_capacity(config), sizeof(uint32_t));
	uint32_t *heralds =
		carve(carver, (uint64_t)config->cores * heralds_capacity(config), sizeof(uint32_t));
	lay_out_directory(carver, config, &parts.directory);
	parts.personas = carve(carver, config->sessions_max, sizeof(*parts.personas));
	parts.views = carve(carver, config->sessions_max, sizeof(*parts.views));
	uint32_t *words = carve(carver, arena_capacity_words(config), sizeof(uint32_t));
	uint32_t *names = carve(carver, names_capacity_words(config), sizeof(uint32_t));
	if (engine == NULL)
		return NULL;
	*engine = parts;
	engine->looks_max = looks_capacity(config);
	engine->map_size = map_capacity(config);
	engine->heralds_max = heralds_capacity(config);
	for (uint32_t core = 0; core < config->cores; core++) {
		engine->peers[core].looks = looks + (size_t)core * engine->looks_max;
		engine->peers[core].heralds = heralds + (size_t)core * engine->heralds_max;
	}
	arena_init(&engine->arena, words, arena_capacity_words(config));
	arena_init(&engine->names, names, names_capacity_words(config));
	engine->rolls = rolls_init(&engine->arena, config->sessions_max - 1);
	return engine;
}

/*
 * Each session 128 bytes, its spot 16, its places in the heap and in the queue of moves 16 each; each channel 32
 * bytes, 16 of its reach and 6 of the map; for each other core a ring of at most 4,096 looks of 4 bytes; and the
 * arenas, see arena_capacity_words: about 10 bytes a subscription and 140 a channel. For strangers
 * each session a persona of 24 bytes and a view of 2,464, each session of any core a record of 56
 * and a branch of 24, and for each other core 8 bytes a session of messages that may wait. That is
 * address space: a page that no session, channel, list or view ever needed is never touched.
 */
size_t engine_memory_bytes(const struct engine_config *config)
{
	struct carver carver = { 0 };
	lay_out(&carver, config);
	return carver.bytes;
}

static bool is_config_good(const struct engine_config *config)
{
	return config->cores >= 1 && config->cores <= NEARBYSHM_CORES_MAX &&
	       config->core < config->cores && config->radius_m > 0 && config->ttl_us > 0 &&
	       config->sessions_max >= 1 && config->sessions_max <= TAG_KEY_MAX &&
	       config->sessions_max < UINT32_MAX / STRANGERS_MAX &&
	       config->channels_max >= 1 && config->channels_max <= TAG_KEY_MAX &&
	       config->friends_max >= 1 && arena_capacity_words(config) <= ARENA_WORDS_MAX &&
	       config->cell_length >= 1 && config->cell_length <= GEOHASH_LENGTH_MAX &&
	       config->strangers_max >= 1 && config->strangers_max <= STRANGERS_MAX &&
	       config->segment != NULL && config->counters != NULL;
}

static void set_ranges(struct engine *engine, double radius_m)
{
	double least_m = radius_m * (1 - EDGE_FRACTION), most_m = radius_m * (1 + EDGE_FRACTION);
	engine->near_chord2 = geo_chord2_limit(radius_m);
	engine->near_spot2 = geo_spot_chord2_most(radius_m);
	engine->edge_least_chord2 = geo_chord2_limit(least_m);
	engine->edge_most_chord2 = geo_chord2_limit(most_m);
	engine->edge_least_spot2 = geo_spot_chord2_least(least_m);
	engine->edge_most_spot2 = geo_spot_chord2_most(most_m);
	engine->reevaluate = geo_range(radius_m * REEVALUATE_FRACTION);
	engine->anchored = geo_range(radius_m * ANCHOR_FRACTION);
	engine->recent_point = geo_point(engine->recent_place);
}

int engine_init(struct engine **engine, const struct engine_config *config, void *memory,
		size_t memory_bytes)
{
	if (!is_config_good(config) || memory_bytes < engine_memory_bytes(config) ||
	    (uintptr_t)memory % 64 != 0)
		return -EINVAL;
	struct carver carver = { .memory = memory };
	struct engine *fresh = lay_out(&carver, config);
	fresh->magic = ENGINE_MAGIC;
	fresh->config = *config;
	set_ranges(fresh, config->radius_m);
	fresh->channel_free = fresh->session_free = NONE;
	fresh->timer_first = fresh->timer_last = NONE;
	fresh->persona_free = fresh->view_free = NONE;
	fresh->view_timer_first = fresh->view_timer_last = NONE;
	directory_init(&fresh->directory);
	for (uint32_t core = 0; core < config->cores; core++)
		fresh->peers[core].untold_first = fresh->peers[core].untold_last = NONE;
	sweep_init(fresh);
	*engine = fresh;
	return 0;
}

/* ---- events ------------------------------------------------------------------------------- */

static int step_join(struct engine *engine, const struct event *event, struct engine_out *out)
{
	int status = session_open(engine, event->join.user, event->join.friends,
				  event->join.friend_count, &out->joined);
	if (status == 0) {
		sharing_join(engine, event, out->joined.slot);
		strangers_join(engine, out->joined.slot, event->join.barred,
			       event->join.barred_count);
	}
	engine_count(engine, status == 0 ? ENGINE_COUNTER_JOINS : ENGINE_COUNTER_JOINS_REFUSED, 1);
	return status;
}

static void step_nearby(struct engine *engine, const struct event *event, uint32_t slot,
			struct engine_out *out)
{
	if (!answer_is_located(engine, event->now_us, slot, out))
		return;
	out->has_answer = true;
	nearby_page(engine, event->now_us, slot,
		    event->nearby.has_cursor ? &event->nearby.cursor : NULL, event->nearby.limit,
		    &out->answer);
}

static int step_befriend(struct engine *engine, const struct event *event)
{
	const struct friend_info *with = &event->friendship.with;
	int status = friendship_add(engine, event->friendship.user, with);
	if (status == 0)
		strangers_befriended(engine, event->now_us, event->friendship.user, with->user);
	return status;
}

static void step_tick(struct engine *engine, uint64_t now_us)
{
	sweep_step(engine, now_us);
	evaluate_step(engine, now_us);
	merge_step(engine, now_us);
	peer_rescan_step(engine, now_us);
	strangers_step(engine, now_us);
}

/* The session that an event is about; all these begin with its id. */
static struct session_id session_of(const struct event *event)
{
	switch (event->type) {
	case EVENT_LOCATION:
		return event->location.session;
	case EVENT_NEARBY:
		return event->nearby.session;
	case EVENT_SUBSCRIBE:
	case EVENT_UNSUBSCRIBE:
		return event->subscribe.session;
	default:
		return event->session;
	}
}

static int step_session(struct engine *engine, const struct event *event, struct engine_out *out)
{
	uint32_t slot = session_find(engine, session_of(event));
	if (slot == NONE)
		return -ESTALE;
	switch (event->type) {
	case EVENT_LEAVE:
		merge_end(engine, event->now_us, slot);
		session_close(engine, slot);
		break;
	case EVENT_LOCATION:
		location_accept(engine, event, slot, out);
		strangers_moved(engine, event->now_us, engine->sessions[slot].channel);
		break;
	case EVENT_NEARBY:
		step_nearby(engine, event, slot, out);
		break;
	case EVENT_SUBSCRIBE:
		friendship_subscribe(engine, event->now_us, slot, event->subscribe.user, out);
		break;
	case EVENT_UNSUBSCRIBE:
		friendship_unsubscribe(engine, slot, event->subscribe.user, out);
		break;
	case EVENT_STRANGERS:
		strangers_switch(engine, event->now_us, slot, event->strangers.is_on, out);
		break;
	case EVENT_PAUSE:
		session_pause(engine, slot);
		break;
	case EVENT_RESUME:
		session_resume(engine, slot);
		break;
	default:
		check(!"an event of a session");
	}
	return 0;
}

static int step_any(struct engine *engine, const struct event *event, struct engine_out *out)
{
	switch (event->type) {
	case EVENT_JOIN:
		return step_join(engine, event, out);
	case EVENT_BEFRIEND:
		return step_befriend(engine, event);
	case EVENT_UNFRIEND:
		friendship_remove(engine, event->friendship.user, event->friendship.with.user);
		strangers_unfriended(engine, event->now_us, event->friendship.user);
		return 0;
	case EVENT_BAR:
		strangers_bar(engine, event->now_us, event->bar.user, event->bar.other,
			      event->bar.is_barred);
		return 0;
	case EVENT_RENAME:
		return friendship_rename(engine, event->now_us, &event->rename);
	case EVENT_SHARING:
		sharing_change(engine, event);
		return 0;
	case EVENT_EXCEPTION:
		sharing_except(engine, event);
		return 0;
	case EVENT_FORGET:
		location_forget(engine, event->now_us, event->forget.value);
		return 0;
	case EVENT_PEER:
		peer_receive(engine, event->now_us, event->peer.from_core, &event->peer.msg);
		return 0;
	case EVENT_TICK:
		step_tick(engine, event->now_us);
		return 0;
	default:
		return step_session(engine, event, out);
	}
}

int engine_step(struct engine *engine, const struct event *event, struct engine_out *out)
{
	check_object(engine, ENGINE_MAGIC);
	out->has_answer = false;
	out->has_record = false;
	/* These two ask a list for nothing that a sighting may still have to note in it. */
	if (event->type != EVENT_LOCATION && event->type != EVENT_PEER)
		sighting_note_all(engine);
	return step_any(engine, event, out);
}

/* ---- the rest ----------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t engine_next_us(const struct engine *engine, uint64_t interval_us)
{
	check_object(engine, ENGINE_MAGIC);
	if (peer_is_rescanning(engine) || engine->sighting_count > 0)
		return 0;
	uint64_t next_us = earlier(sweep_next_us(engine), evaluate_next_us(engine));
	next_us = earlier(next_us, strangers_next_us(engine));
	next_us = earlier(next_us, merge_next_us(engine));
	if (engine->pace_count > 0)
		next_us = earlier(next_us, engine->pace[0].last_us + interval_us);
	return next_us;
}

uint32_t engine_sessions(const struct engine *engine, struct user_id user,
			 struct session_id *sessions, uint32_t max)
{
	uint32_t channel = channel_find(engine, user.value), count = 0;
	uint32_t slot = channel == NONE ? NONE : engine->channels[channel].first_session;
	for (; slot != NONE && count < max; slot = engine->sessions[slot].sibling)
		sessions[count++] = session_id(engine, slot);
	return count;
}

uint32_t engine_session_count(const struct engine *engine, struct user_id user)
{
	uint32_t channel = channel_find(engine, user.value), count = 0;
	uint32_t slot = channel == NONE ? NONE : engine->channels[channel].first_session;
	for (; slot != NONE; slot = engine->sessions[slot].sibling)
		count++;
	return count;
}

void engine_check(const struct engine *engine)
{
	check_object(engine, ENGINE_MAGIC);
	arena_check(&engine->arena);
	arena_check(&engine->names);
	channel_check_all(engine);
	session_check_all(engine);
	subscription_check_all(engine);
	pace_check(engine);
	evaluate_check_all(engine);
	merge_check(engine);
	peer_check_all(engine);
	strangers_check_all(engine);
}
