/* SPDX-License-Identifier: MIT */
/* The flame graph: one SVG file that needs nothing else, interactive where scripts run and readable where not. */
#ifndef GILTRACE_REPORT_FLAME_SVG_H
#define GILTRACE_REPORT_FLAME_SVG_H

#include <stdio.h>

#include "user/report/flame_tree.h"

/*
 * Writes the flame graph of a finished trace: well-formed XML, whatever the names in the trace. Frames narrower than a
 * tenth of a pixel are left out, counted in what calls them, and told. 0, -ENOMEM, or the -errno of a failed write.
 */
int report__flame(const struct trace *trace, enum flame_kind kind, FILE *out);

#endif
