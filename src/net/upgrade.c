/*
 * Owns: see the header. SHA-1 and base64 are libcrypto's.
 * Invariant: none.
 * Thread: any, no state.
 * Does not know: see the header.
 */
#include "net/upgrade.h"

#include "base/check.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

bool upgrade_key_is_valid(const char *key, size_t length)
{
	if (length != UPGRADE_KEY_BYTES || key[22] != '=' || key[23] != '=')
		return false;
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < 22; i++)
		if (key[i] == '\0' || strchr(alphabet, key[i]) == NULL)
			return false;
	return true;
}

void upgrade_accept(const char key[UPGRADE_KEY_BYTES], char accept[UPGRADE_ACCEPT_BYTES + 1])
{
	/* RFC 6455, section 1.3. */
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char joined[UPGRADE_KEY_BYTES + sizeof(guid) - 1];
	memcpy(joined, key, UPGRADE_KEY_BYTES);
	memcpy(joined + UPGRADE_KEY_BYTES, guid, sizeof(guid) - 1);
	unsigned char digest[SHA_DIGEST_LENGTH];
	SHA1(joined, sizeof(joined), digest);
	int length = EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
	check(length == UPGRADE_ACCEPT_BYTES);
}
