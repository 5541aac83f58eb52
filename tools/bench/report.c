/*
 * Owns: the two forms of the report.
 * Invariant: see the header.
 * Thread: the parent's.
 * Does not know: how the numbers came to be.
 */
#include "bench/report.h"

#include "base/check.h"

#include <inttypes.h>

static const struct {
	const char *text;
	double share;
} PERCENTILES[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99.9", 0.999 } };

bool report_is_right(const struct report *report)
{
	return tally_findings(report->sum) == 0 && !report->is_broken_off;
}

static uint64_t pushes(const struct tally *sum)
{
	return sum->moved + sum->entered + sum->refreshed + sum->merged + sum->before;
}

static double per_second(uint64_t count, double seconds)
{
	return seconds > 0 ? (double)count / seconds : 0;
}

static void print_latency(FILE *file, const char *what, const struct latency *latency)
{
	if (latency->count == 0)
		return;
	fprintf(file, "  %-26s", what);
	for (unsigned i = 0; i < ARRAY_COUNT(PERCENTILES); i++)
		fprintf(file, "%s %.2f  ", PERCENTILES[i].text,
			(double)latency_at_us(latency, PERCENTILES[i].share) / 1000);
	fprintf(file, "max %.2f ms\n", (double)latency->max_us / 1000);
}

/* How many values fell between powers of two, as bars. */
static void print_bars(FILE *file, const struct latency *latency)
{
	static const char bar[] = "########################################";
	uint64_t below = 0, counts[34] = { 0 }, most = 1;
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		unsigned power = i / LATENCY_STEPS;
		counts[power] += latency->buckets[i];
		most = counts[power] > most ? counts[power] : most;
	}
	for (unsigned power = 0; power < ARRAY_COUNT(counts); power++) {
		double top_ms = (double)((uint64_t)LATENCY_STEPS << power) / 1000;
		below += counts[power];
		if (counts[power] != 0)
			fprintf(file, "  under %10.2f ms %12" PRIu64 "  %6.2f%%  %.*s\n", top_ms,
				counts[power], 100.0 * (double)below / (double)latency->count,
				(int)(counts[power] * 40 / most), bar);
	}
}

static void print_findings(FILE *file, const struct tally *sum)
{
	uint64_t classes[VERDICT_CLASS_COUNT] = { 0 };
	for (unsigned i = 0; i < VERDICT_COUNT; i++)
		classes[verdict_class((enum verdict)i)] += sum->verdicts[i];
	fprintf(file, "\n");
	for (unsigned i = 0; i < VERDICT_CLASS_COUNT; i++)
		fprintf(file, "%s%" PRIu64 " %s", i == 0 ? "" : ", ", classes[i],
			verdict_class_text((enum verdict_class)i));
	fprintf(file, "\n");
	for (unsigned i = 0; i < VERDICT_COUNT; i++) {
		if (sum->verdicts[i] != 0)
			fprintf(file, "  %10" PRIu64 "  %-20s %s\n", sum->verdicts[i],
				verdict_text((enum verdict)i), verdict_meaning((enum verdict)i));
	}
	for (uint32_t i = 0; i < sum->example_count; i++)
		fprintf(file, "  e.g. %s\n", sum->examples[i]);
	if (sum->verdicts[VERDICT_NOT_FRIEND] != 0)
		fprintf(file, "  (does the server hold other friendships of these users, from an "
			      "earlier run?)\n");
}

