/*
 * Owns: the names of users that were asked for lately, and who of them shows nothing, in memory.
 * Invariant: what it gives is what users.mdb holds; it may not know a name that is there.
 * Thread: the users thread.
 * Does not know: databases, friendships.
 *
 * Who connects is told the names of all friends, and one look into a large tree for each costs half
 * a microsecond of waiting for memory. Here a name is one line of memory, asked for ahead of its use.
 * Users whose numbers are neighbours are neighbours in memory, so a small population takes little.
 */
#ifndef NEARBY_STORE_NAME_CACHE_H
#define NEARBY_STORE_NAME_CACHE_H

#include "base/id.h"

#include <stdbool.h>
#include <stdint.h>

struct name_cache;

/* Room for about `names_max` names, of 32 bytes each. 0, or -ENOMEM. */
int name_cache_open(struct name_cache **cache, uint64_t names_max);
void name_cache_close(struct name_cache **cache);

/* Asks the memory for what will soon be asked of the cache. */
void name_cache_prefetch(const struct name_cache *cache, struct user_id user);
/* Copies the name to memory with room for the longest and returns true, when it is known. */
bool name_cache_get(const struct name_cache *cache, struct user_id user, char *name,
		    uint32_t *length, bool *is_off);
/* Keeps a name, at the cost of another; a long one is not kept. `is_off`: the user shows nothing to
 * everybody, and time alone does not change that. */
void name_cache_put(struct name_cache *cache, struct user_id user, const char *name,
		    uint32_t length, bool is_off);
/* The user's name, or what it shows, has changed or will have. */
void name_cache_forget(struct name_cache *cache, struct user_id user);

#endif
