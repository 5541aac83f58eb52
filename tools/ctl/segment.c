/*
 * Owns: the words for a segment that cannot be opened.
 * Invariant: see the header.
 * Thread: one.
 * Does not know: what is read from it.
 */
#include "segment.h"

#include <errno.h>
#include <string.h>

int segment_open(const struct ctl *ctl, struct nearby_segment **segment)
{
	const char *reason = NULL;
	int error = nearby_segment_open(segment, ctl->instance, &reason);
	switch (error) {
	case 0:
		return EXIT_OK;
	case -ENOENT:
		return ctl_fail(ctl, EXIT_NOT_RUNNING,
				"instance \"%s\" has not run since this machine started",
				ctl->instance);
	case -EACCES:
		return ctl_fail(ctl, EXIT_FAILED,
				"the segment of instance \"%s\" is another user's", ctl->instance);
	default:
		return ctl_fail(ctl, EXIT_FAILED, "the segment of instance \"%s\": %s",
				ctl->instance, reason != NULL ? reason : strerror(-error));
	}
}
