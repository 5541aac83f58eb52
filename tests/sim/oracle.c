/*
 * Owns: the facts of a simulated run.
 * Invariant: a fact is true from the moment it is told; nothing is guessed.
 * Thread: one.
 * Does not know: which messages the facts lead to (judge.c does).
 */
#include "oracle.h"

#include "base/check.h"
#include "engine/grid.h"
#include "engine/mark.h"
#include "globe.h"
#include "oracle_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *zeroed(size_t count, size_t bytes)
{
	void *memory = calloc(count ? count : 1, bytes);
	check(memory != NULL);
	return memory;
}

struct oracle *oracle_open(const struct oracle_config *config)
{
	struct oracle *oracle = zeroed(1, sizeof(*oracle));
	oracle->config = *config;
	oracle->users = zeroed(config->user_count, sizeof(*oracle->users));
	oracle->names =
		zeroed((size_t)config->user_count * ORACLE_NAMES_MAX, sizeof(*oracle->names));
	oracle->heard =
		zeroed((size_t)config->user_count * config->cores_max, sizeof(*oracle->heard));
	oracle->consents = zeroed((size_t)config->user_count * config->user_count, 1);
	memset(oracle->consents, SHARING_PRECISE, (size_t)config->user_count * config->user_count);
	for (uint32_t user = 0; user < config->user_count; user++)
		oracle->users[user].mode = SHARING_PRECISE;
	oracle->devices = zeroed(config->devices_max, sizeof(*oracle->devices));
	oracle->bonds =
		zeroed((size_t)config->devices_max * config->user_count, sizeof(*oracle->bonds));
	return oracle;
}

void oracle_close(struct oracle **oracle)
{
	free((*oracle)->users);
	free((*oracle)->names);
	free((*oracle)->heard);
	free((*oracle)->consents);
	free((*oracle)->devices);
	free((*oracle)->bonds);
	free(*oracle);
	*oracle = NULL;
}

const char *oracle_violation(const struct oracle *oracle)
{
	return oracle->violation[0] != '\0' ? oracle->violation : NULL;
}

void oracle_object(struct oracle *oracle, const char *format, ...)
{
	if (oracle->violation[0] != '\0')
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(oracle->violation, sizeof(oracle->violation), format, arguments);
	va_end(arguments);
}

uint32_t oracle_user(const struct oracle *oracle, struct user_id id)
{
	uint32_t low = 0, high = oracle->config.user_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (oracle->config.ids[middle] < id.value)
			low = middle + 1;
		else
			high = middle;
	}
	return low < oracle->config.user_count && oracle->config.ids[low] == id.value
		       ? low
		       : ORACLE_NOBODY;
}

uint32_t oracle_named(struct oracle *oracle, uint32_t user, const char *name)
{
	uint32_t version = oracle->users[user].name_count++;
	check(version < ORACLE_NAMES_MAX);
	check(strlen(name) <= NAME_BYTES_MAX);
	strcpy(oracle->names[user * ORACLE_NAMES_MAX + version].text, name);
	return version;
}

const char *oracle_name(const struct oracle *oracle, uint32_t user, uint32_t version)
{
	check(version < oracle->users[user].name_count);
	return oracle->names[user * ORACLE_NAMES_MAX + version].text;
}

uint32_t oracle_name_version(const struct oracle *oracle, uint32_t user)
{
	check(oracle->users[user].name_count > 0);
	return oracle->users[user].name_count - 1;
}

void oracle_name_heard(struct oracle *oracle, uint32_t core, uint32_t user, uint32_t version)
{
	oracle->heard[core * oracle->config.user_count + user] = version;
}

void oracle_joined(struct oracle *oracle, uint32_t device, uint32_t user, uint32_t core,
		   const uint32_t *friends, const enum sharing_mode *exceptions,
		   uint32_t friend_count)
{
	struct bond *bonds = oracle_bond(oracle, device, 0);
	memset(bonds, 0, oracle->config.user_count * sizeof(*bonds));
	for (uint32_t i = 0; i < friend_count; i++) {
		bonds[friends[i]].is_friend = true;
		bonds[friends[i]].exception = exceptions[i];
	}
	oracle->devices[device] =
		(struct oracle_device){ .is_alive = true, .user = user, .core = core };
	/* The one of that number which sent a location is gone. */
	if (oracle->users[user].source == device)
		oracle->users[user].source = ORACLE_NOBODY;
}

