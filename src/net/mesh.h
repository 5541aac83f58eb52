/*
 * Owns: the rings between the cores.
 * Invariant: one ring an ordered pair of cores and lane, first in first out; a full ring refuses,
 *   and what then is the caller's choice.
 * Thread: mesh_post and mesh_room on core `from`, mesh_drain on core `to`.
 * Does not know: what a record means. Waking is net's (net_ring_doorbell).
 */
#ifndef NEARBY_NET_MESH_H
#define NEARBY_NET_MESH_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of every record. */
#define MESH_RECORD_BYTES 16
/* MOVES: the engine's messages. CONTROL: pointers of the daemon. */
enum mesh_lane { MESH_LANE_MOVES, MESH_LANE_CONTROL, MESH_LANE_COUNT };

struct mesh;

/* `capacity` records (a power of two) for each ring of the moves lane; the control lane has 1,024.
 * 0 or -ENOMEM. */
int mesh_open(struct mesh **mesh, uint32_t cores, uint32_t capacity);
void mesh_close(struct mesh **mesh);

/* False when the ring is full. */
bool mesh_post(struct mesh *mesh, enum mesh_lane lane, uint32_t from, uint32_t to,
	       const void *record);
uint32_t mesh_room(const struct mesh *mesh, enum mesh_lane lane, uint32_t from, uint32_t to);
uint32_t mesh_drain(struct mesh *mesh, enum mesh_lane lane, uint32_t from, uint32_t to,
		    void *records, uint32_t max);
/* Whether nothing waits for core `to` on any lane: asked before it goes to sleep. */
bool mesh_is_idle(const struct mesh *mesh, uint32_t to);

#endif
