/*
 * Owns: one connection's dialogue with libssl.
 * Invariant: see the header. libssl sees a connection through a BIO of ours: it reads what is being fed and
 *   writes to `out`, and so never waits.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "net/tls_private.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
	TLS_MAGIC = 0x746c7321,
	/* Records in a row that bring no data, as updates of keys, before a peer is taken for hostile. */
	IDLE_RECORDS_MAX = 64,
	/* What one record adds to its plaintext, at most. */
	RECORD_OVERHEAD = 64,
};

struct tls {
	uint32_t magic;
	uint8_t state; /* enum tls_state */
	uint8_t idle_records;
	bool is_shut;
	bool lacks_memory;
	SSL *ssl;
	struct tls_server *server;
	const uint8_t *in; /* what is being fed, and not taken yet */
	size_t in_bytes;
	struct buffer_pool *buffers;
	struct buffer *out;
};

/* ---- how libssl reads and writes ------------------------------------------------------------ */

static int bio_read(BIO *bio, char *bytes, size_t room, size_t *length)
{
	struct tls *tls = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	*length = room < tls->in_bytes ? room : tls->in_bytes;
	if (*length == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(bytes, tls->in, *length);
	tls->in += *length;
	tls->in_bytes -= *length;
	return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t length, size_t *written)
{
	struct tls *tls = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	uint8_t *room = buffer_reserve(tls->buffers, &tls->out, length);
	if (room == NULL) {
		tls->lacks_memory = true;
		return 0;
	}
	memcpy(room, bytes, length);
	tls->out->end += (uint32_t)length;
	*written = length;
	return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *tls_bio_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "fed");
	if (method == NULL)
		return NULL;
	BIO_meth_set_read_ex(method, bio_read);
	BIO_meth_set_write_ex(method, bio_write);
	BIO_meth_set_ctrl(method, bio_control);
	BIO_meth_set_create(method, bio_create);
	return method;
}

void tls_on_record(int writes, int version, int type, const void *bytes, size_t length, SSL *ssl,
		   void *context)
{
	struct tls *tls = context;
	(void)version;
	(void)bytes;
	(void)length;
	(void)ssl;
	if (!writes && type == SSL3_RT_HEADER && tls->idle_records < UINT8_MAX)
		tls->idle_records++;
}

/* ---- from open to close --------------------------------------------------------------------- */

struct tls *tls_open(struct tls_server *server, struct buffer_pool *buffers)
{
	check_object(server, TLS_SERVER_MAGIC);
	struct tls *tls = calloc(1, sizeof(*tls));
	if (tls == NULL)
		return NULL;
	tls->magic = TLS_MAGIC;
	tls->server = tls_server_hold(server);
	tls->buffers = buffers;
	tls->ssl = SSL_new(server->contexts[0]);
	BIO *bio = tls->ssl == NULL ? NULL : BIO_new(server->bio);
	if (bio == NULL) {
		tls_close(&tls);
		return NULL;
	}
	BIO_set_data(bio, tls);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_msg_callback_arg(tls->ssl, tls);
	SSL_set_accept_state(tls->ssl);
	return tls;
}

void tls_close(struct tls **tls)
{
	struct tls *it = *tls;
	if (it == NULL)
		return;
	check_object(it, TLS_MAGIC);
	SSL_free(it->ssl);
	tls_server_drop(&it->server);
	buffer_give(it->buffers, &it->out);
	it->magic = 0;
	free(it);
	*tls = NULL;
}

void tls_move(struct tls *tls, struct buffer_pool *buffers)
{
	check_object(tls, TLS_MAGIC);
	check(tls->out == NULL);
	tls->buffers = buffers;
}

