/*
 * Owns: the text form of user ids.
 * Invariant: parse(format(id)) == id, and nothing but that text parses.
 * Thread: any, no state.
 * Does not know: where the text came from.
 */
#include "base/id.h"

#include "base/check.h"

bool user_id_parse(const char *text, size_t length, struct user_id *id)
{
	if (length == 0 || length > USER_ID_TEXT_BYTES || (text[0] == '0' && length > 1))
		return false;
	/* 19 digits reach 9.99e18, below 2^64: no overflow before the range is judged. */
	uint64_t value = 0;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	if (value > USER_ID_MAX)
		return false;
	id->value = value;
	return true;
}

size_t user_id_format(struct user_id id, char text[USER_ID_TEXT_BYTES])
{
	check(id.value <= USER_ID_MAX);
	char reversed[USER_ID_TEXT_BYTES];
	size_t length = 0;
	uint64_t rest = id.value;
	do {
		reversed[length++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	for (size_t i = 0; i < length; i++)
		text[i] = reversed[length - 1 - i];
	return length;
}
