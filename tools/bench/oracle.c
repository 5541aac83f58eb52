/*
 * Owns: the rules of what may be told, and brute force over what must be.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: sockets, or how the engine decides.
 */
#include "bench/oracle.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

#define SPHERE_RADIUS_M 6371008.8

static const struct {
	const char *text, *meaning;
	enum verdict_class class;
} VERDICTS[] = {
#define VERDICT(name, text, class, meaning) { text, meaning, CLASS_##class },
#include "bench/verdicts.tbl"
#undef VERDICT
};

const char *verdict_text(enum verdict verdict)
{
	check(verdict < VERDICT_COUNT);
	return VERDICTS[verdict].text;
}

const char *verdict_meaning(enum verdict verdict)
{
	check(verdict < VERDICT_COUNT);
	return VERDICTS[verdict].meaning;
}

enum verdict_class verdict_class(enum verdict verdict)
{
	check(verdict < VERDICT_COUNT);
	return VERDICTS[verdict].class;
}

const char *verdict_class_text(enum verdict_class class)
{
	static const char *const texts[] = { "wrong", "duplicate", "to the wrong person", "missing",
					     "broken" };
	check(class < VERDICT_CLASS_COUNT);
	return texts[class];
}

double oracle_distance_m(struct nearby_place a, struct nearby_place b)
{
	const double unit = M_PI / 180 / 1e7;
	double half_lat = sin((b.lat_e7 - a.lat_e7) * unit / 2);
	double half_lon = sin(((double)b.lon_e7 - a.lon_e7) * unit / 2);
	double h = half_lat * half_lat +
		   cos(a.lat_e7 * unit) * cos(b.lat_e7 * unit) * half_lon * half_lon;
	return 2 * SPHERE_RADIUS_M * asin(sqrt(h < 1 ? h : 1));
}

static bool expired_for_certain(const struct oracle *oracle, uint64_t sent_us, uint64_t now_us)
{
	return now_us > sent_us + oracle->ttl_us + TTL_MARGIN_US;
}

static bool may_have_expired(const struct oracle *oracle, uint64_t sent_us, uint64_t now_us)
{
	return now_us + TTL_MARGIN_US > sent_us + oracle->ttl_us;
}

/* The newest version at which the friend said just this; 0 when none that is remembered. */
static uint32_t version_of(const struct world *world, uint32_t user,
			   const struct answer_entry *entry, struct sighting *sighting)
{
	uint32_t oldest = world_oldest(world, user);
	for (uint32_t version = world_version(world, user); version >= oldest; version--) {
		if (world_sighting(world, user, version, sighting) &&
		    sighting->ts_ms == entry->ts_ms &&
		    sighting->place.lat_e7 == entry->place.lat_e7 &&
		    sighting->place.lon_e7 == entry->place.lon_e7)
			return version;
	}
	return 0;
}

/*
 * A server keeps locations for their time to live, so a friend who has not moved in this run, or has
 * just begun to, may still be where an earlier run left it. Nothing is known of that place.
 */
static bool may_be_prior(const struct world *world, uint32_t user, const struct view *view,
			 uint64_t now_us)
{
	struct sighting first;
	if (view->version != 0)
		return false;
	return world_version(world, user) == 0 ||
	       (world_sighting(world, user, 1, &first) && now_us < first.sent_us + PRIOR_GRACE_US);
}

static uint32_t own_low(const struct world *world, uint32_t viewer)
{
	uint32_t oldest = world_oldest(world, viewer), low = world->tracks[viewer].own_low;
	return low > oldest ? low : oldest;
}

/*
 * Whether the distance is that from a place of the viewer's which the server may be judging by. The
 * server never goes back, so the oldest that fits is the oldest for what follows.
 */
static bool distance_fits(struct world *world, uint32_t viewer, const struct answer_entry *entry)
{
	uint32_t newest = world_version(world, viewer);
	for (uint32_t version = own_low(world, viewer); version <= newest; version++) {
		struct sighting own;
		if (!world_sighting(world, viewer, version, &own))
			continue;
		double distance_m = oracle_distance_m(own.place, entry->place);
		if (fabs(distance_m - entry->distance_m) <= DISTANCE_TOLERANCE_M) {
			world->tracks[viewer].own_low = version;
			return true;
		}
	}
	return false;
}

