/*
 * Owns: TLS 1.2 and 1.3 of one connection as a byte machine, and what connections share: certificates and
 *   settings.
 * Invariant: ciphertext that was fed is taken whole; what is not yet plaintext is part of one record or of
 *   one message of the handshake, so at most 128 KiB. No call waits.
 * Thread: a struct tls: that of whoever has the connection. A struct tls_server: any, it is constant.
 * Does not know: sockets, io_uring, HTTP, time (but for the age of ticket keys).
 */
#ifndef NEARBY_NET_TLS_H
#define NEARBY_NET_TLS_H

#include "net/buffer.h"
#include "net/tickets.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Plaintext of one record. */
#define TLS_RECORD_BYTES 16384u
/* Certificates of one server. */
#define TLS_CERTIFICATES_MAX 16

struct tls_server;

/* Files in PEM: a certificate with those that lead up to its issuer behind it, and its private key. */
struct tls_files {
	const char *certificate, *key;
};

/*
 * Reads `count` certificates, the first for clients that name no host, or none that another is for.
 * 0, then *reason is NULL or a warning; or negative errno, and *reason says which file is wrong, and how.
 * It has one holder, the caller; `tickets` must outlive it.
 */
int tls_server_open(struct tls_server **server, const struct tls_files *files, uint32_t count,
		    struct tickets *tickets, const char **reason);
/* One more holder. NULL holds nothing. */
struct tls_server *tls_server_hold(struct tls_server *server);
/* One less; it is gone with its last holder. Each open connection is one. */
void tls_server_drop(struct tls_server **server);

/* ---- one connection ------------------------------------------------------------------------- */

struct tls;

enum tls_state {
	TLS_HANDSHAKE, /* no plaintext goes or comes yet */
	TLS_OPEN,
	TLS_ENDED,  /* the peer said that nothing more comes; what is given still goes */
	TLS_BROKEN, /* see tls_fault; nothing comes or goes but an alert, which tls_take_output has */
};

enum tls_fault {
	TLS_FAULT_NONE,
	TLS_FAULT_RECORDS,  /* what came is no TLS, or was changed on its way */
	TLS_FAULT_MISMATCH, /* no version, cipher, group or protocol that both have */
	TLS_FAULT_REFUSED,  /* the peer breaks off with an alert: it distrusts the certificate, most often */
	TLS_FAULT_HTTP,	    /* the peer speaks HTTP in the clear */
	TLS_FAULT_MEMORY,
};

/* How it stands after it was fed. */
struct tls_news {
	size_t plain_bytes;
	enum tls_state state;
	enum tls_fault fault; /* when BROKEN */
	bool is_opened;	      /* the handshake was completed by what was fed */
	bool is_resumed;      /* and was a short one, by a ticket */
};

/* A connection that nothing has come from yet, or NULL when there is no memory. It takes what it sends from
 * `buffers`. */
struct tls *tls_open(struct tls_server *server, struct buffer_pool *buffers);
void tls_close(struct tls **tls);
/* Goes on with the buffers of another core; nothing may wait to be sent. */
void tls_move(struct tls *tls, struct buffer_pool *buffers);

/* Takes all of `bytes`. `plain` has room for length + TLS_RECORD_BYTES, so nothing is left behind. */
struct tls_news tls_feed(struct tls *tls, const void *bytes, size_t length, void *plain);
/* Seals what the peer is to get. False: it is broken. */
bool tls_write(struct tls *tls, const void *bytes, size_t length);
/* Says, once, that nothing more comes from here. */
void tls_shut(struct tls *tls);
/* Whether the peer has said so: else an end of the stream is a cut. */
bool tls_is_ended(const struct tls *tls);
/* Bytes that wait to be sent, and those bytes as a buffer, which is the caller's; NULL when there are none. */
size_t tls_output_bytes(const struct tls *tls);
struct buffer *tls_take_output(struct tls *tls);

#endif
