/*
 * Owns: see siphash.h.
 * Invariant: see siphash.h.
 * Thread: any, no state.
 * Does not know: what it is used for.
 */
#include "base/siphash.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static void round_once(struct state *s)
{
	s->v0 += s->v1, s->v1 = rotate(s->v1, 13) ^ s->v0, s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3, s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3, s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1, s->v1 = rotate(s->v1, 17) ^ s->v2, s->v2 = rotate(s->v2, 32);
}

static void absorb(struct state *state, uint64_t word)
{
	state->v3 ^= word;
	round_once(state);
	round_once(state);
	state->v0 ^= word;
}

static uint64_t word_at(const uint8_t *bytes)
{
	uint64_t word = 0;
	for (unsigned i = 8; i > 0; i--)
		word = word << 8 | bytes[i - 1];
	return word;
}

uint64_t siphash_words(const uint8_t key[SIPHASH_KEY_BYTES], const uint64_t *words, size_t count)
{
	uint64_t k0 = word_at(key), k1 = word_at(key + 8);
	struct state state = {
		k0 ^ UINT64_C(0x736f6d6570736575),
		k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261),
		k1 ^ UINT64_C(0x7465646279746573),
	};
	for (size_t i = 0; i < count; i++)
		absorb(&state, words[i]);
	/* The last block: what is left over, here nothing, and the length in the highest byte. */
	absorb(&state, (uint64_t)(count * 8) << 56);
	state.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		round_once(&state);
	return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}
