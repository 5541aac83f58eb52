/*
 * Owns: what the lines of a bulk import mean.
 * Invariant: a line is taken or refused for one reason of import_reasons.tbl.
 * Thread: the caller's.
 * Does not know: where lines come from, the store.
 */
#ifndef NEARBY_APP_IMPORT_LINE_H
#define NEARBY_APP_IMPORT_LINE_H

#include "proto/json.h"
#include "store/store.h"

enum import_reason {
#define IMPORT_REASON(name, text, help) IMPORT_##name,
#include "app/import_reasons.tbl"
#undef IMPORT_REASON
	IMPORT_REASON_COUNT,
	IMPORT_GOOD,
	IMPORT_IGNORED /* empty, or a comment that starts with '#' */
};

/* `a<TAB>b`, decimal user ids. Further columns are refused. */
enum import_reason import_read_pair(const char *line, size_t length, struct store_pair *pair);
/* `{"user":"7","name":"Ann","picture":"https://…"}`; name and picture may be missing. */
enum import_reason import_read_user(struct json_reader *reader, const char *line, size_t length,
				    struct store_user *user);

#endif
