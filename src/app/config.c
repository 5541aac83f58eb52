/*
 * Owns: the sources of the parameters, and which of them overrides which.
 * Invariant: a load gives a whole config, or one error and nothing that could be used.
 * Thread: the caller's, no state.
 * Does not know: what a value may be (parameter.h), what the parameters do.
 */
#include "app/config.h"

#include "base/check.h"
#include "app/parameter.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WHERE_BYTES = 320 };

__attribute__((format(printf, 2, 3))) static int refuse(struct config_error *error,
							const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int refuse_name(const char *where, struct slice name, struct config_error *error)
{
	const struct parameter *nearest = parameter_nearest(name);
	int shown = name.length > PARAMETER_NAME_MAX ? PARAMETER_NAME_MAX : (int)name.length;
	if (nearest == NULL)
		return refuse(error, "%s: there is no parameter \"%.*s\"; nearbyd --help lists all",
			      where, shown, name.at);
	return refuse(error, "%s: there is no parameter \"%.*s\"; is it \"%s\"?", where, shown,
		      name.at, nearest->name);
}

static int set_value(struct config *config, const struct parameter *parameter, const char *where,
		     struct slice text, struct config_error *error)
{
	enum { SHOWN_MAX = 100 };
	struct slice value = slice_trim(text.at, text.length);
	if (parameter_read(parameter, value, config))
		return 0;
	char allowed[200];
	parameter_allowed(parameter, allowed, sizeof(allowed));
	bool is_long = value.length > SHOWN_MAX;
	return refuse(error, "%s: %s is \"%.*s%s\", and must be %s", where, parameter->name,
		      is_long ? SHOWN_MAX : (int)value.length, value.at, is_long ? "..." : "",
		      allowed);
}

void config_init(struct config *config)
{
	/* Every byte, so that two configs can be compared whole. */
	memset(config, 0, sizeof(*config));
	for (size_t i = 0; i < PARAMETER_COUNT; i++) {
		const char *initial = parameters[i].initial;
		check(parameter_read(&parameters[i], (struct slice){ initial, strlen(initial) },
				     config));
	}
}

static int read_line(struct config *config, struct slice line, const char *where,
		     unsigned line_number, unsigned *seen, struct config_error *error)
{
	const char *equals = memchr(line.at, '=', line.length);
	if (equals == NULL)
		return refuse(error, "%s: a line is \"name = value\" or a comment after #", where);
	struct slice name = slice_trim(line.at, (size_t)(equals - line.at));
	struct slice value = { equals + 1, line.length - (size_t)(equals + 1 - line.at) };
	value.length = slice_comment(value);
	const struct parameter *parameter = parameter_find(name);
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
		struct slice line = slice_trim(text + at, bytes);
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
	char name[PARAMETER_NAME_MAX];
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
	const struct parameter *parameter = parameter_find(slice);
	if (parameter != NULL)
		return set_value(config, parameter, where,
				 (struct slice){ equals + 1, strlen(equals + 1) }, error);
	return parameter_nearest(slice) != NULL ? refuse_name(where, slice, error) : 0;
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
		 length > PARAMETER_NAME_MAX ? PARAMETER_NAME_MAX : (int)length, name.at);
	const struct parameter *parameter = parameter_find(name);
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
	return set_value(config, &parameters[PARAMETER_data_dir], "default",
			 (struct slice){ path, strlen(path) }, error);
}

/* What no row of the table can say. */
static int check_together(const struct config *config, struct config_error *error)
{
	if (config->push_interval_ms > config->push_interval_max_ms)
		return refuse(error,
			      "push-interval-ms is %u, and must be at most push-interval-max-ms, which is %u",
			      (unsigned)config->push_interval_ms, (unsigned)config->push_interval_max_ms);
	if (config->tls_certificate.count != config->tls_key.count)
		return refuse(error, "tls-certificate names %u files and tls-key %u: each certificate needs its key",
			      (unsigned)config->tls_certificate.count, (unsigned)config->tls_key.count);
	if (config->tls_listen.count > 0 && config->tls_certificate.count == 0)
		return refuse(error, "tls-listen is set, and needs tls-certificate and tls-key");
	return 0;
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
