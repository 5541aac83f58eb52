/*
 * Owns: the command that says where a user was last.
 * Invariant: reads shared memory alone, so it works beside a daemon that hangs and after one that
 *   is gone.
 * Thread: one.
 * Does not know: the daemon's API.
 */
#include "segment.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "engine/mark.h"
#include "proto/message.h"
#include "text.h"

static void put_location(const struct ctl *ctl, struct user_id user,
			 const struct nearby_location *location, bool is_running)
{
	char lat[TEXT_DEGREES_BYTES], lon[TEXT_DEGREES_BYTES], time[TEXT_TIME_BYTES],
		age[TEXT_SPAN_BYTES];
	const char *mode = sharing_mode_text(mark_mode(location->mark));
	uint64_t now_us = boot_us();
	uint64_t age_us = now_us > location->receipt_us ? now_us - location->receipt_us : 0;
	text_format_degrees(location->place.lat_e7, lat);
	text_format_degrees(location->place.lon_e7, lon);
	text_format_time(location->client_ms, time);
	text_format_span(age_us, age);
	if (ctl->json)
		printf("{\"user\":\"%" PRIu64 "\",\"lat\":%s,\"lon\":%s,\"ts\":%" PRId64
		       ",\"age_ms\":%" PRIu64 ",\"mode\":\"%s\",\"running\":%s}\n",
		       user.value, lat, lon, location->client_ms, age_us / 1000, mode,
		       is_running ? "true" : "false");
	else
		printf("%s %s  received %s ago, phone's time %s, shared: %s%s\n", lat, lon, age,
		       time, mode, is_running ? "" : "  (the daemon is not running)");
}

int command_locate(const struct ctl *ctl)
{
	struct user_id user;
	struct nearby_segment *segment = NULL;
	if (!ctl_user(ctl, 0, &user))
		return EXIT_USAGE;
	int status = segment_open(ctl, &segment);
	if (status != EXIT_OK)
		return status;
	struct nearby_segment_info info;
	struct nearby_location location;
	nearby_hint hint = 0;
	nearby_segment_info(segment, &info);
	if (nearby_table_get(segment, user.value, &hint, &location) == 0)
		put_location(ctl, user, &location, info.is_owned);
	else
		status = ctl_fail(ctl, EXIT_NOT_FOUND, "user %" PRIu64 " has no location now",
				  user.value);
	nearby_segment_close(&segment);
	return status;
}
