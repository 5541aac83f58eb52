/*
 * Owns: see privacy.h.
 * Invariant: see privacy.h.
 * Thread: as engine.h.
 * Does not know: sessions, frames, lists.
 */
#include "engine/privacy.h"

#include "base/check.h"
#include "engine/grid.h"
#include "engine/mark.h"

static bool read_active(const struct engine *engine, uint64_t now_us, uint64_t user,
			nearby_hint *hint, struct nearby_location *location)
{
	return nearby_table_get(engine->config.segment, user, hint, location) == 0 &&
	       !engine_is_expired(engine, now_us, location->receipt_us);
}

/* What the viewer may see, of a location or of one that is missing. An exception counts then too, or
 * who is shown nothing would hear whether there is something. */
static enum sharing_mode mode_for(const struct sight *sight, const struct nearby_location *location)
{
	if (sight->is_missing && sight->is_void)
		return SHARING_OFF;
	if (sight->exception != SHARING_DEFAULT)
		return sight->exception;
	if (sight->is_missing)
		return sight->is_off ? SHARING_OFF : SHARING_PRECISE;
	return mark_mode(location->mark);
}

static struct nearby_place snapped(const struct engine *engine, uint64_t user,
				   const struct nearby_location *location)
{
	return grid_place(engine->config.grid_secret, (struct user_id){ user }, location->place,
			  mark_offset(location->mark));
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

/* The sharer's place is as the viewer may see it: all that follows is computed from that alone. */
static bool is_near(const struct engine *engine, struct sight *sight,
		    const struct nearby_location *location, struct entry *entry)
{
	struct point point = geo_point(location->place);
	double chord2 = geo_chord2(&sight->viewer->point, &point);
	sight->is_at_edge =
		chord2 >= engine->edge_least_chord2 && chord2 <= engine->edge_most_chord2;
	if (chord2 > engine->near_chord2)
		return false;
	fill_entry(sight, location, &point, entry);
	return true;
}

bool privacy_see(const struct engine *engine, uint64_t now_us, struct sight *sight,
		 struct entry *entry, enum gone_why *why)
{
	struct nearby_location location;
	sight->is_at_edge = sight->is_missing = false;
	*why = GONE_UNFRIENDED;
	if (!sight->is_friend)
		return false;
	*why = GONE_IDLE;
	if (!engine_is_vantage(engine, now_us, sight->viewer))
		return false;
	sight->is_missing =
		!read_active(engine, now_us, sight->sharer.value, sight->hint, &location);
	enum sharing_mode mode = mode_for(sight, &location);
	if (mode != SHARING_PRECISE && mode != SHARING_APPROXIMATE) {
		*why = GONE_OFF;
		return false;
	}
	if (sight->is_missing)
		return false;
	*why = GONE_FAR;
	if (mode == SHARING_APPROXIMATE)
		location.place = snapped(engine, sight->sharer.value, &location);
	if (!is_near(engine, sight, &location, entry))
		return false;
	entry->is_approximate = mode == SHARING_APPROXIMATE;
	return true;
}

/* What strangers see of a user: the place on the grid, when it is active and shows everybody
 * something. */
static bool read_snapped(const struct engine *engine, uint64_t now_us, struct user_id user,
			 nearby_hint *hint, struct nearby_location *location, enum gone_why *why)
{
	*why = GONE_IDLE;
	if (!read_active(engine, now_us, user.value, hint, location))
		return false;
	*why = GONE_OFF;
	enum sharing_mode mode = mark_mode(location->mark);
	if (mode != SHARING_PRECISE && mode != SHARING_APPROXIMATE)
		return false;
	location->place = snapped(engine, user.value, location);
	return true;
}

bool privacy_see_stranger(const struct engine *engine, uint64_t now_us,
			  const struct stranger_sight *sight, struct entry *entry,
			  enum gone_why *why)
{
	struct nearby_location location;
	*why = sight->is_apart || !sight->is_here ? GONE_OFF : GONE_IDLE;
	if (sight->is_apart || !sight->is_here ||
	    !engine_is_vantage(engine, now_us, sight->viewer) ||
	    !read_snapped(engine, now_us, sight->sharer, sight->hint, &location, why))
		return false;
	*why = GONE_OFF;
	if (!(location.mark & MARK_STRANGERS))
		return false;
	uint32_t length = engine->config.cell_length;
	*why = GONE_FAR;
	if (!geohash_is_near(geohash_cell(geohash_of(location.place), length), sight->cell, length))
		return false;
	struct point point = geo_point(location.place);
	*entry = (struct entry){
		.user = sight->sharer,
		.name = "",
		.place = location.place,
		.client_ms = location.client_ms,
		.distance_mm = geo_distance_mm(&sight->viewer->point, &point),
		.is_approximate = true,
		.receipt_us = location.receipt_us,
	};
	return true;
}

bool privacy_find_stranger(const struct engine *engine, uint64_t now_us, struct user_id user,
			   uint64_t *code, enum gone_why *why)
{
	struct nearby_location location;
	nearby_hint hint = 0;
	if (!read_snapped(engine, now_us, user, &hint, &location, why))
		return false;
	*code = geohash_of(location.place);
	return true;
}

void privacy_mark_strangers(struct engine *engine, struct user_id user, bool is_for_strangers)
{
	struct nearby_location location;
	nearby_hint hint = 0;
	if (nearby_table_get(engine->config.segment, user.value, &hint, &location) < 0)
		return;
	uint8_t before = location.mark;
	location.mark = (uint8_t)((before & ~MARK_STRANGERS) |
				  (is_for_strangers ? MARK_STRANGERS : 0));
	if (location.mark != before)
		check(nearby_table_put(engine->config.segment, user.value, &hint, &location) == 0);
}

/* The spot for viewers of one mode. */
static struct spot spot_for(struct engine *engine, enum sharing_mode mode, uint64_t user,
			    const struct nearby_location *location)
{
	struct nearby_place place = location->place;
	if (mode == SHARING_APPROXIMATE)
		place = snapped(engine, user, location);
	else if (mode != SHARING_PRECISE)
		return SPOT_UNSEEN;
	return geo_spot(engine_point(engine, place));
}

void privacy_find(struct engine *engine, uint64_t now_us, struct channel *sharer,
		  struct spot shown[SHARING_MODES])
{
	struct nearby_location location;
	if (!read_active(engine, now_us, sharer->user, &sharer->hint, &location)) {
		for (int mode = 0; mode < SHARING_MODES; mode++)
			shown[mode] = SPOT_UNSEEN;
		return;
	}
	shown[SHARING_DEFAULT] =
		spot_for(engine, mark_mode(location.mark), sharer->user, &location);
	for (int mode = SHARING_PRECISE; sharer->has_exceptions && mode < SHARING_MODES; mode++)
		shown[mode] = spot_for(engine, (enum sharing_mode)mode, sharer->user, &location);
}

uint8_t privacy_snap(const struct engine *engine, struct channel *user, struct nearby_place place)
{
	struct nearby_location before;
	if (nearby_table_get(engine->config.segment, user->user, &user->hint, &before) < 0)
		return GRID_OFFSET_OWN;
	return grid_snap(engine->config.grid_secret, (struct user_id){ user->user }, place,
			 &before.place, mark_offset(before.mark));
}

bool privacy_remark(struct engine *engine, uint64_t user, enum sharing_mode mode, bool *is_changed)
{
	struct nearby_location location;
	nearby_hint hint = 0;
	if (nearby_table_get(engine->config.segment, user, &hint, &location) < 0)
		return false;
	uint8_t before = location.mark;
	location.mark = (uint8_t)((before & ~MARK_MODE) | mark_make(mode, 0, false));
	if (location.mark != before) {
		*is_changed = true;
		check(nearby_table_put(engine->config.segment, user, &hint, &location) == 0);
	}
	return true;
}

bool privacy_is_off(const struct engine *engine, struct user_id user)
{
	struct nearby_location location;
	nearby_hint hint = 0;
	return nearby_table_get(engine->config.segment, user.value, &hint, &location) == 0 &&
	       mark_mode(location.mark) == SHARING_OFF;
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
