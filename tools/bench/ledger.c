/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "bench/ledger.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Counts are added and subtracted word by word. */
enum { COUNT_WORDS = sizeof(struct load_counts) / sizeof(uint64_t) };
_Static_assert(sizeof(struct load_counts) % sizeof(uint64_t) == 0, "counts are words");

int ledger_open(struct ledger **ledger, uint32_t worker_count, uint32_t users)
{
	check(worker_count > 0 && worker_count <= TROOP_MAX);
	size_t bytes = sizeof(**ledger) + users * sizeof((*ledger)->spots[0]);
	struct ledger *made = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (made == MAP_FAILED)
		return -errno;
	made->worker_count = worker_count;
	made->mapped_bytes = bytes;
	made->epoch_us = boot_us();
	made->epoch_ms = wall_ms();
	for (uint32_t user = 0; user < users; user++)
		made->spots[user] = TOWN_NOWHERE;
	*ledger = made;
	return 0;
}

void ledger_close(struct ledger **ledger)
{
	if (*ledger != NULL)
		munmap(*ledger, (*ledger)->mapped_bytes);
	*ledger = NULL;
}

void ledger_order(struct ledger *ledger, enum load_phase phase)
{
	uint32_t before = atomic_load_explicit(&ledger->order, memory_order_relaxed);
	atomic_store_explicit(&ledger->order, ((before >> 8) + 1) << 8 | (uint32_t)phase,
			      memory_order_release);
}

uint32_t ledger_read(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->order, memory_order_acquire);
}

bool ledger_is_done(const struct ledger *ledger)
{
	uint32_t order = ledger_read(ledger);
	for (uint32_t i = 0; i < ledger->worker_count; i++) {
		if (atomic_load_explicit(&ledger->tallies[i].done, memory_order_acquire) != order)
			return false;
	}
	return true;
}

static void counts_add(struct load_counts *to, const struct load_counts *from)
{
	uint64_t words[COUNT_WORDS], more[COUNT_WORDS];
	memcpy(words, to, sizeof(words));
	memcpy(more, from, sizeof(more));
	for (unsigned i = 0; i < COUNT_WORDS; i++)
		words[i] += more[i];
	memcpy(to, words, sizeof(words));
}

struct load_counts load_counts_between(const struct load_counts *from, const struct load_counts *to)
{
	uint64_t words[COUNT_WORDS], less[COUNT_WORDS];
	struct load_counts between;
	memcpy(words, to, sizeof(words));
	memcpy(less, from, sizeof(less));
	for (unsigned i = 0; i < COUNT_WORDS; i++)
		words[i] -= less[i];
	memcpy(&between, words, sizeof(between));
	return between;
}

static void window_add(struct load_window *to, const struct load_window *from)
{
	to->due += from->due;
	to->covered += from->covered;
	latency_merge(&to->latency, &from->latency);
	latency_merge(&to->lateness, &from->lateness);
}

struct load_counts ledger_counts(const struct ledger *ledger)
{
	struct load_counts sum = { .joined = 0 };
	for (uint32_t i = 0; i < ledger->worker_count; i++)
		counts_add(&sum, &ledger->tallies[i].counts);
	return sum;
}

void ledger_sum(const struct ledger *ledger, struct load_tally *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < ledger->worker_count; i++) {
		const struct load_tally *tally = &ledger->tallies[i];
		counts_add(&sum->counts, &tally->counts);
		for (uint32_t k = 0; k < ledger->window_count; k++)
			window_add(&sum->windows[k], &tally->windows[k]);
		latency_merge(&sum->join_latency, &tally->join_latency);
		if (sum->example[0] == 0)
			memcpy(sum->example, tally->example, sizeof(sum->example));
	}
}
