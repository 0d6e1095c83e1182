/* SPDX-License-Identifier: MIT */
/* A file for speedscope: blame, wait and hold as three profiles over one table of frames. */
#ifndef GILTRACE_REPORT_SPEEDSCOPE_H
#define GILTRACE_REPORT_SPEEDSCOPE_H

#include <stdio.h>

#include "user/report/flame_tree.h"

/* Writes the three profiles, in nanoseconds; the one of `kind` is shown first. 0, -ENOMEM, or the -errno of a write. */
int report__speedscope(const struct trace *trace, enum flame_kind kind, FILE *out);

#endif
