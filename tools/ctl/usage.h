/*
 * Owns: what nearbyctl says about itself.
 * Invariant: all of it comes from commands.tbl, options.tbl and exits.tbl.
 * Thread: one.
 * Does not know: how commands work.
 */
#ifndef NEARBY_CTL_USAGE_H
#define NEARBY_CTL_USAGE_H

#include "ctl.h"

/* All commands and options, or, with a command, its own page. */
void usage_print(const struct command *command);

#endif
