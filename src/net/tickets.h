/*
 * Owns: the keys that session tickets of TLS are sealed with.
 * Invariant: the newest key seals for a day at most; what it has sealed can be opened for a day more. Keys
 *   never leave the process, so a restart makes all tickets void.
 * Thread: any, at the same time.
 * Does not know: TLS, what a ticket says.
 */
#ifndef NEARBY_NET_TICKETS_H
#define NEARBY_NET_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

/* How long a key seals, and how long a client may use a ticket. */
#define TICKETS_PERIOD_S 86400u
#define TICKETS_NAME_BYTES 16

struct ticket_key {
	uint8_t name[TICKETS_NAME_BYTES];
	uint8_t cipher[32]; /* for AES-256 */
	uint8_t mac[32];    /* for HMAC with SHA-256 */
};

struct tickets;

/* With a fresh key. NULL: no memory, or the system has no random bytes. */
struct tickets *tickets_open(uint64_t now_s);
void tickets_close(struct tickets **tickets);
/* The key to seal with. `now_s` is of a clock that does not jump. */
void tickets_take(struct tickets *tickets, uint64_t now_s, struct ticket_key *key);
/* The key of that name. False: there is none, or none any more. *is_old: a new ticket should be given. */
bool tickets_find(struct tickets *tickets, uint64_t now_s, const uint8_t name[TICKETS_NAME_BYTES],
		  struct ticket_key *key, bool *is_old);

#endif
