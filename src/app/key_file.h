/*
 * Owns: the forms in which the key of the tokens stands in a file: a secret, PEM, a JWK Set.
 * Invariant: what is read is a list of keys that may verify, each sound by itself: long enough, on the
 *   curve that its algorithm asks for, and with nothing private but the secret that HS256 shares.
 * Thread: any; a list is its caller's.
 * Does not know: tokens.
 */
#ifndef NEARBY_APP_KEY_FILE_H
#define NEARBY_APP_KEY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The algorithms of RFC 7518 section 3.1 that a token may be signed with. */
enum token_algorithm {
#define TOKEN_ALGORITHM(name) TOKEN_ALGORITHM_##name,
#include "app/token_algorithms.tbl"
#undef TOKEN_ALGORITHM
	TOKEN_ALGORITHM_COUNT
};

/* Keys of one file: those of before, of now and of next at a few issuers. */
#define KEY_FILE_KEYS_MAX 32
#define KEY_FILE_KEYS_BYTES_MAX (64 * 1024)
#define KEY_ID_BYTES_MAX 255
/* As long as the hash of HS256, as RFC 7518 section 3.2 demands. */
#define KEY_SECRET_BYTES_MIN 32
#define KEY_SECRET_BYTES_MAX 1024
/* RFC 7518 section 3.3. */
#define KEY_RSA_BITS_MIN 2048
#define KEY_RSA_BITS_MAX 8192

/* One key: a JSON Web Key (RFC 7517) of its needed members alone. */
struct file_key {
	uint32_t algorithms; /* a bit for each enum token_algorithm that it may verify */
	size_t id_length;
	char id[KEY_ID_BYTES_MAX + 1]; /* `kid`; length 0: it has none, and answers to every one */
	char jwk[2 * KEY_SECRET_BYTES_MAX + 512];
};

struct key_file {
	uint32_t count;
	uint32_t ignored; /* of a JWK Set: for another use, of a kind or an algorithm not offered */
	bool is_open;	  /* others can read or write the file, and it has a secret */
	struct file_key keys[KEY_FILE_KEYS_MAX];
};

/*
 * Reads the file into *file, which the caller wipes when done. 0, or -EINVAL, or the errno of the
 * file, with *reason a thread-local text that says what is allowed.
 */
int key_file_read(struct key_file *file, const char *path, const char **reason);
/* The same of a file's bytes, but for is_open. 0, or -EINVAL. */
int key_file_parse(struct key_file *file, const char *bytes, size_t length, const char **reason);
void key_file_wipe(struct key_file *file);

/* Writes what is wrong, printf-like, to a text that lives until the thread's next but one: *reason.
 * Returns `result`. */
int key_explain(const char **reason, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The algorithm of that name; TOKEN_ALGORITHM_COUNT when it is none of them. */
enum token_algorithm token_algorithm_find(const char *name, size_t length);

#endif
