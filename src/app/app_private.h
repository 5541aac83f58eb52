/*
 * Owns: what the files of this folder share: struct app and the objects that hang on connections.
 * Invariant: a connection's cookie is 0, or a session's slot, or an exchange, told apart by the
 *   low bits; a store request or change in flight keeps its exchange alive, a connection does not.
 * Thread: the core's.
 * Does not know: anything beyond this folder.
 */
#ifndef NEARBY_APP_APP_PRIVATE_H
#define NEARBY_APP_APP_PRIVATE_H

#include "app/app.h"
#include "app/bars.h"
#include "app/change.h"
#include "app/interval.h"
#include "app/lapses.h"
#include "app/sharing.h"
#include "base/check.h"
#include "engine/engine.h"
#include "proto/codec.h"
#include "proto/json.h"

#include <stdio.h>

/* Between two ticks of the engine. */
#define TICK_US 10000u
/* In which errors-per-min are counted. */
#define ERROR_WINDOW_S	60u
/* Of requests-per-s after a silence, in seconds' worth. */
#define REQUESTS_BURST_S 10u
/* What a silent client may catch up with at once, in time at its allowed rate: a session that begins
 * by muting some hundred friends is no flood. */
#define MESSAGES_BURST_US (30u * 1000000u)
/* Joins that wait for the store on this core; over it 503. The store's rings hold 1,024 a client. */
#define JOINS_MAX 4096u

/* Requests under way on this core; over it 503, save for those that ask for no token. While the store is
 * stuck they stay although their clients have gone, so connections do not bound them. */
#define EXCHANGES_MAX 4096u

/* A store that has answered no join for so long is stuck: then nobody waits for it in vain. */
#define JOIN_STUCK_US 1000000u
/* Joins of all cores, for each core, beyond which new connections wait in line: as many are under way in a
 * storm, so that each is over soon and all others wait their turn, unrefused. */
#define JOINS_UNDER_WAY 128u

struct exchange;
struct join;
struct news;
struct sharing_ask;

/* One open WebSocket, by the engine's session slot. */
struct session {
	struct session_id id;
	struct conn_id conn;
	bool is_open;
	bool is_paused; /* the engine was told that it can take no frame */
	bool has_missed_sharing; /* a `sharing` message found no room */
	uint8_t codec;	/* enum codec_id */
	uint8_t errors; /* since error_window_s */
	uint32_t error_window_s; /* of the boot clock */
	struct user_id user;
	int64_t expires_s; /* of the token, seconds since 1970 */
	int64_t issued_s; /* the same; 0: it does not say */
	uint64_t messages_until_us; /* what was heard fills the allowed rate up to here */
	struct news *news; /* of friendships, that wait for room; NULL: none */
};

/* An event that concerns all joins, with the name that it lends. */
struct note {
	struct event event;
	char name[NAME_BYTES_MAX];
};

/* A message of control.c, as its ring holds it. */
struct control_record {
	struct change *change;
	uint64_t arrival; /* enum change_arrival */
};

/* Those to one core that did not fit into its ring. */
struct control_queue {
	struct control_record *records;
	uint32_t count, capacity;
};

struct app {
	uint32_t magic;
	uint32_t core;
	struct app_shared *shared;
	const struct config *config; /* of shared->live, as of this turn */
	const struct token_key *key;
	struct net *net;
	struct engine *engine;
	void *engine_memory;
	size_t engine_bytes;
	struct decoder *decoder;
	struct json_reader *reader; /* for bodies and lines */
	struct bars *bars;
	struct bars *hidden; /* users whose home is here and whose word that nobody sees them could not be written */
	struct counter_block counters;
	struct session *sessions; /* by slot; sessions_max of them */
	uint32_t sessions_max;	  /* on this core */
	uint32_t session_count;
	uint32_t sweep_slot; /* next session whose token is looked at */
	struct exchange *exchanges; /* all that are not over */
	uint32_t exchange_count;
	uint32_t nearby_count; /* of these, lists of who is near that wait for the store */
	/* Joins that wait for the store, and submits that found its ring full. */
	struct join *joins;
	uint32_t join_count;
	bool is_crowded; /* new connections wait until fewer joins are under way */
	/* Names that changed, and what users show everybody, while joins wait; each join applies those that
	 * came after it asked. */
	struct note *notes;
	uint32_t note_count, note_capacity;
	/* Users whose deletion is under way: nobody joins as one of them. */
	struct user_id *leaving;
	uint32_t leaving_count, leaving_capacity;
	struct store_request **waiting;
	uint32_t waiting_count, waiting_capacity;
	struct control_queue control[NEARBYSHM_CORES_MAX];
	/* At core 0: the changes in line, see change.c, and whether they are moved on just now. */
	struct change *changes, *changes_last;
	bool is_moving_on;
	/* What ends by itself of what users share whose home is here; changes of it on their way; and of
	 * these, lapses that are to be written again. */
	struct lapses *lapses;
	struct sharing_ask *asks;
	uint32_t ask_count, again_count;
	uint64_t next_tick_us;
	struct interval interval;
	/* Drain: when it began, the next slot to be told, and where the slots in use end. */
	uint64_t drain_began_us;
	uint32_t drain_slot, drain_end_slot;
	bool is_drained;
};

