/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "base/address.h"

#include <arpa/inet.h>
#include <string.h>

enum { IPV4_BITS = 32, IPV6_BITS = 128, BEFORE_IPV4 = 96 };

static const uint8_t ipv4_prefix[12] = { [10] = 0xff, [11] = 0xff };

struct address address_of_ipv4(const void *bytes)
{
	struct address address;
	memcpy(address.bytes, ipv4_prefix, sizeof(ipv4_prefix));
	memcpy(address.bytes + sizeof(ipv4_prefix), bytes, 4);
	return address;
}

struct address address_of_ipv6(const void *bytes)
{
	struct address address;
	memcpy(address.bytes, bytes, sizeof(address.bytes));
	return address;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool is_ipv4(const struct address *address)
{
	return memcmp(address->bytes, ipv4_prefix, sizeof(ipv4_prefix)) == 0;
}

void address_format(const struct address *address, char text[ADDRESS_TEXT_BYTES])
{
	if (is_ipv4(address))
		inet_ntop(AF_INET, address->bytes + sizeof(ipv4_prefix), text, ADDRESS_TEXT_BYTES);
	else
		inet_ntop(AF_INET6, address->bytes, text, ADDRESS_TEXT_BYTES);
}

/* Reads the digits behind the slash, 0 to `max`. */
static bool read_bits(const char *text, unsigned max, unsigned *bits)
{
	size_t length = strlen(text);
	if (length == 0 || length > 3 || strspn(text, "0123456789") != length)
		return false;
	*bits = 0;
	for (; *text != '\0'; text++)
		*bits = *bits * 10 + (unsigned)(*text - '0');
	return *bits <= max;
}

static bool read_address(const char *text, struct address *address)
{
	uint8_t bytes[16];
	if (inet_pton(AF_INET, text, bytes) == 1)
		*address = address_of_ipv4(bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		*address = address_of_ipv6(bytes);
	else
		return false;
	return true;
}

/* Whether bit `number`, from the first, is set. */
static bool has_bit(const struct address *address, unsigned number)
{
	return (address->bytes[number / 8] >> (7 - number % 8) & 1) != 0;
}

bool address_block_read(struct address_block *block, const char *text)
{
	char host[ADDRESS_TEXT_BYTES];
	size_t length = strcspn(text, "/");
	if (length >= sizeof(host))
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	struct address first;
	if (!read_address(host, &first))
		return false;
	bool is_short = strchr(host, ':') == NULL;
	unsigned bits = is_short ? IPV4_BITS : IPV6_BITS;
	if (text[length] == '/' && !read_bits(text + length + 1, bits, &bits))
		return false;
	bits += is_short ? BEFORE_IPV4 : 0;
	for (unsigned number = bits; number < IPV6_BITS; number++)
		if (has_bit(&first, number))
			return false;
	*block = (struct address_block){ first, (uint8_t)bits };
	return true;
}

bool address_block_has(const struct address_block *block, const struct address *address)
{
	size_t whole = block->bits / 8;
	if (memcmp(block->first.bytes, address->bytes, whole) != 0)
		return false;
	unsigned rest = block->bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);
	return rest == 0 || ((block->first.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}
