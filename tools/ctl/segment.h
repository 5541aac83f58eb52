/*
 * Owns: opening the instance's segment, with words for what may be wrong.
 * Invariant: read only.
 * Thread: one.
 * Does not know: what is read from it.
 */
#ifndef NEARBY_CTL_SEGMENT_H
#define NEARBY_CTL_SEGMENT_H

#include "ctl.h"
#include "nearbyshm.h"

/* EXIT_OK, or the exit status to end with; then the user knows. The caller closes the segment. */
int segment_open(const struct ctl *ctl, struct nearby_segment **segment);

#endif
