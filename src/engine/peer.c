/*
 * Owns: see peer.h.
 * Invariant: see peer.h.
 * Thread: as engine.h.
 * Does not know: how messages travel, whether a core is a thread or a machine.
 */
#include "engine/peer.h"

#include "base/check.h"
#include "engine/channel.h"
#include "engine/herald.h"
#include "engine/look.h"

/* Of one rescan step: records passed, and followers checked, whichever comes first. */
#define RESCAN_RECORDS 4096
#define RESCAN_FOLLOWERS 4096

static uint64_t bit_of(uint32_t core)
{
	return UINT64_C(1) << core;
}

/* ---- interest: what we tell --------------------------------------------------------------- */

static void untold_append(struct engine *engine, struct peer *peer, uint32_t channel)
{
	struct reach *reach = &engine->reaches[channel];
	reach->next = NONE;
	reach->previous = peer->untold_last;
	if (peer->untold_last != NONE)
		engine->reaches[peer->untold_last].next = channel;
	else
		peer->untold_first = channel;
	peer->untold_last = channel;
	engine->channels[channel].is_untold = true;
}

static void untold_unlink(struct engine *engine, struct peer *peer, uint32_t channel)
{
	struct reach *reach = &engine->reaches[channel];
	if (reach->next != NONE)
		engine->reaches[reach->next].previous = reach->previous;
	else
		peer->untold_last = reach->previous;
	if (reach->previous != NONE)
		engine->reaches[reach->previous].next = reach->next;
	else
		peer->untold_first = reach->next;
	*reach = (struct reach){ 0 };
	engine->channels[channel].is_untold = false;
}

void peer_note_interest(struct engine *engine, uint32_t channel)
{
	struct channel *record = &engine->channels[channel];
	uint32_t home = channel_home(engine, record);
	if (home == engine->config.core)
		return;
	bool is_untold = (record->followers.count > 0) != record->is_told;
	if (is_untold && !record->is_untold)
		untold_append(engine, &engine->peers[home], channel);
	else if (!is_untold && record->is_untold)
		untold_unlink(engine, &engine->peers[home], channel);
}

/* ---- who is to be told -------------------------------------------------------------------- */

/* To be called after a change of interest or looks. */
static void reach_note(struct engine *engine, uint32_t channel)
{
	const struct reach *reach = &engine->reaches[channel];
	engine->channels[channel].is_wanted = (reach->interest | reach->looks) != 0;
}

static void interest_note(struct engine *engine, uint32_t channel, uint32_t core,
			  bool is_interested)
{
	uint64_t *interest = &engine->reaches[channel].interest;
	*interest = is_interested ? *interest | bit_of(core) : *interest & ~bit_of(core);
	reach_note(engine, channel);
}

static bool is_look_waiting(const struct engine *engine, uint32_t channel, uint32_t core)
{
	return engine->channels[channel].is_wanted &&
	       (engine->reaches[channel].looks & bit_of(core));
}

/* ---- looks: what we tell ------------------------------------------------------------------ */

static uint32_t looks_pop(struct engine *engine, uint32_t core)
{
	struct peer *peer = &engine->peers[core];
	uint32_t channel = peer->looks[peer->look_head];
	peer->look_head = (peer->look_head + 1) % engine->looks_max;
	peer->look_count--;
	engine->reaches[channel].looks &= ~bit_of(core);
	reach_note(engine, channel);
	return channel;
}

/* What waits, and `keep` with it, becomes one rescan. */
static void looks_overflow(struct engine *engine, uint32_t core, uint32_t keep)
{
	while (engine->peers[core].look_count > 0) {
		uint32_t channel = looks_pop(engine, core);
		if (channel != keep)
			channel_settle(engine, channel);
	}
	engine->peers[core].rescan = true;
	engine_count(engine, ENGINE_COUNTER_RESCANS, 1);
}

void peer_look(struct engine *engine, uint32_t core, uint32_t channel)
{
	struct peer *peer = &engine->peers[core];
	check(core < engine->config.cores && core != engine->config.core);
	if (peer->rescan || is_look_waiting(engine, channel, core)) {
		engine_count(engine, ENGINE_COUNTER_LOOKS_MERGED, 1);
		return;
	}
	if (peer->look_count == engine->looks_max) {
		looks_overflow(engine, core, channel);
		return;
	}
	peer->looks[(peer->look_head + peer->look_count++) % engine->looks_max] = channel;
	engine->reaches[channel].looks |= bit_of(core);
	reach_note(engine, channel);
}

