/*
 * Owns: the truth about strangers in a simulated run: who wants them, who is barred from whom, what
 *   each device was told; and the verdict on it.
 * Invariant: everyone is compared with everyone. Where somebody is shown is read from the segment,
 *   and cells are reckoned here anew.
 * Thread: one.
 * Does not know: views, directories, what cores tell each other.
 *
 * What may be late: that somebody comes, moves or is nearer than others. Nobody is ever told who may
 * not be seen at that moment.
 */
#ifndef NEARBY_SIM_COMPANY_H
#define NEARBY_SIM_COMPANY_H

#include "cluster.h"

struct company;

struct company *company_open(struct cluster *cluster);
void company_close(struct company **company);

/* ---- facts ---------------------------------------------------------------------------------- */

/* A new device; it wants none yet. */
void company_joined(struct company *company, uint32_t device);
void company_switched(struct company *company, uint32_t device, bool is_on);
void company_barred(struct company *company, uint32_t a, uint32_t b, bool is_barred);
bool company_is_barred(const struct company *company, uint32_t a, uint32_t b);
/* Whom a user is barred from, ascending; there is room for all. Returns how many. */
uint32_t company_list_barred(const struct company *company, uint32_t user, struct user_id *barred);
bool company_is_on(const struct company *company, uint32_t device);

/* ---- messages ------------------------------------------------------------------------------- */

/* The answer to a switch, NULL for none; and what is sent later. */
void company_judge_answer(struct company *company, struct moment moment, uint32_t device,
			  const struct server_msg *answer);
void company_judge_frame(struct company *company, struct moment moment, uint32_t device,
			 const struct server_msg *msg);
/* Nothing but expiry has happened for COMPANY_QUIET_US and a pause between two frames: each device has the
 * nearest. */
void company_judge_views(struct company *company, struct moment moment);

/* A switch that waits, and then those around. */
#define COMPANY_QUIET_US (22u * 1000000u)

#endif
