/*
 * Owns: sorting of points.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/point.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { DIGIT_BITS_MIN = 6, DIGIT_BITS_MAX = 12, DIGIT_VALUES_MAX = 1 << DIGIT_BITS_MAX };
/* 11 digits of 6 bits hold the 63 bits of a user. */
enum { DIGITS_MAX = 11 };
/* Moves that insertion may make for each point before a general sort takes over. */
enum { MOVES_A_POINT_MAX = 8 };
/* A pair is so many bits of a user, and as many that say where the point lies. */
enum { PAIR_BITS = 32 };
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

static unsigned bits_of(uint64_t value)
{
	return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

/* How users are cut into digits: only as far as these users differ. */
struct digits {
	uint64_t least; /* of the users */
	unsigned shift; /* lower bits are left out */
	unsigned count;
	unsigned bits; /* of each */
};

/* Of the `bits_max` highest bits in which they differ. */
static struct digits digits_fit(const struct store_point *points, size_t count, unsigned bits_max)
{
	uint64_t least = points[0].user.value, most = least;
	for (size_t i = 1; i < count; i++) {
		uint64_t user = points[i].user.value;
		least = user < least ? user : least;
		most = user > most ? user : most;
	}
	unsigned bits = bits_of(most - least);
	unsigned shift = bits > bits_max ? bits - bits_max : 0;
	/* No more values than points: they are counted and summed, too. */
	unsigned most_bits = bits_of(count);
	most_bits = most_bits < DIGIT_BITS_MIN	 ? DIGIT_BITS_MIN
		    : most_bits > DIGIT_BITS_MAX ? DIGIT_BITS_MAX
						 : most_bits;
	unsigned digits = (bits - shift + most_bits - 1) / most_bits;
	return (struct digits){ least, shift, digits,
				digits == 0 ? 0 : (bits - shift + digits - 1) / digits };
}

static _Thread_local uint32_t counts[DIGITS_MAX][DIGIT_VALUES_MAX];

static void counts_clear(const struct digits *digits)
{
	for (unsigned digit = 0; digit < digits->count; digit++)
		memset(counts[digit], 0, sizeof(counts[0][0]) << digits->bits);
}

/* Of each value, where those that have it begin. */
static void counts_sum(const struct digits *digits)
{
	for (unsigned digit = 0; digit < digits->count; digit++) {
		uint32_t start = 0;
		for (unsigned value = 0; value < 1u << digits->bits; value++) {
			uint32_t here = counts[digit][value];
			counts[digit][value] = start;
			start += here;
		}
	}
}

/* ---- pairs ---------------------------------------------------------------------------------- */

/*
 * Of each point the place where it lies and, above, the highest bits in which users differ. Moving these
 * eight bytes by digits and the point itself once costs less than moving points, and than comparing.
 */
static void pairs_fill(const struct digits *digits, uint64_t *pairs, const struct store_point *points,
		       size_t count)
{
	uint32_t mask = (1u << digits->bits) - 1;
	counts_clear(digits);
	for (size_t i = 0; i < count; i++) {
		uint64_t user = (points[i].user.value - digits->least) >> digits->shift;
		pairs[i] = user << PAIR_BITS | i;
		for (unsigned digit = 0; digit < digits->count; digit++) {
			counts[digit][user & mask]++;
			user >>= digits->bits;
		}
	}
	counts_sum(digits);
}

/* Returns which of both has them in order. */
static const uint64_t *pairs_sort(const struct digits *digits, uint64_t *from, uint64_t *to, size_t count)
{
	uint32_t mask = (1u << digits->bits) - 1;
	for (unsigned digit = 0; digit < digits->count; digit++) {
		unsigned shift = PAIR_BITS + digit * digits->bits;
		for (size_t i = 0; i < count; i++)
			to[counts[digit][from[i] >> shift & mask]++] = from[i];
		uint64_t *sorted = to;
		to = from;
		from = sorted;
	}
	return from;
}

_Static_assert(sizeof(struct store_point) >= 2 * sizeof(uint64_t), "the scratch holds two pairs a point");

/* ---- points --------------------------------------------------------------------------------- */

static uint32_t digit_of(const struct digits *digits, uint64_t user, unsigned digit)
{
	return (uint32_t)((user - digits->least) >> (digit * digits->bits)) &
	       ((1u << digits->bits) - 1);
}

/* By all bits of users. */
static void sort_by_user(struct store_point *points, struct store_point *scratch, size_t count)
{
	struct digits digits = digits_fit(points, count, 64);
	counts_clear(&digits);
	for (size_t i = 0; i < count; i++)
		for (unsigned digit = 0; digit < digits.count; digit++)
			counts[digit][digit_of(&digits, points[i].user.value, digit)]++;
	counts_sum(&digits);
	struct store_point *from = points, *to = scratch;
	for (unsigned digit = 0; digit < digits.count; digit++) {
		for (size_t i = 0; i < count; i++)
			to[counts[digit][digit_of(&digits, from[i].user.value, digit)]++] = from[i];
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

void points_sort(struct store_point *points, struct store_point *scratch, size_t count)
{
	if (count > 0)
		sort_by_digits(points, scratch, count);
}

void points_sort_to(struct store_point *points, struct store_point *scratch,
		    const struct store_point *from, size_t count)
{
	check(count <= UINT32_MAX);
	if (count == 0)
		return;
	uint64_t *pairs = (uint64_t *)scratch;
	struct digits digits = digits_fit(from, count, PAIR_BITS);
	pairs_fill(&digits, pairs, from, count);
	const uint64_t *sorted = pairs_sort(&digits, pairs, pairs + count, count);
	for (size_t i = 0; i < count; i++)
		points[i] = from[(uint32_t)sorted[i]];
	/* Those whose highest bits are alike are few, but for users that lie far apart and close together. */
	if (!insert_all(points, count))
		sort_by_digits(points, scratch, count);
}

/* ---- rows ----------------------------------------------------------------------------------- */

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
		if (rows[row].count == 0)
			continue;
		uint64_t first = rows[row].points[0].user.value;
		uint64_t last = rows[row].points[rows[row].count - 1].user.value;
		least = first < least ? first : least;
		most = last > most ? last : most;
	}
	unsigned bits = bits_of(most - least), part_bits = bits_of(count);
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

void points_merge(struct store_point *points, struct store_point *scratch,
		  const struct points_row *rows, uint32_t row_count, size_t count)
{
	if (count == 0)
		return;
	struct parts parts = parts_fit(rows, row_count, count);
	parts_spread(&parts, points, rows, row_count);
	if (!insert_all(points, count))
		sort_by_digits(points, scratch, count);
}
