/*
 * Owns: the words for what a client receives, for stories and traces.
 * Invariant: one line a message, without its closing newline; distances with one decimal.
 * Thread: any, no state.
 * Does not know: who asked.
 */
#ifndef NEARBY_SIM_TELL_H
#define NEARBY_SIM_TELL_H

#include "oracle.h"

#include <stdio.h>

/* Writes `msg` as received by the device called `device`; users are called by `labels`. A name is
 * shown beside the label where the two differ. */
void tell_message(FILE *to, const struct oracle *oracle, const char *const *labels,
		  const char *device, const struct server_msg *msg);

#endif
