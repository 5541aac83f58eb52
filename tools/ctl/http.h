/*
 * Owns: one HTTP exchange over a Unix socket.
 * Invariant: every wait has a bound, unless the request says that it may take its time; an answer
 *   that is kept in memory has one too.
 * Thread: one.
 * Does not know: what is asked.
 */
#ifndef NEARBY_CTL_HTTP_H
#define NEARBY_CTL_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* An answer that is kept is at most this long. A page of friends takes 64 KiB. */
#define HTTP_KEPT_BYTES_MAX (1024 * 1024)

struct http_request {
	const char *method;
	const char *path;	  /* with its query */
	const char *accept;	  /* NULL: anything */
	const char *content_type; /* NULL: there is no body */
	const char *body;	  /* NUL-terminated, or NULL: `upload` is sent until its end */
	FILE *upload;
	bool is_patient; /* the daemon may be silent for long */
	/* Both may be NULL. `sent` hears how many bytes of the upload are gone; `sink` takes the
	 * body of an answer that is a success, and ends the exchange by returning false. */
	void (*sent)(void *context, uint64_t bytes);
	bool (*sink)(void *context, const char *bytes, size_t length);
	void *context;
};

struct http_answer {
	long status;
	char *body; /* what no sink took, NUL-terminated; freed by http_answer_fini */
	size_t length;
	char reason[256]; /* when there is no answer: why */
};

/*
 * Asks and waits. 0: there is an answer, see its status. -ECONNREFUSED: nobody listens at the
 * socket; -ETIMEDOUT: silence; -ECANCELED: the sink said so; -EIO: the exchange broke off.
 */
int http_ask(const char *socket_path, const struct http_request *request,
	     struct http_answer *answer);
void http_answer_fini(struct http_answer *answer);

/* Writes `text` percent-encoded for a query. False when it does not fit. */
bool http_escape(const char *text, char *out, size_t out_bytes);

#endif
