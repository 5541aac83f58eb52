/*
 * Owns: the structures of the oracle, for its two files (oracle.c keeps the facts, judge.c judges).
 * Invariant: `bonds` has a row a device, a column a user.
 * Thread: one.
 * Does not know: anything that a client could not know, but the truth.
 */
#ifndef NEARBY_SIM_ORACLE_STATE_H
#define NEARBY_SIM_ORACLE_STATE_H

#include "oracle.h"

#include <stddef.h>

/* What a device's client knows of a user. */
enum bond_state {
	BOND_UNKNOWN,
	BOND_LISTED,   /* in range when the first list was made, which gave the number of them */
	BOND_DOUBTFUL, /* so close to the border then, that the list may have counted it or not */
	BOND_TOLD,     /* an entry came, and no gone after it */
};

struct bond {
	enum bond_state state;
	bool is_friend;
	bool is_muted;
	enum sharing_mode exception; /* of that user for the device's */
	bool was_unfriended; /* since the last entry, so that a gone may say so */
	uint32_t frame;	     /* the last frame that named this user */
	struct nearby_location known;
};

struct oracle_device {
	bool is_alive;
	bool is_paused;
	bool is_started;
	bool had_update;
	uint32_t user;
	uint32_t core;
	int64_t last_ts_ms;
	uint64_t last_update_us;
};

struct oracle_name {
	char text[NAME_BYTES_MAX + 1];
};

struct oracle_user {
	uint32_t name_count;
	bool has_location;
	uint64_t location_number; /* locations of all users are counted as they come */
	struct nearby_location location;
	uint32_t source; /* the device that sent it */
	enum sharing_mode mode;
	bool is_shown;
	bool was_off;	 /* at some time, so that a core may say so late */
	bool is_in_table;
	struct nearby_place approximate; /* where it is shown on the grid, when it is in the table */
	bool has_approximate;		 /* ... and somebody may be shown that */
	uint64_t approximate_us;	 /* ... as received then */
};

struct oracle {
	struct oracle_config config;
	struct oracle_user *users;
	struct oracle_name *names; /* ORACLE_NAMES_MAX a user */
	uint32_t *heard;	   /* [core][user]: the oldest version that the core may use */
	uint8_t *consents; /* [user][viewer]: the most that may be told, an enum sharing_mode */
	struct oracle_device *devices;
	struct bond *bonds;
	uint32_t frame;
	uint64_t location_count;
	char violation[512];
};

/* Nobody may see anything of the user. */
static inline bool oracle_is_hidden(const struct oracle_user *user)
{
	return user->mode == SHARING_OFF && !user->is_shown;
}

static inline struct bond *oracle_bond(struct oracle *oracle, uint32_t device, uint32_t user)
{
	return &oracle->bonds[(size_t)device * oracle->config.user_count + user];
}

#endif
