/*
 * Owns: what users share of where they are: what is asked and changed of it by their sessions, what these are
 *   told, and what ends by itself.
 * Invariant: what is taken back is hidden on every core before it is durable, what is given is durable first;
 *   who changed something hears of it when it is durable and every core has done its part.
 * Thread: the core's.
 * Does not know: who sees what (the engine's gate), how it is kept (the store), HTTP.
 */
#ifndef NEARBY_APP_SHARING_H
#define NEARBY_APP_SHARING_H

#include "app/change.h"
#include "proto/message.h"

struct app;
struct session;

/* What `request` asks (user, has_other, other, asked) may be: NULL, or a sentence that says why not. Fills in
 * what follows from it, the time among that. */
const char *sharing_judge(struct store_request *request);
/* The steps of a change that `request`, of STORE_SHARING_PUT, asks for. */
const enum change_step *sharing_steps(const struct store_request *request);
/* The same for a change that was refused although its first step has hidden something: what holds is said again. */
extern const enum change_step sharing_undo[];
/* And for one that the store failed to write: what its first step has hidden stays so until another is written. */
extern const enum change_step sharing_failed[];
bool sharing_is_undone(const struct store_request *request);

/* A `sharing` message of a client. */
void sharing_say(struct app *app, struct session *session, const struct client_msg *msg);
/* The session takes frames again: it is told what it has missed. */
void sharing_catch_up(struct app *app, struct session *session);

/* This core's part of CHANGE_WARN, CHANGE_HIDE, CHANGE_STAY, CHANGE_SHARE and CHANGE_TELL. */
void sharing_warn(struct app *app, const struct store_request *request);
void sharing_hide(struct app *app, const struct store_request *request);
void sharing_stay(struct app *app, const struct store_request *request);
void sharing_hear(struct app *app, const struct store_request *request);
void sharing_tell(struct app *app, const struct store_request *request);

/* A friendship has ended, and so have the exceptions of both for each other. */
void sharing_unfriend(struct app *app, struct user_id a, struct user_id b);
/* The friendship that was a reason to keep the user's location may have been the last: looks at what the database
 * says of it now, and hides it when nobody is left who may see it. */
void sharing_review(struct app *app, struct user_id user, struct user_id former);
/* A user was deleted: nothing of it ends any more. */
void sharing_forget(struct app *app, struct user_id user);

/* What the store knew at the start of when it ends. 0, or -ENOMEM. */
int sharing_open(struct app *app);
void sharing_close(struct app *app);
/* Ends what is over. */
void sharing_tick(struct app *app, uint64_t now_us);

#endif
