/*
 * Owns: the HTTP/1.1 byte machine: bytes in, requests and parts of bodies out.
 * Invariant: it takes no byte beyond what it reports; a head never grows over NET_REQUEST_BYTES_MAX.
 * Thread: the core's.
 * Does not know: sockets, time, or how a request is answered. It is fed bytes in any portions.
 */
#ifndef NEARBY_NET_HTTP_H
#define NEARBY_NET_HTTP_H

#include "net/buffer.h"
#include "net/net.h"
#include "net/upgrade.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;

enum http_news_kind {
	HTTP_NEWS_MORE, /* all was taken, the request goes on */
	HTTP_NEWS_HEAD, /* the head is complete: http_request; so is all of it when it has no body */
	HTTP_NEWS_BODY, /* bytes of the body */
	HTTP_NEWS_END,	/* the body is complete; the next request begins with the next feed */
	HTTP_NEWS_BAD,	/* refuse it with `status`, say `why`, and close */
};

struct http_news {
	enum http_news_kind kind;
	/* Bytes that were taken; feed what is left for the next news. The last byte of a body is left
	 * although BODY has shown it: fed again, it is the END. */
	size_t used;
	const char *body; /* lent: points into what was fed */
	size_t body_bytes;
	unsigned status;
	const char *why;
};

/* How the request wants its answer; all false or 0 for a plain HTTP/1.1 GET. */
struct http_manner {
	bool is_head;	      /* HEAD: headers only */
	bool is_old;	      /* HTTP/1.0: no chunks */
	bool closes;	      /* the connection ends with the answer */
	bool awaits_continue; /* the body comes after a 100 */
	bool is_upgrade;
	char accept[UPGRADE_ACCEPT_BYTES + 1]; /* for the answer of an upgrade */
};

/* A machine at the start of a request, or NULL when there is no memory. */
struct http *http_open(struct buffer_pool *buffers, size_t head_bytes_max);
void http_close(struct http **http);

/* Takes bytes until there is news. */
struct http_news http_feed(struct http *http, const void *bytes, size_t length);
/* The request whose head is complete, its slices valid until the machine is fed after the
 * end of the request, or closed. */
const struct net_request *http_request(const struct http *http);
const struct http_manner *http_request_manner(const struct http *http);
/* Whether a request has begun and is not complete. */
bool http_is_within(const struct http *http);

/* "Not Found" for 404; "Unknown" for what has no name. */
const char *http_status_text(unsigned status);

#endif
