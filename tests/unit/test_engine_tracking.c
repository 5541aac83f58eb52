/*
 * Owns: the proof that a friend who is shown approximate places learns the cell and nothing within.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: how the attackers would compute anything from what they hear.
 *
 * The strongest form: many attackers, all friends of the victim, who stand and walk wherever they
 * like, in steps of metres over the edge of what they can see, ask for pages, subscribe and list, and
 * note every byte of every message. All of this is the same for two victims who live in different
 * places of one cell. So no method whatever tells the two apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/id.h"
#include "engine/geo.h"
#include "engine/grid.h"
#include "engine_world.h"

enum {
	VICTIM = 1,
	ATTACKER = 2, /* and those after it */
	ATTACKERS = 40,
	ROUNDS = 120,
	ROW_E7 = 90000,
};

static const uint8_t secret[GRID_SECRET_BYTES]; /* the world's: zeros */

/* All that was heard, by each attacker in its order. */
struct transcript {
	uint64_t hashes[ATTACKERS];
	uint64_t messages, entries, gones;
};

static void note(struct transcript *transcript, uint64_t by, uint64_t value)
{
	uint64_t *hash = &transcript->hashes[by - ATTACKER];
	*hash = hash_u64(*hash ^ value);
}

static void note_entries(struct transcript *transcript, uint64_t by, const struct entry *entries,
			 uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		note(transcript, by, entries[i].user.value);
		note(transcript, by, (uint32_t)entries[i].place.lat_e7);
		note(transcript, by, (uint32_t)entries[i].place.lon_e7);
		note(transcript, by, (uint64_t)entries[i].client_ms);
		note(transcript, by, entries[i].distance_mm);
		note(transcript, by, entries[i].is_approximate);
		transcript->entries++;
	}
}

static void heard(void *listener, struct device device, const struct server_msg *msg)
{
	struct transcript *transcript = listener;
	if (device.user == VICTIM)
		return;
	transcript->messages++;
	note(transcript, device.user, msg->type);
	if (msg->type == SERVER_UPDATE)
		note_entries(transcript, device.user, msg->update.entries, msg->update.count);
	if (msg->type == SERVER_NEARBY) {
		note(transcript, device.user, msg->nearby.total);
		note_entries(transcript, device.user, msg->nearby.entries, msg->nearby.count);
	}
	for (uint32_t i = 0; msg->type == SERVER_GONE && i < msg->gone.count; i++) {
		note(transcript, device.user, msg->gone.friends[i].user.value);
		note(transcript, device.user, msg->gone.friends[i].why);
		transcript->gones++;
	}
}

/* ---- the victim ----------------------------------------------------------------------------- */

/* A life within one cell, whose middle is `middle`: where in it, in parts of a cell, at each round. */
typedef void (*life)(uint32_t round, double *north, double *east);

static void at_the_middle(uint32_t round, double *north, double *to_east)
{
	(void)round;
	*north = *to_east = 0;
}

static void in_a_corner(uint32_t round, double *north, double *to_east)
{
	(void)round;
	*north = 0.49;
	*to_east = -0.49;
}

static void walking_about(uint32_t round, double *north, double *to_east)
{
	*north = (double)(hash_u64(round) >> 32) * 0x1p-32 - 0.5;
	*to_east = (double)(hash_u64(round + 1000) >> 32) * 0x1p-32 - 0.5;
}

/* To and fro over the border, at the outside almost an eighth of a cell past it. */
static void along_a_border(uint32_t round, double *north, double *to_east)
{
	*north = round == 0 ? 0.45 : 0.5 + (round % 2 == 0 ? 0.11 : -0.11);
	*to_east = (round % 40) * 0.02 - 0.4;
}

static struct nearby_place beside(struct nearby_place from, double north_e7, double east_e7)
{
	double wide = east_e7 / cos(from.lat_e7 * (3.14159265358979323846 / 180e7));
	return (struct nearby_place){ from.lat_e7 + (int32_t)lrint(north_e7),
				      from.lon_e7 + (int32_t)lrint(wide) };
}

/* ---- the attack ----------------------------------------------------------------------------- */

/* Each attacker goes out and in on a ray of its own, over the edge of what it can see, in steps of
 * 11 m; every fifth walks across the whole neighbourhood instead. */
static struct nearby_place attacker_at(struct nearby_place middle, uint32_t attacker, uint32_t round)
{
	double angle = attacker * (2 * 3.14159265358979323846 / ATTACKERS);
	double edge_e7 = WORLD_RADIUS_M / GEO_EARTH_RADIUS_M * (180e7 / 3.14159265358979323846);
	double along = attacker % 5 == 0 ? (double)round * 1300 - 60 * 1300
					 : edge_e7 + (double)round * 100 - 60 * 100;
	return beside(middle, along * cos(angle), along * sin(angle));
}

