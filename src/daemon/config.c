/*
 * Owns: see the header.
 * Invariant: a value is checked by its row of config.tbl, wherever it comes from; so are defaults.
 * Thread: the caller's, no state.
 * Does not know: what the parameters do.
 */
#include "daemon/config.h"

#include "base/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { ADDRESSES, ORIGINS, NAME, PATH, TEXT, U32, REAL };
enum when { START, RELOAD };

struct parameter {
	const char *name;
	enum kind kind;
	size_t offset; /* of the member, and its bytes */
	size_t bytes;
	const char *initial;
	double min, max;
	const char *unit;
	enum when when;
	const char *help;
};

static const struct parameter parameters[] = {
#define CONFIG(field, name, kind, default, min, max, unit, when, help)                             \
	{ name,                                                                                    \
	  kind,                                                                                    \
	  offsetof(struct config, field),                                                          \
	  sizeof(((struct config *)0)->field),                                                     \
	  default,                                                                                 \
	  min,                                                                                     \
	  max,                                                                                     \
	  unit,                                                                                    \
	  when,                                                                                    \
	  help },
#include "daemon/config.tbl"
#undef CONFIG
};
enum { PARAMETER_COUNT = ARRAY_COUNT(parameters), NAME_BYTES = 64, WHERE_BYTES = 320 };

/* A piece of text that is not NUL-terminated. */
struct slice {
	const char *at;
	size_t length;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct config_error *error,
							const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice trimmed(const char *at, size_t length)
{
	while (length > 0 && is_blank(at[0])) {
		at++;
		length--;
	}
	while (length > 0 && is_blank(at[length - 1]))
		length--;
	return (struct slice){ at, length };
}

/* ---- names ---------------------------------------------------------------------------------- */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

/* Letters to insert, remove or replace until `a` is `b` (Levenshtein). */
static size_t name_distance(struct slice a, const char *b)
{
	size_t row[NAME_BYTES + 1];
	size_t columns = strlen(b);
	check(columns <= NAME_BYTES);
	for (size_t j = 0; j <= columns; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.length; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= columns; j++) {
			size_t replaced = diagonal + (a.at[i - 1] != b[j - 1]);
			diagonal = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1, replaced);
		}
	}
	return row[columns];
}

/* The parameter whose name is at most two letters off, or NULL. */
static const struct parameter *nearest_parameter(struct slice name)
{
	const struct parameter *nearest = NULL;
	size_t least = 3;
	if (name.length > NAME_BYTES)
		return NULL;
	for (size_t i = 0; i < PARAMETER_COUNT; i++) {
		size_t distance = name_distance(name, parameters[i].name);
		if (distance < least) {
			least = distance;
			nearest = &parameters[i];
		}
	}
	return nearest;
}

static bool slice_is(struct slice slice, const char *text)
{
	return strlen(text) == slice.length && memcmp(slice.at, text, slice.length) == 0;
}

static const struct parameter *find_parameter(struct slice name)
{
	for (size_t i = 0; i < PARAMETER_COUNT; i++)
		if (slice_is(name, parameters[i].name))
			return &parameters[i];
	return NULL;
}

/* Parameters of TLS, which the protocol plans for and this daemon does not offer yet. */
static bool is_of_tls(struct slice name)
{
	return slice_is(name, "tls-certificate") || slice_is(name, "tls-key");
}

static int refuse_name(const char *where, struct slice name, struct config_error *error)
{
	if (is_of_tls(name))
		return refuse(error,
			      "%s: %.*s: TLS is not offered yet; put a proxy that ends TLS in "
			      "front, and leave this out",
			      where, (int)name.length, name.at);
	const struct parameter *nearest = nearest_parameter(name);
	int shown = name.length > NAME_BYTES ? NAME_BYTES : (int)name.length;
	if (nearest == NULL)
		return refuse(error, "%s: there is no parameter \"%.*s\"; nearbyd --help lists all",
			      where, shown, name.at);
	return refuse(error, "%s: there is no parameter \"%.*s\"; is it \"%s\"?", where, shown,
		      name.at, nearest->name);
}

