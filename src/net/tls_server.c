/*
 * Owns: certificates and keys as they are read from files, the settings of TLS, and what libssl asks of a
 *   server: names, protocols, tickets.
 * Invariant: no version below 1.2, no cipher without forward secrecy or without authentication of what it
 *   encrypts, no renegotiation, no compression, no early data.
 * Thread: see tls.h. The holders of a server are counted by whichever threads they are on: the last to let
 *   go sees, by acquire, all that the others did before they let go.
 * Does not know: connections.
 */
#include "net/tls_private.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PROTOCOL "http/1.1"
#define CIPHERS_1_2                                                                                \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                               \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                               \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS	    "X25519:P-256:P-384"

/* ---- errors of files ------------------------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static int explain(const char **reason, int result,
							  const char *format, ...)
{
	static _Thread_local char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	*reason = text;
	return result;
}

/* Nobody is there to be asked for a password. */
static int on_password(char *buffer, int bytes, int writes, void *asked)
{
	(void)buffer;
	(void)bytes;
	(void)writes;
	*(bool *)asked = true;
	return -1;
}

static int check_readable(const char *what, const char *path, const char **reason)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		int error = -errno;
		return explain(reason, error, "%s: cannot open %s: %s", what, path, strerror(-error));
	}
	fclose(file);
	return 0;
}

static const char *first_error(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());
	return text == NULL ? "unknown error" : text;
}

static bool first_error_is(int library, int code)
{
	unsigned long error = ERR_peek_error();
	return ERR_GET_LIB(error) == library && ERR_GET_REASON(error) == code;
}

static int use_certificate(SSL_CTX *context, const char *path, const char **reason)
{
	int error = check_readable("tls-certificate", path, reason);
	if (error != 0)
		return error;
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(context, path) == 1)
		return 0;
	if (first_error_is(ERR_LIB_PEM, PEM_R_NO_START_LINE))
		return explain(reason, -EINVAL,
			       "tls-certificate: %s holds no certificate; it must be in PEM, the server's own first, "
			       "then those that lead up to its issuer",
			       path);
	return explain(reason, -EINVAL, "tls-certificate: %s: %s", path, first_error());
}

static int use_key(SSL_CTX *context, const struct tls_files *files, const char **reason)
{
	bool asked = false;
	int error = check_readable("tls-key", files->key, reason);
	if (error != 0)
		return error;
	SSL_CTX_set_default_passwd_cb(context, on_password);
	SSL_CTX_set_default_passwd_cb_userdata(context, &asked);
	ERR_clear_error();
	int done = SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM);
	SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
	if (done == 1 && SSL_CTX_check_private_key(context) == 1)
		return 0;
	if (asked)
		return explain(reason, -EINVAL,
			       "tls-key: %s is encrypted; it must be without a password, and readable by the daemon "
			       "alone",
			       files->key);
	/* One of another kind is taken, for a certificate that never comes. */
	if (done == 1 || first_error_is(ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH))
		return explain(reason, -EINVAL, "tls-key: %s is not the key of the certificate in %s", files->key,
			       files->certificate);
	if (first_error_is(ERR_LIB_PEM, PEM_R_NO_START_LINE) ||
	    first_error_is(ERR_LIB_OSSL_DECODER, ERR_R_UNSUPPORTED))
		return explain(reason, -EINVAL, "tls-key: %s holds no private key in PEM", files->key);
	return explain(reason, -EINVAL, "tls-key: %s: %s", files->key, first_error());
}

/* What is not wrong enough to refuse. */
static void warn(SSL_CTX *context, const struct tls_files *files, const char **reason)
{
	const X509 *certificate = SSL_CTX_get0_certificate(context);
	struct stat status;
	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
		explain(reason, 0, "tls-certificate: %s has expired", files->certificate);
	else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
		explain(reason, 0, "tls-certificate: %s is not valid yet", files->certificate);
	else if (stat(files->key, &status) == 0 && (status.st_mode & 0077) != 0)
		explain(reason, 0, "tls-key: %s: others may access it; chmod 600 is safer", files->key);
}

/* ---- what libssl asks ----------------------------------------------------------------------- */

