/*
 * Owns: the truth of a simulated run, each client's view, and the verdict on every message.
 * Invariant: it sees facts (who is friends, where everyone is, which devices live) and messages as
 *   clients receive them, nothing else; it compares everyone with everyone.
 * Thread: one.
 * Does not know: the engine, cores beyond their number, channels, the mesh, the table.
 *
 * Users and devices are numbers here, 0 .. count-1. The first message that is wrong is kept as
 * text: oracle_violation.
 *
 * What may be late, and how late: a friendship, its end and a name hold for a device when its home
 * core has processed the change, to the message; places, ages and distances hold at the moment the
 * message is made, whatever the cores have told each other until then. So does what a user shows,
 * from the moment on that its home core, and for an exception the viewer's, has processed it; and
 * whatever they did, nobody is told more than was consented to. Only that something is *missing* from a view is judged when all is quiet.
 */
#ifndef NEARBY_SIM_ORACLE_H
#define NEARBY_SIM_ORACLE_H

#include "nearbyshm.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

/* Names one user can have during a run. */
#define ORACLE_NAMES_MAX 16

struct oracle_config {
	uint32_t user_count;
	const uint64_t *ids; /* of the users, ascending; lent for the oracle's life */
	uint32_t devices_max;
	uint32_t cores_max;
	double radius_m;
	uint64_t ttl_us;
	/* The table was made too small on purpose: error `full` is a right answer. */
	bool may_be_full;
	uint8_t grid_secret[16];
};

struct oracle;

/*
 * A moment at one core, by two clocks. A core looks at the clock once in a while, so that others may
 * be ahead of it; none is beyond `latest_us`. What expires between the two may count or not.
 */
struct moment {
	uint64_t now_us;
	int64_t wall_ms;
	uint64_t latest_us;
};

/* No such user, or device. */
#define ORACLE_NOBODY UINT32_MAX

struct oracle *oracle_open(const struct oracle_config *config);
void oracle_close(struct oracle **oracle);

