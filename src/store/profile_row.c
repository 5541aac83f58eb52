/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/profile_row.h"

#include "base/check.h"
#include "store/user_tables.h"

#include <errno.h>
#include <string.h>

enum { HEAD_BYTES = 3, SHARING_BYTES = 9, HAS_SHARING = 0x80 };
enum {
	ROW_BYTES_MAX = HEAD_BYTES + SHARING_BYTES + STORE_NAME_BYTES_MAX + STORE_PICTURE_BYTES_MAX
};

const struct profile_row profile_row_empty = { .sharing = { .mode = SHARING_PRECISE } };

static bool sharing_decode(const uint8_t *at, struct sharing *sharing)
{
	sharing->mode = at[0];
	memcpy(&sharing->until_ms, at + 1, sizeof(sharing->until_ms));
	return at[0] >= SHARING_PRECISE && at[0] <= SHARING_OFF && sharing->until_ms >= 0;
}

bool profile_row_decode(struct bytes value, struct profile_row *row)
{
	struct store_profile *profile = &row->profile;
	const uint8_t *at = value.at, *end = at + value.length;
	uint16_t picture_length;
	if (value.length < HEAD_BYTES)
		return false;
	bool has_sharing = (at[0] & HAS_SHARING) != 0;
	memcpy(&picture_length, at + 1, sizeof(picture_length));
	profile->name_length = at[0] & ~(uint32_t)HAS_SHARING;
	profile->picture_length = picture_length;
	at += HEAD_BYTES;
	if (profile->name_length > STORE_NAME_BYTES_MAX ||
	    picture_length > STORE_PICTURE_BYTES_MAX ||
	    end - at != (has_sharing ? SHARING_BYTES : 0) + (ptrdiff_t)profile->name_length +
				picture_length)
		return false;
	row->sharing = profile_row_empty.sharing;
	if (has_sharing && !sharing_decode(at, &row->sharing))
		return false;
	at += has_sharing ? SHARING_BYTES : 0;
	memcpy(profile->name, at, profile->name_length);
	memcpy(profile->picture, at + profile->name_length, picture_length);
	return true;
}

bool profile_row_put(struct lmdb_txn *txn, struct user_id user, const struct profile_row *row,
		     enum lmdb_put how)
{
	const struct store_profile *profile = &row->profile;
	const struct sharing *sharing = &row->sharing;
	uint8_t value[ROW_BYTES_MAX], *end = value + HEAD_BYTES;
	uint16_t picture_length = (uint16_t)profile->picture_length;
	check(sharing->mode != SHARING_DEFAULT);
	value[0] = (uint8_t)profile->name_length;
	memcpy(value + 1, &picture_length, sizeof(picture_length));
	if (sharing->mode != SHARING_PRECISE || sharing->until_ms != 0) {
		value[0] |= HAS_SHARING;
		end[0] = (uint8_t)sharing->mode;
		memcpy(end + 1, &sharing->until_ms, sizeof(sharing->until_ms));
		end += SHARING_BYTES;
	}
	memcpy(end, profile->name, profile->name_length);
	end += profile->name_length;
	memcpy(end, profile->picture, picture_length);
	end += picture_length;
	return lmdb_put(txn, USERS_TABLE_PROFILES, id_bytes(&user),
			(struct bytes){ value, (size_t)(end - value) }, how);
}

bool profile_row_get(struct lmdb_txn *txn, struct user_id user, struct profile_row *row)
{
	struct bytes value;
	if (!lmdb_get(txn, USERS_TABLE_PROFILES, id_bytes(&user), &value))
		return false;
	if (!profile_row_decode(value, row)) {
		lmdb_fail(txn, -EIO);
		return false;
	}
	return true;
}

bool profile_row_exists(struct lmdb_txn *txn, struct user_id user)
{
	struct bytes value;
	return lmdb_get(txn, USERS_TABLE_PROFILES, id_bytes(&user), &value);
}

bool profile_row_make(struct lmdb_txn *txn, struct user_id user)
{
	return !profile_row_exists(txn, user) &&
	       profile_row_put(txn, user, &profile_row_empty, LMDB_ADD);
}
