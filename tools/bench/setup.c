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

static void write_users(FILE *file, const struct world *world)
{
	for (uint32_t user = 0; user < world->user_count; user++)
		fprintf(file, "{\"user\":\"%" PRIu64 "\",\"name\":\"%s\"}\n", world->ids[user],
			world->names[user]);
}

/* Each friendship once. */
static void write_friends(FILE *file, const struct world *world)
{
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
	void (*write)(FILE *file, const struct world *world);
};

static int import_one(const struct import *import, const struct world *world,
		      const struct address *admin, const char *token, unsigned timeout_s)
{
	char *body = NULL;
	size_t length = 0;
	struct admin_answer answer = { .status = 0 };
	FILE *file = open_memstream(&body, &length);
	if (file == NULL)
		return -1;
	import->write(file, world);
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
