/*
 * Owns: a herd of sessions, many thousands to a process, that join, move, vanish and come back as a
 *   driver says on stdin; sessions.py is that driver.
 * Invariant: each line of commands is answered by one line on stdout; the workers end with the herd.
 * Thread: the parent has one, each worker is a process.
 * Does not know: what is measured.
 *
 * Commands:
 *   join FROM TO IN_FLIGHT SECONDS   workers FROM .. TO-1 open their sessions, IN_FLIGHT handshakes
 *                                    at once in each (0: all), for SECONDS at most
 *   storm FROM TO IN_FLIGHT SECONDS  the same, after they dropped all they have
 *   move FROM TO SECONDS PERIOD      they say where they are, each once in PERIOD seconds
 *   drop FROM TO                     they drop all
 *   wait FROM TO                     until they are done; says what they counted
 *   end
 */
#include "herd.h"

#include "base/check.h"
#include "base/clock.h"
#include "options.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t turn;

static void post(struct herd *herd, uint32_t worker, const struct herd_order *order)
{
	struct herd_order *to = &herd->orders[worker];
	to->verb = order->verb;
	to->seconds = order->seconds;
	to->period_s = order->period_s;
	to->in_flight = order->in_flight;
	atomic_store_explicit(&to->turn, turn, memory_order_release);
}

static bool is_done(struct herd *herd, uint32_t worker)
{
	return atomic_load_explicit(&herd->tallies[worker].done, memory_order_acquire) ==
	       atomic_load_explicit(&herd->orders[worker].turn, memory_order_relaxed);
}

/* A worker that has ended before its time would be waited for in vain. */
static void see_to_workers(void)
{
	if (waitpid(-1, NULL, WNOHANG) > 0) {
		fputs("herd: a worker has died\n", stderr);
		exit(EXIT_FAILURE);
	}
}

static void await(struct herd *herd, uint32_t from, uint32_t to)
{
	for (uint32_t worker = from; worker < to; worker++)
		while (!is_done(herd, worker)) {
			usleep(10000);
			see_to_workers();
		}
}

static void add(struct herd_tally *sum, const struct herd_tally *tally)
{
	sum->open += tally->open;
	sum->lost += tally->lost;
	sum->refused += tally->refused;
	sum->failed += tally->failed;
	sum->sent += tally->sent;
	sum->unsent += tally->unsent;
	sum->frames += tally->frames;
	sum->entries += tally->entries;
	latency_merge(&sum->join, &tally->join);
	latency_merge(&sum->lateness, &tally->lateness);
	latency_merge(&sum->push, &tally->push);
}

static void say_times(const char *name, const struct latency *latency)
{
	printf(" %s_p50_us=%lu %s_p99_us=%lu %s_max_us=%lu", name, latency_at_us(latency, 0.5), name,
	       latency_at_us(latency, 0.99), name, latency->max_us);
}

static void report(struct herd *herd, uint32_t from, uint32_t to)
{
	struct herd_tally *sum = calloc(1, sizeof(*sum));
	check(sum != NULL);
	for (uint32_t worker = from; worker < to; worker++)
		add(sum, &herd->tallies[worker]);
	printf("open=%u lost=%lu refused=%lu failed=%lu sent=%lu unsent=%lu frames=%lu entries=%lu",
	       sum->open, sum->lost, sum->refused, sum->failed, sum->sent, sum->unsent, sum->frames,
	       sum->entries);
	say_times("join", &sum->join);
	say_times("late", &sum->lateness);
	say_times("push", &sum->push);
	printf("\n");
	free(sum);
}

static void command_run(struct herd *herd, const char *verb, uint32_t from, uint32_t to,
			const uint32_t *arguments)
{
	struct herd_order order = { 0 };
	if (strcmp(verb, "wait") == 0) {
		await(herd, from, to);
		report(herd, from, to);
		return;
	}
	if (strcmp(verb, "move") == 0) {
		order = (struct herd_order){ .verb = HERD_MOVE,
					     .seconds = arguments[0],
					     .period_s = arguments[1] };
	} else if (strcmp(verb, "drop") == 0) {
		order.verb = HERD_DROP;
	} else if (strcmp(verb, "join") == 0 || strcmp(verb, "storm") == 0) {
		order = (struct herd_order){ .verb = *verb == 'j' ? HERD_JOIN : HERD_STORM,
					     .in_flight = arguments[0],
					     .seconds = arguments[1] };
	} else {
		printf("what is \"%s\"?\n", verb);
		return;
	}
	await(herd, from, to);
	turn++;
	for (uint32_t worker = from; worker < to; worker++)
		post(herd, worker, &order);
	printf("ok\n");
}

/* Until `end`, or the driver is gone. */
static void obey(struct herd *herd)
{
	char line[200], verb[16];
	while (fgets(line, sizeof(line), stdin) != NULL) {
		uint32_t from = 0, to = 0, arguments[2] = { 0 };
		if (sscanf(line, "%15s %u %u %u %u", verb, &from, &to, &arguments[0], &arguments[1]) < 1)
			continue;
		if (strcmp(verb, "end") == 0)
			return;
		check(from <= to && to <= herd->options.workers);
		check(strcmp(verb, "move") != 0 || arguments[1] > 0);
		command_run(herd, verb, from, to, arguments);
		fflush(stdout);
	}
}

static void fork_workers(struct herd *herd)
{
	fflush(stdout);
	for (uint32_t worker = 0; worker < herd->options.workers; worker++) {
		pid_t child = fork();
		check(child >= 0);
		if (child > 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		herd_worker(herd, worker);
		_exit(0);
	}
}

static void end(struct herd *herd)
{
	await(herd, 0, herd->options.workers);
	turn++;
	for (uint32_t worker = 0; worker < herd->options.workers; worker++)
		post(herd, worker, &(struct herd_order){ .verb = HERD_END });
	while (wait(NULL) > 0)
		;
}

int main(int argc, char **argv)
{
	struct herd *herd = mmap(NULL, sizeof(*herd), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(herd != MAP_FAILED);
	struct herd_options *options = &herd->options;
	*options = (struct herd_options){ .server = "127.0.0.1:7600", .key_path = "", .workers = 1,
					  .sessions = 1000, .first_user = 1, .side_m = 60000 };
	const struct option_row rows[] = {
		{ "server", "where it listens", NULL, 0, 0, &options->server },
		{ "token-key", "its token-key file", NULL, 0, 0, &options->key_path },
		{ "workers", "processes", &options->workers, 1, HERD_WORKERS_MAX, NULL },
		{ "sessions", "sessions of each", &options->sessions, 1, 19000, NULL },
		{ "first-user", "id of the first user", &options->first_user, 0, UINT32_MAX, NULL },
		{ "side", "metres of the square that all live in", &options->side_m, 1, 1000000, NULL },
		{ "greets", "1: say where they are as soon as they are in", &options->greets, 0, 1, NULL },
		{ 0 },
	};
	options_read(rows, argc, argv);
	const char *reason;
	if (address_resolve(&herd->target, options->server) != 0 ||
	    token_key_open(&herd->key, options->key_path, &reason) != 0) {
		fputs("herd: the server's address and its token-key are needed\n", stderr);
		return EXIT_FAILURE;
	}
	fork_workers(herd);
	obey(herd);
	end(herd);
	return EXIT_SUCCESS;
}
