/*
 * Owns: a location as the JSON object that goes through servers which only pass bytes on.
 * Invariant: what is written is read again exactly; nothing else is read.
 * Thread: the caller's, no state.
 * Does not know: what is around it.
 */
#ifndef NEARBY_BENCH_PAYLOAD_H
#define NEARBY_BENCH_PAYLOAD_H

#include "bench/dialect.h"

#include "base/writer.h"

/* Writes {"lat":37.5,"lon":127,"ts":1700000000000}. */
void payload_put(struct writer *writer, const struct announcement *said);
/* Reads that at *at and moves *at behind it. False: it is something else. */
bool payload_read(const char **at, const char *end, struct nearby_place *place, int64_t *ts_ms);
/* Goes behind that text. False: something else stands there. */
bool payload_expect(const char **at, const char *end, const char *text, size_t length);
#define PAYLOAD_EXPECT(at, end, literal) payload_expect(at, end, literal, sizeof(literal) - 1)

#endif
