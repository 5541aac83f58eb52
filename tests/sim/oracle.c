/*
 * Owns: the facts of a simulated run.
 * Invariant: a fact is true from the moment it is told; nothing is guessed.
 * Thread: one.
 * Does not know: which messages the facts lead to (judge.c does).
 */
#include "oracle.h"

#include "base/check.h"
#include "oracle_state.h"

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
		   const uint32_t *friends, uint32_t friend_count)
{
	struct bond *bonds = oracle_bond(oracle, device, 0);
	memset(bonds, 0, oracle->config.user_count * sizeof(*bonds));
	for (uint32_t i = 0; i < friend_count; i++)
		bonds[friends[i]].is_friend = true;
	oracle->devices[device] =
		(struct oracle_device){ .is_alive = true, .user = user, .core = core };
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

void oracle_befriended(struct oracle *oracle, uint32_t user, uint32_t with)
{
	for (uint32_t device = 0; device < oracle->config.devices_max; device++)
		if (is_device_of(oracle, device, user))
			oracle_bond(oracle, device, with)->is_friend = true;
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

void oracle_forgotten(struct oracle *oracle, uint32_t user)
{
	oracle->users[user].has_location = false;
	oracle->users[user].location_number = ++oracle->location_count;
}

void oracle_restarted(struct oracle *oracle)
{
	for (uint32_t device = 0; device < oracle->config.devices_max; device++)
		oracle->devices[device].is_alive = false;
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