void oracle_left(struct oracle *oracle, uint32_t device)
{
	oracle->devices[device].is_alive = false;
}

void oracle_paused(struct oracle *oracle, uint32_t device, bool is_paused)
{
	oracle->devices[device].is_paused = is_paused;
}

static bool is_device_of(const struct oracle *oracle, uint32_t device, uint32_t user)
{
	return oracle->devices[device].is_alive && oracle->devices[device].user == user;
}

void oracle_befriended(struct oracle *oracle, uint32_t user, uint32_t with,
		       enum sharing_mode exception)
{
	for (uint32_t device = 0; device < oracle->config.devices_max; device++) {
		struct bond *bond = oracle_bond(oracle, device, with);
		if (!is_device_of(oracle, device, user) || bond->is_friend)
			continue;
		bond->is_friend = true;
		bond->exception = exception;
	}
}

void oracle_unfriended(struct oracle *oracle, uint32_t user, uint32_t with)
{
	for (uint32_t device = 0; device < oracle->config.devices_max; device++) {
		struct bond *bond = oracle_bond(oracle, device, with);
		if (!is_device_of(oracle, device, user) || !bond->is_friend)
			continue;
		bond->is_friend = false;
		bond->is_muted = false;
		bond->was_unfriended = true;
	}
}

bool oracle_is_connected(const struct oracle *oracle, uint32_t user)
{
	for (uint32_t device = 0; device < oracle->config.devices_max; device++)
		if (is_device_of(oracle, device, user))
			return true;
	return false;
}

/* ---- sharing --------------------------------------------------------------------------------- */

void oracle_consents(struct oracle *oracle, uint32_t user, uint32_t viewer, enum sharing_mode most)
{
	oracle->consents[(size_t)user * oracle->config.user_count + viewer] = (uint8_t)most;
}

void oracle_excepted(struct oracle *oracle, uint32_t user, uint32_t viewer, enum sharing_mode mode)
{
	for (uint32_t device = 0; device < oracle->config.devices_max; device++)
		if (is_device_of(oracle, device, viewer) &&
		    oracle_bond(oracle, device, user)->is_friend)
			oracle_bond(oracle, device, user)->exception = mode;
}

void oracle_voided(struct oracle *oracle, uint32_t core, uint32_t user)
{
	for (uint32_t device = 0; device < oracle->config.devices_max; device++) {
		struct bond *bond = oracle_bond(oracle, device, user);
		if (oracle->devices[device].is_alive && oracle->devices[device].core == core &&
		    bond->is_friend && bond->exception != SHARING_DEFAULT)
			bond->exception = SHARING_OFF;
	}
}

/* What only its devices knew comes back with the one that sent it. */
static bool must_come_back(const struct oracle *oracle, struct moment moment, uint32_t user)
{
	const struct oracle_user *whose = &oracle->users[user];
	return whose->source != ORACLE_NOBODY && is_device_of(oracle, whose->source, user) &&
	       oracle_location(oracle, moment, user) != NULL;
}

void oracle_shared(struct oracle *oracle, struct moment moment, uint32_t user,
		   enum sharing_mode mode, bool is_shown)
{
	struct oracle_user *whose = &oracle->users[user];
	bool was_in_table = whose->is_in_table, is_other = whose->mode != mode;
	whose->mode = mode;
	whose->is_shown = is_shown;
	whose->was_off |= mode == SHARING_OFF;
	if (oracle_is_hidden(whose))
		whose->is_in_table = false;
	else if (!whose->is_in_table)
		whose->is_in_table = must_come_back(oracle, moment, user);
	if (is_other || whose->is_in_table != was_in_table)
		whose->location_number = ++oracle->location_count;
}

/* Wherever the true place is, the shown one is near, and stays as long as that is not well past the
 * border of its cell. */
