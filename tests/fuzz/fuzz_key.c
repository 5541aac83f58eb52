/*
 * Owns: the fuzz target of the files that keys come in.
 * Invariant: a file that is taken gives one key at least, each with an algorithm and a JSON Web Key; one
 *   that is not is refused with a reason.
 * Thread: one.
 * Does not know: tokens.
 */
#include "app/key_file.h"
#include "base/check.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct key_file file;
	const char *reason = NULL;
	if (key_file_parse(&file, (const char *)data, size, &reason) != 0) {
		check(reason != NULL && reason[0] != '\0');
		return 0;
	}
	check(file.count >= 1 && file.count <= KEY_FILE_KEYS_MAX);
	for (uint32_t i = 0; i < file.count; i++) {
		const struct file_key *key = &file.keys[i];
		check(key->algorithms != 0 && key->algorithms < 1u << TOKEN_ALGORITHM_COUNT);
		check(strncmp(key->jwk, "{\"kty\":\"", 8) == 0);
		check(key->jwk[strlen(key->jwk) - 1] == '}');
		check(key->id_length <= KEY_ID_BYTES_MAX);
	}
	return 0;
}
