/*
 * Owns: the only use of cjose.
 * Invariant: the token's own words are read (header, then claims) by a reader that
 *   refuses a field that stands twice; cjose checks the signature and nothing else.
 * Thread: any; cjose reads a key without changing it.
 * Does not know: HTTP, sessions, what the user may do.
 */
#include "app/token.h"

#include "base/check.h"
#include "base/writer.h"
#include "proto/codec.h"

#include <cjose/cjose.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_MAGIC = 0x746b6579 };

/* Seconds since 1970 that exp and nbf may say: whole ones are exact in a double. */
#define TIME_S_MAX ((INT64_C(1) << 53) - 1)

struct token_key {
	uint32_t magic;
	cjose_jwk_t *jwk;
};

static const struct {
	const char *text;
	const char *help;
} verdicts[] = {
#define TOKEN_VERDICT(name, text, help) { text, help },
#include "app/token_verdicts.tbl"
#undef TOKEN_VERDICT
};

const char *token_verdict_text(enum token_verdict verdict)
{
	check((unsigned)verdict < ARRAY_COUNT(verdicts));
	return verdicts[verdict].text;
}

const char *token_verdict_help(enum token_verdict verdict)
{
	check((unsigned)verdict < ARRAY_COUNT(verdicts));
	return verdicts[verdict].help;
}

/* ---- keys ----------------------------------------------------------------------------------- */

static _Thread_local char reason_text[512];

/* What is wrong with a key, in words: *reason, and `result` back. */
#define explain(reason, result, ...)                                                               \
	(snprintf(reason_text, sizeof(reason_text), __VA_ARGS__), *(reason) = reason_text, (result))

/* Reads at most `bytes` of the file and its mode. Length, or negative errno. */
static ssize_t read_secret(const char *path, void *secret, size_t bytes, mode_t *mode)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	struct stat status;
	ssize_t length = fstat(fd, &status) == 0 ? read(fd, secret, bytes) : -1;
	if (length < 0)
		length = -errno;
	else
		*mode = status.st_mode;
	close(fd);
	return length;
}

static int make_key(struct token_key **key, const uint8_t *secret, size_t length)
{
	struct token_key *fresh = malloc(sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	cjose_err problem;
	fresh->magic = KEY_MAGIC;
	fresh->jwk = cjose_jwk_create_oct_spec(secret, length, &problem);
	if (fresh->jwk == NULL) {
		free(fresh);
		return -ENOMEM;
	}
	*key = fresh;
	return 0;
}

static size_t without_newline(const uint8_t *secret, size_t length)
{
	if (length > 0 && secret[length - 1] == '\n')
		length--;
	if (length > 0 && secret[length - 1] == '\r')
		length--;
	return length;
}

int token_key_open(struct token_key **key, const char *path, const char **reason)
{
	uint8_t secret[TOKEN_SECRET_BYTES_MAX + 3];
	mode_t mode = 0;
	*reason = NULL;
	if (path[0] == '\0')
		return explain(reason, -EINVAL,
			       "token-key is not set: make a key with `nearbyctl keygen FILE` and "
			       "set token-key = FILE");
	ssize_t got = read_secret(path, secret, sizeof(secret), &mode);
	if (got < 0)
		return explain(reason, (int)got,
			       "token-key %.300s: %s; `nearbyctl keygen FILE` makes one", path,
			       strerror((int)-got));
	size_t length = without_newline(secret, (size_t)got);
	if (length > 0 && (secret[0] == '{' || memmem(secret, length, "-----BEGIN", 10) != NULL))
		return explain(reason, -EINVAL,
			       "token-key %.300s: PEM and JWKS keys are not offered yet; it must "
			       "hold an HS256 secret",
			       path);
	if (length < TOKEN_SECRET_BYTES_MIN || length > TOKEN_SECRET_BYTES_MAX)
		return explain(reason, -EINVAL,
			       "token-key %.300s: the secret must have %d to %d bytes; `nearbyctl "
			       "keygen FILE` makes one",
			       path, TOKEN_SECRET_BYTES_MIN, TOKEN_SECRET_BYTES_MAX);
	int result = make_key(key, secret, length);
	explicit_bzero(secret, sizeof(secret));
	if (result != 0)
		return explain(reason, result, "token-key %.300s: out of memory", path);
	if ((mode & (S_IRWXG | S_IRWXO)) != 0)
		return explain(reason, 0,
			       "token-key %.300s: others may access it; chmod 600 is safer", path);
	return 0;
}

void token_key_close(struct token_key **key)
{
	if (*key == NULL)
		return;
	check_object(*key, KEY_MAGIC);
	cjose_jwk_release((*key)->jwk);
	(*key)->magic = 0;
	free(*key);
	*key = NULL;
}

int token_key_generate(const char *path)
{
	uint8_t random[TOKEN_SECRET_BYTES_MIN];
	char line[2 * sizeof(random) + 2];
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(line + 2 * i, 3, "%02x", random[i]);
	memcpy(line + 2 * sizeof(random), "\n", 2);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	size_t bytes = sizeof(line) - 1;
	int result = 0;
	if (write(fd, line, bytes) != (ssize_t)bytes || fsync(fd) != 0)
		result = -EIO;
	close(fd);
	if (result != 0)
		unlink(path);
	explicit_bzero(random, sizeof(random));
	explicit_bzero(line, sizeof(line));
	return result;
}

/* ---- verifying ------------------------------------------------------------------------------ */

/* Three parts of base64url letters, separated by two dots. Returns the bytes of the first, or 0. */
static size_t compact_header_bytes(const char *text, size_t length)
{
	size_t dots = 0, header = 0;
	if (length > TOKEN_BYTES_MAX)
		return 0;
	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
				 (c >= '0' && c <= '9') || c == '-' || c == '_';
		if (c == '.' && dots++ == 0)
			header = i;
		else if (c != '.' && !is_letter)
			return 0;
	}
	return dots == 2 ? header : 0;
}

