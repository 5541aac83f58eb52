/*
 * Owns: the verdict on every message, and on what is missing when all is quiet.
 * Invariant: a place is right when it is the latest one; an entry is right when it is of a friend
 *   in range with unexpired locations on both sides, at the moment the message was made.
 * Thread: one.
 * Does not know: how the message came about.
 */
#include "globe.h"
#include "oracle.h"
#include "oracle_state.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Nearer to the radius than this, both verdicts pass: doubles of another formula may differ. */
#define BORDER_M 0.01L
/* A distance is given in whole millimetres, rounded either way. */
#define DISTANCE_ERROR_MM 1.01L

/* LAPSING: expired by the clocks of some cores and not by those of others. */
enum range { RANGE_IN, RANGE_BORDER, RANGE_OUT, RANGE_IDLE, RANGE_LAPSING, RANGE_OFF };

/* One list to be judged: whose, by whom, and which friends count. */
struct list {
	struct oracle *oracle;
	struct moment moment;
	uint32_t user;
	uint32_t core;
	uint32_t device; /* or ORACLE_NOBODY, then */
	const bool *is_friend;
	const enum sharing_mode *exceptions; /* by user */
};

static uint64_t id_of(const struct oracle *oracle, uint32_t user)
{
	return oracle->config.ids[user];
}

static uint64_t id_of_device(const struct oracle *oracle, uint32_t device)
{
	return id_of(oracle, oracle->devices[device].user);
}

static enum sharing_mode mode_of(const struct oracle *oracle, uint32_t user,
				 enum sharing_mode exception)
{
	return exception != SHARING_DEFAULT ? exception : oracle->users[user].mode;
}

/* What a viewer may be told of where a user is. */
static struct nearby_location shown(const struct oracle *oracle, uint32_t user,
				    enum sharing_mode mode)
{
	struct nearby_location location = oracle->users[user].location;
	if (mode == SHARING_APPROXIMATE)
		location.place = oracle->users[user].approximate;
	return location;
}

static long double distance_mm(const struct oracle *oracle, uint32_t viewer, uint32_t user,
			       enum sharing_mode mode)
{
	return 1000 * globe_distance_m(oracle->users[viewer].location.place,
				       shown(oracle, user, mode).place);
}

static bool is_lapsing(const struct oracle *oracle, struct moment moment, uint32_t user)
{
	struct moment latest = { .now_us = moment.latest_us };
	return oracle_location(oracle, moment, user) != NULL &&
	       oracle_location(oracle, latest, user) == NULL;
}

/* Of a user, seen at its home core, and another, whether they are friends or not. */
static enum range range_of(const struct oracle *oracle, struct moment moment, uint32_t viewer,
			   uint32_t other, enum sharing_mode exception)
{
	enum sharing_mode mode = mode_of(oracle, other, exception);
	if (oracle_location(oracle, moment, viewer) == NULL)
		return RANGE_IDLE;
	if (mode == SHARING_OFF)
		return RANGE_OFF;
	if (!oracle->users[other].is_in_table || oracle_location(oracle, moment, other) == NULL)
		return RANGE_IDLE;
	if (is_lapsing(oracle, moment, other))
		return RANGE_LAPSING;
	long double beyond_m =
		distance_mm(oracle, viewer, other, mode) / 1000 -
		(long double)oracle->config.radius_m;
	if (fabsl(beyond_m) <= BORDER_M)
		return RANGE_BORDER;
	return beyond_m > 0 ? RANGE_OUT : RANGE_IN;
}

/* ---- one entry ------------------------------------------------------------------------------- */

static bool is_name_right(const struct oracle *oracle, uint32_t core, uint32_t user,
			  const struct entry *entry)
{
	uint32_t oldest = oracle->heard[core * oracle->config.user_count + user];
	for (uint32_t version = oldest; version < oracle->users[user].name_count; version++) {
		const char *name = oracle_name(oracle, user, version);
		if (strlen(name) == entry->name_length &&
		    memcmp(name, entry->name, entry->name_length) == 0)
			return true;
	}
	return false;
}

