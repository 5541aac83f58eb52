/*
 * Owns: numbers as decimal text.
 * Invariant: what is written beyond the end that is returned is within the room that a function asks
 *   for, and is rubbish.
 * Thread: any, no state.
 * Does not know: whose room it is; writer.h has what is checked.
 *
 * Eight digits come at a time, from four multiplications: the number is halved into groups of four,
 * two and one digits that lie side by side in one word.
 */
#ifndef NEARBY_BASE_DIGITS_H
#define NEARBY_BASE_DIGITS_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define DIGITS_EIGHT 100000000u
/* What a number may take, with what is written beyond it: 20 digits or a sign, a point, and eight. */
#define DIGITS_ROOM 32
/* Decimals of a fixed-point number at most. */
#define DIGITS_DECIMALS_MAX 8

/* The digits of a value below 10^8, each a byte of 0 to 9, the first in the lowest. */
static inline uint64_t digits_of(uint32_t value)
{
	uint64_t fours = value / 10000 + ((uint64_t)(value % 10000) << 32);
	/* Exact quotients of what is below 10,000 by 100, and of what is below 100 by 10. */
	uint64_t hundreds = (fours * 10486 >> 20) & 0x0000007f0000007f;
	uint64_t twos = hundreds + ((fours - hundreds * 100) << 16);
	uint64_t tens = (twos * 103 >> 10) & 0x000f000f000f000f;
	return tens + ((twos - tens * 10) << 8);
}

/* Digits as text: eight bytes at `at`. */
static inline void digits_store(uint8_t *at, uint64_t digits)
{
	uint64_t text = htole64(digits | 0x3030303030303030);
	memcpy(at, &text, sizeof(text));
}

/* The same of a value below 10^4. */
static inline uint32_t digits_of_short(uint32_t value)
{
	uint32_t hundreds = value * 10486 >> 20;
	uint32_t twos = hundreds + ((value - hundreds * 100) << 16);
	uint32_t tens = (twos * 103 >> 10) & 0x000f000f;
	return tens + ((twos - tens * 10) << 8);
}

/* A value below 10^8 without leading zeros. Returns the end of the text, as all that follow. The last
 * digit stays, zero or not. */
static inline uint8_t *digits_put_eight(uint8_t *at, uint32_t value)
{
	if (value < 10000) {
		uint32_t digits = digits_of_short(value);
		unsigned zeros = (unsigned)__builtin_ctz(digits | 1u << 24) / 8;
		uint32_t text = htole32((digits | 0x30303030) >> zeros * 8);
		memcpy(at, &text, sizeof(text));
		return at + 4 - zeros;
	}
	uint64_t digits = digits_of(value);
	unsigned zeros = (unsigned)__builtin_ctzll(digits) / 8;
	digits_store(at, digits >> zeros * 8);
	return at + 8 - zeros;
}

/* Into DIGITS_ROOM. */
static inline uint8_t *digits_put_u64(uint8_t *at, uint64_t value)
{
	if (value < DIGITS_EIGHT)
		return digits_put_eight(at, (uint32_t)value);
	uint64_t above = value / DIGITS_EIGHT;
	if (above < DIGITS_EIGHT) {
		at = digits_put_eight(at, (uint32_t)above);
	} else {
		at = digits_put_eight(at, (uint32_t)(above / DIGITS_EIGHT));
		digits_store(at, digits_of((uint32_t)(above % DIGITS_EIGHT)));
		at += 8;
	}
	digits_store(at, digits_of((uint32_t)(value % DIGITS_EIGHT)));
	return at + 8;
}

/* value / 10^decimals without trailing zeros: (375000000, 7) is 37.5. Into DIGITS_ROOM. Always inline,
 * as the divisor is mostly known where it is called. */
static inline __attribute__((always_inline)) uint8_t *digits_put_fixed(uint8_t *at, int64_t value,
								       unsigned decimals)
{
	static const uint32_t powers[] = { 1,	   10,	    100,      1000,	10000,
					   100000, 1000000, 10000000, 100000000 };
	uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	*at = '-';
	at = digits_put_u64(at + (value < 0), magnitude / powers[decimals]);
	uint32_t fraction = (uint32_t)(magnitude % powers[decimals]);
	if (fraction == 0)
		return at;
	uint64_t digits = digits_of(fraction * powers[DIGITS_DECIMALS_MAX - decimals]);
	*at++ = '.';
	digits_store(at, digits);
	return at + 8 - (unsigned)__builtin_clzll(digits) / 8;
}

#endif
