/*
 * Owns: the ways through the pages of the file.
 * Invariant: what cannot be understood or read is left out; a snapshot keeps the pages as they are.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/warm.h"

#include "store/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

/* Pages of a level that one errand asks for; whoever fills more is read so far ahead. */
enum { PAGES_MAX = 1024 };

uint64_t warm_waits(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_THREAD, &usage) == 0 ? (uint64_t)usage.ru_majflt : 0;
}

/* Reads the way from the root to the user as far as it is in memory. */
static bool way_is_here(const struct lmdb_tree *tree, struct run_block_key key, void *page)
{
	size_t bytes = tree->page_bytes;
	struct bytes wanted = { key.bytes, sizeof(key.bytes) };
	uint64_t at = tree->root;
	for (uint32_t levels = tree->depth; levels > 0; levels--) {
		struct iovec to = { page, bytes };
		ssize_t got = preadv2(tree->fd, &to, 1, (off_t)(at * bytes), RWF_NOWAIT);
		if (got != (ssize_t)bytes)
			return got >= 0 || errno != EAGAIN;
		if (levels > 1 && page_below(page, bytes, at, wanted, wanted, 0, &at, 1) == 0)
			return true;
	}
	return true;
}

bool warm_is_here(struct lmdb_txn *txn, const struct run *run, struct user_id user)
{
	struct lmdb_tree tree;
	if (!lmdb_tree(txn, RUN_TABLE_TIER0 + run->tier, &tree))
		return true;
	void *page = malloc(tree.page_bytes);
	bool is_here = page == NULL ||
		       way_is_here(&tree, run_block_key(run->first_window, user.value, 0), page);
	free(page);
	return is_here;
}

/* A page on the way to the user in a run. */
struct stop {
	uint64_t page;
	uint32_t run;
	uint32_t levels; /* below it */
};

struct level {
	uint32_t count;
	struct stop stops[PAGES_MAX];
};

struct errand {
	const struct run *const *runs;
	struct user_id user;
	struct lmdb_tree tree; /* any table's: of the file */
	struct level levels[2];
	uint64_t page[]; /* the one that is looked at */
};

static void level_add(struct level *level, struct stop stop)
{
	if (level->count < PAGES_MAX)
		level->stops[level->count++] = stop;
}

/* Neighbours often lead to the same page, and what follows each other in a run is one piece of the file. */
static void level_ask(const struct errand *errand, const struct level *level)
{
	uint64_t bytes = errand->tree.page_bytes;
	for (uint32_t i = 0; i < level->count;) {
		uint64_t first = level->stops[i].page, end = first + 1;
		for (i++; i < level->count && level->stops[i].page >= end - 1 && level->stops[i].page <= end; i++)
			end = level->stops[i].page + 1;
		posix_fadvise(errand->tree.fd, (off_t)(first * bytes), (off_t)((end - first) * bytes),
			      POSIX_FADV_WILLNEED);
	}
}

/* Adds the pages below a stop. */
static void stop_pass(struct errand *errand, const struct stop *stop, struct level *next)
{
	uint64_t bytes = errand->tree.page_bytes, below[PAGES_MAX];
	uint64_t window = errand->runs[stop->run]->first_window;
	struct run_block_key from = run_block_key(window, errand->user.value, 0);
	struct run_block_key to = run_block_key(window, errand->user.value, UINT32_MAX);
	if (stop->levels == 0 ||
	    pread(errand->tree.fd, errand->page, bytes, (off_t)(stop->page * bytes)) != (ssize_t)bytes)
		return;
	/* Of leaves one more: where the last block of one is the user's, a cursor looks for what is greater. */
	uint32_t further = stop->levels == 1;
	uint32_t count = page_below(errand->page, bytes, stop->page,
				    (struct bytes){ from.bytes, sizeof(from.bytes) },
				    (struct bytes){ to.bytes, sizeof(to.bytes) }, further, below, PAGES_MAX);
	for (uint32_t i = 0; i < count; i++)
		level_add(next, (struct stop){ below[i], stop->run, stop->levels - 1 });
}

static void errand_run(struct errand *errand)
{
	struct level *level = &errand->levels[0], *next = &errand->levels[1];
	while (level->count > 0) {
		level_ask(errand, level);
		next->count = 0;
		for (uint32_t i = 0; i < level->count; i++)
			stop_pass(errand, &level->stops[i], next);
		struct level *done = level;
		level = next;
		next = done;
	}
}

void warm_user(struct lmdb_txn *txn, const struct run *const *runs, uint32_t count,
	       struct user_id user)
{
	struct lmdb_tree trees[RUN_TIERS];
	bool is_known = true;
	for (uint32_t tier = 0; tier < RUN_TIERS; tier++)
		is_known &= lmdb_tree(txn, RUN_TABLE_TIER0 + tier, &trees[tier]);
	struct errand *errand = is_known ? malloc(sizeof(*errand) + trees[0].page_bytes) : NULL;
	if (errand == NULL)
		return;
	errand->runs = runs;
	errand->user = user;
	errand->tree = trees[0];
	errand->levels[0].count = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct lmdb_tree *tree = &trees[runs[i]->tier];
		if (tree->depth > 0)
			level_add(&errand->levels[0], (struct stop){ tree->root, i, tree->depth - 1 });
	}
	errand_run(errand);
	free(errand);
}
