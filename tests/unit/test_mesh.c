/*
 * Owns: what the mesh promises to the cores.
 * Invariant: none of its own.
 * Thread: one for each core, so that ThreadSanitizer has something to judge.
 * Does not know: what cores post to each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "base/check.h"
#include "net/mesh.h"

enum { CORES = 3, CAPACITY = 64, RECORDS = 50000 };

struct record {
	uint32_t from, to;
	uint32_t number;
	uint32_t lane;
};
_Static_assert(sizeof(struct record) == MESH_RECORD_BYTES, "records are of the mesh's size");

struct core {
	struct mesh *mesh;
	uint32_t number;
	uint32_t posted[CORES][MESH_LANE_COUNT];
	uint32_t drained[CORES][MESH_LANE_COUNT];
};

static void post_some(struct core *core, uint32_t peer, enum mesh_lane lane)
{
	uint32_t *posted = &core->posted[peer][lane];
	struct record record = { core->number, peer, *posted, lane };
	while (*posted < RECORDS && mesh_post(core->mesh, lane, core->number, peer, &record))
		record.number = ++*posted;
}

static void drain_some(struct core *core, uint32_t peer, enum mesh_lane lane)
{
	struct record records[16];
	uint32_t count =
		mesh_drain(core->mesh, lane, peer, core->number, records, ARRAY_COUNT(records));
	for (uint32_t i = 0; i < count; i++) {
		check(records[i].from == peer && records[i].to == core->number);
		check(records[i].lane == (uint32_t)lane);
		check(records[i].number == core->drained[peer][lane]++);
	}
}

static bool is_done(const struct core *core)
{
	for (uint32_t peer = 0; peer < CORES; peer++)
		for (uint32_t lane = 0; lane < MESH_LANE_COUNT; lane++)
			if (peer != core->number && (core->posted[peer][lane] < RECORDS ||
						     core->drained[peer][lane] < RECORDS))
				return false;
	return true;
}

static void *core_run(void *argument)
{
	struct core *core = argument;
	while (!is_done(core)) {
		for (uint32_t peer = 0; peer < CORES; peer++) {
			for (uint32_t lane = 0; peer != core->number && lane < MESH_LANE_COUNT;
			     lane++) {
				post_some(core, peer, (enum mesh_lane)lane);
				drain_some(core, peer, (enum mesh_lane)lane);
			}
		}
		sched_yield();
	}
	return NULL;
}

static void every_record_reaches_its_core_whole_and_in_order(void **state)
{
	(void)state;
	struct mesh *mesh;
	static struct core cores[CORES];
	pthread_t threads[CORES];
	assert_int_equal(mesh_open(&mesh, CORES, CAPACITY), 0);
	for (uint32_t i = 0; i < CORES; i++) {
		cores[i] = (struct core){ .mesh = mesh, .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, core_run, &cores[i]), 0);
	}
	for (uint32_t i = 0; i < CORES; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t i = 0; i < CORES; i++)
		assert_true(mesh_is_idle(mesh, i));
	mesh_close(&mesh);
}

static void a_full_ring_refuses_and_the_others_do_not_notice(void **state)
{
	(void)state;
	struct mesh *mesh;
	assert_int_equal(mesh_open(&mesh, CORES, CAPACITY), 0);
	struct record record = { 0 };
	uint32_t room = mesh_room(mesh, MESH_LANE_MOVES, 0, 1);
	for (uint32_t i = 0; i < room; i++)
		assert_true(mesh_post(mesh, MESH_LANE_MOVES, 0, 1, &record));
	assert_int_equal(mesh_room(mesh, MESH_LANE_MOVES, 0, 1), 0);
	assert_false(mesh_post(mesh, MESH_LANE_MOVES, 0, 1, &record));
	assert_true(mesh_post(mesh, MESH_LANE_CONTROL, 0, 1, &record));
	assert_true(mesh_post(mesh, MESH_LANE_MOVES, 2, 1, &record));
	assert_true(mesh_post(mesh, MESH_LANE_MOVES, 1, 0, &record));
	assert_false(mesh_is_idle(mesh, 1));
	assert_true(mesh_is_idle(mesh, 2));
	mesh_close(&mesh);
	assert_null(mesh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_reaches_its_core_whole_and_in_order),
		cmocka_unit_test(a_full_ring_refuses_and_the_others_do_not_notice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
