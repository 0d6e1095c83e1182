/* SPDX-License-Identifier: MIT */
/* What was waited and held in two traces, with the stacks of both in one table: for a flame graph of what changed. */
#ifndef GILTRACE_REPORT_FLAME_BOTH_H
#define GILTRACE_REPORT_FLAME_BOTH_H

struct trace;

/*
 * Fills an empty trace with the blame and the release points of the two, in ns a second: all of the first, then all of
 * the second. Nothing else is in it. 0 or -ENOMEM.
 */
int flame_both__fill(struct trace *both, const struct trace *before, const struct trace *after);

#endif
