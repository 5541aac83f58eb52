/*
 * Owns: how much of something each key has used lately, for limits per address.
 * Invariant: fixed memory, however many keys there are; a key within its rate is refused only when
 *   others fill all of its places, which takes QUOTA_ROWS keys beyond theirs at once.
 * Thread: any number at once; see below.
 * Does not know: what is counted, what a key stands for.
 *
 * A place holds the time until which its keys' share of the rate is used up (the virtual scheduling
 * form of the leaky bucket, ITU-T I.371). A key has one place in each row, and what it has used is at
 * most the least of them; so two keys that meet in one row do not hurt each other. What is refused
 * is not charged.
 *
 * Places are read and raised without order: cores that charge one key in the same moment may let
 * one more each pass, and nothing else depends on a place.
 */
#ifndef NEARBY_NET_QUOTA_H
#define NEARBY_NET_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

/* 4 rows of 16,384 places of 8 bytes are 512 KiB; with 10,000 keys beyond their rate at once a key
 * within its own is refused with a probability of (1 - e^(-10000/16384))^4, 4 %. */
#define QUOTA_ROWS   4
#define QUOTA_PLACES 16384

struct quota;

/* 0, or negative errno. */
int quota_open(struct quota **quota);
void quota_close(struct quota **quota);

/*
 * Charges one to the key. False, and nothing is charged, when it is beyond `per_s` a second, with
 * `burst` (at least 1) at once after a silence. `per_s` 0: no limit.
 */
bool quota_take(struct quota *quota, uint64_t key, uint64_t now_us, uint32_t per_s, uint32_t burst);

#endif