static int on_protocols(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_bytes,
			const unsigned char *offered, unsigned int offered_bytes, void *context)
{
	static const unsigned char ours[] = "\x08" PROTOCOL;
	(void)ssl;
	(void)context;
	for (unsigned at = 0; at + sizeof(ours) - 1 <= offered_bytes; at += 1u + offered[at]) {
		if (memcmp(offered + at, ours, sizeof(ours) - 1) != 0)
			continue;
		*chosen = offered + at + 1;
		*chosen_bytes = ours[0];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* The certificate that is for the name; the first one where there is none. */
static int on_name(SSL *ssl, int *alert, void *context)
{
	struct tls_server *server = context;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	(void)alert;
	if (name == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	for (uint32_t i = 0; i < server->count; i++) {
		X509 *certificate = SSL_CTX_get0_certificate(server->contexts[i]);
		if (X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) != 1)
			continue;
		return SSL_set_SSL_CTX(ssl, server->contexts[i]) != NULL ? SSL_TLSEXT_ERR_OK
									 : SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static int seal_ticket(const struct ticket_key *key, unsigned char *name, unsigned char *iv,
		       EVP_CIPHER_CTX *cipher)
{
	memcpy(name, key->name, sizeof(key->name));
	if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
		return -1;
	return EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv);
}

static bool set_mac_key(EVP_MAC_CTX *mac, struct ticket_key *key)
{
	char digest[] = "SHA256";
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_octet_string("key", key->mac, sizeof(key->mac)),
		OSSL_PARAM_utf8_string("digest", digest, sizeof(digest) - 1),
		OSSL_PARAM_END,
	};
	return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) wants it: -1 error, 0 unknown, 1 fine, 2 fine but renew. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac, int seals)
{
	const struct tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	uint64_t now_s = boot_us() / 1000000u;
	struct ticket_key key;
	bool is_old = false;
	int result;
	if (seals) {
		tickets_take(server->tickets, now_s, &key);
		result = seal_ticket(&key, name, iv, cipher);
	} else if (!tickets_find(server->tickets, now_s, name, &key, &is_old)) {
		return 0;
	} else {
		result = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv);
	}
	if (result != 1 || !set_mac_key(mac, &key))
		result = -1;
	explicit_bzero(&key, sizeof(key));
	return result == 1 && is_old ? 2 : result;
}

/* ---- the server ----------------------------------------------------------------------------- */

/* Settings that no file has a say in; they fail for want of memory only. */
static bool configure(SSL_CTX *context, struct tls_server *server)
{
	SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
					     SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	/* Tickets hold sessions, so that nothing of them stays here, and any core resumes any. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(context, TICKETS_PERIOD_S);
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_set_max_early_data(context, 0);
	SSL_CTX_set_security_level(context, 2);
	SSL_CTX_set_alpn_select_cb(context, on_protocols, NULL);
	SSL_CTX_set_tlsext_servername_callback(context, on_name);
	SSL_CTX_set_tlsext_servername_arg(context, server);
	SSL_CTX_set_msg_callback(context, tls_on_record);
	return SSL_CTX_set_app_data(context, server) == 1 &&
	       SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1 &&
	       SSL_CTX_set_session_id_context(context, (const unsigned char *)"nearby", 6) == 1 &&
	       SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(context, CIPHERS_1_2) == 1 &&
	       SSL_CTX_set_ciphersuites(context, CIPHERS_1_3) == 1 &&
	       SSL_CTX_set1_groups_list(context, GROUPS) == 1;
}

static int add_context(struct tls_server *server, const struct tls_files *files, const char **reason)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	if (context == NULL)
		return explain(reason, -ENOMEM, "TLS: %s", first_error());
	server->contexts[server->count++] = context;
	if (!configure(context, server))
		return explain(reason, -ENOMEM, "TLS: %s", first_error());
	int error = use_certificate(context, files->certificate, reason);
	if (error == 0)
		error = use_key(context, files, reason);
	if (error == 0)
		warn(context, files, reason);
	return error;
}

int tls_server_open(struct tls_server **server, const struct tls_files *files, uint32_t count,
		    struct tickets *tickets, const char **reason)
{
	check(count > 0 && count <= TLS_CERTIFICATES_MAX);
	*reason = "out of memory";
	struct tls_server *fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->magic = TLS_SERVER_MAGIC;
	fresh->holders = 1;
	fresh->tickets = tickets;
	fresh->bio = tls_bio_method();
	int error = fresh->bio == NULL ? -ENOMEM : 0;
	if (error == 0)
		*reason = NULL;
	for (uint32_t i = 0; i < count && error == 0; i++)
		error = add_context(fresh, &files[i], reason);
	if (error != 0)
		tls_server_drop(&fresh);
	*server = fresh;
	return error;
}

struct tls_server *tls_server_hold(struct tls_server *server)
{
	if (server == NULL)
		return NULL;
	check_object(server, TLS_SERVER_MAGIC);
	atomic_fetch_add_explicit(&server->holders, 1, memory_order_relaxed);
	return server;
}

void tls_server_drop(struct tls_server **server)
{
	struct tls_server *it = *server;
	*server = NULL;
	if (it == NULL)
		return;
	check_object(it, TLS_SERVER_MAGIC);
	if (atomic_fetch_sub_explicit(&it->holders, 1, memory_order_acq_rel) > 1)
		return;
	for (uint32_t i = 0; i < it->count; i++)
		SSL_CTX_free(it->contexts[i]);
	BIO_meth_free(it->bio);
	it->magic = 0;
	free(it);
}
