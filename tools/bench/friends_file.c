/*
 * Owns: writing the file of friendships.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "bench/friends_file.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VERSION 1

static void put(FILE *file, uint64_t value)
{
	uint32_t word = htole32((uint32_t)value);
	fwrite(&word, sizeof(word), 1, file);
}

static void put_all(FILE *file, const struct town *town, uint64_t first_user)
{
	fwrite("NBFRIEND", 8, 1, file);
	put(file, VERSION);
	put(file, first_user + town->count);
	for (uint64_t id = 0; id < first_user; id++)
		put(file, 0);
	for (uint32_t user = 0; user < town->count; user++) {
		put(file, town->active + town->idle);
		for (uint32_t idx = 0; idx < town->active; idx++)
			put(file, first_user + town_friend(town, user, idx));
		for (uint32_t idx = 0; idx < town->idle; idx++)
			put(file, first_user + town_stranger(town, user, idx));
	}
}

int friends_file_write(const char *path, const struct town *town, uint64_t first_user)
{
	bool is_stdout = strcmp(path, "-") == 0;
	if (first_user + town_population(town) > UINT32_MAX)
		return -ERANGE;
	FILE *file = is_stdout ? stdout : fopen(path, "wb");
	if (file == NULL)
		return -errno;
	put_all(file, town, first_user);
	bool is_written = fflush(file) == 0 && !ferror(file);
	int error = is_written ? 0 : -errno;
	if (!is_stdout && fclose(file) != 0 && error == 0)
		error = -errno;
	return error;
}
