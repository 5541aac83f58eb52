/*
 * Owns: see privacy.h.
 * Invariant: see privacy.h.
 * Thread: as engine.h.
 * Does not know: sessions, frames, lists.
 */
#include "engine/privacy.h"

#include "base/check.h"

static bool read_active(const struct engine *engine, uint64_t now_us, uint64_t user,
			nearby_hint *hint, struct nearby_location *location)
{
	return nearby_table_get(engine->config.segment, user, hint, location) == 0 &&
	       !engine_is_expired(engine, now_us, location->receipt_us);
}

static void fill_entry(const struct sight *sight, const struct nearby_location *location,
		       const struct point *point, struct entry *entry)
{
	*entry = (struct entry){
		.user = sight->sharer,
		.name = "",
		.place = location->place,
		.client_ms = location->client_ms,
		.distance_mm = geo_distance_mm(&sight->viewer->point, point),
		.receipt_us = location->receipt_us,
	};
}

bool privacy_see(const struct engine *engine, uint64_t now_us, struct sight *sight,
		 struct entry *entry, enum gone_why *why)
{
	struct nearby_location location;
	sight->is_at_edge = false;
	if (!sight->is_friend) {
		*why = GONE_UNFRIENDED;
		return false;
	}
	if (!engine_is_vantage(engine, now_us, sight->viewer) ||
	    !read_active(engine, now_us, sight->sharer.value, sight->hint, &location)) {
		*why = GONE_IDLE;
		return false;
	}
	struct point point = geo_point(location.place);
	double chord2 = geo_chord2(&sight->viewer->point, &point);
	sight->is_at_edge =
		chord2 >= engine->edge_least_chord2 && chord2 <= engine->edge_most_chord2;
	if (chord2 > engine->near_chord2) {
		*why = GONE_FAR;
		return false;
	}
	fill_entry(sight, &location, &point, entry);
	return true;
}

bool privacy_find(struct engine *engine, uint64_t now_us, struct channel *sharer, struct spot *spot)
{
	struct nearby_location location;
	if (!read_active(engine, now_us, sharer->user, &sharer->hint, &location))
		return false;
	*spot = geo_spot(engine_point(engine, location.place));
	return true;
}

bool privacy_find_self(const struct engine *engine, uint64_t now_us, struct user_id user,
		       struct vantage *vantage)
{
	struct nearby_location location;
	nearby_hint hint = 0;
	if (!read_active(engine, now_us, user.value, &hint, &location))
		return false;
	*vantage = (struct vantage){ geo_point(location.place), location.receipt_us };
	return true;
}

void privacy_check_self(const struct engine *engine, struct user_id user,
			const struct vantage *vantage)
{
	struct nearby_location location;
	nearby_hint hint = 0;
	if (nearby_table_get(engine->config.segment, user.value, &hint, &location) < 0) {
		check(vantage->point.x == VANTAGE_NOWHERE.x);
		return;
	}
	struct point point = geo_point(location.place);
	check(vantage->receipt_us == location.receipt_us);
	check(geo_chord2(&vantage->point, &point) == 0);
}