enum { APP_MAGIC = 0x61707021 };

/* ---- cookies -------------------------------------------------------------------------------- */

/* What a connection, or the context of a store request, belongs to. */
enum cookie_kind { COOKIE_NONE = 0, COOKIE_SESSION = 1, COOKIE_EXCHANGE = 2, COOKIE_JOIN = 3, COOKIE_CHANGE = 4 };
#define COOKIE_BITS	       3u
#define COOKIE_MASK	       ((UINT64_C(1) << COOKIE_BITS) - 1)
#define COOKIE_KIND(cookie)    ((enum cookie_kind)((cookie) & COOKIE_MASK))
#define COOKIE_POINTER(cookie) ((void *)(uintptr_t)((cookie) & ~COOKIE_MASK))
#define COOKIE_SLOT(cookie)    ((uint32_t)((cookie) >> COOKIE_BITS))
static inline uint64_t cookie_of_pointer(enum cookie_kind kind, void *pointer)
{
	check(((uintptr_t)pointer & COOKIE_MASK) == 0);
	return (uint64_t)(uintptr_t)pointer | (uint64_t)kind;
}

/* ---- exchange.c: one HTTP request and its answer -------------------------------------------- */

/* What a stream of locations may be: lines, a table, or one document of features. */
enum stream_format { STREAM_NDJSON, STREAM_CSV, STREAM_GEOJSON, STREAM_FORMAT_COUNT };

/* As Accept and Content-Type name it. */
const char *stream_type(enum stream_format format);

struct exchange {
	uint32_t magic;
	struct app *app;
	struct exchange *next, *previous; /* in app->exchanges */
	struct conn_id conn;
	bool conn_gone;	    /* what is in flight still comes to its end: a change must be told */
	bool is_done;	    /* answered; waits only for what is in flight */
	uint32_t in_flight; /* store requests and changes that will come back */
	enum route route;
	uint64_t began_us;
	int64_t expires_s; /* of the token */
	int64_t issued_s; /* the same; 0: it does not say */
	bool is_nobodys;  /* no token, or a service's that is no user's: nothing can revoke it */
	struct user_id bearer;	/* whose token it is, if it is somebody's */
	struct user_id user;	/* of the path, or of the token under /v1/me */
	struct user_id other;	/* second of the path, or first under /v1/me */
	enum stream_format format; /* of a stream: what Accept asks for by name */
	bool is_begun;		   /* a document's first part has left */
	bool is_head;		/* only the head of the answer is wanted */
	bool is_outdated; /* a list of who is near: what the user may see became less since the store was asked */
	uint32_t limit;
	struct page_cursor cursor;
	bool has_cursor;
	int64_t from_ms, to_ms;
	struct store_request request;
	struct change change;
	struct store_pair pair;
	struct store_user put;
	uint8_t *body;
	size_t body_length;
	void (*on_gathered)(struct exchange *exchange); /* see exchange_gather */
	size_t gather_bytes_max; /* 0: no body is being gathered */
	/* How it goes on (all NULL when there is no such step): after the store's answer, or when a change
	 * is over; with bytes of the body, with room to send. */
	void (*on_store)(struct exchange *exchange, struct store_request *request);
	void (*on_body)(struct exchange *exchange, const void *bytes, size_t length, bool last);
	void (*on_room)(struct exchange *exchange);
	void (*on_end)(struct exchange *exchange); /* frees what `own` holds */
	void *own;				   /* of import.c or stream.c */
};

enum { EXCHANGE_MAGIC = 0x65786368 };