/* ---- values --------------------------------------------------------------------------------- */

static void describe_allowed(const struct parameter *parameter, char *text, size_t bytes)
{
	const char *gap = parameter->unit[0] != '\0' ? " " : "";
	switch (parameter->kind) {
	case ADDRESSES:
		snprintf(text, bytes,
			 "%.0f to %.0f addresses separated by commas: host:port, [address]:port, "
			 "*:port or unix:/path",
			 parameter->min, parameter->max);
		return;
	case ORIGINS:
		snprintf(text, bytes,
			 "%.0f to %.0f origins separated by commas: http://host or "
			 "https://host, with or without :port",
			 parameter->min, parameter->max);
		return;
	case NAME:
		snprintf(text, bytes, "%.0f to %.0f letters, digits, - or _", parameter->min,
			 parameter->max);
		return;
	case PATH:
	case TEXT:
		snprintf(text, bytes, "%.0f to %.0f bytes without control characters",
			 parameter->min, parameter->max);
		return;
	case U32:
	case REAL:
		snprintf(text, bytes, "a %s from %.0f to %.0f%s%s",
			 parameter->kind == U32 ? "whole number" : "number", parameter->min,
			 parameter->max, gap, parameter->unit);
		return;
	}
}

static bool read_u32(const struct parameter *parameter, struct slice text, uint32_t *value)
{
	uint64_t sum = 0;
	if (text.length == 0 || text.length > 10)
		return false;
	for (size_t i = 0; i < text.length; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		sum = sum * 10 + (uint64_t)(text.at[i] - '0');
	}
	if ((double)sum < parameter->min || (double)sum > parameter->max)
		return false;
	*value = (uint32_t)sum;
	return true;
}

static bool read_real(const struct parameter *parameter, struct slice text, double *value)
{
	char copy[32];
	if (text.length == 0 || text.length >= sizeof(copy))
		return false;
	memcpy(copy, text.at, text.length);
	copy[text.length] = '\0';
	if (strspn(copy, "0123456789.") != text.length)
		return false;
	char *end;
	double number = strtod(copy, &end);
	if (*end != '\0' || number < parameter->min || number > parameter->max)
		return false;
	*value = number;
	return true;
}

static bool read_text(const struct parameter *parameter, struct slice text, char *value)
{
	if ((double)text.length < parameter->min || (double)text.length > parameter->max)
		return false;
	for (size_t i = 0; i < text.length; i++)
		if (iscntrl((unsigned char)text.at[i]))
			return false;
	memset(value, 0, parameter->bytes);
	memcpy(value, text.at, text.length);
	return true;
}

static bool is_name(struct slice text)
{
	for (size_t i = 0; i < text.length; i++)
		if (!isalnum((unsigned char)text.at[i]) && text.at[i] != '-' && text.at[i] != '_')
			return false;
	return true;
}

static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return digits > 0 && digits <= 5 && text[digits] == '\0' && atoi(text) <= 65535;
}

/* Of its form only; whether a name resolves shows when it is listened on. */
static bool is_address(const char *text)
{
	enum { UNIX_PATH_MAX = 107 };
	if (strncmp(text, "unix:", 5) == 0)
		return text[5] == '/' && strlen(text + 5) <= UNIX_PATH_MAX;
	const char *colon = strrchr(text, ':');
	if (colon == NULL || colon == text || !is_port(colon + 1))
		return false;
	size_t host_length = (size_t)(colon - text);
	if (text[0] == '[')
		return host_length > 2 && text[host_length - 1] == ']';
	return memchr(text, ':', host_length) == NULL && strcspn(text, " \t/[]") == strlen(text);
}

static bool is_origin(const char *text)
{
	const char *host = strstr(text, "://");
	if (host == NULL || (strncmp(text, "http:", 5) != 0 && strncmp(text, "https:", 6) != 0))
		return false;
	return host[3] != '\0' && strcspn(host + 3, "/ \t") == strlen(host + 3);
}

