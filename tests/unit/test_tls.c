/*
 * Owns: what src/net/tls.c promises, against libssl as a client in memory.
 * Invariant: each test has a server with a certificate of its own.
 * Thread: one.
 * Does not know: sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/tls.h"

enum { PIECE_BYTES = 4096, WHOLE = 1 << 20 };

/* ---- the server ----------------------------------------------------------------------------- */

struct world {
	char certificate[64], key[64];
	struct tickets *tickets;
	struct tls_server *server;
	struct buffer_pool buffers;
	SSL_CTX *client; /* trusts nobody in particular */
};

static void write_certificate(struct world *world)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_NAME *name = X509_get_subject_name(certificate);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	FILE *file = fopen(world->certificate, "w");
	assert_int_equal(PEM_write_X509(file, certificate), 1);
	fclose(file);
	file = fopen(world->key, "w");
	assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(file);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static void open_server(struct world *world)
{
	const char *reason;
	struct tls_files files = { world->certificate, world->key };
	assert_int_equal(tls_server_open(&world->server, &files, 1, world->tickets, &reason), 0);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	snprintf(world->certificate, sizeof(world->certificate), "/tmp/test_tls-%d.pem", (int)getpid());
	snprintf(world->key, sizeof(world->key), "/tmp/test_tls-%d.key", (int)getpid());
	write_certificate(world);
	world->tickets = tickets_open(boot_us() / 1000000u);
	open_server(world);
	world->client = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(world->client, 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	tls_server_drop(&world->server);
	tickets_close(&world->tickets);
	buffer_pool_fini(&world->buffers);
	SSL_CTX_free(world->client);
	unlink(world->certificate);
	unlink(world->key);
	free(world);
	return 0;
}

/* ---- a client and its connection ------------------------------------------------------------ */

struct pair {
	struct world *world;
	SSL *client;
	struct tls *tls;
	size_t portion; /* bytes fed at once */
	size_t split;	/* the first feed has so many, when not 0 */
	struct tls_news last;
	bool was_opened, was_resumed;
	uint8_t heard[400000]; /* by the server */
	size_t heard_bytes;
};

static struct pair *pair_open(struct world *world, int version, size_t portion)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	pair->world = world;
	pair->portion = portion;
	pair->tls = tls_open(world->server, &world->buffers);
	pair->client = SSL_new(world->client);
	SSL_set_bio(pair->client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(pair->client);
	if (version != 0) {
		SSL_set_min_proto_version(pair->client, version);
		SSL_set_max_proto_version(pair->client, version);
	}
	return pair;
}

static void pair_close(struct pair **pair)
{
	SSL_free((*pair)->client);
	tls_close(&(*pair)->tls);
	free(*pair);
	*pair = NULL;
}

static void feed(struct pair *pair, const uint8_t *bytes, size_t length)
{
	static uint8_t plain[WHOLE + TLS_RECORD_BYTES];
	struct tls_news news = tls_feed(pair->tls, bytes, length, plain);
	assert_true(pair->heard_bytes + news.plain_bytes <= sizeof(pair->heard));
	memcpy(pair->heard + pair->heard_bytes, plain, news.plain_bytes);
	pair->heard_bytes += news.plain_bytes;
	assert_false(pair->was_opened && news.is_opened);
	pair->was_opened |= news.is_opened;
	pair->was_resumed |= news.is_resumed;
	if (news.state != TLS_BROKEN || pair->last.state != TLS_BROKEN)
		pair->last = news;
}

/* What the client has to say, in portions. Returns whether there was anything. */
static bool to_server(struct pair *pair)
{
	static uint8_t bytes[WHOLE];
	int length = BIO_read(SSL_get_wbio(pair->client), bytes, sizeof(bytes));
	for (size_t at = 0; length > 0 && at < (size_t)length;) {
		size_t step = pair->split > 0 ? pair->split : pair->portion;
		pair->split = 0;
		if (step > (size_t)length - at)
			step = (size_t)length - at;
		feed(pair, bytes + at, step);
		at += step;
	}
	return length > 0;
}

static bool to_client(struct pair *pair)
{
	struct buffer *out = tls_take_output(pair->tls);
	if (out == NULL)
		return false;
	BIO_write(SSL_get_rbio(pair->client), out->bytes + out->start, (int)buffer_length(out));
	buffer_give(&pair->world->buffers, &out);
	return true;
}

/* Both ends talk until they have nothing to say; true when the client is through its handshake. */
static bool talk(struct pair *pair)
{
	int done;
	bool said;
	do {
		done = SSL_do_handshake(pair->client);
		said = to_server(pair);
		said |= to_client(pair);
	} while (said);
	return done == 1;
}

static void client_says(struct pair *pair, const void *bytes, size_t length)
{
	size_t written;
	assert_int_equal(SSL_write_ex(pair->client, bytes, length, &written), 1);
	assert_int_equal(written, length);
	to_server(pair);
}

static void client_hears(struct pair *pair, const void *bytes, size_t length)
{
	static uint8_t heard[WHOLE];
	size_t held = 0, got;
	to_client(pair);
	while (held < length && SSL_read_ex(pair->client, heard + held, sizeof(heard) - held, &got) == 1)
		held += got;
	assert_int_equal(held, length);
	assert_memory_equal(heard, bytes, length);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
static const size_t portions[] = { 1, 7, PIECE_BYTES, WHOLE };

static void both_versions_speak_in_any_portions(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(versions) * ARRAY_COUNT(portions); i++) {
		struct pair *pair = pair_open(*state, versions[i % 2], portions[i / 2]);
		assert_true(talk(pair));
		assert_true(pair->was_opened && !pair->was_resumed);
		assert_int_equal(pair->last.state, TLS_OPEN);
		client_says(pair, "where are you?", 14);
		assert_int_equal(pair->heard_bytes, 14);
		assert_memory_equal(pair->heard, "where are you?", 14);
		assert_true(tls_write(pair->tls, "here", 4));
		client_hears(pair, "here", 4);
		pair_close(&pair);
	}
}

static void a_hello_may_be_split_anywhere(void **state)
{
	for (size_t split = 1; split < 330; split += split < 64 ? 1 : 7) {
		struct pair *pair = pair_open(*state, TLS1_3_VERSION, WHOLE);
		pair->split = split;
		assert_true(talk(pair));
		pair_close(&pair);
	}
}

static void a_record_may_be_split_anywhere(void **state)
{
	struct pair *pair = pair_open(*state, TLS1_3_VERSION, WHOLE);
	assert_true(talk(pair));
	for (size_t split = 1; split < 60; split++) {
		pair->split = split;
		pair->heard_bytes = 0;
		client_says(pair, "a record that is split", 22);
		assert_int_equal(pair->heard_bytes, 22);
	}
	pair_close(&pair);
}

static void large_messages_come_whole_both_ways(void **state)
{
	enum { BYTES = 300000 };
	static uint8_t message[BYTES];
	for (size_t i = 0; i < BYTES; i++)
		message[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t i = 0; i < ARRAY_COUNT(versions); i++) {
		struct pair *pair = pair_open(*state, versions[i], PIECE_BYTES);
		assert_true(talk(pair));
		client_says(pair, message, BYTES);
		assert_int_equal(pair->heard_bytes, BYTES);
		assert_memory_equal(pair->heard, message, BYTES);
		assert_true(tls_write(pair->tls, message, BYTES));
		client_hears(pair, message, BYTES);
		pair_close(&pair);
	}
}

/* Connects, with a session to resume or not, and returns one to resume next. */
static SSL_SESSION *connect_with(struct world *world, int version, SSL_SESSION *session, bool is_resumed)
{
	struct pair *pair = pair_open(world, version, WHOLE);
	if (session != NULL)
		SSL_set_session(pair->client, session);
	assert_true(talk(pair));
	/* Tickets of 1.3 come with the first that is read. */
	assert_true(tls_write(pair->tls, "hello", 5));
	client_hears(pair, "hello", 5);
	assert_int_equal(pair->was_resumed, is_resumed);
	assert_int_equal(SSL_session_reused(pair->client), is_resumed);
	SSL_SESSION *next = SSL_get1_session(pair->client);
	assert_int_equal(SSL_SESSION_get_max_early_data(next), 0);
	SSL_shutdown(pair->client);
	pair_close(&pair);
	SSL_SESSION_free(session);
	return next;
}

static void a_session_is_resumed_also_by_a_server_that_was_renewed(void **state)
{
	struct world *world = *state;
	for (size_t i = 0; i < ARRAY_COUNT(versions); i++) {
		SSL_SESSION *session = connect_with(world, versions[i], NULL, false);
		session = connect_with(world, versions[i], session, true);
		tls_server_drop(&world->server);
		write_certificate(world);
		open_server(world);
		session = connect_with(world, versions[i], session, true);
		/* Not by one with other keys. */
		tls_server_drop(&world->server);
		tickets_close(&world->tickets);
		world->tickets = tickets_open(boot_us() / 1000000u);
		open_server(world);
		session = connect_with(world, versions[i], session, false);
		SSL_SESSION_free(session);
	}
}

static void keys_of_tickets_seal_for_a_day_and_open_for_two(void **state)
{
	(void)state;
	struct tickets *tickets = tickets_open(1000);
	struct ticket_key first, key, second;
	bool is_old;
	tickets_take(tickets, 1000, &first);
	tickets_take(tickets, 1000 + TICKETS_PERIOD_S - 1, &key);
	assert_memory_equal(&first, &key, sizeof(key));
	tickets_take(tickets, 1000 + TICKETS_PERIOD_S, &second);
	assert_memory_not_equal(first.name, second.name, sizeof(first.name));
	assert_memory_not_equal(first.cipher, second.cipher, sizeof(first.cipher));
	assert_true(tickets_find(tickets, 1000 + 2 * TICKETS_PERIOD_S - 1, first.name, &key, &is_old));
	assert_true(is_old);
	assert_memory_equal(&first, &key, sizeof(key));
	assert_true(tickets_find(tickets, 1000 + 2 * TICKETS_PERIOD_S - 1, second.name, &key, &is_old));
	assert_false(is_old);
	assert_false(tickets_find(tickets, 1000 + 2 * TICKETS_PERIOD_S, first.name, &key, &is_old));
	/* After a long silence nothing opens. */
	assert_false(tickets_find(tickets, 1000 + 9 * TICKETS_PERIOD_S, second.name, &key, &is_old));
	tickets_close(&tickets);
}

static void an_end_is_told_from_a_cut(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(versions); i++) {
		struct pair *pair = pair_open(*state, versions[i], WHOLE);
		assert_true(talk(pair));
		client_says(pair, "bye", 3);
		assert_false(tls_is_ended(pair->tls));
		SSL_shutdown(pair->client);
		to_server(pair);
		assert_int_equal(pair->last.state, TLS_ENDED);
		assert_true(tls_is_ended(pair->tls));
		/* The other way is open still. */
		assert_true(tls_write(pair->tls, "bye", 3));
		tls_shut(pair->tls);
		tls_shut(pair->tls);
		client_hears(pair, "bye", 3);
		uint8_t byte;
		assert_int_equal(SSL_read(pair->client, &byte, 1), 0);
		assert_int_equal(SSL_get_error(pair->client, 0), SSL_ERROR_ZERO_RETURN);
		pair_close(&pair);
	}
}

