/*
 * Owns: the log lines on stderr.
 * Invariant: a call writes one line with one write(2); bytes from outside cannot forge a line, as
 *   control bytes and non-ASCII are shown as \xNN.
 * Thread: any.
 * Does not know: what is worth logging. Tokens, coordinates and query strings never are.
 */
#ifndef NEARBY_BASE_LOG_H
#define NEARBY_BASE_LOG_H

/* The syslog priorities that are used; journald reads them from the "<N>" in front of a line. */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_NOTICE = 5, LOG_LEVEL_INFO = 6 };

/* printf-like; longer than 1,000 bytes is cut. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)

#endif
