/* SPDX-License-Identifier: MIT */
/* Single waits and holds as a timeline for ui.perfetto.dev and trace_processor: docs/timeline.md. */
#ifndef GILTRACE_REPORT_TIMELINE_H
#define GILTRACE_REPORT_TIMELINE_H

#include <stdio.h>

#include "user/report/flame_tree.h"

/*
 * Writes the trace's events in Perfetto's format as a stream; beside the events it takes 8 bytes of memory for each
 * while they are sorted. Without events there are the processes' tracks alone. `kind` makes no difference. The same
 * trace gives the same bytes. 0, -ENOMEM, -EFBIG (over 4 G of events), or the -errno of a failed write.
 */
int report__timeline(const struct trace *trace, enum flame_kind kind, FILE *out);

#endif
