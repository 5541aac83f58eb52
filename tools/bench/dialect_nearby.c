/*
 * Owns: what nearbyd speaks, nearby-protocol(7), and what the peers with the same protocol do.
 * Invariant: see dialect.h.
 * Thread: see dialect.h.
 * Does not know: see dialect.h.
 */
#include "bench/answer.h"
#include "bench/dialect.h"
#include "bench/entries.h"
#include "bench/loader.h"

#include "base/check.h"
#include "base/writer.h"

static void greet(struct loader *loader, uint32_t local)
{
	/* The server speaks first. */
	(void)loader;
	(void)local;
}

static size_t announce(char text[DIALECT_LOCATION_BYTES_MAX], const struct announcement *said)
{
	struct writer writer = writer_init(text, DIALECT_LOCATION_BYTES_MAX);
	writer_put_text(&writer, "{\"type\":\"location\",\"lat\":");
	writer_put_fixed(&writer, said->place.lat_e7, 7);
	writer_put_text(&writer, ",\"lon\":");
	writer_put_fixed(&writer, said->place.lon_e7, 7);
	writer_put_text(&writer, ",\"ts\":");
	writer_put_i64(&writer, said->ts_ms);
	writer_put_text(&writer, "}");
	check(!writer.overflow);
	return writer_length(&writer);
}

static void hear_fully(struct loader *loader, uint32_t local, const char *text, size_t length,
		       uint64_t now_us)
{
	static struct answer answer; /* large; one thread */
	if (!answer_read(&answer, text, length)) {
		loader_bad(loader, local, text, length);
		return;
	}
	switch (answer.type) {
	case ANSWER_WELCOME:
		loader_joined(loader, local, now_us);
		break;
	case ANSWER_UPDATE:
		for (uint32_t i = 0; i < answer.count; i++)
			loader_told(loader, local, answer.entries[i].user, answer.entries[i].ts_ms,
				    now_us);
		break;
	case ANSWER_NEARBY:
		for (uint32_t i = 0; i < answer.count; i++)
			loader_listed(loader, local, answer.entries[i].user,
				      answer.entries[i].ts_ms);
		break;
	case ANSWER_GONE:
		for (uint32_t i = 0; i < answer.count; i++)
			loader_gone(loader, local, answer.gone[i].user, now_us);
		break;
	case ANSWER_ERROR:
		loader_refused(loader, local, text, length);
		break;
	case ANSWER_RECONNECT: /* the close that follows is what counts */
	case ANSWER_OTHER:
		break;
	}
}

static void hear(struct loader *loader, uint32_t local, const char *text, size_t length,
		 uint64_t now_us)
{
	struct entries entries;
	struct entries_entry entry;
	if (!entries_open(&entries, text, length)) {
		hear_fully(loader, local, text, length, now_us);
		return;
	}
	while (entries_next(&entries, &entry))
		loader_told(loader, local, entry.user, entry.ts_ms, now_us);
	if (entries.bad)
		loader_bad(loader, local, text, length);
}

const struct dialect dialect_nearby = {
	.name = "nearby",
	.path = "/v1/ws",
	.subprotocol = "nearby.v1.json",
	.has_tokens = true,
	.shows_token = true,
	.greet = greet,
	.announce = announce,
	.hear = hear,
};
