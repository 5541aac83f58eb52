/*
 * Owns: the header of the PROXY protocol, version 2, by which a proxy in front says who its client is.
 * Invariant: what is read is decided by the bytes alone, whatever portions they came in; a header that is
 *   longer than the bound, or of another version, is refused as soon as that shows.
 * Thread: any, no state.
 * Does not know: who may send one; connections.
 */
#ifndef NEARBY_NET_PROXY_HEADER_H
#define NEARBY_NET_PROXY_HEADER_H

#include "base/address.h"

/* All of it, with the values behind the addresses, which are passed over. */
#define PROXY_HEADER_BYTES_MAX 4096u

enum proxy_verdict {
	PROXY_MORE, /* so far so good: ask again with more behind it */
	PROXY_GOOD,
	PROXY_BAD,
};

struct proxy_header {
	enum proxy_verdict verdict;
	size_t length;	  /* when GOOD: where what the client says begins */
	bool has_address; /* else the proxy speaks for itself, as it does to see whether we live */
	struct address address;
};

/* Reads the header that `bytes` begin with. */
struct proxy_header proxy_header_read(const void *bytes, size_t length);

#endif
