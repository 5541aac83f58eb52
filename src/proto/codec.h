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
#include "proto/message.h"

struct decoder;

/* Makes a decoder with its scratch memory. 0, or -ENOMEM. */
int decoder_open(struct decoder **decoder);
void decoder_close(struct decoder **decoder);

/*
 * Reads one message of nearby.v1.json; more than MESSAGE_BYTES_MAX is refused as BAD_JSON. True:
 * *msg is filled, and lends from the decoder until its next use. False: *error is, and *msg is not
 * to be looked at.
 */
bool json_decode(struct decoder *decoder, const void *text, size_t length, struct client_msg *msg,
		 struct decode_error *error);

/* The same without the short way of json_location.h: what that is judged against. */
bool json_decode_general(struct decoder *decoder, const void *text, size_t length,
			 struct client_msg *msg, struct decode_error *error);

/* Reads `mode` and, when it is there, `until`. "default" is taken only for an exception. */
bool json_take_sharing(const struct json_reader *reader, bool is_exception, struct sharing *sharing,
		       struct decode_error *error);

/* Writes one message of nearby.v1.json. The most that any message takes is ENCODED_BYTES_MAX. */
void json_encode(struct writer *writer, const struct server_msg *msg);

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
 * bytes for the rest of an entry, and 256 around them. */
#define ENCODED_BYTES_MAX (256 + FRAME_ENTRIES_MAX * (6 * NAME_BYTES_MAX + 160))

#endif
