/*
 * Owns: the short way for the message that comes a thousand times for each other one: `location` as
 *   clients usually write it.
 * Invariant: what it takes, the general reader takes too, with the same result; whatever it is not
 *   sure of it leaves to that one, so it refuses nothing.
 * Thread: any, no state.
 * Does not know: what is wrong with a text.
 */
#ifndef NEARBY_PROTO_JSON_LOCATION_H
#define NEARBY_PROTO_JSON_LOCATION_H

#include "proto/message.h"

/*
 * Reads {"type":"location","lat":37.5,"lon":127.0,"ts":1700000000000}: these fields alone, each once
 * and in any order, `ts` or none, numbers without exponent, no escapes, no white space but spaces. True:
 * *msg is filled. False: it may be anything, and *msg is not to be looked at.
 */
bool json_location_read(const char *text, size_t length, struct client_msg *msg);

#endif
