/* SPDX-License-Identifier: MIT */
/*
 * One line on stderr that tells how the trace goes, redrawn about once a second: where stderr is a terminal, --quiet
 * was not given, and giltrace did not start a command, whose terminal it is then. There is one terminal, so there is
 * one line.
 */
#ifndef GILTRACE_PROGRESS_H
#define GILTRACE_PROGRESS_H

#include <stdbool.h>

struct options;
struct trace;

/* Whether there is to be a line. */
bool progress__is_wanted(const struct options *options);

/* The trace begins: from here on progress__tell() draws, if a line is wanted. */
void progress__begin(const struct options *options);

/* Draws the line anew. `now` is what capture__collect() brought: each such trace has to come here, in order. */
void progress__tell(const struct trace *now);

/* Takes the line away: before anything else is written there, and at the end. Idempotent. */
void progress__hide(void);

#endif
