/*
 * Owns: writing a world as the two import streams.
 * Invariant: see the header.
 * Thread: the caller's; blocks.
 * Does not know: who is where.
 */
#include "bench/setup.h"

#include "bench/admin.h"
#include "bench/worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_users(FILE *file, const void *source)
{
	const struct world *world = source;
	for (uint32_t user = 0; user < world->user_count; user++)
		fprintf(file, "{\"user\":\"%" PRIu64 "\",\"name\":\"%s\"}\n", world->ids[user],
			world->names[user]);
}

/* Each friendship once. */
static void write_friends(FILE *file, const void *source)
{
	const struct world *world = source;
	for (uint32_t user = 0; user < world->user_count; user++) {
		for (uint32_t i = world->edge_first[user]; i < world->edge_first[user + 1]; i++) {
			if (world->edge_user[i] > user)
				fprintf(file, "%" PRIu64 "\t%" PRIu64 "\n", world->ids[user],
					world->ids[world->edge_user[i]]);
		}
	}
}

struct import {
	const char *path, *content_type;
	void (*write)(FILE *file, const void *source);
};

static int import_one(const struct import *import, const void *source,
		      const struct address *admin, const char *token, unsigned timeout_s)
{
	char *body = NULL;
	size_t length = 0;
	struct admin_answer answer = { .status = 0 };
	FILE *file = open_memstream(&body, &length);
	if (file == NULL)
		return -1;
	import->write(file, source);
	fclose(file);
	int error = length == 0 ? 0 :
				  admin_post(admin, token, import->path, import->content_type, body,
					     length, timeout_s, &answer);
	free(body);
	if (error == 0 && (length == 0 || answer.status / 100 == 2))
		return 0;
	if (error < 0)
		fprintf(stderr, "nearby-bench: POST %s at the admin listener: %s\n", import->path,
			strerror(-error));
	else
		fprintf(stderr, "nearby-bench: POST %s was answered with %u: %s\n", import->path,
			answer.status, answer.body);
	return -1;
}

int setup_import(const struct world *world, const struct address *admin,
		 const struct token_key *key, unsigned timeout_s)
{
	static const struct import users = { "/v1/import/users", "application/x-ndjson",
					     write_users };
	static const struct import friends = { "/v1/import/friends", "text/tab-separated-values",
					       write_friends };
	char token[TOKEN_BYTES_MAX + 1];
	if (bench_token(key, 0, true, token) < 0)
		return -1;
	/* Users of recordings have no names, and come to be with their friendships. */
	bool has_names = world->user_count > 0 && world->names[0][0] != 0;
	if (has_names && import_one(&users, world, admin, token, timeout_s) < 0)
		return -1;
	return import_one(&friends, world, admin, token, timeout_s);
}

/* A town and its first id. */
struct settlement {
	const struct town *town;
	uint64_t first_user;
};

/* Friends who connect come in pairs, one ahead in number and one behind: those ahead are enough. */
static void write_town(FILE *file, const void *source)
{
	const struct settlement *settlement = source;
	const struct town *town = settlement->town;
	uint64_t first = settlement->first_user;
	for (uint32_t user = 0; user < town->count; user++) {
		for (uint32_t idx = 0; idx < town->active; idx += 2)
			fprintf(file, "%" PRIu64 "\t%" PRIu64 "\n", first + user,
				first + town_friend(town, user, idx));
		for (uint32_t idx = 0; idx < town->idle; idx++)
			fprintf(file, "%" PRIu64 "\t%" PRIu64 "\n", first + user,
				first + town_stranger(town, user, idx));
	}
}

int setup_import_town(const struct town *town, uint64_t first_user, const struct address *admin,
		      const struct token_key *key, unsigned timeout_s, uint64_t *count)
{
	static const struct import import = { "/v1/import/friends", "text/tab-separated-values",
					      write_town };
	struct settlement settlement = { town, first_user };
	char token[TOKEN_BYTES_MAX + 1];
	*count = (uint64_t)town->count * (town->active / 2 + town->idle);
	if (bench_token(key, 0, true, token) < 0)
		return -1;
	return import_one(&import, &settlement, admin, token, timeout_s);
}