static bool read_item(const struct parameter *parameter, struct slice item, char *text)
{
	if (item.length == 0 || item.length >= CONFIG_ITEM_BYTES)
		return false;
	for (size_t i = 0; i < item.length; i++)
		if (iscntrl((unsigned char)item.at[i]))
			return false;
	memcpy(text, item.at, item.length);
	text[item.length] = '\0';
	return parameter->kind == ADDRESSES ? is_address(text) : is_origin(text);
}

static bool read_list(const struct parameter *parameter, struct slice text,
		      struct config_list *value)
{
	struct config_list list;
	memset(&list, 0, sizeof(list));
	while (text.length > 0) {
		const char *comma = memchr(text.at, ',', text.length);
		size_t length = comma == NULL ? text.length : (size_t)(comma - text.at);
		if (list.count == CONFIG_LIST_MAX ||
		    !read_item(parameter, trimmed(text.at, length), list.texts[list.count]))
			return false;
		list.count++;
		if (comma != NULL && length + 1 == text.length)
			return false;
		text.at += length + (comma != NULL);
		text.length -= length + (comma != NULL);
	}
	if (list.count < parameter->min)
		return false;
	*value = list;
	return true;
}

static bool read_value(const struct parameter *parameter, struct slice text, struct config *config)
{
	void *member = (char *)config + parameter->offset;
	switch (parameter->kind) {
	case ADDRESSES:
	case ORIGINS:
		return read_list(parameter, text, member);
	case NAME:
		return is_name(text) && read_text(parameter, text, member);
	case PATH:
	case TEXT:
		return read_text(parameter, text, member);
	case U32:
		return read_u32(parameter, text, member);
	case REAL:
		return read_real(parameter, text, member);
	}
	return false;
}

static int set_value(struct config *config, const struct parameter *parameter, const char *where,
		     struct slice text, struct config_error *error)
{
	enum { SHOWN_MAX = 100 };
	struct slice value = trimmed(text.at, text.length);
	if (read_value(parameter, value, config))
		return 0;
	char allowed[200];
	describe_allowed(parameter, allowed, sizeof(allowed));
	bool is_long = value.length > SHOWN_MAX;
	return refuse(error, "%s: %s is \"%.*s%s\", and must be %s", where, parameter->name,
		      is_long ? SHOWN_MAX : (int)value.length, value.at, is_long ? "..." : "",
		      allowed);
}

/* ---- sources -------------------------------------------------------------------------------- */

void config_init(struct config *config)
{
	/* Every byte, so that two configs can be compared whole. */
	memset(config, 0, sizeof(*config));
	for (size_t i = 0; i < PARAMETER_COUNT; i++) {
		const char *initial = parameters[i].initial;
		check(read_value(&parameters[i], (struct slice){ initial, strlen(initial) },
				 config));
	}
}

/* A '#' at the start of a value or after a blank starts a comment. */
static size_t without_comment(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] == '#' && (i == 0 || is_blank(text[i - 1])))
			return i;
	return length;
}

static int read_line(struct config *config, struct slice line, const char *where,
		     unsigned line_number, unsigned *seen, struct config_error *error)
{
	const char *equals = memchr(line.at, '=', line.length);
	if (equals == NULL)
		return refuse(error, "%s: a line is \"name = value\" or a comment after #", where);
	struct slice name = trimmed(line.at, (size_t)(equals - line.at));
	struct slice value = { equals + 1, line.length - (size_t)(equals + 1 - line.at) };
	value.length = without_comment(value.at, value.length);
	const struct parameter *parameter = find_parameter(name);
	if (parameter == NULL)
		return refuse_name(where, name, error);
	unsigned *first = &seen[parameter - parameters];
	if (*first != 0)
		return refuse(error, "%s: %s stands in line %u already", where, parameter->name,
			      *first);
	*first = line_number;
	return set_value(config, parameter, where, value, error);
}

