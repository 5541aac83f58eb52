/*
 * Owns: the proof of who a client is: JSON Web Tokens.
 * Invariant: nothing but a token that one of the keys signed, that is valid now and names a user,
 *   or is a service's, passes; a key verifies only by its own algorithms, whatever the token says of itself.
 * Thread: a key is read by any number of threads at once; each brings its own JSON reader.
 * Does not know: HTTP, sessions, what the user may do.
 */
#ifndef NEARBY_APP_TOKEN_H
#define NEARBY_APP_TOKEN_H

#include "base/id.h"
#include "proto/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a token is found to be: enum, texts and counters come from one table. */
enum token_verdict {
#define TOKEN_VERDICT(name, text, help) TOKEN_##name,
#include "app/token_verdicts.tbl"
#undef TOKEN_VERDICT
	TOKEN_VERDICT_COUNT
};
const char *token_verdict_text(enum token_verdict verdict);
/* A sentence for the answer to the client. */
const char *token_verdict_help(enum token_verdict verdict);

/* What a good token says. */
struct token {
	struct user_id user; /* `sub` */
	int64_t expiry_s;    /* `exp`, seconds since 1970; it holds until before then */
	bool is_admin;	     /* `scope` has the word admin */
	/* A service's, whose `sub` is missing or names no user: `user` is not filled in. */
	bool is_nobody;
	int64_t issued_s; /* `iat`, seconds since 1970, rounded down; 0: it does not say */
};

/* What a token is held against. */
struct token_rules {
	int64_t now_s;
	/* Seconds by which the clock of who signs may be ahead: `nbf` and `iat` may be so far in the
	 * future. `exp` has no such: that a token ends when it says is all that its issuer can rely on. */
	uint32_t leeway_s;
	const char *audience; /* that `aud` must name; "" : it is not looked at */
};

struct token_key;

/*
 * Loads the keys that the file holds, in one of the forms of key_file.h: a secret for HS256 (a
 * newline at its end is not part of it), public keys in PEM, or a JWK Set. 0, or -EINVAL, or the
 * errno of the file, with *reason a thread-local text that says what to do. With 0, *reason is NULL
 * or a warning (others can read the secret; some keys of the set are of no use).
 */
int token_key_open(struct token_key **key, const char *path, const char **reason);
void token_key_close(struct token_key **key);

/* Makes a file, which must not be there yet, with a new random secret, mode 0600. 0, -EEXIST, or
 * what else the system says. */
int token_key_generate(const char *path);

/*
 * Judges a token; REVOKED and BARRED are left to bars.h. *token is filled when the verdict is
 * TOKEN_GOOD. Uses `reader`, so what was lent from it before is gone.
 */
enum token_verdict token_verify(const struct token_key *key, struct json_reader *reader,
				const char *text, size_t length, const struct token_rules *rules,
				struct token *token);

/* Signs a token of a user with HS256 into `text`, NUL-terminated; `audience` "" for none. 0, or -EINVAL: too
 * long, or -ENOKEY: there is no secret, public keys cannot sign. */
int token_make(const struct token_key *key, const struct token *token, const char *audience,
	       char text[TOKEN_BYTES_MAX + 1]);

#endif