static bool is_location_same(const struct nearby_location *a, const struct nearby_location *b)
{
	return a->place.lat_e7 == b->place.lat_e7 && a->place.lon_e7 == b->place.lon_e7 &&
	       a->client_ms == b->client_ms && a->receipt_us == b->receipt_us;
}

/* Place, time, name and distance: all but whether it may be told at all. */
static void judge_content(struct oracle *oracle, uint32_t core, uint32_t viewer, uint32_t user,
			  enum sharing_mode mode, const struct entry *entry)
{
	struct nearby_location right = shown(oracle, user, mode);
	struct nearby_location told = { entry->place, entry->client_ms, entry->receipt_us, 0 };
	uint64_t to = id_of(oracle, viewer), about = id_of(oracle, user);
	if (!is_location_same(&told, &right))
		oracle_object(oracle, "to %" PRIu64 ": not the location of %" PRIu64, to, about);
	if (entry->is_approximate != (mode == SHARING_APPROXIMATE))
		oracle_object(oracle, "to %" PRIu64 ": %" PRIu64 " is said to be %s", to, about,
			      entry->is_approximate ? "approximate" : "precise");
	long double right_mm = distance_mm(oracle, viewer, user, mode);
	if (fabsl((long double)entry->distance_mm - right_mm) > DISTANCE_ERROR_MM)
		oracle_object(oracle,
			      "to %" PRIu64 ": %" PRIu64 " at %" PRIu64 " mm, but it is %.3Lf mm",
			      to, about, entry->distance_mm, right_mm);
	if (!is_name_right(oracle, core, user, entry))
		oracle_object(oracle, "to %" PRIu64 ": %" PRIu64 " with the wrong name '%.*s'", to,
			      about, (int)entry->name_length, entry->name);
}

/* Whatever the cores know: what was consented to. */
static void judge_consent(struct oracle *oracle, uint32_t viewer, uint32_t user,
			  const struct entry *entry)
{
	enum sharing_mode most =
		(enum sharing_mode)
			oracle->consents[(size_t)user * oracle->config.user_count + viewer];
	if (most == SHARING_PRECISE || (most == SHARING_APPROXIMATE && entry->is_approximate))
		return;
	oracle_object(oracle, "to %" PRIu64 ": %" PRIu64 " without consent", id_of(oracle, viewer),
		      id_of(oracle, user));
}

/* The user whom an entry tells of, or ORACLE_NOBODY when it may not be told. */
static uint32_t judge_entry(struct oracle *oracle, struct moment moment, uint32_t core,
			    uint32_t viewer, uint32_t user, enum sharing_mode exception,
			    const struct entry *entry)
{
	uint64_t to = id_of(oracle, viewer);
	enum sharing_mode mode = user == ORACLE_NOBODY ? exception
						       : mode_of(oracle, user, exception);
	if (user == ORACLE_NOBODY) {
		oracle_object(oracle, "to %" PRIu64 ": an entry of nobody: %" PRIu64, to,
			      entry->user.value);
		return user;
	}
	judge_consent(oracle, viewer, user, entry);
	switch (range_of(oracle, moment, viewer, user, exception)) {
	case RANGE_OFF:
		oracle_object(oracle, "to %" PRIu64 ": %" PRIu64 ", who shows nothing", to,
			      entry->user.value);
		return ORACLE_NOBODY;
	case RANGE_IDLE:
		oracle_object(oracle, "to %" PRIu64 ": %" PRIu64 ", but a location has expired", to,
			      entry->user.value);
		return ORACLE_NOBODY;
	case RANGE_OUT:
		oracle_object(oracle, "to %" PRIu64 ": %" PRIu64 " is out of range, at %.3Lf m", to,
			      entry->user.value, distance_mm(oracle, viewer, user, mode) / 1000);
		return ORACLE_NOBODY;
	case RANGE_IN:
	case RANGE_BORDER:
	case RANGE_LAPSING:
		judge_content(oracle, core, viewer, user, mode, entry);
	}
	return user;
}