static enum tls_fault fault_of(const struct tls *tls, unsigned long error)
{
	if (tls->lacks_memory)
		return TLS_FAULT_MEMORY;
	if (ERR_GET_LIB(error) != ERR_LIB_SSL)
		return TLS_FAULT_RECORDS;
	int code = ERR_GET_REASON(error);
	if (code > SSL_AD_REASON_OFFSET && code <= SSL_AD_REASON_OFFSET + UINT8_MAX)
		return TLS_FAULT_REFUSED;
	switch (code) {
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return TLS_FAULT_HTTP;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SUITABLE_GROUPS:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
	case SSL_R_NO_APPLICATION_PROTOCOL:
		return TLS_FAULT_MISMATCH;
	default:
		return TLS_FAULT_RECORDS;
	}
}

static void judge(struct tls *tls, struct tls_news *news)
{
	switch (SSL_get_error(tls->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		break;
	case SSL_ERROR_ZERO_RETURN:
		tls->state = TLS_ENDED;
		break;
	default:
		news->fault = fault_of(tls, ERR_peek_error());
		tls->state = TLS_BROKEN;
		break;
	}
	if (tls->state != TLS_BROKEN && tls->idle_records > IDLE_RECORDS_MAX) {
		news->fault = TLS_FAULT_RECORDS;
		tls->state = TLS_BROKEN;
	}
}

static bool read_once(struct tls *tls, uint8_t *plain, size_t room, size_t *length)
{
	ERR_clear_error();
	if (SSL_read_ex(tls->ssl, plain, room, length) != 1)
		return false;
	tls->idle_records = 0;
	return true;
}

struct tls_news tls_feed(struct tls *tls, const void *bytes, size_t length, void *plain)
{
	check_object(tls, TLS_MAGIC);
	struct tls_news news = { .state = (enum tls_state)tls->state };
	if (tls->state == TLS_ENDED || tls->state == TLS_BROKEN)
		return news;
	size_t room = length + TLS_RECORD_BYTES, got;
	tls->in = bytes;
	tls->in_bytes = length;
	while (read_once(tls, (uint8_t *)plain + news.plain_bytes, room - news.plain_bytes, &got))
		news.plain_bytes += got;
	judge(tls, &news);
	tls->in = NULL;
	tls->in_bytes = 0;
	if (tls->state != TLS_BROKEN && news.state == TLS_HANDSHAKE && SSL_is_init_finished(tls->ssl)) {
		tls->state = tls->state == TLS_ENDED ? TLS_ENDED : TLS_OPEN;
		news.is_opened = true;
		news.is_resumed = SSL_session_reused(tls->ssl) == 1;
	}
	news.state = (enum tls_state)tls->state;
	return news;
}

bool tls_write(struct tls *tls, const void *bytes, size_t length)
{
	check_object(tls, TLS_MAGIC);
	if (tls->state != TLS_OPEN && tls->state != TLS_ENDED)
		return false;
	size_t records = length / TLS_RECORD_BYTES + 1, written = 0;
	ERR_clear_error();
	if (buffer_reserve(tls->buffers, &tls->out, length + records * RECORD_OVERHEAD) == NULL ||
	    SSL_write_ex(tls->ssl, bytes, length, &written) != 1) {
		tls->state = TLS_BROKEN;
		return false;
	}
	check(written == length);
	return true;
}

void tls_shut(struct tls *tls)
{
	check_object(tls, TLS_MAGIC);
	if (tls->is_shut || (tls->state != TLS_OPEN && tls->state != TLS_ENDED))
		return;
	tls->is_shut = true;
	ERR_clear_error();
	/* One way only: for the peer's word nobody waits. */
	SSL_shutdown(tls->ssl);
}

bool tls_is_ended(const struct tls *tls)
{
	return tls->state == TLS_ENDED;
}

size_t tls_output_bytes(const struct tls *tls)
{
	return buffer_length(tls->out);
}

struct buffer *tls_take_output(struct tls *tls)
{
	check_object(tls, TLS_MAGIC);
	struct buffer *out = tls->out;
	if (buffer_length(out) == 0)
		return NULL;
	tls->out = NULL;
	buffer_trim(tls->buffers, &out);
	return out;
}
