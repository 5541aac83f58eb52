/*
 * Owns: see the header.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "net/chunks.h"

enum state {
	SIZE_FIRST, /* a digit is needed */
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST, /* at the start of a line of a trailer, or of the last, empty one */
	TRAILER,
	TRAILER_LF,
	LAST_LF,
	END,
	WRONG,
};

/* Above this a further digit would not fit. */
#define SIZE_MAX_BEFORE (UINT64_MAX >> 4)

static int digit_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum state after_size(struct chunks *chunks, uint8_t c)
{
	int digit = digit_of(c);
	if (digit >= 0 && chunks->left <= SIZE_MAX_BEFORE) {
		chunks->left = chunks->left << 4 | (uint64_t)digit;
		return SIZE;
	}
	if (chunks->state == SIZE_FIRST)
		return WRONG;
	return c == '\r' ? SIZE_LF : c == ';' ? EXTENSION : WRONG;
}

/* Within a line: anything but a line end of another kind. */
static enum state within_line(uint8_t c, enum state same, enum state at_end)
{
	return c == '\r' ? at_end : c == '\n' || c == '\0' ? WRONG : same;
}

static enum state after(struct chunks *chunks, uint8_t c)
{
	switch ((enum state)chunks->state) {
	case SIZE_FIRST:
	case SIZE:
		return after_size(chunks, c);
	case EXTENSION:
		return within_line(c, EXTENSION, SIZE_LF);
	case SIZE_LF:
		return c != '\n' ? WRONG : chunks->left > 0 ? DATA : TRAILER_FIRST;
	case DATA_CR:
		return c == '\r' ? DATA_LF : WRONG;
	case DATA_LF:
		return c == '\n' ? SIZE_FIRST : WRONG;
	case TRAILER_FIRST:
		return within_line(c, TRAILER, LAST_LF);
	case TRAILER:
		return within_line(c, TRAILER, TRAILER_LF);
	case TRAILER_LF:
		return c == '\n' ? TRAILER_FIRST : WRONG;
	case LAST_LF:
		return c == '\n' ? END : WRONG;
	case DATA:
	case END:
	case WRONG:
		break;
	}
	return WRONG;
}

/* Of the data of the chunk at hand, as far as they are there. */
static size_t take_data(struct chunks *chunks, size_t length)
{
	size_t taken = length < chunks->left ? length : (size_t)chunks->left;
	chunks->left -= taken;
	if (chunks->left == 0)
		chunks->state = DATA_CR;
	return taken;
}

size_t chunks_feed(struct chunks *chunks, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	size_t right = 0;
	while (right < length) {
		if (chunks->state == DATA)
			return right + take_data(chunks, length - right);
		enum state next = after(chunks, at[right]);
		if (next == WRONG && chunks->state == END)
			return right;
		chunks->state = (uint8_t)next;
		if (next == WRONG)
			return right;
		right++;
	}
	return right;
}