static bool name_fits(const struct world *world, uint32_t user, struct slice name)
{
	return world->names[user][0] == 0 || slice_is(name, world->names[user]);
}

/* The rules that hold for every entry, pushed or listed. */
static enum verdict judge_entry(struct oracle *oracle, uint32_t viewer,
				const struct answer_entry *entry, uint64_t now_us, uint32_t *edge,
				uint32_t *version, struct sighting *sighting)
{
	struct world *world = oracle->world;
	if (!world_find_friend(world, viewer, entry->user, edge))
		return VERDICT_NOT_FRIEND;
	uint32_t friend = world->edge_user[*edge];
	*version = version_of(world, friend, entry, sighting);
	if (*version == 0 && !may_be_prior(world, friend, &world->views[*edge], now_us))
		return VERDICT_NEVER_SENT;
	if (*version < world->views[*edge].version)
		return VERDICT_BACKWARDS;
	if (!name_fits(world, friend, entry->name))
		return VERDICT_BAD_NAME;
	if (!distance_fits(world, viewer, entry))
		return VERDICT_BAD_DISTANCE;
	if (entry->distance_m > oracle->radius_m + BORDER_M)
		return VERDICT_OUT_OF_RANGE;
	if (*version != 0 && expired_for_certain(oracle, sighting->sent_us, now_us))
		return VERDICT_EXPIRED;
	return VERDICT_RIGHT;
}

/* The user's versions from `low` to `high` that were sent within the last MERGE_WINDOW_US. */
static uint32_t moves_of_late(const struct world *world, uint32_t user, uint32_t low, uint32_t high,
			      uint64_t now_us)
{
	uint32_t count = 0;
	struct sighting sighting;
	for (uint32_t version = high; version >= low && version > 0; version--) {
		if (!world_sighting(world, user, version, &sighting) ||
		    now_us > sighting.sent_us + MERGE_WINDOW_US)
			break;
		count++;
	}
	return count;
}

/*
 * The newest place is what a push tells. So a server that learns of two moves one after the other, of
 * the friend or of the viewer, may tell the second place twice; but never more often than the two
 * moved since it told something before.
 */
static uint32_t moves_merged(const struct world *world, uint32_t viewer, uint32_t friend,
			     const struct view *view, uint32_t version, uint64_t now_us)
{
	/* What was left over at the last telling, unless that was of long ago. */
	bool is_of_late = moves_of_late(world, friend, view->version, view->version, now_us) > 0;
	uint32_t left = is_of_late ? view->merged : 0;
	uint32_t own = moves_of_late(world, viewer, view->own_version + 1,
				     world_version(world, viewer), now_us);
	return left + own + moves_of_late(world, friend, view->version + 1, version - 1, now_us);
}

static void view_tell(struct view *view, uint32_t version, uint32_t own_version, bool is_paged)
{
	view->version = version;
	view->own_version = own_version;
	view->is_shown = true;
	view->is_paged = is_paged;
}

/* Why the server pushed this, judged from the view as it was before; and whether it may have. */
static enum verdict judge_push(const struct world *world, uint32_t viewer, struct view *view,
			       uint32_t version, uint64_t sent_us, enum push_cause *cause)
{
	struct sighting own;
	uint32_t own_version = world_version(world, viewer);
	bool is_again = view->is_shown && view->version == version;
	bool has_own = world_sighting(world, viewer, own_version, &own);
	*cause = PUSH_MOVED;
	if (version == 0) {
		*cause = PUSH_BEFORE;
	} else if (is_again && view->merged > 0) {
		*cause = PUSH_MERGED;
		view->merged--;
	} else if (is_again) {
		*cause = PUSH_REFRESHED;
		if (!view->is_paged && view->own_version == own_version)
			return VERDICT_DUPLICATE;
	} else if (!view->is_shown && has_own && own.sent_us + MERGE_WINDOW_US > sent_us) {
		/*
		 * Coming into view: by whoever the server heard last. Where both moved at about the same
		 * time that may have been the viewer, whose list it may take its time to look through.
		 */
		*cause = PUSH_ENTERED;
	}
	return VERDICT_RIGHT;
}

void oracle_taken(struct oracle *oracle, uint32_t viewer)
{
	struct world *world = oracle->world;
	world->tracks[viewer].own_low = world_version(world, viewer);
}