static enum token_verdict judge_header(struct json_reader *reader, const char *text, size_t length)
{
	uint8_t *header = NULL;
	size_t bytes = 0;
	cjose_err problem;
	struct decode_error error;
	if (!cjose_base64url_decode(text, length, &header, &bytes, &problem))
		return TOKEN_MALFORMED;
	bool is_object = json_read(reader, header, bytes, &error);
	cjose_get_dealloc()(header);
	if (!is_object)
		return TOKEN_MALFORMED;
	bool is_ours =
		json_kind(reader, "alg") == JSON_KIND_TEXT && json_names(reader, "alg", "HS256");
	return is_ours && json_kind(reader, "crit") == JSON_KIND_ABSENT ? TOKEN_GOOD
									: TOKEN_ALGORITHM;
}

/* A time claim, rounded down; `fallback` when it is not there. False when it is no time. */
static bool read_time(const struct json_reader *reader, const char *name, int64_t fallback,
		      int64_t *time_s)
{
	struct decode_error error;
	double seconds;
	*time_s = fallback;
	if (!json_has(reader, name))
		return true;
	if (!json_take_number(reader, name, 0, TIME_S_MAX, &seconds, &error))
		return false;
	*time_s = (int64_t)seconds;
	return true;
}

/* Whether `scope`, words with blanks between (RFC 8693 section 4.2), has the word. */
static bool has_scope(const struct json_reader *reader, const char *word)
{
	struct decode_error error;
	const char *scope;
	size_t length;
	if (!json_take_text(reader, "scope", 0, TOKEN_BYTES_MAX, &scope, &length, &error))
		return false;
	size_t word_length = strlen(word);
	for (size_t at = 0; at < length;) {
		const char *blank = memchr(scope + at, ' ', length - at);
		size_t bytes = blank == NULL ? length - at : (size_t)(blank - scope) - at;
		if (bytes == word_length && memcmp(scope + at, word, bytes) == 0)
			return true;
		at += bytes + 1;
	}
	return false;
}

