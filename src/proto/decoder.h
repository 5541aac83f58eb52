/*
 * Owns: the memory in which messages of clients are read.
 * Invariant: what a decoded message lends lies in it until the next one is read.
 * Thread: a decoder's.
 * Does not know: what is read. Of the codecs alone; others see codec.h.
 */
#ifndef NEARBY_PROTO_DECODER_H
#define NEARBY_PROTO_DECODER_H

#include "proto/codec.h"

enum {
	DECODER_MAGIC = 0x6465636f,
	/* For unpacking Protobuf: all strings of the longest message, and a thousand fields. */
	SCRATCH_BYTES = MESSAGE_BYTES_MAX + 64 * 1024,
	SCRATCH_ALIGNMENT = 16,
};

struct decoder {
	uint32_t magic;
	struct json_reader *reader;
	size_t scratch_used;
	_Alignas(SCRATCH_ALIGNMENT) uint8_t scratch[SCRATCH_BYTES];
};

#endif
