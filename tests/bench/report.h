/*
 * Owns: what a benchmark says: a text with minimum, median and maximum of each figure, and a table
 *   of tab-separated values with every single one.
 * Invariant: both begin with the machine, the kernel, the versions and the command line.
 * Thread: one.
 * Does not know: what the figures mean.
 */
#ifndef NEARBY_BENCH_REPORT_H
#define NEARBY_BENCH_REPORT_H

#include <stdint.h>
#include <stdio.h>

/* Values of one figure. */
#define RUNS_MAX 32

struct report {
	FILE *text;
	FILE *table;
};

struct figure {
	uint32_t count;
	double values[RUNS_MAX];
};

/* Adds the value of one more run. */
void figure_add(struct figure *figure, double value);
double figure_median(const struct figure *figure);

/*
 * Writes DIRECTORY/NAME.txt, which is repeated on stdout at the end, and DIRECTORY/NAME.tsv; the
 * directory is made. Ends the program with a word when that fails.
 */
void report_open(struct report *report, const char *directory, const char *name, int argc,
		 char **argv);
void report_close(struct report *report);

/* A line of the text alone, printf-like. */
void report_say(struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Begins a part of the text. */
void report_part(struct report *report, const char *title);
/* One figure; `part` and `name` are columns of the table. */
void report_figure(struct report *report, const char *part, const char *name, const char *unit,
		   const struct figure *figure);

#endif
