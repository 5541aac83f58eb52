/*
 * Owns: the workers' processes and the order of the phases.
 * Invariant: see the header.
 * Thread: the parent.
 * Does not know: what moves.
 */
#include "bench/run.h"

#include "base/check.h"
#include "base/clock.h"
#include "bench/report.h"
#include "bench/screen.h"
#include "bench/troop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_US 50000u
/* No message for this long, beside the settling time, is quiet; and how long to hope for it. */
#define QUIET_US     (1u * 1000000u)
#define QUIET_MAX_US (60u * 1000000u)

/* Why a phase is over. */
enum outcome {
	OUTCOME_DONE,
	OUTCOME_TIME_IS_UP,
	OUTCOME_INTERRUPTED,
	/* From here on it went wrong. */
	OUTCOME_NOBODY,
	OUTCOME_STUCK,
	OUTCOME_DIED,
};

struct run {
	struct bench *bench;
	const struct options *options;
	struct screen *screen;
	struct tally sum;
	struct troop troop;
	uint64_t ran_us; /* of sending so far */
	uint32_t checks;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* ---- phases --------------------------------------------------------------------------------- */

/* Whatever shows that something goes on. */
static uint64_t progress_of(const struct tally *sum)
{
	return sum->joined + sum->join_retries + sum->sent + sum->skipped + sum->pages +
	       sum->checked + sum->frames;
}

static double share_done(const struct run *run, enum phase phase, uint64_t since_us)
{
	const struct options *options = run->options;
	if (phase == PHASE_JOIN)
		return (double)run->sum.joined / run->bench->world->user_count;
	if (phase != PHASE_RUN)
		return -1;
	if (options->for_us > 0)
		return (double)(run->ran_us + since_us) / (double)options->for_us;
	return (double)(run->sum.sent + run->sum.skipped) / (double)run->bench->steps;
}

/* Sending by a timetable may rest for long; everything else goes on or is stuck. */
static bool may_rest(const struct run *run, enum phase phase)
{
	return phase == PHASE_RUN && run->bench->in_flight_max == 0;
}

static const char *phase_text(enum phase phase)
{
	static const char *const texts[] = { "joining", "running", "pausing", "checking", "ending" };
	check(phase < ARRAY_COUNT(texts));
	return texts[phase];
}

/* Gives an order and waits until it is carried out, `max_us` at most (0: no limit). */
static enum outcome phase_run(struct run *run, enum phase phase, uint64_t max_us)
{
	struct control *control = run->bench->control;
	uint64_t start_us = boot_us(), moved_us = start_us, progress = 0;
	atomic_store_explicit(&control->start_us, start_us - run->ran_us, memory_order_relaxed);
	control_order(control, phase);
	for (;;) {
		usleep(TICK_US);
		uint64_t now_us = boot_us();
		/* Asked before the sum is taken, so that the sum has all of what was done. */
		bool is_done = control_is_done(control);
		control_sum(control, &run->sum);
		screen_show(run->screen, &run->sum, phase_text(phase),
			    share_done(run, phase, now_us - start_us));
		if (is_done)
			return OUTCOME_DONE;
		if (troop_has_died(&run->troop))
			return OUTCOME_DIED;
		if (interrupted)
			return OUTCOME_INTERRUPTED;
		if (max_us > 0 && now_us >= start_us + max_us)
			return OUTCOME_TIME_IS_UP;
		if (progress_of(&run->sum) != progress || may_rest(run, phase))
			moved_us = now_us;
		progress = progress_of(&run->sum);
		if (now_us > moved_us + run->options->timeout_us)
			return OUTCOME_STUCK;
	}
}

/* Waits until nothing has been sent for the settling time and nothing was heard for a moment. */
static enum outcome settle(struct run *run)
{
	uint64_t until_us = boot_us() + run->options->settle_us + QUIET_MAX_US;
	for (uint64_t now_us; (now_us = boot_us()) < until_us; usleep(TICK_US)) {
		control_sum(run->bench->control, &run->sum);
		screen_show(run->screen, &run->sum, "settling", -1);
		if (now_us >= run->sum.last_sent_us + run->options->settle_us &&
		    now_us >= run->sum.last_heard_us + QUIET_US)
			break;
		if (troop_has_died(&run->troop))
			return OUTCOME_DIED;
		if (interrupted)
			return OUTCOME_INTERRUPTED;
	}
	return OUTCOME_DONE;
}

static enum outcome check_all(struct run *run)
{
	enum outcome outcome = phase_run(run, PHASE_PAUSE, 0);
	if (outcome == OUTCOME_DONE)
		outcome = settle(run);
	if (outcome == OUTCOME_DONE)
		outcome = phase_run(run, PHASE_CHECK, 0);
	run->checks += outcome == OUTCOME_DONE;
	return outcome;
}

/* How long to send until the next check; 0: to the end. */
static uint64_t slice_us(const struct run *run)
{
	uint64_t slice = run->options->check_every_us;
	uint64_t left_us = run->options->for_us > run->ran_us ? run->options->for_us - run->ran_us : 0;
	if (run->options->for_us > 0 && (slice == 0 || left_us < slice))
		slice = left_us;
	return slice;
}

static enum outcome run_phases(struct run *run)
{
	enum outcome outcome = phase_run(run, PHASE_JOIN, 0);
	bool is_over = false;
	if (outcome == OUTCOME_DONE && run->sum.joined == 0)
		return OUTCOME_NOBODY;
	while (outcome == OUTCOME_DONE && !is_over) {
		uint64_t start_us = boot_us();
		outcome = phase_run(run, PHASE_RUN, slice_us(run));
		run->ran_us += boot_us() - start_us;
		is_over = outcome == OUTCOME_DONE || (run->options->for_us > 0 &&
						      run->ran_us >= run->options->for_us);
		if (outcome == OUTCOME_DONE || outcome == OUTCOME_TIME_IS_UP)
			outcome = check_all(run);
	}
	return outcome;
}

static const char *outcome_text(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_NOBODY:
		return "no session could be opened";
	case OUTCOME_STUCK:
		return "nothing went on any more";
	case OUTCOME_INTERRUPTED:
		return "interrupted; what was under way is not checked";
	case OUTCOME_DIED:
		return "a worker process died";
	case OUTCOME_DONE:
	case OUTCOME_TIME_IS_UP:
		break;
	}
	return NULL;
}

