/*
 * Owns: see herald.h.
 * Invariant: see herald.h; a person stands in the ring of a core exactly while its bit in `waiting`
 *   says so.
 * Thread: as engine.h.
 * Does not know: why somebody is seen, how messages travel.
 */
#include "engine/herald.h"

#include "base/check.h"
#include "engine/peer.h"
#include "engine/presence.h"

static uint64_t bit_of(uint32_t core)
{
	return UINT64_C(1) << core;
}

static bool is_own(const struct engine *engine, uint64_t user)
{
	return nearby_home_core(user, engine->config.cores) == engine->config.core;
}

void herald_note(struct engine *engine, uint32_t person)
{
	struct person *record = &engine->directory.persons[person];
	check(is_own(engine, record->user));
	for (uint32_t core = 0; core < engine->config.cores; core++) {
		struct peer *peer = &engine->peers[core];
		if (core == engine->config.core || (record->waiting & bit_of(core)))
			continue;
		check(peer->herald_count < engine->heralds_max);
		peer->heralds[(peer->herald_head + peer->herald_count++) % engine->heralds_max] =
			person;
		record->waiting |= bit_of(core);
	}
}

static uint32_t heralds_pop(struct engine *engine, uint32_t core)
{
	struct peer *peer = &engine->peers[core];
	uint32_t person = peer->heralds[peer->herald_head];
	peer->herald_head = (peer->herald_head + 1) % engine->heralds_max;
	peer->herald_count--;
	engine->directory.persons[person].waiting &= ~bit_of(core);
	return person;
}

/* What the core has to be told of the person now; false when that is nothing. */
static bool make_message(struct person *record, uint32_t core, struct mesh_msg *msg)
{
	if (!record->is_here && !(record->told & bit_of(core)))
		return false;
	*msg = (struct mesh_msg){
		.user = record->user,
		.type = record->is_here ? PEER_HERE : PEER_AWAY,
		.detail = record->is_here ? record->code : record->why,
	};
	record->told = record->is_here ? record->told | bit_of(core) : record->told & ~bit_of(core);
	return true;
}

uint32_t herald_drain(struct engine *engine, uint32_t to, struct mesh_msg *msgs, uint32_t room)
{
	uint32_t count = 0;
	while (count < room && engine->peers[to].herald_count > 0) {
		uint32_t person = heralds_pop(engine, to);
		count += make_message(&engine->directory.persons[person], to, &msgs[count]);
		presence_settle(engine, person);
	}
	return count;
}

void herald_receive(struct engine *engine, const struct mesh_msg *msg)
{
	check(!is_own(engine, msg->user));
	if (msg->type == PEER_HERE) {
		presence_put(engine, msg->user, msg->detail);
		return;
	}
	uint32_t person = directory_find(&engine->directory, msg->user);
	if (person == NOBODY)
		return; /* there was no room for it */
	presence_remove(engine, person, (enum gone_why)msg->detail);
	presence_settle(engine, person);
}

void herald_check_all(const struct engine *engine)
{
	uint64_t listed = 0, waiting = 0;
	for (uint32_t core = 0; core < engine->config.cores; core++) {
		const struct peer *peer = &engine->peers[core];
		listed += peer->herald_count;
		for (uint32_t i = 0; i < peer->herald_count; i++) {
			uint32_t at = (peer->herald_head + i) % engine->heralds_max;
			check(engine->directory.persons[peer->heralds[at]].waiting & bit_of(core));
		}
	}
	for (uint32_t person = 0; person < engine->directory.person_high; person++)
		waiting +=
			(uint64_t)__builtin_popcountll(engine->directory.persons[person].waiting);
	check(listed == waiting);
}
