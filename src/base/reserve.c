/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "base/reserve.h"

#include <sys/mman.h>

void *reserve_take(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	/* A wish, which a system may refuse. */
	madvise(memory, bytes, MADV_HUGEPAGE);
	return memory;
}

void reserve_give(void *memory, size_t bytes)
{
	if (memory != NULL)
		munmap(memory, bytes);
}
