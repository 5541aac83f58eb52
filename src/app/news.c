/*
 * Owns: telling live sessions of friendships: `friend` messages, and those that wait for room.
 * Invariant: each session hears all of it, in order; none is dropped and none is merged: a session that does
 *   not take them is closed.
 * Thread: the core's.
 * Does not know: what made the change.
 */
#include "app/app_private.h"

#include <stdlib.h>
#include <string.h>

/* What may wait for one session: all friends of a user may change at once, and a few times over. Takes 104 bytes
 * each, for a client that reads slowly and for as long as send-timeout-s lets it. */
#define NEWS_MAX 20000u

struct news_item {
	struct news_item *next;
	enum friend_change what;
	struct user_id user;
	uint32_t name_length;
	char name[NAME_BYTES_MAX];
};

struct news {
	struct news_item *first, **end;
	uint32_t count;
};

void news_free(struct session *session)
{
	struct news *news = session->news;
	if (news == NULL)
		return;
	while (news->first != NULL) {
		struct news_item *next = news->first->next;
		free(news->first);
		news->first = next;
	}
	free(news);
	session->news = NULL;
}

static bool send_one(struct app *app, struct session *session, enum friend_change what,
		     const struct friend_info *who)
{
	struct server_msg msg = { .type = SERVER_FRIEND,
				  .friend = { .what = what,
					      .user = who->user,
					      .name = who->name,
					      .name_length = who->name_length } };
	return session_send(app, session, &msg);
}

static void keep_one(struct app *app, struct session *session, enum friend_change what,
		     const struct friend_info *who)
{
	if (session->news == NULL) {
		session->news = calloc(1, sizeof(*session->news));
		check(session->news != NULL);
		session->news->end = &session->news->first;
	}
	struct news *news = session->news;
	if (news->count == NEWS_MAX) {
		session_shut(app, session, 1008, "friend messages are not being read", CLOSE_POLICY);
		return;
	}
	struct news_item *item = malloc(sizeof(*item));
	check(item != NULL);
	*item = (struct news_item){ .what = what, .user = who->user, .name_length = who->name_length };
	memcpy(item->name, who->name, who->name_length);
	*news->end = item;
	news->end = &item->next;
	news->count++;
}

void news_tell(struct app *app, struct user_id user, enum friend_change what, const struct friend_info *who)
{
	struct session_id ids[USER_SESSIONS_MAX];
	uint32_t count = engine_sessions(app->engine, user, ids, ARRAY_COUNT(ids));
	for (uint32_t i = 0; i < count; i++) {
		struct session *session = &app->sessions[ids[i].slot];
		if (session->news == NULL && net_send_room(app->net, session->conn))
			send_one(app, session, what, who);
		else
			keep_one(app, session, what, who);
	}
}

bool news_go_on(struct app *app, struct session *session)
{
	struct news *news = session->news;
	while (news != NULL && news->first != NULL) {
		if (!net_send_room(app->net, session->conn))
			return false;
		struct news_item *item = news->first;
		const struct friend_info who = { .user = item->user,
						 .name = item->name,
						 .name_length = item->name_length };
		/* When it fails the session is closed, and the news with it. */
		if (!send_one(app, session, item->what, &who))
			return false;
		news->first = item->next;
		news->count--;
		free(item);
	}
	news_free(session);
	return true;
}