void report_print(FILE *file, const struct report *report)
{
	const struct tally *sum = report->sum;
	fprintf(file, "%s: %u users, %u friendships, %" PRIu64 " sessions, %.1f s\n", report->what,
		report->world->user_count, report->world->edge_count / 2, sum->joined,
		report->run_s);
	if (sum->join_retries > 0)
		fprintf(file, "  %-26s%" PRIu64 "\n", "joins tried again", sum->join_retries);
	fprintf(file, "  %-26s%" PRIu64 " (%.0f/s)\n", "locations sent", sum->sent,
		per_second(sum->sent, report->run_s));
	fprintf(file, "  %-26s%" PRIu64 " by brute force at the moment of sending\n",
		"friends in range", sum->due);
	fprintf(file, "  %-26s%" PRIu64 " (%.0f/s) in %" PRIu64 " frames\n", "pushed",
		pushes(sum), per_second(pushes(sum), report->run_s), sum->frames);
	fprintf(file, "  %-26s%" PRIu64 " friend moved, %" PRIu64 " own movement, %" PRIu64
		      " refreshed, %" PRIu64 " merged\n",
		"  because of", sum->moved, sum->entered, sum->refreshed, sum->merged);
	if (sum->before > 0)
		fprintf(file, "  %-26s%" PRIu64 " of places that an earlier run left\n", "and",
			sum->before);
	fprintf(file, "  %-26s%" PRIu64 " far, %" PRIu64 " idle\n", "gone", sum->gone_far,
		sum->gone_idle);
	if (sum->skipped > 0)
		fprintf(file, "  %-26s%" PRIu64 " of lost sessions\n", "not sent", sum->skipped);
	print_latency(file, "send to receipt", &sum->push_latency);
	print_latency(file, "a page of the list", &sum->page_latency);
	print_latency(file, "connect to welcome", &sum->join_latency);
	if (sum->push_latency.count > 0) {
		fprintf(file, "\nsend to a friend's receipt:\n");
		print_bars(file, &sum->push_latency);
	}
	if (report->checks > 0)
		fprintf(file,
			"\nwhen quiet (%u check%s, the last one): %.10g pairs of friends in range by "
			"brute force,\n  %.10g on the lists of both; %.10g at the border, where both "
			"answers are right\n",
			report->checks, report->checks == 1 ? "" : "s",
			(double)sum->check.pairs / 2, (double)sum->check.listed / 2,
			(double)sum->check.border / 2);
	print_findings(file, sum);
	if (report->cut_off != NULL)
		fprintf(file, "ended early: %s\n", report->cut_off);
}

static void print_json_latency(FILE *file, const char *name, const struct latency *latency)
{
	fprintf(file, ",\"%s\":{\"count\":%" PRIu64, name, latency->count);
	for (unsigned i = 0; i < ARRAY_COUNT(PERCENTILES); i++)
		fprintf(file, ",\"%s\":%" PRIu64, PERCENTILES[i].text,
			latency_at_us(latency, PERCENTILES[i].share));
	fprintf(file, ",\"max\":%" PRIu64 "}", latency->max_us);
}

void report_print_json(FILE *file, const struct report *report)
{
	const struct tally *sum = report->sum;
	fprintf(file,
		"{\"command\":\"%s\",\"users\":%u,\"friendships\":%u,\"sessions\":%" PRIu64
		",\"join_retries\":%" PRIu64 ",\"seconds\":%.3f,\"sent\":%" PRIu64
		",\"not_sent\":%" PRIu64 ",\"in_range_at_sending\":%" PRIu64,
		report->what, report->world->user_count, report->world->edge_count / 2,
		sum->joined, sum->join_retries, report->run_s, sum->sent, sum->skipped, sum->due);
	fprintf(file,
		",\"frames\":%" PRIu64 ",\"pushed\":{\"moved\":%" PRIu64 ",\"entered\":%" PRIu64
		",\"refreshed\":%" PRIu64
		",\"merged\":%" PRIu64 ",\"before\":%" PRIu64 "},\"gone\":{\"far\":%" PRIu64 ",\"idle\":%" PRIu64 "}",
		sum->frames, sum->moved, sum->entered, sum->refreshed, sum->merged, sum->before, sum->gone_far,
		sum->gone_idle);
	print_json_latency(file, "push_us", &sum->push_latency);
	print_json_latency(file, "page_us", &sum->page_latency);
	print_json_latency(file, "join_us", &sum->join_latency);
	fprintf(file,
		",\"checks\":%u,\"last_check\":{\"pairs\":%" PRIu64 ",\"listed\":%" PRIu64
		",\"border\":%" PRIu64 "},\"findings\":{",
		report->checks, sum->check.pairs, sum->check.listed, sum->check.border);
	for (unsigned i = 0; i < VERDICT_COUNT; i++)
		fprintf(file, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",",
			verdict_text((enum verdict)i), sum->verdicts[i]);
	fprintf(file, "},\"cut_off\":%s,\"right\":%s}\n",
		report->cut_off == NULL ? "false" : "true",
		report_is_right(report) ? "true" : "false");
}
