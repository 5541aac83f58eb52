/*
 * Owns: the pair of a session and a friend, which stands in two lists: the session's (keys are
 *   channels) and the channel's (keys are session slots).
 * Invariant: it stands in both or in neither, and TAG_KNOWN and TAG_EDGE are the same in both;
 *   the exception stands in the channel's alone.
 * Thread: as engine.h.
 * Does not know: why a friend is known or dirty.
 */
#ifndef NEARBY_ENGINE_SUBSCRIPTION_H
#define NEARBY_ENGINE_SUBSCRIPTION_H

#include "engine/engine_private.h"

/* Adds all friends to a session that has none. 0, or -ENOSPC and none was added. */
int subscription_add_all(struct engine *engine, uint32_t slot, const struct friend_info *friends,
			 uint32_t count);
/* Adds one that the session has not. 0, or -ENOSPC and nothing changed. */
int subscription_add(struct engine *engine, uint32_t slot, const struct friend_info *with);
void subscription_drop(struct engine *engine, uint32_t slot, uint32_t channel);
void subscription_drop_all(struct engine *engine, uint32_t slot);

/* The session's item for a friend, REMOVED or not; NULL when there is none. */
uint32_t *subscription_find(const struct engine *engine, uint32_t slot, uint64_t friend_user);

/* The only place where TAG_KNOWN changes. `item` is in the session's list. */
void subscription_set_known(struct engine *engine, uint32_t slot, uint32_t *item, bool is_known);
/* ... and where TAG_EDGE does. */
void subscription_set_edge(struct engine *engine, uint32_t slot, uint32_t *item, bool is_edge);
/*
 * Where a session's list may have dirty friends: a bit for each group of 2^bits of them. So a flush
 * goes to the few that there are, and does not walk the list. There are at most 64 groups, so those
 * of a longer list are larger; when its length changes, any of them may have dirty friends.
 */
#define GROUPS 64u
static inline uint32_t subscription_group_bits(const struct session *session)
{
	return 32 - (uint32_t)__builtin_clz(session->friends.count / GROUPS | 1);
}

/* To be judged at the next flush; muted ones stay as they are. */
void subscription_mark(struct engine *engine, uint32_t slot, uint32_t *item);
/* Nothing to be judged any more. */
void subscription_clear(struct engine *engine, uint32_t slot, uint32_t *item);

/* What the channel's user shows the session, which follows it, beside what it shows everybody. */
void subscription_except(struct engine *engine, uint32_t slot, uint32_t channel,
			 enum sharing_mode mode);

/* The friend goes, or comes back before that was said. A friend that the client believes in range
 * stays as REMOVED until the flush has said `gone`; others are dropped at once. */
void subscription_remove(struct engine *engine, uint32_t slot, uint32_t *item);
void subscription_revive(struct engine *engine, uint32_t slot, uint32_t *item);

/* What the session may see of the friend now from its vantage: asks the gate, adds the name, and
 * notes in TAG_EDGE whether the friend is near the edge. As privacy_see. */
bool subscription_see(struct engine *engine, uint64_t now_us, uint32_t slot,
		      const struct vantage *viewer, uint32_t *item, struct entry *entry,
		      enum gone_why *why);

void subscription_check_all(const struct engine *engine);

#endif