static void broken(struct pair *pair, enum tls_fault fault, bool with_alert)
{
	assert_int_equal(pair->last.state, TLS_BROKEN);
	assert_int_equal(pair->last.fault, fault);
	assert_int_equal(tls_output_bytes(pair->tls) > 0, with_alert);
	assert_false(tls_write(pair->tls, "x", 1));
	tls_shut(pair->tls);
	pair_close(&pair);
}

static void what_is_no_tls_is_told_apart(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
		enum tls_fault fault;
		bool with_alert;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, TLS_FAULT_HTTP, false },
		{ "PUT /v1/users/7 HTTP/1.1\r\n", 26, TLS_FAULT_HTTP, false },
		{ "SSH-2.0-OpenSSH_9.2\r\n", 21, TLS_FAULT_RECORDS, false },
		{ "\x16\x03\x01\0\x05hello", 10, TLS_FAULT_RECORDS, true },
		{ "\x16\x03\x01\xff\xffxxxxx", 10, TLS_FAULT_RECORDS, true },
		{ "\x17\x03\x03\0\x05hello", 10, TLS_FAULT_RECORDS, true },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct pair *pair = pair_open(*state, 0, WHOLE);
		for (size_t at = 0; at < rows[i].length; at++)
			feed(pair, (const uint8_t *)rows[i].bytes + at, 1);
		broken(pair, rows[i].fault, rows[i].with_alert);
	}
}

