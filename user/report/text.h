/* SPDX-License-Identifier: MIT */
/* The text report: the answer first, then the details. At most 80 columns, ASCII but for the target's own names. */
#ifndef GILTRACE_REPORT_TEXT_H
#define GILTRACE_REPORT_TEXT_H

#include <stdio.h>

struct trace;

/* Writes a finished trace for people. 0 or the -errno of a failed write. */
int report__text(const struct trace *trace, FILE *out);

#endif
