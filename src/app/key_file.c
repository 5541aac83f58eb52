/*
 * Owns: reading the three forms, and the only use of OpenSSL's PEM.
 * Invariant: every key leaves here as the text of a JSON Web Key that this file has written itself,
 *   out of values that it has checked; a member of a JWK Set that is not looked at goes nowhere.
 * Thread: any.
 * Does not know: tokens.
 */
#include "app/key_file.h"

#include "base/check.h"
#include "base/writer.h"
#include "proto/json.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BIT(algorithm) (1u << TOKEN_ALGORITHM_##algorithm)
#define P256_BYTES 32
/* Letters of base64url that hold so many bytes, without padding. */
#define LETTERS(bytes) (((bytes) * 4 + 2) / 3)

int key_explain(const char **reason, int result, const char *format, ...)
{
	static _Thread_local char texts[2][512];
	static _Thread_local unsigned which;
	char *text = texts[which ^= 1];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(texts[0]), format, arguments);
	va_end(arguments);
	*reason = text;
	return result;
}

static const char *const algorithm_names[] = {
#define TOKEN_ALGORITHM(name) #name,
#include "app/token_algorithms.tbl"
#undef TOKEN_ALGORITHM
};

enum token_algorithm token_algorithm_find(const char *name, size_t length)
{
	for (unsigned i = 0; i < ARRAY_COUNT(algorithm_names); i++)
		if (strlen(algorithm_names[i]) == length &&
		    memcmp(algorithm_names[i], name, length) == 0)
			return (enum token_algorithm)i;
	return TOKEN_ALGORITHM_COUNT;
}

/* ---- one key as a JSON Web Key -------------------------------------------------------------- */

static void put_base64url(struct writer *writer, const uint8_t *bytes, size_t length)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	for (size_t i = 0; i < length; i += 3) {
		uint32_t word = (uint32_t)bytes[i] << 16;
		if (i + 1 < length)
			word |= (uint32_t)bytes[i + 1] << 8;
		if (i + 2 < length)
			word |= bytes[i + 2];
		char quad[4] = { letters[word >> 18], letters[word >> 12 & 63], letters[word >> 6 & 63],
				 letters[word & 63] };
		writer_put(writer, quad, i + 2 < length ? 4 : length - i + 1);
	}
}

/* A key with no id that has these two members in base64url; `second` may be NULL. */
static void put_jwk(struct file_key *key, const char *before, const void *first,
		    size_t first_bytes, const char *between, const void *second,
		    size_t second_bytes)
{
	struct writer writer = writer_init(key->jwk, sizeof(key->jwk) - 1);
	writer_put_text(&writer, before);
	put_base64url(&writer, first, first_bytes);
	if (second != NULL) {
		writer_put_text(&writer, between);
		put_base64url(&writer, second, second_bytes);
	}
	writer_put_text(&writer, "\"}");
	check(!writer.overflow);
	key->jwk[writer_length(&writer)] = '\0';
}

/* The next key of the list, empty; NULL when it is full. */
static struct file_key *next_key(struct key_file *file)
{
	if (file->count == KEY_FILE_KEYS_MAX)
		return NULL;
	struct file_key *key = &file->keys[file->count];
	memset(key, 0, sizeof(*key));
	return key;
}

/* ---- a secret ------------------------------------------------------------------------------- */

static size_t without_newline(const uint8_t *secret, size_t length)
{
	if (length > 0 && secret[length - 1] == '\n')
		length--;
	if (length > 0 && secret[length - 1] == '\r')
		length--;
	return length;
}

static int read_secret(struct key_file *file, const uint8_t *secret, size_t length,
		       const char **reason)
{
	length = without_newline(secret, length);
	if (length < KEY_SECRET_BYTES_MIN || length > KEY_SECRET_BYTES_MAX)
		return key_explain(reason, -EINVAL,
			       "the secret must have %d to %d bytes; `nearbyctl keygen FILE` makes one",
			       KEY_SECRET_BYTES_MIN, KEY_SECRET_BYTES_MAX);
	struct file_key *key = next_key(file);
	key->algorithms = BIT(HS256);
	put_jwk(key, "{\"kty\":\"oct\",\"k\":\"", secret, length, NULL, NULL, 0);
	file->count++;
	return 0;
}

/* ---- PEM ------------------------------------------------------------------------------------ */

/* A number of the key, big-endian, as many bytes as it takes or `bytes` if not 0. Its length, or 0
 * when there is no room for it. */
