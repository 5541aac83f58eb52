/*
 * Owns: the only use of cjose.
 * Invariant: the token's own words are read (header, then claims) by a reader that
 *   refuses a field that stands twice; cjose checks the signature and nothing else.
 * Thread: any; cjose reads a key without changing it.
 * Does not know: HTTP, sessions, what the user may do.
 */
#include "app/token.h"

#include "app/key_file.h"
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
#include <unistd.h>

enum { KEY_MAGIC = 0x746b6579 };

/* Seconds since 1970 that exp, nbf and iat may say: whole ones are exact in a double. */
#define TIME_S_MAX ((INT64_C(1) << 53) - 1)
/* Two numbers of 32 bytes in base64url. */
#define ES256_LETTERS 86

struct one_key {
	cjose_jwk_t *jwk;
	uint32_t algorithms; /* as of struct file_key */
	size_t id_length;
	char *id; /* NULL for none */
};

struct token_key {
	uint32_t magic;
	uint32_t count;
	struct one_key keys[KEY_FILE_KEYS_MAX];
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

static int add_key(struct token_key *key, const struct file_key *source)
{
	cjose_err problem;
	struct one_key *one = &key->keys[key->count];
	one->jwk = cjose_jwk_import(source->jwk, strlen(source->jwk), &problem);
	if (one->jwk == NULL)
		return -EINVAL;
	one->algorithms = source->algorithms;
	one->id_length = source->id_length;
	one->id = source->id_length == 0 ? NULL : strndup(source->id, source->id_length);
	key->count++;
	return 0;
}

static int make_key(struct token_key **key, const struct key_file *file)
{
	int result = 0;
	struct token_key *fresh = calloc(1, sizeof(*fresh));
	check(fresh != NULL);
	fresh->magic = KEY_MAGIC;
	for (uint32_t i = 0; result == 0 && i < file->count; i++)
		result = add_key(fresh, &file->keys[i]);
	if (result != 0)
		token_key_close(&fresh);
	*key = fresh;
	return result;
}

/* What an operator should know of a key that works, or NULL. */
static const char *warn(const struct key_file *file, const char *path)
{
	const char *warning = NULL;
	if (file->is_open)
		key_explain(&warning, 0, "token-key %.300s: others may access it; chmod 600 is safer",
			path);
	else if (file->ignored != 0)
		key_explain(&warning, 0, "token-key %.300s: %u of its %u keys are of no use here", path,
			file->ignored, file->ignored + file->count);
	return warning;
}

int token_key_open(struct token_key **key, const char *path, const char **reason)
{
	*key = NULL;
	if (path[0] == '\0')
		return key_explain(reason, -EINVAL,
			       "token-key is not set: make a key with `nearbyctl keygen FILE` and "
			       "set token-key = FILE");
	struct key_file *file = malloc(sizeof(*file));
	check(file != NULL);
	int result = key_file_read(file, path, reason);
	if (result == -ENOENT)
		key_explain(reason, 0, "token-key %.300s: %s; `nearbyctl keygen FILE` makes one", path,
			strerror(ENOENT));
	else if (result != 0)
		key_explain(reason, 0, "token-key %.300s: %.200s", path, *reason);
	else if ((result = make_key(key, file)) != 0)
		key_explain(reason, 0, "token-key %.300s: a key in it is not sound", path);
	else
		*reason = warn(file, path);
	key_file_wipe(file);
	free(file);
	return result;
}

void token_key_close(struct token_key **key)
{
	if (*key == NULL)
		return;
	check_object(*key, KEY_MAGIC);
	for (uint32_t i = 0; i < (*key)->count; i++) {
		cjose_jwk_release((*key)->keys[i].jwk);
		free((*key)->keys[i].id);
	}
	(*key)->magic = 0;
	free(*key);
	*key = NULL;
}

int token_key_generate(const char *path)
{
	uint8_t random[KEY_SECRET_BYTES_MIN];
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

/* The keys, a bit each, that may have signed a token whose header the reader holds. A `kid` leaves
 * those that have it, and those that have none. */
static uint32_t keys_for(const struct token_key *key, const struct json_reader *reader,
			 uint32_t algorithm)
{
	struct decode_error error;
	const char *id = NULL;
	size_t length = 0;
	bool has_id = json_take_text(reader, "kid", 0, TOKEN_BYTES_MAX, &id, &length, &error);
	uint32_t found = 0;
	for (uint32_t i = 0; i < key->count; i++) {
		const struct one_key *one = &key->keys[i];
		bool is_named = !has_id || one->id == NULL ||
				(one->id_length == length && memcmp(one->id, id, length) == 0);
		if ((one->algorithms >> algorithm & 1) != 0 && is_named)
			found |= 1u << i;
	}
	return found;
}

static bool has_key_for(const struct token_key *key, uint32_t algorithm)
{
	for (uint32_t i = 0; i < key->count; i++)
		if ((key->keys[i].algorithms >> algorithm & 1) != 0)
			return true;
	return false;
}

/* What a header says: the algorithm, and which keys to try, a bit each. */
struct claim_of_origin {
	enum token_algorithm algorithm;
	uint32_t candidates;
};

static enum token_verdict judge_fields(const struct token_key *key,
				       const struct json_reader *reader,
				       struct claim_of_origin *origin)
{
	struct decode_error error;
	const char *name;
	size_t length;
	if (!json_take_text(reader, "alg", 1, 32, &name, &length, &error) ||
	    json_kind(reader, "crit") != JSON_KIND_ABSENT)
		return TOKEN_ALGORITHM;
	origin->algorithm = token_algorithm_find(name, length);
	if (origin->algorithm == TOKEN_ALGORITHM_COUNT || !has_key_for(key, origin->algorithm))
		return TOKEN_ALGORITHM;
	origin->candidates = keys_for(key, reader, origin->algorithm);
	return origin->candidates == 0 ? TOKEN_KEY : TOKEN_GOOD;
}

static enum token_verdict judge_header(const struct token_key *key, struct json_reader *reader,
				       const char *text, size_t length,
				       struct claim_of_origin *origin)
{
	uint8_t *header = NULL;
	size_t bytes = 0;
	cjose_err problem;
	struct decode_error error;
	if (!cjose_base64url_decode(text, length, &header, &bytes, &problem))
		return TOKEN_MALFORMED;
	bool is_object = json_read(reader, header, bytes, &error);
	cjose_get_dealloc()(header);
	return is_object ? judge_fields(key, reader, origin) : TOKEN_MALFORMED;
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

/* Times first: what is said of a token that is not in force is of no interest. */
static enum token_verdict judge_times(const struct json_reader *reader, const struct token_rules *rules,
				      struct token *token)
{
	int64_t not_before_s, latest_s = rules->now_s + rules->leeway_s;
	if (!json_has(reader, "exp") || !read_time(reader, "exp", 0, &token->expiry_s) ||
	    !read_time(reader, "nbf", 0, &not_before_s) ||
	    !read_time(reader, "iat", 0, &token->issued_s))
		return TOKEN_CLAIMS;
	if (rules->now_s >= token->expiry_s)
		return TOKEN_EXPIRED;
	/* One of the future would outlive every revocation until then. */
	return not_before_s > latest_s || token->issued_s > latest_s ? TOKEN_EARLY : TOKEN_GOOD;
}

static enum token_verdict judge_claims(const struct json_reader *reader, const struct token_rules *rules,
				       struct token *token)
{
	struct decode_error error;
	enum token_verdict verdict = judge_times(reader, rules, token);
	if (verdict != TOKEN_GOOD)
		return verdict;
	if (rules->audience[0] != '\0' && !json_names(reader, "aud", rules->audience))
		return TOKEN_AUDIENCE;
	token->is_admin = has_scope(reader, "admin");
	token->is_nobody = !json_take_user(reader, "sub", &token->user, &error);
	return token->is_nobody && !token->is_admin ? TOKEN_SUBJECT : TOKEN_GOOD;
}

/* ES256 has one length (RFC 7518 section 3.4): a byte more would be overlooked. */
static bool has_right_length(const char *text, size_t length, enum token_algorithm algorithm)
{
	const char *dot = memrchr(text, '.', length);
	return algorithm != TOKEN_ALGORITHM_ES256 ||
	       (size_t)(text + length - dot) - 1 == ES256_LETTERS;
}

/* Whether one of the candidates signed it. */
static bool is_signed(cjose_jws_t *jws, const struct token_key *key, uint32_t candidates)
{
	cjose_err problem;
	for (uint32_t i = 0; i < key->count; i++)
		if ((candidates >> i & 1) != 0 && cjose_jws_verify(jws, key->keys[i].jwk, &problem))
			return true;
	return false;
}

/* Whether a key signed it; then the claims are read. */
static enum token_verdict judge_signature(const struct token_key *key, struct json_reader *reader,
					  const char *text, size_t length,
					  const struct claim_of_origin *origin)
{
	cjose_err problem;
	cjose_jws_t *jws = cjose_jws_import(text, length, &problem);
	if (jws == NULL)
		return TOKEN_MALFORMED;
	enum token_verdict verdict = TOKEN_SIGNATURE;
	uint8_t *claims = NULL; /* belongs to jws */
	size_t bytes = 0;
	struct decode_error error;
	if (!has_right_length(text, length, origin->algorithm) ||
	    !is_signed(jws, key, origin->candidates))
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
				const char *text, size_t length, const struct token_rules *rules,
				struct token *token)
{
	check_object(key, KEY_MAGIC);
	if (length == 0)
		return TOKEN_MISSING;
	size_t header_bytes = compact_header_bytes(text, length);
	if (header_bytes == 0)
		return TOKEN_MALFORMED;
	struct claim_of_origin origin;
	enum token_verdict verdict = judge_header(key, reader, text, header_bytes, &origin);
	if (verdict == TOKEN_GOOD)
		verdict = judge_signature(key, reader, text, length, &origin);
	struct token read = { 0 };
	if (verdict == TOKEN_GOOD)
		verdict = judge_claims(reader, rules, &read);
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
	if (token->issued_s != 0) {
		writer_put_text(writer, ",\"iat\":");
		writer_put_i64(writer, token->issued_s);
	}
	if (audience[0] != '\0') {
		writer_put_text(writer, ",\"aud\":");
		json_encode_string(writer, audience, strlen(audience));
	}
	if (token->is_admin)
		writer_put_text(writer, ",\"scope\":\"admin\"");
	writer_put_text(writer, "}");
}

/* The first key that can sign: HS256 shares it. */
static const struct one_key *signer(const struct token_key *key)
{
	for (uint32_t i = 0; i < key->count; i++)
		if ((key->keys[i].algorithms >> TOKEN_ALGORITHM_HS256 & 1) != 0)
			return &key->keys[i];
	return NULL;
}

int token_make(const struct token_key *key, const struct token *token, const char *audience,
	       char text[TOKEN_BYTES_MAX + 1])
{
	check_object(key, KEY_MAGIC);
	const struct one_key *one = signer(key);
	if (one == NULL)
		return -ENOKEY;
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
	    !cjose_header_set(header, CJOSE_HDR_ALG, CJOSE_HDR_ALG_HS256, &problem) ||
	    (one->id != NULL && !cjose_header_set(header, CJOSE_HDR_KID, one->id, &problem)))
		goto out;
	jws = cjose_jws_sign(one->jwk, header, writer.start, writer_length(&writer), &problem);
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