static void check_approximate(struct oracle *oracle, uint32_t user, struct nearby_place before,
			      bool had_before)
{
	struct oracle_user *whose = &oracle->users[user];
	struct nearby_place place = whose->location.place, now = whose->approximate;
	if (globe_distance_m(place, now) > GRID_BOUND_M)
		oracle_object(oracle, "%" PRIu64 " is shown too far from where it is",
			      oracle->config.ids[user]);
	bool is_same = now.lat_e7 == before.lat_e7 && now.lon_e7 == before.lon_e7;
	/* A cell is shown to 600 m from its middle at least; around the poles they are of other shapes. */
	bool is_polar = place.lat_e7 > 850000000 || place.lat_e7 < -850000000;
	if (had_before && !is_same && !is_polar && globe_distance_m(place, before) < 600)
		oracle_object(oracle, "%" PRIu64 " is shown elsewhere though near where it was",
			      oracle->config.ids[user]);
}

void oracle_placed(struct oracle *oracle, struct moment moment, uint32_t user,
		   const struct nearby_location *location)
{
	struct oracle_user *whose = &oracle->users[user];
	uint64_t id = oracle->config.ids[user];
	/* One that has expired may have left the table since, and counts no more. */
	bool had_before = whose->has_approximate &&
			  moment.now_us <= whose->approximate_us + oracle->config.ttl_us;
	struct nearby_place before = whose->approximate;
	whose->has_approximate = false;
	if (oracle_is_hidden(whose) && location != NULL) {
		oracle_object(oracle, "%" PRIu64 " is in the table, but shows nothing", id);
		return;
	}
	if (oracle_location(oracle, moment, user) == NULL)
		return;
	if (whose->is_in_table && location == NULL && !oracle->config.may_be_full)
		oracle_object(oracle, "%" PRIu64 " is not in the table", id);
	whose->is_in_table = location != NULL;
	if (location == NULL)
		return;
	if (location->place.lat_e7 != whose->location.place.lat_e7 ||
	    location->place.lon_e7 != whose->location.place.lon_e7 ||
	    location->client_ms != whose->location.client_ms ||
	    location->receipt_us != whose->location.receipt_us)
		oracle_object(oracle, "%" PRIu64 " has another location in the table", id);
	if (mark_mode(location->mark) != whose->mode)
		oracle_object(oracle, "%" PRIu64 " is marked as %d, not %d", id,
			      (int)mark_mode(location->mark), (int)whose->mode);
	whose->approximate = grid_place(oracle->config.grid_secret, (struct user_id){ id },
					location->place, mark_offset(location->mark));
	whose->has_approximate = whose->mode != SHARING_PRECISE || whose->is_shown;
	whose->approximate_us = location->receipt_us;
	check_approximate(oracle, user, before, had_before && whose->has_approximate);
}

/* ---- more facts ------------------------------------------------------------------------------ */

void oracle_forgotten(struct oracle *oracle, uint32_t user)
{
	oracle->users[user].is_in_table = false;
	oracle->users[user].has_location = false;
	oracle->users[user].location_number = ++oracle->location_count;
}

void oracle_restarted(struct oracle *oracle)
{
	for (uint32_t device = 0; device < oracle->config.devices_max; device++)
		oracle->devices[device].is_alive = false;
	/* What only devices knew is gone with them. */
	for (uint32_t user = 0; user < oracle->config.user_count; user++)
		oracle->users[user].has_location &= oracle->users[user].is_in_table;
	memset(oracle->heard, 0,
	       (size_t)oracle->config.user_count * oracle->config.cores_max *
		       sizeof(*oracle->heard));
}

bool oracle_is_alive(const struct oracle *oracle, uint32_t device)
{
	return oracle->devices[device].is_alive;
}

bool oracle_is_started(const struct oracle *oracle, uint32_t device)
{
	return oracle->devices[device].is_started;
}

int64_t oracle_last_ts(const struct oracle *oracle, uint32_t device)
{
	return oracle->devices[device].last_ts_ms;
}

const struct nearby_location *oracle_location(const struct oracle *oracle, struct moment moment,
					      uint32_t user)
{
	const struct oracle_user *whom = &oracle->users[user];
	uint64_t receipt_us = whom->location.receipt_us;
	bool is_old =
		moment.now_us > receipt_us && moment.now_us - receipt_us > oracle->config.ttl_us;
	return whom->has_location && !is_old ? &whom->location : NULL;
}
