/*
 * Owns: the main of a fuzz target in an ordinary build: it feeds the corpus and ends.
 * Invariant: fails when a corpus is missing or empty, so a replay that checks nothing is seen.
 * Thread: one.
 * Does not know: what the target does.
 *
 * Usage: fuzz_NAME [FILE|DIRECTORY]...; without arguments the corpus of its name in the sources.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_BYTES_MAX = 1 << 20 };

/* Files fed, or -1. */
static int feed_file(const char *path)
{
	FILE *file = fopen(path, "re");
	uint8_t *read = malloc(INPUT_BYTES_MAX);
	if (file == NULL || read == NULL) {
		perror(path);
		exit(1);
	}
	size_t length = fread(read, 1, INPUT_BYTES_MAX, file);
	fclose(file);
	/* Of its exact size, so that the sanitizers see a step beyond the end. */
	uint8_t *input = malloc(length > 0 ? length : 1);
	if (input == NULL)
		exit(1);
	memcpy(input, read, length);
	free(read);
	LLVMFuzzerTestOneInput(input, length);
	free(input);
	return 1;
}

static int feed(const char *path)
{
	struct stat status;
	if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode))
		return feed_file(path);
	struct dirent **names;
	int count = scandir(path, &names, NULL, alphasort);
	if (count < 0) {
		perror(path);
		exit(1);
	}
	int fed = 0;
	for (int i = 0; i < count; i++) {
		char inside[1024];
		snprintf(inside, sizeof(inside), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			fed += feed_file(inside);
		free(names[i]);
	}
	free(names);
	return fed;
}

/* tests/fuzz/corpus/NAME beside the sources, which `make check` names in $srcdir. */
static int feed_corpus(void)
{
	const char *source = getenv("srcdir");
	const char *name = strstr(program_invocation_short_name, "fuzz_");
	char path[1024];
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", source != NULL ? source : ".",
		 name != NULL ? name + strlen("fuzz_") : "");
	return feed(path);
}

int main(int argc, char **argv)
{
	int fed = argc == 1 ? feed_corpus() : 0;
	for (int i = 1; i < argc; i++)
		fed += feed(argv[i]);
	printf("%d inputs replayed\n", fed);
	return fed > 0 ? 0 : 1;
}
