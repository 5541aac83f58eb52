/*
 * Owns: the helpers.
 * Invariant: a helper has a snapshot of its own, perhaps a later one: what it touches is a guess.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/warm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

/* Pages asked of the disk at once; readers of the environment, of which LMDB allows 126. */
enum { HELPERS = 16 };

/* What they share; only `next` is written while they run. */
struct errand {
	const struct lmdb_txn *txn;
	const struct run *const *runs;
	uint32_t count;
	struct user_id user;
	_Atomic uint32_t next; /* the run that nobody has taken */
};

uint64_t warm_waits(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_THREAD, &usage) == 0 ? (uint64_t)usage.ru_majflt : 0;
}

/* Standing at a block has its page read. */
static void run_touch(struct lmdb_txn *txn, const struct run *run, struct user_id user)
{
	struct run_reader reader;
	run_reader_open(&reader, txn, run, user.value);
	while (reader.has_block && run_block_key_user(reader.cursor.key) <= user.value)
		run_reader_pass(&reader);
	run_reader_close(&reader);
}

static void *helper(void *argument)
{
	struct errand *errand = argument;
	struct lmdb_txn txn;
	uint32_t i;
	lmdb_begin_beside(errand->txn, &txn);
	while ((i = atomic_fetch_add(&errand->next, 1)) < errand->count)
		run_touch(&txn, errand->runs[i], errand->user);
	lmdb_abort(&txn);
	return NULL;
}

void warm_user(const struct lmdb_txn *txn, const struct run *const *runs, uint32_t count,
	       struct user_id user)
{
	struct errand errand = { .txn = txn, .runs = runs, .count = count, .user = user };
	pthread_t threads[HELPERS];
	uint32_t started = 0;
	while (started < HELPERS && started < count &&
	       pthread_create(&threads[started], NULL, helper, &errand) == 0)
		started++;
	for (uint32_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}
