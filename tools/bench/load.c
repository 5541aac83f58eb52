/*
 * Owns: the order of a load's phases, and when what is counted.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "bench/load.h"

#include "base/check.h"
#include "base/clock.h"
#include "bench/load_report.h"

#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_US 5000u
/* From an order to run until the first location is due: all workers have heard it by then. */
#define AHEAD_US 500000u
/* Nothing heard for this long is quiet, and how long to hope for it. */
#define QUIET_US 300000u
#define QUIET_MAX_US 30000000u
/* ... and of a server that spends no more of a processor than this. */
#define QUIET_SHARE 0.15
/* After joining so many in a second say where they are. */
#define SETTLE_PER_S 10000.0
/* A worker that does not take up an order for this long is stuck. */
#define ORDER_US 30000000u
/* The client is at its end when it used so much of its processors, or sent so late. */
#define SATURATED_SHARE 0.95
#define SATURATED_LATE_US 5000u
/* Of a search: how close the limit is looked for, and how much may be missing. */
#define SEARCH_RATIO 1.1
#define SEARCH_STEPS_MAX OPTION_RATES_MAX
#define MISSING_MAX 0.01

struct run_of_load {
	const struct load *load;
	const struct options *options;
	struct load_report *report;
	struct troop troop;
	bool prints_steps;
	uint64_t next_step; /* of everybody's walk */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* ---- waiting -------------------------------------------------------------------------------- */

/* False, with the reason in the report, when the run has to end. */
static bool goes_on(struct run_of_load *run)
{
	if (run->report->cut_off == NULL && interrupted)
		run->report->cut_off = "interrupted";
	if (run->report->cut_off == NULL && troop_has_died(&run->troop))
		run->report->cut_off = "a worker process died";
	return run->report->cut_off == NULL;
}

static bool wait_until(struct run_of_load *run, uint64_t until_us)
{
	for (uint64_t now_us; (now_us = boot_us()) < until_us;) {
		if (!goes_on(run))
			return false;
		uint64_t left_us = until_us - now_us;
		usleep(left_us < TICK_US ? (useconds_t)left_us : TICK_US);
	}
	return goes_on(run);
}

/*
 * Waits until all workers have carried out the last order. A million sessions take their time to
 * join, so that is no reason to give up while any do.
 */
static bool wait_done(struct run_of_load *run, uint64_t longest_us)
{
	uint64_t until_us = boot_us() + longest_us, progress = 0;
	while (!ledger_is_done(run->load->ledger)) {
		struct load_counts counts = ledger_counts(run->load->ledger);
		uint64_t now_us = boot_us();
		if (!goes_on(run))
			return false;
		if (counts.joined + counts.given_up != progress)
			until_us = now_us + longest_us;
		progress = counts.joined + counts.given_up;
		if (now_us > until_us) {
			run->report->cut_off = "a worker got stuck";
			return false;
		}
		usleep(TICK_US);
	}
	return goes_on(run);
}

static double server_cpu_s(const struct run_of_load *run)
{
	pid_t pid = run->options->load.server_pid;
	return pid > 0 ? usage_of_tree(pid).cpu_s : 0;
}

/* A server that was driven beyond its limit has much to say yet, or much to do. */
static bool wait_quiet(struct run_of_load *run)
{
	uint64_t until_us = boot_us() + QUIET_MAX_US, messages = 0;
	double cpu_s = server_cpu_s(run);
	bool goes = true;
	for (bool is_quiet = false; !is_quiet && goes && boot_us() < until_us;) {
		goes = wait_until(run, boot_us() + QUIET_US);
		uint64_t heard = ledger_counts(run->load->ledger).messages;
		double used_s = server_cpu_s(run);
		is_quiet = heard == messages && used_s - cpu_s < QUIET_SHARE * QUIET_US / 1e6;
		messages = heard;
		cpu_s = used_s;
	}
	return goes;
}

/* ---- joining -------------------------------------------------------------------------------- */

static bool join(struct run_of_load *run, enum load_phase phase, struct load_joining *joining)
{
	static struct load_tally sum; /* large */
	struct load_counts before = ledger_counts(run->load->ledger);
	uint64_t start_us = boot_us();
	ledger_order(run->load->ledger, phase);
	bool is_done = wait_done(run, run->load->timeout_us + ORDER_US);
	joining->seconds = (double)(boot_us() - start_us) / 1e6;
	ledger_sum(run->load->ledger, &sum);
	joining->counts = load_counts_between(&before, &sum.counts);
	joining->latency = sum.join_latency;
	return is_done;
}

/* ---- one rate ------------------------------------------------------------------------------- */

static uint32_t processors(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

static bool is_saturated(const struct run_of_load *run, const struct load_step *step)
{
	uint32_t workers = run->load->workers, most = processors();
	double used_s = 0;
	for (uint32_t i = 0; i < workers; i++)
		used_s += step->client_cpu_s[i];
	most = most < workers ? most : workers;
	uint64_t late_us = latency_at_us(&step->window.lateness, 0.99);
	uint64_t latency_us = latency_at_us(&step->window.latency, 0.99);
	return used_s > SATURATED_SHARE * most * step->seconds ||
	       (late_us > SATURATED_LATE_US && late_us > latency_us / 4);
}

/* Sets the pace and the window, and gives the order. */
static void pace_begin(struct run_of_load *run, double rate, uint64_t warm_up_us)
{
	struct ledger *ledger = run->load->ledger;
	uint64_t ahead_ms = (boot_us() + AHEAD_US - ledger->epoch_us) / 1000;
	uint64_t start_us = ledger->epoch_us + ahead_ms * 1000;
	ledger->pace = pace_make(run->load->town.seed, run->load->town.count, rate, start_us,
				 run->next_step);
	ledger->windows_from_us = start_us + warm_up_us;
	ledger->window_us = run->options->for_us;
	ledger->window_count = run->options->load.runs;
	ledger_order(ledger, LOAD_RUN);
}

/* Nobody sends any more; the walks stand where they are. */
static bool pace_end(struct run_of_load *run)
{
	struct ledger *ledger = run->load->ledger;
	ledger_order(ledger, LOAD_PAUSE);
	if (!wait_done(run, ORDER_US))
		return false;
	if (ledger->pace.period_us > 0)
		run->next_step += (boot_us() - ledger->pace.start_us) / ledger->pace.period_us + 1;
	return true;
}

static void usage_take(const struct run_of_load *run, struct usage *server,
		       double client_cpu_s[TROOP_MAX])
{
	if (run->options->load.server_pid > 0)
		*server = usage_of_tree(run->options->load.server_pid);
	for (uint32_t i = 0; i < run->load->workers; i++)
		client_cpu_s[i] = usage_of(run->troop.pids[i]).cpu_s;
}

/* Between the two moments of one window. */
static bool window_measure(struct run_of_load *run, uint32_t number, struct load_step *step)
{
	const struct ledger *ledger = run->load->ledger;
	uint64_t start_us = ledger->windows_from_us + number * ledger->window_us;
	double cpu_s[TROOP_MAX];
	if (!wait_until(run, start_us))
		return false;
	uint64_t from_us = boot_us();
	struct load_counts before = ledger_counts(run->load->ledger);
	usage_take(run, &step->server_from, cpu_s);
	if (!wait_until(run, start_us + ledger->window_us))
		return false;
	step->seconds = (double)(boot_us() - from_us) / 1e6;
	struct load_counts after = ledger_counts(run->load->ledger);
	usage_take(run, &step->server_to, step->client_cpu_s);
	step->counts = load_counts_between(&before, &after);
	for (uint32_t i = 0; i < run->load->workers; i++)
		step->client_cpu_s[i] -= cpu_s[i];
	return true;
}

/* What was due at the end of the last window has a while to arrive, and sending goes on meanwhile. */
static bool windows_end(struct run_of_load *run, struct load_step *steps)
{
	static struct load_tally sum;
	if (!wait_until(run, boot_us() + run->options->load.linger_us) || !pace_end(run))
		return false;
	ledger_sum(run->load->ledger, &sum);
	for (uint32_t i = 0; i < run->options->load.runs; i++) {
		steps[i].window = sum.windows[i];
		steps[i].is_saturated = is_saturated(run, &steps[i]);
		run->report->step_count++;
	}
	return true;
}

/* Measures one rate as the next steps of the report, one for each run. */
static bool step_run(struct run_of_load *run, double rate)
{
	struct load_report *report = run->report;
	uint32_t runs = run->options->load.runs;
	check(report->step_count + runs <= LOAD_STEPS_MAX);
	struct load_step *steps = &report->steps[report->step_count];
	pace_begin(run, rate, run->options->load.warm_up_us);
	for (uint32_t i = 0; i < runs; i++) {
		steps[i].rate = pace_rate(&run->load->ledger->pace, run->load->town.count);
		if (!window_measure(run, i, &steps[i]))
			return false;
	}
	return windows_end(run, steps);
}

/* Everybody says where it is, and the server takes that in. */
static bool settle(struct run_of_load *run)
{
	if (run->options->load.rates[0] == 0)
		return true;
	pace_begin(run, SETTLE_PER_S, 0);
	const struct pace *pace = &run->load->ledger->pace;
	return wait_until(run, pace->start_us + pace->period_us) && pace_end(run) && wait_quiet(run);
}

/* ---- several rates -------------------------------------------------------------------------- */

static bool limit_is_kept(const struct run_of_load *run, const struct load_step *step)
{
	const struct load_window *window = &step->window;
	return latency_at_us(&window->latency, 0.99) <= run->options->load.search_us &&
	       (double)window->covered >= (1 - MISSING_MAX) * (double)window->due && step->counts.lost == 0;
}

/* One rate of a search. False: the run has to end. */
static bool search_step(struct run_of_load *run, double rate, const struct load_step **measured)
{
	struct load_report *report = run->report;
	if (!step_run(run, rate))
		return false;
	struct load_step *step = &report->steps[report->step_count - 1];
	step->is_kept = limit_is_kept(run, step);
	*measured = step;
	if (run->prints_steps)
		load_report_step(stdout, report, step);
	return step->is_kept || wait_quiet(run);
}

/*
 * Doubles or halves the rate until the limit is between two, then closes in. What fails as the client
 * was at its end is tried once more.
 */
static bool search(struct run_of_load *run)
{
	double low = 0, high = 0, rate = run->options->load.rates[0];
	bool is_again = false;
	for (unsigned i = 0; i < SEARCH_STEPS_MAX && rate >= 1; i++) {
		const struct load_step *step;
		if (!search_step(run, rate, &step))
			return false;
		is_again = !is_again && !step->is_kept && step->is_saturated;
		if (is_again)
			continue;
		*(step->is_kept ? &low : &high) = step->rate;
		if (!step->is_kept)
			run->report->is_client_bound = step->is_saturated;
		if (low > 0 && high > 0 && high <= low * SEARCH_RATIO)
			break;
		rate = high == 0 ? low * 2 : low == 0 ? high / 2 : sqrt(low * high);
	}
	run->report->highest_rate = low;
	return true;
}

static bool steps(struct run_of_load *run)
{
	const struct load_options *options = &run->options->load;
	if (options->search_us > 0)
		return search(run);
	for (uint32_t i = 0; i < options->rate_count; i++) {
		if (!step_run(run, options->rates[i]))
			return false;
	}
	return true;
}

static bool storm(struct run_of_load *run)
{
	const struct load *load = run->load;
	double rate = run->options->load.rates[run->options->load.rate_count - 1];
	if (run->options->load.storm == 0)
		return true;
	pace_begin(run, rate, 0);
	if (!wait_until(run, boot_us() + AHEAD_US + run->options->load.warm_up_us))
		return false;
	load->ledger->storm = run->options->load.storm;
	return join(run, LOAD_STORM, &run->report->storm) && pace_end(run);
}

static enum run_exit finish(struct run_of_load *run)
{
	static struct load_tally sum;
	struct load_report *report = run->report;
	ledger_sum(run->load->ledger, &sum);
	report->counts = sum.counts;
	memcpy(report->example, sum.example, sizeof(report->example));
	if (run->options->json)
		load_report_print_json(stdout, report);
	else
		load_report_print(stdout, report);
	int error = run->options->load.histogram == NULL
			    ? 0
			    : load_report_histogram(run->options->load.histogram, report);
	if (error < 0)
		fprintf(stderr, "nearby-bench: %s: %s\n", run->options->load.histogram,
			strerror(-error));
	bool is_right = error == 0 && report->cut_off == NULL && load_report_findings(report) == 0;
	return is_right ? RUN_RIGHT : RUN_WRONG;
}

static int live(const void *context, uint32_t number)
{
	return loader_run(context, number);
}

enum run_exit load_run(struct load *load, const struct options *options, uint64_t imported,
		       double import_s)
{
	struct load_report *report = calloc(1, sizeof(*report));
	struct run_of_load run = { .load = load, .options = options, .report = report };
	if (report == NULL)
		return RUN_NOT_BEGUN;
	report->load = load;
	report->options = options;
	report->imported = imported;
	report->import_s = import_s;
	run.prints_steps = !options->json && options->load.search_us > 0;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (troop_start(&run.troop, load->workers, live, load) < 0)
		report->cut_off = "processes could not be started";
	else if (join(&run, LOAD_JOIN, &report->join) && settle(&run) && steps(&run))
		storm(&run);
	ledger_order(load->ledger, LOAD_END);
	troop_end(&run.troop);
	enum run_exit status = finish(&run);
	free(report);
	return status;
}