void oracle_frame(struct oracle *oracle, uint32_t viewer)
{
	oracle->world->tracks[viewer].frame++;
}

enum verdict oracle_update(struct oracle *oracle, uint32_t viewer, const struct answer_entry *entry,
			   uint64_t now_us, enum push_cause *cause, uint64_t *sent_us)
{
	struct world *world = oracle->world;
	struct sighting sighting;
	uint32_t edge, version;
	enum verdict verdict =
		judge_entry(oracle, viewer, entry, now_us, &edge, &version, &sighting);
	if (verdict != VERDICT_RIGHT)
		return verdict;
	struct view *view = &world->views[edge];
	bool is_twice = view->frame == world->tracks[viewer].frame;
	bool is_again = view->is_shown && view->version == version;
	verdict = judge_push(world, viewer, view, version, sighting.sent_us, cause);
	*sent_us = sighting.sent_us;
	if (!is_again && version != 0)
		view->merged = moves_merged(world, viewer, world->edge_user[edge], view, version,
					    now_us);
	view_tell(view, version, world_version(world, viewer), false);
	view->frame = world->tracks[viewer].frame;
	return is_twice ? VERDICT_TWICE_IN_FRAME : verdict;
}

/*
 * Whether the two were, for the server, out of range (or, with `is_far` false, in range) at some
 * moment since the friend's version `low`.
 */
static bool apart_at_times(const struct oracle *oracle, uint32_t viewer, uint32_t friend,
			   uint32_t low, bool is_far)
{
	const struct world *world = oracle->world;
	uint32_t newest_own = world_version(world, viewer), newest = world_version(world, friend);
	uint32_t oldest = world_oldest(world, friend);
	/* From the newest on, where it is mostly found at once; versions begin with 1. */
	low = low > oldest ? low : oldest;
	for (uint32_t i = newest_own; i >= own_low(world, viewer) && i > 0; i--) {
		for (uint32_t j = newest; j >= low && j > 0; j--) {
			struct sighting own, other;
			if (!world_sighting(world, viewer, i, &own) ||
			    !world_sighting(world, friend, j, &other))
				continue;
			double distance_m = oracle_distance_m(own.place, other.place);
			if (is_far ? distance_m > oracle->radius_m - BORDER_M :
				     distance_m < oracle->radius_m + BORDER_M)
				return true;
		}
	}
	return false;
}

/* Whether one of the user's places, from `low` on, may have expired before the next one came. */
static bool idle_at_times(const struct oracle *oracle, uint32_t user, uint32_t low, uint64_t now_us)
{
	const struct world *world = oracle->world;
	uint32_t newest = world_version(world, user), oldest = world_oldest(world, user);
	for (uint32_t version = low > oldest ? low : oldest; version <= newest; version++) {
		struct sighting sighting, next;
		uint64_t until_us = now_us;
		if (!world_sighting(world, user, version, &sighting))
			continue;
		if (world_sighting(world, user, version + 1, &next))
			until_us = next.sent_us;
		if (may_have_expired(oracle, sighting.sent_us, until_us))
			return true;
	}
	return false;
}

enum verdict oracle_gone(struct oracle *oracle, uint32_t viewer, const struct answer_gone *gone,
			 uint64_t now_us)
{
	struct world *world = oracle->world;
	uint32_t edge;
	if (!world_find_friend(world, viewer, gone->user, &edge))
		return VERDICT_NOT_FRIEND;
	struct view *view = &world->views[edge];
	uint32_t friend = world->edge_user[edge];
	/* Who stood on a page that was never asked for was in range, though the client was not told. */
	bool explained = view->is_shown || apart_at_times(oracle, viewer, friend, 0, false);
	bool is_prior = view->version == 0 && view->is_shown;
	view->is_shown = false;
	if (is_prior) /* of an unknown place, which may have been left or have expired */
		explained = slice_is(gone->why, "far") || slice_is(gone->why, "idle");
	else if (slice_is(gone->why, "far"))
		explained &= apart_at_times(oracle, viewer, friend, view->version, true);
	else if (slice_is(gone->why, "idle"))
		explained &= idle_at_times(oracle, friend, view->version, now_us) ||
			     idle_at_times(oracle, viewer, own_low(world, viewer), now_us);
	else /* A run ends no friendship and no sharing: `off` and `unfriended` have no reason. */
		explained = false;
	return explained ? VERDICT_RIGHT : VERDICT_GONE_WITHOUT_REASON;
}