static void a_changed_byte_breaks_it_wherever_it_is(void **state)
{
	for (size_t i = 0; i < 40; i++) {
		struct pair *pair = pair_open(*state, versions[i % 2], WHOLE);
		assert_true(talk(pair));
		size_t written;
		assert_int_equal(SSL_write_ex(pair->client, "to be changed", 13, &written), 1);
		uint8_t bytes[200];
		int length = BIO_read(SSL_get_wbio(pair->client), bytes, sizeof(bytes));
		/* Not its length: then more would be waited for. */
		size_t at = 5 + i % ((size_t)length - 5);
		bytes[at] ^= 0x10;
		feed(pair, bytes, (size_t)length);
		assert_int_equal(pair->heard_bytes, 0);
		broken(pair, TLS_FAULT_RECORDS, true);
	}
}

static void who_shares_nothing_is_told_so(void **state)
{
	struct pair *pair = pair_open(*state, TLS1_1_VERSION, WHOLE);
	SSL_do_handshake(pair->client);
	to_server(pair);
	broken(pair, TLS_FAULT_MISMATCH, true);

	pair = pair_open(*state, TLS1_2_VERSION, WHOLE);
	SSL_set_cipher_list(pair->client, "ECDHE-ECDSA-AES128-SHA256:AES128-SHA");
	SSL_do_handshake(pair->client);
	to_server(pair);
	broken(pair, TLS_FAULT_MISMATCH, true);

	for (size_t i = 0; i < ARRAY_COUNT(versions); i++) {
		pair = pair_open(*state, versions[i], WHOLE);
		SSL_set_alpn_protos(pair->client, (const unsigned char *)"\x02h2", 3);
		SSL_do_handshake(pair->client);
		to_server(pair);
		broken(pair, TLS_FAULT_MISMATCH, true);
	}
}

