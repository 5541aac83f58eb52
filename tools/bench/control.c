/*
 * Owns: the shared mapping of orders and counts.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: what the numbers mean.
 */
#include "bench/control.h"

#include "base/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int control_open(struct control **control, uint32_t worker_count)
{
	check(worker_count > 0 && worker_count <= WORKERS_MAX);
	void *memory = mmap(NULL, sizeof(**control), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	*control = memory;
	(*control)->worker_count = worker_count;
	(*control)->watched = -1;
	return 0;
}

void control_close(struct control **control)
{
	if (*control != NULL)
		munmap(*control, sizeof(**control));
	*control = NULL;
}

void control_order(struct control *control, enum phase phase)
{
	uint32_t before = atomic_load_explicit(&control->order, memory_order_relaxed);
	atomic_store_explicit(&control->order, ((before >> 8) + 1) << 8 | (uint32_t)phase,
			      memory_order_release);
}

uint32_t control_read(const struct control *control)
{
	return atomic_load_explicit(&control->order, memory_order_acquire);
}

bool control_is_done(const struct control *control)
{
	uint32_t order = control_read(control);
	for (uint32_t i = 0; i < control->worker_count; i++) {
		if (atomic_load_explicit(&control->tallies[i].done, memory_order_acquire) != order)
			return false;
	}
	return true;
}

void tally_find(struct tally *tally, enum verdict verdict, const char *format, ...)
{
	tally->verdicts[verdict]++;
	if (tally->example_count == EXAMPLES_MAX)
		return;
	char *example = tally->examples[tally->example_count++];
	int length = snprintf(example, EXAMPLE_BYTES, "%s: ", verdict_text(verdict));
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(example + length, EXAMPLE_BYTES - (size_t)length, format, arguments);
	va_end(arguments);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void tally_add(struct tally *sum, const struct tally *tally)
{
	sum->joined += tally->joined;
	sum->join_retries += tally->join_retries;
	sum->sent += tally->sent;
	sum->skipped += tally->skipped;
	sum->due += tally->due;
	sum->frames += tally->frames;
	sum->moved += tally->moved;
	sum->entered += tally->entered;
	sum->refreshed += tally->refreshed;
	sum->merged += tally->merged;
	sum->before += tally->before;
	sum->gone_far += tally->gone_far;
	sum->gone_idle += tally->gone_idle;
	sum->pages += tally->pages;
	sum->checked += tally->checked;
	for (unsigned i = 0; i < VERDICT_COUNT; i++)
		sum->verdicts[i] += tally->verdicts[i];
	sum->last_heard_us = later(sum->last_heard_us, tally->last_heard_us);
	sum->last_sent_us = later(sum->last_sent_us, tally->last_sent_us);
	sum->check.pairs += tally->check.pairs;
	sum->check.border += tally->check.border;
	sum->check.listed += tally->check.listed;
	latency_merge(&sum->push_latency, &tally->push_latency);
	latency_merge(&sum->join_latency, &tally->join_latency);
	latency_merge(&sum->page_latency, &tally->page_latency);
	sum->radius_m = tally->radius_m > 0 ? tally->radius_m : sum->radius_m;
	sum->ttl_s = tally->ttl_s > 0 ? tally->ttl_s : sum->ttl_s;
	for (uint32_t i = 0; i < tally->example_count && sum->example_count < EXAMPLES_MAX; i++)
		memcpy(sum->examples[sum->example_count++], tally->examples[i], EXAMPLE_BYTES);
}

void control_sum(const struct control *control, struct tally *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < control->worker_count; i++)
		tally_add(sum, &control->tallies[i]);
}

uint64_t tally_findings(const struct tally *tally)
{
	uint64_t findings = 0;
	for (unsigned i = 0; i < VERDICT_COUNT; i++)
		findings += tally->verdicts[i];
	return findings;
}
