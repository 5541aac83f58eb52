/*
 * Owns: asking the daemon's admin API over the control socket.
 * Invariant: what is not a success has been said to the user when a function here returns.
 * Thread: one.
 * Does not know: what single commands ask.
 */
#ifndef NEARBY_CTL_API_H
#define NEARBY_CTL_API_H

#include "ctl.h"
#include "http.h"
#include "proto/json.h"

/* Paths of the API with their queries. */
#define API_PATH_BYTES 640

/*
 * Asks. EXIT_OK: *answer holds a success, and the caller calls http_answer_fini; else the exit
 * status to end with.
 */
int api_ask(const struct ctl *ctl, const struct http_request *request, struct http_answer *answer);

/* The same for a request whose answer has no body worth reading. */
int api_do(const struct ctl *ctl, const struct http_request *request);

/* Reads an answer's body. EXIT_OK, or EXIT_FAILED and the user knows. */
int api_read(const struct ctl *ctl, struct json_reader *reader, const struct http_answer *answer);

/*
 * Walks a list of the API (`friends` or `people`) page by page, `limit` elements at most (0: all), from `path` (without a
 * query). `row` is called with the reader inside each element. *total gets what the API counts.
 */
int api_walk(const struct ctl *ctl, const char *path, uint64_t limit,
	     void (*row)(void *context, struct json_reader *reader), void *context, int64_t *total);

/* Whether the daemon takes sessions now. Says nothing when it does not. */
bool api_is_ready(const struct ctl *ctl);

#endif