static size_t take_number(const EVP_PKEY *pkey, const char *name, uint8_t *out, size_t room,
			  size_t bytes)
{
	BIGNUM *number = NULL;
	size_t length = 0;
	if (EVP_PKEY_get_bn_param(pkey, name, &number) == 1) {
		length = bytes != 0 ? bytes : (size_t)BN_num_bytes(number);
		if (length > room || BN_bn2binpad(number, out, (int)length) < 0)
			length = 0;
	}
	BN_free(number);
	return length;
}

static bool put_rsa(struct file_key *key, const EVP_PKEY *pkey, const char **reason)
{
	uint8_t n[KEY_RSA_BITS_MAX / 8], e[8];
	int bits = EVP_PKEY_get_bits(pkey);
	size_t n_bytes = take_number(pkey, OSSL_PKEY_PARAM_RSA_N, n, sizeof(n), 0);
	size_t e_bytes = take_number(pkey, OSSL_PKEY_PARAM_RSA_E, e, sizeof(e), 0);
	if (bits < KEY_RSA_BITS_MIN || n_bytes == 0 || e_bytes == 0)
		return key_explain(reason, false, "an RSA key must have %d to %d bits, this one has %d",
			       KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX, bits);
	key->algorithms = BIT(RS256) | BIT(PS256);
	put_jwk(key, "{\"kty\":\"RSA\",\"n\":\"", n, n_bytes, "\",\"e\":\"", e, e_bytes);
	return true;
}

static bool put_p256(struct file_key *key, const EVP_PKEY *pkey, const char **reason)
{
	char group[32] = "";
	uint8_t x[P256_BYTES], y[P256_BYTES];
	EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL);
	if (strcmp(group, "prime256v1") != 0 ||
	    take_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, x, sizeof(x), sizeof(x)) == 0 ||
	    take_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, y, sizeof(y), sizeof(y)) == 0)
		return key_explain(reason, false,
			       "an elliptic-curve key must be of P-256 (prime256v1), for ES256; "
			       "this one is of %s",
			       group[0] == '\0' ? "another curve" : group);
	key->algorithms = BIT(ES256);
	put_jwk(key, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"", x, sizeof(x), "\",\"y\":\"", y,
		sizeof(y));
	return true;
}

static bool put_public(struct key_file *file, const EVP_PKEY *pkey, const char **reason)
{
	struct file_key *key = next_key(file);
	bool is_put = false;
	if (key == NULL)
		return key_explain(reason, false, "there are more than %d keys in it",
			       KEY_FILE_KEYS_MAX);
	if (EVP_PKEY_is_a(pkey, "RSA"))
		is_put = put_rsa(key, pkey, reason);
	else if (EVP_PKEY_is_a(pkey, "EC"))
		is_put = put_p256(key, pkey, reason);
	else
		return key_explain(reason, false,
			       "a public key must be RSA (RS256, PS256) or of P-256 (ES256)");
	if (is_put)
		file->count++;
	return is_put;
}

/* One or several public keys. */
static int read_pem(struct key_file *file, const char *text, size_t length, const char **reason)
{
	if (memmem(text, length, "PRIVATE KEY", 11) != NULL)
		return key_explain(reason, -EINVAL,
			       "this is a private key, which the server must not have; `openssl pkey "
			       "-in KEY -pubout` writes its public one");
	BIO *bio = BIO_new_mem_buf(text, (int)length);
	check(bio != NULL);
	bool is_sound = true;
	EVP_PKEY *pkey;
	while (is_sound && (pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL)) != NULL) {
		is_sound = put_public(file, pkey, reason);
		EVP_PKEY_free(pkey);
	}
	/* Its reader skips what is no public key; what is broken must not be left out in silence. */
	size_t begun = 0;
	for (const char *at = text; (at = memmem(at, length - (size_t)(at - text), "-----BEGIN", 10));)
		at += 10, begun++;
	ERR_clear_error();
	BIO_free(bio);
	if (!is_sound)
		return -EINVAL;
	if (file->count != begun)
		return key_explain(reason, -EINVAL,
			       "not all of it is sound PEM; it must hold public keys, each between "
			       "-----BEGIN PUBLIC KEY----- and -----END PUBLIC KEY-----");
	return 0;
}

/* ---- a JWK Set ------------------------------------------------------------------------------ */

