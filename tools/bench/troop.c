/*
 * Owns: starting and ending worker processes.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "bench/troop.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Descriptors of a worker that are no session; and how many it has at most. */
#define FILES_SPARE 64
#define FILES_MAX 20000
/* After the goodbyes, which a worker bounds itself. */
#define REAP_US (8u * 1000000u)
#define TICK_US 5000

int troop_start(struct troop *troop, uint32_t count,
		int (*live)(const void *context, uint32_t number), const void *context)
{
	pid_t parent = getpid();
	check(count <= TROOP_MAX);
	*troop = (struct troop){ .count = count };
	/* What stands in a buffer would be printed by each child once more. */
	fflush(NULL);
	for (uint32_t i = 0; i < count; i++) {
		pid_t pid = fork();
		if (pid < 0)
			return -errno;
		if (pid == 0) {
			/* Ctrl-C reaches the whole group; the parent ends a run in good order. */
			signal(SIGINT, SIG_IGN);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(getppid() == parent ? live(context, i) : EXIT_FAILURE);
		}
		troop->pids[i] = pid;
	}
	return 0;
}

bool troop_has_died(struct troop *troop)
{
	bool died = false;
	for (uint32_t i = 0; i < troop->count; i++) {
		int status;
		if (troop->pids[i] > 0 &&
		    waitpid(troop->pids[i], &status, WNOHANG) == troop->pids[i]) {
			troop->pids[i] = 0;
			died = true;
		}
	}
	return died;
}

static bool is_anyone_left(const struct troop *troop)
{
	for (uint32_t i = 0; i < troop->count; i++) {
		if (troop->pids[i] > 0)
			return true;
	}
	return false;
}

void troop_end(struct troop *troop)
{
	uint64_t until_us = boot_us() + REAP_US;
	while (is_anyone_left(troop) && boot_us() < until_us) {
		if (!troop_has_died(troop))
			usleep(TICK_US);
	}
	for (uint32_t i = 0; i < troop->count; i++) {
		if (troop->pids[i] > 0) {
			kill(troop->pids[i], SIGKILL);
			waitpid(troop->pids[i], NULL, 0);
		}
	}
}

static rlim_t files_max(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	return limit.rlim_cur < FILES_MAX ? limit.rlim_cur : FILES_MAX;
}

uint32_t troop_needed(uint32_t sessions)
{
	rlim_t files = files_max();
	uint64_t each = files > 2 * FILES_SPARE ? files - FILES_SPARE : FILES_SPARE;
	return (uint32_t)((sessions + each - 1) / each);
}
