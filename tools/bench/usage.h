/*
 * Owns: what the kernel says that processes have used.
 * Invariant: a sum over a process and all that descend from it at that moment.
 * Thread: the caller's; reads /proc.
 * Does not know: what they are.
 */
#ifndef NEARBY_BENCH_USAGE_H
#define NEARBY_BENCH_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct usage {
	uint32_t processes;
	double cpu_s; /* user and system, of the living and of their children that have ended */
	uint64_t resident_bytes; /* pages that processes share count once for each */
};

/* All zero when there is no such process. */
struct usage usage_of_tree(pid_t root);
/* Of the one process alone. */
struct usage usage_of(pid_t pid);

#endif
