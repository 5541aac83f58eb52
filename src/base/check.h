/*
 * Owns: the vocabulary of assertions.
 * Invariant: always compiled in; a failed check is a bug of ours, never bad input.
 * Thread: any.
 * Does not know: what is being checked.
 */
#ifndef NEARBY_BASE_CHECK_H
#define NEARBY_BASE_CHECK_H

#include <stddef.h>
#include <stdint.h>

/* Stops the process with file, line and the text of the condition that did not hold. */
_Noreturn void check_failed(const char *file, int line, const char *condition);

#define check(condition)                                                                           \
	do {                                                                                       \
		if (__builtin_expect(!(condition), 0))                                             \
			check_failed(__FILE__, __LINE__, #condition);                              \
	} while (0)

/* For objects that start with `uint32_t magic`: the pointer is one, and of this kind. */
#define check_object(object, wanted_magic)                                                         \
	do {                                                                                       \
		check((object) != NULL);                                                           \
		check((object)->magic == (wanted_magic));                                          \
	} while (0)

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
