/*
 * Owns: the command line of the simulation.
 * Invariant: whatever stops a run, the seed and the command that replays it are on stderr.
 * Thread: one.
 * Does not know: what a run does.
 */
#include "chaos.h"
#include "story.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How it is called; without the folder in which libtool hides the program behind its script. */
static char program[512];
static bool is_small;
/* Made before each run, for the handler of a crash. */
static char replay[1200];

static void say_replay(int signal_number)
{
	ssize_t written = write(STDERR_FILENO, replay, strlen(replay));
	(void)written;
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void note_seed(uint64_t seed)
{
	snprintf(replay, sizeof(replay),
		 "seed %" PRIu64 " failed; replay: %s --seed %" PRIu64 " --trace%s\n", seed,
		 program, seed, is_small ? " --small" : "");
}

static bool run(uint64_t seed, const struct chaos_options *options, struct chaos_report *report)
{
	note_seed(seed);
	chaos_run(seed, options, report);
	if (report->violation[0] == '\0')
		return true;
	fprintf(stderr, "%s\n  after %u steps: %s\n", replay, report->steps, report->violation);
	return false;
}

static void print_counters(const uint64_t *counters)
{
	static const char *const names[] = {
#define COUNTER(name, text, kind, help) text,
#include "engine/engine_counters.tbl"
#undef COUNTER
	};
	for (uint32_t i = 0; i < ENGINE_COUNTER_COUNT; i++)
		printf("  %-24s %" PRIu64 "\n", names[i], counters[i]);
}

static int run_many(uint64_t first, uint64_t count, bool keep_going)
{
	struct chaos_options options = { .is_small = is_small };
	struct chaos_report report;
	uint64_t counters[ENGINE_COUNTER_COUNT] = { 0 }, failed = 0, messages = 0, steps = 0,
		 done = 0;
	while (done < count && (failed == 0 || keep_going)) {
		failed += !run(first + done, &options, &report);
		messages += report.messages;
		steps += report.steps;
		for (uint32_t i = 0; i < ENGINE_COUNTER_COUNT; i++)
			counters[i] += report.counters[i];
		if (++done % 1000 == 0)
			fprintf(stderr, "%" PRIu64 " seeds, %" PRIu64 " failed\n", done, failed);
	}
	printf("%" PRIu64 " seeds from %" PRIu64 ": %" PRIu64 " steps, %" PRIu64
	       " messages judged, "
	       "%" PRIu64 " failed\n",
	       done, first, steps, messages, failed);
	print_counters(counters);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_stories(char **paths, int count)
{
	int failed = 0;
	for (int i = 0; i < count; i++) {
		snprintf(replay, sizeof(replay), "story failed: %s\n", paths[i]);
		bool holds = story_holds(paths[i]);
		failed += !holds;
		printf("%s %s\n", holds ? "ok    " : "FAILED", paths[i]);
	}
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void set_program(const char *path)
{
	static const char hidden[] = ".libs/";
	const char *at = strstr(path, hidden);
	int before = at != NULL ? (int)(at - path) : 0;
	snprintf(program, sizeof(program), "%.*s%s", before, path,
		 at != NULL ? at + strlen(hidden) : path);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: %s --seeds N [--first S] [--small] [--keep-going]   N random runs\n"
		"       %s --seed S [--trace] [--small]                     one of them, in words\n"
		"       %s --story FILE...                                  stories, compared\n"
		"       %s --tell FILE                                      a story as it really "
		"goes\n",
		program, program, program, program);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seeds", required_argument, NULL, 'n' },
		{ "first", required_argument, NULL, 'f' },
		{ "seed", required_argument, NULL, 's' },
		{ "trace", no_argument, NULL, 't' },
		{ "small", no_argument, NULL, 'm' },
		{ "keep-going", no_argument, NULL, 'k' },
		{ "story", no_argument, NULL, 'y' },
		{ "tell", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t count = 0, first = 0;
	bool is_story = false, is_tell = false, keep_going = false, is_traced = false;
	set_program(argv[0]);
	signal(SIGABRT, say_replay);
	signal(SIGSEGV, say_replay);
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'n':
			count = strtoull(optarg, NULL, 10);
			break;
		case 's':
			count = 1;
			first = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			first = strtoull(optarg, NULL, 10);
			break;
		case 't':
			is_traced = true;
			break;
		case 'm':
			is_small = true;
			break;
		case 'k':
			keep_going = true;
			break;
		case 'y':
			is_story = true;
			break;
		case 'l':
			is_tell = true;
			break;
		default:
			return usage();
		}
	}
	if (is_story && optind < argc)
		return run_stories(argv + optind, argc - optind);
	if (is_tell && optind + 1 == argc)
		return story_tell(argv[optind], stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
	if (is_traced && count == 1) {
		struct chaos_options chaos = { .is_small = is_small, .trace = stdout };
		struct chaos_report report;
		setvbuf(stdout, NULL, _IOLBF, 0);
		return run(first, &chaos, &report) ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	return count > 0 ? run_many(first, count, keep_going) : usage();
}