static enum run_exit run_report(struct run *run, enum outcome outcome)
{
	static const char *const whats[] = { "replay", "walk", "load" };
	control_sum(run->bench->control, &run->sum);
	struct report report = { .what = whats[run->options->command],
				 .world = run->bench->world,
				 .sum = &run->sum,
				 .run_s = (double)run->ran_us / 1e6,
				 .checks = run->checks,
				 .cut_off = outcome_text(outcome),
				 .is_broken_off = outcome >= OUTCOME_NOBODY };
	if (run->options->json)
		report_print_json(stdout, &report);
	else
		report_print(stdout, &report);
	return report_is_right(&report) ? RUN_RIGHT : RUN_WRONG;
}

static int live(const void *context, uint32_t number)
{
	return worker_run(context, number);
}

enum run_exit run(struct bench *bench, const struct options *options)
{
	struct run *made = calloc(1, sizeof(*made));
	if (made == NULL || screen_open(&made->screen, bench->world, bench->control) < 0) {
		free(made);
		return RUN_NOT_BEGUN;
	}
	made->bench = bench;
	made->options = options;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	enum run_exit status = RUN_NOT_BEGUN;
	bool is_forked = troop_start(&made->troop, bench->workers, live, bench) == 0;
	enum outcome outcome = is_forked ? run_phases(made) : OUTCOME_DIED;
	control_order(bench->control, PHASE_END);
	troop_end(&made->troop);
	screen_close(&made->screen);
	if (is_forked)
		status = run_report(made, outcome);
	else
		perror("nearby-bench: fork");
	free(made);
	return status;
}
