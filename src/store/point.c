/*
 * Owns: sorting of points.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/point.h"

#include <stdlib.h>
#include <string.h>

enum { DIGIT_BITS_MIN = 6, DIGIT_BITS_MAX = 12, DIGIT_VALUES_MAX = 1 << DIGIT_BITS_MAX };
/* 11 digits of 6 bits hold the 63 bits of a user. */
enum { DIGITS_MAX = 11 };
/* Moves that insertion may make for each point before a general sort takes over. */
enum { MOVES_A_POINT_MAX = 8 };
/* Into so many parts, at most, users are spread at once. */
enum { PART_BITS_MAX = 15 };

int point_compare(const struct store_point *a, const struct store_point *b)
{
	if (a->user.value != b->user.value)
		return a->user.value < b->user.value ? -1 : 1;
	if (a->ts_ms != b->ts_ms)
		return a->ts_ms < b->ts_ms ? -1 : 1;
	if (a->place.lat_e7 != b->place.lat_e7)
		return a->place.lat_e7 < b->place.lat_e7 ? -1 : 1;
	return (a->place.lon_e7 > b->place.lon_e7) - (a->place.lon_e7 < b->place.lon_e7);
}

static int compare_any(const void *a, const void *b)
{
	return point_compare(a, b);
}

/* Whether they are in order; soon known of nearly all. */
static inline bool in_order(const struct store_point *a, const struct store_point *b)
{
	if (a->user.value != b->user.value)
		return a->user.value < b->user.value;
	return a->ts_ms < b->ts_ms || point_compare(a, b) <= 0;
}

/* By insertion. False: it took too long, and they are in some order. */
static bool insert_all(struct store_point *points, size_t count)
{
	size_t moves_left = MOVES_A_POINT_MAX * count;
	for (size_t i = 1; i < count; i++) {
		if (in_order(&points[i - 1], &points[i]))
			continue;
		struct store_point point = points[i];
		size_t hole = i;
		while (hole > 0 && moves_left > 0 && !in_order(&points[hole - 1], &point)) {
			points[hole] = points[hole - 1];
			hole--;
			moves_left--;
		}
		points[hole] = point;
		if (moves_left == 0)
			return false;
	}
	return true;
}

void points_sort_by_time(struct store_point *points, size_t count)
{
	if (!insert_all(points, count))
		qsort(points, count, sizeof(*points), compare_any);
}

/* How users are cut into digits: only as far as these users differ. */
struct digits {
	uint64_t least; /* of the users */
	unsigned count;
	unsigned bits; /* of each */
};

static struct digits digits_fit(const struct store_point *points, size_t count)
{
	uint64_t least = points[0].user.value, most = least;
	for (size_t i = 1; i < count; i++) {
		uint64_t user = points[i].user.value;
		least = user < least ? user : least;
		most = user > most ? user : most;
	}
	unsigned bits = most == least ? 0 : 64 - (unsigned)__builtin_clzll(most - least);
	/* No more values than points: they are counted and summed, too. */
	unsigned most_bits = 64 - (unsigned)__builtin_clzll(count);
	most_bits = most_bits < DIGIT_BITS_MIN	 ? DIGIT_BITS_MIN
		    : most_bits > DIGIT_BITS_MAX ? DIGIT_BITS_MAX
						 : most_bits;
	unsigned digits = (bits + most_bits - 1) / most_bits;
	return (struct digits){ least, digits, digits == 0 ? 0 : (bits + digits - 1) / digits };
}

static uint32_t digit_of(const struct digits *digits, uint64_t user, unsigned digit)
{
	return (uint32_t)((user - digits->least) >> (digit * digits->bits)) &
	       ((1u << digits->bits) - 1);
}

/* One stable pass from `from` to `to`. */
static void digit_pass(const struct store_point *from, struct store_point *to, size_t count,
		       uint32_t *counts, const struct digits *digits, unsigned digit)
{
	uint32_t start = 0;
	for (unsigned value = 0; value < 1u << digits->bits; value++) {
		uint32_t here = counts[value];
		counts[value] = start;
		start += here;
	}
	for (size_t i = 0; i < count; i++)
		to[counts[digit_of(digits, from[i].user.value, digit)]++] = from[i];
}

