/*
 * Owns: turning lines into edges and fixes.
 * Invariant: see the header.
 * Thread: the caller's.
 * Does not know: where the rows go.
 */
#include "bench/dataset.h"

#include "base/check.h"
#include "base/id.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A day of a city, or all check-ins of a network, fit well below it; and a row's number in 32 bits. */
#define ROWS_LIMIT ((size_t)1 << 28)

/* ---- a file, through gzip when its name says so --------------------------------------------- */

struct source {
	FILE *file;
	pid_t gzip; /* 0 for a plain file */
};

static int source_open_gzip(struct source *source, const char *path)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	source->gzip = fork();
	if (source->gzip == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execlp("gzip", "gzip", "-dc", "--", path, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	source->file = source->gzip > 0 ? fdopen(ends[0], "r") : NULL;
	if (source->file == NULL) {
		int error = errno;
		close(ends[0]);
		return -error;
	}
	return 0;
}

static int source_open(struct source *source, const char *path)
{
	*source = (struct source){ .file = NULL };
	size_t length = strlen(path);
	if (access(path, R_OK) < 0)
		return -errno;
	if (length > 3 && strcmp(path + length - 3, ".gz") == 0)
		return source_open_gzip(source, path);
	source->file = fopen(path, "re");
	return source->file == NULL ? -errno : 0;
}

/* 0, or -EIO when the file could not be read to its end (or gzip did not like it). */
static int source_close(struct source *source, bool read_all)
{
	int error = ferror(source->file) ? -EIO : 0;
	fclose(source->file);
	int status = 0;
	if (source->gzip > 0 && (waitpid(source->gzip, &status, 0) < 0 || status != 0) && read_all)
		error = -EIO;
	return error;
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* Room for one more row. NULL, with the rows as they were, when there is none. */
static void *rows_grow(void *rows, size_t count, size_t row_bytes)
{
	if (count != 0 && (count < 1024 || (count & (count - 1)) != 0))
		return rows;
	size_t room = count == 0 ? 1024 : 2 * count;
	return room > ROWS_LIMIT ? NULL : realloc(rows, room * row_bytes);
}

/* The next run of bytes that are no space; lent from the line. False at its end. */
static bool next_field(const char **at, const char **field, size_t *length)
{
	while (isspace((unsigned char)**at))
		(*at)++;
	*field = *at;
	while (**at != 0 && !isspace((unsigned char)**at))
		(*at)++;
	*length = (size_t)(*at - *field);
	return *length > 0;
}

static int parse_degrees(const char *text, double limit, int32_t *degrees_e7)
{
	char *rest;
	double degrees = strtod(text, &rest);
	if (rest == text || (*rest != 0 && !isspace((unsigned char)*rest)) ||
	    !(fabs(degrees) <= limit))
		return -EINVAL;
	*degrees_e7 = (int32_t)lround(degrees * 1e7);
	return 0;
}

/* "2010-10-19T23:55:27Z", or whole seconds since 1970. */
static int parse_time(const char *text, int64_t *time_s)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest != NULL) {
		*time_s = timegm(&tm);
		return 0;
	}
	char *end;
	*time_s = strtoll(text, &end, 10);
	return end != text && (*end == 0 || isspace((unsigned char)*end)) && *time_s >= 0 ? 0 :
											    -EINVAL;
}

int fix_parse(struct fix *fix, const char *line, const struct columns *columns)
{
	const char *at = line, *field;
	size_t length;
	int error = 0;
	*fix = (struct fix){ .user = 0 };
	for (unsigned i = 0; i < columns->count && error == 0; i++) {
		struct user_id id;
		if (!next_field(&at, &field, &length))
			return -EINVAL;
		switch (columns->at[i]) {
		case COLUMN_USER:
			error = user_id_parse(field, length, &id) ? 0 : -EINVAL;
			fix->user = error == 0 ? id.value : 0;
			break;
		case COLUMN_TIME:
			error = parse_time(field, &fix->time_s);
			break;
		case COLUMN_LAT:
			error = parse_degrees(field, 90, &fix->place.lat_e7);
			break;
		case COLUMN_LON:
			error = parse_degrees(field, 180, &fix->place.lon_e7);
			break;
		case COLUMN_SKIP:
			break;
		}
	}
	return error;
}

