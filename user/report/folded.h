/* SPDX-License-Identifier: MIT */
/* Folded stacks, the input of flamegraph.pl, inferno, speedscope and others: "frame;frame;frame nanoseconds". */
#ifndef GILTRACE_REPORT_FOLDED_H
#define GILTRACE_REPORT_FOLDED_H

#include <stdio.h>

#include "user/report/flame_tree.h"

/*
 * Writes one line a stack, the root first, then nanoseconds. A frame is "name (file)", that of the innermost Python
 * function "name (file:line)". What would break the format (";", control characters) is written \xNN. 0, -ENOMEM, or
 * the -errno of a failed write.
 */
int report__folded(const struct trace *trace, enum flame_kind kind, FILE *out);

#endif
