/*
 * Owns: the last words of a process with a bug.
 * Invariant: writes with no allocation and no lock of ours, so it works anywhere.
 * Thread: any.
 * Does not know: the log.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
	abort();
}
