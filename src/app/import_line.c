/*
 * Owns: the two forms of a line: a pair with a tab, a user as JSON.
 * Invariant: the first thing that is wrong with a line is its reason.
 * Thread: the caller's.
 * Does not know: the store; which users there are.
 */
#include "app/import_line.h"

#include "app/profile.h"

#include <string.h>

enum import_reason import_read_pair(const char *line, size_t length, struct store_pair *pair)
{
	if (length == 0 || line[0] == '#')
		return IMPORT_IGNORED;
	const char *tab = memchr(line, '\t', length);
	if (tab == NULL || memchr(tab + 1, '\t', length - (size_t)(tab + 1 - line)) != NULL)
		return IMPORT_BAD_LINE;
	*pair = (struct store_pair){ .a = { 0 } };
	if (!user_id_parse(line, (size_t)(tab - line), &pair->a) ||
	    !user_id_parse(tab + 1, length - (size_t)(tab + 1 - line), &pair->b))
		return IMPORT_BAD_USER;
	return user_id_equal(pair->a, pair->b) ? IMPORT_SELF : IMPORT_GOOD;
}

enum import_reason import_read_user(struct json_reader *reader, const char *line, size_t length,
				    struct store_user *user)
{
	struct decode_error error;
	if (length == 0)
		return IMPORT_IGNORED;
	*user = (struct store_user){ .user = { 0 } };
	if (!json_read(reader, line, length, &error))
		return IMPORT_BAD_LINE;
	if (!json_take_user(reader, "user", &user->user, &error))
		return IMPORT_BAD_USER;
	return profile_read(reader, user, &error) ? IMPORT_GOOD : IMPORT_BAD_FIELD;
}
