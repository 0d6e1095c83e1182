/* SPDX-License-Identifier: MIT */
/* The flame graph of two traces, before and after: one SVG file, coloured by what changed. */
#ifndef GILTRACE_REPORT_FLAME_DIFFERENCE_H
#define GILTRACE_REPORT_FLAME_DIFFERENCE_H

#include <stdio.h>

#include "user/report/flame_tree.h"

/*
 * Writes it like report__flame() (flame_svg.h). A frame is as wide as what it had in the trace where that was more, so
 * that what is gone is seen too. 0, -ENOMEM, or the -errno of a failed write.
 */
int report__flame_difference(const struct trace *before, const struct trace *after, enum flame_kind kind, FILE *out);

#endif
