/*
 * Owns: an LMDB environment in one file, its tables, transactions and cursors.
 * Invariant: a transaction keeps its first error and does nothing after it, so a caller asks once,
 *   at the commit; the map is never resized while a transaction of this process is open.
 * Thread: an environment serves several threads; a transaction and its cursors belong to one, and a
 *   thread has at most one transaction of an environment at a time.
 * Does not know: what the tables mean.
 *
 * Two threads touch an environment: each transaction (and copy) holds its gate shared, growing and
 * reopening hold it alone. The gate prefers those who grow, so a stream of short reads cannot keep
 * them out; a copy does, until it is done.
 */
#ifndef NEARBY_STORE_LMDB_H
#define NEARBY_STORE_LMDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lmdb;

/* Bytes that are somebody else's; those of LMDB hold until the next write or end of transaction. */
struct bytes {
	const void *at;
	size_t length;
};

struct lmdb_table {
	const char *name;
	bool integer_keys; /* keys are uint64_t in host order; else they sort as bytes */
	bool integer_dups; /* a key has many values, each a uint64_t in host order, sorted */
	bool fixed_dups;   /* a key has many values, all of one length, sorted as bytes */
};

#define LMDB_TABLES_MAX 16

enum lmdb_access {
	LMDB_SERVE, /* a commit is on disk when it returns */
	LMDB_LOOK,  /* read only */
	/* Commits wait for nothing, until lmdb_sync: what a crash leaves before that is to be thrown
	 * away. For making a whole file at once. */
	LMDB_FILL,
};

struct lmdb_txn;

struct lmdb_config {
	const char *path;
	/* Written at the birth of the file; a file of another number is refused, save where it is at
	 * least `format_from` (not 0) and less: that is made one of `format` when it is opened to write. */
	uint64_t format;
	uint64_t format_from;
	/* Of both: fills the tables, in the transaction that writes the number. May be NULL. */
	void (*begin)(struct lmdb_txn *txn);
	/* The tables are named by their place in this list. Lent for the environment's life. */
	const struct lmdb_table *tables;
	uint32_t table_count;
	/* Least size of the map: a limit, not a reservation. It starts at twice the file, when that is
	 * more, and doubles whenever it is full. */
	uint64_t map_bytes;
	enum lmdb_access access;
};

/*
 * Opens or makes the file and its "-lock" beside it, clears readers that died. 0, or negative errno
 * with *reason: -EPROTO it is of another format.
 */
int lmdb_open(struct lmdb **lmdb, const struct lmdb_config *config, const char **reason);
void lmdb_close(struct lmdb **lmdb);

/* Of the library. */
const char *lmdb_version(void);

/* Writes a consistent copy to a new file and syncs it; writers go on meanwhile. -EEXIST. */
int lmdb_copy(struct lmdb *lmdb, const char *path);

/* Puts all that was committed on disk. 0, or negative errno. */
int lmdb_sync(struct lmdb *lmdb);

/* What a page of the file is to LMDB. */
enum lmdb_page {
	LMDB_PAGE_IN_USE, /* the last snapshot leads to it */
	/* LMDB itself would write to it now: it was freed before the last but one transaction and before
	 * all readers (by the same numbers as in mdb_find_oldest of mdb.c), so that no reader, and neither
	 * of the file's two headers, leads to it; or it is behind the last page that LMDB has taken. */
	LMDB_PAGE_FREE,
	LMDB_PAGE_IN_TRANSIT, /* free, but not yet to be written to */
};

/* A look at the pages of the file, while it keeps all who write out; they read on. For scrub.c. */
struct lmdb_look {
	struct lmdb *lmdb;
	void *write; /* transactions; nothing is written in it */
	void *read;
	int fd;
	uint64_t page_bytes;
	uint64_t last_page;  /* that LMDB has taken of the file */
	uint64_t file_pages; /* those behind it included */
	uint64_t oldest;     /* what transactions before this one freed is FREE */
};
/* On the thread that writes, outside a transaction. 0, or negative errno; closed in any case. */
int lmdb_look_open(struct lmdb *lmdb, struct lmdb_look *look);
void lmdb_look_close(struct lmdb_look *look);
/* The states of pages from `first` on, as enum lmdb_page. 0, or negative errno. */
int lmdb_look_states(const struct lmdb_look *look, uint64_t first, uint64_t count, uint8_t *states);

/* Where the pages of a table begin in a snapshot. For warm.c. */
struct lmdb_tree {
	int fd;
	uint64_t page_bytes;
	uint64_t root;
	uint32_t depth; /* levels of pages, that of the leaves included; 0: the table is empty */
};
/* In a transaction that reads. False: not known, or the transaction has failed. */
bool lmdb_tree(struct lmdb_txn *txn, uint32_t table, struct lmdb_tree *tree);

