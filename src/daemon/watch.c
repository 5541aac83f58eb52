/*
 * Owns: which counter raises which alert, and for how long.
 * Invariant: each alert of alerts.tbl is judged at every look, and can end.
 * Thread: main.
 * Does not know: who writes the counters.
 */
#include "daemon/watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/engine.h"

#include <string.h>

/* An alert on something that happens holds for this long after the last time. */
#define HOLD_US (60u * 1000000u)

struct row {
	const char *text, *help;
	unsigned level;
};

static const struct row rows[ALERT_COUNT] = {
#define ALERT(name, text, level, help) [ALERT_##name] = { text, help, level },
#include "app/alerts.tbl"
#undef ALERT
};

void watch_init(struct watch *watch, struct app_shared *shared, uint32_t block)
{
	memset(watch, 0, sizeof(*watch));
	watch->shared = shared;
	watch->alerts = counters_block(shared->segment, block).alerts;
}

static void set(struct watch *watch, enum alert alert, bool holds)
{
	bool held = counter_get(&watch->alerts[alert]) != 0;
	if (holds == held)
		return;
	static const char *const levels[] = { "", "low", "medium", "high", "critical" };
	counter_set(&watch->alerts[alert], holds ? (uint64_t)wall_ms() : 0);
	if (holds)
		log_warning("alert (%s) %s begins: %s", levels[rows[alert].level], rows[alert].text, rows[alert].help);
	else
		log_notice("alert (%s) %s ends", levels[rows[alert].level], rows[alert].text);
}

/* An alert on a counter: begins when it grows, ends when it has not for a while. */
static void set_while_growing(struct watch *watch, enum alert alert, uint32_t row, uint64_t now_us)
{
	uint64_t value = nearby_segment_read(watch->shared->segment, row, 0);
	if (value != watch->before[alert])
		watch->hold_until_us[alert] = now_us + HOLD_US;
	watch->before[alert] = value;
	set(watch, alert, now_us < watch->hold_until_us[alert]);
}

/* The writer of the history tries until it succeeds: a failure holds until the next commit. */
static void set_while_failing(struct watch *watch)
{
	const struct nearby_segment *segment = watch->shared->segment;
	uint64_t failed = nearby_segment_read(segment, counters_store_row(STORE_COUNTER_HISTORY_FAILED), 0);
	uint64_t commits = nearby_segment_read(segment, counters_store_row(STORE_COUNTER_HISTORY_COMMITS), 0);
	bool holds = counter_get(&watch->alerts[ALERT_HISTORY_FAILING]) != 0;
	if (failed != watch->before[ALERT_HISTORY_FAILING])
		set(watch, ALERT_HISTORY_FAILING, true);
	else if (holds && commits != watch->commits)
		set(watch, ALERT_HISTORY_FAILING, false);
	watch->before[ALERT_HISTORY_FAILING] = failed;
	watch->commits = commits;
}

/* By the wall clock, as it has to outlast a restart. */
static bool erasure_is_late(const struct watch *watch)
{
	uint64_t since_ms = nearby_segment_read(watch->shared->segment,
						counters_store_row(STORE_COUNTER_ERASING_SINCE), 0);
	return since_ms != 0 && wall_ms() - (int64_t)since_ms > STORE_ERASE_WITHIN_MS;
}

static bool all_cores_beat(const struct app_shared *shared, uint64_t now_us)
{
	for (uint32_t core = 0; core < shared->cores; core++)
		if (nearby_segment_last_beat(shared->segment, core) + CORE_STALLED_US < now_us)
			return false;
	return true;
}

bool watch_look(struct watch *watch, uint64_t now_us)
{
	bool beat = all_cores_beat(watch->shared, now_us);
	set(watch, ALERT_CORE_STALLED, !beat);
	set_while_growing(watch, ALERT_HISTORY_LOST, counters_store_row(STORE_COUNTER_HISTORY_DROPPED), now_us);
	set_while_failing(watch);
	set(watch, ALERT_ERASURE_LATE, erasure_is_late(watch));
	set_while_growing(watch, ALERT_TABLE_FULL, counters_engine_row(ENGINE_COUNTER_LOCATIONS_FULL), now_us);
	set_while_growing(watch, ALERT_SESSIONS_FULL, counters_app_row(APP_COUNTER_REFUSED_FULL), now_us);
	set_while_growing(watch, ALERT_MESH_BEHIND, counters_engine_row(ENGINE_COUNTER_RESCANS), now_us);
	set(watch, ALERT_DRAINING, atomic_load_explicit(&watch->shared->draining, memory_order_relaxed));
	return beat;
}
