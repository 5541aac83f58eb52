/*
 * Owns: what a core does when it is told of a change: events for its engine, sessions that end.
 * Invariant: a change whose user's session waits for the store is kept with it (join.c), so nothing is missed.
 * Thread: the core's; the request is shared by all cores meanwhile, and read-only.
 * Does not know: who asked for the change, what becomes of it afterwards.
 */
#include "app/app_private.h"

#include "base/clock.h"

static bool is_home(const struct app *app, struct user_id user)
{
	return nearby_home_core(user.value, app->shared->cores) == app->core;
}

/* ---- friendships ------------------------------------------------------------------------------ */

/* Gives one side of a change to the engine, where that user lives. */
void hear_event(struct app *app, struct user_id user, const struct event *event)
{
	if (join_keep(app, user, event) || engine_session_count(app->engine, user) == 0)
		return;
	struct engine_out out;
	/* No room for one more subscription is counted by the engine; the next join has it. */
	engine_step(app->engine, event, &out);
}

/* One side of a friendship that begins or ends. */
static void hear_side(struct app *app, bool is_end, struct user_id user, const struct friend_info *with)
{
	if (!is_home(app, user))
		return;
	struct event event = {
		.type = is_end ? EVENT_UNFRIEND : EVENT_BEFRIEND,
		.now_us = boot_us(),
		.friendship = { .user = user, .with = *with },
	};
	hear_event(app, user, &event);
	news_tell(app, user, is_end ? FRIEND_REMOVED : FRIEND_ADDED, with);
}

/* What one pair of a request means, once it is durable. */
struct outcome {
	struct friend_info a, b;
	bool is_asked, is_begun, is_ended;
};

/* Whether the pairs of a request that changed, from `idx` on in a sync, are friendships that ended. */
static bool ends(const struct store_request *request, uint32_t idx)
{
	switch (request->op) {
	case STORE_FRIENDS_DELETE:
	case STORE_END:
		return true;
	case STORE_BLOCK:
		return request->was_friend || request->was_asked;
	case STORE_FRIENDS_SYNC:
		return idx >= request->sync_removed_from;
	default:
		return false;
	}
}

static struct outcome outcome_of(const struct store_request *request, const struct store_pair *pair, uint32_t idx)
{
	const char *names = request->names != NULL ? request->names : "";
	bool is_changed = pair->result == STORE_PAIR_ADDED;
	bool is_ended = is_changed && ends(request, idx);
	return (struct outcome){
		.a = { .user = pair->a, .name = names + pair->a_name_offset, .name_length = pair->a_name_length },
		.b = { .user = pair->b, .name = names + pair->b_name_offset, .name_length = pair->b_name_length },
		.is_asked = pair->result == STORE_PAIR_ASKED,
		.is_begun = is_changed && !is_ended && request->op != STORE_BLOCK && request->op != STORE_UNBLOCK,
		.is_ended = is_ended,
	};
}

static void hear_pair(struct app *app, const struct outcome *outcome)
{
	const struct friend_info *a = &outcome->a, *b = &outcome->b;
	/* Who asked has the answer to that. */
	if (outcome->is_asked && is_home(app, b->user))
		news_tell(app, b->user, FRIEND_ASKED, a);
	if (!outcome->is_begun && !outcome->is_ended)
		return;
	if (outcome->is_ended) {
		sharing_unfriend(app, a->user, b->user);
		api_nearby_outdate(app, a->user);
		api_nearby_outdate(app, b->user);
	}
	hear_side(app, outcome->is_ended, a->user, b);
	hear_side(app, outcome->is_ended, b->user, a);
}

