/*
 * Owns: the rules of who hears what, as stories on one core and on several.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: bytes, connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "engine_world.h"

static void the_first_location_is_answered_by_who_is_near(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ 0 });
	befriend(world, 1, 2);
	struct device ann = join(world, 1), bob = join(world, 2);
	stand(world, ann, 0);
	then_hears(world, ann, "nearby of 0");
	stand(world, bob, 1000);
	then_hears(world, bob, "nearby 1 of 1");
	hears(world, ann, "update 2");
	world_close(world);
}

static void a_friend_who_walks_off_is_gone_and_comes_back(void **state)
{
	(void)state;
	struct world *world = world_open((struct world_config){ .cores = 2 });
	uint32_t a = world_user_of(world, 0, 1), b = world_user_of(world, 1, 1);
	befriend(world, a, b);
	struct device ann = join(world, a), bob = join(world, b);
	stand(world, ann, 0);
	stand(world, bob, 0);
	settle(world);
	hears(world, ann, "nearby of 0; update %u", b);
	stand(world, bob, 9000);
	then_hears(world, ann, "gone %u far", b);
	stand(world, bob, 8000);
	then_hears(world, ann, "update %u", b);
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_location_is_answered_by_who_is_near),
		cmocka_unit_test(a_friend_who_walks_off_is_gone_and_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
