/*
 * Owns: streams of bits, the lowest of each byte first.
 * Invariant: a reader never reads past its end; it gives zeros there and `bits_in_is_over` says so.
 * Thread: the caller's.
 * Does not know: what the numbers mean.
 *
 * In the header, as a point of history is a dozen of these calls.
 */
#ifndef NEARBY_STORE_BITS_H
#define NEARBY_STORE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Most bits that one put or take can move. */
#define BITS_MAX 56
#define BITS_LENGTH_BITS 7
/* Longest row of a Rice code, and parameters of some that are put together. */
#define RICE_ESCAPE 24
#define RICE_PARAMETER_MAX 31
/* Rows of some that are put together are below this power of two. */
#define RICE_SHORT 16

/* The caller sees to it that 8 bytes more than the stream fit. */
struct bits_out {
	uint8_t *at;
	uint64_t held;
	unsigned held_count;
};

static inline void bits_put(struct bits_out *out, uint64_t value, unsigned count)
{
	out->held |= value << out->held_count;
	out->held_count += count;
	memcpy(out->at, &out->held, sizeof(out->held));
	out->at += out->held_count / 8;
	out->held >>= out->held_count & ~7u;
	out->held_count &= 7;
}

static inline void bits_put_64(struct bits_out *out, uint64_t value)
{
	uint64_t first = out->held | value << out->held_count;
	memcpy(out->at, &first, sizeof(first));
	out->at += sizeof(first);
	/* By two steps, as none may be of all 64 bits. */
	out->held = value >> 1 >> (63 - out->held_count);
}

static inline size_t bits_written(const struct bits_out *out, const uint8_t *start)
{
	return (size_t)(out->at - start) * 8 + out->held_count;
}

/* The bits of a number without its highest. No branch, as none could be foreseen. */
static inline unsigned bits_low_length(uint64_t value)
{
	return 63u ^ (unsigned)__builtin_clzll(value | 1);
}

static inline unsigned bits_length(uint64_t value)
{
	return bits_low_length(value) + (value != 0);
}

static inline unsigned bits_number_cost(uint64_t value)
{
	return BITS_LENGTH_BITS + bits_low_length(value);
}

static inline __attribute__((always_inline)) void bits_put_number(struct bits_out *out, uint64_t value)
{
	unsigned length = bits_length(value), low = bits_low_length(value);
	value &= ~((uint64_t)1 << low);
	if (low <= BITS_MAX - BITS_LENGTH_BITS) {
		bits_put(out, length | value << BITS_LENGTH_BITS, BITS_LENGTH_BITS + low);
		return;
	}
	bits_put(out, length, BITS_LENGTH_BITS);
	bits_put(out, value & UINT32_MAX, 32);
	bits_put(out, value >> 32, low - 32);
}

/* A number below 2^BITS_SMALL_MAX as it stands in a stream; two of them are put or taken at once. */
#define BITS_SMALL_MAX 22

static inline uint64_t bits_small(uint64_t value, unsigned *length)
{
	unsigned bits = bits_length(value), low = bits_low_length(value);
	*length = BITS_LENGTH_BITS + low;
	return bits | (value & ~((uint64_t)1 << low)) << BITS_LENGTH_BITS;
}

static inline __attribute__((always_inline)) void bits_put_two_small(struct bits_out *out, uint64_t first,
								     uint64_t second)
{
	unsigned first_length, second_length;
	uint64_t codes = bits_small(first, &first_length);
	codes |= bits_small(second, &second_length) << first_length;
	bits_put(out, codes, first_length + second_length);
}

/*
 * Rice codes of two or three values, to be put at once: first all rows, each of zeros with a one behind
 * it, so that their ends are found by three steps, then the low parts. Not where a row is RICE_SHORT or
 * longer, or the whole longer than BITS_MAX: then they are RICE_ESCAPE zeros, and numbers.
 */
struct bits_rices {
	uint64_t bits;
	uint64_t rows; /* as a set of bits */
	unsigned length;
};

