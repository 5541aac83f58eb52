/*
 * Owns: the reading of `name` and `picture` from JSON.
 * Invariant: never more bytes than the store's profile holds.
 * Thread: the reader's.
 * Does not know: whether a body or a line of an import is read.
 */
#include "app/profile.h"

#include <string.h>

/* A text field of a profile, when the body has it. */
static bool take_text(struct json_reader *reader, const char *field, size_t bytes_max, char *to,
			      uint32_t *length, bool *has, struct decode_error *error)
{
	const char *text;
	size_t bytes;
	*has = json_has(reader, field);
	if (!*has)
		return true;
	if (!json_take_text(reader, field, 0, bytes_max, &text, &bytes, error))
		return false;
	memcpy(to, text, bytes);
	*length = (uint32_t)bytes;
	return true;
}

bool profile_read(struct json_reader *reader, struct store_user *put, struct decode_error *error)
{
	return take_text(reader, "name", STORE_NAME_BYTES_MAX, put->profile.name,
				 &put->profile.name_length, &put->has_name, error) &&
	       take_text(reader, "picture", STORE_PICTURE_BYTES_MAX, put->profile.picture,
				 &put->profile.picture_length, &put->has_picture, error);
}