void peer_rescan(struct engine *engine, uint64_t cores)
{
	for (; cores != 0; cores &= cores - 1) {
		uint32_t core = (uint32_t)__builtin_ctzll(cores);
		if (!engine->peers[core].rescan)
			looks_overflow(engine, core, NONE);
	}
}

/* ---- draining ----------------------------------------------------------------------------- */

static uint32_t drain_untold(struct engine *engine, struct peer *peer, struct mesh_msg *msgs,
			     uint32_t room)
{
	uint32_t count = 0;
	while (count < room && peer->untold_first != NONE) {
		uint32_t channel = peer->untold_first;
		struct channel *record = &engine->channels[channel];
		record->is_told = !record->is_told;
		untold_unlink(engine, peer, channel);
		msgs[count++] = (struct mesh_msg){
			.user = record->user,
			.type = record->is_told ? PEER_INTEREST : PEER_DISINTEREST,
		};
		channel_settle(engine, channel);
	}
	return count;
}

static uint32_t drain_looks(struct engine *engine, uint32_t to, struct mesh_msg *msgs,
			    uint32_t room)
{
	uint32_t count = 0;
	while (count < room && engine->peers[to].look_count > 0) {
		uint32_t channel = looks_pop(engine, to);
		const struct channel *record = &engine->channels[channel];
		msgs[count++] = (struct mesh_msg){
			.user = record->user,
			.type = PEER_LOOK,
			.detail = record->mode | (record->is_shown ? LOOK_SHOWN : 0),
		};
		channel_settle(engine, channel);
	}
	engine_count(engine, ENGINE_COUNTER_LOOKS_SENT, count);
	return count;
}

uint32_t engine_mesh_drain(struct engine *engine, uint32_t to, struct mesh_msg *msgs, uint32_t room)
{
	check(to < engine->config.cores && room > 0);
	if (to == engine->config.core)
		return 0;
	struct peer *peer = &engine->peers[to];
	uint32_t count = drain_untold(engine, peer, msgs, room);
	count += herald_drain(engine, to, msgs + count, room - count);
	if (count < room && peer->rescan) {
		peer->rescan = false;
		msgs[count++] = (struct mesh_msg){ .type = PEER_RESCAN };
	}
	return count + drain_looks(engine, to, msgs + count, room - count);
}

/* ---- what others tell us ------------------------------------------------------------------ */

/*
 * No room to note who follows the user: from now on the core hears of every change here, be it of
 * that user or not. The user has no session here (that takes a channel), so all that can happen to
 * its location without one is to expire or to be shown otherwise, of which the deaf are told by a
 * rescan.
 */
static void interest_refused(struct engine *engine, uint32_t from)
{
	engine->deaf |= bit_of(from);
	engine_count(engine, ENGINE_COUNTER_INTERESTS_REFUSED, 1);
	peer_rescan(engine, bit_of(from));
}

static void receive_interest(struct engine *engine, uint32_t from, uint64_t user)
{
	check(nearby_home_core(user, engine->config.cores) == engine->config.core);
	uint32_t channel = channel_take(engine, user);
	if (channel == NONE) {
		interest_refused(engine, from);
		return;
	}
	interest_note(engine, channel, from, true);
	peer_look(engine, from, channel);
}

static void receive_disinterest(struct engine *engine, uint32_t from, uint64_t user)
{
	check(nearby_home_core(user, engine->config.cores) == engine->config.core);
	uint32_t channel = channel_find(engine, user);
	if (channel == NONE)
		return;
	interest_note(engine, channel, from, false);
	channel_settle(engine, channel);
}

static void receive_look(struct engine *engine, uint64_t now_us, const struct mesh_msg *look)
{
	uint32_t channel = channel_find(engine, look->user);
	enum sharing_mode mode = (enum sharing_mode)(look->detail & LOOK_MODE);
	if (channel == NONE)
		return;
	if (mode != SHARING_DEFAULT)
		channel_note_off(&engine->channels[channel], mode, (look->detail & LOOK_SHOWN) != 0);
	look_at(engine, now_us, channel);
}

