/*
 * Owns: the table of rings.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: how a ring works (base/ring).
 */
#include "net/mesh.h"

#include "base/check.h"
#include "base/ring.h"

#include <errno.h>
#include <stdlib.h>

enum { MESH_MAGIC = 0x6d657368, CONTROL_CAPACITY = 1024 };

struct mesh {
	uint32_t magic;
	uint32_t cores;
	struct ring *rings[]; /* [lane][to][from]; none from a core to itself */
};

static struct ring **ring_of(const struct mesh *mesh, enum mesh_lane lane, uint32_t from,
			     uint32_t to)
{
	check_object(mesh, MESH_MAGIC);
	check(from < mesh->cores && to < mesh->cores && from != to && lane < MESH_LANE_COUNT);
	size_t idx = ((size_t)lane * mesh->cores + to) * mesh->cores + from;
	return (struct ring **)&mesh->rings[idx];
}

static int open_pair(struct mesh *mesh, uint32_t from, uint32_t to, uint32_t capacity)
{
	int error =
		ring_open(ring_of(mesh, MESH_LANE_MOVES, from, to), capacity, MESH_RECORD_BYTES);
	if (error != 0)
		return error;
	return ring_open(ring_of(mesh, MESH_LANE_CONTROL, from, to), CONTROL_CAPACITY,
			 MESH_RECORD_BYTES);
}

int mesh_open(struct mesh **mesh, uint32_t cores, uint32_t capacity)
{
	size_t rings = (size_t)MESH_LANE_COUNT * cores * cores;
	struct mesh *fresh = calloc(1, sizeof(*fresh) + rings * sizeof(struct ring *));
	*mesh = fresh;
	if (fresh == NULL)
		return -ENOMEM;
	fresh->magic = MESH_MAGIC;
	fresh->cores = cores;
	for (uint32_t pair = 0; pair < cores * cores; pair++) {
		uint32_t from = pair / cores, to = pair % cores;
		int error = from == to ? 0 : open_pair(fresh, from, to, capacity);
		if (error != 0) {
			mesh_close(mesh);
			return error;
		}
	}
	return 0;
}

void mesh_close(struct mesh **mesh)
{
	struct mesh *it = *mesh;
	if (it == NULL)
		return;
	check_object(it, MESH_MAGIC);
	for (size_t i = 0; i < (size_t)MESH_LANE_COUNT * it->cores * it->cores; i++)
		ring_close(&it->rings[i]);
	it->magic = 0;
	free(it);
	*mesh = NULL;
}

bool mesh_post(struct mesh *mesh, enum mesh_lane lane, uint32_t from, uint32_t to,
	       const void *record)
{
	return ring_post(*ring_of(mesh, lane, from, to), record);
}

uint32_t mesh_room(const struct mesh *mesh, enum mesh_lane lane, uint32_t from, uint32_t to)
{
	return ring_room(*ring_of(mesh, lane, from, to));
}

uint32_t mesh_drain(struct mesh *mesh, enum mesh_lane lane, uint32_t from, uint32_t to,
		    void *records, uint32_t max)
{
	return ring_drain(*ring_of(mesh, lane, from, to), records, max);
}

bool mesh_is_idle(const struct mesh *mesh, uint32_t to)
{
	for (uint32_t from = 0; from < mesh->cores; from++) {
		if (from == to)
			continue;
		for (uint32_t lane = 0; lane < MESH_LANE_COUNT; lane++)
			if (!ring_is_empty(*ring_of(mesh, (enum mesh_lane)lane, from, to)))
				return false;
	}
	return true;
}
