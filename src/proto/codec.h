/*
 * Owns: the seam between messages and their bytes.
 * Invariant: encode(decode) keeps every field; hostile bytes give an error that says what is
 *   allowed, never a crash; neither takes memory from the system (save for the decoding of texts
 *   full of tiny values, see json_read.c).
 * Thread: a decoder belongs to one thread (it lends scratch memory); encoding has no state.
 * Does not know: frames, sockets, who is asking.
 */
#ifndef NEARBY_PROTO_CODEC_H
#define NEARBY_PROTO_CODEC_H

#include "base/writer.h"
#include "proto/json.h"
#include "proto/measure.h"
#include "proto/message.h"

struct decoder;

/* The subprotocols that there are: each session speaks one. */
enum codec_id { CODEC_JSON, CODEC_PROTOBUF, CODEC_COUNT };

/* What a subprotocol makes of messages. */
struct codec {
	const char *subprotocol; /* its name in Sec-WebSocket-Protocol */
	bool is_binary;		 /* a message is one binary frame, else one text frame */
	/*
	 * Reads one message of a client; more than MESSAGE_BYTES_MAX is refused. True: *msg is filled,
	 * and lends from the decoder until its next use. False: *error is, and *msg is not to be looked at.
	 */
	bool (*decode)(struct decoder *decoder, const void *bytes, size_t length,
		       struct client_msg *msg, struct decode_error *error);
	/* The room that `encode` needs for a message by measure_message: ENCODED_BYTES_MAX at most. */
	const struct measure *measure;
	/* Writes one message to a client. With less room the writer may overflow. */
	void (*encode)(struct writer *writer, const struct server_msg *msg);
};
extern const struct codec codecs[CODEC_COUNT];

/* Makes a decoder with its scratch memory. 0, or -ENOMEM. */
int decoder_open(struct decoder **decoder);
void decoder_close(struct decoder **decoder);

/* `decode` of nearby.v1.json; what is no JSON object is refused as BAD_JSON. */
bool json_decode(struct decoder *decoder, const void *text, size_t length, struct client_msg *msg,
		 struct decode_error *error);

/* The same without the short way of json_location.h: what that is judged against. */
bool json_decode_general(struct decoder *decoder, const void *text, size_t length,
			 struct client_msg *msg, struct decode_error *error);

/* Reads `mode` and, when it is there, `until`. "default" is taken only for an exception. */
bool json_take_sharing(const struct json_reader *reader, bool is_exception, struct sharing *sharing,
		       struct decode_error *error);

/* `measure` and `encode` of nearby.v1.json. */
extern const struct measure json_measure;
void json_encode(struct writer *writer, const struct server_msg *msg);

/*
 * `decode` of nearby.v1.protobuf, see nearby.proto. Bytes that are no ClientMessage, or one that
 * takes more memory than the decoder has, are refused as BAD_MESSAGE. A string ends at its first NUL.
 */
bool protobuf_decode(struct decoder *decoder, const void *bytes, size_t length,
		     struct client_msg *msg, struct decode_error *error);
/* `measure` and `encode` of nearby.v1.protobuf. */
extern const struct measure protobuf_measure;
void protobuf_encode(struct writer *writer, const struct server_msg *msg);

/* One ENTRY object, for the HTTP answers that list friends. */
void json_encode_entry(struct writer *writer, const struct entry *entry);
/* `"mode":…,"until":…` of what is shared, without braces. */
void json_encode_sharing(struct writer *writer, const struct sharing *sharing);
/* `"mode":…,"until":…,"friends":[…]` of the whole state, without braces. */
void json_encode_sharing_state(struct writer *writer, const struct sharing *sharing,
			       const struct sharing_exception *exceptions, uint32_t count);
/* A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void json_encode_string(struct writer *writer, const char *text, size_t length);

/* FRAME_ENTRIES_MAX entries, a name of NAME_BYTES_MAX each fully escaped (6 bytes a byte), 160
 * bytes for the rest of an entry, and 256 around them: in JSON, the longer form. */
#define ENCODED_BYTES_MAX (256 + FRAME_ENTRIES_MAX * (6 * NAME_BYTES_MAX + 160))

#endif
