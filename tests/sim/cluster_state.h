/*
 * Owns: the structures of the cluster, for its two files (cluster.c is the machine, clients.c what
 *   clients and the store do to it).
 * Invariant: a session that an engine names is one that it gave out and that has not left.
 * Thread: one.
 * Does not know: what a right message is.
 */
#ifndef NEARBY_SIM_CLUSTER_STATE_H
#define NEARBY_SIM_CLUSTER_STATE_H

#include "cluster.h"
#include "company.h"

#define CORES_MAX NEARBYSHM_CORES_MAX

struct device {
	uint32_t user;
	uint32_t core; /* ORACLE_NOBODY: never joined, or before a restart */
	struct session_id session;
};

struct link {
	struct mesh_msg *msgs; /* room of them, used as a ring */
	uint32_t head, count;
	bool is_held;
};

struct node {
	struct engine *engine;
	void *memory;
	size_t memory_bytes;
	counter_word counters[ENGINE_COUNTER_COUNT];
	uint32_t *devices; /* by slot of the session */
	bool is_deaf;	   /* its changes are held */
	uint64_t lag_us;   /* how far its clock may be behind */
	uint64_t now_us;   /* its clock: never steps back */
};

struct cluster {
	struct cluster_config config;
	struct oracle *oracle;
	struct book *book;
	struct company *company;
	struct nearby_segment *segment;
	uint32_t cores;
	uint64_t now_us;
	int64_t wall_ms;
	struct node nodes[CORES_MAX];
	struct link links[CORES_MAX][CORES_MAX];
	struct device *devices;
	uint32_t next_device;
	uint64_t counters[ENGINE_COUNTER_COUNT]; /* of engines that are gone */
	struct book_friend *friends;		 /* scratch, as are all below */
	struct friend_info *infos;
	uint32_t *users;
	struct user_id *barred;
	enum sharing_mode *exceptions;
	struct entry *entries;
	char (*names)[NAME_BYTES_MAX];
};

/* Entries on all pages of a list, at most: more is a list without end. */
static inline uint32_t cluster_entries_max(const struct cluster *cluster)
{
	return cluster->config.user_count + PAGE_LIMIT_MAX;
}

/* The moment at a core, whose clock may be behind. */
struct moment cluster_core_moment(struct cluster *cluster, uint32_t core);
/* Steps the engine of a core with the event, at that moment. */
int cluster_step(struct cluster *cluster, uint32_t core, struct event *event,
		 struct engine_out *out);
/* Tells the oracle what the table has of a user. */
void cluster_report(struct cluster *cluster, uint32_t user);
/* Hands a message, unless NULL, to whoever listens for the device. */
void cluster_receive(struct cluster *cluster, uint32_t device, bool is_answer,
		     const struct server_msg *msg);

#endif