int config_read(struct config *config, const char *origin, const char *text, size_t length,
		struct config_error *error)
{
	unsigned seen[PARAMETER_COUNT] = { 0 }; /* line of each, from 1 */
	unsigned line_number = 0;
	for (size_t at = 0; at < length;) {
		const char *newline = memchr(text + at, '\n', length - at);
		size_t bytes = newline == NULL ? length - at : (size_t)(newline - text) - at;
		struct slice line = trimmed(text + at, bytes);
		at += bytes + 1;
		line_number++;
		if (line.length > 0 && line.at[line.length - 1] == '\r')
			line.length--;
		if (line.length == 0 || line.at[0] == '#')
			continue;
		char where[WHERE_BYTES];
		snprintf(where, sizeof(where), "%.300s:%u", origin, line_number);
		int result = read_line(config, line, where, line_number, seen, error);
		if (result != 0)
			return result;
	}
	return 0;
}

static int read_file(struct config *config, const char *path, struct config_error *error)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		int result = -errno;
		refuse(error, "cannot open %.300s: %s", path, strerror(-result));
		return result;
	}
	int result;
	char *text = malloc(CONFIG_FILE_BYTES_MAX + 1);
	check(text != NULL);
	size_t length = fread(text, 1, CONFIG_FILE_BYTES_MAX + 1, file);
	if (ferror(file)) {
		result = -EIO;
		refuse(error, "cannot read %.300s", path);
	} else if (length > CONFIG_FILE_BYTES_MAX) {
		result = refuse(error, "%.300s is longer than %d bytes", path,
				CONFIG_FILE_BYTES_MAX);
	} else {
		result = config_read(config, path, text, length, error);
	}
	free(text);
	fclose(file);
	return result;
}

#define ENVIRONMENT_PREFIX "NEARBY_"

/*
 * One variable. Those that are no parameter are another's (supervisors set such for a service of
 * this name), unless it is a slip of the pen: then the start should not go on without it.
 */
static int read_variable(struct config *config, const char *variable, struct config_error *error)
{
	const char *equals = strchr(variable, '=');
	size_t prefix = strlen(ENVIRONMENT_PREFIX);
	if (equals == NULL || strncmp(variable, ENVIRONMENT_PREFIX, prefix) != 0)
		return 0;
	char name[NAME_BYTES];
	size_t length = (size_t)(equals - variable) - prefix;
	if (length > sizeof(name))
		return 0;
	for (size_t i = 0; i < length; i++) {
		char c = variable[prefix + i];
		name[i] = c == '_' ? '-' : (char)tolower((unsigned char)c);
	}
	char where[WHERE_BYTES];
	snprintf(where, sizeof(where), "environment variable %.*s", (int)(equals - variable),
		 variable);
	struct slice slice = { name, length };
	const struct parameter *parameter = find_parameter(slice);
	if (parameter != NULL)
		return set_value(config, parameter, where,
				 (struct slice){ equals + 1, strlen(equals + 1) }, error);
	bool is_slip = nearest_parameter(slice) != NULL || is_of_tls(slice);
	return is_slip ? refuse_name(where, slice, error) : 0;
}

/* What stands on the command line beside parameters. */
struct command_line {
	enum config_wish wish;
	const char *file;
};

/* Reads argv[*i] and its value, which may be the next one; `config` NULL: only looks for -c,
 * --help, --version and --print-config, and judges no parameter. */
