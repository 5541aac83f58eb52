/*
 * Owns: the fuzz target of the tokens' judge.
 * Invariant: no input is a good token (none has the key), and none as claims under a good signature
 *   does harm.
 * Thread: one.
 * Does not know: HTTP.
 */
#include "base/check.h"
#include "app/token.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct token_key *new_key(void)
{
	struct token_key *key = NULL;
	const char *reason;
	char path[] = "/tmp/nearby-fuzz-token-XXXXXX";
	check(mkdtemp(path) != NULL);
	char file[sizeof(path) + 8];
	strcpy(stpcpy(file, path), "/key");
	check(token_key_generate(file) == 0);
	check(token_key_open(&key, file, &reason) == 0);
	unlink(file);
	rmdir(path);
	return key;
}

static const struct token_rules rules = { .now_s = 1, .audience = "" };

/* The input as the audience of a token that we make: then the claims hold any text. */
static void check_audience(const struct token_key *key, struct json_reader *reader,
			   const uint8_t *data, size_t size)
{
	char audience[256], text[TOKEN_BYTES_MAX + 1];
	struct token token = { .user = { 7 }, .expiry_s = 2 };
	size_t length = size < sizeof(audience) - 1 ? size : sizeof(audience) - 1;
	memcpy(audience, data, length);
	audience[length] = '\0';
	check(token_make(key, &token, audience, text) == 0);
	enum token_verdict verdict = token_verify(key, reader, text, strlen(text), &rules, &token);
	check(verdict == TOKEN_GOOD && token.user.value == 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct token_key *key;
	static struct json_reader *reader;
	if (key == NULL) {
		key = new_key();
		check(json_reader_open(&reader) == 0);
	}
	struct token token;
	const char *text = (const char *)data;
	check(token_verify(key, reader, text, size, &rules, &token) != TOKEN_GOOD);
	check_audience(key, reader, data, size);
	return 0;
}
