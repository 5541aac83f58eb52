/*
 * Owns: the reading of the segment for vitals.h.
 * Invariant: see the header.
 * Thread: one.
 * Does not know: how it is shown.
 */
#include "vitals.h"

#include <string.h>

#include "base/clock.h"

static void take_beats(const struct nearby_segment *segment, struct vitals *vitals)
{
	for (uint32_t core = 0; core < vitals->info.cores; core++) {
		uint64_t beat_us = nearby_segment_last_beat(segment, core);
		/* The clock was read first, so a beat may be younger than now. */
		uint64_t age_us = vitals->taken_us > beat_us ? vitals->taken_us - beat_us : 0;
		vitals->beat_age_us[core] = age_us;
		vitals->stalled_count += age_us > VITALS_STALL_US;
		if (age_us > vitals->oldest_beat_us)
			vitals->oldest_beat_us = age_us;
	}
}

static void take_table(const struct nearby_segment *segment, struct vitals *vitals)
{
	vitals->partition_slots = nearby_table_partition_slots(segment);
	for (uint32_t partition = 0; partition < NEARBYSHM_PARTITIONS; partition++) {
		uint64_t count = nearby_table_count(segment, partition);
		vitals->locations += count;
		if (count > vitals->fullest_partition)
			vitals->fullest_partition = count;
	}
}

void vitals_take(const struct nearby_segment *segment, struct vitals *vitals)
{
	memset(vitals, 0, sizeof(*vitals));
	nearby_segment_info(segment, &vitals->info);
	vitals->taken_us = boot_us();
	take_beats(segment, vitals);
	take_table(segment, vitals);
	for (uint32_t i = 0; i < vitals->info.counter_count; i++)
		if (nearby_segment_counter(segment, i)->kind == NEARBY_ALERT &&
		    nearby_segment_read(segment, i, 0) != 0)
			vitals->alert_count++;
}

bool vitals_are_well(const struct vitals *vitals)
{
	return vitals->info.is_owned && vitals->stalled_count == 0 && vitals->alert_count == 0;
}

bool vitals_counter(const struct nearby_segment *segment, const char *name, uint64_t *value)
{
	struct nearby_segment_info info;
	bool is_found = false;
	nearby_segment_info(segment, &info);
	*value = 0;
	for (uint32_t i = 0; i < info.counter_count; i++) {
		const struct nearby_counter_info *counter = nearby_segment_counter(segment, i);
		if (strncmp(counter->name, name, sizeof(counter->name)) != 0)
			continue;
		*value += nearby_segment_read(segment, i, 0);
		is_found = true;
	}
	return is_found;
}
