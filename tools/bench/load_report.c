/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "bench/load_report.h"

#include "base/check.h"

#include <errno.h>
#include <inttypes.h>

static const struct {
	const char *text;
	double share;
} PERCENTILES[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99.9", 0.999 } };

/* What a step comes to beside its counts. */
struct figures {
	double client_cpu_s, client_cpu_most_s;
	double server_cpu_s;
	uint64_t missing; /* pairs that nothing came of, as far as can be told */
};

static struct figures figures_of(const struct load_report *report, const struct load_step *step)
{
	struct figures figures = { .server_cpu_s =
					   step->server_to.cpu_s - step->server_from.cpu_s };
	for (uint32_t i = 0; i < report->load->workers; i++) {
		double cpu_s = step->client_cpu_s[i];
		figures.client_cpu_s += cpu_s;
		if (cpu_s > figures.client_cpu_most_s)
			figures.client_cpu_most_s = cpu_s;
	}
	/* Of two who moved in the same moment and crossed the edge it is not known who the server heard first:
	 * fewer than came into view. */
	uint64_t arrived = step->window.covered + step->counts.entered;
	if (arrived < step->window.due)
		figures.missing = step->window.due - arrived;
	return figures;
}

static double per(uint64_t count, double seconds)
{
	return seconds > 0 ? (double)count / seconds : 0;
}

uint64_t load_report_findings(const struct load_report *report)
{
	const struct load_counts *counts = &report->counts;
	uint64_t findings = counts->not_friend + counts->never_sent + counts->backwards +
			    counts->bad_messages + counts->errors;
	/* Who looks for a server's limit goes beyond it. */
	if (report->options->load.search_us == 0)
		findings += counts->lost + counts->given_up;
	return findings;
}

/* ---- for people ----------------------------------------------------------------------------- */

static void print_latency(FILE *file, const char *what, const struct latency *latency)
{
	fprintf(file, "  %-24s", what);
	for (unsigned i = 0; i < ARRAY_COUNT(PERCENTILES); i++)
		fprintf(file, "%s %.2f  ", PERCENTILES[i].text,
			(double)latency_at_us(latency, PERCENTILES[i].share) / 1000);
	fprintf(file, "max %.2f ms\n", (double)latency->max_us / 1000);
}

void load_report_step(FILE *file, const struct load_report *report, const struct load_step *step)
{
	bool is_search = report->options->load.search_us > 0;
	fprintf(file, "%10.0f/s: p50 %.2f, p99 %.2f ms, %.0f entries/s%s%s\n", step->rate,
		(double)latency_at_us(&step->window.latency, 0.5) / 1000,
		(double)latency_at_us(&step->window.latency, 0.99) / 1000,
		per(step->counts.entries, step->seconds),
		!is_search	? ""
		: step->is_kept ? ", kept"
				: ", not kept",
		step->is_saturated ? ", client saturated" : "");
	fflush(file);
}

static void print_server(FILE *file, const struct load_step *step, const struct figures *figures)
{
	fprintf(file, "  %-24s%.2f s CPU (%.0f %% of one), %u processes, %.1f MB, then %.1f MB\n",
		"server", figures->server_cpu_s, 100 * figures->server_cpu_s / step->seconds,
		step->server_to.processes, (double)step->server_from.resident_bytes / 1e6,
		(double)step->server_to.resident_bytes / 1e6);
	fprintf(file, "  %-24s%.0f entries, %.0f covered, %.0f locations\n", "... per CPU-second",
		per(step->counts.entries, figures->server_cpu_s),
		per(step->window.covered, figures->server_cpu_s),
		per(step->counts.sent, figures->server_cpu_s));
}

static void print_counts(FILE *file, const struct load_step *step, const struct figures *figures)
{
	const struct load_counts *counts = &step->counts;
	fprintf(file, "%.0f locations/s, measured for %.2f s\n", step->rate, step->seconds);
	fprintf(file, "  %-24s%" PRIu64 " (%.0f/s)", "locations sent", counts->sent,
		per(counts->sent, step->seconds));
	if (counts->not_sent + counts->unsent > 0)
		fprintf(file,
			", not sent: %" PRIu64 " of sessions that are gone, %" PRIu64
			" as the server takes no more",
			counts->not_sent, counts->unsent);
	fprintf(file,
		"\n  %-24s%" PRIu64 " (%.0f/s) in %" PRIu64 " messages, %.1f MB; %" PRIu64
		" entered, %" PRIu64 " refreshed, %" PRIu64 " gone\n",
		"entries", counts->entries, per(counts->entries, step->seconds), counts->messages,
		(double)counts->bytes / 1e6, counts->entered, counts->refreshed, counts->gone);
	if (counts->filtered > 0)
		fprintf(file, "  %-24s%" PRIu64 " locations out of range, which the server sent\n",
			"filtered here", counts->filtered);
	fprintf(file,
		"  %-24s%" PRIu64 " pairs of a location and a friend in range (%.0f/s); %" PRIu64
		" were due, %" PRIu64 " missing\n",
		"covered", step->window.covered, per(step->window.covered, step->seconds),
		step->window.due, figures->missing);
}

static void print_step(FILE *file, const struct load_report *report, const struct load_step *step)
{
	struct figures figures = figures_of(report, step);
	print_counts(file, step, &figures);
	print_latency(file, "from due to receipt", &step->window.latency);
	print_latency(file, "from due to sending", &step->window.lateness);
	if (step->server_to.processes > 0)
		print_server(file, step, &figures);
	fprintf(file, "  %-24s%.2f s CPU, the busiest worker %.0f %% of one%s\n", "client",
		figures.client_cpu_s, 100 * figures.client_cpu_most_s / step->seconds,
		step->is_saturated ? "; client saturated, so these are no figures of the server"
				   : "");
}

static void print_joining(FILE *file, const char *what, const struct load_joining *joining)
{
	const struct load_counts *counts = &joining->counts;
	fprintf(file,
		"%s: %" PRIu64 " sessions in %.2f s; %" PRIu64 " tried again, %" PRIu64
		" answered 503, %" PRIu64 " timed out, %" PRIu64 " broken, %" PRIu64 " given up\n",
		what, counts->joined, joining->seconds, counts->join_retries, counts->refused,
		counts->timed_out, counts->broken, counts->given_up);
	print_latency(file, "until welcome", &joining->latency);
}

static void print_findings(FILE *file, const struct load_report *report)
{
	const struct load_counts *counts = &report->counts;
	fprintf(file,
		"\nfindings: %" PRIu64 " of no friend, %" PRIu64 " never sent, %" PRIu64
		" backwards, %" PRIu64 " not understood, %" PRIu64 " errors, %" PRIu64
		" sessions lost, %" PRIu64 " given up\n",
		counts->not_friend, counts->never_sent, counts->backwards, counts->bad_messages,
		counts->errors, counts->lost, counts->given_up);
	if (report->example[0] != 0)
		fprintf(file, "  e.g. %s\n", report->example);
	if (report->cut_off != NULL)
		fprintf(file, "ended early: %s\n", report->cut_off);
}

void load_report_print(FILE *file, const struct load_report *report)
{
	const struct load *load = report->load;
	const struct load_options *options = &report->options->load;
	fprintf(file,
		"load: %s, %u sessions, %u idle, %u friends each, %u connect, about %g near, "
		"interval %u ms, %u workers\n",
		load->dialect->name, load->town.count, load->idle, options->friends,
		options->active, options->near, options->interval_ms, load->workers);
	if (report->imported > 0)
		fprintf(file, "imported: %" PRIu64 " friendships in %.2f s\n", report->imported,
			report->import_s);
	print_joining(file, "joined", &report->join);
	for (uint32_t i = 0; i < report->step_count; i++)
		print_step(file, report, &report->steps[i]);
	if (options->search_us > 0)
		fprintf(file, "highest rate that keeps p99 under %.3g ms: %.0f/s%s\n",
			(double)options->search_us / 1000, report->highest_rate,
			report->is_client_bound ? ", which the client bounds" : "");
	if (options->storm > 0)
		print_joining(file, "storm", &report->storm);
	print_findings(file, report);
}

/* ---- for programs --------------------------------------------------------------------------- */

static void json_latency(FILE *file, const char *name, const struct latency *latency)
{
	fprintf(file, "\"%s\":{\"count\":%" PRIu64, name, latency->count);
	for (unsigned i = 0; i < ARRAY_COUNT(PERCENTILES); i++)
		fprintf(file, ",\"%s\":%" PRIu64, PERCENTILES[i].text,
			latency_at_us(latency, PERCENTILES[i].share));
	fprintf(file, ",\"max\":%" PRIu64 "}", latency->max_us);
}

static void json_joining(FILE *file, const char *name, const struct load_joining *joining)
{
	const struct load_counts *counts = &joining->counts;
	fprintf(file,
		"\"%s\":{\"sessions\":%" PRIu64 ",\"seconds\":%.6f,\"dropped\":%" PRIu64
		",\"retries\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"timed_out\":%" PRIu64
		",\"broken\":%" PRIu64 ",\"given_up\":%" PRIu64 ",",
		name, counts->joined, joining->seconds, counts->dropped, counts->join_retries,
		counts->refused, counts->timed_out, counts->broken, counts->given_up);
	json_latency(file, "us", &joining->latency);
	fprintf(file, "},");
}

static void json_counts(FILE *file, const struct load_step *step)
{
	const struct load_counts *counts = &step->counts;
	fprintf(file,
		"\"sent\":%" PRIu64 ",\"not_sent\":%" PRIu64 ",\"unsent\":%" PRIu64
		",\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"entries\":%" PRIu64
		",\"entered\":%" PRIu64 ",\"refreshed\":%" PRIu64 ",\"before\":%" PRIu64
		",\"filtered\":%" PRIu64 ",\"gone\":%" PRIu64 ",",
		counts->sent, counts->not_sent, counts->unsent, counts->messages, counts->bytes,
		counts->entries, counts->entered, counts->refreshed, counts->before,
		counts->filtered, counts->gone);
	fprintf(file, "\"sent_per_s\":%.1f,\"entries_per_s\":%.1f,\"covered_per_s\":%.1f,",
		per(counts->sent, step->seconds), per(counts->entries, step->seconds),
		per(step->window.covered, step->seconds));
}

static void json_usage(FILE *file, const struct load_step *step, const struct figures *figures)
{
	fprintf(file,
		"\"client_cpu_s\":%.2f,\"client_cpu_most_s\":%.2f,\"client_saturated\":%s,"
		"\"server_processes\":%u,\"server_cpu_s\":%.2f,"
		"\"server_resident_bytes\":[%" PRIu64 ",%" PRIu64 "],",
		figures->client_cpu_s, figures->client_cpu_most_s,
		step->is_saturated ? "true" : "false", step->server_to.processes,
		figures->server_cpu_s, step->server_from.resident_bytes,
		step->server_to.resident_bytes);
	fprintf(file,
		"\"entries_per_cpu_s\":%.1f,\"covered_per_cpu_s\":%.1f,\"sent_per_cpu_s\":%.1f,",
		per(step->counts.entries, figures->server_cpu_s),
		per(step->window.covered, figures->server_cpu_s),
		per(step->counts.sent, figures->server_cpu_s));
}

static void json_step(FILE *file, const struct load_report *report, const struct load_step *step)
{
	struct figures figures = figures_of(report, step);
	fprintf(file, "{\"rate\":%.1f,\"seconds\":%.3f,\"kept\":%s,", step->rate, step->seconds,
		step->is_kept ? "true" : "false");
	json_counts(file, step);
	fprintf(file, "\"due\":%" PRIu64 ",\"covered\":%" PRIu64 ",\"missing\":%" PRIu64 ",",
		step->window.due, step->window.covered, figures.missing);
	json_usage(file, step, &figures);
	json_latency(file, "latency_us", &step->window.latency);
	fprintf(file, ",");
	json_latency(file, "lateness_us", &step->window.lateness);
	fprintf(file, "}");
}

static void json_string(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text != 0; text++) {
		if (*text == '"' || *text == '\\' || (unsigned char)*text < ' ')
			fprintf(file, "\\u%04x", (unsigned char)*text);
		else
			fputc(*text, file);
	}
	fputc('"', file);
}