static void hear_pairs(struct app *app, const struct store_request *request)
{
	bool is_sync = request->op == STORE_FRIENDS_SYNC;
	const struct store_pair *pairs = is_sync ? request->sync_pairs : request->pairs;
	uint32_t count = is_sync ? request->sync_count : request->pair_count;
	for (uint32_t i = 0; i < count; i++) {
		struct outcome outcome = outcome_of(request, &pairs[i], i);
		hear_pair(app, &outcome);
		if (!outcome.is_ended)
			continue;
		/* Pairs of one change are of one user, or few: one look at that one will do. */
		if (i + 1 == count || !user_id_equal(pairs[i].a, pairs[i + 1].a))
			sharing_review(app, pairs[i].a, pairs[i].b);
		sharing_review(app, pairs[i].b, pairs[i].a);
	}
}

/* ---- blocks ----------------------------------------------------------------------------------- */

static void hear_bar(struct app *app, struct user_id user, struct user_id other, bool is_barred)
{
	if (!is_home(app, user))
		return;
	struct event event = { .type = EVENT_BAR,
			       .now_us = boot_us(),
			       .bar = { .user = user, .other = other, .is_barred = is_barred } };
	hear_event(app, user, &event);
}

/* While either of the two blocks the other both are barred. */
static void hear_block(struct app *app, const struct store_request *request)
{
	const struct store_pair *pair = &request->pairs[0];
	hear_pairs(app, request);
	if (pair->result != STORE_PAIR_ADDED)
		return;
	bool is_barred = request->op == STORE_BLOCK || request->still_barred;
	hear_bar(app, pair->a, pair->b, is_barred);
	hear_bar(app, pair->b, pair->a, is_barred);
}

/* ---- users ------------------------------------------------------------------------------------ */

static void hear_names(struct app *app, const struct store_request *request)
{
	for (uint32_t i = 0; i < request->user_count; i++) {
		const struct store_user *user = &request->users[i];
		if (!user->has_name)
			continue;
		app_rename(app, user);
	}
}

/* Its friends hear of it as of any friendship that ends; the user itself is not there any more. */
static void hear_deleted(struct app *app, const struct store_request *request)
{
	struct friend_info user = { .user = request->user,
				    .name = request->profile.name,
				    .name_length = request->profile.name_length };
	for (uint32_t i = 0; i < request->friend_count; i++) {
		struct friend_info other = { .user = request->friends[i].user, .name = "" };
		sharing_unfriend(app, user.user, other.user);
		api_nearby_outdate(app, other.user);
		hear_side(app, true, user.user, &other);
		hear_side(app, true, other.user, &user);
		sharing_review(app, other.user, user.user);
	}
}

static void hear_forget(struct app *app, const struct store_request *request)
{
	if (!is_home(app, request->user))
		return;
	sharing_forget(app, request->user);
	struct event event = { .type = EVENT_FORGET, .now_us = boot_us(), .forget = request->user };
	struct engine_out out;
	engine_step(app->engine, &event, &out);
}

void hear(struct app *app, enum change_step step, const struct store_request *request)
{
	switch (step) {
	case CHANGE_REVOKE:
		bars_set(app->bars, request->bar.user, request->bar.not_before_s);
		session_revoke(app, request->bar.user);
		return;
	case CHANGE_LOGOUT:
		session_logout(app, request->user);
		return;
	case CHANGE_BAR:
		join_bar(app, request->user);
		return;
	case CHANGE_UNBAR:
		join_unbar(app, request->user);
		return;
	case CHANGE_WARN:
		sharing_warn(app, request);
		return;
	case CHANGE_HIDE:
		sharing_hide(app, request);
		return;
	case CHANGE_STAY:
		sharing_stay(app, request);
		return;
	case CHANGE_SHARE:
		sharing_hear(app, request);
		return;
	case CHANGE_TELL:
		sharing_tell(app, request);
		return;
	case CHANGE_PAIRS:
		hear_pairs(app, request);
		return;
	case CHANGE_BLOCK:
		hear_block(app, request);
		return;
	case CHANGE_DELETED:
		hear_deleted(app, request);
		return;
	case CHANGE_FORGET:
		hear_forget(app, request);
		return;
	case CHANGE_RENAME:
		hear_names(app, request);
		return;
	case CHANGE_END:
	case CHANGE_STORE:
	case CHANGE_PAUSE:
		break;
	}
	check(!"change step");
}
