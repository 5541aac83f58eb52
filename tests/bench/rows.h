/*
 * Owns: the ways in which others would keep locations: a row for each, in order of user and time.
 * Invariant: what a window held is on disk when rows_put returns.
 * Thread: one.
 * Does not know: blocks, tiers.
 */
#ifndef NEARBY_BENCH_ROWS_H
#define NEARBY_BENCH_ROWS_H

#include "store/store.h"

/* A way to keep rows. `open` returns NULL, with a word on stderr, when it cannot. */
struct rows_kind {
	const char *name;
	const char *(*version)(void);
	void *(*open)(const char *directory);
	/* One transaction, synced. Ends the program with a word when it fails. */
	void (*put)(void *rows, const struct store_point *points, uint32_t count);
	uint64_t (*count)(void *rows);
	/* Returns the bytes of its files once all is in its place. */
	uint64_t (*close)(void *rows);
};

/* LMDB with the key (user, ts), a put for each location. */
extern const struct rows_kind rows_lmdb;
/* SQLite: a table without rowid with the primary key (user, ts); a log and a sync for each commit. */
extern const struct rows_kind rows_sqlite;

#endif
