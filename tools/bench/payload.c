/*
 * Owns: writing and reading a location as JSON.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "bench/payload.h"

#include "bench/entries.h"

#include <string.h>

/* Places are kept to so many decimals of a degree. */
#define DECIMALS 7

void payload_put(struct writer *writer, const struct announcement *said)
{
	writer_put_text(writer, "{\"lat\":");
	writer_put_fixed(writer, said->place.lat_e7, DECIMALS);
	writer_put_text(writer, ",\"lon\":");
	writer_put_fixed(writer, said->place.lon_e7, DECIMALS);
	writer_put_text(writer, ",\"ts\":");
	writer_put_i64(writer, said->ts_ms);
	writer_put_text(writer, "}");
}

bool payload_expect(const char **at, const char *end, const char *text, size_t length)
{
	if ((size_t)(end - *at) < length || memcmp(*at, text, length) != 0)
		return false;
	*at += length;
	return true;
}

/* Degrees, in units of 1e-7. */
static bool read_degrees(const char **at, const char *end, int32_t *degrees_e7)
{
	uint64_t whole, fraction = 0;
	bool is_negative = PAYLOAD_EXPECT(at, end, "-");
	unsigned decimals = 0;
	if (!entries_number(at, end, &whole) || whole > 180)
		return false;
	if (PAYLOAD_EXPECT(at, end, ".")) {
		const char *start = *at;
		if (!entries_number(at, end, &fraction) || *at - start > DECIMALS)
			return false;
		decimals = (unsigned)(*at - start);
	}
	for (; decimals < DECIMALS; decimals++)
		fraction *= 10;
	*degrees_e7 = (int32_t)(whole * 10000000 + fraction) * (is_negative ? -1 : 1);
	return true;
}

bool payload_read(const char **at, const char *end, struct nearby_place *place, int64_t *ts_ms)
{
	uint64_t ts = 0;
	bool is_read =
		PAYLOAD_EXPECT(at, end, "{\"lat\":") && read_degrees(at, end, &place->lat_e7) &&
		PAYLOAD_EXPECT(at, end, ",\"lon\":") && read_degrees(at, end, &place->lon_e7) &&
		PAYLOAD_EXPECT(at, end, ",\"ts\":") && entries_number(at, end, &ts) &&
		PAYLOAD_EXPECT(at, end, "}");
	*ts_ms = (int64_t)ts;
	return is_read;
}
