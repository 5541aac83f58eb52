/*
 * Owns: the channel records, and which user has which.
 * Invariant: a user has at most one channel, and it lives exactly while something needs it.
 * Thread: as engine.h.
 * Does not know: what is sent to whom.
 */
#ifndef NEARBY_ENGINE_CHANNEL_H
#define NEARBY_ENGINE_CHANNEL_H

#include "engine/engine_private.h"

/* The user's channel, or NONE. */
uint32_t channel_find(const struct engine *engine, uint64_t user);
/* Asks for the memory by which the user's channel is found, when that will be wanted. */
void channel_expect(const struct engine *engine, uint64_t user);
/* Most likely the user's channel, or NONE: for asking ahead for what it names. */
uint32_t channel_guess(const struct engine *engine, uint64_t user);
/* ... made when there is none: NONE then means that there is no room. A fresh one that ends up not
 * being needed must be settled. */
uint32_t channel_take(struct engine *engine, uint64_t user);
/* To be called after anything that may have changed whether the channel is needed or what its home
 * core should be told; the channel may be gone then. */
void channel_settle(struct engine *engine, uint32_t channel);
/* Whether anything but the list of untold interest needs it. */
bool channel_is_needed(const struct channel *channel);

/* The core that writes the user's location. */
uint32_t channel_home(const struct engine *engine, const struct channel *channel);

/* Copies at most NAME_BYTES_MAX bytes. 0, or -ENOSPC and the old name stays. */
int channel_rename(struct engine *engine, uint32_t channel, const char *name, uint32_t length);

/* All lookups lead to live channels and back; for engine_check. */
void channel_check_all(const struct engine *engine);

#endif
