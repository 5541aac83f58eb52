/*
 * Owns: encoding and decoding of blocks.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "store/block.h"

#include "base/check.h"
#include "store/bits.h"
#include "store/point.h"

#include <errno.h>

enum { BLOCK_FORM = 1, SUM_BYTES = 4, COUNT_AT = SUM_BYTES + 1, HEAD_BYTES = COUNT_AT + 2 };
enum { UNIT_BITS = 3, PARAMETER_BITS = 5, PARAMETER_MAX = (1 << PARAMETER_BITS) - 1 };
enum { STEP_SAMPLES_MAX = 15 };
/* A block of a walker holds fewer points; more are only looked at when these fit. */
enum { FIT_FIRST = 512 };
/* So many lengths are sorted sooner than counted. */
enum { FEW = 8 };

static const int64_t place_units[1 << UNIT_BITS] = { 1,	    10,	    100,     1000,
						     10000, 100000, 1000000, 10000000 };
static const int64_t time_units[2] = { 1, 1000 };

static uint64_t fold(int64_t value)
{
	return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static int64_t unfold(uint64_t folded)
{
	return (int64_t)(folded >> 1 ^ (0 - (folded & 1)));
}

/* Differences and sums wrap: any 64-bit times come back as they were. */
static int64_t difference(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t sum(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static uint32_t checksum(const uint8_t *bytes, size_t length)
{
	uint64_t hash = length;
	for (size_t at = 0; at < length; at += sizeof(uint64_t)) {
		uint64_t word = 0;
		memcpy(&word, bytes + at, length - at < sizeof(word) ? length - at : sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 32;
	}
	return (uint32_t)hash;
}

void block_seal(void *bytes, size_t length)
{
	check(length >= SUM_BYTES);
	uint32_t hash = checksum((uint8_t *)bytes + SUM_BYTES, length - SUM_BYTES);
	memcpy(bytes, &hash, sizeof(hash));
}

/* ---- encoding ------------------------------------------------------------------------------- */

/* How the further points of a run are written. */
struct columns {
	unsigned place_unit;
	unsigned time_unit;
	int64_t usual_step; /* in time units */
	unsigned parameters[3];
	uint64_t (*values)[3]; /* of further point i: folded time, latitude, longitude */
	uint64_t most[3];      /* not less than any value of the column */
};

/* By constants, as a division by a number that is not known takes many times as long. */
static bool unit_divides(int64_t value, unsigned unit)
{
	switch (unit) {
	case 0:
		return true;
	case 1:
		return value % 10 == 0;
	case 2:
		return value % 100 == 0;
	case 3:
		return value % 1000 == 0;
	case 4:
		return value % 10000 == 0;
	default:
		return value % place_units[unit] == 0;
	}
}

static bool all_divide(const struct store_point *points, uint32_t count, unsigned unit)
{
	for (uint32_t i = 1; i < count; i++) {
		const struct nearby_place *a = &points[i - 1].place, *b = &points[i].place;
		if (!unit_divides((int64_t)b->lat_e7 - a->lat_e7, unit) ||
		    !unit_divides((int64_t)b->lon_e7 - a->lon_e7, unit))
			return false;
	}
	return true;
}

static unsigned place_unit_of(const struct store_point *points, uint32_t count)
{
	unsigned unit = 0;
	while (unit + 1 < ARRAY_COUNT(place_units) && all_divide(points, count, unit + 1))
		unit++;
	return unit;
}

static unsigned time_unit_of(const struct store_point *points, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
		if (difference(points[i].ts_ms, points[i - 1].ts_ms) % time_units[1] != 0)
			return 0;
	return 1;
}

/* The middle one of some steps, so that a gap does not count; 0 of a single point. */
static int64_t usual_step_of(const struct store_point *points, uint32_t count)
{
	int64_t steps[STEP_SAMPLES_MAX] = { 0 };
	uint32_t stride = (count - 1 + STEP_SAMPLES_MAX - 1) / STEP_SAMPLES_MAX;
	uint32_t taken = 0;
	for (uint32_t i = 1; i < count; i += stride) {
		int64_t step = difference(points[i].ts_ms, points[i - 1].ts_ms);
		uint32_t hole = taken++;
		for (; hole > 0 && steps[hole - 1] > step; hole--)
			steps[hole] = steps[hole - 1];
		steps[hole] = step;
	}
	return taken == 0 ? 0 : steps[taken / 2];
}

/* The middle of a few lengths, or somewhat more: below it are three of five. */
static unsigned length_of_few(const uint64_t (*values)[3], uint32_t count, unsigned column)
{
	unsigned lengths[FEW];
	for (uint32_t i = 0; i < count; i++) {
		unsigned length = bits_length(values[i][column]);
		uint32_t hole = i;
		for (; hole > 0 && lengths[hole - 1] > length; hole--)
			lengths[hole] = lengths[hole - 1];
		lengths[hole] = length;
	}
	return lengths[(count * 3 + 4) / 5 - 1];
}

/* Three at once, as each count waits for the one before it. */
static void lengths_of_many(const uint64_t (*values)[3], uint32_t count, unsigned of[3])
{
	uint32_t lengths[3][65] = { { 0 } };
	for (uint32_t i = 0; i < count; i++)
		for (unsigned column = 0; column < 3; column++)
			lengths[column][bits_length(values[i][column])]++;
	for (unsigned column = 0; column < 3; column++) {
		unsigned length = 0;
		for (uint32_t below = lengths[column][0]; below * 5 < count * 3;
		     below += lengths[column][length])
			length++;
		of[column] = length;
	}
}

/* The least power of two above three values of five: near the best, and deaf to outliers. */
static void parameters_fit(struct columns *columns, uint32_t count)
{
	const uint64_t(*values)[3] = (const uint64_t(*)[3])columns->values;
	if (count <= FEW)
		for (unsigned column = 0; column < 3; column++)
			columns->parameters[column] = length_of_few(values, count, column);
	else
		lengths_of_many(values, count, columns->parameters);
	for (unsigned column = 0; column < 3; column++)
		if (columns->parameters[column] > PARAMETER_MAX)
			columns->parameters[column] = PARAMETER_MAX;
}

static int64_t in_units(int64_t value, int64_t unit)
{
	return unit == 1 ? value : value / unit;
}

/* Fits the columns to `count` points of one user; at least two. */
static void columns_fit(struct columns *columns, const struct store_point *points, uint32_t count)
{
	columns->place_unit = place_unit_of(points, count);
	columns->time_unit = time_unit_of(points, count);
	int64_t place_unit = place_units[columns->place_unit],
		time_unit = time_units[columns->time_unit];
	columns->usual_step = in_units(usual_step_of(points, count), time_unit);
	memset(columns->most, 0, sizeof(columns->most));
	for (uint32_t i = 1; i < count; i++) {
		const struct store_point *a = &points[i - 1], *b = &points[i];
		int64_t step = in_units(difference(b->ts_ms, a->ts_ms), time_unit);
		int64_t north = (int64_t)b->place.lat_e7 - a->place.lat_e7;
		int64_t east = (int64_t)b->place.lon_e7 - a->place.lon_e7;
		uint64_t *values = columns->values[i - 1];
		values[0] = fold(difference(step, columns->usual_step));
		values[1] = fold(in_units(north, place_unit));
		values[2] = fold(in_units(east, place_unit));
		for (unsigned column = 0; column < 3; column++)
			columns->most[column] |= values[column];
	}
	parameters_fit(columns, count - 1);
}

/* A run as it is to be written: its head's numbers. */
struct run_head {
	uint64_t user_step;
	uint64_t time_step; /* folded */
};

static uint32_t head_cost(const struct run_head *head)
{
	return bits_number_cost(head->user_step) + 1 + bits_number_cost(head->time_step) + 64;
}

static uint32_t columns_cost(const struct columns *columns, uint32_t further)
{
	return bits_number_cost(further) + UNIT_BITS + 1 +
	       bits_number_cost(fold(columns->usual_step)) + 3 * PARAMETER_BITS;
}

/* Whether all fit even if each were as long as the longest: nearly always, and soon known. */
static bool all_fit(const struct columns *columns, uint32_t further, uint32_t room)
{
	uint64_t each = 0;
	for (unsigned column = 0; column < 3; column++)
		each += bits_rice_cost(columns->most[column], columns->parameters[column]);
	return columns_cost(columns, further) + further * each <= room;
}

/* How many of `further` points fit into so many bits. */
static uint32_t further_that_fit(const struct columns *columns, uint32_t further, uint32_t room)
{
	if (all_fit(columns, further, room))
		return further;
	uint32_t cost = columns_cost(columns, further);
	for (uint32_t i = 0; i < further; i++) {
		for (unsigned column = 0; column < 3; column++)
			cost += bits_rice_cost(columns->values[i][column],
					       columns->parameters[column]);
		if (cost > room)
			return i;
	}
	return further;
}

static void put_head(struct bits_out *out, const struct run_head *head,
		     const struct store_point *first, bool has_further)
{
	bits_put_number(out, head->user_step);
	bits_put(out, has_further, 1);
	bits_put_number(out, head->time_step);
	bits_put(out, (uint32_t)first->place.lat_e7, 32);
	bits_put(out, (uint32_t)first->place.lon_e7, 32);
}

static void put_further(struct bits_out *out, const struct columns *columns, uint32_t further)
{
	bits_put_number(out, further);
	bits_put(out, columns->place_unit, UNIT_BITS);
	bits_put(out, columns->time_unit, 1);
	bits_put_number(out, fold(columns->usual_step));
	for (unsigned column = 0; column < 3; column++)
		bits_put(out, columns->parameters[column], PARAMETER_BITS);
	for (uint32_t i = 0; i < further; i++)
		bits_put_rice_3(out, columns->values[i], columns->parameters);
}

static uint32_t run_length(const struct store_point *points, size_t count)
{
	uint32_t length = 1;
	while (length < count && user_id_equal(points[length].user, points[0].user))
		length++;
	return length;
}

struct encoder {
	struct bits_out out;
	const uint8_t *start;
	uint32_t room; /* bits */
	uint64_t user; /* of the run before */
	int64_t ts_ms; /* of the first point of the run before */
	struct columns columns;
};

/* Fits columns to points of one user; returns how many after the first fit the block. */
static uint32_t run_fit(struct encoder *encoder, const struct store_point *points, uint32_t count)
{
	columns_fit(&encoder->columns, points, count);
	return further_that_fit(&encoder->columns, count - 1, encoder->room);
}

/* Writes as many points of one user as fit, and returns how many. */
static uint32_t run_encode(struct encoder *encoder, const struct store_point *points,
			   uint32_t count)
{
	struct run_head head = { .user_step = points[0].user.value - encoder->user,
				 .time_step = fold(difference(points[0].ts_ms, encoder->ts_ms)) };
	uint32_t cost = head_cost(&head);
	if (cost > encoder->room)
		return 0;
	encoder->room -= cost;
	uint32_t further = 0;
	if (count > 1) {
		uint32_t tried = count < FIT_FIRST ? count : FIT_FIRST;
		further = run_fit(encoder, points, tried);
		if (further == tried - 1 && tried < count)
			further = run_fit(encoder, points, count);
	}
	put_head(&encoder->out, &head, &points[0], further > 0);
	if (further > 0) {
		size_t before = bits_written(&encoder->out, encoder->start);
		put_further(&encoder->out, &encoder->columns, further);
		encoder->room -= (uint32_t)(bits_written(&encoder->out, encoder->start) - before);
	}
	encoder->user = points[0].user.value;
	encoder->ts_ms = points[0].ts_ms;
	return 1 + further;
}

uint32_t block_encode(const struct store_point *points, size_t count,
		      uint8_t bytes[BLOCK_BUFFER_BYTES], size_t *length)
{
	check(count > 0);
	uint64_t values[BLOCK_POINTS_MAX][3];
	struct encoder encoder = { .out = { .at = bytes + HEAD_BYTES },
				   .start = bytes,
				   .room = (BLOCK_BYTES_MAX - HEAD_BYTES) * 8,
				   .columns = { .values = values } };
	if (count > BLOCK_POINTS_MAX)
		count = BLOCK_POINTS_MAX;
	uint32_t done = 0;
	while (done < count) {
		uint32_t wanted = run_length(points + done, count - done);
		uint32_t taken = run_encode(&encoder, points + done, wanted);
		done += taken;
		if (taken < wanted)
			break;
	}
	check(done > 0);
	bits_put(&encoder.out, 0, 7); /* fills up the last byte */
	*length = (size_t)(encoder.out.at - bytes);
	bytes[SUM_BYTES] = BLOCK_FORM;
	memcpy(bytes + COUNT_AT, &(uint16_t){ (uint16_t)done }, sizeof(uint16_t));
	block_seal(bytes, *length);
	return done;
}

/* ---- decoding ------------------------------------------------------------------------------- */

static int32_t take_place(struct bits_in *in)
{
	return (int32_t)(uint32_t)bits_take(in, 32);
}

/* Adds a step; false when it leaves the range of a place, as no encoder does. */
static bool place_step(int32_t *at, int64_t units, int64_t unit)
{
	int64_t step;
	if (__builtin_mul_overflow(units, unit, &step) || step > UINT32_MAX ||
	    step < -(int64_t)UINT32_MAX)
		return false;
	int64_t next = *at + step;
	if (next < INT32_MIN || next > INT32_MAX)
		return false;
	*at = (int32_t)next;
	return true;
}

static void take_columns(struct bits_in *in, struct columns *columns)
{
	columns->place_unit = (unsigned)bits_take(in, UNIT_BITS);
	columns->time_unit = (unsigned)bits_take(in, 1);
	columns->usual_step = unfold(bits_take_number(in));
	for (unsigned column = 0; column < 3; column++)
		columns->parameters[column] = (unsigned)bits_take(in, PARAMETER_BITS);
}

/* Reads the points after points[0]. */
static bool take_further(struct bits_in *in, struct store_point *points, uint64_t further)
{
	struct columns columns;
	take_columns(in, &columns);
	int64_t place_unit = place_units[columns.place_unit],
		time_unit = time_units[columns.time_unit];
	for (uint64_t i = 0; i < further; i++) {
		struct store_point point = points[i];
		uint64_t values[3];
		bits_take_rice_3(in, columns.parameters, values);
		int64_t step = sum(unfold(values[0]), columns.usual_step);
		int64_t north = unfold(values[1]), east = unfold(values[2]);
		point.ts_ms = sum(point.ts_ms, (int64_t)((uint64_t)step * (uint64_t)time_unit));
		if (!place_step(&point.place.lat_e7, north, place_unit) ||
		    !place_step(&point.place.lon_e7, east, place_unit) || bits_in_is_over(in) ||
		    point.ts_ms < points[i].ts_ms)
			return false;
		points[i + 1] = point;
	}
	return true;
}

/* Reads a run with room for `room` points, after a run that began with `before`. */
static uint32_t run_decode(struct bits_in *in, const struct store_point *before,
			   struct store_point *points, uint32_t room)
{
	uint64_t user_step = bits_take_number(in);
	bool has_further = bits_take(in, 1);
	points[0].user.value = before->user.value + user_step;
	points[0].ts_ms = sum(before->ts_ms, unfold(bits_take_number(in)));
	points[0].place.lat_e7 = take_place(in);
	points[0].place.lon_e7 = take_place(in);
	if (bits_in_is_over(in) || user_step > USER_ID_MAX || points[0].user.value > USER_ID_MAX)
		return 0;
	if (!has_further)
		return 1;
	uint64_t further = bits_take_number(in);
	if (further >= room || !take_further(in, points, further))
		return 0;
	return (uint32_t)further + 1;
}

int block_decode(const void *bytes, size_t length, struct store_point points[BLOCK_POINTS_MAX],
		 uint32_t *count)
{
	const uint8_t *head = bytes;
	uint32_t hash;
	uint16_t wanted;
	if (length < HEAD_BYTES || length > BLOCK_BYTES_MAX || head[SUM_BYTES] != BLOCK_FORM)
		return -EBADMSG;
	memcpy(&hash, head, sizeof(hash));
	memcpy(&wanted, head + COUNT_AT, sizeof(wanted));
	if (hash != checksum(head + SUM_BYTES, length - SUM_BYTES) || wanted == 0 ||
	    wanted > BLOCK_POINTS_MAX)
		return -EBADMSG;
	struct bits_in in = { .bytes = head + HEAD_BYTES, .length = length - HEAD_BYTES };
	struct store_point before = { .ts_ms = 0 };
	uint32_t done = 0;
	while (done < wanted) {
		uint32_t taken = run_decode(&in, &before, points + done, wanted - done);
		if (taken == 0 || (done > 0 && user_id_equal(points[done].user, before.user)))
			return -EBADMSG;
		before = points[done];
		done += taken;
	}
	*count = done;
	return 0;
}
