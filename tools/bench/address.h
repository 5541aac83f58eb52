/*
 * Owns: what "127.0.0.1:7600", "[::1]:7600", "localhost:7600" and "unix:/path" mean.
 * Invariant: a resolved address can be given to connect as it is.
 * Thread: the caller's, no state.
 * Does not know: what is spoken there.
 */
#ifndef NEARBY_BENCH_ADDRESS_H
#define NEARBY_BENCH_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
	struct sockaddr_storage socket;
	socklen_t socket_bytes;
	char host[128]; /* for the Host header */
};

/* 0, or -EINVAL when the text is no address, or -EHOSTUNREACH when the name is not found. */
int address_resolve(struct address *address, const char *text);

/*
 * A loopback address to connect from: a pair of addresses has about 28,000 ports, so every block of
 * connections to 127.x.x.x gets a source of its own. False when the target is no IPv4 loopback.
 */
bool address_source(const struct address *target, uint32_t block, struct address *source);

#endif
