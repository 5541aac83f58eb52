/*
 * Owns: which bytes of a page of an LMDB file mean nothing.
 * Invariant: a page that it does not know for certain is called all meant.
 * Thread: any, no state.
 * Does not know: LMDB's functions, files; what a page's contents mean.
 *
 * The form of a page of LMDB 0.9 on a 64-bit machine (mdb.c, MDB_page), in the byte order of the host:
 *   u64 number of the page; u16 pad; u16 flags: 1 branch, 2 leaf, 4 first of an overflow, 8 header,
 *   0x20 leaf of values of one size; u16 lower, u16 upper, or of an overflow u32 pages that it takes.
 * From the head up to `lower` stands for each entry a u16, where in the page it lies: u16 x 3 number of
 * the page below, the lowest first; u16 length of its key, and the key, which is the least below; the
 * first entry of a branch counts as less than all.
 * Of a branch or leaf the bytes from `lower` on up to `upper` are free; in one of values of one size,
 * which stand behind each other from the head on, as many at its end. They keep what stood there
 * before: LMDB neither clears what it removes from a page nor memory that it takes for another.
 */
#ifndef NEARBY_STORE_PAGE_H
#define NEARBY_STORE_PAGE_H

#include "store/lmdb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a page is, and where in it lies what means nothing. */
struct page_form {
	uint32_t pages;	   /* of the file that it takes: one, or more of an overflow */
	uint32_t gap_from; /* gap_from <= byte < gap_end; equal: all is meant */
	uint32_t gap_end;
};

/* Reads a page in use that has this number. `bytes`: of a page, a power of two. */
struct page_form page_form_of(const void *page, size_t bytes, uint64_t number);

/*
 * Reads a branch that has this number: the pages below where keys from <= key <= to lie, and of the `further`
 * ones after them those that it has. Returns how many, `most` at most; 0: it is no branch.
 */
uint32_t page_below(const void *page, size_t bytes, uint64_t number, struct bytes from, struct bytes to,
		    uint32_t further, uint64_t *below, uint32_t most);

/* Clears bytes; returns whether they were not clear before. */
bool page_clear(void *at, size_t bytes);

#endif
