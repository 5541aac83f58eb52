/*
 * Owns: the proof that what a session hears is taken for what it is, fault by fault.
 * Invariant: each verdict that comes of messages, and not of places, is provoked here once.
 * Thread: one; the fleet is never connected, so what is sent goes nowhere.
 * Does not know: a server.
 */
#include "bench/crew.h"
#include "bench/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Users 10 and 20 are friends; 10 is the session under test. */
enum { ANN, BOB };

struct stage {
	struct world *world;
	struct control *control;
	struct crew crew;
	uint64_t now_us;
};

static void on_nothing(void *context, uint32_t client)
{
	(void)context;
	(void)client;
}

static void on_text(void *context, uint32_t client, const char *text, size_t length, uint64_t now_us)
{
	(void)context;
	(void)client;
	(void)text;
	(void)length;
	(void)now_us;
}

static void on_ended(void *context, uint32_t client, const struct fleet_end *end)
{
	(void)context;
	(void)client;
	(void)end;
}

static const struct fleet_handler DEAF = { on_nothing, on_text, on_nothing, on_ended };

static uint64_t count(const struct stage *stage, enum verdict verdict)
{
	return stage->crew.tally->verdicts[verdict];
}

static uint64_t findings(const struct stage *stage)
{
	return tally_findings(stage->crew.tally);
}

static void hears(struct stage *stage, const char *text)
{
	crew_hear(&stage->crew, ANN, text, strlen(text), stage->now_us);
}

static void moves(struct stage *stage, uint32_t user, int32_t lon_e7)
{
	struct sighting sighting = { .place = { .lon_e7 = lon_e7 },
				     .ts_ms = 1,
				     .sent_us = stage->now_us };
	world_move(stage->world, user, &sighting);
}

/* Both sessions wait for their welcome, Ann's has come. */
static struct stage *stage_open(void)
{
	const uint64_t ids[] = { 10, 20 };
	struct pair pairs[] = { { ANN, BOB } };
	struct stage *stage = calloc(1, sizeof(*stage));
	assert_non_null(stage);
	stage->now_us = 1000000000;
	assert_int_equal(world_open(&stage->world, ids, 2, pairs, 1), 0);
	assert_int_equal(control_open(&stage->control, 1), 0);
	struct fleet_config config = { .clients_max = 2, .subprotocol = "x", .handler = &DEAF };
	struct crew *crew = &stage->crew;
	crew->world = stage->world;
	crew->control = stage->control;
	crew->tally = &stage->control->tallies[0];
	crew->oracle.world = stage->world;
	crew->workers = 1;
	crew->count = 2;
	crew->joining = 2;
	crew->sessions = calloc(2, sizeof(*crew->sessions));
	crew->sessions[ANN].state = crew->sessions[BOB].state = SESSION_JOINING;
	crew->sessions[ANN].since_us = stage->now_us;
	assert_int_equal(fleet_open(&crew->fleet, &config), 0);
	hears(stage, "{\"type\":\"welcome\",\"user\":\"10\",\"radius_m\":8046.72,\"ttl_s\":600,"
		     "\"update_s\":30,\"ts\":1}");
	assert_int_equal(crew->sessions[ANN].state, SESSION_READY);
	assert_true(crew->oracle.radius_m == 8046.72 && crew->oracle.ttl_us == 600000000);
	return stage;
}

static void stage_close(struct stage *stage)
{
	fleet_close(&stage->crew.fleet);
	free(stage->crew.sessions);
	world_close(&stage->world);
	control_close(&stage->control);
	free(stage);
}

#define BOB_AT_0 "{\"user\":\"20\",\"name\":\"\",\"lat\":0,\"lon\":0,\"ts\":1,\"distance_m\":0}"

static void a_right_conversation_has_no_findings(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	moves(stage, ANN, 0);
	moves(stage, BOB, 0);
	hears(stage, "{\"type\":\"update\",\"friends\":[" BOB_AT_0 "]}");
	crew_check(&stage->crew, ANN, stage->now_us);
	assert_int_equal(stage->crew.asking, 1);
	hears(stage, "{\"type\":\"nearby\",\"friends\":[" BOB_AT_0 "],\"total\":1,\"next\":null}");
	assert_int_equal(stage->crew.asking, 0);
	assert_int_equal(stage->crew.tally->entered, 1);
	assert_int_equal(stage->crew.tally->check.pairs, 1);
	assert_int_equal(stage->crew.tally->check.listed, 1);
	hears(stage, "{\"type\":\"news\",\"of\":[1,2]}");
	assert_int_equal(findings(stage), 0);
	stage_close(stage);
}

