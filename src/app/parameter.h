/*
 * Owns: config.tbl as data: names, types, ranges; reading, checking and printing one value.
 * Invariant: a value that was read is within the range of its row; printed, it reads back the same.
 * Thread: any, no state.
 * Does not know: files, environment, command line; what the parameters do.
 */
#ifndef NEARBY_APP_PARAMETER_H
#define NEARBY_APP_PARAMETER_H

#include "app/config.h"

/* Kinds and times of change, as config.tbl names them. */
enum parameter_kind { ADDRESSES, ORIGINS, PATHS, NETS, NAME, PATH, TEXT, SWITCH, U32, REAL };
enum parameter_when { START, RELOAD };

struct parameter {
	const char *name;
	enum parameter_kind kind;
	size_t offset; /* of the member in struct config, and its bytes */
	size_t bytes;
	const char *initial;
	double min, max;
	const char *unit;
	enum parameter_when when;
	const char *help;
};

/* One a row of config.tbl. */
enum {
#define CONFIG(field, ...) PARAMETER_##field,
#include "app/config.tbl"
#undef CONFIG
	PARAMETER_COUNT
};
extern const struct parameter parameters[PARAMETER_COUNT];
/* No name is longer. */
enum { PARAMETER_NAME_MAX = 64 };

/* A piece of text that is not NUL-terminated. */
struct slice {
	const char *at;
	size_t length;
};
bool slice_is(struct slice slice, const char *text);
bool is_blank(char c);
/* Without blanks at both ends. */
struct slice slice_trim(const char *at, size_t length);
/* Where a comment starts, by a '#' at the start or after a blank; or the length. */
size_t slice_comment(struct slice slice);

/* The parameter of that name, or NULL. */
const struct parameter *parameter_find(struct slice name);
/* The one whose name is at most two letters off, or NULL. */
const struct parameter *parameter_nearest(struct slice name);

/* Reads a value into its member of *config. False, and nothing changed, when it is none. */
bool parameter_read(const struct parameter *parameter, struct slice text, struct config *config);
/* What values may be, to follow "must be". */
void parameter_allowed(const struct parameter *parameter, char *text, size_t bytes);
/* The value that *config has, as it is written in a file. */
void parameter_print(const struct config *config, const struct parameter *parameter, FILE *to);

#endif
