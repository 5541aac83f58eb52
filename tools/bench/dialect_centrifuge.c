/*
 * Owns: the JSON protocol of the Centrifuge engine, as far as a location needs it.
 * Invariant: see dialect.h.
 * Thread: see dialect.h.
 * Does not know: see dialect.h.
 *
 * A user's channel is its id. The server subscribes a client to its friends' channels as it connects;
 * locations go out by the command `send`, which has no answer. A frame may hold several messages, a
 * line each.
 */
#include "bench/entries.h"
#include "bench/loader.h"
#include "bench/payload.h"

#include "base/check.h"

#include <string.h>

static void greet(struct loader *loader, uint32_t local)
{
	char text[TOKEN_BYTES_MAX + 64], token[TOKEN_BYTES_MAX + 1];
	struct writer writer = writer_init(text, sizeof(text));
	loader_token(loader, local, token);
	writer_put_text(&writer, "{\"id\":1,\"params\":{\"token\":\"");
	writer_put_text(&writer, token);
	writer_put_text(&writer, "\"}}");
	check(!writer.overflow);
	loader_say(loader, local, text, writer_length(&writer));
}

static size_t announce(char text[DIALECT_LOCATION_BYTES_MAX], const struct announcement *said)
{
	struct writer writer = writer_init(text, DIALECT_LOCATION_BYTES_MAX);
	writer_put_text(&writer, "{\"method\":8,\"params\":{\"data\":");
	payload_put(&writer, said);
	writer_put_text(&writer, "}}");
	check(!writer.overflow);
	return writer_length(&writer);
}

static bool hear_location(struct loader *loader, uint32_t local, const char *at, const char *end,
			  uint64_t now_us)
{
	struct nearby_place place;
	uint64_t id;
	int64_t ts_ms;
	if (!PAYLOAD_EXPECT(&at, end, "{\"result\":{\"channel\":\"") ||
	    !entries_number(&at, end, &id) || !PAYLOAD_EXPECT(&at, end, "\",\"data\":{\"data\":") ||
	    !payload_read(&at, end, &place, &ts_ms))
		return false;
	loader_told_at(loader, local, id, ts_ms, place, now_us);
	return true;
}

static void hear_line(struct loader *loader, uint32_t local, const char *line, const char *end,
		      uint64_t now_us)
{
	const char *at = line;
	size_t length = (size_t)(end - line);
	if (hear_location(loader, local, line, end, now_us))
		return;
	if (PAYLOAD_EXPECT(&at, end, "{\"id\":1,\"result\":{\"client\":"))
		loader_joined(loader, local, now_us);
	else if (memmem(line, length, "\"error\":", 8) != NULL)
		loader_refused(loader, local, line, length);
	else
		loader_bad(loader, local, line, length);
}

static void hear(struct loader *loader, uint32_t local, const char *text, size_t length,
		 uint64_t now_us)
{
	const char *end = text + length;
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline == NULL ? end : newline;
		if (line_end > text)
			hear_line(loader, local, text, line_end, now_us);
		text = line_end + 1;
	}
}

const struct dialect dialect_centrifuge = {
	.name = "centrifuge",
	.path = "/connection/websocket",
	.has_tokens = true,
	.is_unfiltered = true,
	.greet = greet,
	.announce = announce,
	.hear = hear,
};