static void a_welcome_of_another_is_found(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	const char *text = "{\"type\":\"welcome\",\"user\":\"10\",\"radius_m\":1,\"ttl_s\":1}";
	crew_hear(&stage->crew, BOB, text, strlen(text), stage->now_us);
	assert_int_equal(count(stage, VERDICT_BAD_MESSAGE), 1);
	assert_int_equal(stage->crew.sessions[BOB].state, SESSION_JOINING);
	stage_close(stage);
}

static void what_cannot_be_read_is_found(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	hears(stage, "{\"type\":\"update\",\"friends\":[{}]}");
	hears(stage, "hello");
	assert_int_equal(count(stage, VERDICT_BAD_MESSAGE), 2);
	stage_close(stage);
}

static void a_list_that_nobody_asked_for_is_found(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	hears(stage, "{\"type\":\"nearby\",\"friends\":[],\"total\":0,\"next\":null}");
	assert_int_equal(count(stage, VERDICT_BAD_MESSAGE), 1);
	stage_close(stage);
}

static void an_error_that_nobody_earned_is_found(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	hears(stage, "{\"type\":\"error\",\"code\":\"stale\",\"message\":\"older\"}");
	assert_int_equal(count(stage, VERDICT_REFUSED), 1);
	assert_non_null(strstr(stage->crew.tally->examples[0], "stale: older"));
	stage_close(stage);
}

static void a_list_out_of_order_is_found(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	moves(stage, ANN, 0);
	moves(stage, BOB, 0);
	crew_check(&stage->crew, ANN, stage->now_us);
	hears(stage, "{\"type\":\"nearby\",\"friends\":[{\"user\":\"9\",\"lat\":0,\"lon\":0,\"ts\":1,"
		     "\"distance_m\":7}," BOB_AT_0 "],\"total\":2,\"next\":null}");
	assert_int_equal(count(stage, VERDICT_LIST_ORDER), 1);
	stage_close(stage);
}

static void equally_far_friends_are_ordered_by_id(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	moves(stage, ANN, 0);
	moves(stage, BOB, 0);
	crew_check(&stage->crew, ANN, stage->now_us);
	hears(stage, "{\"type\":\"nearby\",\"friends\":[" BOB_AT_0 ",{\"user\":\"9\",\"lat\":0,"
		     "\"lon\":0,\"ts\":1,\"distance_m\":0}],\"total\":2,\"next\":null}");
	assert_int_equal(count(stage, VERDICT_LIST_ORDER), 1);
	stage_close(stage);
}

static void the_order_goes_on_from_page_to_page(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	moves(stage, ANN, 0);
	moves(stage, BOB, 0);
	crew_check(&stage->crew, ANN, stage->now_us);
	hears(stage, "{\"type\":\"nearby\",\"friends\":[" BOB_AT_0 "],\"total\":2,\"next\":\"c\"}");
	assert_int_equal(stage->crew.sessions[ANN].state, SESSION_CHECKING);
	assert_int_equal(count(stage, VERDICT_LIST_ORDER), 0);
	hears(stage, "{\"type\":\"nearby\",\"friends\":[" BOB_AT_0 "],\"total\":2,\"next\":null}");
	assert_true(count(stage, VERDICT_LIST_ORDER) > 0);
	assert_int_equal(stage->crew.sessions[ANN].state, SESSION_READY);
	stage_close(stage);
}

static void a_total_that_the_pages_do_not_hold_is_found(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	moves(stage, ANN, 0);
	moves(stage, BOB, 0);
	crew_check(&stage->crew, ANN, stage->now_us);
	hears(stage, "{\"type\":\"nearby\",\"friends\":[" BOB_AT_0 "],\"total\":3,\"next\":null}");
	assert_int_equal(count(stage, VERDICT_LIST_TOTAL), 1);
	stage_close(stage);
}

