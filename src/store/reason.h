/*
 * Owns: the text that says why the store could not be opened or is not sound.
 * Invariant: a text stays valid until the same thread asks for the next.
 * Thread: any; one text a thread.
 * Does not know: what went wrong.
 */
#ifndef NEARBY_STORE_REASON_H
#define NEARBY_STORE_REASON_H

/* printf-like; longer than 400 bytes is cut. The memory is the thread's own. */
const char *reason_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
