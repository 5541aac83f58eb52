/*
 * Owns: the client protocol of NATS in binary WebSocket messages, as far as a location needs it.
 * Invariant: see dialect.h.
 * Thread: see dialect.h.
 * Does not know: see dialect.h.
 *
 * A user's subject is u. and its id. A client subscribes to the subjects of all its friends, with
 * their numbers as the subscriptions' names, and is in when the ping after that is answered. A frame
 * holds one or more whole messages, as the server writes them.
 */
#include "bench/entries.h"
#include "bench/loader.h"
#include "bench/payload.h"

#include "base/check.h"

#include <string.h>

/* Bytes of a message that subscribes to several. */
#define SUBSCRIBE_BYTES 4000
#define SUBSCRIBE_SPARE 80

static void say_all(struct loader *loader, uint32_t local, struct writer *writer)
{
	check(!writer->overflow);
	loader_say(loader, local, (const char *)writer->start, writer_length(writer));
	writer->at = writer->start;
}

static void subscribe(struct loader *loader, uint32_t local, struct writer *writer, uint32_t user)
{
	uint64_t id = loader_id(loader, user);
	if (writer->end - writer->at < SUBSCRIBE_SPARE)
		say_all(loader, local, writer);
	writer_put_text(writer, "SUB u.");
	writer_put_u64(writer, id);
	writer_put_text(writer, " ");
	writer_put_u64(writer, id);
	writer_put_text(writer, "\r\n");
}

static void greet(struct loader *loader, uint32_t local)
{
	char text[SUBSCRIBE_BYTES];
	struct writer writer = writer_init(text, sizeof(text));
	const struct town *town = loader_town(loader);
	uint32_t user = loader_user(loader, local);
	writer_put_text(&writer,
			"CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\n");
	/* Those who only sit there have no friends. */
	for (uint32_t idx = 0; user < town->count && idx < town->active; idx++)
		subscribe(loader, local, &writer, town_friend(town, user, idx));
	for (uint32_t idx = 0; user < town->count && idx < town->idle; idx++)
		subscribe(loader, local, &writer, town_stranger(town, user, idx));
	writer_put_text(&writer, "PING\r\n");
	say_all(loader, local, &writer);
}

static size_t announce(char text[DIALECT_LOCATION_BYTES_MAX], const struct announcement *said)
{
	char payload[DIALECT_LOCATION_BYTES_MAX / 2];
	struct writer inner = writer_init(payload, sizeof(payload));
	struct writer writer = writer_init(text, DIALECT_LOCATION_BYTES_MAX);
	payload_put(&inner, said);
	writer_put_text(&writer, "PUB u.");
	writer_put_u64(&writer, said->id);
	writer_put_text(&writer, " ");
	writer_put_u64(&writer, writer_length(&inner));
	writer_put_text(&writer, "\r\n");
	writer_put(&writer, payload, writer_length(&inner));
	writer_put_text(&writer, "\r\n");
	check(!inner.overflow && !writer.overflow);
	return writer_length(&writer);
}

/* Behind "MSG ": u.ID NAME BYTES, a line's end, the location, a line's end. */
static bool hear_location(struct loader *loader, uint32_t local, const char **at, const char *end,
			  uint64_t now_us)
{
	struct nearby_place place;
	uint64_t id, name, bytes;
	int64_t ts_ms;
	if (!PAYLOAD_EXPECT(at, end, "u.") || !entries_number(at, end, &id) ||
	    !PAYLOAD_EXPECT(at, end, " ") || !entries_number(at, end, &name) ||
	    !PAYLOAD_EXPECT(at, end, " ") || !entries_number(at, end, &bytes) ||
	    !PAYLOAD_EXPECT(at, end, "\r\n") || !payload_read(at, end, &place, &ts_ms) ||
	    !PAYLOAD_EXPECT(at, end, "\r\n"))
		return false;
	loader_told_at(loader, local, id, ts_ms, place, now_us);
	return true;
}

static bool skip_line(const char **at, const char *end)
{
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));
	*at = newline == NULL ? end : newline + 1;
	return newline != NULL;
}

/* One message. False: it is none that is known. */
static bool hear_one(struct loader *loader, uint32_t local, const char **at, const char *end,
		     uint64_t now_us)
{
	if (PAYLOAD_EXPECT(at, end, "MSG "))
		return hear_location(loader, local, at, end, now_us);
	if (PAYLOAD_EXPECT(at, end, "PING\r\n")) {
		loader_say(loader, local, "PONG\r\n", 6);
		return true;
	}
	if (PAYLOAD_EXPECT(at, end, "PONG\r\n")) {
		loader_joined(loader, local, now_us);
		return true;
	}
	if (PAYLOAD_EXPECT(at, end, "-ERR "))
		loader_refused(loader, local, *at, (size_t)(end - *at));
	else if (!PAYLOAD_EXPECT(at, end, "INFO "))
		return false;
	return skip_line(at, end);
}

static void hear(struct loader *loader, uint32_t local, const char *text, size_t length,
		 uint64_t now_us)
{
	const char *end = text + length;
	while (text < end) {
		const char *at = text;
		if (!hear_one(loader, local, &at, end, now_us)) {
			loader_bad(loader, local, text, (size_t)(end - text));
			return;
		}
		text = at;
	}
}

const struct dialect dialect_nats = {
	.name = "nats",
	.path = "/",
	.is_binary = true,
	.is_unfiltered = true,
	.greet = greet,
	.announce = announce,
	.hear = hear,
};
