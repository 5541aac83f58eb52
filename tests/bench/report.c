/*
 * Owns: see report.h.
 * Invariant: see report.h.
 * Thread: one.
 * Does not know: what the figures mean.
 */
#include "report.h"

#include "base/check.h"
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

void figure_add(struct figure *figure, double value)
{
	check(figure->count < RUNS_MAX);
	figure->values[figure->count++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void sort(const struct figure *figure, double sorted[RUNS_MAX])
{
	check(figure->count > 0);
	memcpy(sorted, figure->values, sizeof(figure->values));
	qsort(sorted, figure->count, sizeof(*sorted), compare);
}

double figure_median(const struct figure *figure)
{
	double sorted[RUNS_MAX];
	sort(figure, sorted);
	uint32_t half = figure->count / 2;
	return figure->count % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

static FILE *open_file(const char *directory, const char *name, const char *suffix)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s.%s", directory, name, suffix);
	FILE *file = fopen(path, "w+");
	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	return file;
}

/* The first line of a file of the kernel that begins with `key`, what stands behind its colon. */
static void say_line(struct report *report, const char *label, const char *path, const char *key)
{
	char line[512] = "";
	FILE *file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			break;
	if (file != NULL)
		fclose(file);
	line[strcspn(line, "\n")] = '\0';
	const char *value = key[0] == '\0' ? line : strchr(line, ':');
	report_say(report, "%-10s %s", label,
		   value == NULL ? "unknown" : value + strspn(value, ": \t"));
}

static void say_machine(struct report *report)
{
	struct utsname system;
	check(uname(&system) == 0);
	say_line(report, "processor", "/proc/cpuinfo", "model name");
	report_say(report, "%-10s %ld", "cores", sysconf(_SC_NPROCESSORS_ONLN));
	say_line(report, "memory", "/proc/meminfo", "MemTotal");
	say_line(report, "huge pages", "/sys/kernel/mm/transparent_hugepage/enabled", "");
	report_say(report, "%-10s %s %s %s", "kernel", system.sysname, system.release,
		   system.machine);
	say_line(report, "load", "/proc/loadavg", "");
	report_say(report, "%-10s nearby %s, %s %s", "versions", PACKAGE_VERSION,
#ifdef __clang__
		   "clang",
#else
		   "gcc",
#endif
		   __VERSION__);
}

static void say_command(struct report *report, int argc, char **argv)
{
	char line[4096];
	size_t length = 0;
	for (int i = 0; i < argc && length < sizeof(line); i++)
		length += (size_t)snprintf(line + length, sizeof(line) - length, " %s", argv[i]);
	report_say(report, "%-10s%s", "command", argc > 0 ? line : "");
}

void report_open(struct report *report, const char *directory, const char *name, int argc,
		 char **argv)
{
	if (mkdir(directory, 0777) < 0 && errno != EEXIST) {
		fprintf(stderr, "%s: %s\n", directory, strerror(errno));
		exit(1);
	}
	report->text = open_file(directory, name, "txt");
	report->table = open_file(directory, name, "tsv");
	say_machine(report);
	say_command(report, argc, argv);
	fprintf(report->table, "part\tfigure\tunit\trun\tvalue\n");
}

void report_close(struct report *report)
{
	char line[4096];
	rewind(report->text);
	while (fgets(line, sizeof(line), report->text) != NULL)
		fputs(line, stdout);
	bool is_written = ferror(report->text) == 0 && ferror(report->table) == 0;
	if (fclose(report->text) != 0 || fclose(report->table) != 0 || !is_written) {
		fprintf(stderr, "the report could not be written\n");
		exit(1);
	}
}

void report_say(struct report *report, const char *format, ...)
{
	char line[4096];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	fprintf(report->text, "%s\n", line);
	fprintf(report->table, "# %s\n", line);
}

void report_part(struct report *report, const char *title)
{
	fprintf(report->text, "\n%-44s %12s %12s %12s\n", title, "minimum", "median", "maximum");
}

void report_figure(struct report *report, const char *part, const char *name, const char *unit,
		   const struct figure *figure)
{
	double sorted[RUNS_MAX];
	sort(figure, sorted);
	char label[64];
	snprintf(label, sizeof(label), "%s, %s", name, unit);
	fprintf(report->text, "  %-42s %12.4g %12.4g %12.4g\n", label, sorted[0],
		figure_median(figure), sorted[figure->count - 1]);
	for (uint32_t i = 0; i < figure->count; i++)
		fprintf(report->table, "%s\t%s\t%s\t%u\t%.9g\n", part, name, unit, i + 1,
			figure->values[i]);
}
