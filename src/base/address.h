/*
 * Owns: addresses of the Internet, and blocks of them.
 * Invariant: an address is 16 bytes; one of IPv4 is written as ::ffff:a.b.c.d, so that each host has one
 *   form and two addresses are the same when their bytes are.
 * Thread: any, no state.
 * Does not know: sockets, ports, what an address is trusted with.
 */
#ifndef NEARBY_BASE_ADDRESS_H
#define NEARBY_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero, as `::` is: no address; that of a peer on a Unix socket. */
struct address {
	uint8_t bytes[16];
};

/* All addresses whose first `bits` bits are those of `first`. */
struct address_block {
	struct address first;
	uint8_t bits; /* 0 to 128; of an IPv4 block 96 more than is written behind its slash */
};

/* A text of an address with its NUL. */
#define ADDRESS_TEXT_BYTES 46

/* The address of four bytes in the order of the network. */
struct address address_of_ipv4(const void *bytes);
/* The address of sixteen. */
struct address address_of_ipv6(const void *bytes);
/* Whether both are the same. */
bool address_equal(const struct address *a, const struct address *b);
/* Writes "192.0.2.1" or "2001:db8::1". */
void address_format(const struct address *address, char text[ADDRESS_TEXT_BYTES]);

/* Reads "192.0.2.1", "192.0.2.0/24", "2001:db8::/32"; what lies behind the bits must be 0. False, and
 * *block untouched, when it is none. */
bool address_block_read(struct address_block *block, const char *text);
/* Whether `address` is in it. */
bool address_block_has(const struct address_block *block, const struct address *address);

#endif
