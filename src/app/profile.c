/*
 * Owns: the reading of `name` and `picture` from JSON.
 * Invariant: never more bytes than the store's profile holds, no control character in a name, and a picture is
 *   an https URL.
 * Thread: the reader's.
 * Does not know: whether a body or a line of an import is read.
 */
#include "app/profile.h"

#include <string.h>

/* A text field of a profile, when the body has it; null empties it. */
static bool take_text(struct json_reader *reader, const char *field, size_t bytes_max, char *to,
		      uint32_t *length, bool *has, struct decode_error *error)
{
	const char *text = "";
	size_t bytes = 0;
	enum json_kind kind = json_kind(reader, field);
	*has = kind != JSON_KIND_ABSENT;
	if (*has && kind != JSON_KIND_NULL &&
	    !json_take_text(reader, field, 0, bytes_max, &text, &bytes, error))
		return false;
	memcpy(to, text, bytes);
	*length = (uint32_t)bytes;
	return true;
}

/* Whether UTF-8 has a control character: U+0000 to U+001F, U+007F to U+009F. */
static bool has_control(const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		unsigned char byte = (unsigned char)text[i];
		if (byte < 0x20 || byte == 0x7f)
			return true;
		if (byte == 0xc2 && i + 1 < bytes && (unsigned char)text[i + 1] < 0xa0)
			return true;
	}
	return false;
}

/* https://, a host, and what else a URL may be written with: visible ASCII. */
static bool is_https_url(const char *text, size_t bytes)
{
	static const char scheme[] = "https://";
	size_t length = sizeof(scheme) - 1;
	if (bytes <= length || memcmp(text, scheme, length) != 0 || memchr("/?#", text[length], 3) != NULL)
		return false;
	for (size_t i = length; i < bytes; i++)
		if (text[i] <= ' ' || text[i] > '~' || memchr("\"<>\\^`{|}", text[i], 9) != NULL)
			return false;
	return true;
}

bool profile_read(struct json_reader *reader, struct store_user *put, struct decode_error *error)
{
	struct store_profile *profile = &put->profile;
	if (!take_text(reader, "name", STORE_NAME_BYTES_MAX, profile->name, &profile->name_length,
		       &put->has_name, error) ||
	    !take_text(reader, "picture", STORE_PICTURE_BYTES_MAX, profile->picture, &profile->picture_length,
		       &put->has_picture, error))
		return false;
	if (has_control(profile->name, profile->name_length)) {
		decode_error_set(error, ERROR_BAD_FIELD, "name must be text without control characters");
		return false;
	}
	if (profile->picture_length > 0 && !is_https_url(profile->picture, profile->picture_length)) {
		decode_error_set(error, ERROR_BAD_FIELD,
				 "picture must be an https:// URL of at most %d bytes, or empty", STORE_PICTURE_BYTES_MAX);
		return false;
	}
	return true;
}