/* Ends those whose bodies trickle in for too long. */
void exchange_tick(struct app *app, uint64_t now_us);
/* NULL: no memory. */
struct exchange *exchange_begin(struct app *app, struct conn_id conn, enum route route);
/* Ends all when network and store are gone. */
void exchange_close_all(struct app *app);
/* Answers with a body of JSON (200), nothing (204, 201) or a problem document, and ends. */
void exchange_answer(struct exchange *exchange, unsigned status, const char *type, const void *body,
		     size_t length);
void exchange_problem(struct exchange *exchange, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Gathers a body of at most body-bytes-max within handshake-timeout-s, if one comes, into `body`, and goes on with `then`. */
void exchange_gather(struct exchange *exchange, const struct net_request *request,
		     void (*then)(struct exchange *));
/* For streams, whose answer has left already. */
void exchange_end(struct exchange *exchange, bool is_whole);
/* Sends `request` (a part of the exchange) to the store; on_store follows. */
void exchange_ask(struct exchange *exchange, struct store_request *request);
/* The store has answered, or a change is over: the exchange goes on. */
void exchange_came_back(struct exchange *exchange, struct store_request *request);
/* Submits `change` (a part of the exchange, with what its request asks); on_store follows. */
void exchange_change(struct exchange *exchange, struct change *change, const enum change_step *steps);
/* Asks about exchange->user with the exchange's own request, or change. */
void exchange_question(struct exchange *exchange, enum store_op op,
		       void (*on_store)(struct exchange *, struct store_request *));
void exchange_order(struct exchange *exchange, enum store_op op, const enum change_step *steps,
		    void (*on_store)(struct exchange *, struct store_request *));
/* True when the store did what was asked; else the exchange is answered and over. */
bool exchange_is_good(struct exchange *exchange, const struct store_request *request);
/* A step for on_store: 204 when the store did what was asked. */
void exchange_answer_nothing(struct exchange *exchange, struct store_request *request);
/* The text of a store's status for a problem document, with its HTTP status. */
unsigned exchange_store_failure(int status, const char **text);

/* ---- api.c: routing ------------------------------------------------------------------------- */

void api_request(void *context, struct conn_id conn, const struct net_request *request);
void api_body(void *context, struct conn_id conn, const void *bytes, size_t length, bool last);
/* What a token is found to be, at this time and as this server is configured, revocation included. */
enum token_verdict api_judge(struct app *app, const char *text, size_t length, struct token *token);
/* A problem document without an exchange. */
void api_refuse(struct app *app, struct conn_id conn, unsigned status, const char *detail);
/* 405 with the methods that there are, as "GET, HEAD, PUT". */
void api_refuse_method(struct app *app, struct conn_id conn, const char *allowed);

/* What the user may see of another became less: a list of who is near that the store is asked for on its behalf
 * may be of before, and is asked for anew. */
void api_nearby_outdate(struct app *app, struct user_id user);

/* The end of a page: ],"total":...,"next":...} */
void api_put_next(struct writer *writer, uint32_t total, bool has_next, const struct page_cursor *next);

/* Handlers named in routes.tbl. The request is lent for the call. */
#define ROUTE(name, text, method, pattern, where, who, handler)                                          \
	void handler(struct exchange *exchange, const struct net_request *request);
#include "app/routes.tbl"
#undef ROUTE

/* ---- session.c: WebSocket sessions ---------------------------------------------------------- */

/* A session that is in the engine now: its slot is *fresh from here on, and the client is welcomed. */
void session_begin(struct app *app, const struct session *fresh, const struct store_profile *profile);
/* A whole message; one of the kind that the session's subprotocol does not speak ends it. */
void session_message(struct app *app, struct session *session, bool is_binary, const void *bytes, size_t length);
void session_gone(struct app *app, struct session *session);
void session_writable(struct app *app, struct session *session);
/* Sends one message; false when there was no room (the session is shut then). */
bool session_send(struct app *app, struct session *session, const struct server_msg *msg);
/* Answers what a client said with an error, of which it may make so many. */
void session_error(struct app *app, struct session *session, enum error_code code, const char *text);
void session_shut(struct app *app, struct session *session, unsigned code, const char *text,
		  enum close_reason reason);
/* A slice of the work that time asks for: expired tokens, drain. */
void session_tick(struct app *app, uint64_t now_us);
/* Frames that are due. Whether these were all. */
bool session_flush(struct app *app);
/* Ends the sessions of a user that are here, and refuses those of it that wait for the store. */
void session_logout(struct app *app, struct user_id user);
/* Ends those of its sessions that are here whose tokens were revoked. */
void session_revoke(struct app *app, struct user_id user);

/* ---- news.c: who became a friend, or asks to --------------------------------------------------- */

/* Sends a `friend` message to all sessions of `user` here: what became of its friendship with `who`. */
void news_tell(struct app *app, struct user_id user, enum friend_change what, const struct friend_info *who);
/* Sends what waited for room. True when nothing waits any more; false too when that ended the session. */
bool news_go_on(struct app *app, struct session *session);
/* The session is over. */
void news_free(struct session *session);

/* ---- join.c: sessions on their way ------------------------------------------------------------ */

void join_adopted(void *context, struct conn_id conn, void *baggage);
void join_handover_failed(void *context, void *baggage);
void join_loaded(struct app *app, struct store_request *request);
/* Lets so many new connections in as joins may still be under way. */
void join_admit(struct app *app, uint64_t now_us);
/* The connection of a join that waits for the store has ended. */
void join_gone(struct join *join);
/* Refuses those that have waited for the store too long. */
void join_tick(struct app *app, uint64_t now_us);
/* Those of this user will be refused: it is deleted. */
void join_logout(struct app *app, struct user_id user);
/* From now on, and until as many calls of the second, no session of this user begins here. */
void join_bar(struct app *app, struct user_id user);
void join_unbar(struct app *app, struct user_id user);
/* A session has ended: its place among sessions-max is free. */
void join_give_place(struct app *app);
/* Ends the joins that are left when network and store are gone. */
void join_close_all(struct app *app);
/* An event about `user` that arrives while its join waits for the store; true when it is kept, and not to be
 * given to the engine now. What it lends is copied where it is of a friendship; nothing else may lend. */
bool join_keep(struct app *app, struct user_id user, const struct event *event);
/* EVENT_RENAME or EVENT_SHARING, for the joins that wait: the store's answer to them may be of before. */
void join_note(struct app *app, const struct event *event);

/* ---- control.c, hear.c: what cores tell each other beside moves ------------------------------ */

/* Posts a change that has come to `arrival` to another core. */
void control_post(struct app *app, uint32_t to, struct change *change, enum change_arrival arrival);
/* Handles what arrived and posts what waited. Returns whether something still waits. */
bool control_turn(struct app *app);

/* This core's part of a step of a change. */
void hear(struct app *app, enum change_step step, const struct store_request *request);
/* Gives an event about `user`, whose home is here, to its join or to the engine, if it has one or a session. */
void hear_event(struct app *app, struct user_id user, const struct event *event);

/* ---- store requests of this core ------------------------------------------------------------ */

/* Submits, or keeps until the ring has room. */
void app_submit(struct app *app, struct store_request *request);

/* ---- between store and engine ------------------------------------------------------------------ */

/* The friends of an answer as the engine takes them: fresh memory that the caller frees, with names
 * lent from the answer. NULL: no memory. */
struct friend_info *app_friends(const struct store_request *answer);
/* Whether some exception of the answer shows its user. */
bool app_is_shown(const struct store_request *answer);
/* Tells the engine, and joins that wait, of a user's name. Without room for it the old one stays. */
void app_rename(struct app *app, const struct store_user *user);

/* ---- text ------------------------------------------------------------------------------------ */

/* A path, percent-decoded into memory; empty, which is no path, when it is malformed or does not fit. */
struct net_text path_decode(struct net_text path, char *memory, size_t bytes);
/* The value of `name` in a query string, percent-decoded into memory; bytes == NULL when absent, empty
 * when it is malformed or does not fit: no parameter of ours may be empty. */
struct net_text query_value(struct net_text query, const char *name, char *memory, size_t bytes);
bool text_equal(struct net_text text, const char *other);
/* Whether a Content-Type is `type`, whatever its parameters. */
bool media_type_is(struct net_text content_type, const char *type);
/* How much an Accept header asks for `type` by name, in thousandths; 0 when it does not. */
unsigned accept_weight(struct net_text accept, const char *type);
/* ms since 1970 from "1700000000000" or RFC 3339 ("2009-02-01T00:00:00Z", "+01:00", fraction). */
bool time_parse(struct net_text text, int64_t *ms);

/* ---- metrics.c ------------------------------------------------------------------------------- */

/* Prometheus text of the whole segment, in fresh memory that the caller frees; NULL: no memory. */
char *metrics_text(const struct nearby_segment *segment, size_t *length);

#endif
