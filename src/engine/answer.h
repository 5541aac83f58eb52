/*
 * Owns: answers that refuse what a client asked.
 * Invariant: the text says what is allowed, and is static.
 * Thread: as engine.h.
 * Does not know: how it is sent.
 */
#ifndef NEARBY_ENGINE_ANSWER_H
#define NEARBY_ENGINE_ANSWER_H

#include "engine/session.h"

static inline void answer_error(struct engine_out *out, enum error_code code, const char *message)
{
	out->has_answer = true;
	out->answer.type = SERVER_ERROR;
	out->answer.error.code = code;
	out->answer.error.message = message;
}

/* Whether the session has a place to look from; if not the answer says so. */
static inline bool answer_is_located(const struct engine *engine, uint64_t now_us, uint32_t slot,
				     struct engine_out *out)
{
	if (session_sees(engine, now_us, slot))
		return true;
	answer_error(out, ERROR_NO_LOCATION, "send a location first, and again before it expires");
	return false;
}

#endif
