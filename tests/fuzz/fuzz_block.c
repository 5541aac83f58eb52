/*
 * Owns: the fuzz target of blocks of history.
 * Invariant: what decodes is sorted, in range, and comes back the same when it is encoded again.
 * Thread: one.
 * Does not know: files.
 */
#include "base/check.h"
#include "store/block.h"
#include "store/point.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_order(const struct store_point *points, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		check(points[i].user.value <= USER_ID_MAX);
		check(i == 0 || points[i - 1].user.value < points[i].user.value ||
		      (user_id_equal(points[i - 1].user, points[i].user) &&
		       points[i - 1].ts_ms <= points[i].ts_ms));
	}
}

static void check_round_trip(const struct store_point *points, uint32_t count)
{
	static struct store_point back[BLOCK_POINTS_MAX];
	uint8_t block[BLOCK_BUFFER_BYTES];
	for (uint32_t done = 0; done < count;) {
		size_t length;
		uint32_t back_count = 0;
		uint32_t taken = block_encode(points + done, count - done, block, &length);
		check(length <= BLOCK_BYTES_MAX);
		check(block_decode(block, length, back, &back_count) == 0 && back_count == taken);
		for (uint32_t i = 0; i < taken; i++)
			check(point_compare(&back[i], &points[done + i]) == 0);
		done += taken;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct store_point points[BLOCK_POINTS_MAX];
	uint8_t block[BLOCK_BYTES_MAX];
	uint32_t count = 0;
	/* Without a right checksum no input would reach the inside. */
	if (size < sizeof(uint32_t) || size > sizeof(block))
		return 0;
	memcpy(block, data, size);
	block_seal(block, size);
	if (block_decode(block, size, points, &count) != 0)
		return 0;
	check_order(points, count);
	check_round_trip(points, count);
	return 0;
}
