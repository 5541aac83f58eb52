/*
 * Owns: the parts of the manual pages that the tables of the code hold.
 * Invariant: what it prints is mdoc(7) that mandoc's lint has nothing to say about.
 * Thread: one.
 * Does not know: the pages around; man/local.mk puts them together.
 *
 * Usage: gen-man config|errors|counters|alerts|closes|tokens|imports. Each prints one list.
 */
#include "app/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One item of a list: its name, what stands beside the name, and whole sentences. */
struct item {
	const char *name;
	const char *beside;
	const char *text;
};

/* For config: what the values may be. */
struct range {
	const char *kind;
	const char *initial;
	const char *unit;
	double min, max;
	const char *when;
};

#define CONFIG(field, name, kind, default, min, max, unit, when, help) { name, "", help },
static const struct item config_items[] = {
#include "app/config.tbl"
};
#undef CONFIG

#define CONFIG(field, name, kind, default, min, max, unit, when, help)                             \
	{ #kind, default, unit, min, max, #when },
static const struct range config_ranges[] = {
#include "app/config.tbl"
};
#undef CONFIG

#define ERROR_CODE(name, text, meaning) { text, "", meaning },
static const struct item error_items[] = {
#include "proto/error_codes.tbl"
};

#define CLOSE_REASON(name, text, help) { text, "", help },
static const struct item close_items[] = {
#include "net/close_reasons.tbl"
};

#define TOKEN_VERDICT(name, text, help) { text, "", help },
static const struct item token_items[] = {
#include "app/token_verdicts.tbl"
};

static const struct item counter_items[] = {
#define COUNTER(name, text, kind, help) { text, #kind, help },
#include "engine/engine_counters.tbl"
#include "store/store_counters.tbl"
#undef COUNTER
#define COUNTER(name, text, label, kind, help) { text, #kind, help },
#include "net/net_counters.tbl"
#include "app/app_counters.tbl"
#undef COUNTER
};

#define ALERT_LEVEL_1 "low"
#define ALERT_LEVEL_2 "medium"
#define ALERT_LEVEL_3 "high"
#define ALERT_LEVEL_4 "critical"
#define ALERT(name, text, level, help) { text, ALERT_LEVEL_##level, help },
static const struct item alert_items[] = {
#include "app/alerts.tbl"
};

#define IMPORT_REASON(name, text, help) { text, "", help },
static const struct item import_items[] = {
#include "app/import_reasons.tbl"
};

static void put_word(const char *word, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (word[i] == '\\')
			fputs("\\e", stdout);
		else
			putchar(word[i]);
	}
}

/* Words in lines of at most 72 columns, each sentence on a line of its own. */
static void put_text(const char *text)
{
	enum { COLUMNS = 72 };
	size_t column = 0;
	while (*text != '\0') {
		size_t length = strcspn(text, " ");
		if (column > 0 && column + length > COLUMNS) {
			putchar('\n');
			column = 0;
		}
		if (column > 0)
			putchar(' ');
		else if (*text == '.' || *text == '\'')
			fputs("\\&", stdout);
		put_word(text, length);
		column += length + 1;
		if (text[length - 1] == '.') {
			putchar('\n');
			column = 0;
		}
		text += length + strspn(text + length, " ");
	}
	if (column > 0)
		putchar('\n');
}

static void put_list(const struct item *items, size_t count, const char *prefix)
{
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < count; i++) {
		printf(".It Cm %s%s", prefix, items[i].name);
		for (const char *c = items[i].beside; *c != '\0'; c++)
			printf("%s%c", c == items[i].beside ? " Pq " : "", *c | 32);
		putchar('\n');
		put_text(items[i].text);
	}
	puts(".El");
}

static const char *value_of(const struct range *range)
{
	static const struct {
		const char *kind;
		const char *value;
	} values[] = {
		{ "ADDRESSES", "address , ..." },
		{ "ORIGINS", "origin , ..." },
		{ "NAME", "name" },
		{ "PATH", "path" },
		{ "TEXT", "text" },
	};
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strcmp(values[i].kind, range->kind) == 0)
			return values[i].value;
	return "number";
}

/* Default, range and how it is changed, as one sentence each. */
static void put_range(const struct range *range)
{
	char text[200];
	const char *gap = range->unit[0] != '\0' ? " " : "";
	if (range->initial[0] != '\0') {
		snprintf(text, sizeof(text), "The default is %s%s%s.", range->initial, gap,
			 range->unit);
		put_text(text);
	}
	if (strcmp(value_of(range), "number") == 0) {
		snprintf(text, sizeof(text), "Allowed are %.0f to %.0f%s%s.", range->min,
			 range->max, gap, range->unit);
		put_text(text);
	}
	if (strcmp(range->when, "RELOAD") == 0)
		put_text("Can be changed by a reload.");
}

static void put_config(void)
{
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < sizeof(config_items) / sizeof(config_items[0]); i++) {
		printf(".It Cm %s No = Ar %s\n", config_items[i].name, value_of(&config_ranges[i]));
		put_text(config_items[i].text);
		put_range(&config_ranges[i]);
	}
	puts(".El");
}

/* The lists by name; config, which has more to say of each item, is apart. */
#define LIST(items) items, sizeof(items) / sizeof(items[0])
static const struct {
	const char *name;
	const struct item *items;
	size_t count;
	const char *prefix;
} lists[] = {
	{ "errors", LIST(error_items), "" },	    { "counters", LIST(counter_items), "nearby_" },
	{ "alerts", LIST(alert_items), "nearby_" }, { "closes", LIST(close_items), "" },
	{ "tokens", LIST(token_items), "" },	    { "imports", LIST(import_items), "" },
};

static int put(const char *name)
{
	if (strcmp(name, "config") == 0) {
		put_config();
		return 0;
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (strcmp(lists[i].name, name) != 0)
			continue;
		put_list(lists[i].items, lists[i].count, lists[i].prefix);
		return 0;
	}
	return -1;
}

int main(int argc, char **argv)
{
	if (argc != 2 || put(argv[1]) != 0) {
		fputs("usage: gen-man config|errors|counters|alerts|closes|tokens|imports\n",
		      stderr);
		return 2;
	}
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