/* The same to a device, which then knows of it. */
static void judge_entry_to(struct oracle *oracle, struct moment moment, uint32_t device,
			   const struct entry *entry)
{
	const struct oracle_device *to = &oracle->devices[device];
	uint32_t user = oracle_user(oracle, entry->user);
	struct bond *bond = user == ORACLE_NOBODY ? NULL : oracle_bond(oracle, device, user);
	user = judge_entry(oracle, moment, to->core, to->user, user,
			   bond == NULL ? SHARING_DEFAULT : bond->exception, entry);
	if (user == ORACLE_NOBODY)
		return;
	if (!bond->is_friend)
		oracle_object(oracle, "to %" PRIu64 ": %" PRIu64 " is no friend",
			      id_of_device(oracle, device), entry->user.value);
	if (bond->is_muted)
		oracle_object(oracle, "to %" PRIu64 ": %" PRIu64 " was unsubscribed",
			      id_of_device(oracle, device), entry->user.value);
	bond->state = BOND_TOLD;
	bond->was_unfriended = false;
	bond->known = shown(oracle, user, mode_of(oracle, user, bond->exception));
}

/* ---- lists ----------------------------------------------------------------------------------- */

static bool may_be_listed(const struct list *list, uint32_t user)
{
	if (list->device == ORACLE_NOBODY)
		return list->is_friend[user];
	const struct bond *bond = oracle_bond(list->oracle, list->device, user);
	return bond->is_friend && !bond->is_muted;
}

static enum sharing_mode exception_in(const struct list *list, uint32_t user)
{
	if (list->device == ORACLE_NOBODY)
		return list->exceptions[user];
	return oracle_bond(list->oracle, list->device, user)->exception;
}

/* One of the verdicts that leave it open. */
static bool is_either(enum range range)
{
	return range == RANGE_BORDER || range == RANGE_LAPSING;
}

/* A user's place in the list: RANGE_IN must be there, others must not, save where it is open. */
static enum range range_in_list(const struct list *list, uint32_t user)
{
	if (!may_be_listed(list, user))
		return RANGE_OUT;
	return range_of(list->oracle, list->moment, list->user, user, exception_in(list, user));
}

static void judge_total(const struct list *list, uint32_t total)
{
	uint32_t least = 0, most = 0;
	for (uint32_t user = 0; user < list->oracle->config.user_count; user++) {
		enum range range = range_in_list(list, user);
		least += range == RANGE_IN;
		most += range == RANGE_IN || is_either(range);
	}
	if (total < least || total > most)
		oracle_object(list->oracle, "list of %" PRIu64 ": total %u, not %u to %u",
			      id_of(list->oracle, list->user), total, least, most);
}

static bool is_after(const struct page_cursor *cursor, const struct entry *entry)
{
	if (entry->distance_mm != cursor->distance_mm)
		return entry->distance_mm > cursor->distance_mm;
	return entry->user.value > cursor->user.value;
}

static void judge_order(const struct list *list, const struct entry *entries, uint32_t count,
			const struct page_cursor *after)
{
	struct page_cursor last = after != NULL ? *after : (struct page_cursor){ 0, { 0 } };
	for (uint32_t i = 0; i < count; i++) {
		if ((i > 0 || after != NULL) && !is_after(&last, &entries[i]))
			oracle_object(list->oracle, "list of %" PRIu64 ": entry %u is not in order",
				      id_of(list->oracle, list->user), i);
		last = (struct page_cursor){ entries[i].distance_mm, entries[i].user };
	}
}

static bool is_listed(const struct oracle *oracle, uint32_t user, const struct entry *entries,
		      uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (entries[i].user.value == id_of(oracle, user))
			return true;
	return false;
}

/* Nobody is missing who stands between `after` and the last entry, or behind it when `is_last`. */
static void judge_missing(const struct list *list, const struct entry *entries, uint32_t count,
			  const struct page_cursor *after, bool is_last)
{
	struct oracle *oracle = list->oracle;
	for (uint32_t user = 0; user < oracle->config.user_count; user++) {
		if (range_in_list(list, user) != RANGE_IN ||
		    is_listed(oracle, user, entries, count))
			continue;
		long double mm = distance_mm(oracle, list->user, user,
					     mode_of(oracle, user, exception_in(list, user)));
		if (after != NULL && mm <= (long double)after->distance_mm + DISTANCE_ERROR_MM)
			continue;
		if (!is_last &&
		    mm >= (long double)entries[count - 1].distance_mm - DISTANCE_ERROR_MM)
			continue;
		oracle_object(oracle, "list of %" PRIu64 ": %" PRIu64 " at %.3Lf m is missing",
			      id_of(oracle, list->user), id_of(oracle, user), mm / 1000);
	}
}

