/*
 * Owns: the Prometheus text of all counters.
 * Invariant: made from the descriptions in the segment, so no counter can be forgotten.
 * Thread: any; reads single words.
 * Does not know: what is counted.
 *
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4). Rows of
 * one name that differ by label need not stand together in our tables, but must in the text: each
 * name is written at its first row with all others of that name.
 */
#include "app/app_private.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of one line at most: name, label, bucket bound, value. */
#define METRIC_LINE_BYTES_MAX 256
#define METRIC_HELP_BYTES_MAX 512

static const char *kind_text(uint32_t kind)
{
	switch (kind) {
	case NEARBY_COUNTER:
		return "counter";
	case NEARBY_HISTOGRAM:
		return "histogram";
	default:
		return "gauge";
	}
}

static const char *level_text(uint32_t level)
{
	static const char *const texts[] = { "", "low", "medium", "high", "critical" };
	return texts[level < ARRAY_COUNT(texts) ? level : 0];
}

static void put_histogram(struct writer *writer, const struct nearby_segment *segment, uint32_t row,
			  const struct nearby_counter_info *info)
{
	const char *comma = info->label[0] != '\0' ? "," : "";
	uint64_t total = 0;
	for (uint32_t bucket = 0; bucket < NEARBY_HISTOGRAM_BUCKETS; bucket++) {
		total += nearby_segment_read(segment, row, 1 + bucket);
		if (bucket + 1 < NEARBY_HISTOGRAM_BUCKETS)
			writer_put_format(writer, "nearby_%s_bucket{%s%sle=\"%.6f\"} %llu\n", info->name,
					  info->label, comma, (double)(1ull << bucket) / 1e6,
					  (unsigned long long)total);
		else
			writer_put_format(writer, "nearby_%s_bucket{%s%sle=\"+Inf\"} %llu\n", info->name,
					  info->label, comma, (unsigned long long)total);
	}
	const char *open = info->label[0] != '\0' ? "{" : "", *close = info->label[0] != '\0' ? "}" : "";
	writer_put_format(writer, "nearby_%s_sum%s%s%s %.6f\n", info->name, open, info->label, close,
			  (double)nearby_segment_read(segment, row, 0) / 1e6);
	writer_put_format(writer, "nearby_%s_count%s%s%s %llu\n", info->name, open, info->label, close,
			  (unsigned long long)total);
}

static void put_row(struct writer *writer, const struct nearby_segment *segment, uint32_t row)
{
	const struct nearby_counter_info *info = nearby_segment_counter(segment, row);
	unsigned long long value = nearby_segment_read(segment, row, 0);
	if (info->kind == NEARBY_HISTOGRAM)
		put_histogram(writer, segment, row, info);
	else if (info->kind == NEARBY_ALERT)
		writer_put_format(writer, "nearby_%s{level=\"%s\"} %d\n", info->name, level_text(info->level),
				  value != 0);
	else if (info->label[0] != '\0')
		writer_put_format(writer, "nearby_%s{%s} %llu\n", info->name, info->label, value);
	else
		writer_put_format(writer, "nearby_%s %llu\n", info->name, value);
}

/* Whether an earlier row has this name, so that it has been written. */
static bool is_written(const struct nearby_segment *segment, uint32_t row)
{
	const char *name = nearby_segment_counter(segment, row)->name;
	for (uint32_t i = 0; i < row; i++)
		if (strcmp(nearby_segment_counter(segment, i)->name, name) == 0)
			return true;
	return false;
}

static void put_name(struct writer *writer, const struct nearby_segment *segment, uint32_t row, uint32_t count)
{
	const struct nearby_counter_info *info = nearby_segment_counter(segment, row);
	writer_put_format(writer, "# HELP nearby_%s %s\n# TYPE nearby_%s %s\n", info->name, info->help,
			  info->name, kind_text(info->kind));
	for (uint32_t i = row; i < count; i++)
		if (strcmp(nearby_segment_counter(segment, i)->name, info->name) == 0)
			put_row(writer, segment, i);
}

char *metrics_text(const struct nearby_segment *segment, size_t *length)
{
	struct nearby_segment_info info;
	nearby_segment_info(segment, &info);
	size_t bytes = 4096 + (size_t)info.counter_count *
				      (METRIC_HELP_BYTES_MAX +
				       (NEARBY_HISTOGRAM_BUCKETS + 2) * METRIC_LINE_BYTES_MAX);
	char *text = malloc(bytes);
	if (text == NULL)
		return NULL;
	struct writer writer = writer_init(text, bytes);
	for (uint32_t row = 0; row < info.counter_count; row++)
		if (!is_written(segment, row))
			put_name(&writer, segment, row, info.counter_count);
	check(!writer.overflow);
	*length = writer_length(&writer);
	return text;
}