static void a_client_that_distrusts_us_is_counted_as_one(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(versions); i++) {
		struct pair *pair = pair_open(*state, versions[i], WHOLE);
		SSL_set_verify(pair->client, SSL_VERIFY_PEER, NULL);
		assert_false(talk(pair));
		broken(pair, TLS_FAULT_REFUSED, false);
	}
}

static void updates_of_keys_are_made_but_not_without_end(void **state)
{
	struct pair *pair = pair_open(*state, TLS1_3_VERSION, WHOLE);
	assert_true(talk(pair));
	for (int i = 0; i < 200; i++) {
		SSL_key_update(pair->client, SSL_KEY_UPDATE_REQUESTED);
		client_says(pair, "x", 1);
		assert_true(tls_write(pair->tls, "y", 1));
		client_hears(pair, "y", 1);
	}
	assert_int_equal(pair->heard_bytes, 200);
	int updates = 0;
	while (pair->last.state == TLS_OPEN && updates++ < 1000) {
		SSL_key_update(pair->client, SSL_KEY_UPDATE_REQUESTED);
		SSL_do_handshake(pair->client);
		to_server(pair);
		to_client(pair);
	}
	assert_in_range(updates, 10, 100);
	broken(pair, TLS_FAULT_RECORDS, false);
}

static void a_second_handshake_is_refused_and_the_first_goes_on(void **state)
{
	struct pair *pair = pair_open(*state, TLS1_2_VERSION, WHOLE);
	assert_true(talk(pair));
	SSL_renegotiate(pair->client);
	SSL_do_handshake(pair->client);
	to_server(pair);
	assert_int_equal(pair->last.state, TLS_OPEN);
	to_client(pair);
	assert_int_equal(SSL_do_handshake(pair->client), -1);
	pair_close(&pair);
}

static void a_connection_outlives_the_server_that_it_began_with(void **state)
{
	struct world *world = *state;
	struct pair *pair = pair_open(world, TLS1_3_VERSION, WHOLE);
	SSL_set_tlsext_host_name(pair->client, "localhost");
	tls_server_drop(&world->server);
	assert_true(talk(pair));
	client_says(pair, "still here", 10);
	assert_int_equal(pair->heard_bytes, 10);
	/* And the core that it began on. */
	struct buffer_pool other = { 0 };
	to_client(pair);
	tls_move(pair->tls, &other);
	assert_true(tls_write(pair->tls, "moved", 5));
	assert_true(other.taken_bytes > 0);
	pair_close(&pair);
	assert_int_equal(other.taken_bytes, 0);
	buffer_pool_fini(&other);
	open_server(world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_versions_speak_in_any_portions, setup, teardown),
		cmocka_unit_test_setup_teardown(a_hello_may_be_split_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(a_record_may_be_split_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(large_messages_come_whole_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(a_session_is_resumed_also_by_a_server_that_was_renewed, setup,
						teardown),
		cmocka_unit_test(keys_of_tickets_seal_for_a_day_and_open_for_two),
		cmocka_unit_test_setup_teardown(an_end_is_told_from_a_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_tls_is_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(a_changed_byte_breaks_it_wherever_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(who_shares_nothing_is_told_so, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_that_distrusts_us_is_counted_as_one, setup, teardown),
		cmocka_unit_test_setup_teardown(updates_of_keys_are_made_but_not_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_handshake_is_refused_and_the_first_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_connection_outlives_the_server_that_it_began_with, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
