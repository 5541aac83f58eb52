/*
 * Owns: freeing the locations of this core's partitions that are older than the TTL.
 * Invariant: with ticks coming, each slot is looked at about once a second; a tick does a bounded
 *   part. What is seen never waits for the sweeper: age is judged wherever a location is read.
 * Thread: as engine.h.
 * Does not know: who has to be told; that is location_expire.
 */
#ifndef NEARBY_ENGINE_SWEEP_H
#define NEARBY_ENGINE_SWEEP_H

#include "engine/engine_private.h"

void sweep_init(struct engine *engine);
/* A location was put into the table. */
void sweep_wake(struct engine *engine);
void sweep_step(struct engine *engine, uint64_t now_us);
/* When the next step has something to do, or UINT64_MAX while the partitions are empty. */
uint64_t sweep_next_us(const struct engine *engine);

#endif
