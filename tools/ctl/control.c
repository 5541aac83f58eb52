/*
 * Owns: the commands that make the daemon do something: reload, backup, drain, stop.
 * Invariant: a signal goes only to the process that holds the segment, never to one that was given
 *   the same number later.
 * Thread: one.
 * Does not know: what the daemon does then.
 */
#include "api.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/writer.h"
#include "proto/codec.h"
#include "segment.h"

/* What a daemon may take to end after its longest drain (drain-time-s is 3,600 at most). */
enum { STOP_WAIT_MS = 3700 * 1000 };

/* How long `wait` waits, and between two looks. */
enum { READY_WAIT_US = 60 * 1000000, READY_PAUSE_NS = 50 * 1000000 };

/* *pidfd refers to the daemon that owns the segment. */
static int find_daemon(const struct ctl *ctl, int *pidfd)
{
	struct nearby_segment *segment = NULL;
	int status = segment_open(ctl, &segment);
	if (status != EXIT_OK)
		return status;
	struct nearby_segment_info info;
	nearby_segment_info(segment, &info);
	*pidfd = info.is_owned ? pidfd_open(info.pid, 0) : -1;
	/* It still owns the segment now, so the number was its own when the pidfd was made. */
	nearby_segment_info(segment, &info);
	nearby_segment_close(&segment);
	if (*pidfd >= 0 && info.is_owned)
		return EXIT_OK;
	if (*pidfd >= 0)
		close(*pidfd);
	return ctl_fail(ctl, EXIT_NOT_RUNNING, "the daemon of instance \"%s\" is not running",
			ctl->instance);
}

static int send_signal(const struct ctl *ctl, int pidfd, int signal)
{
	if (pidfd_send_signal(pidfd, signal, NULL, 0) == 0)
		return EXIT_OK;
	return ctl_fail(ctl, EXIT_FAILED, "the daemon cannot be signalled: %s", strerror(errno));
}

static int done(const struct ctl *ctl, const char *what)
{
	if (ctl->json)
		printf("{\"instance\":\"%s\",\"done\":\"%s\"}\n", ctl->instance, what);
	else
		printf("%s\n", what);
	return EXIT_OK;
}

int command_wait(const struct ctl *ctl)
{
	const struct timespec pause = { .tv_nsec = READY_PAUSE_NS };
	uint64_t until_us = boot_us() + READY_WAIT_US;
	while (!api_is_ready(ctl)) {
		if (boot_us() > until_us)
			return ctl_fail(ctl, EXIT_NOT_RUNNING,
					"the daemon of instance \"%s\" is not ready after a minute",
					ctl->instance);
		nanosleep(&pause, NULL);
	}
	return EXIT_OK;
}

int command_reload(const struct ctl *ctl)
{
	int pidfd = -1;
	int status = find_daemon(ctl, &pidfd);
	if (status != EXIT_OK)
		return status;
	status = send_signal(ctl, pidfd, SIGHUP);
	close(pidfd);
	return status == EXIT_OK ? done(ctl, "told to reload; its log says what changed") : status;
}

int command_stop(const struct ctl *ctl)
{
	int pidfd = -1;
	int status = find_daemon(ctl, &pidfd);
	if (status != EXIT_OK)
		return status;
	status = send_signal(ctl, pidfd, SIGTERM);
	struct pollfd gone = { .fd = pidfd, .events = POLLIN };
	if (status == EXIT_OK && poll(&gone, 1, STOP_WAIT_MS) != 1)
		status = ctl_fail(ctl, EXIT_FAILED, "the daemon did not end");
	close(pidfd);
	return status == EXIT_OK ? done(ctl, "stopped") : status;
}

int command_drain(const struct ctl *ctl)
{
	int status = api_do(
		ctl, &(struct http_request){ .method = "POST", .path = "/v1/drain", .body = "" });
	return status == EXIT_OK ? done(ctl, "draining") : status;
}

int command_backup(const struct ctl *ctl)
{
	/* The daemon stands in another directory. */
	char directory[PATH_MAX], here[PATH_MAX] = "";
	const char *name = ctl->arguments[0];
	if (name[0] != '/' && getcwd(here, sizeof(here)) == NULL)
		return ctl_fail(ctl, EXIT_FAILED, "the current directory: %s", strerror(errno));
	int length = snprintf(directory, sizeof(directory), "%s%s%s", here,
			      name[0] == '/' ? "" : "/", name);
	if (length >= (int)sizeof(directory))
		return ctl_fail(ctl, EXIT_USAGE, "%s: the name is too long", name);
	char body[6 * PATH_MAX + 32];
	struct writer writer = writer_init(body, sizeof(body) - 1);
	writer_put_text(&writer, "{\"directory\":");
	json_encode_string(&writer, directory, (size_t)length);
	writer_put_text(&writer, "}");
	body[writer_length(&writer)] = '\0';
	int status = api_do(ctl, &(struct http_request){ .method = "POST",
							 .path = "/v1/backup",
							 .content_type = "application/json",
							 .body = body,
							 .is_patient = true });
	return status == EXIT_OK ? done(ctl, "backup made") : status;
}
