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

enum { FORM_OLD = 1, FORM = 2 };
enum { SUM_BYTES = 4, FORM_AT = SUM_BYTES, COUNT_AT = FORM_AT + 1, HEAD_BYTES = COUNT_AT + 2 };
enum { UNIT_BITS = 3, PARAMETER_BITS = 5, PARAMETER_MAX = (1 << PARAMETER_BITS) - 1 };
enum { USER_BITS_BITS = 6, PLACE_BITS = 64 };
enum { STEP_SAMPLES = 9 };
/* The heads of a block are judged by its first ones, looked for among so many points. */
enum { HEAD_SAMPLES_MAX = 8, HEAD_SAMPLE_POINTS = 256 };
/* A block of a walker holds fewer points; more are only looked at when these fit. */
enum { FIT_FIRST = 512 };

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

static uint64_t hash_step(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

/* One after the other; what is left at the end counts as a word. */
static uint64_t hash_rest(uint64_t hash, const uint8_t *bytes, size_t length)
{
	uint64_t word = 0;
	for (; length >= sizeof(word); bytes += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = hash_step(hash, word);
	}
	if (length == 0)
		return hash;
	word = 0;
	memcpy(&word, bytes, length);
	return hash_step(hash, word);
}

/* Four at once, as each step waits for the one before it. */
static uint32_t checksum(const uint8_t *bytes, size_t length)
{
	uint64_t a = length, b = 1, c = 2, d = 3, words[4];
	for (; length >= sizeof(words); bytes += sizeof(words), length -= sizeof(words)) {
		memcpy(words, bytes, sizeof(words));
		a = hash_step(a, words[0]);
		b = hash_step(b, words[1]);
		c = hash_step(c, words[2]);
		d = hash_step(d, words[3]);
	}
	a = hash_rest(a, bytes, length);
	return (uint32_t)hash_step(hash_step(hash_step(a, b), c), d);
}

static uint32_t checksum_of(const uint8_t *block, size_t length)
{
	const uint8_t *bytes = block + SUM_BYTES;
	length -= SUM_BYTES;
	return length > 0 && bytes[0] == FORM_OLD ? (uint32_t)hash_rest(length, bytes, length)
						  : checksum(bytes, length);
}

void block_seal(void *bytes, size_t length)
{
	check(length >= SUM_BYTES);
	uint32_t hash = checksum_of(bytes, length);
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

/* Without a branch, as none could be foreseen. */
static int64_t middle_of(int64_t a, int64_t b, int64_t c)
{
	int64_t least = a < b ? a : b, most = a < b ? b : a;
	int64_t rest = c < most ? c : most;
	return rest > least ? rest : least;
}

/* About the middle of all steps, so that a gap among many does not count: the middle one of three, each the middle
 * one of three steps. At least two points. */
static int64_t usual_step_of(const struct store_point *points, uint32_t count)
{
	int64_t middles[3];
	uint64_t at = 0, stride = ((uint64_t)(count - 2) << 16) / (STEP_SAMPLES - 1);
	for (unsigned i = 0; i < ARRAY_COUNT(middles); i++) {
		int64_t steps[STEP_SAMPLES / ARRAY_COUNT(middles)];
		for (unsigned k = 0; k < ARRAY_COUNT(steps); k++, at += stride) {
			const struct store_point *point = &points[at >> 16];
			steps[k] = difference(point[1].ts_ms, point[0].ts_ms);
		}
		middles[i] = middle_of(steps[0], steps[1], steps[2]);
	}
	return middle_of(middles[0], middles[1], middles[2]);
}

/* The mean of the values' lengths, whose sums these are: near the best, and nearly deaf to outliers. */
static void parameters_fit(struct columns *columns, const uint32_t lengths[3], uint32_t count)
{
	for (unsigned column = 0; column < 3; column++) {
		unsigned mean = lengths[column] / count;
		columns->parameters[column] = mean < PARAMETER_MAX ? mean : PARAMETER_MAX;
	}
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
	uint32_t lengths[3] = { 0 };
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
		lengths[0] += bits_length(values[0]);
		lengths[1] += bits_length(values[1]);
		lengths[2] += bits_length(values[2]);
	}
	parameters_fit(columns, lengths, count - 1);
}

/* What heads of runs are told by: that of the run before, and how many bits are usual. */
struct heads {
	uint64_t user;
	int64_t ts_ms;		/* of the first point */
	unsigned user_bits;	/* of a low part */
	unsigned parameters[2]; /* that of high parts is 0 */
};

/*
 * A head's numbers: the high part of twice the step to the user, which is in its lowest bit whether there are
 * further points; and the step of time. The low part of the former may be long, as users may be any numbers.
 */
struct head {
	uint64_t values[2];
	uint64_t low;
};

static struct head head_of(const struct heads *heads, const struct store_point *first,
			   bool has_further)
{
	uint64_t user = (first->user.value - heads->user) << 1 | has_further;
	return (struct head){ { user >> heads->user_bits,
				fold(difference(first->ts_ms, heads->ts_ms)) },
			      user & (((uint64_t)1 << heads->user_bits) - 1) };
}

static uint32_t head_cost(const struct heads *heads, const struct head *head)
{
	return bits_rices_cost(head->values, heads->parameters, 2) + heads->user_bits + PLACE_BITS;
}

static uint32_t columns_cost(const struct columns *columns, uint32_t further)
{
	return bits_number_cost(further) + UNIT_BITS + 1 +
	       bits_number_cost(fold(columns->usual_step)) + 3 * PARAMETER_BITS;
}

/* Whether all fit even if each were as long as the longest: nearly always, and soon known. */
static bool all_fit(const struct columns *columns, uint32_t further, uint32_t room)
{
	uint64_t each = bits_rices_cost(columns->most, columns->parameters, 3);
	if (each < BITS_MAX)
		each = BITS_MAX;
	return columns_cost(columns, further) + further * each <= room;
}

/* How many of `further` points fit into so many bits. */
static uint32_t further_that_fit(const struct columns *columns, uint32_t further, uint32_t room)
{
	if (all_fit(columns, further, room))
		return further;
	uint32_t cost = columns_cost(columns, further);
	for (uint32_t i = 0; i < further; i++) {
		cost += bits_rices_cost(columns->values[i], columns->parameters, 3);
		if (cost > room)
			return i;
	}
	return further;
}

static inline void put_head(struct bits_out *out, const struct heads *heads, const struct head *head,
			    const struct nearby_place *place)
{
	bits_put_rices(out, head->values, heads->parameters, 2);
	bits_put(out, head->low, heads->user_bits);
	bits_put_64(out, (uint32_t)place->lat_e7 | (uint64_t)(uint32_t)place->lon_e7 << 32);
}

/* Out of line, as it is rare. */
static __attribute__((noinline)) struct bits_out put_escaped_second(struct bits_out out,
								    const uint64_t values[3])
{
	bits_put_number(&out, 1);
	for (unsigned i = 0; i < 3; i++)
		bits_put_number(&out, values[i]);
	return out;
}

/* That there is one further point, and its steps. */
static inline __attribute__((always_inline)) void put_second(struct bits_out *out, const uint64_t values[3])
{
	if (((values[0] | values[1] | values[2]) >> BITS_SMALL_MAX) == 0) {
		bits_put_two_small(out, 1, values[0]);
		bits_put_two_small(out, values[1], values[2]);
	} else {
		*out = put_escaped_second(*out, values);
	}
}

static struct bits_out put_further(struct bits_out out, const struct columns *columns,
				   uint32_t further)
{
	if (further == 1) {
		put_second(&out, columns->values[0]);
		return out;
	}
	bits_put_number(&out, further);
	bits_put(&out, columns->place_unit, UNIT_BITS);
	bits_put(&out, columns->time_unit, 1);
	bits_put_number(&out, fold(columns->usual_step));
	for (unsigned column = 0; column < 3; column++)
		bits_put(&out, columns->parameters[column], PARAMETER_BITS);
	for (uint32_t i = 0; i < further; i++)
		bits_put_rices(&out, columns->values[i], columns->parameters, 3);
	return out;
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
	struct heads heads;
	struct columns columns;
};

/* Fits columns to points of one user; returns how many after the first fit the block. */
static uint32_t run_fit(struct encoder *encoder, const struct store_point *points, uint32_t count)
{
	columns_fit(&encoder->columns, points, count);
	return further_that_fit(&encoder->columns, count - 1, encoder->room);
}

/* What tells the second of two points by the first. */
static void pair_of(const struct store_point *points, uint64_t values[3])
{
	values[0] = fold(difference(points[1].ts_ms, points[0].ts_ms));
	values[1] = fold((int64_t)points[1].place.lat_e7 - points[0].place.lat_e7);
	values[2] = fold((int64_t)points[1].place.lon_e7 - points[0].place.lon_e7);
}

static uint32_t pair_cost(const uint64_t values[3])
{
	return bits_number_cost(1) + bits_number_cost(values[0]) + bits_number_cost(values[1]) +
	       bits_number_cost(values[2]);
}

/* How many of these points of one user fit after the first, when so many bits are left for them. */
static uint32_t further_fit(struct encoder *encoder, const struct store_point *points,
			    uint32_t count)
{
	if (count == 1)
		return 0;
	if (count == 2) {
		pair_of(points, encoder->columns.values[0]);
		return pair_cost(encoder->columns.values[0]) <= encoder->room;
	}
	uint32_t tried = count < FIT_FIRST ? count : FIT_FIRST;
	uint32_t further = run_fit(encoder, points, tried);
	if (further == tried - 1 && tried < count)
		further = run_fit(encoder, points, count);
	/* One alone is told in another way, which may take more. */
	return further > 1 ? further : 0;
}

/* Writes as many points of one user as fit, and returns how many. */
static uint32_t run_encode(struct encoder *encoder, const struct store_point *points,
			   uint32_t count)
{
	struct heads *heads = &encoder->heads;
	struct head head = head_of(heads, &points[0], false);
	uint32_t cost = head_cost(heads, &head);
	if (cost > encoder->room)
		return 0;
	encoder->room -= cost;
	uint32_t further = further_fit(encoder, points, count);
	head = head_of(heads, &points[0], further > 0);
	put_head(&encoder->out, heads, &head, &points[0].place);
	if (further > 0) {
		size_t before = bits_written(&encoder->out, encoder->start);
		encoder->out = put_further(encoder->out, &encoder->columns, further);
		encoder->room -= (uint32_t)(bits_written(&encoder->out, encoder->start) - before);
	}
	heads->user = points[0].user.value;
	heads->ts_ms = points[0].ts_ms;
	return 1 + further;
}

/* Writes the next points while their users have one or two and these fit, and returns how many. By copies, which
 * stay in registers. */
static uint32_t few_encode(struct encoder *encoder, const struct store_point *points, uint32_t count)
{
	struct heads heads = encoder->heads;
	struct bits_out out = encoder->out;
	uint32_t room = encoder->room, done = 0;
	while (done < count) {
		const struct store_point *point = &points[done];
		uint32_t left = count - done;
		bool is_pair = left > 1 && user_id_equal(point[1].user, point->user);
		if (is_pair && left > 2 && user_id_equal(point[2].user, point->user))
			break;
		uint64_t values[3];
		struct head head = head_of(&heads, point, is_pair);
		uint32_t cost = head_cost(&heads, &head);
		if (is_pair) {
			pair_of(point, values);
			cost += pair_cost(values);
		}
		if (cost > room)
			break;
		put_head(&out, &heads, &head, &point->place);
		if (is_pair)
			put_second(&out, values);
		room -= cost;
		heads.user = point->user.value;
		heads.ts_ms = point->ts_ms;
		done += 1 + is_pair;
	}
	encoder->heads = heads;
	encoder->out = out;
	encoder->room = room;
	return done;
}

/* Two of five of these lengths are below it: near the best for steps as they are between users. */
static unsigned head_parameter(unsigned *lengths, uint32_t count, unsigned most)
{
	for (uint32_t i = 1; i < count; i++) {
		unsigned length = lengths[i];
		uint32_t hole = i;
		for (; hole > 0 && lengths[hole - 1] > length; hole--)
			lengths[hole] = lengths[hole - 1];
		lengths[hole] = length;
	}
	unsigned parameter = count == 0 ? 0 : lengths[count * 2 / 5];
	return parameter < most ? parameter : most;
}

static void heads_fit(struct heads *heads, const struct store_point *points, uint32_t count)
{
	unsigned lengths[2][HEAD_SAMPLES_MAX];
	uint32_t samples = 0;
	struct heads last = *heads;
	if (count > HEAD_SAMPLE_POINTS)
		count = HEAD_SAMPLE_POINTS;
	for (uint32_t i = 1; i < count && samples < HEAD_SAMPLES_MAX; i++) {
		if (points[i].user.value == last.user)
			continue;
		struct head head = head_of(&last, &points[i], false);
		lengths[0][samples] = bits_length(head.values[0]);
		lengths[1][samples++] = bits_length(head.values[1]);
		last.user = points[i].user.value;
		last.ts_ms = points[i].ts_ms;
	}
	/* One at least, so that the lowest bit of a user's step costs the same, set or not. */
	unsigned user_bits = head_parameter(lengths[0], samples, BITS_MAX);
	heads->user_bits = user_bits > 0 ? user_bits : 1;
	heads->parameters[1] = head_parameter(lengths[1], samples, PARAMETER_MAX);
}

static void heads_encode(struct encoder *encoder, const struct store_point *points, uint32_t count)
{
	struct heads *heads = &encoder->heads;
	struct bits_out *out = &encoder->out;
	*heads = (struct heads){ .user = points[0].user.value, .ts_ms = points[0].ts_ms };
	heads_fit(heads, points, count);
	bits_put_number(out, heads->user);
	bits_put_number(out, fold(heads->ts_ms));
	bits_put(out, heads->user_bits, USER_BITS_BITS);
	bits_put(out, heads->parameters[1], PARAMETER_BITS);
	encoder->room -= (uint32_t)bits_written(out, encoder->start + HEAD_BYTES);
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
	heads_encode(&encoder, points, (uint32_t)count);
	uint32_t done = 0;
	while (done < count) {
		done += few_encode(&encoder, points + done, (uint32_t)count - done);
		if (done == count)
			break;
		uint32_t wanted = run_length(points + done, count - done);
		uint32_t taken = run_encode(&encoder, points + done, wanted);
		done += taken;
		if (taken < wanted)
			break;
	}
	check(done > 0);
	bits_put(&encoder.out, 0, 7); /* fills up the last byte */
	*length = (size_t)(encoder.out.at - bytes);
	bytes[FORM_AT] = FORM;
	memcpy(bytes + COUNT_AT, &(uint16_t){ (uint16_t)done }, sizeof(uint16_t));
	block_seal(bytes, *length);
	return done;
}

/* ---- decoding ------------------------------------------------------------------------------- */

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

static inline __attribute__((always_inline)) bool
take_steps(struct bits_in *bits, const struct columns *columns, uint8_t form,
	   struct store_point *points, uint64_t further)
{
	struct bits_in in = *bits;
	int64_t place_unit = place_units[columns->place_unit],
		time_unit = time_units[columns->time_unit];
	for (uint64_t i = 0; i < further; i++) {
		struct store_point point = points[i];
		uint64_t values[3];
		if (form == FORM)
			bits_take_rices(&in, columns->parameters, values, 3);
		else
			for (unsigned column = 0; column < 3; column++)
				values[column] = bits_take_rice(&in, columns->parameters[column]);
		int64_t step = sum(unfold(values[0]), columns->usual_step);
		int64_t north = unfold(values[1]), east = unfold(values[2]);
		point.ts_ms = sum(point.ts_ms, (int64_t)((uint64_t)step * (uint64_t)time_unit));
		if (!place_step(&point.place.lat_e7, north, place_unit) ||
		    !place_step(&point.place.lon_e7, east, place_unit) || bits_in_is_over(&in) ||
		    point.ts_ms < points[i].ts_ms)
			return false;
		points[i + 1] = point;
	}
	*bits = in;
	return true;
}

/* Reads the second of two points. */
static bool take_second(struct bits_in *in, struct store_point *points)
{
	points[1] = points[0];
	points[1].ts_ms = sum(points[0].ts_ms, unfold(bits_take_number(in)));
	int64_t north = unfold(bits_take_number(in)), east = unfold(bits_take_number(in));
	return place_step(&points[1].place.lat_e7, north, 1) &&
	       place_step(&points[1].place.lon_e7, east, 1) && !bits_in_is_over(in) &&
	       points[1].ts_ms >= points[0].ts_ms;
}

/* Reads the points after points[0]. */
static bool take_further(struct bits_in *in, uint8_t form, struct store_point *points,
			 uint64_t further)
{
	struct columns columns;
	if (form == FORM && further == 1)
		return take_second(in, points);
	take_columns(in, &columns);
	return form == FORM ? take_steps(in, &columns, FORM, points, further)
			    : take_steps(in, &columns, FORM_OLD, points, further);
}

/* Reads the first point of a run, and in *has_further whether it has more. False: none of a user. */
static inline __attribute__((always_inline)) bool
take_first(struct bits_in *in, const struct heads *heads, uint8_t form, struct store_point *first,
	   bool *has_further)
{
	uint64_t values[2], user;
	if (form == FORM_OLD) {
		user = bits_take_number(in);
		*has_further = bits_take(in, 1);
		values[1] = bits_take_number(in);
	} else {
		bits_take_rices(in, heads->parameters, values, 2);
		user = values[0] << heads->user_bits | bits_take(in, heads->user_bits);
		*has_further = user & 1;
		user >>= 1;
	}
	uint64_t place = bits_take_64(in);
	first->user.value = heads->user + user;
	first->ts_ms = sum(heads->ts_ms, unfold(values[1]));
	first->place.lat_e7 = (int32_t)(uint32_t)place;
	first->place.lon_e7 = (int32_t)(uint32_t)(place >> 32);
	return !bits_in_is_over(in) && user <= USER_ID_MAX && first->user.value <= USER_ID_MAX;
}

/* Reads, where there is one further point, that there is, and it; else it takes nothing that counts. */
static inline __attribute__((always_inline)) bool take_only_second(struct bits_in *in,
								   struct store_point *points)
{
	uint64_t further, step;
	if (!bits_take_two_small(in, &further, &step) || further != 1)
		return false;
	points[1] = points[0];
	points[1].ts_ms = sum(points[0].ts_ms, unfold(step));
	uint64_t north, east;
	return bits_take_two_small(in, &north, &east) &&
	       place_step(&points[1].place.lat_e7, unfold(north), 1) &&
	       place_step(&points[1].place.lon_e7, unfold(east), 1) && !bits_in_is_over(in) &&
	       points[1].ts_ms >= points[0].ts_ms;
}

/* Reads the next points while their users have one or two, and returns how many. By copies, which stay in
 * registers; what is wrong, or told at length, is left to be found again. */
static uint32_t few_decode(struct bits_in *bits, struct heads *of, struct store_point *points, uint32_t room)
{
	struct bits_in in = *bits, next = in;
	struct heads heads = *of;
	uint32_t done = 0;
	while (done < room) {
		struct store_point *point = &points[done];
		bool has_further;
		if (!take_first(&next, &heads, FORM, point, &has_further) ||
		    point->user.value == heads.user ||
		    (has_further && (done + 1 == room || !take_only_second(&next, point))))
			break;
		heads.user = point->user.value;
		heads.ts_ms = point->ts_ms;
		done += 1 + has_further;
		in = next;
	}
	*bits = in;
	*of = heads;
	return done;
}

/* Reads a run with room for `room` points; returns how many it has, 0 when it is none. */
static uint32_t run_decode(struct bits_in *in, struct heads *heads, uint8_t form,
			   struct store_point *points, uint32_t room)
{
	bool has_further;
	if (!take_first(in, heads, form, points, &has_further))
		return 0;
	heads->user = points[0].user.value;
	heads->ts_ms = points[0].ts_ms;
	if (!has_further)
		return 1;
	uint64_t further = bits_take_number(in);
	if (further >= room || !take_further(in, form, points, further))
		return 0;
	return (uint32_t)further + 1;
}

/* False: no parameters. */
static bool take_heads(struct bits_in *in, uint8_t form, struct heads *heads)
{
	*heads = (struct heads){ .user = 0 };
	if (form == FORM_OLD)
		return true;
	heads->user = bits_take_number(in);
	heads->ts_ms = unfold(bits_take_number(in));
	heads->user_bits = (unsigned)bits_take(in, USER_BITS_BITS);
	heads->parameters[1] = (unsigned)bits_take(in, PARAMETER_BITS);
	return heads->user <= USER_ID_MAX && heads->user_bits <= BITS_MAX;
}

static bool head_is_right(const uint8_t *block, size_t length, uint16_t *count)
{
	uint32_t hash;
	if (length < HEAD_BYTES || length > BLOCK_BYTES_MAX ||
	    (block[FORM_AT] != FORM && block[FORM_AT] != FORM_OLD))
		return false;
	memcpy(&hash, block, sizeof(hash));
	memcpy(count, block + COUNT_AT, sizeof(*count));
	return hash == checksum_of(block, length) && *count > 0 && *count <= BLOCK_POINTS_MAX;
}

int block_decode(const void *bytes, size_t length, struct store_point points[BLOCK_POINTS_MAX],
		 uint32_t *count)
{
	const uint8_t *block = bytes;
	uint16_t wanted;
	if (!head_is_right(block, length, &wanted))
		return -EBADMSG;
	struct bits_in in = { .bytes = block + HEAD_BYTES, .length = length - HEAD_BYTES };
	uint8_t form = block[FORM_AT];
	struct heads heads;
	if (!take_heads(&in, form, &heads))
		return -EBADMSG;
	uint32_t done = run_decode(&in, &heads, form, points, wanted), taken = done;
	while (taken > 0 && done < wanted) {
		if (form == FORM)
			done += few_decode(&in, &heads, points + done, wanted - done);
		if (done == wanted)
			break;
		uint64_t user = heads.user;
		taken = run_decode(&in, &heads, form, points + done, wanted - done);
		if (points[done].user.value == user)
			return -EBADMSG;
		done += taken;
	}
	*count = done;
	return taken > 0 ? 0 : -EBADMSG;
}
