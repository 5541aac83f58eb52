/*
 * Owns: telling the server who takes part, before the run.
 * Invariant: either all users and friendships are there, or the run does not begin.
 * Thread: the caller's; blocks.
 * Does not know: who is where.
 */
#ifndef NEARBY_BENCH_SETUP_H
#define NEARBY_BENCH_SETUP_H

#include "bench/address.h"
#include "bench/town.h"
#include "bench/world.h"
#include "app/token.h"

/* Imports the world's names and friendships. 0, or -1 after a line on stderr that says what failed. */
int setup_import(const struct world *world, const struct address *admin,
		 const struct token_key *key, unsigned timeout_s);
/* The friendships of those who connect, with all their friends. *count: how many there are. */
int setup_import_town(const struct town *town, uint64_t first_user, const struct address *admin,
		      const struct token_key *key, unsigned timeout_s, uint64_t *count);

#endif
