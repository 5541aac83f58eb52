/*
 * Owns: which dialects there are.
 * Invariant: see the header.
 * Thread: any, no state.
 * Does not know: what they say.
 */
#include "bench/dialect.h"

#include "base/check.h"

#include <string.h>

const struct dialect *dialect_find(const char *name)
{
	static const struct dialect *const dialects[] = { &dialect_nearby, &dialect_centrifuge,
							  &dialect_nats };
	for (unsigned i = 0; i < ARRAY_COUNT(dialects); i++) {
		if (strcmp(name, dialects[i]->name) == 0)
			return dialects[i];
	}
	return NULL;
}