static void list_without_a_session(struct world *world, uint64_t user, enum sharing_mode exception,
				   struct transcript *transcript)
{
	struct server_msg msg;
	struct friend_info victim = { .user = { VICTIM }, .name = "", .exception = exception };
	int status = engine_list(world_engine(world, 0), world_now_us(world),
				 (struct user_id){ user }, &victim, 1, NULL, 10, &msg);
	note(transcript, user, (uint64_t)status);
	if (status == 0)
		note_entries(transcript, user, msg.nearby.entries, msg.nearby.count);
}

static void attack(struct world *world, const struct device *devices, uint32_t round,
		   struct nearby_place middle, enum sharing_mode exception,
		   struct transcript *transcript)
{
	int64_t ts_ms = (int64_t)round;
	for (uint32_t i = 0; i < ATTACKERS; i++)
		stand_at(world, devices[i], attacker_at(middle, i, round), ts_ms);
	uint32_t i = round % ATTACKERS;
	ask_nearby(world, devices[i], 10);
	subscribe(world, devices[(i + 1) % ATTACKERS], VICTIM);
	list_without_a_session(world, ATTACKER + (i + 2) % ATTACKERS, exception, transcript);
}

static struct transcript watch(struct nearby_place middle, life live, enum sharing_mode mode,
			       enum sharing_mode exception)
{
	struct transcript transcript = { 0 };
	struct world *world = world_open((struct world_config){ 0 });
	struct device devices[ATTACKERS];
	world_listen(world, heard, &transcript);
	share(world, VICTIM, mode);
	for (uint32_t i = 0; i < ATTACKERS; i++) {
		befriend(world, VICTIM, ATTACKER + i);
		if (exception != SHARING_DEFAULT)
			share_with(world, VICTIM, ATTACKER + i, exception);
		devices[i] = join(world, ATTACKER + i);
	}
	struct device victim = join(world, VICTIM);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		double north, to_east;
		live(round, &north, &to_east);
		attack(world, devices, round, middle, exception, &transcript);
		wait_us(world, 11 * SECOND_US);
		stand_at(world, victim, beside(middle, north * ROW_E7, to_east * ROW_E7), round);
		wait_us(world, SECOND_US);
	}
	world_close(world);
	return transcript;
}

static struct nearby_place home_middle(void)
{
	struct nearby_place home = { 481000000, 115000000 };
	return grid_place(secret, (struct user_id){ VICTIM }, home, GRID_OFFSET_OWN);
}

static bool is_same(const struct transcript *a, const struct transcript *b)
{
	return memcmp(a->hashes, b->hashes, sizeof(a->hashes)) == 0 && a->messages == b->messages && a->entries == b->entries &&
	       a->gones == b->gones;
}

static void whoever_lives_in_a_cell_is_told_of_in_the_same_words(void **state)
{
	(void)state;
	static const life lives[] = { in_a_corner, walking_about, along_a_border };
	struct nearby_place middle = home_middle();
	struct transcript wanted =
		watch(middle, at_the_middle, SHARING_APPROXIMATE, SHARING_DEFAULT);
	print_message("%llu messages, %llu entries, %llu gone\n",
		      (unsigned long long)wanted.messages, (unsigned long long)wanted.entries,
		      (unsigned long long)wanted.gones);
	/* They were near the edge all the time, and went over it. */
	assert_true(wanted.entries > 1000);
	assert_true(wanted.gones > ATTACKERS / 2);
	for (size_t i = 0; i < ARRAY_COUNT(lives); i++) {
		struct transcript told =
			watch(middle, lives[i], SHARING_APPROXIMATE, SHARING_DEFAULT);
		assert_true(is_same(&told, &wanted));
	}
}

static void an_exception_hides_as_much_as_the_default(void **state)
{
	(void)state;
	struct nearby_place middle = home_middle();
	struct transcript wanted =
		watch(middle, at_the_middle, SHARING_PRECISE, SHARING_APPROXIMATE);
	struct transcript told = watch(middle, along_a_border, SHARING_PRECISE, SHARING_APPROXIMATE);
	assert_true(wanted.entries > 1000);
	assert_true(is_same(&told, &wanted));
	told = watch(middle, along_a_border, SHARING_OFF, SHARING_APPROXIMATE);
	assert_true(is_same(&told, &wanted));
}

/* What is hidden would be seen at once. */
static void the_precise_are_told_apart(void **state)
{
	(void)state;
	struct nearby_place middle = home_middle();
	struct transcript one = watch(middle, at_the_middle, SHARING_PRECISE, SHARING_DEFAULT);
	struct transcript other = watch(middle, in_a_corner, SHARING_PRECISE, SHARING_DEFAULT);
	assert_false(is_same(&one, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_lives_in_a_cell_is_told_of_in_the_same_words),
		cmocka_unit_test(an_exception_hides_as_much_as_the_default),
		cmocka_unit_test(the_precise_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