static void sort_by_user(struct store_point *points, struct store_point *scratch, size_t count)
{
	static _Thread_local uint32_t counts[DIGITS_MAX][DIGIT_VALUES_MAX];
	struct digits digits = digits_fit(points, count);
	for (unsigned digit = 0; digit < digits.count; digit++)
		memset(counts[digit], 0, sizeof(counts[0][0]) << digits.bits);
	for (size_t i = 0; i < count; i++)
		for (unsigned digit = 0; digit < digits.count; digit++)
			counts[digit][digit_of(&digits, points[i].user.value, digit)]++;
	struct store_point *from = points, *to = scratch;
	for (unsigned digit = 0; digit < digits.count; digit++) {
		digit_pass(from, to, count, counts[digit], &digits, digit);
		struct store_point *sorted = to;
		to = from;
		from = sorted;
	}
	if (from != points)
		memcpy(points, from, count * sizeof(*points));
}

static void sort_by_digits(struct store_point *points, struct store_point *scratch, size_t count)
{
	sort_by_user(points, scratch, count);
	for (size_t start = 0, end; start < count; start = end) {
		for (end = start + 1;
		     end < count && points[end].user.value == points[start].user.value;)
			end++;
		points_sort_by_time(points + start, end - start);
	}
}

/* How users are spread over parts of equal width: about as many parts as there are points. */
struct parts {
	uint64_t least; /* of the users */
	unsigned shift;
	uint32_t count;
};

static struct parts parts_fit(const struct points_row *rows, uint32_t row_count, size_t count)
{
	uint64_t least = UINT64_MAX, most = 0;
	for (uint32_t row = 0; row < row_count; row++) {
		for (size_t i = 0; i < rows[row].count; i++) {
			uint64_t user = rows[row].points[i].user.value;
			least = user < least ? user : least;
			most = user > most ? user : most;
		}
	}
	unsigned bits = most <= least ? 0 : 64 - (unsigned)__builtin_clzll(most - least);
	unsigned part_bits = 64 - (unsigned)__builtin_clzll(count);
	if (part_bits > PART_BITS_MAX)
		part_bits = PART_BITS_MAX;
	unsigned shift = bits > part_bits ? bits - part_bits : 0;
	return (struct parts){ least, shift, (uint32_t)((most - least) >> shift) + 1 };
}

static uint32_t part_of(const struct parts *parts, const struct store_point *point)
{
	return (uint32_t)((point->user.value - parts->least) >> parts->shift);
}

/* Puts all into the order of their parts; those of a part come as they came. */
static void parts_spread(const struct parts *parts, struct store_point *points,
			 const struct points_row *rows, uint32_t row_count)
{
	static _Thread_local uint32_t places[1 << PART_BITS_MAX];
	uint32_t start = 0;
	memset(places, 0, parts->count * sizeof(places[0]));
	for (uint32_t row = 0; row < row_count; row++)
		for (size_t i = 0; i < rows[row].count; i++)
			places[part_of(parts, &rows[row].points[i])]++;
	for (uint32_t part = 0; part < parts->count; part++) {
		uint32_t here = places[part];
		places[part] = start;
		start += here;
	}
	for (uint32_t row = 0; row < row_count; row++) {
		const struct store_point *from = rows[row].points;
		for (size_t i = 0; i < rows[row].count; i++)
			points[places[part_of(parts, &from[i])]++] = from[i];
	}
}

void points_gather(struct store_point *points, struct store_point *scratch,
		   const struct points_row *rows, uint32_t row_count, size_t count)
{
	if (count == 0)
		return;
	struct parts parts = parts_fit(rows, row_count, count);
	parts_spread(&parts, points, rows, row_count);
	if (!insert_all(points, count))
		sort_by_digits(points, scratch, count);
}

void points_sort(struct store_point *points, struct store_point *scratch, size_t count)
{
	struct points_row row = { points, count };
	if (count == 0)
		return;
	points_gather(scratch, points, &row, 1, count);
	memcpy(points, scratch, count * sizeof(*points));
}
