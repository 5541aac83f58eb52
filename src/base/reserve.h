/*
 * Owns: large pieces of memory that are reserved whole and taken from the system as they are touched.
 * Invariant: what was never written reads as zero.
 * Thread: any, no state.
 * Does not know: what they hold.
 *
 * Huge pages are wished for. Records of many sessions are read in no order, so with small pages nearly
 * every access misses in the processor's tables of addresses too; the price is that memory is taken 2 MiB
 * at a time.
 */
#ifndef NEARBY_BASE_RESERVE_H
#define NEARBY_BASE_RESERVE_H

#include <stddef.h>

/* NULL: the system has not so much address space. */
void *reserve_take(size_t bytes);
/* With the size that it was taken with; NULL is none. */
void reserve_give(void *memory, size_t bytes);

#endif
