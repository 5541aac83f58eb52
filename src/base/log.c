/*
 * Owns: the form of a log line: wall time, level, text; "<N>" in front when journald listens.
 * Invariant: one line a call, written at once.
 * Thread: any; no state but the answer, found once, whether journald listens.
 * Does not know: files, rotation (that is the supervisor's).
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_BYTES_MAX = 1000, LINE_BYTES_MAX = 64 + 4 * TEXT_BYTES_MAX };

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_NOTICE:
		return "notice";
	case LOG_LEVEL_INFO:
		return "info";
	}
	return "?";
}

static int put_prefix(char *line, size_t bytes, enum log_level level)
{
	if (getenv("JOURNAL_STREAM") != NULL)
		return snprintf(line, bytes, "<%d>", (int)level);
	struct timespec now;
	struct tm utc;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	return snprintf(line, bytes, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s: ", utc.tm_year + 1900,
			utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
			now.tv_nsec / 1000000, level_name(level));
}

void log_line(enum log_level level, const char *format, ...)
{
	char text[TEXT_BYTES_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);

	char line[LINE_BYTES_MAX];
	size_t length = (size_t)put_prefix(line, sizeof(line), level);
	for (const char *c = text; *c != '\0'; c++) {
		if (*c >= ' ' && *c <= '~')
			line[length++] = *c;
		else
			length += (size_t)snprintf(line + length, 5, "\\x%02x", (unsigned char)*c);
	}
	line[length++] = '\n';
	/* A log that cannot be written has nowhere to be reported. */
	ssize_t written = write(STDERR_FILENO, line, length);
	(void)written;
}
