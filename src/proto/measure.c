/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "proto/measure.h"

#include "base/check.h"

#include <string.h>

/* By the names that there are: the longest possible would take four times the memory. */
static size_t entries_bytes(const struct measure *measure, const struct entry *entries,
			    uint32_t count)
{
	size_t name_bytes = 0;
	for (uint32_t i = 0; i < count; i++)
		name_bytes += entries[i].name_length;
	return count * measure->entry + name_bytes * measure->text_byte;
}

static size_t content_bytes(const struct measure *measure, const struct server_msg *msg)
{
	switch (msg->type) {
	case SERVER_WELCOME:
		return msg->welcome.name_length * measure->text_byte;
	case SERVER_NEARBY:
		return entries_bytes(measure, msg->nearby.entries, msg->nearby.count);
	case SERVER_UPDATE:
	case SERVER_STRANGERS:
		return entries_bytes(measure, msg->update.entries, msg->update.count);
	case SERVER_GONE:
	case SERVER_STRANGERS_GONE:
		return msg->gone.count * measure->gone;
	case SERVER_ERROR:
		return strlen(msg->error.message) * measure->text_byte;
	case SERVER_RECONNECT:
		return 0;
	case SERVER_FRIEND:
		return msg->friend.name_length * measure->text_byte;
	case SERVER_SHARING:
		return msg->sharing.count * measure->exception;
	}
	check(!"a type of enum server_msg_type");
	return 0;
}

size_t measure_message(const struct measure *measure, const struct server_msg *msg)
{
	return measure->head + content_bytes(measure, msg);
}
