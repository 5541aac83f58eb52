/*
 * Owns: what other cores have to be told, and what they tell.
 * Invariant: nothing that must arrive is lost or queued without bound. Interest is a state of the
 *   channel (told or not), so its list holds a channel once; looks wait in a ring that holds a
 *   channel once, and a ring that overflows becomes one rescan, as the truth is in the table.
 * Thread: as engine.h.
 * Does not know: how messages travel, whether a core is a thread or a machine.
 *
 * INTEREST(X), DISINTEREST(X) go to the home core of X when its first follower here comes and its
 * last one goes. The home core answers INTEREST with LOOK(X), as X may have changed before it was
 * noted. LOOK(X) says that X moved, expired, or began to be followed: look into the table. With it
 * comes what X shows, as far as the home core knows: only for the reason when X is found to be gone,
 * which would otherwise come with EVENT_SHARING, after the look. RESCAN says to look at all users
 * that are homed at the sender.
 */
#ifndef NEARBY_ENGINE_PEER_H
#define NEARBY_ENGINE_PEER_H

#include "engine/engine_private.h"

/* In the detail of a LOOK: an enum sharing_mode, DEFAULT when it is not known, and whether some
 * exception shows the user. */
enum { LOOK_MODE = 3, LOOK_SHOWN = 4 };

enum peer_message {
	PEER_INTEREST,
	PEER_DISINTEREST,
	PEER_LOOK,
	PEER_RESCAN,
	/* See herald.h. */
	PEER_HERE,
	PEER_AWAY,
};

/* Compares what the home core was told with the followers there are. */
void peer_note_interest(struct engine *engine, uint32_t channel);
/* A core is to look at the channel's user, homed here. The channel is not settled; others may be. */
void peer_look(struct engine *engine, uint32_t core, uint32_t channel);
/* Every core of the mask is to look at all users homed here. */
void peer_rescan(struct engine *engine, uint64_t cores);
/* Handles a message. */
void peer_receive(struct engine *engine, uint64_t now_us, uint32_t from,
		  const struct mesh_msg *msg);
/* Goes on with rescans that we were told to do, a bounded part. */
void peer_rescan_step(struct engine *engine, uint64_t now_us);
bool peer_is_rescanning(const struct engine *engine);
void peer_check_all(const struct engine *engine);

#endif
