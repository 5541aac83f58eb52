/*
 * shm-read INSTANCE [USER ...] says what the segment holds, whether the daemon runs or not.
 *
 * Owns: nothing; it only reads.
 * Invariant: shows every user's location whole, as it was at one moment.
 * Thread: one.
 * Does not know: how the bytes lie; the library does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <nearbyshm.h>

static void put_counters(const struct nearby_segment *segment, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct nearby_counter_info *counter = nearby_segment_counter(segment, i);
		if (counter->kind == NEARBY_COUNTER)
			printf("%s %" PRIu64 "\n", counter->name, nearby_segment_read(segment, i, 0));
	}
}

static void put_location(const struct nearby_segment *segment, uint64_t user)
{
	struct nearby_location at;
	nearby_hint hint = 0;
	if (nearby_table_get(segment, user, &hint, &at) != 0)
		printf("%" PRIu64 " -\n", user);
	else
		printf("%" PRIu64 " %" PRId32 " %" PRId32 " %" PRId64 " %" PRIu64 " %u\n", user,
		       at.place.lat_e7, at.place.lon_e7, at.client_ms, at.receipt_us, at.mark);
}

int main(int argc, char **argv)
{
	struct nearby_segment *segment;
	struct nearby_segment_info info;
	const char *reason;
	if (argc < 2 || nearby_segment_open(&segment, argv[1], &reason) != 0) {
		fprintf(stderr, "shm-read: %s\n", argc < 2 ? "which instance?" : reason);
		return 1;
	}
	nearby_segment_info(segment, &info);
	printf("%s by process %" PRId32 "\n", info.is_owned ? "owned" : "left", info.pid);
	put_counters(segment, info.counter_count);
	for (int i = 2; i < argc; i++)
		put_location(segment, strtoull(argv[i], NULL, 10));
	nearby_segment_close(&segment);
	return 0;
}
