/*
 * Owns: see the header. The format is that of "The PROXY protocol, versions 1 & 2", section 2.2.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "net/proxy_header.h"

#include <string.h>

enum {
	SIGNATURE_BYTES = 12,
	/* Signature, version and command, family, length of what follows. */
	FIXED_BYTES = 16,
	COMMAND_LOCAL = 0x20,
	COMMAND_PROXY = 0x21,
	FAMILY_UNKNOWN = 0x00,
	FAMILY_TCP4 = 0x11,
	FAMILY_TCP6 = 0x21,
	/* Two addresses and two ports. */
	TCP4_BYTES = 12,
	TCP6_BYTES = 36,
};

static const uint8_t signature[SIGNATURE_BYTES] = "\r\n\r\n\0\r\nQUIT\n";

/* Bytes that must follow for the family, or -1 for one that is none of ours. */
static int family_bytes(uint8_t command, uint8_t family)
{
	if (command == COMMAND_LOCAL || family == FAMILY_UNKNOWN)
		return 0;
	if (family == FAMILY_TCP4)
		return TCP4_BYTES;
	return family == FAMILY_TCP6 ? TCP6_BYTES : -1;
}

/* Of as many of the fixed bytes as there are. */
static bool is_bad(const uint8_t *bytes, size_t length)
{
	size_t compared = length < SIGNATURE_BYTES ? length : SIGNATURE_BYTES;
	if (memcmp(bytes, signature, compared) != 0)
		return true;
	if (length > 12 && bytes[12] != COMMAND_LOCAL && bytes[12] != COMMAND_PROXY)
		return true;
	return length > 13 && family_bytes(bytes[12], bytes[13]) < 0;
}

struct proxy_header proxy_header_read(const void *from, size_t length)
{
	const uint8_t *bytes = from;
	struct proxy_header header = { .verdict = PROXY_MORE };
	if (is_bad(bytes, length)) {
		header.verdict = PROXY_BAD;
		return header;
	}
	if (length < FIXED_BYTES)
		return header;
	size_t follows = (size_t)bytes[14] << 8 | bytes[15];
	int needed = family_bytes(bytes[12], bytes[13]);
	if (follows < (size_t)needed || FIXED_BYTES + follows > PROXY_HEADER_BYTES_MAX) {
		header.verdict = PROXY_BAD;
		return header;
	}
	if (length < FIXED_BYTES + follows)
		return header;
	header.verdict = PROXY_GOOD;
	header.length = FIXED_BYTES + follows;
	header.has_address = needed > 0;
	if (needed == TCP4_BYTES)
		header.address = address_of_ipv4(bytes + FIXED_BYTES);
	else if (needed == TCP6_BYTES)
		header.address = address_of_ipv6(bytes + FIXED_BYTES);
	return header;
}
