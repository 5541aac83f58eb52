/*
 * Owns: the key exchange of a WebSocket upgrade.
 * Invariant: none.
 * Thread: any, no state.
 * Does not know: HTTP.
 */
#ifndef NEARBY_NET_UPGRADE_H
#define NEARBY_NET_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>

#define UPGRADE_KEY_BYTES 24
#define UPGRADE_ACCEPT_BYTES 28

/* Whether it is 16 bytes in base64, as RFC 6455 asks. */
bool upgrade_key_is_valid(const char *key, size_t length);
/* What Sec-WebSocket-Accept must say to `key`, NUL-terminated. */
void upgrade_accept(const char key[UPGRADE_KEY_BYTES], char accept[UPGRADE_ACCEPT_BYTES + 1]);

#endif