static int read_option(struct config *config, const struct config_sources *sources, int *i,
		       struct command_line *line, struct config_error *error)
{
	const char *option = sources->argv[*i];
	const char *next = *i + 1 < sources->argc ? sources->argv[*i + 1] : NULL;
	if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0) {
		line->wish = CONFIG_WISH_HELP;
		return 0;
	}
	if (strcmp(option, "--version") == 0) {
		line->wish = CONFIG_WISH_VERSION;
		return 0;
	}
	if (strcmp(option, "--print-config") == 0) {
		line->wish = CONFIG_WISH_PRINT;
		return 0;
	}
	if (strcmp(option, "-c") == 0) {
		if (next == NULL)
			return refuse(error, "option -c: a file must follow");
		line->file = next;
		(*i)++;
		return 0;
	}
	if (strncmp(option, "--", 2) != 0)
		return refuse(error, "\"%.100s\" is no option; nearbyd --help lists all", option);
	size_t length = strcspn(option + 2, "=");
	struct slice name = { option + 2, length };
	char where[WHERE_BYTES];
	snprintf(where, sizeof(where), "option --%.*s",
		 length > NAME_BYTES ? NAME_BYTES : (int)length, name.at);
	const struct parameter *parameter = find_parameter(name);
	if (parameter == NULL)
		return refuse_name(where, name, error);
	const char *value = option[2 + length] == '=' ? option + 2 + length + 1 : next;
	if (value == NULL)
		return refuse(error, "%s: a value must follow", where);
	*i += value == next;
	if (config == NULL)
		return 0;
	return set_value(config, parameter, where, (struct slice){ value, strlen(value) }, error);
}

static int read_command_line(struct config *config, const struct config_sources *sources,
			     struct command_line *line, struct config_error *error)
{
	for (int i = 1; i < sources->argc; i++) {
		int result = read_option(config, sources, &i, line, error);
		if (result != 0)
			return result;
		if (line->wish == CONFIG_WISH_HELP || line->wish == CONFIG_WISH_VERSION)
			return 0;
	}
	return 0;
}

static const char *variable_value(const struct config_sources *sources, const char *name)
{
	size_t length = strlen(name);
	for (char *const *at = sources->environment; *at != NULL; at++)
		if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
			return *at + length + 1;
	return "";
}

/* Where data belongs by the customs of Unix and of the XDG base directories. */
static int choose_data_dir(struct config *config, const struct config_sources *sources,
			   struct config_error *error)
{
	const char *state = variable_value(sources, "XDG_STATE_HOME");
	const char *home = variable_value(sources, "HOME");
	char path[CONFIG_PATH_MAX + 64];
	if (geteuid() == 0)
		snprintf(path, sizeof(path), "/var/lib/nearby");
	else if (state[0] == '/')
		snprintf(path, sizeof(path), "%.*s/nearby", CONFIG_PATH_MAX, state);
	else if (home[0] == '/')
		snprintf(path, sizeof(path), "%.*s/.local/state/nearby", CONFIG_PATH_MAX, home);
	else
		return refuse(
			error,
			"data-dir is not set, and HOME, where its default lies, is not either");
	return set_value(config, find_parameter((struct slice){ "data-dir", 8 }), "default",
			 (struct slice){ path, strlen(path) }, error);
}

/* What no row of the table can say. */
static int check_together(const struct config *config, struct config_error *error)
{
	if (config->push_interval_ms <= config->push_interval_max_ms)
		return 0;
	return refuse(
		error,
		"push-interval-ms is %u, and must be at most push-interval-max-ms, which is %u",
		(unsigned)config->push_interval_ms, (unsigned)config->push_interval_max_ms);
}

int config_load(struct config *config, const struct config_sources *sources, enum config_wish *wish,
		struct config_error *error)
{
	struct command_line line = { CONFIG_WISH_RUN, NULL };
	config_init(config);
	int result = read_command_line(NULL, sources, &line, error);
	*wish = line.wish;
	if (result != 0 || line.wish == CONFIG_WISH_HELP || line.wish == CONFIG_WISH_VERSION)
		return result;
	if (line.file != NULL)
		result = read_file(config, line.file, error);
	for (char *const *at = sources->environment; result == 0 && *at != NULL; at++)
		result = read_variable(config, *at, error);
	if (result == 0)
		result = read_command_line(config, sources, &line, error);
	if (result == 0 && config->data_dir[0] == '\0')
		result = choose_data_dir(config, sources, error);
	return result == 0 ? check_together(config, error) : result;
}

