/*
 * Owns: the heads of pages.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/page.h"

#include <string.h>

enum { BRANCH = 1, LEAF = 2, OVERFLOW = 4, ONE_SIZE = 0x20 };

struct head {
	uint64_t number;
	uint16_t pad;
	uint16_t flags;
	uint16_t lower;
	uint16_t upper;
};

_Static_assert(sizeof(struct head) == 16, "a head as it lies in the file");

static bool is_clear(const uint8_t *at, size_t bytes)
{
	return bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0);
}

bool page_clear(void *at, size_t bytes)
{
	if (is_clear(at, bytes))
		return false;
	memset(at, 0, bytes);
	return true;
}

struct page_form page_form_of(const void *page, size_t bytes, uint64_t number)
{
	struct page_form form = { .pages = 1 };
	struct head head;
	memcpy(&head, page, sizeof(head));
	if (head.number != number)
		return form;
	if (head.flags == OVERFLOW) {
		uint32_t pages;
		memcpy(&pages, &head.lower, sizeof(head.lower) + sizeof(head.upper));
		form.pages = pages == 0 ? 1 : pages;
		return form;
	}
	bool is_one_size = head.flags == (LEAF | ONE_SIZE);
	if (head.flags != BRANCH && head.flags != LEAF && !is_one_size)
		return form;
	if (head.lower < sizeof(head) || head.upper < head.lower || head.upper > bytes)
		return form;
	uint32_t free_bytes = (uint32_t)head.upper - head.lower;
	form.gap_from = is_one_size ? (uint32_t)bytes - free_bytes : head.lower;
	form.gap_end = form.gap_from + free_bytes;
	return form;
}

/* ---- branches ------------------------------------------------------------------------------- */

struct entry {
	uint16_t number[3];
	uint16_t key_bytes;
};

struct branch {
	const uint8_t *page;
	size_t bytes;
	uint32_t count;
};

static bool branch_open(struct branch *branch, const void *page, size_t bytes, uint64_t number)
{
	struct head head;
	memcpy(&head, page, sizeof(head));
	if (head.number != number || head.flags != BRANCH || head.lower < sizeof(head) ||
	    head.lower > bytes)
		return false;
	*branch = (struct branch){ page, bytes,
				   (uint32_t)(head.lower - sizeof(head)) / (uint32_t)sizeof(uint16_t) };
	return true;
}

/* False: what stands there is none. */
static bool branch_entry(const struct branch *branch, uint32_t i, uint64_t *number, struct bytes *key)
{
	uint16_t place;
	struct entry entry;
	memcpy(&place, branch->page + sizeof(struct head) + i * sizeof(place), sizeof(place));
	if (place + sizeof(entry) > branch->bytes)
		return false;
	memcpy(&entry, branch->page + place, sizeof(entry));
	*key = (struct bytes){ branch->page + place + sizeof(entry), entry.key_bytes };
	*number = entry.number[0] | (uint64_t)entry.number[1] << 16 | (uint64_t)entry.number[2] << 32;
	return place + sizeof(entry) + entry.key_bytes <= branch->bytes;
}

static bool is_above(struct bytes a, struct bytes b)
{
	size_t common = a.length < b.length ? a.length : b.length;
	int order = memcmp(a.at, b.at, common);
	return order > 0 || (order == 0 && a.length > b.length);
}

/* How many entries have keys up to this one. */
static uint32_t branch_seek(const struct branch *branch, struct bytes wanted)
{
	uint32_t low = 1, high = branch->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		uint64_t number;
		struct bytes key;
		if (!branch_entry(branch, middle, &number, &key) || is_above(key, wanted))
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

uint32_t page_below(const void *page, size_t bytes, uint64_t number, struct bytes from, struct bytes to,
		    uint32_t further, uint64_t *below, uint32_t most)
{
	struct branch branch;
	struct bytes key;
	uint32_t count = 0;
	if (!branch_open(&branch, page, bytes, number))
		return 0;
	uint32_t end = branch_seek(&branch, to) + further;
	for (uint32_t i = branch_seek(&branch, from) - 1; i < end && i < branch.count && count < most; i++)
		count += branch_entry(&branch, i, &below[count], &key);
	return count;
}
