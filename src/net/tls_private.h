/*
 * Owns: what tls.c and tls_server.c share, and the only inclusion of libssl.
 * Invariant: see tls.h.
 * Thread: see tls.h.
 * Does not know: see tls.h.
 */
#ifndef NEARBY_NET_TLS_PRIVATE_H
#define NEARBY_NET_TLS_PRIVATE_H

#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>

enum { TLS_SERVER_MAGIC = 0x746c7373 };

struct tls_server {
	uint32_t magic;
	atomic_uint holders;
	struct tickets *tickets;
	BIO_METHOD *bio;
	uint32_t count;
	SSL_CTX *contexts[TLS_CERTIFICATES_MAX]; /* one a certificate */
};

/* How libssl reads and writes a struct tls, which is the data of its BIO. NULL: no memory. */
BIO_METHOD *tls_bio_method(void);
/* Counts the records that come to a struct tls, `context`; as SSL_CTX_set_msg_callback(3) wants it. */
void tls_on_record(int writes, int version, int type, const void *bytes, size_t length, SSL *ssl,
		   void *context);

#endif
