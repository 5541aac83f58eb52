/*
 * Owns: what is sound UTF-8.
 * Invariant: RFC 3629: the shortest form, no surrogates, up to U+10FFFF.
 * Thread: any, no state.
 * Does not know: what a text says.
 */
#ifndef NEARBY_PROTO_UTF8_H
#define NEARBY_PROTO_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* What stands for a byte that is none of UTF-8: U+FFFD. */
#define UTF8_REPLACEMENT "\xef\xbf\xbd"

/* Bytes of the sequence at the start of `text`, of which there are `length` > 0; 0: there is none. */
size_t utf8_sequence(const uint8_t *text, size_t length);

#endif