/* Commits a transaction that changes nothing, and says its number. 0, or negative errno. */
int lmdb_touch(struct lmdb *lmdb, uint64_t *txn_id);
/* Opens the file anew, so that no memory of pages that were written is left in LMDB, and does the same.
 * -EBUSY: a copy is under way, or a long read. */
int lmdb_renew(struct lmdb *lmdb, uint64_t *txn_id);

/* Bytes of the file that are in use or free inside it. */
uint64_t lmdb_file_bytes(struct lmdb *lmdb);

struct lmdb_txn {
	struct lmdb *lmdb;
	void *handle;
	int error; /* 0, or negative errno: the first thing that failed */
	bool must_grow;
	bool must_reopen;
};

/* Each begin is followed by one commit or abort, also when it failed. */
void lmdb_begin_read(struct lmdb *lmdb, struct lmdb_txn *txn);
void lmdb_begin_write(struct lmdb *lmdb, struct lmdb_txn *txn);
/*
 * 0: it is on disk. -EAGAIN: the map was full and has been doubled, nothing was changed, do all of
 * it again. -ENOSPC: no room on disk. Else the transaction's error; nothing was changed.
 */
int lmdb_commit(struct lmdb_txn *txn);
void lmdb_abort(struct lmdb_txn *txn);
/* Makes the caller's own error the transaction's, unless it has one. */
void lmdb_fail(struct lmdb_txn *txn, int error);

/* False: there is none, or the transaction has failed. */
bool lmdb_get(struct lmdb_txn *txn, uint32_t table, struct bytes key, struct bytes *value);

enum lmdb_put {
	LMDB_REPLACE,
	LMDB_APPEND, /* the key is greater than all others */
	LMDB_ADD,    /* false when key and value are there */
};
bool lmdb_put(struct lmdb_txn *txn, uint32_t table, struct bytes key, struct bytes value,
	      enum lmdb_put how);
/* Adds a key that is greater than all others, with its values in ascending order; one at least. */
bool lmdb_append_values(struct lmdb_txn *txn, uint32_t table, struct bytes key,
			const uint64_t *values, size_t count);
/* Removes the key, or only one of its values when `value` is not NULL. False when not there. */
bool lmdb_remove(struct lmdb_txn *txn, uint32_t table, struct bytes key, const struct bytes *value);
uint64_t lmdb_count(struct lmdb_txn *txn, uint32_t table);

/* After each true, key and value are those of the place where the cursor stands. */
struct lmdb_cursor {
	struct lmdb_txn *txn;
	void *handle;
	struct bytes key;
	struct bytes value;
};

/* A cursor is closed before its transaction ends. */
void lmdb_cursor_open(struct lmdb_cursor *cursor, struct lmdb_txn *txn, uint32_t table);
void lmdb_cursor_close(struct lmdb_cursor *cursor);
/* The moves: true when there is such a place. */
bool lmdb_first(struct lmdb_cursor *cursor);
bool lmdb_last(struct lmdb_cursor *cursor);
bool lmdb_next(struct lmdb_cursor *cursor);
bool lmdb_prev(struct lmdb_cursor *cursor);
/* The first value of this key. */
bool lmdb_seek(struct lmdb_cursor *cursor, struct bytes key);
/* The first place at this key or after it. */
bool lmdb_seek_from(struct lmdb_cursor *cursor, struct bytes key);
/* Exactly this value of this key. */
bool lmdb_seek_value(struct lmdb_cursor *cursor, struct bytes key, struct bytes value);
/* The first value of this key at this one or after it. */
bool lmdb_seek_value_from(struct lmdb_cursor *cursor, struct bytes key, struct bytes value);
/* The next value of the same key. */
bool lmdb_next_value(struct lmdb_cursor *cursor);
/*
 * Values of the key where the cursor stands, as they lie in a page, not aligned: those of the page
 * that it stands in, with those before it; after lmdb_more_values, of the next page. The cursor then
 * stands at the last of them.
 */
bool lmdb_values(struct lmdb_cursor *cursor);
bool lmdb_more_values(struct lmdb_cursor *cursor);
/* How many values the key has where the cursor stands. */
uint64_t lmdb_value_count(struct lmdb_cursor *cursor);
/* Removes the place where the cursor stands; lmdb_next then goes to the one after it. */
void lmdb_cursor_remove(struct lmdb_cursor *cursor);

#endif
