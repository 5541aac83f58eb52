/*
 * Owns: the file of friendships that other servers read.
 * Invariant: it says just who the town says.
 * Thread: the caller's.
 * Does not know: who reads it.
 *
 * All numbers are little-endian. "NBFRIEND", u32 version 1, u32 users; then for each user 0 .. users-1,
 * whose id is its place in the file, u32 count and so many ids as u32. Users who do not connect have
 * no friends in it, though they may be friends of others; their ids may lie beyond the last user.
 */
#ifndef NEARBY_BENCH_FRIENDS_FILE_H
#define NEARBY_BENCH_FRIENDS_FILE_H

#include "bench/town.h"

/* Writes it to `path`; "-" is the standard output. 0, or negative errno; -ERANGE: an id has more than
 * 32 bits. */
int friends_file_write(const char *path, const struct town *town, uint64_t first_user);

#endif
