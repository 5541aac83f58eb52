/*
 * Owns: the table of those whose tokens are refused.
 * Invariant: a bar is there exactly while it bars something; it outlives its user.
 * Thread: the users thread.
 * Does not know: tokens.
 */
#ifndef NEARBY_STORE_BARS_H
#define NEARBY_STORE_BARS_H

#include "store/lmdb.h"
#include "store/store.h"

/* STORE_BAR_PUT. */
void bars_put(struct lmdb_txn *txn, const struct store_bar *bar);
/* STORE_BARS: the next portion. */
void bars_read(struct lmdb_txn *txn, struct store_request *request);

/* False: broken. */
bool bars_decode(struct bytes value, int64_t *not_before_s);

#endif