static void pages_that_never_end_are_found(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	moves(stage, ANN, 0);
	crew_check(&stage->crew, ANN, stage->now_us);
	hears(stage, "{\"type\":\"nearby\",\"friends\":[],\"total\":1,\"next\":\"again\"}");
	assert_int_equal(count(stage, VERDICT_LIST_TOTAL), 1);
	assert_int_equal(stage->crew.sessions[ANN].state, SESSION_READY);
	stage_close(stage);
}

static void no_location_is_an_empty_list(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	moves(stage, ANN, 0);
	moves(stage, BOB, 0);
	crew_check(&stage->crew, ANN, stage->now_us);
	hears(stage, "{\"type\":\"error\",\"code\":\"no_location\",\"message\":\"m\"}");
	assert_int_equal(count(stage, VERDICT_REFUSED), 0);
	assert_int_equal(count(stage, VERDICT_LIST_MISSING), 1);
	stage_close(stage);
}

static void a_lost_session_is_found_once_and_waits_for_nothing(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	moves(stage, ANN, 0);
	crew_check(&stage->crew, ANN, stage->now_us);
	crew_lose(&stage->crew, ANN, "closed");
	assert_int_equal(count(stage, VERDICT_LOST), 1);
	assert_int_equal(stage->crew.asking, 0);
	assert_true(stage->world->tracks[ANN].is_lost);
	assert_false(crew_can_move(&stage->crew, ANN));
	stage_close(stage);
}

static void a_watched_user_has_a_log_of_who_came_and_went(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	stage->control->watched = ANN;
	moves(stage, ANN, 0);
	moves(stage, BOB, 0);
	hears(stage, "{\"type\":\"update\",\"friends\":[" BOB_AT_0 "]}");
	moves(stage, BOB, 900000000);
	hears(stage, "{\"type\":\"gone\",\"friends\":[{\"user\":\"20\",\"why\":\"far\"}]}");
	assert_int_equal(stage->control->watch_count, 2);
	assert_true(stage->control->watch_log[0].came);
	assert_false(stage->control->watch_log[1].came);
	assert_string_equal(stage->control->watch_log[1].why, "far");
	assert_int_equal(stage->control->watch_log[1].friend, BOB);
	stage_close(stage);
}

static void a_report_is_right_only_without_findings(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	struct tally sum;
	struct report report = { .what = "walk", .world = stage->world, .sum = &sum };
	control_sum(stage->control, &sum);
	assert_true(report_is_right(&report));
	report.is_broken_off = true;
	assert_false(report_is_right(&report));
	report.is_broken_off = false;
	tally_find(stage->crew.tally, VERDICT_LIST_ORDER, "one");
	control_sum(stage->control, &sum);
	assert_false(report_is_right(&report));
	assert_string_equal(sum.examples[0], "list_order: one");
	stage_close(stage);
}

static void an_order_is_done_when_every_worker_has_done_it(void **state)
{
	(void)state;
	struct control *control;
	assert_int_equal(control_open(&control, 2), 0);
	control_order(control, PHASE_RUN);
	uint32_t order = control_read(control);
	assert_int_equal(control_phase(order), PHASE_RUN);
	control->tallies[0].done = order;
	assert_false(control_is_done(control));
	control->tallies[1].done = order;
	assert_true(control_is_done(control));
	/* The same phase once more is another order. */
	control_order(control, PHASE_RUN);
	assert_false(control_is_done(control));
	control_close(&control);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_conversation_has_no_findings),
		cmocka_unit_test(a_welcome_of_another_is_found),
		cmocka_unit_test(what_cannot_be_read_is_found),
		cmocka_unit_test(a_list_that_nobody_asked_for_is_found),
		cmocka_unit_test(an_error_that_nobody_earned_is_found),
		cmocka_unit_test(a_list_out_of_order_is_found),
		cmocka_unit_test(equally_far_friends_are_ordered_by_id),
		cmocka_unit_test(the_order_goes_on_from_page_to_page),
		cmocka_unit_test(a_total_that_the_pages_do_not_hold_is_found),
		cmocka_unit_test(pages_that_never_end_are_found),
		cmocka_unit_test(no_location_is_an_empty_list),
		cmocka_unit_test(a_lost_session_is_found_once_and_waits_for_nothing),
		cmocka_unit_test(a_watched_user_has_a_log_of_who_came_and_went),
		cmocka_unit_test(a_report_is_right_only_without_findings),
		cmocka_unit_test(an_order_is_done_when_every_worker_has_done_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
