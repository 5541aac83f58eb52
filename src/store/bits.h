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

static inline void bits_put_number(struct bits_out *out, uint64_t value)
{
	unsigned length = bits_length(value);
	bits_put(out, length, BITS_LENGTH_BITS);
	if (length <= 1)
		return;
	value &= ~((uint64_t)1 << (length - 1));
	unsigned low = length - 1 < 32 ? length - 1 : 32;
	bits_put(out, value & (((uint64_t)1 << low) - 1), low);
	bits_put(out, value >> low, length - 1 - low);
}

static inline unsigned bits_rice_cost(uint64_t value, unsigned parameter)
{
	uint64_t ones = value >> parameter;
	return ones < RICE_ESCAPE ? (unsigned)ones + 1 + parameter
				  : RICE_ESCAPE + bits_number_cost(value);
}

static inline void bits_put_rice(struct bits_out *out, uint64_t value, unsigned parameter)
{
	uint64_t ones = value >> parameter;
	if (ones >= RICE_ESCAPE) {
		bits_put(out, (1u << RICE_ESCAPE) - 1, RICE_ESCAPE);
		bits_put_number(out, value);
		return;
	}
	uint64_t low = value & (((uint64_t)1 << parameter) - 1);
	bits_put(out, low << (ones + 1) | ((1u << ones) - 1), (unsigned)ones + 1 + parameter);
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
	unsigned length = (unsigned)bits_take(in, BITS_LENGTH_BITS);
	if (length <= 1)
		return length;
	if (length > 64) {
		in->bit = in->length * 8 + 1; /* no such number: as good as past the end */
		return 0;
	}
	unsigned low = length - 1 < 32 ? length - 1 : 32;
	uint64_t value = bits_take(in, low);
	value |= bits_take(in, length - 1 - low) << low;
	return value | (uint64_t)1 << (length - 1);
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

#endif
