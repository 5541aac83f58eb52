/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "app/interval.h"

/* How often the load is looked at, and over how long it is smoothed. */
#define SAMPLE_US 10000u
#define SMOOTH_US 500000u
/* Less would merge nothing. */
#define LEAST_US 1000u
/* The part of the longest interval that merges enough as long as there is CPU time left. */
#define ENOUGH 0.1
/* A turn of more CPU time than this is a flood's. */
#define FLOOD_TURN_US 2000u
/* Receiving gathers for an eighth of the interval, up to 5 ms; where frames are rare for a fiftieth, up to 50 ms. */
#define GATHER_US     5000u
#define GATHER_US_MAX 50000u

static void measure_load(struct interval *interval, uint64_t now_us)
{
	uint64_t passed_us = now_us - interval->sample_us;
	if (passed_us < SAMPLE_US)
		return;
	double load = (double)(interval->cpu_us - interval->sample_cpu_us) / (double)passed_us;
	double weight = passed_us < SMOOTH_US ? (double)passed_us / SMOOTH_US : 1;
	interval->load += ((load > 1 ? 1 : load) - interval->load) * weight;
	interval->sample_us = now_us;
	interval->sample_cpu_us = interval->cpu_us;
}

static uint64_t wanted_us(const struct interval *interval, uint64_t most_us)
{
	double square = interval->load * interval->load, sixth = square * square * square;
	double sixteenth = sixth * sixth * square * square;
	double part = sixth < ENOUGH ? sixth : sixteenth > ENOUGH ? sixteenth : ENOUGH;
	uint64_t by_load_us = (uint64_t)((double)most_us * part);
	uint64_t by_flood_us = interval->turn_us > FLOOD_TURN_US ? 8 * interval->turn_us : 0;
	uint64_t us = by_load_us > by_flood_us ? by_load_us : by_flood_us;
	return us < LEAST_US ? 0 : us;
}

uint64_t interval_note(struct interval *interval, uint64_t now_us, uint64_t cpu_us, uint64_t least_us,
		       uint64_t most_us)
{
	uint64_t turn_us = cpu_us - interval->cpu_us;
	interval->cpu_us = cpu_us;
	interval->turn_us = (7 * interval->turn_us + turn_us) / 8;
	measure_load(interval, now_us);
	uint64_t us = wanted_us(interval, most_us);
	interval->us = us < least_us ? least_us : us > most_us ? most_us : us;
	return turn_us;
}

uint32_t interval_gather_us(const struct interval *interval)
{
	uint64_t us = interval->us / 50;
	us = us < GATHER_US ? GATHER_US : us > GATHER_US_MAX ? GATHER_US_MAX : us;
	return (uint32_t)(interval->us / 8 < us ? interval->us / 8 : us);
}