int columns_parse(struct columns *columns, const char *text)
{
	static const struct {
		const char *name;
		enum column column;
	} names[] = { { "user", COLUMN_USER },
		      { "time", COLUMN_TIME },
		      { "lat", COLUMN_LAT },
		      { "lon", COLUMN_LON },
		      { "-", COLUMN_SKIP } };
	unsigned seen = 0;
	*columns = (struct columns){ .count = 0 };
	while (*text != 0) {
		size_t length = strcspn(text, ","), i = 0;
		while (i < ARRAY_COUNT(names) && (strlen(names[i].name) != length ||
						  memcmp(names[i].name, text, length) != 0))
			i++;
		if (i == ARRAY_COUNT(names) || columns->count == COLUMNS_MAX)
			return -EINVAL;
		seen |= 1u << names[i].column;
		columns->at[columns->count++] = names[i].column;
		text += length + (text[length] == ',');
	}
	unsigned needed = 1u << COLUMN_USER | 1u << COLUMN_LAT | 1u << COLUMN_LON;
	return (seen & needed) == needed ? 0 : -EINVAL;
}

struct columns columns_guess(const char *line)
{
	static const struct columns homes = { { COLUMN_USER, COLUMN_LAT, COLUMN_LON }, 3 };
	static const struct columns snap = { { COLUMN_USER, COLUMN_TIME, COLUMN_LAT, COLUMN_LON },
					     4 };
	static const struct columns epoch = { { COLUMN_TIME, COLUMN_USER, COLUMN_LAT, COLUMN_LON },
					      4 };
	const char *at = line, *field, *second = "";
	size_t length, second_length = 0;
	unsigned count = 0;
	while (next_field(&at, &field, &length)) {
		if (++count == 2) {
			second = field;
			second_length = length;
		}
	}
	if (count <= 3)
		return homes;
	return memchr(second, 'T', second_length) != NULL ? snap : epoch;
}

static int edge_parse(struct edge *edge, const char *line)
{
	const char *at = line, *field;
	size_t length;
	struct user_id a, b;
	if (!next_field(&at, &field, &length) || !user_id_parse(field, length, &a) ||
	    !next_field(&at, &field, &length) || !user_id_parse(field, length, &b))
		return -EINVAL;
	*edge = (struct edge){ .a = a.value, .b = b.value };
	return 0;
}

/* An empty line, or a comment as SNAP puts at the top of its files. */
static bool line_is_blank(const char *line)
{
	line += strspn(line, " \t\r\n");
	return *line == 0 || *line == '#';
}

int edges_load(struct edges *edges, const char *path)
{
	struct source source;
	char *line = NULL;
	size_t line_bytes = 0;
	*edges = (struct edges){ .rows = NULL };
	int error = source_open(&source, path);
	if (error < 0)
		return error;
	while (getline(&line, &line_bytes, source.file) > 0) {
		if (line_is_blank(line))
			continue;
		struct edge *rows = rows_grow(edges->rows, edges->count, sizeof(*rows));
		if (rows == NULL) {
			error = -ENOMEM;
			break;
		}
		edges->rows = rows;
		if (edge_parse(&rows[edges->count], line) == 0)
			edges->count++;
		else
			edges->rejected++;
	}
	free(line);
	int closed = source_close(&source, error == 0);
	return error < 0 ? error : closed;
}

static int fix_order(const void *left, const void *right)
{
	const struct fix *l = left, *r = right;
	if (l->time_s != r->time_s)
		return l->time_s < r->time_s ? -1 : 1;
	return l->row < r->row ? -1 : l->row > r->row;
}

int fixes_load(struct fixes *fixes, const char *path, const struct columns *columns,
	       size_t rows_max)
{
	struct source source;
	char *line = NULL;
	size_t line_bytes = 0;
	struct columns layout = *columns;
	*fixes = (struct fixes){ .rows = NULL };
	int error = source_open(&source, path);
	if (error < 0)
		return error;
	while (fixes->count < rows_max && getline(&line, &line_bytes, source.file) > 0) {
		if (line_is_blank(line))
			continue;
		if (layout.count == 0)
			layout = columns_guess(line);
		struct fix *rows = rows_grow(fixes->rows, fixes->count, sizeof(*rows));
		if (rows == NULL) {
			error = -ENOMEM;
			break;
		}
		fixes->rows = rows;
		if (fix_parse(&rows[fixes->count], line, &layout) == 0) {
			rows[fixes->count].row = (uint32_t)fixes->count;
			fixes->count++;
		} else {
			fixes->rejected++;
		}
	}
	free(line);
	int closed = source_close(&source, error == 0 && fixes->count < rows_max);
	if (fixes->count > 0)
		qsort(fixes->rows, fixes->count, sizeof(*fixes->rows), fix_order);
	return error < 0 ? error : closed;
}