static void receive_rescan(struct engine *engine, uint32_t from)
{
	engine->rescan_until = engine->rescan_at + engine->config.channels_max;
	engine->peers[from].rescan_end = engine->rescan_until;
}

void peer_receive(struct engine *engine, uint64_t now_us, uint32_t from, const struct mesh_msg *msg)
{
	check(from < engine->config.cores && from != engine->config.core);
	switch ((enum peer_message)msg->type) {
	case PEER_INTEREST:
		receive_interest(engine, from, msg->user);
		return;
	case PEER_DISINTEREST:
		receive_disinterest(engine, from, msg->user);
		return;
	case PEER_LOOK:
		receive_look(engine, now_us, msg);
		return;
	case PEER_RESCAN:
		receive_rescan(engine, from);
		return;
	case PEER_HERE:
	case PEER_AWAY:
		herald_receive(engine, msg);
		return;
	}
	check(!"a mesh message of a known type");
}

/* ---- rescan ------------------------------------------------------------------------------- */

bool peer_is_rescanning(const struct engine *engine)
{
	return engine->rescan_at < engine->rescan_until;
}

/* Rechecks one record when its home core asked for it. Returns how many followers it has. */
static uint32_t rescan_record(struct engine *engine, uint64_t now_us, uint32_t channel)
{
	const struct channel *record = &engine->channels[channel];
	if (!record->is_live || record->followers.count == 0)
		return 0;
	uint32_t home = channel_home(engine, record);
	if (home == engine->config.core || engine->peers[home].rescan_end <= engine->rescan_at)
		return 0;
	look_at(engine, now_us, channel);
	return record->followers.count;
}

void peer_rescan_step(struct engine *engine, uint64_t now_us)
{
	uint32_t records = 0, followers = 0;
	while (peer_is_rescanning(engine) && records < RESCAN_RECORDS &&
	       followers < RESCAN_FOLLOWERS) {
		uint64_t channel = engine->rescan_at % engine->config.channels_max;
		if (channel >= engine->channel_high) {
			/* Records never used: on to the first of the next circle. */
			engine->rescan_at += engine->config.channels_max - channel;
			continue;
		}
		followers += rescan_record(engine, now_us, (uint32_t)channel);
		engine->rescan_at++;
		records++;
	}
}

/* ---- check -------------------------------------------------------------------------------- */

static uint32_t check_untold(const struct engine *engine, uint32_t core)
{
	uint32_t count = 0, previous = NONE;
	for (uint32_t c = engine->peers[core].untold_first; c != NONE;
	     c = engine->reaches[c].next) {
		const struct channel *record = &engine->channels[c];
		check(record->is_live && record->is_untold);
		check(engine->reaches[c].previous == previous);
		check(channel_home(engine, record) == core);
		previous = c;
		count++;
	}
	check(engine->peers[core].untold_last == previous);
	return count;
}

static void check_looks(const struct engine *engine, uint32_t core)
{
	const struct peer *peer = &engine->peers[core];
	check(!peer->rescan || peer->look_count == 0);
	for (uint32_t i = 0; i < peer->look_count; i++) {
		uint32_t channel = peer->looks[(peer->look_head + i) % engine->looks_max];
		check(engine->channels[channel].is_live);
		check(is_look_waiting(engine, channel, core));
	}
}

void peer_check_all(const struct engine *engine)
{
	uint64_t untold = 0, listed = 0, looks = 0, waiting = 0;
	for (uint32_t core = 0; core < engine->config.cores; core++) {
		listed += check_untold(engine, core);
		check_looks(engine, core);
		waiting += engine->peers[core].look_count;
	}
	for (uint32_t channel = 0; channel < engine->channel_high; channel++) {
		const struct channel *record = &engine->channels[channel];
		if (!record->is_live)
			continue;
		untold += record->is_untold;
		if (channel_home(engine, record) != engine->config.core) {
			check(record->is_untold ==
			      ((record->followers.count > 0) != record->is_told));
			continue;
		}
		const struct reach *reach = &engine->reaches[channel];
		check(record->is_wanted == ((reach->interest | reach->looks) != 0));
		looks += (uint64_t)__builtin_popcountll(reach->looks);
	}
	herald_check_all(engine);
	check(untold == listed);
	check(looks == waiting);
}
