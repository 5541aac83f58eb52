/*
 * Owns: messages in words.
 * Invariant: see tell.h.
 * Thread: any, no state.
 * Does not know: stories.
 */
#include "tell.h"

#include <string.h>

static const char *label_of(const struct oracle *oracle, const char *const *labels,
			    struct user_id id)
{
	uint32_t user = oracle_user(oracle, id);
	return user == ORACLE_NOBODY ? "nobody" : labels[user];
}

static void tell_entries(FILE *to, const struct oracle *oracle, const char *const *labels,
			 const struct entry *entries, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct entry *entry = &entries[i];
		const char *label = label_of(oracle, labels, entry->user);
		fprintf(to, "%s%s", i > 0 ? ", " : " ", label);
		if (strlen(label) != entry->name_length ||
		    memcmp(label, entry->name, entry->name_length) != 0)
			fprintf(to, " \"%.*s\"", (int)entry->name_length, entry->name);
		fprintf(to, "%s %.1f m", entry->is_approximate ? " about" : "",
			(double)entry->distance_mm / 1000);
	}
}

static void tell_gone(FILE *to, const struct oracle *oracle, const char *const *labels,
		      const struct server_msg *msg)
{
	for (uint32_t i = 0; i < msg->gone.count; i++)
		fprintf(to, "%s%s %s", i > 0 ? ", " : " ",
			label_of(oracle, labels, msg->gone.friends[i].user),
			gone_why_text(msg->gone.friends[i].why));
}

void tell_message(FILE *to, const struct oracle *oracle, const char *const *labels,
		  const char *device, const struct server_msg *msg)
{
	switch (msg->type) {
	case SERVER_NEARBY:
		fprintf(to, "%s: nearby %u of %u%s", device, msg->nearby.count, msg->nearby.total,
			msg->nearby.count > 0 ? ":" : "");
		tell_entries(to, oracle, labels, msg->nearby.entries, msg->nearby.count);
		fprintf(to, "%s", msg->nearby.has_next ? ", and more" : "");
		break;
	case SERVER_UPDATE:
		fprintf(to, "%s: update", device);
		tell_entries(to, oracle, labels, msg->update.entries, msg->update.count);
		break;
	case SERVER_GONE:
		fprintf(to, "%s: gone", device);
		tell_gone(to, oracle, labels, msg);
		break;
	case SERVER_ERROR:
		fprintf(to, "%s: error %s", device, error_code_text(msg->error.code));
		break;
	case SERVER_STRANGERS:
		fprintf(to, "%s: strangers", device);
		tell_entries(to, oracle, labels, msg->update.entries, msg->update.count);
		break;
	case SERVER_STRANGERS_GONE:
		fprintf(to, "%s: strangers gone", device);
		tell_gone(to, oracle, labels, msg);
		break;
	case SERVER_WELCOME:
	case SERVER_RECONNECT:
	case SERVER_FRIEND:
	case SERVER_SHARING:
		fprintf(to, "%s: a message that the engine never makes", device);
	}
}
