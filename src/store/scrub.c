/*
 * Owns: which bytes of which page a step clears.
 * Invariant: see the header, and below why it holds.
 * Thread: see the header.
 * Does not know: LMDB's functions.
 *
 * Why a scrub cannot hurt. While a step holds LMDB's lock of the writer, with nothing written in its
 * transaction, the pages of the file are of four kinds:
 *   - In use: the last snapshot leads to them.
 *   - Free, and LMDB itself would write to them now. It keeps a record of the pages that each transaction
 *     freed, and takes those of transactions before the last but one, and before all readers: then no
 *     reader, and neither of the two headers, leads to them any more. These are cleared whole, by the same
 *     numbers (lmdb.h). So are those behind the last page that LMDB has taken.
 *   - In transit: free, but not yet to be written to.
 *   - The two headers, which are passed over.
 * Of those in use and in transit only bytes are written that no page of its form has (page.h); the others
 * stay the same, so it does not matter when the write reaches the disk, nor whether in parts. A page
 * whose head does not name its own number is left alone, such as those that go on an overflow.
 * Readers and copies see the file through the map, which the kernel keeps equal to what is written.
 *
 * Why nothing is left. The beginning opens the environment anew, so that LMDB's memory of pages that it
 * wrote is gone (what it takes from the system it clears), and commits once. From then on all that LMDB
 * writes comes from clear memory and from what the tables hold. A step waits until all that was freed
 * before the beginning may be written to. So a page that it meets is free and is cleared; or is in use
 * and holds what is in the tables; or is in transit and either was in use after the beginning, or was
 * taken for a moment and given back unwritten: it is looked at again, until it is one of the others.
 * What a scrub has passed is written anew only with what is in the tables.
 */
#include "store/scrub.h"

#include "base/check.h"
#include "store/page.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK_PAGES = 64, HEADER_PAGES = 2, AGAIN_MAX = 1 << 20 };

int scrub_begin(struct scrub *scrub, struct lmdb *lmdb)
{
	*scrub = (struct scrub){ .page = HEADER_PAGES };
	return lmdb_renew(lmdb, &scrub->begun_txn);
}

void scrub_end(struct scrub *scrub)
{
	free(scrub->again);
	*scrub = (struct scrub){ .again = NULL };
}

/* What a step looks at. */
struct step {
	struct scrub *scrub;
	struct lmdb_look look;
	uint64_t first, end; /* pages */
	uint8_t *states;     /* of these pages */
	uint8_t *chunk;	     /* some of them, as they were read */
};

static int range_open(struct step *step, uint64_t first, uint32_t pages_max)
{
	uint64_t pages = step->look.file_pages;
	step->first = first;
	step->end = first + pages_max < pages ? first + pages_max : pages;
	step->states = malloc(step->end - first);
	step->chunk = malloc(CHUNK_PAGES * step->look.page_bytes);
	if (step->states == NULL || step->chunk == NULL)
		return -ENOMEM;
	return lmdb_look_states(&step->look, first, step->end - first, step->states);
}

static int again_add(struct scrub *scrub, uint64_t page)
{
	if (scrub->again_count == scrub->again_capacity) {
		uint32_t capacity = scrub->again_capacity * 2 + 64;
		uint64_t *again = realloc(scrub->again, capacity * sizeof(*again));
		if (again == NULL)
			return -ENOMEM;
		scrub->again = again;
		scrub->again_capacity = capacity;
	}
	scrub->again[scrub->again_count++] = page;
	return 0;
}

/* Clears one page, or what is free in it. */
static int page_scrub(struct step *step, uint64_t number, uint8_t *page, struct page_form form)
{
	size_t bytes = form.gap_end - form.gap_from;
	if (!page_clear(page + form.gap_from, bytes))
		return 0;
	step->scrub->cleared++;
	off_t at = (off_t)(number * step->look.page_bytes) + form.gap_from;
	ssize_t written = pwrite(step->look.fd, page + form.gap_from, bytes, at);
	return written < 0 ? -errno : (size_t)written < bytes ? -ENOSPC : 0;
}

