/*
 * Owns: how long a core lets moves merge before it sends them, by how busy it is.
 * Invariant: the interval is between the two bounds of the configuration.
 * Thread: the core's.
 * Does not know: clocks (it is told the time), sessions, what a turn does.
 *
 * A frame of several entries costs little more than one of a single entry, so the busier a core is, the
 * longer moves are left to merge: with the sixth power of its load. Of 1,000 ms that is none up to a
 * third of its CPU, 16 ms at half, 100 ms at two thirds. There it stays, as more would save little:
 * what merges then are moves of one friend. Only a core that runs out of time lets friends wait
 * longer, with the sixteenth power: 185 ms at nine tenths, 440 at 95 %, and all at last. A longer
 * interval lowers the load, which settles both; with a lower power a core that has time would make
 * friends wait, with a higher one frames would stay small. The load is smoothed over about as long as
 * an interval takes to show in it, lest the two swing. Against a sudden flood stands the other rule:
 * when turns take more than 2 ms of CPU, eight turns' time.
 */
#ifndef NEARBY_APP_INTERVAL_H
#define NEARBY_APP_INTERVAL_H

#include <stdint.h>

/* All zero: an idle core whose clocks begin at 0. */
struct interval {
	uint64_t us;	  /* between two frames to one session, now */
	uint64_t cpu_us;  /* of the thread at the end of the last turn */
	uint64_t turn_us; /* smoothed CPU time of a turn */
	double load;	  /* smoothed part of its CPU that the thread uses, 0 to 1 */
	uint64_t sample_us, sample_cpu_us; /* clock and CPU time when that was last looked at */
};

/*
 * At the end of a turn: `cpu_us` is the CPU time of the thread since it began, the bounds are
 * push-interval-ms and push-interval-max-ms. Returns the CPU time of this turn.
 */
uint64_t interval_note(struct interval *interval, uint64_t now_us, uint64_t cpu_us, uint64_t least_us,
		       uint64_t most_us);

/* How long receiving may wait for more, as frames wait for their interval in any case: 50 ms at most. */
uint32_t interval_gather_us(const struct interval *interval);

#endif
