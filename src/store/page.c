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
