/*
 * Owns: the table of subprotocols, and making decoders.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: how a codec works.
 */
#include "proto/codec.h"

#include "base/check.h"
#include "proto/decoder.h"

#include <errno.h>
#include <stdlib.h>

const struct codec codecs[CODEC_COUNT] = {
	[CODEC_JSON] = { .subprotocol = "nearby.v1.json",
			 .is_binary = false,
			 .decode = json_decode,
			 .measure = &json_measure,
			 .encode = json_encode },
	[CODEC_PROTOBUF] = { .subprotocol = "nearby.v1.protobuf",
			     .is_binary = true,
			     .decode = protobuf_decode,
			     .measure = &protobuf_measure,
			     .encode = protobuf_encode },
};

int decoder_open(struct decoder **decoder)
{
	struct decoder *fresh = aligned_alloc(SCRATCH_ALIGNMENT, sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	int result = json_reader_open(&fresh->reader);
	if (result != 0) {
		free(fresh);
		return result;
	}
	fresh->scratch_used = 0;
	fresh->magic = DECODER_MAGIC;
	*decoder = fresh;
	return 0;
}

void decoder_close(struct decoder **decoder)
{
	if (*decoder == NULL)
		return;
	check_object(*decoder, DECODER_MAGIC);
	json_reader_close(&(*decoder)->reader);
	(*decoder)->magic = 0;
	free(*decoder);
	*decoder = NULL;
}
