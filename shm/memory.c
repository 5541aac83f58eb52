/*
 * Owns: the memory of a segment: getting all of it at once, mapping it, huge pages.
 * Invariant: what was made has its memory, so no write to it can fail for want of it.
 * Thread: the caller's; making huge pages goes on beside readers and writers of the table.
 * Does not know: what stands in the memory.
 *
 * The table is read in no order. With pages of 4 KiB nearly every read misses the processor's cache
 * of page addresses; with 2 MiB half as many users are read again in the same time. Linux gives
 * shared memory huge pages by itself only where /dev/shm is mounted with huge=, but puts small ones
 * together when asked to (MADV_COLLAPSE, Linux 6.1), unless shmem_enabled is "deny". That fills
 * them with zeros, which takes longer than a start may, so it is done step by step afterwards.
 */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define HUGE_PAGE_BYTES (UINT64_C(2) << 20)
/* Memory that is in pieces makes the kernel search long, so after this many failures it is let be. */
#define HUGE_FAILURES_MAX 16

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Address space at which a huge page can be mapped whole. NULL with errno. */
static uint8_t *space_take(uint64_t bytes)
{
	uint64_t wide = bytes + HUGE_PAGE_BYTES;
	uint8_t *space = mmap(NULL, wide, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			      -1, 0);
	if (space == MAP_FAILED)
		return NULL;
	uint64_t before = -(uintptr_t)space % HUGE_PAGE_BYTES;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t kept = (bytes + page - 1) / page * page;
	if (before > 0)
		munmap(space, before);
	munmap(space + before + kept, wide - before - kept);
	return space + before;
}

int memory_map(int fd, uint64_t bytes, bool is_writable, void **memory)
{
	int protection = is_writable ? PROT_READ | PROT_WRITE : PROT_READ;
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	uint8_t *space = space_take(bytes);
	if (space == NULL)
		return -errno;
	*memory = mmap(space, bytes, protection, flags | MAP_FIXED, fd, 0);
	if (*memory == MAP_FAILED) {
		int error = errno;
		munmap(space, bytes);
		return -error;
	}
	/* A wish, which private memory and a suitable /dev/shm fulfil at once. */
	madvise(*memory, bytes, MADV_HUGEPAGE);
	return 0;
}

bool nearby_segment_make_huge(struct nearby_segment *segment)
{
	uint64_t at = segment->huge_bytes;
	if (segment->fd < 0 || at + HUGE_PAGE_BYTES > segment->bytes ||
	    segment->huge_failures == HUGE_FAILURES_MAX)
		return false;
	segment->huge_bytes += HUGE_PAGE_BYTES;
	if (madvise((uint8_t *)segment->header + at, HUGE_PAGE_BYTES, MADV_COLLAPSE) != 0)
		segment->huge_failures = errno == EINVAL ? HUGE_FAILURES_MAX
							 : segment->huge_failures + 1;
	return true;
}

/*
 * A daemon that cannot have its memory must learn that now and not by SIGBUS in the third hour. (A
 * hash table uses nearly every page once a tenth of it is filled, so leaving pages out would save
 * nothing.) The kernel only takes the pages, and fills them with zeros when they are touched.
 */
int memory_reserve(int fd, uint64_t bytes, const char **reason)
{
	struct statvfs room;
	if (fstatvfs(fd, &room) == 0 && room.f_blocks != 0 &&
	    (uint64_t)room.f_bavail * room.f_frsize < bytes)
		return refuse(reason, -ENOSPC,
			      "the segment needs %" PRIu64 " bytes of shared memory, %" PRIu64
			      " are free: lower users-max or mount /dev/shm with a larger size",
			      bytes, (uint64_t)room.f_bavail * room.f_frsize);
	int error;
	do {
		error = posix_fallocate(fd, 0, (off_t)bytes);
	} while (error == EINTR);
	if (error != 0)
		return refuse(reason, -error, "%" PRIu64 " bytes of shared memory: %s", bytes,
			      strerror(error));
	return 0;
}