enum verdict oracle_page_entry(struct oracle *oracle, uint32_t viewer,
			       const struct answer_entry *entry, bool is_check, uint64_t now_us)
{
	struct world *world = oracle->world;
	struct sighting sighting;
	uint32_t edge, version;
	enum verdict verdict =
		judge_entry(oracle, viewer, entry, now_us, &edge, &version, &sighting);
	if (verdict != VERDICT_RIGHT)
		return verdict;
	struct view *view = &world->views[edge];
	if (!is_check) {
		view->merged = 0;
		view_tell(view, version, world_version(world, viewer), true);
		return VERDICT_RIGHT;
	}
	bool is_twice = view->is_listed;
	view->is_listed = true;
	if (is_twice)
		return VERDICT_LIST_ORDER;
	return version < world_version(world, world->edge_user[edge]) ? VERDICT_LIST_OLD :
									VERDICT_RIGHT;
}

/* What brute force says of one friend when all is quiet. */
enum truth { TRUTH_OUT, TRUTH_IN, TRUTH_EITHER_OUT, TRUTH_EITHER_IN };

static enum truth truth_of(const struct oracle *oracle, uint32_t viewer, uint32_t friend,
			   uint64_t now_us)
{
	const struct world *world = oracle->world;
	struct sighting own, other;
	if (!world_sighting(world, viewer, world_version(world, viewer), &own) ||
	    !world_sighting(world, friend, world_version(world, friend), &other))
		return TRUTH_OUT;
	uint64_t older_us = own.sent_us < other.sent_us ? own.sent_us : other.sent_us;
	double distance_m = oracle_distance_m(own.place, other.place);
	bool is_in = distance_m <= oracle->radius_m && now_us <= older_us + oracle->ttl_us;
	if (distance_m > oracle->radius_m + BORDER_M ||
	    expired_for_certain(oracle, older_us, now_us))
		return TRUTH_OUT;
	if (distance_m > oracle->radius_m - BORDER_M ||
	    may_have_expired(oracle, older_us, now_us))
		return is_in ? TRUTH_EITHER_IN : TRUTH_EITHER_OUT;
	return TRUTH_IN;
}

void oracle_check_begin(struct oracle *oracle, uint32_t viewer)
{
	const struct world *world = oracle->world;
	for (uint32_t i = world->edge_first[viewer]; i < world->edge_first[viewer + 1]; i++)
		world->views[i].is_listed = false;
}

void oracle_check_end(struct oracle *oracle, uint32_t viewer, uint64_t now_us,
		      struct check_counts *counts,
		      void (*found)(void *context, enum verdict verdict, uint64_t about),
		      void *context)
{
	const struct world *world = oracle->world;
	for (uint32_t i = world->edge_first[viewer]; i < world->edge_first[viewer + 1]; i++) {
		const struct view *view = &world->views[i];
		uint32_t friend = world->edge_user[i];
		bool is_prior = view->version == 0 && (view->is_shown || view->is_listed);
		if (world->tracks[friend].is_lost || (is_prior && world_version(world, friend) == 0))
			continue;
		enum truth truth = truth_of(oracle, viewer, friend, now_us);
		counts->pairs += truth == TRUTH_IN || truth == TRUTH_EITHER_IN;
		counts->border += truth == TRUTH_EITHER_IN || truth == TRUTH_EITHER_OUT;
		counts->listed += view->is_listed;
		uint64_t about = world->ids[friend];
		if (truth == TRUTH_IN && !view->is_shown)
			found(context, VERDICT_VIEW_MISSING, about);
		else if (truth == TRUTH_IN && view->version < world_version(world, friend))
			found(context, VERDICT_VIEW_OLD, about);
		if (truth == TRUTH_OUT && view->is_shown)
			found(context, VERDICT_VIEW_GHOST, about);
		if (truth == TRUTH_IN && !view->is_listed)
			found(context, VERDICT_LIST_MISSING, about);
		if (truth == TRUTH_OUT && view->is_listed)
			found(context, VERDICT_LIST_GHOST, about);
	}
}
