/*
 * Owns: the fuzz target of the PROXY header.
 * Invariant: a verdict stands whatever comes behind, nothing beyond the bytes is read, and a good header is
 *   within its bound.
 * Thread: one.
 * Does not know: sockets.
 */
#include "base/check.h"
#include "net/proxy_header.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* Of a copy with no byte to spare, so that a sanitizer sees one too many. */
static struct proxy_header read_exactly(const uint8_t *data, size_t length)
{
	uint8_t *copy = malloc(length > 0 ? length : 1);
	check(copy != NULL);
	if (length > 0)
		memcpy(copy, data, length);
	struct proxy_header header = proxy_header_read(copy, length);
	free(copy);
	return header;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header before = { .verdict = PROXY_MORE };
	size_t most = size < PROXY_HEADER_BYTES_MAX ? size : PROXY_HEADER_BYTES_MAX;
	for (size_t length = 0; length <= most; length += length < 64 ? 1 : 61) {
		struct proxy_header header = read_exactly(data, length);
		if (before.verdict != PROXY_MORE) {
			check(header.verdict == before.verdict && header.length == before.length);
			check(address_equal(&header.address, &before.address));
		}
		check(header.verdict != PROXY_GOOD || (header.length <= length && header.length >= 16));
		check(header.verdict != PROXY_MORE || length < PROXY_HEADER_BYTES_MAX);
		before = header;
	}
	return 0;
}
