/*
 * Owns: writing and reading WebSocket frames.
 * Invariant: see the header.
 * Thread: the caller's.
 * Does not know: sockets.
 */
#include "bench/frame.h"

#include <errno.h>
#include <string.h>

#define BIT_FINAL 0x80
#define BIT_MASK  0x80

size_t frame_write(uint8_t *to, enum frame_opcode opcode, const void *payload, size_t length,
		   uint32_t mask)
{
	uint8_t *at = to;
	*at++ = BIT_FINAL | (uint8_t)opcode;
	unsigned more = length < 126 ? 0 : length <= UINT16_MAX ? 2 : 8;
	*at++ = (uint8_t)(BIT_MASK | (more == 0 ? length : more == 2 ? 126 : 127));
	for (unsigned i = more; i > 0; i--)
		*at++ = (uint8_t)((uint64_t)length >> (8 * (i - 1)));
	uint8_t key[4];
	memcpy(key, &mask, sizeof(key));
	memcpy(at, key, sizeof(key));
	at += sizeof(key);
	for (size_t i = 0; i < length; i++)
		at[i] = ((const uint8_t *)payload)[i] ^ key[i % 4];
	return (size_t)(at - to) + length;
}

static int opcode_is_known(unsigned opcode)
{
	return opcode == FRAME_TEXT || opcode == FRAME_BINARY || opcode == FRAME_CLOSE ||
	       opcode == FRAME_PING || opcode == FRAME_PONG;
}

ssize_t frame_read(const uint8_t *bytes, size_t length, struct frame *frame)
{
	if (length < 2)
		return 0;
	unsigned opcode = bytes[0] & 0x0f;
	if ((bytes[0] & 0xf0) != BIT_FINAL || !opcode_is_known(opcode) || (bytes[1] & BIT_MASK))
		return -EPROTO;
	uint64_t payload_bytes = bytes[1];
	unsigned more = payload_bytes < 126 ? 0 : payload_bytes == 126 ? 2 : 8;
	if (length < 2 + more)
		return 0;
	if (more > 0)
		payload_bytes = 0;
	for (unsigned i = 0; i < more; i++)
		payload_bytes = payload_bytes << 8 | bytes[2 + i];
	if (payload_bytes > FRAME_PAYLOAD_BYTES_MAX)
		return -EPROTO;
	if (length - 2 - more < payload_bytes)
		return 0;
	frame->opcode = (enum frame_opcode)opcode;
	frame->payload = (const char *)bytes + 2 + more;
	frame->length = payload_bytes;
	return (ssize_t)(2 + more + payload_bytes);
}