static enum token_verdict judge_claims(const struct json_reader *reader, int64_t now_s,
				       const char *audience, struct token *token)
{
	struct decode_error error;
	int64_t not_before_s;
	if (!json_has(reader, "exp") || !read_time(reader, "exp", 0, &token->expiry_s) ||
	    !read_time(reader, "nbf", 0, &not_before_s))
		return TOKEN_CLAIMS;
	if (now_s >= token->expiry_s)
		return TOKEN_EXPIRED;
	if (not_before_s > now_s + TOKEN_LEEWAY_S)
		return TOKEN_EARLY;
	if (audience[0] != '\0' && !json_names(reader, "aud", audience))
		return TOKEN_AUDIENCE;
	if (!json_take_user(reader, "sub", &token->user, &error))
		return TOKEN_SUBJECT;
	token->is_admin = has_scope(reader, "admin");
	return TOKEN_GOOD;
}

/* Whether the key signed it; then the claims are read. */
static enum token_verdict judge_signature(const struct token_key *key, struct json_reader *reader,
					  const char *text, size_t length)
{
	cjose_err problem;
	cjose_jws_t *jws = cjose_jws_import(text, length, &problem);
	if (jws == NULL)
		return TOKEN_MALFORMED;
	enum token_verdict verdict = TOKEN_SIGNATURE;
	uint8_t *claims = NULL; /* belongs to jws */
	size_t bytes = 0;
	struct decode_error error;
	if (!cjose_jws_verify(jws, key->jwk, &problem))
		goto out;
	verdict = TOKEN_CLAIMS;
	if (cjose_jws_get_plaintext(jws, &claims, &bytes, &problem) &&
	    json_read(reader, claims, bytes, &error))
		verdict = TOKEN_GOOD;
out:
	cjose_jws_release(jws);
	return verdict;
}

enum token_verdict token_verify(const struct token_key *key, struct json_reader *reader,
				const char *text, size_t length, int64_t now_s,
				const char *audience, struct token *token)
{
	check_object(key, KEY_MAGIC);
	if (length == 0)
		return TOKEN_MISSING;
	size_t header_bytes = compact_header_bytes(text, length);
	if (header_bytes == 0)
		return TOKEN_MALFORMED;
	enum token_verdict verdict = judge_header(reader, text, header_bytes);
	if (verdict == TOKEN_GOOD)
		verdict = judge_signature(key, reader, text, length);
	struct token read;
	if (verdict == TOKEN_GOOD)
		verdict = judge_claims(reader, now_s, audience, &read);
	if (verdict == TOKEN_GOOD)
		*token = read;
	return verdict;
}

/* ---- making --------------------------------------------------------------------------------- */

static void put_claims(struct writer *writer, const struct token *token, const char *audience)
{
	char user[USER_ID_TEXT_BYTES];
	size_t length = user_id_format(token->user, user);
	writer_put_text(writer, "{\"sub\":");
	json_encode_string(writer, user, length);
	writer_put_text(writer, ",\"exp\":");
	writer_put_i64(writer, token->expiry_s);
	if (audience[0] != '\0') {
		writer_put_text(writer, ",\"aud\":");
		json_encode_string(writer, audience, strlen(audience));
	}
	if (token->is_admin)
		writer_put_text(writer, ",\"scope\":\"admin\"");
	writer_put_text(writer, "}");
}

int token_make(const struct token_key *key, const struct token *token, const char *audience,
	       char text[TOKEN_BYTES_MAX + 1])
{
	check_object(key, KEY_MAGIC);
	char claims[TOKEN_BYTES_MAX];
	struct writer writer = writer_init(claims, sizeof(claims));
	put_claims(&writer, token, audience);
	if (writer.overflow)
		return -EINVAL;
	cjose_err problem;
	cjose_jws_t *jws = NULL;
	const char *compact = NULL; /* belongs to jws */
	int result = -ENOMEM;
	cjose_header_t *header = cjose_header_new(&problem);
	if (header == NULL ||
	    !cjose_header_set(header, CJOSE_HDR_ALG, CJOSE_HDR_ALG_HS256, &problem))
		goto out;
	jws = cjose_jws_sign(key->jwk, header, writer.start, writer_length(&writer), &problem);
	if (jws == NULL || !cjose_jws_export(jws, &compact, &problem))
		goto out;
	result = strlen(compact) <= TOKEN_BYTES_MAX ? 0 : -EINVAL;
	if (result == 0)
		strcpy(text, compact);
out:
	cjose_jws_release(jws);
	cjose_header_release(header);
	return result;
}
