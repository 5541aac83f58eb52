/*
 * Owns: see company.h.
 * Invariant: `told` has a row a device, a column a user.
 * Thread: one.
 * Does not know: views, directories, what cores tell each other.
 */
#include "company.h"

#include "base/check.h"
#include "cluster_state.h"
#include "engine/grid.h"
#include "engine/mark.h"
#include "globe.h"
#include "oracle_state.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* Who takes the place of those who expired this lately may not have been told: that is found out up to 10 s after
 * the sweep, and waits for a frame's turn too. */
#define FOLLOW_US (14u * 1000000u)
#define DISTANCE_ERROR_MM 1.01L

struct told {
	bool is_known;
	uint32_t frame;
	struct nearby_place place;
};

struct company {
	struct cluster *cluster;
	struct oracle *oracle;
	uint32_t user_count;
	bool *is_on;	 /* by device */
	bool *is_barred; /* [a][b], both ways */
	struct told *told;
	uint32_t frame;
};

/* What strangers see of a user. */
struct shown {
	bool is_seen;
	struct nearby_place place;
	uint32_t row, column;
};

struct company *company_open(struct cluster *cluster)
{
	struct company *company = calloc(1, sizeof(*company));
	check(company != NULL);
	uint32_t users = cluster->config.user_count, devices = cluster->config.devices_max;
	company->cluster = cluster;
	company->oracle = cluster->oracle;
	company->user_count = users;
	company->is_on = calloc(devices, sizeof(*company->is_on));
	company->is_barred = calloc((size_t)users * users, sizeof(*company->is_barred));
	company->told = calloc((size_t)devices * users, sizeof(*company->told));
	check(company->is_on && company->is_barred && company->told);
	return company;
}

void company_close(struct company **company)
{
	free((*company)->is_on);
	free((*company)->is_barred);
	free((*company)->told);
	free(*company);
	*company = NULL;
}

static struct told *told_of(const struct company *company, uint32_t device, uint32_t user)
{
	return &company->told[(size_t)device * company->user_count + user];
}

/* ---- facts ---------------------------------------------------------------------------------- */

static void forget_all(struct company *company, uint32_t device)
{
	for (uint32_t user = 0; user < company->user_count; user++)
		*told_of(company, device, user) = (struct told){ 0 };
}

void company_joined(struct company *company, uint32_t device)
{
	company->is_on[device] = false;
	forget_all(company, device);
}

void company_switched(struct company *company, uint32_t device, bool is_on)
{
	company->is_on[device] = is_on;
	if (!is_on)
		forget_all(company, device);
}

void company_barred(struct company *company, uint32_t a, uint32_t b, bool is_barred)
{
	company->is_barred[(size_t)a * company->user_count + b] = is_barred;
	company->is_barred[(size_t)b * company->user_count + a] = is_barred;
}

bool company_is_barred(const struct company *company, uint32_t a, uint32_t b)
{
	return company->is_barred[(size_t)a * company->user_count + b];
}

uint32_t company_list_barred(const struct company *company, uint32_t user, struct user_id *barred)
{
	uint32_t count = 0;
	for (uint32_t other = 0; other < company->user_count; other++)
		if (company_is_barred(company, user, other))
			barred[count++].value = company->cluster->config.ids[other];
	return count;
}

bool company_is_on(const struct company *company, uint32_t device)
{
	return company->is_on[device] && oracle_is_alive(company->oracle, device);
}

/* ---- the truth ------------------------------------------------------------------------------ */

static uint32_t part_of(int64_t e7, int64_t whole_e7, uint32_t parts)
{
	uint32_t part = (uint32_t)(e7 * parts / whole_e7);
	return part < parts ? part : parts - 1;
}

static uint32_t row_count(const struct company *company)
{
	return 1u << 5 * company->cluster->config.cell_length / 2;
}

static uint32_t column_count(const struct company *company)
{
	return 1u << (5 * company->cluster->config.cell_length + 1) / 2;
}

static bool wants(const struct company *company, uint32_t user)
{
	for (uint32_t device = 0; device < company->cluster->config.devices_max; device++)
		if (company_is_on(company, device) && oracle_is_started(company->oracle, device) &&
		    company->oracle->devices[device].user == user)
			return true;
	return false;
}

