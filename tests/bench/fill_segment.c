/*
 * Owns: a segment full of locations that a daemon can adopt, for benchmarks of its start.
 * Invariant: it is what a daemon of this version would have left with so many active users.
 * Thread: one.
 * Does not know: who adopts it.
 *
 * With --churn=1 it goes on, removing users and putting them back in no order, until it is killed:
 * then what it leaves is what kill -9 leaves of a daemon under load, half done at any point.
 */
#include "options.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/id.h"
#include "nearbyshm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t users = 10000000, churn;
static const char *instance = "";

static const struct option_row rows[] = {
	{ "instance", "whose segment is made", NULL, 0, 0, &instance },
	{ "users", "users-max, and locations in it", &users, 1, 400000000, NULL },
	{ "churn", "1: go on until killed", &churn, 0, 1, NULL },
	{ 0 },
};

static void put(struct nearby_segment *segment, uint64_t user)
{
	nearby_hint hint = 0;
	struct nearby_location location = { .place = { (int32_t)user, (int32_t)user },
					    .client_ms = 1700000000000,
					    .receipt_us = boot_us() };
	check(nearby_table_put(segment, user, &hint, &location) == 0);
}

int main(int argc, char **argv)
{
	options_read(rows, argc, argv);
	const char *reason = "";
	enum nearby_segment_birth birth;
	struct nearby_segment *segment;
	struct nearby_segment_config config = { .instance = instance, .cores = 1, .blocks = 1,
						.users_max = users };
	if (nearby_segment_create(&segment, &config, &birth, &reason) < 0) {
		fprintf(stderr, "fill_segment: %s\n", reason);
		return 1;
	}
	for (uint64_t user = 0; user < users; user++)
		put(segment, user);
	printf("%u locations\n", users);
	fflush(stdout);
	for (uint64_t i = 0; churn != 0; i++) {
		uint64_t user = hash_u64(i) % users;
		check(nearby_table_remove(segment, user) == 0);
		put(segment, user);
	}
	nearby_segment_close(&segment);
	return 0;
}