static void json_findings(FILE *file, const struct load_report *report)
{
	const struct load_counts *counts = &report->counts;
	fprintf(file,
		"\"findings\":{\"not_friend\":%" PRIu64 ",\"never_sent\":%" PRIu64
		",\"backwards\":%" PRIu64 ",\"bad_message\":%" PRIu64 ",\"refused\":%" PRIu64
		",\"lost\":%" PRIu64 ",\"given_up\":%" PRIu64 "},\"example\":",
		counts->not_friend, counts->never_sent, counts->backwards, counts->bad_messages,
		counts->errors, counts->lost, counts->given_up);
	json_string(file, report->example);
	fprintf(file, ",\"cut_off\":");
	if (report->cut_off == NULL)
		fprintf(file, "null");
	else
		json_string(file, report->cut_off);
}

void load_report_print_json(FILE *file, const struct load_report *report)
{
	const struct load *load = report->load;
	const struct load_options *options = &report->options->load;
	fprintf(file,
		"{\"command\":\"load\",\"dialect\":\"%s\",\"sessions\":%u,\"idle\":%u,"
		"\"friends\":%u,\"active\":%u,\"near\":%g,\"seed\":%" PRIu64
		",\"interval_ms\":%u,\"workers\":%u,\"filters\":%s,\"imported\":%" PRIu64
		",\"import_s\":%.3f,",
		load->dialect->name, load->town.count, load->idle, options->friends,
		options->active, options->near, load->town.seed, options->interval_ms,
		load->workers, load->dialect->is_unfiltered ? "false" : "true", report->imported,
		report->import_s);
	json_joining(file, "join", &report->join);
	if (options->storm > 0)
		json_joining(file, "storm", &report->storm);
	fprintf(file, "\"steps\":[");
	for (uint32_t i = 0; i < report->step_count; i++) {
		fprintf(file, i == 0 ? "" : ",");
		json_step(file, report, &report->steps[i]);
	}
	fprintf(file, "],");
	if (options->search_us > 0)
		fprintf(file,
			"\"search_us\":%" PRIu64 ",\"highest_rate\":%.1f,\"client_bound\":%s,",
			options->search_us, report->highest_rate,
			report->is_client_bound ? "true" : "false");
	json_findings(file, report);
	fprintf(file, ",\"right\":%s}\n",
		load_report_findings(report) == 0 && report->cut_off == NULL ? "true" : "false");
}

int load_report_histogram(const char *path, const struct load_report *report)
{
	FILE *file = fopen(path, "w");
	if (file == NULL)
		return -errno;
	fprintf(file, "# rate\tup to us\tcount\n");
	for (uint32_t i = 0; i < report->step_count; i++) {
		const struct latency *latency = &report->steps[i].window.latency;
		for (unsigned bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
			if (latency->buckets[bucket] > 0)
				fprintf(file, "%.1f\t%" PRIu64 "\t%" PRIu64 "\n",
					report->steps[i].rate, latency_bucket_us(bucket),
					latency->buckets[bucket]);
		}
	}
	bool is_written = !ferror(file);
	return fclose(file) == 0 && is_written ? 0 : -EIO;
}