/* Looks at a page that was read. Returns the number of the next. */
static uint64_t page_look(struct step *step, uint64_t number, uint8_t *page, int *error)
{
	uint8_t state = step->states[number - step->first];
	struct page_form form = { .pages = 1, .gap_end = (uint32_t)step->look.page_bytes };
	if (state != LMDB_PAGE_FREE)
		form = page_form_of(page, step->look.page_bytes, number);
	if (state == LMDB_PAGE_IN_TRANSIT)
		*error = again_add(step->scrub, number);
	if (*error == 0)
		*error = page_scrub(step, number, page, form);
	/* What is in transit may say of itself what was true once. */
	return number + (state == LMDB_PAGE_IN_USE ? form.pages : 1);
}

/* Reads pages from `from` on into the chunk, as many as are there; how many in *count. */
static int chunk_read(const struct step *step, uint64_t from, uint64_t *count)
{
	uint64_t bytes = step->look.page_bytes;
	uint64_t wanted = step->end - from < *count ? step->end - from : *count;
	ssize_t got = pread(step->look.fd, step->chunk, wanted * bytes, (off_t)(from * bytes));
	*count = got < 0 ? 0 : (uint64_t)got / bytes;
	return got < 0 ? -errno : *count == 0 ? -EIO : 0;
}

static int range_scrub(struct step *step, uint32_t pages_max)
{
	struct scrub *scrub = step->scrub;
	int error = range_open(step, scrub->page, pages_max);
	while (error == 0 && scrub->page < step->end) {
		uint64_t from = scrub->page, count = CHUNK_PAGES;
		error = chunk_read(step, from, &count);
		while (error == 0 && scrub->page < from + count) {
			uint8_t *page = step->chunk + (scrub->page - from) * step->look.page_bytes;
			scrub->page = page_look(step, scrub->page, page, &error);
		}
	}
	return error;
}

/* Looks again at the next of those that were in transit, and at its neighbours. What still is so stays. */
static int again_scrub(struct step *step, uint32_t pages_max)
{
	struct scrub *scrub = step->scrub;
	struct page_form whole = { .gap_end = (uint32_t)step->look.page_bytes };
	int error = range_open(step, scrub->again[scrub->again_at], pages_max);
	while (error == 0 && scrub->again_at < scrub->again_count && scrub->again[scrub->again_at] < step->end) {
		uint64_t number = scrub->again[scrub->again_at], count = 1;
		uint8_t state = step->states[number - step->first];
		scrub->is_held = state == LMDB_PAGE_IN_TRANSIT;
		if (scrub->is_held)
			break;
		if (state == LMDB_PAGE_FREE)
			error = chunk_read(step, number, &count);
		if (state == LMDB_PAGE_FREE && error == 0)
			error = page_scrub(step, number, step->chunk, whole);
		scrub->again_at += error == 0;
	}
	if (scrub->again_at == scrub->again_count)
		scrub->again_at = scrub->again_count = 0;
	return error;
}

/* What a look allows. *is_through: there is nothing left to look at. */
static int step_run(struct step *step, uint32_t pages_max, bool *is_through)
{
	struct scrub *scrub = step->scrub;
	bool is_over = scrub->page >= step->look.file_pages;
	scrub->is_held = step->look.oldest < scrub->begun_txn;
	if (scrub->is_held)
		return 0;
	if (scrub->again_count > 0 && (is_over || scrub->again_count >= AGAIN_MAX))
		return again_scrub(step, pages_max);
	if (!is_over)
		return range_scrub(step, pages_max);
	*is_through = true;
	return 0;
}

int scrub_step(struct scrub *scrub, struct lmdb *lmdb, uint32_t pages_max)
{
	struct step step = { .scrub = scrub };
	bool is_through = false;
	uint64_t txn_id;
	check(pages_max > 0);
	int error = lmdb_look_open(lmdb, &step.look);
	if (error == 0)
		error = step_run(&step, pages_max, &is_through);
	lmdb_look_close(&step.look);
	free(step.states);
	free(step.chunk);
	/* Where nobody commits, what is in transit would stay there. */
	if (error == 0 && scrub->is_held)
		error = lmdb_touch(lmdb, &txn_id);
	if (is_through)
		error = lmdb_sync(lmdb);
	scrub->is_done = is_through && error == 0;
	return error;
}