/* What was wrong first, or NULL. */
const char *oracle_violation(const struct oracle *oracle);
/* Reports something wrong that is found elsewhere. */
void oracle_object(struct oracle *oracle, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The user of an id, or ORACLE_NOBODY. */
uint32_t oracle_user(const struct oracle *oracle, struct user_id id);

/* ---- facts ---------------------------------------------------------------------------------- */

/* A user takes a name; returns its version. The first one is version 0 and must be given. */
uint32_t oracle_named(struct oracle *oracle, uint32_t user, const char *name);
const char *oracle_name(const struct oracle *oracle, uint32_t user, uint32_t version);
uint32_t oracle_name_version(const struct oracle *oracle, uint32_t user);
/* A core has processed the change to that version; from now on it must not use an older one. */
void oracle_name_heard(struct oracle *oracle, uint32_t core, uint32_t user, uint32_t version);

/* From now on the viewer may be told that much of the user: what it chose and was answered, or more
 * as long as a choice is under way. */
void oracle_consents(struct oracle *oracle, uint32_t user, uint32_t viewer, enum sharing_mode most);
/* The home core of the user has processed what it shows everybody, and whether some exception shows
 * it something. */
void oracle_shared(struct oracle *oracle, struct moment moment, uint32_t user,
		   enum sharing_mode mode, bool is_shown);
/* A core has heard that nobody is shown anything of the user: no exception says otherwise there. */
void oracle_voided(struct oracle *oracle, uint32_t core, uint32_t user);
/* The home core of the viewer has processed what the user shows it; for all of its devices. */
void oracle_excepted(struct oracle *oracle, uint32_t user, uint32_t viewer,
		     enum sharing_mode mode);
/* What the table has of the user after its home core did something about it; NULL: nothing. */
void oracle_placed(struct oracle *oracle, struct moment moment, uint32_t user,
		   const struct nearby_location *location);
/* The user has a device. */
bool oracle_is_connected(const struct oracle *oracle, uint32_t user);

/* `exceptions` of the friends for the user, beside `friends`. */
void oracle_joined(struct oracle *oracle, uint32_t device, uint32_t user, uint32_t core,
		   const uint32_t *friends, const enum sharing_mode *exceptions,
		   uint32_t friend_count);
void oracle_left(struct oracle *oracle, uint32_t device);
void oracle_paused(struct oracle *oracle, uint32_t device, bool is_paused);
/* The home core of `user` has processed it, for all of the user's devices. */
void oracle_befriended(struct oracle *oracle, uint32_t user, uint32_t with,
		       enum sharing_mode exception);
void oracle_unfriended(struct oracle *oracle, uint32_t user, uint32_t with);
/* The home core of `user` has dropped its location. */
void oracle_forgotten(struct oracle *oracle, uint32_t user);
/* All devices are dead; locations stay. */
void oracle_restarted(struct oracle *oracle);

/* ---- what is asked about the truth ----------------------------------------------------------- */

bool oracle_is_alive(const struct oracle *oracle, uint32_t device);
/* A user's unexpired location, or NULL. */
const struct nearby_location *oracle_location(const struct oracle *oracle, struct moment moment,
					      uint32_t user);
/* Has had its first location. */
bool oracle_is_started(const struct oracle *oracle, uint32_t device);
/* The ts of its last location. */
int64_t oracle_last_ts(const struct oracle *oracle, uint32_t device);

/* ---- messages -------------------------------------------------------------------------------- */

/* A device sent a location. `record` is what goes to history, or NULL; `answer` too may be NULL. */
void oracle_judge_location(struct oracle *oracle, struct moment moment, uint32_t device,
			   struct nearby_place place, int64_t ts_ms,
			   const struct nearby_location *record, const struct server_msg *answer);
void oracle_judge_nearby(struct oracle *oracle, struct moment moment, uint32_t device,
			 uint32_t limit, const struct page_cursor *cursor,
			 const struct server_msg *answer);
void oracle_judge_subscribe(struct oracle *oracle, struct moment moment, uint32_t device,
			    struct user_id with, const struct server_msg *answer);
void oracle_judge_unsubscribe(struct oracle *oracle, struct moment moment, uint32_t device,
			      struct user_id with, const struct server_msg *answer);
/* A frame that was pulled for a device at `moment`. Updates keep `interval_us` from each other. */
void oracle_judge_frame(struct oracle *oracle, struct moment moment, uint32_t device,
			uint64_t interval_us, const struct server_msg *msg);
/* All pages of a device's list one after the other, taken while nothing happened. */
void oracle_judge_pages(struct oracle *oracle, struct moment moment, uint32_t device,
			const struct entry *entries, uint32_t count, uint32_t total);
/* The same without a device, made by `core` for a user with these friends; `is_there`: there was a
 * list at all. */
void oracle_judge_list(struct oracle *oracle, struct moment moment, uint32_t core, uint32_t user,
		       const uint32_t *friends, const enum sharing_mode *exceptions,
		       uint32_t friend_count, bool is_there,
		       const struct entry *entries, uint32_t count, uint32_t total);

/*
 * Nothing waits at this moment, though time may bring more: whoever moved or expired later than the
 * viewer last moved is in each view that he should be in, and in no other. What the viewer's own
 * movement means may come up to REEVALUATE_AFTER_US later and is not judged here. Devices that are
 * paused are left out, and expiry that may not have been seen yet, as below.
 */
void oracle_judge_prompt(struct oracle *oracle, struct moment moment, uint64_t settled_us);

/* While ticks come, a location that expired longer ago has been swept; a frame's turn to tell of it comes a pause
 * later. */
#define ORACLE_SWEEP_US (3u * 1000000u)

/*
 * All is quiet: no message is under way, no frame due, and `settled_us` have passed in which
 * expired locations could be swept: each device's view is the truth.
 */
void oracle_judge_views(struct oracle *oracle, struct moment moment, uint64_t settled_us);

#endif