/* A member in base64url; bytes that it holds, or 0 when it is not there or not that. */
static size_t take_base64url(const struct json_reader *reader, const char *name, size_t bytes_max,
			     const char **letters)
{
	struct decode_error error;
	size_t length;
	if (!json_take_text(reader, name, 1, LETTERS(bytes_max), letters, &length, &error))
		return 0;
	for (size_t i = 0; i < length; i++) {
		char c = (*letters)[i];
		if ((c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') &&
		    c != '-' && c != '_')
			return 0;
	}
	return length % 4 == 1 ? 0 : length * 3 / 4;
}

static unsigned letter_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	return c == '-' ? 62 : 63;
}

/* The significant bits of a number of so many bytes: zeros in front make no key longer. */
static size_t number_bits(const char *letters, size_t bytes)
{
	size_t zeros = 0;
	while (letters[0] == 'A' && zeros + 6 <= bytes * 8)
		zeros += 6, letters++;
	for (unsigned bit = 32; bit != 0 && letters[0] != '\0' && !(letter_value(letters[0]) & bit);
	     bit >>= 1)
		zeros++;
	return bytes * 8 - (zeros < bytes * 8 ? zeros : bytes * 8);
}

static bool take_secret(struct file_key *key, const struct json_reader *reader)
{
	const char *k;
	size_t bytes = take_base64url(reader, "k", KEY_SECRET_BYTES_MAX, &k);
	if (bytes < KEY_SECRET_BYTES_MIN)
		return false;
	key->algorithms = BIT(HS256);
	snprintf(key->jwk, sizeof(key->jwk), "{\"kty\":\"oct\",\"k\":\"%s\"}", k);
	return true;
}

static bool take_rsa(struct file_key *key, const struct json_reader *reader)
{
	const char *n, *e;
	size_t bytes = take_base64url(reader, "n", KEY_RSA_BITS_MAX / 8, &n);
	if (bytes == 0 || number_bits(n, bytes) < KEY_RSA_BITS_MIN ||
	    take_base64url(reader, "e", 8, &e) == 0)
		return false;
	key->algorithms = BIT(RS256) | BIT(PS256);
	snprintf(key->jwk, sizeof(key->jwk), "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", n, e);
	return true;
}

