/*
 * Owns: the parameters of the daemon: where they come from, and what each may be.
 * Invariant: a config that was loaded without error is within all ranges of config.tbl; an error
 *   says where it stands, what stands there and what is allowed.
 * Thread: the caller's; a config is plain data, to be copied at will.
 * Does not know: what the parameters do.
 *
 * Four sources, each over the one before: the defaults, the file given with -c, the environment
 * (NEARBY_ADMIN_LISTEN=...), the command line (--admin-listen=...).
 */
#ifndef NEARBY_APP_CONFIG_H
#define NEARBY_APP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Items of a list, and bytes of one with its NUL: a DNS name has 253, a port 5. */
#define CONFIG_LIST_MAX	  16
#define CONFIG_ITEM_BYTES 272
/* Without the NUL. PATH_MAX less what the daemon appends. */
#define CONFIG_PATH_MAX 3800
#define CONFIG_NAME_MAX 32
/* A whole file; one is 2 KB when all is set. */
#define CONFIG_FILE_BYTES_MAX (256 * 1024)

struct config_list {
	uint32_t count;
	char texts[CONFIG_LIST_MAX][CONFIG_ITEM_BYTES];
};

/* One member a row of config.tbl. Texts are "" when not set. */
struct config {
#define CONFIG_FIELD_ADDRESSES(field, max) struct config_list field;
#define CONFIG_FIELD_ORIGINS(field, max)   struct config_list field;
#define CONFIG_FIELD_PATHS(field, max)	   struct config_list field;
#define CONFIG_FIELD_NETS(field, max)	   struct config_list field;
#define CONFIG_FIELD_NAME(field, max)	   char field[(max) + 1];
#define CONFIG_FIELD_PATH(field, max)	   char field[(max) + 1];
#define CONFIG_FIELD_TEXT(field, max)	   char field[(max) + 1];
#define CONFIG_FIELD_SWITCH(field, max)	   bool field;
#define CONFIG_FIELD_U32(field, max)	   uint32_t field;
#define CONFIG_FIELD_REAL(field, max)	   double field;
#define CONFIG(field, name, kind, default, min, max, unit, when, help)                             \
	CONFIG_FIELD_##kind(field, max)
#include "app/config.tbl"
#undef CONFIG
};

struct config_error {
	char text[768];
};

/* What the command line asks for. */
enum config_wish {
	CONFIG_WISH_RUN,
	CONFIG_WISH_HELP,    /* --help: config_help, and exit */
	CONFIG_WISH_VERSION, /* --version */
	CONFIG_WISH_PRINT,   /* --print-config: config_print, and exit */
};

/* Where the parameters are read from; kept by main to read them again for a reload. */
struct config_sources {
	int argc;
	char *const *argv;
	char *const *environment; /* NULL-terminated, as `environ` */
};

/*
 * Reads all sources. 0, or with *error: -EINVAL for what they say, or the errno of the file. With
 * the wishes HELP and VERSION nothing but the command line up to that option is looked at.
 */
int config_load(struct config *config, const struct config_sources *sources, enum config_wish *wish,
		struct config_error *error);

/* The defaults alone. */
void config_init(struct config *config);
/* What a file says, over what *config holds; `origin` names it in errors. 0, or -EINVAL and *error. */
int config_read(struct config *config, const char *origin, const char *text, size_t length,
		struct config_error *error);

/*
 * For a reload: takes over from `fresh` what may change in a running daemon. The names of others
 * that differ, and wait for a restart, are put into `waiting`, separated by ", ".
 */
void config_take_changes(struct config *running, const struct config *fresh, char *waiting,
			 size_t waiting_bytes);

/* Every parameter as a line of a file, which reads back as the same config. */
void config_print(const struct config *config, FILE *to);
/* Usage and every parameter with range and default. */
void config_help(FILE *to);

#endif