void config_take_changes(struct config *running, const struct config *fresh, char *waiting,
			 size_t waiting_bytes)
{
	size_t length = 0;
	check(waiting_bytes > 0);
	waiting[0] = '\0';
	for (size_t i = 0; i < PARAMETER_COUNT; i++) {
		const struct parameter *parameter = &parameters[i];
		char *member = (char *)running + parameter->offset;
		const char *wanted = (const char *)fresh + parameter->offset;
		if (memcmp(member, wanted, parameter->bytes) == 0)
			continue;
		if (parameter->when == RELOAD) {
			memcpy(member, wanted, parameter->bytes);
			continue;
		}
		int added = snprintf(waiting + length, waiting_bytes - length, "%s%s",
				     length > 0 ? ", " : "", parameter->name);
		length = length + (size_t)added < waiting_bytes ? length + (size_t)added
								: waiting_bytes - 1;
	}
}

/* ---- showing -------------------------------------------------------------------------------- */

static void print_real(double value, FILE *to)
{
	char text[40];
	snprintf(text, sizeof(text), "%.15g", value);
	fprintf(to, strtod(text, NULL) == value ? "%.15g" : "%.17g", value);
}

static void print_value(const struct config *config, const struct parameter *parameter, FILE *to)
{
	const void *member = (const char *)config + parameter->offset;
	const struct config_list *list = member;
	switch (parameter->kind) {
	case ADDRESSES:
	case ORIGINS:
		for (uint32_t i = 0; i < list->count; i++)
			fprintf(to, "%s%s", i > 0 ? ", " : "", list->texts[i]);
		return;
	case NAME:
	case PATH:
	case TEXT:
		fputs(member, to);
		return;
	case U32:
		fprintf(to, "%u", (unsigned)*(const uint32_t *)member);
		return;
	case REAL:
		print_real(*(const double *)member, to);
		return;
	}
}

void config_print(const struct config *config, FILE *to)
{
	for (size_t i = 0; i < PARAMETER_COUNT; i++) {
		fprintf(to, "%s = ", parameters[i].name);
		print_value(config, &parameters[i], to);
		fputc('\n', to);
	}
}

/* Words of `text` in lines of at most 80 columns, each after `indent` blanks. */
static void print_wrapped(const char *text, unsigned indent, FILE *to)
{
	enum { COLUMNS = 80 };
	size_t column = COLUMNS;
	while (*text != '\0') {
		size_t word = strcspn(text, " ");
		if (column + 1 + word > COLUMNS) {
			fprintf(to, "\n%*s", (int)indent, "");
			column = indent;
		} else {
			fputc(' ', to);
			column++;
		}
		fwrite(text, 1, word, to);
		column += word;
		text += word + strspn(text + word, " ");
	}
}

static void print_help(const struct parameter *parameter, FILE *to)
{
	static const char *const values[] = {
		[ADDRESSES] = "LIST", [ORIGINS] = "LIST", [NAME] = "NAME", [PATH] = "PATH",
		[TEXT] = "TEXT",      [U32] = "N",	  [REAL] = "N",
	};
	fprintf(to, "  --%s=%s", parameter->name, values[parameter->kind]);
	print_wrapped(parameter->help, 6, to);
	char range[320], allowed[200];
	describe_allowed(parameter, allowed, sizeof(allowed));
	snprintf(range, sizeof(range), "(%s%s%s)", allowed,
		 parameter->initial[0] != '\0' ? "; default " : "", parameter->initial);
	print_wrapped(range, 6, to);
	fputc('\n', to);
}

void config_help(FILE *to)
{
	fputs("Usage: nearbyd [-c FILE] [--PARAMETER=VALUE]...\n"
	      "Tells friends who are near each other where they are.\n\n"
	      "  -c FILE\n      Reads parameters from lines \"name = value\"; # starts a comment.\n"
	      "  --print-config\n      Prints the parameters as they would hold, and ends.\n"
	      "  --help, --version\n      Prints this, or the version, and ends.\n\n"
	      "Parameters; NEARBY_LISTEN=VALUE in the environment does as --listen=VALUE, which\n"
	      "overrides it, and both override the file:\n",
	      to);
	for (size_t i = 0; i < PARAMETER_COUNT; i++)
		print_help(&parameters[i], to);
}
