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
/* Longest row of ones of a Rice code; with parameter and stop it stays below BITS_MAX. */
#define RICE_ESCAPE 24

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

static inline size_t bits_written(const struct bits_out *out, const uint8_t *start)
{
	return (size_t)(out->at - start) * 8 + out->held_count;
}

static inline unsigned bits_length(uint64_t value)
{
	return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

static inline unsigned bits_number_cost(uint64_t value)
{
	unsigned length = bits_length(value);
	return BITS_LENGTH_BITS + (length > 1 ? length - 1 : 0);
}

static inline __attribute__((always_inline)) void bits_put_number(struct bits_out *out, uint64_t value)
{
	unsigned length = bits_length(value), low = length > 1 ? length - 1 : 0;
	value &= ~((uint64_t)1 << low);
	if (low <= BITS_MAX - BITS_LENGTH_BITS) {
		bits_put(out, length | value << BITS_LENGTH_BITS, BITS_LENGTH_BITS + low);
		return;
	}
	bits_put(out, length, BITS_LENGTH_BITS);
	bits_put(out, value & UINT32_MAX, 32);
	bits_put(out, value >> 32, low - 32);
}

static inline unsigned bits_rice_cost(uint64_t value, unsigned parameter)
{
	uint64_t ones = value >> parameter;
	return ones < RICE_ESCAPE ? (unsigned)ones + 1 + parameter
				  : RICE_ESCAPE + bits_number_cost(value);
}

/* A code that fits a put: `ones` < RICE_ESCAPE. */
static inline uint64_t bits_rice(uint64_t value, unsigned parameter, unsigned ones)
{
	uint64_t low = value & (((uint64_t)1 << parameter) - 1);
	return low << (ones + 1) | ((UINT64_C(1) << ones) - 1);
}

static inline void bits_put_rice(struct bits_out *out, uint64_t value, unsigned parameter)
{
	uint64_t ones = value >> parameter;
	if (ones >= RICE_ESCAPE) {
		bits_put(out, (1u << RICE_ESCAPE) - 1, RICE_ESCAPE);
		bits_put_number(out, value);
		return;
	}
	bits_put(out, bits_rice(value, parameter, (unsigned)ones), (unsigned)ones + 1 + parameter);
}

/* Three codes, which nearly always fit one put together. */
static inline void bits_put_rice_3(struct bits_out *out, const uint64_t values[3],
				   const unsigned parameters[3])
{
	unsigned ones[3], length = 3;
	uint64_t all_ones = 0;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t row = values[i] >> parameters[i];
		all_ones |= row;
		ones[i] = (unsigned)row;
		length += ones[i] + parameters[i];
	}
	/* RICE_ESCAPE is no power of two: 16 is the one below it. */
	if (all_ones >= 16 || length > BITS_MAX) {
		for (unsigned i = 0; i < 3; i++)
			bits_put_rice(out, values[i], parameters[i]);
		return;
	}
	uint64_t codes = bits_rice(values[2], parameters[2], ones[2]);
	codes = codes << (ones[1] + 1 + parameters[1]) |
		bits_rice(values[1], parameters[1], ones[1]);
	codes = codes << (ones[0] + 1 + parameters[0]) |
		bits_rice(values[0], parameters[0], ones[0]);
	bits_put(out, codes, length);
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

static inline uint64_t bits_take_rice(struct bits_in *in, unsigned parameter)
{
	uint64_t window = bits_peek(in);
	unsigned ones = ~window == 0 ? RICE_ESCAPE : (unsigned)__builtin_ctzll(~window);
	if (ones >= RICE_ESCAPE) {
		in->bit += RICE_ESCAPE;
		return bits_take_number(in);
	}
	in->bit += ones + 1 + parameter;
	return (uint64_t)ones << parameter |
	       (window >> (ones + 1) & (((uint64_t)1 << parameter) - 1));
}

/* Three codes, which nearly always lie in one window together. */
static inline void bits_take_rice_3(struct bits_in *in, const unsigned parameters[3],
				    uint64_t values[3])
{
	uint64_t window = bits_peek(in);
	unsigned taken = 0, longest = 0;
	for (unsigned i = 0; i < 3; i++) {
		/* A row too long for the window ends there, and is then taken alone. */
		unsigned ones = (unsigned)__builtin_ctzll(~window | UINT64_C(1) << 62);
		longest = ones > longest ? ones : longest;
		window >>= ones + 1;
		values[i] = (uint64_t)ones << parameters[i] |
			    (window & (((uint64_t)1 << parameters[i]) - 1));
		window >>= parameters[i];
		taken += ones + 1 + parameters[i];
	}
	if (taken <= BITS_MAX && longest < RICE_ESCAPE) {
		in->bit += taken;
		return;
	}
	for (unsigned i = 0; i < 3; i++)
		values[i] = bits_take_rice(in, parameters[i]);
}

#endif
