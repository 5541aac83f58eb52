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
static void hear_event(struct app *app, struct user_id user, const struct event *event)
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

static void hear_pairs(struct app *app, const struct store_request *request)
{
	const char *names = request->names != NULL ? request->names : "";
	bool is_end = request->op == STORE_FRIENDS_DELETE;
	for (uint32_t i = 0; i < request->pair_count; i++) {
		const struct store_pair *pair = &request->pairs[i];
		struct friend_info a = { .user = pair->a,
					 .name = names + pair->a_name_offset,
					 .name_length = pair->a_name_length };
		struct friend_info b = { .user = pair->b,
					 .name = names + pair->b_name_offset,
					 .name_length = pair->b_name_length };
		if (pair->result != STORE_PAIR_ADDED)
			continue;
		hear_side(app, is_end, a.user, &b);
		hear_side(app, is_end, b.user, &a);
	}
}

/* ---- users ------------------------------------------------------------------------------------ */

static void hear_names(struct app *app, const struct store_request *request)
{
	for (uint32_t i = 0; i < request->user_count; i++) {
		const struct store_user *user = &request->users[i];
		if (!user->has_name)
			continue;
		app_rename(app, user);
		join_note_name(app, user);
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
		hear_side(app, true, user.user, &other);
		hear_side(app, true, other.user, &user);
	}
}

static void hear_forget(struct app *app, const struct store_request *request)
{
	if (!is_home(app, request->user))
		return;
	session_logout(app, request->user);
	struct event event = { .type = EVENT_FORGET, .now_us = boot_us(), .forget = request->user };
	struct engine_out out;
	engine_step(app->engine, &event, &out);
}

void hear(struct app *app, enum change_step step, const struct store_request *request)
{
	switch (step) {
	case CHANGE_LOGOUT:
		session_logout(app, request->user);
		return;
	case CHANGE_PAIRS:
		hear_pairs(app, request);
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
		break;
	}
	check(!"change step");
}
