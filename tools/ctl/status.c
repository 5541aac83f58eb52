/*
 * Owns: the screen that says whether all is well, and what is not.
 * Invariant: fits 24 lines of 80 columns; the first line is the verdict and the others its reasons.
 * Thread: one.
 * Does not know: the daemon's API: a daemon that hangs cannot answer.
 */
#include "segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "text.h"
#include "vitals.h"

/* Stalled cores and alerts that are named one by one; more are counted. */
enum { NAMED_MAX = 5, WATCH_S_MAX = 86400 };

static const char *const levels[] = {"", "low", "medium", "high", "critical"};

/* What is shown of the counters: in this order, those that the segment has. */
static const struct {
	const char *name, *label;
	bool is_rate; /* a total, so that with --watch the increase per second is shown */
} shown[] = {
	{"sessions", "sessions", false},
	{"connections", "connections", false},
	{"locations_total", "updates", true},
	{"entries_sent_total", "pushed", true},
	{"history_locations_total", "history", true},
	{"history_pending", "not yet kept", false},
	{"history_dropped_total", "not kept", true},
};

struct sample {
	uint64_t taken_us;
	uint64_t values[ARRAY_COUNT(shown)];
	bool is_there[ARRAY_COUNT(shown)];
};

static const char *level_text(uint32_t level)
{
	return level < ARRAY_COUNT(levels) ? levels[level] : "";
}

static struct sample take_sample(const struct nearby_segment *segment)
{
	struct sample sample = {.taken_us = boot_us()};
	for (size_t i = 0; i < ARRAY_COUNT(shown); i++)
		sample.is_there[i] = vitals_counter(segment, shown[i].name, &sample.values[i]);
	return sample;
}

/* ---- for people ----------------------------------------------------------------------------- */

static void put_verdict(const struct vitals *vitals)
{
	printf("nearby \"%s\": ", vitals->info.instance);
	if (!vitals->info.is_owned)
		printf("NOT RUNNING\n");
	else if (vitals_are_well(vitals))
		printf("all is well\n");
	else if (vitals->stalled_count == vitals->info.cores)
		printf("NOT WELL: the daemon hangs\n");
	else
		printf("NOT WELL: %u stalled cores, %u alerts\n", vitals->stalled_count,
		       vitals->alert_count);
}

static void put_daemon(const struct vitals *vitals)
{
	char since[TEXT_TIME_BYTES], span[TEXT_SPAN_BYTES];
	int64_t up_ms = wall_ms() - vitals->info.adopted_ms;
	text_format_time(vitals->info.adopted_ms, since);
	text_format_span(up_ms > 0 ? (uint64_t)up_ms * 1000 : 0, span);
	if (vitals->info.is_owned)
		printf("  daemon        process %d, up %s\n", vitals->info.pid, span);
	else
		printf("  daemon        process %d, started %s, is gone; its locations are kept\n",
		       vitals->info.pid, since);
}

static void put_cores(const struct vitals *vitals)
{
	char span[TEXT_SPAN_BYTES];
	uint32_t named = 0;
	if (!vitals->info.is_owned)
		return;
	text_format_span(vitals->oldest_beat_us, span);
	if (vitals->stalled_count == 0)
		printf("  cores         %u, each alive within %s\n", vitals->info.cores, span);
	else
		printf("  cores         %u of %u stalled\n", vitals->stalled_count,
		       vitals->info.cores);
	for (uint32_t core = 0; core < vitals->info.cores && named < NAMED_MAX; core++) {
		if (vitals->beat_age_us[core] <= VITALS_STALL_US)
			continue;
		text_format_span(vitals->beat_age_us[core], span);
		printf("  ! core %-6u no sign of life for %s\n", core, span);
		named++;
	}
}

static void put_table(const struct vitals *vitals)
{
	char locations[TEXT_COUNT_BYTES], most[TEXT_COUNT_BYTES];
	text_format_count(vitals->locations, locations);
	text_format_count(vitals->info.users_max, most);
	printf("  locations     %s of %s (%.1f %%), fullest partition %.1f %%\n", locations, most,
	       100.0 * (double)vitals->locations / (double)vitals->info.users_max,
	       100.0 * (double)vitals->fullest_partition / (double)vitals->partition_slots);
}

static void put_counters(const struct sample *now, const struct sample *before)
{
	for (size_t i = 0; i < ARRAY_COUNT(shown); i++) {
		if (!now->is_there[i])
			continue;
		char count[TEXT_COUNT_BYTES];
		text_format_count(now->values[i], count);
		printf("  %-13s %s", shown[i].label, count);
		/* A daemon that started anew in between counts from zero. */
		if (shown[i].is_rate && before != NULL && now->values[i] >= before->values[i])
			printf(", %.0f a second",
			       (double)(now->values[i] - before->values[i]) * 1e6 /
				       (double)(now->taken_us - before->taken_us));
		putchar('\n');
	}
}

static void put_alerts(const struct nearby_segment *segment, const struct vitals *vitals)
{
	uint32_t named = 0;
	if (vitals->alert_count == 0)
		printf("  alerts        none\n");
	for (uint32_t i = 0; i < vitals->info.counter_count && named < NAMED_MAX; i++) {
		const struct nearby_counter_info *counter = nearby_segment_counter(segment, i);
		uint64_t since_ms = nearby_segment_read(segment, i, 0);
		if (counter->kind != NEARBY_ALERT || since_ms == 0)
			continue;
		char span[TEXT_SPAN_BYTES];
		int64_t held_ms = wall_ms() - (int64_t)since_ms;
		text_format_span(held_ms > 0 ? (uint64_t)held_ms * 1000 : 0, span);
		printf("  ! %-8s    %.160s (%.48s, for %s)\n", level_text(counter->level),
		       counter->help, counter->name, span);
		named++;
	}
	if (vitals->alert_count > named)
		printf("  ! and %u more alerts\n", vitals->alert_count - named);
}