static void judge_page(const struct list *list, uint32_t limit, const struct page_cursor *cursor,
		       const struct server_msg *page)
{
	struct oracle *oracle = list->oracle;
	uint64_t whose = id_of(oracle, list->user);
	uint32_t count = page->nearby.count;
	const struct entry *entries = page->nearby.entries;
	if (count > limit)
		oracle_object(oracle, "list of %" PRIu64 ": %u entries, limit %u", whose, count,
			      limit);
	if (page->nearby.has_next && count < limit) {
		oracle_object(oracle, "list of %" PRIu64 ": a next page after a short one", whose);
		return;
	}
	if (page->nearby.has_next &&
	    (page->nearby.next.distance_mm != entries[count - 1].distance_mm ||
	     page->nearby.next.user.value != entries[count - 1].user.value))
		oracle_object(oracle, "list of %" PRIu64 ": next is not the last entry", whose);
	for (uint32_t i = 0; i < count; i++)
		judge_entry_to(oracle, list->moment, list->device, &entries[i]);
	judge_order(list, entries, count, cursor);
	judge_missing(list, entries, count, cursor, !page->nearby.has_next);
	judge_total(list, page->nearby.total);
}

static void judge_whole_list(const struct list *list, const struct entry *entries, uint32_t count,
			     uint32_t total)
{
	judge_order(list, entries, count, NULL);
	judge_missing(list, entries, count, NULL, true);
	judge_total(list, total);
	if (count != total)
		oracle_object(list->oracle,
			      "list of %" PRIu64 ": %u entries on all pages, total %u",
			      id_of(list->oracle, list->user), count, total);
}

static struct list list_of(struct oracle *oracle, struct moment moment, uint32_t device)
{
	const struct oracle_device *whose = &oracle->devices[device];
	return (struct list){ oracle, moment, whose->user, whose->core, device, NULL, NULL };
}

void oracle_judge_pages(struct oracle *oracle, struct moment moment, uint32_t device,
			const struct entry *entries, uint32_t count, uint32_t total)
{
	struct list list = list_of(oracle, moment, device);
	judge_whole_list(&list, entries, count, total);
}

/* Who is not in the table is known to its devices alone. */
static bool has_vantage(const struct oracle *oracle, struct moment moment, uint32_t user)
{
	bool is_known = oracle->users[user].is_in_table;
	for (uint32_t device = 0; device < oracle->config.devices_max && !is_known; device++)
		is_known = oracle->devices[device].is_alive && oracle->devices[device].is_started &&
			   oracle->devices[device].user == user;
	return is_known && oracle_location(oracle, moment, user) != NULL;
}