static struct shown shown_of(const struct company *company, struct moment moment, uint32_t user)
{
	static const uint8_t secret[GRID_SECRET_BYTES];
	struct user_id id = { company->cluster->config.ids[user] };
	struct nearby_location location;
	nearby_hint hint = 0;
	if (!wants(company, user) ||
	    nearby_table_get(company->cluster->segment, id.value, &hint, &location) < 0)
		return (struct shown){ .is_seen = false };
	bool is_old = moment.now_us > location.receipt_us &&
		      moment.now_us - location.receipt_us > company->cluster->config.ttl_us;
	struct nearby_place place =
		grid_place(secret, id, location.place, mark_offset(location.mark));
	int64_t east = (place.lon_e7 + INT64_C(1800000000)) % INT64_C(3600000000);
	return (struct shown){
		.is_seen = !is_old && mark_mode(location.mark) != SHARING_OFF,
		.place = place,
		.row = part_of(place.lat_e7 + INT64_C(900000000), 1800000000, row_count(company)),
		.column = part_of(east, 3600000000, column_count(company)),
	};
}

static bool do_touch(const struct company *company, const struct shown *a, const struct shown *b)
{
	uint32_t last_row = row_count(company) - 1, columns = column_count(company);
	if (a->row == b->row && (a->row == 0 || a->row == last_row))
		return true;
	uint32_t rows = a->row > b->row ? a->row - b->row : b->row - a->row;
	uint32_t across = a->column > b->column ? a->column - b->column : b->column - a->column;
	return rows <= 1 && (across <= 1 || across == columns - 1);
}

/* Why the device may not be told of the user, or NULL. */
static const char *objection(const struct company *company, struct moment moment, uint32_t device,
			     uint32_t user)
{
	uint32_t viewer = company->oracle->devices[device].user;
	struct shown own = shown_of(company, moment, viewer);
	struct shown other = shown_of(company, moment, user);
	if (!company_is_on(company, device) || !oracle_is_started(company->oracle, device))
		return "to who does not want strangers";
	if (user == viewer)
		return "who is itself";
	if (!own.is_seen)
		return "to who is not seen";
	if (!other.is_seen)
		return "who is not seen";
	if (oracle_bond(company->oracle, device, user)->is_friend)
		return "who is a friend";
	if (company_is_barred(company, viewer, user))
		return "who is barred";
	return do_touch(company, &own, &other) ? NULL : "who is far";
}

static bool is_same(struct nearby_place a, struct nearby_place b)
{
	return a.lat_e7 == b.lat_e7 && a.lon_e7 == b.lon_e7;
}

static long double distance_mm(const struct company *company, uint32_t device,
			       struct nearby_place place)
{
	uint32_t viewer = company->oracle->devices[device].user;
	return 1000 * globe_distance_m(company->oracle->users[viewer].location.place, place);
}

/* ---- messages ------------------------------------------------------------------------------- */

/* The user of a message that names each once, or ORACLE_NOBODY. */
static uint32_t named(struct company *company, uint32_t device, struct user_id id)
{
	uint32_t user = oracle_user(company->oracle, id);
	if (user == ORACLE_NOBODY || told_of(company, device, user)->frame == company->frame) {
		oracle_object(company->oracle, "strangers of device %u: %" PRIu64 " %s", device,
			      id.value, user == ORACLE_NOBODY ? "is nobody" : "twice");
		return ORACLE_NOBODY;
	}
	told_of(company, device, user)->frame = company->frame;
	return user;
}

static void judge_entry(struct company *company, struct moment moment, uint32_t device,
			const struct entry *entry)
{
	uint32_t user = named(company, device, entry->user);
	if (user == ORACLE_NOBODY)
		return;
	const char *why = objection(company, moment, device, user);
	struct shown shown = shown_of(company, moment, user);
	if (why == NULL && !is_same(entry->place, shown.place))
		why = "at the wrong place";
	if (why == NULL && (entry->name_length > 0 || !entry->is_approximate))
		why = "with a name, or as a true place";
	if (why == NULL && fabsl(distance_mm(company, device, shown.place) -
				 (long double)entry->distance_mm) > DISTANCE_ERROR_MM)
		why = "at the wrong distance";
	if (why != NULL)
		oracle_object(company->oracle, "device %u is told of stranger %" PRIu64 " %s",
			      device, entry->user.value, why);
	told_of(company, device, user)->is_known = true;
	told_of(company, device, user)->place = entry->place;
}

static uint32_t count_known(const struct company *company, uint32_t device)
{
	uint32_t count = 0;
	for (uint32_t user = 0; user < company->user_count; user++)
		count += told_of(company, device, user)->is_known;
	return count;
}

static void judge_people(struct company *company, struct moment moment, uint32_t device,
			 const struct server_msg *msg)
{
	for (uint32_t i = 0; i < msg->update.count; i++)
		judge_entry(company, moment, device, &msg->update.entries[i]);
	if (count_known(company, device) > company->cluster->config.strangers_max)
		oracle_object(company->oracle, "device %u has too many strangers", device);
}