/* ---- for programs --------------------------------------------------------------------------- */

static void put_json_alerts(const struct nearby_segment *segment, const struct vitals *vitals)
{
	const char *comma = "";
	printf(",\"alerts\":[");
	for (uint32_t i = 0; i < vitals->info.counter_count; i++) {
		const struct nearby_counter_info *counter = nearby_segment_counter(segment, i);
		uint64_t since_ms = nearby_segment_read(segment, i, 0);
		if (counter->kind != NEARBY_ALERT || since_ms == 0)
			continue;
		printf("%s{\"name\":\"%.48s\",\"level\":\"%s\",\"since\":%" PRIu64 ",\"text\":",
		       comma, counter->name, level_text(counter->level), since_ms);
		text_put_json(counter->help, strnlen(counter->help, sizeof(counter->help)));
		putchar('}');
		comma = ",";
	}
	putchar(']');
}

/* The label of a counter holds quotes, so a key is built of both and escaped. */
static void put_json_key(const struct nearby_counter_info *counter)
{
	char key[sizeof(counter->name) + sizeof(counter->label) + 4];
	bool has_label = counter->label[0] != '\0';
	int length = snprintf(key, sizeof(key), "%.48s%s%.32s%s", counter->name,
			      has_label ? "{" : "", counter->label, has_label ? "}" : "");
	text_put_json(key, (size_t)length);
}

static void put_json_counters(const struct nearby_segment *segment, const struct vitals *vitals)
{
	const char *comma = "";
	printf(",\"counters\":{");
	for (uint32_t i = 0; i < vitals->info.counter_count; i++) {
		const struct nearby_counter_info *counter = nearby_segment_counter(segment, i);
		if (counter->kind != NEARBY_COUNTER && counter->kind != NEARBY_GAUGE)
			continue;
		printf("%s", comma);
		put_json_key(counter);
		printf(":%" PRIu64, nearby_segment_read(segment, i, 0));
		comma = ",";
	}
	putchar('}');
}

static void put_json(const struct nearby_segment *segment, const struct vitals *vitals)
{
	printf("{\"instance\":\"%s\",\"well\":%s,\"running\":%s,\"pid\":%d,\"started\":%" PRId64
	       ",\"cores\":%u,\"beat_age_ms\":[",
	       vitals->info.instance, vitals_are_well(vitals) ? "true" : "false",
	       vitals->info.is_owned ? "true" : "false", vitals->info.pid, vitals->info.adopted_ms,
	       vitals->info.cores);
	for (uint32_t core = 0; core < vitals->info.cores; core++)
		printf("%s%" PRIu64, core == 0 ? "" : ",", vitals->beat_age_us[core] / 1000);
	printf("],\"stalled\":%u,\"locations\":%" PRIu64 ",\"users_max\":%" PRIu64
	       ",\"partition_slots\":%" PRIu64 ",\"fullest_partition\":%" PRIu64,
	       vitals->stalled_count, vitals->locations, vitals->info.users_max,
	       vitals->partition_slots, vitals->fullest_partition);
	put_json_alerts(segment, vitals);
	put_json_counters(segment, vitals);
	printf("}\n");
}

/* --------------------------------------------------------------------------------------------- */

static int judge(const struct vitals *vitals)
{
	if (!vitals->info.is_owned)
		return EXIT_NOT_RUNNING;
	return vitals_are_well(vitals) ? EXIT_OK : EXIT_NOT_WELL;
}

/* One look. The segment is opened anew each time, as a daemon may have replaced it. */
static int look(const struct ctl *ctl, struct sample *sample, const struct sample *before)
{
	struct nearby_segment *segment = NULL;
	struct vitals vitals;
	int status = segment_open(ctl, &segment);
	if (status != EXIT_OK)
		return status;
	vitals_take(segment, &vitals);
	*sample = take_sample(segment);
	if (ctl->json) {
		put_json(segment, &vitals);
	} else {
		put_verdict(&vitals);
		put_daemon(&vitals);
		put_cores(&vitals);
		put_table(&vitals);
		put_counters(sample, before);
		put_alerts(segment, &vitals);
	}
	nearby_segment_close(&segment);
	return judge(&vitals);
}

int command_status(const struct ctl *ctl)
{
	struct sample now = {0}, before = {0};
	const char *option = ctl->options[OPTION_WATCH];
	if (option == NULL)
		return look(ctl, &now, NULL);
	char *end = NULL;
	double every_s = strtod(option, &end);
	if (*end != '\0' || !(every_s >= 0.1 && every_s <= WATCH_S_MAX))
		return ctl_fail(ctl, EXIT_USAGE, "--watch takes seconds from 0.1 to %d, not \"%s\"",
				WATCH_S_MAX, option);
	struct timespec pause = {.tv_sec = (time_t)every_s,
				 .tv_nsec = (long)((every_s - (double)(time_t)every_s) * 1e9)};
	for (;;) {
		int status = look(ctl, &now, before.taken_us != 0 ? &before : NULL);
		if (fflush(stdout) != 0 || status == EXIT_FAILED)
			return status;
		before = now;
		nanosleep(&pause, NULL);
	}
}
