/*
 * Owns: two keys, the newest first, and the lock on them.
 * Invariant: see the header.
 * Thread: any; `lock` is held for a copy of 80 bytes, once a handshake.
 * Does not know: see the header.
 */
#include "net/tickets.h"

#include "base/check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { TICKETS_MAGIC = 0x7469636b };

struct tickets {
	uint32_t magic;
	pthread_mutex_t lock;
	struct ticket_key keys[2];
	uint64_t made_s; /* the newest */
};

static bool make_key(struct ticket_key *key)
{
	return getrandom(key, sizeof(*key), 0) == (ssize_t)sizeof(*key);
}

struct tickets *tickets_open(uint64_t now_s)
{
	struct tickets *fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return NULL;
	fresh->magic = TICKETS_MAGIC;
	fresh->made_s = now_s;
	pthread_mutex_init(&fresh->lock, NULL);
	/* The second is nobody's: no ticket names it. */
	if (!make_key(&fresh->keys[0]) || !make_key(&fresh->keys[1]))
		tickets_close(&fresh);
	return fresh;
}

void tickets_close(struct tickets **tickets)
{
	struct tickets *old = *tickets;
	if (old == NULL)
		return;
	check_object(old, TICKETS_MAGIC);
	pthread_mutex_destroy(&old->lock);
	explicit_bzero(old, sizeof(*old));
	free(old);
	*tickets = NULL;
}

/* Once the system has had random bytes, it has them always. */
static void rotate(struct tickets *tickets, uint64_t now_s)
{
	uint64_t age_s = now_s - tickets->made_s;
	if (now_s < tickets->made_s || age_s < TICKETS_PERIOD_S)
		return;
	tickets->keys[1] = tickets->keys[0];
	check(make_key(&tickets->keys[0]));
	if (age_s >= 2 * TICKETS_PERIOD_S)
		check(make_key(&tickets->keys[1]));
	tickets->made_s = now_s;
}

void tickets_take(struct tickets *tickets, uint64_t now_s, struct ticket_key *key)
{
	check_object(tickets, TICKETS_MAGIC);
	pthread_mutex_lock(&tickets->lock);
	rotate(tickets, now_s);
	*key = tickets->keys[0];
	pthread_mutex_unlock(&tickets->lock);
}

bool tickets_find(struct tickets *tickets, uint64_t now_s, const uint8_t name[TICKETS_NAME_BYTES],
		  struct ticket_key *key, bool *is_old)
{
	check_object(tickets, TICKETS_MAGIC);
	bool is_found = false;
	pthread_mutex_lock(&tickets->lock);
	rotate(tickets, now_s);
	for (unsigned i = 0; i < ARRAY_COUNT(tickets->keys) && !is_found; i++) {
		is_found = memcmp(tickets->keys[i].name, name, TICKETS_NAME_BYTES) == 0;
		*key = tickets->keys[i];
		*is_old = i > 0;
	}
	pthread_mutex_unlock(&tickets->lock);
	return is_found;
}
