/*
 * Owns: see meter.h.
 * Invariant: see meter.h.
 * Thread: see meter.h.
 * Does not know: what is being measured.
 */
#include "meter.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int event_open(uint64_t event)
{
	struct perf_event_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.type = PERF_TYPE_HARDWARE;
	attr.size = sizeof(attr);
	attr.config = event;
	attr.exclude_kernel = 1;
	attr.exclude_hv = 1;
	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static uint64_t event_read(int fd)
{
	uint64_t value;
	return fd >= 0 && read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

void meter_open(struct meter *meter)
{
	meter->instructions_fd = event_open(PERF_COUNT_HW_INSTRUCTIONS);
	meter->misses_fd = event_open(PERF_COUNT_HW_CACHE_MISSES);
}

void meter_close(struct meter *meter)
{
	if (meter->instructions_fd >= 0)
		close(meter->instructions_fd);
	if (meter->misses_fd >= 0)
		close(meter->misses_fd);
}

bool meter_counts_instructions(const struct meter *meter)
{
	return meter->instructions_fd >= 0;
}

bool meter_counts_misses(const struct meter *meter)
{
	return meter->misses_fd >= 0;
}

struct cost meter_read(const struct meter *meter)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (struct cost){
		.cpu_s = (double)t.tv_sec + (double)t.tv_nsec / 1e9,
		.instructions = event_read(meter->instructions_fd),
		.misses = event_read(meter->misses_fd),
	};
}

struct cost meter_since(const struct meter *meter, const struct cost *before)
{
	struct cost now = meter_read(meter);
	return (struct cost){
		.cpu_s = now.cpu_s - before->cpu_s,
		.instructions = now.instructions - before->instructions,
		.misses = now.misses - before->misses,
	};
}