static void judge_gone(struct company *company, uint32_t device, const struct gone *gone)
{
	uint32_t user = named(company, device, gone->user);
	if (user == ORACLE_NOBODY)
		return;
	if (!told_of(company, device, user)->is_known || gone->why == GONE_UNFRIENDED)
		oracle_object(company->oracle, "device %u: stranger %" PRIu64 " gone, wrongly (%d)",
			      device, gone->user.value, (int)gone->why);
	told_of(company, device, user)->is_known = false;
}

void company_judge_answer(struct company *company, struct moment moment, uint32_t device,
			  const struct server_msg *answer)
{
	bool is_on = company->is_on[device];
	if ((answer != NULL) != is_on || (is_on && answer->type != SERVER_STRANGERS)) {
		oracle_object(company->oracle, "device %u: a switch was answered wrongly", device);
		return;
	}
	company->frame++;
	if (is_on)
		judge_people(company, moment, device, answer);
}

void company_judge_frame(struct company *company, struct moment moment, uint32_t device,
			 const struct server_msg *msg)
{
	if (device == ORACLE_NOBODY || !company_is_on(company, device) ||
	    company->oracle->devices[device].is_paused || msg->update.count == 0) {
		oracle_object(company->oracle, "strangers to a device that is not to hear of any");
		return;
	}
	company->frame++;
	if (msg->type == SERVER_STRANGERS)
		judge_people(company, moment, device, msg);
	else
		for (uint32_t i = 0; i < msg->gone.count; i++)
			judge_gone(company, device, &msg->gone.friends[i]);
}

/* ---- when all is quiet ---------------------------------------------------------------------- */

/* Whether the user's location expired at most `within_us`, and the pause between two frames, ago. */
static bool is_fresh(const struct company *company, struct moment moment, uint32_t user,
		     uint64_t within_us)
{
	const struct oracle_user *whom = &company->oracle->users[user];
	uint64_t ttl_us = company->cluster->config.ttl_us;
	uint64_t age_us = moment.now_us - whom->location.receipt_us;
	return whom->has_location && age_us > ttl_us &&
	       age_us - ttl_us <= within_us + company->cluster->config.interval_us;
}

static bool is_any_fresh(const struct company *company, struct moment moment)
{
	for (uint32_t user = 0; user < company->user_count; user++)
		if (is_fresh(company, moment, user, FOLLOW_US))
			return true;
	return false;
}

static void judge_view(struct company *company, struct moment moment, uint32_t device,
		       bool may_miss)
{
	uint32_t known = 0, near = 0, most = company->cluster->config.strangers_max;
	long double furthest_mm = 0, nearest_mm = INFINITY;
	for (uint32_t user = 0; user < company->user_count; user++) {
		const struct told *told = told_of(company, device, user);
		const char *why = objection(company, moment, device, user);
		uint64_t id = company->cluster->config.ids[user];
		if (is_fresh(company, moment, user, ORACLE_SWEEP_US) && why != NULL)
			continue;
		if (told->is_known && why != NULL)
			oracle_object(company->oracle,
				      "at rest: device %u still has stranger %" PRIu64 " %s",
				      device, id, why);
		known += told->is_known;
		if (why != NULL)
			continue;
		near++;
		struct shown shown = shown_of(company, moment, user);
		if (told->is_known && !is_same(told->place, shown.place))
			oracle_object(company->oracle,
				      "at rest: device %u has stranger %" PRIu64 " at an old place",
				      device, id);
		long double mm = distance_mm(company, device, shown.place);
		if (told->is_known)
			furthest_mm = fmaxl(furthest_mm, mm);
		else
			nearest_mm = fminl(nearest_mm, mm);
	}
	if (may_miss)
		return;
	if (known != (near < most ? near : most) ||
	    (known > 0 && furthest_mm > nearest_mm + 2 * DISTANCE_ERROR_MM))
		oracle_object(company->oracle,
			      "at rest: device %u has %u strangers of %u (%.0Lf, %.0Lf mm)", device,
			      known, near, furthest_mm, nearest_mm);
}

void company_judge_views(struct company *company, struct moment moment)
{
	bool may_miss = is_any_fresh(company, moment) ||
			cluster_counter(company->cluster, ENGINE_COUNTER_STRANGERS_REFUSED) > 0;
	for (uint32_t device = 0; device < company->cluster->config.devices_max; device++)
		if (company_is_on(company, device) &&
		    !is_fresh(company, moment, company->oracle->devices[device].user, ORACLE_SWEEP_US))
			judge_view(company, moment, device, may_miss);
}
