/*
 * Owns: what the segment tells of the daemon's health at one moment.
 * Invariant: taken from shared memory alone; nothing here waits for the daemon.
 * Thread: one.
 * Does not know: how it is shown.
 */
#ifndef NEARBY_CTL_VITALS_H
#define NEARBY_CTL_VITALS_H

#include "nearbyshm.h"

#include <stdbool.h>
#include <stdint.h>

/* A core that has not beaten for so long is stalled; one that is well beats many times a second. */
#define VITALS_STALL_US 2000000

struct vitals {
	struct nearby_segment_info info;
	uint64_t taken_us; /* boot clock */
	uint64_t beat_age_us[NEARBYSHM_CORES_MAX];
	uint32_t stalled_count;
	uint64_t oldest_beat_us; /* age of the oldest */
	uint64_t locations;
	uint64_t partition_slots;
	uint64_t fullest_partition; /* locations in it */
	uint32_t alert_count;	    /* that hold now */
};

void vitals_take(const struct nearby_segment *segment, struct vitals *vitals);

/* The daemon lives, all its cores beat and no alert holds. */
bool vitals_are_well(const struct vitals *vitals);

/* The sum over all labels of the counter of that name (as in nearby-metrics(7), without "nearby_").
 * False when there is none. */
bool vitals_counter(const struct nearby_segment *segment, const char *name, uint64_t *value);

#endif
