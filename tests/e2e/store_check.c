/*
 * Owns: nothing; a program around store_check: `store_check DIRECTORY`, exit status 0 when both
 *   databases are sound.
 * Invariant: reads only.
 * Thread: one.
 * Does not know: whether a daemon runs beside it.
 */
#include "store/store.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	const char *reason = "";
	if (argc != 2) {
		fprintf(stderr, "usage: store_check DIRECTORY\n");
		return 2;
	}
	if (store_check(argv[1], &reason) != 0) {
		fprintf(stderr, "%s: %s\n", argv[1], reason);
		return 1;
	}
	return 0;
}
