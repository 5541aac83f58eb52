/*
 * Owns: whose tokens are refused although their signatures hold: users that were kicked or barred.
 * Invariant: holds exactly what was set last of each user.
 * Thread: one core's; each core has all of them, as a request may come in on any.
 * Does not know: how they are kept (the store), who changes them (revoke.c).
 */
#ifndef NEARBY_APP_BARS_H
#define NEARBY_APP_BARS_H

#include "app/token.h"
#include "base/id.h"

#include <stdint.h>

/* Of a user that is barred altogether. */
#define BARS_ALTOGETHER INT64_MAX

struct bars;

/* None yet. 0, or -ENOMEM. */
int bars_open(struct bars **bars);
void bars_close(struct bars **bars);

/* Tokens of the user are refused that were issued before this, in seconds since 1970; 0: none is. */
void bars_set(struct bars *bars, struct user_id user, int64_t not_before_s);
/* What was set; 0 for nothing. */
int64_t bars_get(const struct bars *bars, struct user_id user);

/*
 * GOOD, REVOKED or BARRED, for a token of this user that was issued then (0: it does not say). One that was
 * issued in the very second of a revocation is good: who is kicked can come back at once with a new one.
 */
enum token_verdict bars_judge(const struct bars *bars, struct user_id user, int64_t issued_s);

#endif