void oracle_judge_list(struct oracle *oracle, struct moment moment, uint32_t core, uint32_t user,
		       const uint32_t *friends, const enum sharing_mode *exceptions,
		       uint32_t friend_count, bool is_there, const struct entry *entries,
		       uint32_t count, uint32_t total)
{
	if (is_there != has_vantage(oracle, moment, user)) {
		oracle_object(oracle, "list of %" PRIu64 ": %s", id_of(oracle, user),
			      is_there ? "its location has expired"
				       : "refused, but it has a location");
		return;
	}
	if (!is_there)
		return;
	bool *is_friend = calloc(oracle->config.user_count, sizeof(*is_friend));
	enum sharing_mode *of_user =
		calloc(oracle->config.user_count, sizeof(*of_user));
	for (uint32_t i = 0; i < friend_count; i++) {
		is_friend[friends[i]] = true;
		of_user[friends[i]] = exceptions[i];
	}
	struct list list = { oracle, moment, user, core, ORACLE_NOBODY, is_friend, of_user };
	for (uint32_t i = 0; i < count; i++) {
		uint32_t whom = oracle_user(oracle, entries[i].user);
		whom = judge_entry(oracle, moment, core, user, whom,
				   whom == ORACLE_NOBODY ? SHARING_DEFAULT : of_user[whom],
				   &entries[i]);
		if (whom != ORACLE_NOBODY && !is_friend[whom])
			oracle_object(oracle, "list of %" PRIu64 ": %" PRIu64 " is no friend",
				      id_of(oracle, user), entries[i].user.value);
	}
	judge_whole_list(&list, entries, count, total);
	free(is_friend);
	free(of_user);
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool is_error(const struct server_msg *answer, enum error_code code)
{
	return answer != NULL && answer->type == SERVER_ERROR && answer->error.code == code;
}

static void judge_refusal(struct oracle *oracle, uint32_t device, bool is_future, bool is_stale,
			  const struct server_msg *answer)
{
	if (is_future && is_error(answer, ERROR_BAD_TIME))
		return;
	if (is_stale && is_error(answer, ERROR_STALE))
		return;
	if (oracle->config.may_be_full && is_error(answer, ERROR_FULL))
		return;
	oracle_object(oracle, "to %" PRIu64 ": a location was not taken, without the right error",
		      id_of_device(oracle, device));
}

/* The first list tells how many there are, so each of them may be named in a gone. */
static void note_listed(struct oracle *oracle, struct moment moment, uint32_t device)
{
	struct list list = list_of(oracle, moment, device);
	for (uint32_t user = 0; user < oracle->config.user_count; user++) {
		struct bond *bond = oracle_bond(oracle, device, user);
		enum range range = range_in_list(&list, user);
		if (bond->state != BOND_UNKNOWN)
			continue;
		if (range != RANGE_IN && !is_either(range))
			continue;
		bond->state = range == RANGE_IN ? BOND_LISTED : BOND_DOUBTFUL;
		bond->known = shown(oracle, user, mode_of(oracle, user, bond->exception));
	}
}

static void judge_first_answer(struct oracle *oracle, struct moment moment, uint32_t device,
			       const struct server_msg *answer)
{
	if (answer == NULL || answer->type != SERVER_NEARBY) {
		oracle_object(oracle,
			      "to %" PRIu64 ": the first location was not answered by the list",
			      id_of_device(oracle, device));
		return;
	}
	struct list list = list_of(oracle, moment, device);
	judge_page(&list, PAGE_LIMIT_DEFAULT, NULL, answer);
	note_listed(oracle, moment, device);
}

void oracle_judge_location(struct oracle *oracle, struct moment moment, uint32_t device,
			   struct nearby_place place, int64_t ts_ms,
			   const struct nearby_location *record, const struct server_msg *answer)
{
	struct oracle_device *from = &oracle->devices[device];
	bool is_future = ts_ms > moment.wall_ms + 60 * 1000;
	bool is_stale = from->is_started && ts_ms < from->last_ts_ms;
	struct oracle_user *whose = &oracle->users[from->user];
	bool is_taken = record != NULL || (whose->mode == SHARING_OFF &&
					   (answer == NULL || answer->type != SERVER_ERROR));
	if (!is_taken) {
		judge_refusal(oracle, device, is_future, is_stale, answer);
		return;
	}
	if (record != NULL && whose->mode == SHARING_OFF)
		oracle_object(oracle, "history of %" PRIu64 ", who shows nothing",
			      id_of_device(oracle, device));
	struct nearby_location right = { place, ts_ms, moment.now_us, 0 };
	if (is_future || is_stale || (record != NULL && !is_location_same(record, &right)))
		oracle_object(oracle, "a location of %" PRIu64 " was taken that is %s",
			      id_of_device(oracle, device),
			      is_future	 ? "in the future"
			      : is_stale ? "stale"
					 : "not what was sent");
	whose->location = right;
	whose->location_number = ++oracle->location_count;
	whose->has_location = true;
	whose->source = device;
	whose->is_in_table = !oracle_is_hidden(whose);
	from->last_ts_ms = ts_ms;
	if (!from->is_started)
		judge_first_answer(oracle, moment, device, answer);
	else if (answer != NULL)
		oracle_object(oracle, "to %" PRIu64 ": a later location was answered",
			      id_of_device(oracle, device));
	from->is_started = true;
}

/* Whether no_location was the right answer, and given; an objection when only one of the two. */
static bool judge_without_location(struct oracle *oracle, struct moment moment, uint32_t device,
				   const struct server_msg *answer)
{
	const struct oracle_device *from = &oracle->devices[device];
	bool has_location = from->is_started && oracle_location(oracle, moment, from->user) != NULL;
	if (is_error(answer, ERROR_NO_LOCATION) == has_location)
		oracle_object(oracle, "to %" PRIu64 ": %s", id_of_device(oracle, device),
			      has_location ? "no_location, but it has one"
					   : "has no location, and no error");
	return !has_location;
}

void oracle_judge_nearby(struct oracle *oracle, struct moment moment, uint32_t device,
			 uint32_t limit, const struct page_cursor *cursor,
			 const struct server_msg *answer)
{
	if (judge_without_location(oracle, moment, device, answer))
		return;
	if (answer == NULL || answer->type != SERVER_NEARBY) {
		oracle_object(oracle, "to %" PRIu64 ": nearby was not answered",
			      id_of_device(oracle, device));
		return;
	}
	struct list list = list_of(oracle, moment, device);
	judge_page(&list, limit, cursor, answer);
}

static bool is_why_right(struct oracle *oracle, struct moment moment, uint32_t device,
			 uint32_t user, enum gone_why why)
{
	const struct bond *bond = oracle_bond(oracle, device, user);
	const struct oracle_user *whom = &oracle->users[user];
	enum range range =
		range_of(oracle, moment, oracle->devices[device].user, user, bond->exception);
	/* Whether what is missing is off or idle a core may learn late, and nothing is told by that:
	 * save to one who is shown nothing, who must not hear whether there is something. */
	bool is_missing = range == RANGE_IDLE || range == RANGE_LAPSING ||
			  (range == RANGE_OFF && bond->exception == SHARING_DEFAULT &&
			   (!whom->is_in_table || oracle_location(oracle, moment, user) == NULL ||
			    is_lapsing(oracle, moment, user)));
	switch (why) {
	case GONE_FAR:
		return bond->is_friend && (range == RANGE_OUT || is_either(range));
	case GONE_IDLE:
		return is_missing;
	case GONE_UNFRIENDED:
		return bond->was_unfriended;
	case GONE_OFF:
		return range == RANGE_OFF || (is_missing && whom->was_off);
	}
	return false;
}

/* The answer to a subscription of a friend, by a device that has a location. */
static void judge_subscribed(struct oracle *oracle, struct moment moment, uint32_t device,
			     uint32_t with, const struct server_msg *answer)
{
	uint64_t to = id_of_device(oracle, device), about = id_of(oracle, with);
	struct bond *bond = oracle_bond(oracle, device, with);
	bond->is_muted = false;
	if (answer != NULL && answer->type == SERVER_UPDATE) {
		if (answer->update.count != 1 || answer->update.entries[0].user.value != about)
			oracle_object(oracle, "to %" PRIu64 ": subscribe answered with others", to);
		else
			judge_entry_to(oracle, moment, device, &answer->update.entries[0]);
	} else if (answer != NULL && answer->type == SERVER_GONE) {
		const struct gone *gone = &answer->gone.friends[0];
		if (answer->gone.count != 1 || gone->user.value != about ||
		    gone->why == GONE_UNFRIENDED ||
		    !is_why_right(oracle, moment, device, with, gone->why))
			oracle_object(oracle,
				      "to %" PRIu64 ": subscribe to %" PRIu64 ": wrong gone", to,
				      about);
		bond->state = BOND_UNKNOWN;
	} else {
		oracle_object(oracle, "to %" PRIu64 ": subscribe to %" PRIu64 " not answered", to,
			      about);
	}
}

static bool judge_not_friend(struct oracle *oracle, uint32_t device, struct user_id with,
			     const struct server_msg *answer)
{
	uint32_t user = oracle_user(oracle, with);
	bool is_friend = user != ORACLE_NOBODY && oracle_bond(oracle, device, user)->is_friend;
	if (is_error(answer, ERROR_NOT_FRIEND) && is_friend)
		oracle_object(oracle, "to %" PRIu64 ": not_friend, but %" PRIu64 " is one",
			      id_of_device(oracle, device), with.value);
	return !is_friend;
}

void oracle_judge_subscribe(struct oracle *oracle, struct moment moment, uint32_t device,
			    struct user_id with, const struct server_msg *answer)
{
	if (judge_not_friend(oracle, device, with, answer)) {
		if (!is_error(answer, ERROR_NOT_FRIEND) && !is_error(answer, ERROR_NO_LOCATION))
			oracle_object(oracle, "to %" PRIu64 ": subscribed to no friend",
				      id_of_device(oracle, device));
		return;
	}
	if (!judge_without_location(oracle, moment, device, answer))
		judge_subscribed(oracle, moment, device, oracle_user(oracle, with), answer);
}

void oracle_judge_unsubscribe(struct oracle *oracle, struct moment moment, uint32_t device,
			      struct user_id with, const struct server_msg *answer)
{
	(void)moment;
	if (judge_not_friend(oracle, device, with, answer)) {
		if (!is_error(answer, ERROR_NOT_FRIEND))
			oracle_object(oracle, "to %" PRIu64 ": unsubscribed from no friend",
				      id_of_device(oracle, device));
		return;
	}
	if (answer != NULL)
		oracle_object(oracle, "to %" PRIu64 ": unsubscribe was answered",
			      id_of_device(oracle, device));
	struct bond *bond = oracle_bond(oracle, device, oracle_user(oracle, with));
	bond->is_muted = true;
	bond->state = BOND_UNKNOWN;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void judge_gone(struct oracle *oracle, struct moment moment, uint32_t device,
		       const struct gone *gone)
{
	uint64_t to = id_of_device(oracle, device);
	uint32_t user = oracle_user(oracle, gone->user);
	if (user == ORACLE_NOBODY || oracle_bond(oracle, device, user)->state == BOND_UNKNOWN) {
		oracle_object(oracle, "to %" PRIu64 ": gone %" PRIu64 ", who was not known", to,
			      gone->user.value);
		return;
	}
	if (!is_why_right(oracle, moment, device, user, gone->why))
		oracle_object(oracle, "to %" PRIu64 ": gone %" PRIu64 " for the wrong reason %d",
			      to, gone->user.value, (int)gone->why);
	oracle_bond(oracle, device, user)->state = BOND_UNKNOWN;
	oracle_bond(oracle, device, user)->was_unfriended = false;
}

/* Nobody is named twice in one frame. */
static void judge_once(struct oracle *oracle, uint32_t device, struct user_id id)
{
	uint32_t user = oracle_user(oracle, id);
	if (user == ORACLE_NOBODY)
		return;
	if (oracle_bond(oracle, device, user)->frame == oracle->frame)
		oracle_object(oracle, "to %" PRIu64 ": %" PRIu64 " twice in a frame",
			      id_of_device(oracle, device), id.value);
	oracle_bond(oracle, device, user)->frame = oracle->frame;
}

static void judge_size(struct oracle *oracle, uint32_t device, uint32_t count)
{
	if (count == 0 || count > FRAME_ENTRIES_MAX)
		oracle_object(oracle, "to %" PRIu64 ": a frame of %u entries",
			      id_of_device(oracle, device), count);
}

/* A turn ends with an update at the latest; how it goes on before that is the engine's affair. */
static bool may_have_frame(const struct oracle_device *device, struct moment moment,
			   uint64_t interval_us)
{
	return device->is_alive && !device->is_paused && device->is_started &&
	       (!device->had_update || moment.now_us - device->last_update_us >= interval_us);
}

void oracle_judge_frame(struct oracle *oracle, struct moment moment, uint32_t device,
			uint64_t interval_us, const struct server_msg *msg)
{
	struct oracle_device *to = device == ORACLE_NOBODY ? NULL : &oracle->devices[device];
	if (to == NULL || !may_have_frame(to, moment, interval_us)) {
		oracle_object(oracle, "a frame to a device that is %s",
			      to == NULL || !to->is_alive ? "gone"
			      : to->is_paused		  ? "paused"
			      : !to->is_started		  ? "without a location"
							  : "not due");
		return;
	}
	if (msg->type == SERVER_UPDATE) {
		to->had_update = true;
		to->last_update_us = moment.now_us;
	}
	oracle->frame++;
	if (msg->type == SERVER_GONE) {
		judge_size(oracle, device, msg->gone.count);
		for (uint32_t i = 0; i < msg->gone.count; i++) {
			judge_once(oracle, device, msg->gone.friends[i].user);
			judge_gone(oracle, moment, device, &msg->gone.friends[i]);
		}
	} else if (msg->type == SERVER_UPDATE) {
		judge_size(oracle, device, msg->update.count);
		for (uint32_t i = 0; i < msg->update.count; i++) {
			judge_once(oracle, device, msg->update.entries[i].user);
			judge_entry_to(oracle, moment, device, &msg->update.entries[i]);
		}
	} else {
		oracle_object(oracle, "a frame of type %d", (int)msg->type);
	}
}

/* ---- when all is quiet ----------------------------------------------------------------------- */

static bool is_freshly_expired(const struct oracle *oracle, struct moment moment, uint32_t user,
			       uint64_t settled_us)
{
	const struct oracle_user *whom = &oracle->users[user];
	uint64_t age_us = moment.now_us - whom->location.receipt_us;
	return oracle_location(oracle, moment, user) == NULL && whom->has_location &&
	       age_us > oracle->config.ttl_us && age_us - oracle->config.ttl_us <= settled_us;
}

static void judge_bond(struct oracle *oracle, struct moment moment, uint32_t device, uint32_t user)
{
	const struct bond *bond = oracle_bond(oracle, device, user);
	enum range range =
		range_of(oracle, moment, oracle->devices[device].user, user, bond->exception);
	struct nearby_location right =
		shown(oracle, user, mode_of(oracle, user, bond->exception));
	if (is_either(range) || bond->state == BOND_DOUBTFUL)
		return;
	bool must_know = bond->is_friend && !bond->is_muted && range == RANGE_IN &&
			 oracle->devices[device].is_started;
	bool does_know = bond->state != BOND_UNKNOWN;
	uint64_t to = id_of_device(oracle, device), about = id_of(oracle, user);
	if (must_know && !does_know)
		oracle_object(oracle, "at rest: %" PRIu64 " (device %u) misses %" PRIu64, to,
			      device, about);
	else if (!must_know && does_know)
		oracle_object(oracle, "at rest: %" PRIu64 " (device %u) still has %" PRIu64, to,
			      device, about);
	else if (must_know && !is_location_same(&bond->known, &right))
		oracle_object(oracle,
			      "at rest: %" PRIu64 " (device %u) has %" PRIu64 " at an old place",
			      to, device, about);
}

/* Whether what the device knows of the user is due to the user, not to its own latest movement. */
static bool is_later(const struct oracle *oracle, uint32_t device, uint32_t user)
{
	const struct oracle_user *viewer = &oracle->users[oracle->devices[device].user];
	const struct oracle_user *friend = &oracle->users[user];
	return friend->location_number > viewer->location_number && viewer->has_location;
}

void oracle_judge_prompt(struct oracle *oracle, struct moment moment, uint64_t settled_us)
{
	for (uint32_t device = 0; device < oracle->config.devices_max; device++) {
		const struct oracle_device *to = &oracle->devices[device];
		if (!to->is_alive || to->is_paused ||
		    oracle_location(oracle, moment, to->user) == NULL)
			continue;
		for (uint32_t user = 0; user < oracle->config.user_count; user++)
			if (is_later(oracle, device, user) &&
			    !is_freshly_expired(oracle, moment, user, settled_us))
				judge_bond(oracle, moment, device, user);
	}
}

void oracle_judge_views(struct oracle *oracle, struct moment moment, uint64_t settled_us)
{
	for (uint32_t device = 0; device < oracle->config.devices_max; device++) {
		const struct oracle_device *to = &oracle->devices[device];
		if (!to->is_alive || is_freshly_expired(oracle, moment, to->user, settled_us))
			continue;
		for (uint32_t user = 0; user < oracle->config.user_count; user++)
			if (!is_freshly_expired(oracle, moment, user, settled_us))
				judge_bond(oracle, moment, device, user);
	}
}
