/*
 * Owns: reading a profile's fields from JSON, for one user and for imports.
 * Invariant: lengths are within the store's bounds.
 * Thread: the reader's.
 * Does not know: whose profile it is.
 */
#ifndef NEARBY_APP_PROFILE_H
#define NEARBY_APP_PROFILE_H

#include "proto/json.h"
#include "store/store.h"

/* Fills name and picture where the object that was read has them, null or "" as empty; false with *error when
 * one is not as it must be. Of an object without them nothing is to be changed. */
bool profile_read(struct json_reader *reader, struct store_user *put, struct decode_error *error);

#endif