static inline __attribute__((always_inline)) void
bits_rices_add(struct bits_rices *rices, uint64_t *lows, unsigned *low_length, uint64_t value,
	       unsigned parameter)
{
	uint64_t row = value >> parameter;
	rices->rows |= row;
	rices->length += (unsigned)row % RICE_SHORT;
	rices->bits |= (uint64_t)1 << rices->length % 64;
	rices->length++;
	*lows |= (value & (((uint64_t)1 << parameter) - 1)) << *low_length % 64;
	*low_length += parameter;
}

static inline __attribute__((always_inline)) struct bits_rices
bits_rices(const uint64_t *values, const unsigned *parameters, unsigned count)
{
	struct bits_rices rices = { .bits = 0 };
	uint64_t lows = 0;
	unsigned low_length = 0;
	bits_rices_add(&rices, &lows, &low_length, values[0], parameters[0]);
	bits_rices_add(&rices, &lows, &low_length, values[1], parameters[1]);
	if (count > 2)
		bits_rices_add(&rices, &lows, &low_length, values[2], parameters[2]);
	rices.bits |= lows << rices.length % 64;
	rices.length += low_length;
	return rices;
}

static inline bool bits_rices_are_short(const struct bits_rices *rices)
{
	return rices->rows < RICE_SHORT && rices->length <= BITS_MAX;
}

static inline unsigned bits_rices_cost(const uint64_t *values, const unsigned *parameters,
				       unsigned count)
{
	struct bits_rices rices = bits_rices(values, parameters, count);
	unsigned cost = RICE_ESCAPE;
	if (bits_rices_are_short(&rices))
		return rices.length;
	for (unsigned i = 0; i < count; i++)
		cost += bits_number_cost(values[i]);
	return cost;
}

/* Out of line, and with a copy of the stream, so that the caller's stays in registers. */
static __attribute__((noinline, unused)) struct bits_out
bits_put_escaped(struct bits_out out, const uint64_t *values, unsigned count)
{
	bits_put(&out, 0, RICE_ESCAPE);
	for (unsigned i = 0; i < count; i++)
		bits_put_number(&out, values[i]);
	return out;
}

static inline __attribute__((always_inline)) void
bits_put_rices(struct bits_out *out, const uint64_t *values, const unsigned *parameters,
	       unsigned count)
{
	struct bits_rices rices = bits_rices(values, parameters, count);
	if (bits_rices_are_short(&rices))
		bits_put(out, rices.bits, rices.length);
	else
		*out = bits_put_escaped(*out, values, count);
}

struct bits_in {
	const uint8_t *bytes;
	size_t length;
	size_t bit; /* read so far */
};

static inline bool bits_in_is_over(const struct bits_in *in)
{
	return in->bit > in->length * 8;
}

/* The next BITS_MAX bits at least. */
static inline uint64_t bits_peek(const struct bits_in *in)
{
	uint64_t window = 0;
	size_t byte = in->bit / 8;
	if (byte + sizeof(window) <= in->length)
		memcpy(&window, in->bytes + byte, sizeof(window));
	else if (byte < in->length)
		memcpy(&window, in->bytes + byte, in->length - byte);
	return window >> (in->bit % 8);
}

static inline uint64_t bits_take(struct bits_in *in, unsigned count)
{
	uint64_t value = bits_peek(in) & (((uint64_t)1 << count) - 1);
	in->bit += count;
	return value;
}

static inline uint64_t bits_take_64(struct bits_in *in)
{
	uint64_t low;
	size_t byte = in->bit / 8;
	unsigned from = in->bit % 8;
	if (byte + sizeof(low) >= in->length) {
		low = bits_take(in, 32);
		return low | bits_take(in, 32) << 32;
	}
	memcpy(&low, in->bytes + byte, sizeof(low));
	uint64_t last = in->bytes[byte + sizeof(low)];
	in->bit += 64;
	/* By two steps, as none may be of all 64 bits. */
	return low >> from | last << 1 << (63 - from);
}