static bool take_p256(struct file_key *key, const struct json_reader *reader)
{
	const char *x, *y;
	if (!json_names(reader, "crv", "P-256") ||
	    take_base64url(reader, "x", P256_BYTES, &x) != P256_BYTES ||
	    take_base64url(reader, "y", P256_BYTES, &y) != P256_BYTES)
		return false;
	key->algorithms = BIT(ES256);
	snprintf(key->jwk, sizeof(key->jwk),
		 "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
	return true;
}

/* Whether it is for signatures, as far as it says. */
static bool is_for_signatures(const struct json_reader *reader)
{
	return (!json_has(reader, "use") || json_names(reader, "use", "sig")) &&
	       (!json_has(reader, "key_ops") || json_names(reader, "key_ops", "verify"));
}

/* What `alg` leaves of its algorithms. */
static bool take_algorithm(struct file_key *key, const struct json_reader *reader)
{
	struct decode_error error;
	const char *name;
	size_t length;
	if (!json_has(reader, "alg"))
		return true;
	if (!json_take_text(reader, "alg", 1, 32, &name, &length, &error))
		return false;
	enum token_algorithm algorithm = token_algorithm_find(name, length);
	key->algorithms &= algorithm == TOKEN_ALGORITHM_COUNT ? 0 : 1u << algorithm;
	return key->algorithms != 0;
}

static bool take_id(struct file_key *key, const struct json_reader *reader)
{
	struct decode_error error;
	const char *id;
	if (!json_has(reader, "kid"))
		return true;
	/* With a NUL inside no library could be given it whole. */
	if (!json_take_text(reader, "kid", 1, KEY_ID_BYTES_MAX, &id, &key->id_length, &error) ||
	    memchr(id, '\0', key->id_length) != NULL)
		return false;
	memcpy(key->id, id, key->id_length);
	return true;
}

/* The key that the reader has entered. False: it is none of ours. */
static bool take_jwk(struct file_key *key, const struct json_reader *reader)
{
	bool is_taken = is_for_signatures(reader);
	if (is_taken && json_names(reader, "kty", "oct"))
		is_taken = take_secret(key, reader);
	else if (is_taken && json_names(reader, "kty", "RSA"))
		is_taken = take_rsa(key, reader);
	else if (is_taken && json_names(reader, "kty", "EC"))
		is_taken = take_p256(key, reader);
	else
		is_taken = false;
	return is_taken && take_algorithm(key, reader) && take_id(key, reader);
}

/* RFC 7517 section 5: keys that are not understood are passed over. */
static int take_jwks(struct key_file *file, struct json_reader *reader, const char **reason)
{
	size_t count = json_count(reader, "keys");
	for (size_t i = 0; i < count; i++) {
		struct file_key *key = next_key(file);
		if (key == NULL)
			return key_explain(reason, -EINVAL, "there are more than %d keys in it",
				       KEY_FILE_KEYS_MAX);
		if (json_enter(reader, "keys", i, NULL)) {
			bool is_taken = take_jwk(key, reader);
			json_leave(reader);
			file->count += is_taken;
			file->ignored += !is_taken;
		} else {
			file->ignored++;
		}
	}
	if (file->count == 0)
		return key_explain(reason, -EINVAL,
			       "there is no key for HS256 (oct, %d bytes or more), RS256 or PS256 "
			       "(RSA, %d bits or more) or ES256 (EC, P-256) in its \"keys\"",
			       KEY_SECRET_BYTES_MIN, KEY_RSA_BITS_MIN);
	return 0;
}

static int read_jwks(struct key_file *file, const char *text, size_t length, const char **reason)
{
	struct json_reader *reader;
	struct decode_error error;
	check(json_reader_open(&reader) == 0);
	int result;
	if (json_read(reader, text, length, &error))
		result = take_jwks(file, reader, reason);
	else
		result = key_explain(reason, -EINVAL, "it is no sound JWK Set: %s", error.message);
	json_reader_close(&reader);
	return result;
}

/* ---- the file ------------------------------------------------------------------------------- */

/* Reads at most `room` bytes of the file and its mode. Length, or negative errno. */
static ssize_t read_bytes(const char *path, char *bytes, size_t room, mode_t *mode)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	struct stat status;
	size_t length = 0;
	ssize_t got = fstat(fd, &status) == 0 ? 1 : -1;
	while (got > 0 && length < room) {
		got = read(fd, bytes + length, room - length);
		length += got > 0 ? (size_t)got : 0;
	}
	ssize_t result = got < 0 ? -errno : (ssize_t)length;
	if (got >= 0)
		*mode = status.st_mode;
	close(fd);
	return result;
}

static bool has_secret(const struct key_file *file)
{
	uint32_t algorithms = 0;
	for (uint32_t i = 0; i < file->count; i++)
		algorithms |= file->keys[i].algorithms;
	return (algorithms & BIT(HS256)) != 0;
}

int key_file_parse(struct key_file *file, const char *bytes, size_t length, const char **reason)
{
	memset(file, 0, sizeof(*file));
	if (length > KEY_FILE_KEYS_BYTES_MAX)
		return key_explain(reason, -EINVAL, "it has more than %d bytes",
			       KEY_FILE_KEYS_BYTES_MAX);
	size_t blank = 0;
	while (blank < length && strchr(" \t\r\n", bytes[blank]) != NULL && bytes[blank] != '\0')
		blank++;
	if (blank < length && bytes[blank] == '{')
		return read_jwks(file, bytes, length, reason);
	if (memmem(bytes, length, "-----BEGIN", 10) != NULL)
		return read_pem(file, bytes, length, reason);
	return read_secret(file, (const uint8_t *)bytes, length, reason);
}

int key_file_read(struct key_file *file, const char *path, const char **reason)
{
	mode_t mode = 0;
	memset(file, 0, sizeof(*file));
	*reason = NULL;
	char *bytes = malloc(KEY_FILE_KEYS_BYTES_MAX + 1);
	check(bytes != NULL);
	ssize_t length = read_bytes(path, bytes, KEY_FILE_KEYS_BYTES_MAX + 1, &mode);
	int result = length < 0 ? key_explain(reason, (int)length, "%s", strerror((int)-length)) :
				  key_file_parse(file, bytes, (size_t)length, reason);
	explicit_bzero(bytes, KEY_FILE_KEYS_BYTES_MAX + 1);
	free(bytes);
	file->is_open = has_secret(file) && (mode & (S_IRWXG | S_IRWXO)) != 0;
	return result;
}

void key_file_wipe(struct key_file *file)
{
	explicit_bzero(file, sizeof(*file));
}
