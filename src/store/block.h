/*
 * Owns: the form of a block: some hundred points of history, compressed.
 * Invariant: decode(encode(points)) == points; bytes that are no block give an error, never more.
 * Thread: any, no state.
 * Does not know: files, tiers, when blocks are made.
 *
 * A block is small on purpose: two fit a page of LMDB, so that no block needs a row of free pages
 * and reading one user costs one page. Its bytes:
 *
 *   u32 checksum of the rest, u8 form (2), u16 number of points, then a stream of bits, the lowest of
 *   each byte first:
 *     number: first user; signed number: time of the first point; 6 bits w, 5 bits t;
 *   and one run for each user:
 *     Rice codes of (h >> w, parameter 0) and (signed: time of the first point - that of the run before,
 *     parameter t), where h is 2 x (user - user of the run before) + 1 if there are further points, and
 *     the steps are 0 where there is no run before; w bits: the rest of h; 32 bits latitude, 32 bits
 *     longitude;
 *     with further points, number: how many;
 *     if it is one, signed numbers: its steps of time, latitude and longitude;
 *     if there are more: 3 bits u, 1 bit v, signed number: usual step of time in units of it, and 3 x 5
 *     bits, the Rice parameters of time, latitude and longitude; and for each the Rice codes of: step of
 *     time - usual step, in units of 1000^v ms; step of latitude and step of longitude, in units of 10^u
 *     of 1e-7 degrees; all signed.
 *
 * Units exist as phones round: to seconds, to 1e-5 degrees. A number is 7 bits of length and that
 * many bits, less the highest, which is 1. Signed values are folded (0, -1, 1, -2 to 0, 1, 2, 3). Rice
 * codes of values with parameters k stand together: first, for each, value / 2^k zeros and a one, then,
 * for each, the k lowest bits of the value. Where there would be RICE_SHORT zeros or more in a row, or
 * more than BITS_MAX bits in all, there are RICE_ESCAPE zeros instead, and each value as a number.
 *
 * Blocks of form 1, which are only read, have another checksum and nothing before the runs, the first of
 * which is told from user 0 and time 0. A run of theirs begins with number: step of user; 1 bit: whether
 * there are further points; signed number: step of time; 32 bits latitude, 32 bits longitude; one further
 * point is told as more are. A Rice code of theirs stands alone: value / 2^k ones, a zero and k bits;
 * where that would be RICE_ESCAPE ones or more, RICE_ESCAPE ones and the value as a number.
 */
#ifndef NEARBY_STORE_BLOCK_H
#define NEARBY_STORE_BLOCK_H

#include "store/store.h"

/* With LMDB's heads and a key of 20 bytes half a page: (4096 - 16) / 2 - 2 - 8 - 20. */
#define BLOCK_BYTES_MAX 2010
#define BLOCK_POINTS_MAX 1024
/* What the encoder needs to write one: it stores whole words. */
#define BLOCK_BUFFER_BYTES (BLOCK_BYTES_MAX + 8)

/*
 * Encodes as many of the first points as fit; they are sorted (point.h) and at least one. Returns how
 * many, and the bytes in *length.
 */
uint32_t block_encode(const struct store_point *points, size_t count,
		      uint8_t bytes[BLOCK_BUFFER_BYTES], size_t *length);

/* 0, or -EBADMSG: not a block. *count points, sorted. Any bytes are safe. */
int block_decode(const void *bytes, size_t length, struct store_point points[BLOCK_POINTS_MAX],
		 uint32_t *count);

/* Writes the checksum that these at least 4 bytes should have, so that a test reaches past it. */
void block_seal(void *bytes, size_t length);

#endif