static inline uint64_t bits_take_number(struct bits_in *in)
{
	uint64_t window = bits_peek(in);
	unsigned length = (unsigned)window & ((1u << BITS_LENGTH_BITS) - 1);
	unsigned low = length > 1 ? length - 1 : 0;
	if (low <= BITS_MAX - BITS_LENGTH_BITS) {
		in->bit += BITS_LENGTH_BITS + low;
		return (uint64_t)(length > 0) << low |
		       (window >> BITS_LENGTH_BITS & (((uint64_t)1 << low) - 1));
	}
	if (length > 64) {
		in->bit = in->length * 8 + 1; /* no such number: as good as past the end */
		return 0;
	}
	in->bit += BITS_LENGTH_BITS;
	uint64_t value = bits_take(in, 32);
	value |= bits_take(in, low - 32) << 32;
	return value | UINT64_C(1) << low;
}

/* False, and nothing is taken: they are not both small. */
static inline __attribute__((always_inline)) bool bits_take_two_small(struct bits_in *in, uint64_t *first,
								      uint64_t *second)
{
	const unsigned length_mask = (1u << BITS_LENGTH_BITS) - 1;
	uint64_t window = bits_peek(in);
	unsigned bits = (unsigned)window & length_mask, low = bits > 1 ? bits - 1 : 0;
	if (bits > BITS_SMALL_MAX)
		return false;
	window >>= BITS_LENGTH_BITS;
	*first = (uint64_t)(bits > 0) << low | (window & (((uint64_t)1 << low) - 1));
	window >>= low;
	unsigned taken = 2 * BITS_LENGTH_BITS + low;
	bits = (unsigned)window & length_mask;
	low = bits > 1 ? bits - 1 : 0;
	if (bits > BITS_SMALL_MAX)
		return false;
	*second = (uint64_t)(bits > 0) << low | (window >> BITS_LENGTH_BITS & (((uint64_t)1 << low) - 1));
	in->bit += taken + low;
	return true;
}

/* A code alone, of a row of ones with a zero behind it and the low part: form 1 of blocks (block.h). */
static inline uint64_t bits_take_rice(struct bits_in *in, unsigned parameter)
{
	uint64_t window = bits_peek(in);
	unsigned ones = ~window == 0 ? RICE_ESCAPE : (unsigned)__builtin_ctzll(~window);
	if (ones >= RICE_ESCAPE) {
		in->bit += RICE_ESCAPE;
		return bits_take_number(in);
	}
	in->bit += ones + 1;
	return (uint64_t)ones << parameter | bits_take(in, parameter);
}

/* Out of line, and with a copy of the stream, so that the caller's stays in registers. */
static __attribute__((noinline, unused)) struct bits_in
bits_take_escaped(struct bits_in in, uint64_t *values, unsigned count)
{
	in.bit += RICE_ESCAPE;
	for (unsigned i = 0; i < count; i++)
		values[i] = bits_take_number(&in);
	return in;
}

/* What bits_put_rices put. */
static inline __attribute__((always_inline)) void
bits_take_rices(struct bits_in *in, const unsigned *parameters, uint64_t *values, unsigned count)
{
	const uint64_t guard = UINT64_C(1) << 63;
	uint64_t window = bits_peek(in), ends = window | guard;
	unsigned first = (unsigned)__builtin_ctzll(ends);
	ends = (ends & (ends - 1)) | guard;
	unsigned second = (unsigned)__builtin_ctzll(ends), last = second, third = 0;
	unsigned length = parameters[0] + parameters[1];
	if (count > 2) {
		ends = (ends & (ends - 1)) | guard;
		last = third = (unsigned)__builtin_ctzll(ends);
		length += parameters[2];
	}
	length += last + 1;
	if (__builtin_expect(first >= RICE_ESCAPE || length > BITS_MAX, 0)) {
		*in = bits_take_escaped(*in, values, count);
		if (first < RICE_ESCAPE)
			in->bit = in->length * 8 + 1; /* no such codes: as good as past the end */
		return;
	}
	in->bit += length;
	window >>= last + 1;
	values[0] = (uint64_t)first << parameters[0] |
		    (window & (((uint64_t)1 << parameters[0]) - 1));
	window >>= parameters[0];
	values[1] = (uint64_t)(second - first - 1) << parameters[1] |
		    (window & (((uint64_t)1 << parameters[1]) - 1));
	window >>= parameters[1];
	if (count > 2)
		values[2] = (uint64_t)(third - second - 1) << parameters[2] |
			    (window & (((uint64_t)1 << parameters[2]) - 1));
}

#endif
